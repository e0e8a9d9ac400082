"""Compares a listing's pictures with the registered references: which are alike, in which way, and how much."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from brands.model import ReferenceKind
from screener.bundle import Bundle
from screener.directory import Entry
from screener.embeddings import Embedding
from screener.preprocess import WHOLE, Box
from screener.release import Serving

NEIGHBOURS = 12
"""References looked at per region; agreement among more has not changed an answer."""

DEFAULT_THRESHOLDS: Mapping[str, float] = MappingProxyType({"copy": 0.85, "product": 0.85, "logo": 0.85})
"""Cosines for bundles that carry no operating points: high, because a wrong match accuses somebody."""

_COMPARED: Mapping[bool, tuple[str, ...]] = MappingProxyType({True: ("copy", "product"), False: ("copy",)})
"""What a whole picture is compared for, by whether the listing's region is a whole picture too: part of a picture may
be copied, but does not show what the whole shows. Marks are compared with every region."""


@dataclass(frozen=True, slots=True)
class Match:
    """One reference that a region of a listing's picture is alike, at or above the threshold of its use.

    `score` is the cosine in the part of the vector that serves `use`, `margin` how far it stands above the threshold,
    as a share of what was left to 1 (0 at the threshold, 1 for the same picture).
    """

    image: int
    frame: int
    box: Box
    reference_id: str
    brand_id: str
    kind: ReferenceKind
    use: str
    score: float
    margin: float


def thresholds(bundle: Bundle) -> Mapping[str, float]:
    """Least cosine that counts, by use; the bundle's own operating points where it has them."""
    return {
        use: bundle.operating_points[use].score if use in bundle.operating_points else default
        for use, default in DEFAULT_THRESHOLDS.items()
    }


def match_pictures(serving: Serving, pictures: Mapping[int, Embedding]) -> tuple[Match, ...]:
    """The best match of every reference and use among all regions of all pictures, best margin first.

    `pictures` maps the position of a picture in the listing to its embedding.
    """
    rows = [(position, row) for position, picture in pictures.items() for row in range(len(picture.regions))]
    if not rows or not serving.snapshot.ids:
        return ()
    queries = np.concatenate([picture.vectors for picture in pictures.values()])
    hits = serving.snapshot.search(queries, NEIGHBOURS)
    best: dict[tuple[str, str], Match] = {}
    for (position, row), query, found in zip(rows, queries, hits.positions, strict=True):
        frame, box = pictures[position].regions[row]
        for match in _matches(serving, position, frame, box, query, found[found >= 0]):
            known = best.get((match.reference_id, match.use))
            if known is None or match.margin > known.margin:
                best[match.reference_id, match.use] = match
    return ranked([*best.values(), *_same_files(serving, pictures)])


def ranked(matches: Iterable[Match]) -> tuple[Match, ...]:
    """Best first, in one order everywhere; of several by one reference in one use only the best."""
    ordered = sorted(matches, key=lambda match: (-match.margin, match.reference_id, match.use, match.image))
    return tuple({(match.reference_id, match.use): match for match in reversed(ordered)}.values())[::-1]


def _matches(
    serving: Serving,
    position: int,
    frame: int,
    box: Box,
    query: NDArray[np.float32],
    found: NDArray[np.int64],
) -> Iterable[Match]:
    vectors = serving.snapshot.vectors[found]
    limits = thresholds(serving.encoder.bundle)
    cosines = {use: part_cosines(serving.encoder.bundle, use, query, vectors) for use in limits}
    for column, place in enumerate(found):
        entry = serving.directory.entries.get(serving.snapshot.ids[place])
        if entry is None:
            continue
        for use in ("logo",) if entry.is_mark else _COMPARED[box == WHOLE]:
            score = float(cosines[use][column])
            if score >= limits[use]:
                margin = min((score - limits[use]) / max(1.0 - limits[use], 1e-6), 1.0)
                yield _match(position, frame, box, entry, use, score, margin)


def _same_files(serving: Serving, pictures: Mapping[int, Embedding]) -> Iterable[Match]:
    """References that are the very same file need no cosine."""
    for position, picture in pictures.items():
        for entry in serving.directory.by_picture.get(picture.sha256, ()):
            yield _match(position, 0, WHOLE, entry, "logo" if entry.is_mark else "copy", 1.0, 1.0)


def _match(position: int, frame: int, box: Box, entry: Entry, use: str, score: float, margin: float) -> Match:
    return Match(
        image=position,
        frame=frame,
        box=box,
        reference_id=entry.reference_id,
        brand_id=entry.brand_id,
        kind=entry.kind,
        use=use,
        score=round(score, 4),
        margin=round(margin, 4),
    )


def part_cosines(
    bundle: Bundle, use: str, query: NDArray[np.float32], vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Cosines (n,) of one query (d,) with rows (n, d) in the part that serves `use`; zero where it has no length."""
    part = bundle.part_for(use)
    if part is None:
        return np.zeros(len(vectors), dtype=np.float32)
    left, right = query[part.start : part.stop], vectors[:, part.start : part.stop]
    lengths = np.linalg.norm(left) * np.linalg.norm(right, axis=1)
    products: NDArray[np.float32] = right @ left
    cosines: NDArray[np.float32] = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 1e-6)
    return cosines


def best_of(matches: Sequence[Match], *, kind: ReferenceKind, use: str | None = None) -> Match | None:
    """The best match of a kind (and use); `matches` best first."""
    return next((match for match in matches if match.kind == kind and use in (None, match.use)), None)
