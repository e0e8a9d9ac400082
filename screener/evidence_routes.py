"""The HTTP route that shows a screening's evidence: listing and reference side by side, for people who review."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Response

from brands import audit
from brands.auth import actor, require
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import BlobMissing
from brands.keys import Keys
from brands.model import ApiKey
from brands.schema import references
from screener import records
from screener.errors import ScreeningNotFound
from screener.payloads import ErrorOut
from screener.preprocess import Box
from screener.side_by_side import PANEL, Side, side_by_side
from screener.workers import DecodePool

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}, "description": "Listing left, reference right, the matched places marked."},
    404: {"model": ErrorOut, "description": "No such screening or evidence, or its picture was not kept."},
}
_KINDS = {
    "authentic": "official picture",
    "logo": "logo",
    "known_fake": "known fake",
    "negative": "looks like it and is not",
}
_HEADERS = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}


def evidence_router(
    *, database: Database, blobs: FolderBlobs, keys: Keys, pool: DecodePool, now: Callable[[], datetime]
) -> APIRouter:
    """The route under `/v1/screenings/{screening_id}/evidence`; `now` gives aware UTC times."""
    router = APIRouter(prefix="/v1/screenings", tags=["screenings"])
    admin = require(keys)

    @router.get("/{screening_id}/evidence/{number}", response_class=Response, responses=_ANSWERS)
    def show_evidence(screening_id: str, number: int, key: ApiKey = Depends(admin)) -> Response:
        """Shows one entry of a screening's `evidence`, counted from 0, as a picture. Each look is in the audit log."""
        with database.read() as connection:
            answer = records.fetch(connection, screening_id)
            entry = _entry(answer, number)
            reference = connection.execute(
                sa.select(references).where(references.c.id == entry["reference_id"])
            ).one_or_none()
        if reference is None:
            raise ScreeningNotFound("The reference of this evidence is gone.")
        listing = _kept(blobs, answer["images"][entry["image"]]["sha256"])
        # What a mark was compared with is the mark in the reference; everything else was compared with the whole.
        marked: Box | None = reference.box if entry["use"] == "logo" else None
        official = blobs.get(reference.image_sha256)
        picture = side_by_side(
            Side(
                pool.decode_large(listing, 2 * PANEL, frame=entry["frame"]),
                _box(entry["box"]),
                f"Listing {answer['listing_id']}",
                f"picture {entry['image'] + 1} of {len(answer['images'])}, revision {answer['revision']}",
            ),
            Side(
                pool.decode_large(official, 2 * PANEL),
                marked,
                f"{_KINDS[reference.kind].capitalize()}: alike as {entry['use']}, score {entry['score']:.2f}",
                reference.id,
            ),
        )
        # After the picture is made, before it is shown: what the log names was seen, and nothing is seen unnamed.
        with database.write() as connection:
            audit.append(
                connection,
                actor=actor(key),
                action="screening.evidence",
                kind="screening",
                object_id=screening_id,
                before=None,
                after={"evidence": number, "reference": reference.id},
                at=now(),
            )
        return Response(picture, media_type="image/jpeg", headers=_HEADERS)

    return router


def _entry(answer: dict[str, Any], number: int) -> dict[str, Any]:
    evidence: list[dict[str, Any]] = answer["evidence"]
    if not 0 <= number < len(evidence):
        raise ScreeningNotFound("The screening has no such evidence.")
    return evidence[number]


def _kept(blobs: FolderBlobs, sha256: str) -> bytes:
    try:
        return blobs.get(sha256)
    except BlobMissing:
        raise ScreeningNotFound("The listing's picture was not kept.", code="picture_not_kept") from None


def _box(sides: list[float]) -> Box:
    x0, y0, x1, y1 = sides
    return (x0, y0, x1, y1)
