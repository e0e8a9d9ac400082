"""Which FAISS index a number of vectors gets: exact below 20,000, inverted lists above."""

import math

import faiss
import numpy as np
from numpy.typing import NDArray

from index.search import search

FLAT_BELOW = 20_000
"""Up to here an exact scan of one query takes about a millisecond on one core."""
RECALL_GOAL = 0.99
"""Share of the true ten nearest that the inverted lists must return on probes drawn from the data."""
PROBES = 200
TRAINING_ROWS_PER_LIST = 39
"""FAISS's own minimum of training points per centroid (`ClusteringParameters.min_points_per_centroid`)."""

faiss.omp_set_num_threads(1)  # The service parallelises over requests; FAISS's own threads would fight with them.


def make_index(vectors: NDArray[np.float32], *, seed: int = 0) -> faiss.Index:
    """An index by inner product over unit `vectors` (n, d); deterministic for equal input on one machine type.

    Inverted lists keep 8-bit codes (a quarter of the memory); the caller re-ranks in float32 (`index.search.search`).
    """
    if len(vectors) < FLAT_BELOW:
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return index
    return _inverted(vectors, seed)


def kind_of(index: faiss.Index) -> str:
    """`flat` or `ivf`, as the manifest names it."""
    return "ivf" if isinstance(index, faiss.IndexIVF) else "flat"


def _inverted(vectors: NDArray[np.float32], seed: int) -> faiss.Index:
    count, dim = vectors.shape
    lists = int(4 * math.sqrt(count))  # FAISS's guideline for up to a million vectors
    generator = np.random.default_rng(seed)
    quantizer = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, dim, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.seed = seed
    index.cp.niter = 8
    rows = generator.choice(count, min(count, lists * TRAINING_ROWS_PER_LIST), replace=False)
    index.train(np.ascontiguousarray(vectors[np.sort(rows)]))
    for start in range(0, count, 10_000):
        index.add(np.ascontiguousarray(vectors[start : start + 10_000]))
    index.nprobe = _enough_lists(index, vectors, generator)
    return index


def _enough_lists(index: faiss.IndexIVF, vectors: NDArray[np.float32], generator: np.random.Generator) -> int:
    """The fewest lists to visit (a power of two) that reach `RECALL_GOAL` on jittered rows of the data itself."""
    rows = generator.choice(len(vectors), PROBES, replace=False)
    jitter = generator.standard_normal((PROBES, vectors.shape[1])).astype(np.float32)
    jitter *= 0.5 / math.sqrt(vectors.shape[1])  # cosine about 0.9 with the row: an edited copy, not the row itself
    probes = vectors[rows] + jitter
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    truth = faiss.knn(probes, vectors, 10, metric=faiss.METRIC_INNER_PRODUCT)[1]
    lists = 8
    while lists < index.nlist:
        index.nprobe = lists
        found = search(index, vectors, probes, 10).positions
        recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(truth, found, strict=True)])
        if recall >= RECALL_GOAL:
            break
        lists *= 2
    return min(lists, int(index.nlist))
