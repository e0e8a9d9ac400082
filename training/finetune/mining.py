"""Finds every picture's hardest negatives: what today's weights put nearest to it and is certainly something else."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.snapshot import Snapshot, build_snapshot, load_snapshot

AT_FIRST: Final = 32
"""Neighbours that are looked at before more are asked for."""
Apart = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]


def snapshot_of(vectors: NDArray[np.float32], name: str, folder: Path) -> Snapshot:
    """The vectors (n, d) of unit norm as the index that serves; `name` stands for the weights that made them."""
    ids = [f"{number:08}" for number in range(len(vectors))]
    manifest = build_snapshot(
        folder, encoder_id=name, dim=vectors.shape[1], ids=ids, vectors=vectors, registry_version=0
    )
    return load_snapshot(folder / manifest.id, encoder_id=name)


def hard_negatives(
    vectors: NDArray[np.float32],
    queries: NDArray[np.int64],
    candidates: NDArray[np.int64],
    apart: Apart,
    *,
    count: int,
    name: str,
) -> NDArray[np.int64]:
    """The `count` nearest of the `candidates` that are apart from each of the `queries`, nearest first.

    Parameters
    ----------
    vectors : (n, d) float32 of unit norm
    queries, candidates : numbers of rows of `vectors`
    apart : for numbers (a,) and (b,) whether they are certainly different, (a, b)
    name : stands for the weights that made the vectors

    Returns
    -------
    (len(queries), count), -1 where there are no more
    """
    found = np.full((len(queries), count), -1, dtype=np.int64)
    if not len(queries) or not len(candidates):
        return found
    with tempfile.TemporaryDirectory(prefix="mining-") as folder:
        snapshot = snapshot_of(np.ascontiguousarray(vectors[candidates]), name, Path(folder))
        open_rows, fetch = np.arange(len(queries)), min(max(AT_FIRST, 4 * count), len(candidates))
        while len(open_rows):
            places = snapshot.search(vectors[queries[open_rows]], fetch).positions
            unresolved = []
            for row, near in zip(open_rows.tolist(), places, strict=True):
                near = candidates[near[near >= 0]]
                hard = near[apart(queries[row : row + 1], near)[0]][:count]
                found[row, : len(hard)] = hard
                if len(hard) < count and fetch < len(candidates):
                    unresolved.append(row)
            open_rows, fetch = np.array(unresolved, dtype=np.int64), min(4 * fetch, len(candidates))
    return found
