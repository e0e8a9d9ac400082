"""Score normalisation: takes from a cosine what the same vector has with pictures of nothing registered.

A picture that is near to everything (a plain texture, a blurred photo) is near to every reference, so one threshold
would mean something else for it. The Image Similarity Challenge 2021 (arXiv:2202.04007) and SSCD (arXiv:2202.10261)
subtract a share of the mean cosine with the nearest of a background set; here what is left is also stretched, so that
the same picture still scores 1 and a threshold still lies between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .bundle import USES, Bundle, Part
from .cosines import part_cosines

NEAREST: Final = 10
"""So many of the background's best cosines make a vector's level."""


def background_level(
    part: Part, vectors: NDArray[np.float32], background: NDArray[np.float32], k: int = NEAREST
) -> NDArray[np.float32]:
    """Mean of the `k` best cosines of each vector (n, d) with the background (B, d), in one part: shape (n,).

    With fewer than `k` background vectors all of them count. Zero for a vector without length in the part.
    ``ValueError`` if `k` is not positive or the background is empty.
    """
    if k < 1 or not len(background):
        raise ValueError(f"needs at least one background vector and k of at least 1, not {len(background)} and {k}")
    return _level(part_cosines(part, vectors, background), k)


def normalised(cosines: NDArray[np.float32], level: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Cosines (q, ...) of queries whose `level` is (q,), so that `share` of the level becomes 0 and 1 stays 1.

    A level below 0 counts as 0. With `share` 0 nothing changes.
    """
    floor = (np.maximum(level, 0.0) * np.float32(share)).reshape(-1, *[1] * (cosines.ndim - 1))
    scores: NDArray[np.float32] = (cosines - floor) / np.maximum(1.0 - floor, 1e-6)
    return scores


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What queries have with pictures of nothing registered, by use: the best score (q,), on the scale of `scores`."""

    best: Mapping[str, NDArray[np.float32]]
    _level: Mapping[str, NDArray[np.float32]]
    _share: Mapping[str, float]

    def scores(self, use: str, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines (q, k) of the same queries with references, as the use's operating point counts them."""
        return normalised(cosines, self._level[use], self._share[use]) if self._share[use] else cosines


def elsewhere(bundle: Bundle, queries: NDArray[np.float32]) -> Elsewhere:
    """Hold queries (q, D) against the bundle's background; without one, nothing is normalised and the best is -1."""
    nothing = np.full(len(queries), -1.0, dtype=np.float32)
    share = {use: point.background_share for use, point in bundle.operating_points.items()}
    best, level = dict.fromkeys(USES, nothing), dict.fromkeys(USES, np.zeros_like(nothing))
    background = bundle.background
    for part in bundle.parts if background is not None else ():
        assert background is not None
        cosines = part_cosines(part, queries, background)
        for use in part.uses:
            level[use] = _level(cosines, NEAREST)
            best[use] = normalised(cosines.max(axis=1), level[use], share.get(use, 0.0))
    return Elsewhere(MappingProxyType(best), MappingProxyType(level), dict.fromkeys(USES, 0.0) | share)


def _level(cosines: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    best = min(k, cosines.shape[1])
    nearest = np.partition(cosines, cosines.shape[1] - best, axis=1)[:, -best:]
    level: NDArray[np.float32] = nearest.mean(axis=1, dtype=np.float32)
    return level
