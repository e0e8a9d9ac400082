"""The judges to beat, on the same listings: PDQ only, cosine threshold only, words only, the first version's rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError
from training.market.dataset import Dataset
from training.market.first_rule import PROMPT_FROM, first_rule
from training.market.nearest import FAR, NEAREST
from training.market.splits import PDQ_DISTANCE

COSINE = 0.9
"""From which open listing checkers that compare CLIP vectors call two pictures the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Scores (n,) of a judge, and which listings (n,) it would prompt by the threshold that it is known with."""

    name: str
    score: NDArray[np.float64]
    prompts: NDArray[np.bool_]


def baselines(dataset: Dataset, folder: Path) -> list[Baseline]:
    """All of them, for the listings of `dataset`. Raises TrainingError where nearest.npz is of another run."""
    near = _nearest(dataset, folder)
    pdq = np.minimum(near["pdq_fake"], near["pdq_official"])
    cosine = np.maximum(near["cosine_fake"], near["cosine_official"])
    replica = np.nan_to_num(dataset.column("replica_words"))
    words = replica + 1.5 * np.nan_to_num(dataset.column("name_disguised"))
    rule = first_rule(dataset.column)
    return [
        Baseline("PDQ only", FAR - pdq, pdq <= PDQ_DISTANCE),
        Baseline("cosine >= 0.9 only", cosine, cosine >= COSINE),
        Baseline("words only", words, words >= 1),
        Baseline("rule of the first version", rule, rule >= PROMPT_FROM),
    ]


def _nearest(dataset: Dataset, folder: Path) -> Mapping[str, NDArray[np.float64]]:
    with np.load(folder / NEAREST, allow_pickle=False) as kept:
        place = {name: row for row, name in enumerate(kept["ids"].tolist())}
        if not set(dataset.ids.tolist()) <= set(place):
            raise TrainingError(f"{folder / NEAREST} is not of the same run")
        rows = [place[name] for name in dataset.ids.tolist()]
        return {name: kept[name][rows] for name in kept.files if name != "ids"}
