"""How near a brand has to be before it counts as shown: what pictures of nothing registered reach in this registry.

A stranger's nearest reference is the nearer the more references there are, so one threshold cannot serve a registry of
ten references and one of a hundred thousand. The encoder's background (pictures of nothing registered) is held against
every reference, and a brand is shown from the score that one background picture in a hundred reaches (calibration of
open-set rejection by an extreme quantile: Scheirer et al., Meta-Recognition, TPAMI 2011).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from index.snapshot import Snapshot
from screener.bundle import Bundle
from screener.cosines import part_cosines
from screener.directory import Directory
from screener.score_norm import elsewhere

STRANGERS: Final = 0.01
"""Share of background pictures that may reach the level. Of 0.2, 0.5, 1 and 2 %, on photos of groceries, this one found
78 % by looks alone and named 1.8 % of the photos of loose fruit (0.5 %: 71 and 0.4; 2 %: 84 and 6.8)."""
LEEWAY: Final = 0.2
"""How far under the threshold of a match the level may lie: few references leave room, but a brand must be seen."""
_AT_ONCE: Final = 8192


def shown_from(
    bundle: Bundle, snapshot: Snapshot, directory: Directory, limits: Mapping[str, float]
) -> Mapping[str, float]:
    """The least score by use (`limits` gives the thresholds of a match) at which a brand counts as shown.

    A copy is the same picture or none, so its level is the threshold of a match; so is that of the other uses without a
    background, or without references.
    """
    background = bundle.background
    if background is None or not snapshot.ids:
        return limits
    nothing = elsewhere(bundle, background)
    marks = np.array([entry is not None and entry.is_mark for entry in map(directory.entries.get, snapshot.ids)])
    levels = dict(limits)
    for use, limit in limits.items():
        if use == "copy":
            continue
        rows = np.flatnonzero(marks == (use == "logo"))
        if not len(rows):
            continue
        best = np.full(len(background), -1.0, dtype=np.float32)
        for start in range(0, len(rows), _AT_ONCE):
            vectors = snapshot.vectors[rows[start : start + _AT_ONCE]]
            np.maximum(best, part_cosines(bundle.part_for(use), background, vectors).max(axis=1), out=best)
        reached = float(np.quantile(nothing.scores(use, best[:, None]), 1.0 - STRANGERS))
        levels[use] = max(reached, limit - LEEWAY)
    return MappingProxyType(levels)
