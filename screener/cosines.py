"""Cosines in one part of the vectors."""

import numpy as np
from numpy.typing import NDArray

from screener.bundle import Part


def part_cosines(part: Part | None, queries: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines (q, n) of queries (q, d) with vectors (n, d) in one part; zero where a vector has no length in it."""
    if part is None:
        return np.zeros((len(queries), len(vectors)), dtype=np.float32)
    left, right = queries[:, part.start : part.stop], vectors[:, part.start : part.stop]
    lengths = np.outer(_lengths(left), _lengths(right))
    products: NDArray[np.float32] = left @ right.T
    cosines: NDArray[np.float32] = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 1e-6)
    return cosines


def _lengths(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return lengths
