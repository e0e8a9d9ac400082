"""Groups of listings whose features are alike, so that a plan does not buy the same kind of case over and over."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

GROUPS: Final = 24
_SAMPLE: Final = 5_000
_ROUNDS: Final = 12
_AT_ONCE: Final = 50_000


def groups_of_looks(features: NDArray[np.float32], groups: int = GROUPS) -> NDArray[np.int64]:
    """The group of each listing (n,), by k-means (Lloyd, IEEE Trans. Inf. Theory 1982) on standardised features.

    `features` (n, F), NaN where one is missing, which counts as the middle value. The same for the same features:
    centres start from listings spread by k-means++ with a fixed seed, on a sample where there are many.
    """
    if not features.size:
        return np.zeros(len(features), dtype=np.int64)
    rng = np.random.default_rng(0)
    sample = features[np.sort(rng.permutation(len(features))[:_SAMPLE])]
    known = ~np.isnan(sample).all(axis=0)
    if not known.any():
        return np.zeros(len(features), dtype=np.int64)
    sample = sample[:, known]
    middle = np.nanmedian(sample, axis=0)
    sample = np.where(np.isnan(sample), middle, sample)
    spread = sample.std(axis=0)
    spread[spread < 1e-9] = 1.0
    sample = (sample - middle) / spread
    centres = _centres(sample, min(groups, len(sample)), rng)
    found = np.empty(len(features), dtype=np.int64)
    for start in range(0, len(features), _AT_ONCE):
        part = features[start : start + _AT_ONCE, known]
        found[start : start + _AT_ONCE] = _nearest((np.where(np.isnan(part), middle, part) - middle) / spread, centres)
    return np.unique(found, return_inverse=True)[1].reshape(-1)


def _centres(sample: NDArray[np.float32], groups: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Means of the groups of a sample, where the rounds end."""
    centres = sample[[rng.integers(len(sample))]]
    far = np.square(sample - centres[0]).sum(axis=1)
    while len(centres) < groups and far.sum() > 0:
        following = sample[[rng.choice(len(sample), p=far / far.sum())]]
        centres = np.concatenate([centres, following])
        far = np.minimum(far, np.square(sample - following[0]).sum(axis=1))
    for _ in range(_ROUNDS):
        group = _nearest(sample, centres)
        size = np.bincount(group, minlength=len(centres))
        sums = np.zeros_like(centres)
        np.add.at(sums, group, sample)
        centres = np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], centres)
    return centres


def _nearest(rows: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.asarray(np.argmin(np.square(centres).sum(axis=1) - 2 * rows @ centres.T, axis=1), dtype=np.int64)
