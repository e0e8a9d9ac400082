"""Score normalisation: takes from a cosine what the same vector has with pictures of nothing registered.

A vector that is near to everything (a plain texture, a blurred photo) is near to every reference, so one threshold
would mean something else for it. Subtracted is `beta` times the mean cosine with the nearest `k` of a background set,
as in the Image Similarity Challenge 2021 (arXiv:2202.04007) and SSCD (arXiv:2202.10261, "score normalization"), which
do so on the query's side; the same works on the reference's side, where it is computed once per reference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .bundle import Part


def background_level(
    part: Part, vectors: NDArray[np.float32], background: NDArray[np.float32], k: int
) -> NDArray[np.float32]:
    """Mean of the `k` best cosines of each vector (n, d) with the background (B, d), in one part: shape (n,).

    With fewer than `k` background vectors all of them count. Zero for a vector without length in the part.
    ``ValueError`` if `k` is not positive or the background is empty.
    """
    if k < 1 or not len(background):
        raise ValueError(f"needs at least one background vector and k of at least 1, not {len(background)} and {k}")
    cosines = _unit(vectors[:, part.start : part.stop]) @ _unit(background[:, part.start : part.stop]).T
    best = min(k, cosines.shape[1])
    nearest = np.partition(cosines, cosines.shape[1] - best, axis=1)[:, -best:]
    level: NDArray[np.float32] = nearest.mean(axis=1, dtype=np.float32)
    return level


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-6)
    return unit
