"""Nearest neighbours by cosine, best first, equal scores in the order of their positions."""

from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from index.errors import VectorsRefused

FAISS_ERROR = 2e-6
"""How far a float32 inner product of unit vectors may be from the float64 one (dims up to a few thousand)."""
MAX_CANDIDATES = 4096
"""Ties beyond this many candidates are cut: thousands of identical references carry one and the same evidence."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Search result; `positions` and `scores` have shape (queries, k), short rows end in position -1 and score -inf."""

    positions: NDArray[np.int64]
    scores: NDArray[np.float32]


def exact_scores(query: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines of one unit query (d,) with unit rows (n, d): summed in float64 and rounded to 1e-6.

    The rounding makes equal pictures tie on every CPU, whatever order its vector units add in.
    """
    cosines: NDArray[np.float64] = rows.astype(np.float64) @ query.astype(np.float64)
    return np.round(cosines, 6).astype(np.float32)


def best(
    positions: NDArray[np.int64], scores: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k best of one query's candidates: by score, ties by position."""
    order = np.lexsort((positions, -scores))[:k]
    return positions[order], scores[order]


def brute_force(queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int) -> Hits:
    """The slow oracle: every score of every row. Shapes (q, d), (n, d) -> (q, k)."""
    hits = _empty(len(queries), k)
    everything = np.arange(len(vectors), dtype=np.int64)
    for row, query in enumerate(queries):
        found, scores = best(everything, exact_scores(query, vectors), k)
        hits.positions[row, : len(found)] = found
        hits.scores[row, : len(found)] = scores
    return hits


def search(index: faiss.Index, vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> Hits:
    """Candidates from FAISS, exact scores and order from the float32 vectors.

    Parameters
    ----------
    index : a FAISS index over `vectors` by inner product; its own scores only choose candidates
    vectors : shape (n, d), may be a memory map
    queries : shape (q, d), unit length
    k : neighbours per query, at least 1

    Notes
    -----
    FAISS breaks ties at the k-th place as its heap falls. Here candidates are fetched until the worst fetched one is
    clearly below the k-th, so a Flat index gives exactly what `brute_force` gives.
    """
    if k < 1:
        raise VectorsRefused(f"k must be at least 1, got {k}")
    if queries.ndim != 2 or queries.shape[1] != vectors.shape[1]:
        raise VectorsRefused(f"queries of shape {queries.shape} against vectors {vectors.shape[1]} wide")
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    hits = _empty(len(queries), k)
    open_rows = np.arange(len(queries))
    fetch = min(k + 8, len(vectors))
    while open_rows.size and fetch:
        raw_scores, raw_positions = index.search(queries[open_rows], fetch)
        unresolved = []
        for row, raw_score, raw_position in zip(open_rows, raw_scores, raw_positions, strict=True):
            candidates = raw_position[raw_position >= 0].astype(np.int64)
            found, scores = best(candidates, exact_scores(queries[row], vectors[candidates]), k)
            hits.positions[row, : len(found)] = found
            hits.scores[row, : len(found)] = scores
            exhausted = len(candidates) < fetch or fetch >= min(len(vectors), MAX_CANDIDATES)
            if not exhausted and raw_score[fetch - 1] > scores[-1] - 2 * FAISS_ERROR:
                unresolved.append(row)
        open_rows = np.asarray(unresolved, dtype=np.int64)
        fetch = min(fetch * 4, len(vectors), max(MAX_CANDIDATES, k))
    return hits


def _empty(queries: int, k: int) -> Hits:
    return Hits(np.full((queries, k), -1, dtype=np.int64), np.full((queries, k), -np.inf, dtype=np.float32))
