"""Compares a listing's pictures with the registered references: which are alike, in which way, and how much."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from brands.model import ReferenceKind
from screener.bundle import Bundle, Part
from screener.directory import Entry
from screener.embeddings import Embedding
from screener.preprocess import WHOLE, Box
from screener.release import Serving

NEIGHBOURS = 24
"""References looked at per region: enough to see another brand behind one with many references of a product."""

DEFAULT_THRESHOLDS: Mapping[str, float] = MappingProxyType({"copy": 0.85, "product": 0.85, "logo": 0.85})
"""Cosines for bundles that carry no operating points: high, because a wrong match accuses somebody."""

GAP = 0.08
"""How far the brand shown must stand above the next one and above what looks like it and is not (it must also stand
above pictures of nothing registered): a picture of an unregistered brand is about equally far from several."""
SLACK = 0.1
"""How far under the threshold a brand is still recognised if it stands out so."""
SURE = 0.5
"""Margin from which a copy needs no gap: nothing but the same picture comes so near."""

_COMPARED: Mapping[bool, tuple[str, ...]] = MappingProxyType({True: ("logo",), False: ("copy", "product")})
"""What a reference's vector is compared for, by whether it is of a mark."""


@dataclass(frozen=True, slots=True)
class Match:
    """One reference that a region of a listing's picture is alike.

    `score` is the cosine in the part of the vector that serves `use`, `margin` how far it stands above the threshold,
    as a share of what was left to 1 (0 at the threshold, 1 for the same picture, negative under it).
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


@dataclass(frozen=True, slots=True)
class Matches:
    """What the pictures are alike.

    `found` are the matches at or above their threshold and those behind `shown`, best margin first, one for each
    picture, reference and use; `shown` has, for each picture and use, the match by which one brand stands out.
    """

    found: tuple[Match, ...] = ()
    shown: tuple[Match, ...] = ()

    def best(self, kind: ReferenceKind, use: str, *, image: int | None = None) -> Match | None:
        """The best match at or above its threshold of a kind in a use, in one picture or (None) in any."""
        return next(
            (
                match
                for match in self.found
                if match.kind == kind and match.use == use and match.margin >= 0 and image in (None, match.image)
            ),
            None,
        )

    def evidence(self, most: int) -> tuple[Match, ...]:
        """The matches worth showing: of each reference and use only the best, over all pictures."""
        best: dict[tuple[str, str], Match] = {}
        for match in self.found:
            best.setdefault((match.reference_id, match.use), match)
        return tuple(best.values())[:most]


def thresholds(bundle: Bundle) -> Mapping[str, float]:
    """Least cosine that counts, by use; the bundle's own operating points where it has them."""
    return {
        use: bundle.operating_points[use].score if use in bundle.operating_points else default
        for use, default in DEFAULT_THRESHOLDS.items()
    }


def match_pictures(serving: Serving, pictures: Mapping[int, Embedding]) -> Matches:
    """Compares every region of every picture; `pictures` maps the position in the listing to the embedding."""
    if not pictures or not serving.snapshot.ids:
        return Matches()
    queries = np.concatenate([picture.vectors for picture in pictures.values()])
    hits = serving.snapshot.search(queries, NEIGHBOURS).positions
    elsewhere = _nothing_registered(serving.encoder.bundle, queries)
    limits = thresholds(serving.encoder.bundle)
    found: list[Match] = []
    shown: list[Match] = []
    start = 0
    for position, picture in pictures.items():
        rows = slice(start, start + len(picture.regions))
        start = rows.stop
        alike, seen_past = _alike(serving, position, picture, queries[rows], hits[rows])
        matches = [*alike, *_same_file(serving, position, picture)]
        for use, threshold in limits.items():
            more = len(serving.snapshot.ids) > NEIGHBOURS and use not in seen_past
            candidates = [match for match in matches if match.use == use]
            best = _outstanding(candidates, float(elsewhere[use][rows].max()), more=more)
            if best and (best.score >= threshold - SLACK or best.margin >= SURE):
                shown.append(best)
        found += [match for match in matches if match.margin >= 0]
    return Matches(_ranked([*found, *shown]), tuple(shown))


def _ranked(matches: Iterable[Match]) -> tuple[Match, ...]:
    """Best first, in one order everywhere; of several regions of a picture only the best by a reference in a use."""
    ordered = sorted(matches, key=lambda match: (-match.margin, match.reference_id, match.use, match.image, match.box))
    best: dict[tuple[int, str, str], Match] = {}
    for match in ordered:
        best.setdefault((match.image, match.reference_id, match.use), match)
    return tuple(best.values())


def _outstanding(matches: Sequence[Match], elsewhere: float, *, more: bool) -> Match | None:
    """The best match of the one brand that stands out from the others, from negatives and from `elsewhere`.

    `more` says that the index holds vectors that were not found: of these only is known that they are no nearer than
    the farthest that was.
    """
    best = max((m for m in matches if m.kind != "negative"), key=lambda m: (m.score, m.reference_id), default=None)
    if best is None:
        return None
    rivals = [m.score for m in matches if m.brand_id != best.brand_id or m.kind == "negative"]
    if more and not rivals:
        rivals.append(min(m.score for m in matches))
    if best.score - max(rivals, default=-1.0) >= GAP and best.score > elsewhere:
        return best
    negative = max((m.score for m in matches if m.kind == "negative"), default=-1.0)
    return best if best.use == "copy" and best.margin >= SURE and best.score > negative else None


def _alike(
    serving: Serving, position: int, picture: Embedding, queries: NDArray[np.float32], hits: NDArray[np.int64]
) -> tuple[list[Match], set[str]]:
    """A match for every region and vector found near it, except those too far to matter; and the uses that had such."""
    bundle = serving.encoder.bundle
    limits = thresholds(bundle)
    matches: list[Match] = []
    seen_past: set[str] = set()
    for (frame, box), query, row in zip(picture.regions, queries, hits, strict=True):
        places = row[row >= 0]
        vectors = serving.snapshot.vectors[places]
        # Uses that one part serves share their cosines.
        parts = {part.name: part_cosines(part, query[None], vectors)[0].tolist() for part in bundle.parts}
        for column, place in enumerate(places.tolist()):
            entry = serving.directory.entries.get(serving.snapshot.ids[place])
            for use in _COMPARED[entry.is_mark] if entry else ():
                assert entry is not None
                part = bundle.part_for(use)
                score = parts[part.name][column] if part else 0.0
                if score < limits[use] - SLACK - GAP:  # neither a match nor a rival of one
                    seen_past.add(use)
                    continue
                margin = min((score - limits[use]) / max(1.0 - limits[use], 1e-6), 1.0)
                matches.append(_match(position, frame, box, entry, use, score, margin))
    return matches, seen_past


def _same_file(serving: Serving, position: int, picture: Embedding) -> Iterable[Match]:
    """References that are the very same file need no cosine."""
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


def _nothing_registered(bundle: Bundle, queries: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
    """By use, the best cosine (q,) of each query with the bundle's background pictures; -1 where it has none."""
    if bundle.background is None:
        return dict.fromkeys(DEFAULT_THRESHOLDS, np.full(len(queries), -1.0, dtype=np.float32))
    best = {part.name: part_cosines(part, queries, bundle.background).max(axis=1) for part in bundle.parts}
    return {
        use: best[part.name] if (part := bundle.part_for(use)) else np.full(len(queries), -1.0, dtype=np.float32)
        for use in DEFAULT_THRESHOLDS
    }


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
