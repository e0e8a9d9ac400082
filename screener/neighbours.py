"""The references nearest to a listing's regions, with their scores by use."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.bundle import USES
from screener.cosines import part_cosines
from screener.directory import Entry
from screener.release import Serving
from screener.score_norm import Elsewhere


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest references of every query, all of shape (q, k).

    `places` index the snapshot, -1 where it has no more; `scores` are those of each use (`screener.score_norm`);
    `known` says what is in the directory (a reference may have gone since the snapshot was built), `marks` what of it
    is a mark.
    """

    places: NDArray[np.int64]
    scores: Mapping[str, NDArray[np.float32]]
    entries: Mapping[int, Entry]
    known: NDArray[np.bool_]
    marks: NDArray[np.bool_]


def find_neighbours(serving: Serving, queries: NDArray[np.float32], nothing: Elsewhere, count: int) -> Neighbours:
    """The `count` references nearest to each query (q, D); `nothing` is what the same queries have elsewhere."""
    bundle, snapshot = serving.encoder.bundle, serving.snapshot
    places = snapshot.search(queries, count).positions
    different, inverse = np.unique(places, return_inverse=True)
    inverse = inverse.reshape(places.shape)
    found = [serving.directory.entries.get(snapshot.ids[place]) if place >= 0 else None for place in different.tolist()]
    # Each reference is read once, though many regions are near it; what is missing (-1) reads any row and counts none.
    vectors = snapshot.vectors[np.maximum(different, 0)]
    # Uses that one part serves share their cosines.
    parts = {part.name: np.take_along_axis(part_cosines(part, queries, vectors), inverse, 1) for part in bundle.parts}
    return Neighbours(
        places=places,
        scores=dict.fromkeys(USES, np.zeros(places.shape, dtype=np.float32))
        | {use: nothing.scores(use, parts[part.name]) for part in bundle.parts for use in part.uses},
        entries={place: entry for place, entry in zip(different.tolist(), found, strict=True) if entry},
        known=np.array([entry is not None for entry in found])[inverse],
        marks=np.array([entry is not None and entry.is_mark for entry in found])[inverse],
    )
