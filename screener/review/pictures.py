"""Pictures for people: decoded and encoded anew, never the bytes sent, and only for those who may see them."""

import io
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from PIL import Image

from brands import audit
from brands.auth import actor, own
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import BlobMissing, NotFound
from brands.ids import is_id
from brands.model import ApiKey
from brands.schema import audit as audit_rows
from brands.schema import references
from screener import records
from screener.errors import ScreeningNotFound
from screener.preprocess import Box
from screener.review import visible
from screener.review.responses import response_image
from screener.side_by_side import PANEL, Side, side_by_side
from screener.workers import DecodePool

LEAST_SIDE: Final = 64
MOST_SIDE: Final = 1600
"""Longest sides that can be asked for, in pixels: the full picture is nobody's need and worth stealing."""
_SAME_LOOK: Final = timedelta(hours=1)
"""Within this, looking at the same picture again is the same look: pages load their pictures more than once."""
_QUALITY: Final = 85
_KINDS: Final = {
    "authentic": "official picture",
    "logo": "logo",
    "known_fake": "known fake",
    "negative": "looks like it and is not",
}
# People's pictures wait for one another, so that they never take more than one decoder from those who publish.
_one_at_a_time = threading.Lock()


class Pictures:
    """The pictures of listings, references and responses; every method gives a JPEG without metadata.

    Each raises ScreeningNotFound or NotFound for what is not there, was not kept, or is not for the key's eyes; which
    of them is not told. Whose listing's picture was seen is in the audit log before it is shown.
    """

    def __init__(self, database: Database, blobs: FolderBlobs, pool: DecodePool, now: Callable[[], datetime]) -> None:
        self._database, self._blobs, self._pool, self._now = database, blobs, pool, now

    def of_reference(self, key: ApiKey, reference_id: str, side: int) -> bytes:
        """A reference, its longest side at most `side` pixels; for a brand's key one of its own."""
        with self._database.read() as conn:
            row = _reference(conn, reference_id)
        own(key, row.brand_id)
        return self._jpeg(self._kept(row.image_sha256), side)

    def of_listing(self, key: ApiKey, screening_id: str, position: int, side: int) -> bytes:
        """A picture of a listing; for a brand's key one of its matches (`screener.review.visible`)."""
        with self._database.read() as conn:
            answer = records.fetch(conn, screening_id)
        if not 0 <= position < len(answer["images"]):
            raise ScreeningNotFound("No such screening.")
        visible.check_image(key, answer, position)
        picture = self._jpeg(self._kept(answer["images"][position]["sha256"]), side)
        self._note(key, "screening.picture", screening_id, {"picture": position})
        return picture

    def of_response(self, key: ApiKey, response_id: str, position: int, side: int) -> bytes:
        """A picture that a seller attached; it may show a name and an address, so it is not for brands."""
        if key.scope == "brand":
            raise NotFound
        with self._database.read() as conn:
            screening_id, sha256 = response_image(conn, response_id, position)
        picture = self._jpeg(self._kept(sha256), side)
        self._note(key, "response.picture", screening_id, {"response": response_id, "picture": position})
        return picture

    def of_evidence(self, key: ApiKey, screening_id: str, number: int) -> bytes:
        """An entry of a screening's evidence: listing left, reference right; for a brand's key one of its own."""
        with self._database.read() as conn:
            answer = records.fetch(conn, screening_id)
            if not 0 <= number < len(answer["evidence"]):
                raise ScreeningNotFound("No such screening.")
            visible.check_evidence(key, answer, number)
            entry = answer["evidence"][number]
            reference = _reference(conn, entry["reference_id"])
        listing = self._kept(answer["images"][entry["image"]]["sha256"])
        official = self._kept(reference.image_sha256)
        # What a mark was compared with is the mark in the reference; everything else was compared with the whole.
        marked: Box | None = reference.box if entry["use"] == "logo" else None
        with _one_at_a_time:
            shown = self._pool.decode_large(listing, 2 * PANEL, frame=entry["frame"])
            compared = self._pool.decode_large(official, 2 * PANEL)
        picture = side_by_side(
            Side(
                shown,
                _box(entry["box"]),
                f"Listing {answer['listing_id']}",
                f"picture {entry['image'] + 1} of {len(answer['images'])}, revision {answer['revision']}",
            ),
            Side(
                compared,
                marked,
                f"{_KINDS[reference.kind].capitalize()}: alike as {entry['use']}, score {entry['score']:.2f}",
                reference.id,
            ),
        )
        with self._database.write() as conn:
            _append(
                conn,
                key,
                "screening.evidence",
                screening_id,
                {"evidence": number, "reference": reference.id},
                self._now(),
            )
        return picture

    def _kept(self, sha256: str) -> bytes:
        try:
            return self._blobs.get(sha256)
        except BlobMissing:
            raise ScreeningNotFound("The picture was not kept.", code="picture_not_kept") from None

    def _jpeg(self, data: bytes, side: int) -> bytes:
        with _one_at_a_time:
            pixels = self._pool.decode_large(data, min(max(side, LEAST_SIDE), MOST_SIDE))
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=_QUALITY)
        return out.getvalue()

    def _note(self, key: ApiKey, action: str, screening_id: str, after: dict[str, Any]) -> None:
        """Writes the look down, after the picture is made and before it is shown."""
        at = self._now()
        rows = audit_rows.c
        before = sa.exists().where(
            rows.object_id == screening_id,
            rows.action == action,
            rows.actor == actor(key),
            rows.after == after,
            rows.at > audit.iso(at - _SAME_LOOK),
        )
        with self._database.read() as conn:
            if conn.execute(sa.select(before)).scalar_one():
                return
        with self._database.write() as conn:
            _append(conn, key, action, screening_id, after, at)


def _append(
    conn: sa.Connection, key: ApiKey, action: str, screening_id: str, after: dict[str, Any], at: datetime
) -> None:
    audit.append(
        conn,
        actor=actor(key),
        action=action,
        kind="screening",
        object_id=screening_id,
        before=None,
        after=after,
        at=at,
    )


def _reference(conn: sa.Connection, reference_id: str) -> Any:
    query = sa.select(references).where(references.c.id == reference_id)
    row = conn.execute(query).one_or_none() if is_id(reference_id) else None
    if row is None:
        raise NotFound
    return row


def _box(sides: list[float]) -> Box:
    x0, y0, x1, y1 = sides
    return (x0, y0, x1, y1)
