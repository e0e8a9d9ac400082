"""What may enter an index: finite unit vectors of one width, each with an id of its own."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from index.errors import VectorsRefused

UNIT_TOLERANCE = 1e-3
"""How far a norm may be from 1: float16 storage alone moves it by up to 5e-4."""


def check_vectors(ids: Sequence[str], vectors: NDArray[np.float32], dim: int) -> None:
    """Refuses what would poison every later search.

    Parameters
    ----------
    ids : one non-empty string per row, all different
    vectors : shape (len(ids), dim), float32
    dim : width that the encoder promises

    Raises
    ------
    VectorsRefused
        naming the first offending row
    """
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise VectorsRefused(f"vectors must be a float32 matrix, got {vectors.dtype} of {vectors.ndim} axes")
    if vectors.shape[0] != len(ids):
        raise VectorsRefused(f"{len(ids)} ids for {vectors.shape[0]} vectors")
    if vectors.shape[1] != dim:
        raise VectorsRefused(f"vectors are {vectors.shape[1]} wide, the encoder gives {dim}")
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        duplicate = next(i for i in ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]  # add() is None
        raise VectorsRefused(f"id {duplicate} occurs twice")
    if "" in ids:
        raise VectorsRefused("an id is empty")
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    # NaN compares false, so one comparison catches infinities, NaN and wrong lengths alike.
    wrong = np.flatnonzero(~(np.abs(norms - 1.0) <= UNIT_TOLERANCE))
    if wrong.size:
        row = int(wrong[0])
        raise VectorsRefused(f"row {row} (id {ids[row]}) is not a finite unit vector: norm {norms[row]}")


def snapshot_id(encoder_id: str, ids: Sequence[str], vectors: NDArray[np.float32]) -> str:
    """`snp_` and 16 hex digits of SHA-256 over the encoder id, the ids and the vectors: equal content, equal id."""
    digest = hashlib.sha256()
    digest.update(f"{encoder_id}\n{vectors.shape[1]}\n{len(ids)}\n".encode())
    digest.update("\n".join(ids).encode())
    digest.update(b"\n")
    digest.update(np.ascontiguousarray(vectors).data)
    return f"snp_{digest.hexdigest()[:16]}"
