"""Reads what discovery works on: the unknown listings of a time, their words, and a vector for each picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.schema import embeddings, screening_images, screenings
from screener import texts_store
from screener.bundle import Bundle
from screener.regions import listing_view, region_uses

_AT_ONCE: Final = 500
_SURE: Final = 0.8
"""Confidence from which a line read in a picture counts among a listing's words."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The last screening of a listing whose brand nobody registered.

    `declared` is the seller's brand field, `read` the lines in its pictures, `pictures` their SHA-256 in order;
    `replica` says whether its words say outright that it is a copy, as far as the answer noted.
    """

    screening_id: str
    listing_id: str
    seller_id: str
    at: datetime
    title: str
    declared: str = ""
    category: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    replica: bool = False
    pictures: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class PictureVectors:
    """One vector per picture: `rows` maps its SHA-256 to a row of `matrix` (n, d), float16 of unit norm."""

    rows: dict[str, int]
    matrix: NDArray[np.float16]


def count_unknown(connection: sa.Connection, since: datetime) -> int:
    """How many listings `unknown_listings` would give without a limit."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(_last_unknown(since).subquery())).scalar_one())


def unknown_listings(connection: sa.Connection, since: datetime, most: int) -> list[Unknown]:
    """The newest unknown listings screened since a time, at most so many, the oldest first.

    A listing counts by its last screening: one that was recognised since is not unknown any more.
    """
    newest: Sequence[str] = (
        connection.execute(_last_unknown(since).order_by(screenings.c.id.desc()).limit(most)).scalars().all()
    )
    found: list[Unknown] = []
    for start in range(0, len(newest), _AT_ONCE):  # in pieces: a description may be long
        chunk = connection.execute(_requests(newest[start : start + _AT_ONCE])).all()
        pictures = _pictures(connection, newest[start : start + _AT_ONCE])
        known = {sha256 for shown in pictures.values() for sha256 in shown}
        texts = texts_store.load(connection, None, known)
        for row in chunk:
            shown = tuple(dict.fromkeys(pictures.get(row.id, ())))
            lines = tuple(line[0] for sha256 in shown for line in texts.get(sha256, ()) if line[1] >= _SURE)
            found.append(_unknown(row, shown, lines))
    return found[::-1]


def picture_vectors(connection: sa.Connection, bundle: Bundle, sha256s: Sequence[str]) -> PictureVectors:
    """The mean of the vectors of each picture's regions, in the part and the windows for products.

    Pictures that this encoder has not seen are left out. The mean tells products apart better than the whole picture
    alone: photos that were never linked by it share windows.
    """
    part = bundle.part_for("product")
    width = part.stop - part.start if part else 0
    matrix = np.empty((len(sha256s) if part else 0, width), dtype=np.float16)
    rows: dict[str, int] = {}
    for start in range(0, len(sha256s) if part else 0, _AT_ONCE):
        query = sa.select(embeddings.c.image_sha256, embeddings.c.vectors).where(
            embeddings.c.encoder_id == bundle.id,
            embeddings.c.view == listing_view(bundle.dense),
            embeddings.c.image_sha256.in_(sha256s[start : start + _AT_ONCE]),
        )
        for sha256, raw in connection.execute(query):
            vector = mean_vector(bundle, np.frombuffer(raw, dtype="<f2").reshape(-1, bundle.dim))
            if vector is not None:
                matrix[len(rows)] = vector
                rows[sha256] = len(rows)
    return PictureVectors(rows, matrix[: len(rows)])


def mean_vector(bundle: Bundle, regions: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """The unit mean (d,) of what a listing's picture is in the regions (n, D) and the part for products; None where it
    has no length in it."""
    part = bundle.part_for("product")
    if part is None:
        return None
    uses = region_uses(len(regions), bundle.dense)
    shown = regions[[n for n, own in enumerate(uses) if "product" in own], part.start : part.stop].astype(np.float32)
    mean = (shown / np.maximum(np.linalg.norm(shown, axis=1, keepdims=True), 1e-6)).mean(axis=0)
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length, dtype=np.float32) if length > 1e-6 else None


def _last_unknown(since: datetime) -> "sa.Select[Any]":
    later = screenings.alias("later")
    again = sa.exists().where(later.c.listing_id == screenings.c.listing_id, later.c.id > screenings.c.id)
    return sa.select(screenings.c.id).where(
        screenings.c.brand_status == "unknown", screenings.c.created_at >= since, ~again
    )


def _requests(screening_ids: Sequence[str]) -> "sa.Select[Any]":
    columns = (screenings.c.id, screenings.c.listing_id, screenings.c.seller_id, screenings.c.request)
    return (
        sa.select(*columns, screenings.c.answer, screenings.c.created_at)
        .where(screenings.c.id.in_(screening_ids))
        .order_by(screenings.c.id.desc())
    )


def _pictures(connection: sa.Connection, screening_ids: Sequence[str]) -> dict[str, list[str]]:
    query = (
        sa.select(screening_images.c.screening_id, screening_images.c.sha256)
        .where(screening_images.c.screening_id.in_(screening_ids), screening_images.c.status == "screened")
        .order_by(screening_images.c.screening_id, screening_images.c.position)
    )
    found: dict[str, list[str]] = {}
    for screening_id, sha256 in connection.execute(query):
        found.setdefault(screening_id, []).append(sha256)
    return found


def _unknown(row: "sa.Row[Any]", pictures: tuple[str, ...], read: tuple[str, ...]) -> Unknown:
    request: dict[str, Any] = row.request
    price = request.get("price") or {}
    return Unknown(
        screening_id=row.id,
        listing_id=row.listing_id,
        seller_id=row.seller_id,
        at=row.created_at,
        title=request["title"],
        declared=request.get("brand") or "",
        category=request.get("category"),
        amount=Decimal(price["amount"]) if price else None,
        currency=price.get("currency"),
        replica=any(word["kind"] == "replica" and word["strength"] == 2 for word in row.answer.get("words", ())),
        pictures=pictures,
        read=read,
    )
