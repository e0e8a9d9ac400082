"""Which pictures of a listing whose item is a confirmed counterfeit may be proposed as known fakes.

A counterfeiter uses the brand's own photos as honest resellers do. A copied official picture must never become a known
fake: it would match every honest listing that uses it. So a picture is left out when the screening's evidence, or what
is served now, says that it copies an official picture or one of something that only looks alike, and when a listing of
an item that was appraised otherwise shows it too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import BlobError
from brands.schema import appraisals, screening_images
from index.live import Live
from screener.appraisals.labels import read_labels
from screener.errors import Overloaded
from screener.match import Matches, match_pictures
from screener.pictures import PictureReader
from screener.release import Serving

LOOK_SECONDS: Final = 30.0
"""Time for decoding and encoding one picture; most were kept when the listing was screened."""
Why = Literal["fit", "not_kept", "unusable", "official", "shared", "known"]
"""Not kept: its bytes are not stored. Official: it copies an official picture or a negative. Shared: a listing of an
item that is not a fake shows it. Known: a known fake of the brand has this picture already."""

See = Callable[[bytes], Matches | None]
"""What a picture is alike among the served references; None for one that cannot be looked at."""


@dataclass(frozen=True, slots=True)
class FakePicture:
    """A picture of a confirmed fake's listing, by its place in it, and what speaks against it."""

    position: int
    sha256: str
    why: Why


def seen_by(live: Live[Serving], pictures: PictureReader) -> See:
    """Looks at pictures as the served release does; raises Overloaded where that cannot be done now."""

    def see(data: bytes) -> Matches | None:
        serving = live.current
        if serving is None:
            raise Overloaded("Nothing is served yet; try again.", code="not_ready")
        (looked,) = pictures.look(serving.engine, [data], deadline=time.monotonic() + LOOK_SECONDS)
        if looked.status == "skipped":  # the decoders have more urgent work: not the picture's fault
            raise Overloaded("There was no time for a picture; try again.")
        if looked.embedding is None or looked.facts is None:
            return None
        return match_pictures(serving, {0: looked.embedding}, {0: looked.facts})

    return see


def fake_pictures(
    database: Database, blobs: FolderBlobs, see: See, answer: Mapping[str, Any], brand_id: str
) -> Iterator[FakePicture]:
    """The screened pictures of a screening's `answer`, each once, and whether they may stand for fakes of the brand."""
    evidence = [entry for entry in answer["evidence"] if entry["use"] == "copy"]
    copies = {entry["image"] for entry in evidence if entry["kind"] in ("authentic", "negative")}
    screened = {image["sha256"]: image["position"] for image in reversed(answer["images"]) if image["sha256"]}
    usable = {image["sha256"] for image in answer["images"] if image["status"] == "screened"}
    copied = {image["sha256"] for image in answer["images"] if image["position"] in copies}
    with database.read() as conn:
        shared = _of_other_items(conn, screened)
    for sha256, position in sorted(screened.items(), key=lambda pair: pair[1]):
        why: Why
        if sha256 not in usable:
            why = "unusable"
        elif sha256 in copied:
            why = "official"
        elif sha256 in shared:
            why = "shared"
        else:
            why = _looked_at(blobs, see, sha256, brand_id)
        yield FakePicture(position, sha256, why)


def _looked_at(blobs: FolderBlobs, see: See, sha256: str, brand_id: str) -> Why:
    """What the served references say of a picture: evidence names no more than ten, and newer ones may be there."""
    try:
        data = blobs.get(sha256)
    except BlobError:
        return "not_kept"
    matches = see(data)
    if matches is None:
        return "unusable"
    for match in matches.found:
        same = match.method != "vector"  # the same file or hash, whatever it is compared for
        if match.kind in ("authentic", "negative", "logo") and (same or (match.use == "copy" and match.margin >= 0)):
            return "official"
    if any(
        match.kind == "known_fake" and match.brand_id == brand_id and match.method != "vector"
        for match in matches.found
    ):
        return "known"
    return "fit"


def _of_other_items(conn: sa.Connection, sha256s: Collection[str]) -> set[str]:
    """Which of the pictures a listing shows whose item is authentic, or about whose item appraisers disagree."""
    query = (
        sa.select(screening_images.c.sha256, screening_images.c.screening_id)
        .join(appraisals, appraisals.c.screening_id == screening_images.c.screening_id)
        .where(screening_images.c.sha256.in_(sha256s), appraisals.c.withdrawn_at.is_(None))
        .distinct()
    )
    shown = conn.execute(query).all()
    labels = read_labels(conn, screening_ids={row.screening_id for row in shown})
    return {row.sha256 for row in shown if labels[row.screening_id].outcome in ("authentic", "conflict")}
