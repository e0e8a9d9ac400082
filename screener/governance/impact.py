"""What a reference would match if it counted: pictures of nothing registered, other brands' references, listings.

"Would match" is what serving means by it: the score of `screener.score_norm` in a part of the vector, at or above the
threshold of the use (`screener.match`). A whole picture is compared for the product and as a copy, a mark as a logo.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from brands.model import Box, ReferenceKind
from screener.bundle import Bundle
from screener.cosines import part_cosines
from screener.directory import Entry
from screener.governance.quality import BLOCKING, UNUSABLE
from screener.match import thresholds
from screener.picture_facts import PictureFacts
from screener.release import Serving
from screener.score_norm import Elsewhere, elsewhere

SHARE: Final = 0.001
"""Most of the background that a reference may match."""
NEARLY: Final = 0.15
"""How far under its threshold another brand's reference is worth a closer look (mirrored, and parts of the picture)."""
_AT_ONCE: Final = 8192
_NO_BRANDS: Final = np.zeros(0, dtype=np.str_)
_NO_MARKS: Final = np.zeros(0, dtype=np.bool_)
_MARKS: Final = ("logo",)
_WHOLES: Final = ("product", "copy")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reference that is, or may become one.

    `whole` and `mark` are vectors (D,), None for what is not compared; `quality` the codes of
    `screener.governance.quality`; `reference_id` None before it is stored.
    """

    brand_id: str
    kind: ReferenceKind
    sha256: str
    box: Box | None
    whole: NDArray[np.float32] | None
    mark: NDArray[np.float32] | None
    facts: PictureFacts
    quality: tuple[str, ...]
    reference_id: str | None = None

    def views(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """The uses it is compared for, and the vector for each."""
        for uses, vector in ((_WHOLES, self.whole), (_MARKS, self.mark)):
            if vector is not None:
                yield from ((use, vector) for use in uses)


@dataclass(frozen=True, slots=True)
class Rival:
    """Another brand's reference that is nearer than its threshold, or (`near`) nearly so."""

    reference_id: str
    brand_id: str
    use: str
    score: float
    method: str
    near: bool = False


@dataclass(frozen=True, slots=True)
class Unserved:
    """A vector (D,) of a reference that passed when the registry was at `version`."""

    version: int
    brand_id: str
    is_mark: bool
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ground:
    """What candidates are held against: the bundle's background, and the references that are served."""

    bundle: Bundle
    limits: Mapping[str, float]
    nothing: Elsewhere | None
    serving: Serving | None
    brands: NDArray[np.str_]
    marks: NDArray[np.bool_]

    @classmethod
    def of(cls, bundle: Bundle, serving: Serving | None) -> Ground:
        """Prepares it; a bundle without a background has nothing to hold a candidate against."""
        nothing = None if bundle.background is None else elsewhere(bundle, bundle.background)
        return cls(bundle, thresholds(bundle), nothing, None, _NO_BRANDS, _NO_MARKS).on(serving)

    def on(self, serving: Serving | None) -> Ground:
        """The same with the references of another snapshot."""
        entries = [serving.directory.entries.get(name) for name in serving.snapshot.ids] if serving else []
        brands = np.array([entry.brand_id if entry else "" for entry in entries], dtype=np.str_)
        marks = np.array([entry is not None and entry.is_mark for entry in entries], dtype=np.bool_)
        return Ground(self.bundle, self.limits, self.nothing, serving, brands, marks)


def background_matches(ground: Ground, candidate: Candidate) -> dict[str, int]:
    """How many pictures of nothing registered the candidate would match, by use, and in `any` of them."""
    background = ground.bundle.background
    if ground.nothing is None or background is None:
        return {}
    counts, matched = {}, np.zeros(len(background), dtype=np.bool_)
    for use, vector in candidate.views():
        cosines = part_cosines(ground.bundle.part_for(use), background, vector[None])
        over = (ground.nothing.scores(use, cosines) >= ground.limits[use])[:, 0]
        counts[use], matched = int(over.sum()), matched | over
    return {**counts, "any": int(matched.sum())}


def rivals(ground: Ground, candidate: Candidate) -> tuple[Rival, ...]:
    """Other brands' served references that the candidate's vectors match or nearly match, nearest first."""
    serving = ground.serving
    if serving is None or not serving.snapshot.ids:
        return ()
    found: dict[tuple[str, str], Rival] = {}
    for row, use, score in _alike(ground, candidate, serving.snapshot.vectors, ground.brands, ground.marks):
        entry = serving.directory.entries[serving.snapshot.ids[row]]
        known = found.get((entry.reference_id, use))
        if known is None or known.score < score:
            near = score < ground.limits[use]
            found[entry.reference_id, use] = Rival(entry.reference_id, entry.brand_id, use, score, "vector", near)
    for entry, distance, _ in serving.hashes.near(candidate.facts):
        if entry.brand_id != candidate.brand_id:
            score = round(1.0 - distance / 256, 4)
            found[entry.reference_id, "copy"] = Rival(entry.reference_id, entry.brand_id, "copy", score, "pdq")
    return tuple(sorted(found.values(), key=lambda rival: (rival.near, -rival.score, rival.reference_id)))


def unserved_rivals(ground: Ground, candidate: Candidate, others: Sequence[Unserved]) -> tuple[Rival, ...]:
    """The same among references that passed a moment ago and are not in the snapshot yet."""
    if not others:
        return ()
    vectors = np.stack([other.vector for other in others])
    brands = np.array([other.brand_id for other in others], dtype=np.str_)
    marks = np.array([other.is_mark for other in others], dtype=np.bool_)
    return tuple(
        Rival("", others[row].brand_id, use, score, "vector")
        for row, use, score in _alike(ground, candidate, vectors, brands, marks)
        if score >= ground.limits[use]
    )


def _alike(
    ground: Ground,
    candidate: Candidate,
    vectors: NDArray[np.float32],
    brands: NDArray[np.str_],
    marks: NDArray[np.bool_],
) -> Iterator[tuple[int, str, float]]:
    """Rows of other brands' `vectors` (n, D) that the candidate matches or nearly matches: row, use, score."""
    others = (brands != candidate.brand_id) & (brands != "")
    # A picture can be registered as what it is not (another's product as a logo), so each vector is held against all.
    wanted = {"product": others & ~marks, "copy": others, "logo": others & marks}
    for vector in (candidate.whole, candidate.mark):
        if vector is None:
            continue
        level = elsewhere(ground.bundle, vector[None])
        for start in range(0, len(others), _AT_ONCE):
            chunk = slice(start, start + _AT_ONCE)
            if not others[chunk].any():
                continue
            for part in ground.bundle.parts:  # uses that one part serves share their cosines
                uses = [use for use in part.uses if use in wanted]
                cosines = part_cosines(part, vector[None], vectors[chunk]) if uses else None
                for use in uses:
                    assert cosines is not None
                    scores = level.scores(use, cosines)[0]
                    for row in np.flatnonzero(wanted[use][chunk] & (scores >= ground.limits[use] - NEARLY)):
                        yield start + int(row), use, round(float(scores[row]), 4)


def duplicates(ground: Ground, candidate: Candidate) -> tuple[Entry, ...]:
    """The brand's own served references of the same file, or with the same hash in any orientation."""
    serving = ground.serving
    if serving is None:
        return ()
    same = [*serving.directory.by_picture.get(candidate.sha256, ())]
    same += [entry for entry, _, _ in serving.hashes.near(candidate.facts)]
    own = {
        entry.reference_id: entry
        for entry in same
        if entry.brand_id == candidate.brand_id and entry.reference_id != candidate.reference_id
    }
    return tuple(own.values())


def assessment(
    ground: Ground,
    candidate: Candidate,
    *,
    others: Sequence[Rival],
    twins: Sequence[Entry],
    recent: Mapping[str, int],
) -> dict[str, Any]:
    """The impact as JSON, with what holds the candidate back in `blocking` and, of that, what nobody may let in.

    `others` are the rivals that count, `recent` the counts among the last screened listings.
    """
    counts = background_matches(ground, candidate)
    size = 0 if ground.bundle.background is None else len(ground.bundle.background)
    share = counts["any"] / size if size else 0.0
    blocking = [code for code in candidate.quality if code in BLOCKING]
    if share > SHARE:
        blocking.append("background")
    if others:
        blocking.append("other_brand")
    if recent.get("other", 0) >= 3 and recent["other"] > recent["own"] + recent["none"]:
        blocking.append("other_listings")
    hints = [*candidate.quality, *(code for code in blocking if code not in BLOCKING)]
    hints += ["duplicate"] if twins else []
    return {
        "encoder_id": ground.bundle.id,
        "background": {"size": size, "uses": counts, "share": round(share, 5)},
        "recent": dict(recent),
        "rivals": [
            {"reference_id": rival.reference_id, "use": rival.use, "score": rival.score, "method": rival.method}
            for rival in others[:10]
        ],
        "duplicates": [entry.reference_id for entry in twins[:10]],
        "hints": hints,
        "blocking": blocking,
        "unusable": [code for code in blocking if code in UNUSABLE],
    }


def for_brand(impact: Mapping[str, Any]) -> dict[str, Any]:
    """The impact as the brand itself may see it: that it is near to another brand's, and not to whose."""
    return {name: value for name, value in impact.items() if name != "rivals"}
