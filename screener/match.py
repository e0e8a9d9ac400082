"""Compares a listing's pictures with the registered references: which are alike, in which way, and how much."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from brands.model import ReferenceKind
from screener.bundle import Bundle
from screener.directory import Entry
from screener.embeddings import Embedding
from screener.neighbours import Neighbours, find_neighbours
from screener.picture_facts import PDQ_DISTANCE, PictureFacts
from screener.preprocess import WHOLE, Box
from screener.regions import region_uses
from screener.release import Serving
from screener.score_norm import elsewhere

NEIGHBOURS = 24
"""References looked at per region: enough to see another brand behind one with many references of a product."""

DEFAULT_THRESHOLDS: Mapping[str, float] = MappingProxyType({"copy": 0.85, "product": 0.85, "logo": 0.85})
"""Cosines for bundles that carry no operating points: high, because a wrong match accuses somebody."""

GAP = 0.08
"""How far a brand must stand above the next one, above what looks like it and is not, and (by any distance) above
pictures of nothing registered, to be shown under the level of `screener.open_set`: a picture of an unregistered brand
is about equally far from several."""
SLACK = 0.1
"""How far under the threshold of a match a brand is still shown if it stands out so."""
SURE = 0.5
"""Margin from which a copy needs no gap: nothing but the same picture comes so near."""
HINT = 0.35
"""How far under the level a brand may stay and still be looked for in the words of the picture."""
RIVALS = 3
"""Brands remembered of a picture in a use."""

Method = Literal["vector", "pdq", "file"]
_MARK_USES = frozenset(["logo"])
"""What the vector of a reference's mark is compared for; that of a picture is compared for the other uses."""


@dataclass(frozen=True, slots=True)
class Match:
    """One reference that a region of a listing's picture is alike.

    `score` is the (normalised) cosine in the part of the vector that serves `use`, `margin` how far it stands above the
    threshold, as a share of what was left to 1 (0 at the threshold, 1 for the same picture, negative under it);
    `method` says how it was found.
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
    method: Method = "vector"


@dataclass(frozen=True, slots=True)
class Sighting:
    """How much a picture speaks for a brand in a use, by its best match.

    `excess` is how far the score stands above the level from which a brand counts as shown, 0 or more for the one brand
    that is, 1 for a sure copy.
    """

    match: Match
    excess: float


@dataclass(frozen=True, slots=True)
class Matches:
    """What the pictures are alike.

    `found` are the matches at or above their threshold and those behind a brand that is shown, best margin first, one
    for each picture, reference and use; `sightings` the brands that each picture speaks for in each use.
    """

    found: tuple[Match, ...] = ()
    sightings: tuple[Sighting, ...] = ()

    @property
    def shown(self) -> tuple[Match, ...]:
        """For each picture and use, the match by which a brand is shown."""
        return tuple(sighting.match for sighting in self.sightings if sighting.excess >= 0)

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
    """Least score that counts, by use; the bundle's own operating points where it has them."""
    return {
        use: bundle.operating_points[use].score if use in bundle.operating_points else default
        for use, default in DEFAULT_THRESHOLDS.items()
    }


def match_pictures(serving: Serving, pictures: Mapping[int, Embedding], facts: Mapping[int, PictureFacts]) -> Matches:
    """Compares every region of every picture; `pictures` and `facts` are by position in the listing."""
    if not pictures or not serving.snapshot.ids:
        return Matches()
    bundle = serving.encoder.bundle
    queries = np.concatenate([picture.vectors for picture in pictures.values()])
    nothing = elsewhere(bundle, queries)
    near = find_neighbours(serving, queries, nothing, NEIGHBOURS)
    limits = thresholds(bundle)
    found: list[Match] = []
    sightings: list[Sighting] = []
    start = 0
    for position, picture in pictures.items():
        rows = slice(start, start + len(picture.regions))
        start = rows.stop
        uses = region_uses(len(picture.regions), bundle.dense)
        for use, threshold in limits.items():
            compared = np.array([use in own for own in uses])
            level = serving.shown_from[use]
            least = min(threshold - SLACK - GAP, level - HINT)  # else neither a match nor a rival of one
            alike, floor, passed = _alike(near, rows, compared, position, picture, use, threshold, least)
            candidates = [*_same_file(serving, position, picture, use), *alike]
            if use == "copy":
                candidates += _same_hash(serving, position, facts.get(position), threshold)
            # What was not found is no nearer than the farthest that was, and too far where some of these are.
            unseen = floor if len(serving.snapshot.ids) > NEIGHBOURS and not passed else None
            background = float(nothing.best[use][rows][compared].max(initial=-1.0))
            stands_out = _stands_out(candidates, background, unseen, threshold)
            sightings += _sightings(candidates, level, stands_out)
            found += [match for match in candidates if match.margin >= 0]
    shown = (sighting.match for sighting in sightings if sighting.excess >= 0)
    return Matches(_ranked([*found, *shown]), tuple(sightings))


def _ranked(matches: Iterable[Match]) -> tuple[Match, ...]:
    """Best first, in one order everywhere; of several regions of a picture only the best by a reference in a use."""
    ordered = sorted(matches, key=lambda match: (-match.margin, match.reference_id, match.use, match.image, match.box))
    best: dict[tuple[int, str, str], Match] = {}
    for match in ordered:
        best.setdefault((match.image, match.reference_id, match.use), match)
    return tuple(best.values())


def _order(match: Match) -> tuple[float, str]:
    return match.score, match.reference_id


def _stands_out(matches: Sequence[Match], background: float, unseen: float | None, threshold: float) -> bool:
    """Whether the best match's brand stands out from the others, from negatives and from the `background`.

    `unseen` bounds the score of what the index holds and was not found; None where that is too far to be a rival.
    """
    best = max((m for m in matches if m.kind != "negative"), key=_order, default=None)
    if best is None or best.score < threshold - SLACK or best.score <= background:
        return False
    rivals = [m.score for m in matches if m.brand_id != best.brand_id or m.kind == "negative"]
    if unseen is not None and not rivals:
        rivals.append(unseen)
    return best.score - max(rivals, default=-1.0) >= GAP


def _sightings(matches: Sequence[Match], level: float, stands_out: bool) -> Iterator[Sighting]:
    """The brands of one picture in one use, nearest first; only the first may be shown, and none behind a negative."""
    negative = max((match.score for match in matches if match.kind == "negative"), default=-1.0)
    best: dict[str, Match] = {}
    for match in sorted(matches, key=_order, reverse=True):
        if match.kind != "negative" and match.score > negative:
            best.setdefault(match.brand_id, match)
    for rank, match in enumerate(list(best.values())[:RIVALS]):
        excess = round(match.score - level, 4)
        if rank:
            excess = min(excess, -1e-4)
        elif match.use == "copy" and match.margin >= SURE:
            excess = 1.0
        elif stands_out:
            excess = max(excess, 0.0)
        yield Sighting(match, excess)


def _alike(
    near: Neighbours,
    rows: slice,
    compared: NDArray[np.bool_],
    position: int,
    picture: Embedding,
    use: str,
    threshold: float,
    least: float,
) -> tuple[list[Match], float, bool]:
    """The matches of a picture in a use: of each reference with the region most alike, unless it is too far to matter.

    `rows` are the picture's queries, `compared` says which of them look for this use, `least` is the score from which
    a reference is near enough. Also the least score of what is, and whether something is not.
    """
    places, scores = near.places[rows], near.scores[use][rows]
    wanted = near.known[rows] & (near.marks[rows] == (use in _MARK_USES)) & compared[:, None]
    enough = wanted & (scores >= least)
    region, column = np.nonzero(enough)
    if not len(region):
        return [], 1.0, bool(wanted.any())
    place, score = places[region, column], scores[region, column].astype(np.float64)
    margin = np.minimum((score - threshold) / max(1.0 - threshold, 1e-6), 1.0)
    # As `_ranked` has it, so that no region is left out here that would come first there.
    by_box = np.argsort(sorted(range(len(picture.regions)), key=lambda n: picture.regions[n][1]))
    order = np.lexsort((by_box[region], -np.round(margin, 4), place))
    best = order[np.unique(place[order], return_index=True)[1]]
    best = best[np.argsort(-score[best], kind="stable")]
    matches = []
    brands: set[str] = set()
    negative = False
    for number in best.tolist():
        entry = near.entries[int(place[number])]
        first = entry.brand_id not in brands if entry.kind != "negative" else not negative
        # Under the threshold only the best of the nearest brands, and of what is none, can still decide anything.
        if margin[number] >= 0 or (first and len(brands) <= RIVALS):
            frame, box = picture.regions[int(region[number])]
            matches.append(_match(position, frame, box, entry, use, float(score[number]), float(margin[number])))
        if entry.kind == "negative":
            negative = True
        else:
            brands.add(entry.brand_id)
    return matches, round(float(score.min()), 4), bool((wanted & ~enough).any())


def _same_file(serving: Serving, position: int, picture: Embedding, use: str) -> Iterable[Match]:
    """References that are the very same file need no cosine."""
    for entry in serving.directory.by_picture.get(picture.sha256, ()):
        if use == ("logo" if entry.is_mark else "copy"):
            yield _match(position, 0, WHOLE, entry, use, 1.0, 1.0, "file")


def _same_hash(serving: Serving, position: int, facts: PictureFacts | None, threshold: float) -> Iterable[Match]:
    """References with the perceptual hash of the picture, turned or mirrored: sure copies, the surer the nearer."""
    for entry, distance, _ in serving.hashes.near(facts) if facts else ():
        margin = 1.0 - (1.0 - SURE) * distance / PDQ_DISTANCE
        score = threshold + margin * (1.0 - threshold)
        yield _match(position, 0, WHOLE, entry, "copy", score, margin, "pdq")


def _match(
    position: int,
    frame: int,
    box: Box,
    entry: Entry,
    use: str,
    score: float,
    margin: float,
    method: Method = "vector",
) -> Match:
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
        method=method,
    )
