"""One case as a reviewer looks at it: the listing, the evidence, the contributions, the seller, what was decided."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from brands.ids import is_id
from brands.model import Box, ReferenceState
from brands.schema import brands, references, screenings
from screener.errors import ScreeningNotFound
from screener.judging.features import FEATURES, VERSION
from screener.review.decide import Decision, decisions_of
from screener.review.highlight import Text, texts_of
from screener.review.precision import Precision, reference_precision
from screener.review.queue import Queued, fetch
from screener.review.responses import Response, responses_of
from screener.review.sellers import Other, Seller, read_seller, same_listing


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the listing; only of a `kept` one can anything be shown."""

    position: int
    status: str
    code: str | None
    sha256: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Found:
    """An entry of the answer's evidence, `number` counted from 0, with what its reference is now.

    `box` is a region of the listing's picture `image`; `reference_box` the mark's place in the reference, None for the
    whole. A reference that was erased has no state, and one without a picture is not `reference_kept`.
    """

    number: int
    image: int
    frame: int
    box: Box
    reference_id: str
    brand_id: str
    brand_name: str | None
    kind: str
    use: str
    score: float
    method: str
    reference_state: ReferenceState | None
    reference_box: Box | None
    reference_kept: bool
    reference_notes: str
    reference_source: str
    precision: Precision


@dataclass(frozen=True, slots=True)
class FeatureValue:
    """What the judge was told: `value` None for what was not known."""

    name: str
    unit: str
    value: float | None
    meaning: str


@dataclass(frozen=True, slots=True)
class Case:
    """A screening for the eyes of a reviewer; parts of the answer are as `screener.payloads.ScreeningOut` has them.

    `review` is its place in the queue, None for a screening that nobody needs to look at.
    """

    screening_id: str
    at: datetime
    release: str
    verdict: str
    hint: str
    probability: float
    calibrated_on: str
    known_fake: bool
    brand: Mapping[str, Any]
    listing: Mapping[str, Any]
    texts: tuple[Text, ...]
    pictures: tuple[Picture, ...]
    evidence: tuple[Found, ...]
    base_log_odds: float
    reasons: tuple[Mapping[str, Any], ...]
    features: tuple[FeatureValue, ...]
    checks: tuple[Mapping[str, Any], ...]
    prompt: Mapping[str, Any] | None
    seller: Seller
    same_listing: tuple[Other, ...]
    review: Queued | None
    decisions: tuple[Decision, ...]
    responses: tuple[Response, ...]


def read_case(conn: sa.Connection, screening_id: str, *, kept: Callable[[str], bool], now: datetime) -> Case:
    """A screening with all that speaks for or against it. Raises ScreeningNotFound.

    `kept` tells whether the picture with a SHA-256 is stored (`FolderBlobs.exists`).
    """
    query = sa.select(screenings).where(screenings.c.id == screening_id)
    row = conn.execute(query).one_or_none() if is_id(screening_id) else None
    if row is None:
        raise ScreeningNotFound("No such screening.")
    answer, request = row.answer, row.request
    queued = fetch(conn, [screening_id], now, now)
    return Case(
        screening_id=row.id,
        at=row.created_at,
        release=row.release_id,
        verdict=row.verdict,
        hint=answer.get("hint", "publish"),
        probability=row.probability,
        calibrated_on=answer.get("calibrated_on", ""),
        known_fake=row.known_fake,
        brand=answer["brand"],
        listing=request,
        texts=texts_of(request, answer.get("words", ())),
        pictures=pictures_of(answer, kept),
        evidence=_evidence(conn, answer["evidence"], kept),
        base_log_odds=answer.get("base_log_odds", 0.0),
        reasons=tuple(answer["reasons"]),
        features=_features(row.features),
        checks=tuple(answer["checks"]),
        prompt=answer["prompt"],
        seller=read_seller(conn, row.seller_id, request.get("seller") or {}, but=screening_id, now=now),
        same_listing=same_listing(conn, row.listing_id, but=screening_id),
        review=queued[0] if queued else None,
        decisions=decisions_of(conn, [screening_id])[screening_id],
        responses=responses_of(conn, [screening_id])[screening_id],
    )


def pictures_of(answer: Mapping[str, Any], kept: Callable[[str], bool]) -> tuple[Picture, ...]:
    """The pictures of an answer, and of which something can be shown."""
    return tuple(
        Picture(image["position"], image["status"], image["code"], image["sha256"], kept(image["sha256"]))
        for image in answer["images"]
    )


def _evidence(
    conn: sa.Connection, entries: Sequence[Mapping[str, Any]], kept: Callable[[str], bool]
) -> tuple[Found, ...]:
    ids = sorted({entry["reference_id"] for entry in entries})
    rows = {row.id: row for row in conn.execute(sa.select(references).where(references.c.id.in_(ids)))}
    owners = sorted({entry["brand_id"] for entry in entries})
    named = conn.execute(sa.select(brands.c.id, brands.c.name).where(brands.c.id.in_(owners)))
    names = {row.id: row.name for row in named}
    measured = reference_precision(conn, ids)
    found = []
    for number, entry in enumerate(entries):
        reference = rows.get(entry["reference_id"])
        found.append(
            Found(
                number=number,
                box=tuple(entry["box"]),
                **{name: entry[name] for name in ("image", "frame", "reference_id", "brand_id", "kind", "use")},
                score=entry["score"],
                method=entry["method"],
                brand_name=names.get(entry["brand_id"]),
                reference_state=reference.state if reference else None,
                reference_box=reference.box if reference else None,
                reference_kept=reference is not None and kept(reference.image_sha256),
                reference_notes=reference.notes if reference else "",
                reference_source=reference.source if reference else "",
                precision=measured[entry["reference_id"]],
            )
        )
    return tuple(found)


def _features(features: Mapping[str, Any] | None) -> tuple[FeatureValue, ...]:
    """The judged features; those of another version have names that nobody knows here."""
    if features is None or features["version"] != VERSION:
        return ()
    return tuple(
        FeatureValue(feature.name, feature.unit, value, feature.meaning)
        for feature, value in zip(FEATURES, features["values"], strict=True)
    )
