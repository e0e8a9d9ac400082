"""Changes to a brand, each with its audit row: registering one, and giving it other details or another state."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from brands import audit, brand_rows
from brands.errors import Conflict
from brands.model import Brand, BrandDetails, BrandState
from brands.spelling import name_key


def insert(conn: Connection, details: BrandDetails, *, brand_id: str, actor: str, at: datetime) -> Brand:
    """Registers a brand with checked details. Raises Conflict (`duplicate_name`)."""
    brand = Brand(
        id=brand_id,
        name=details.name,
        aliases=details.aliases,
        wordmarks=details.wordmarks,
        categories=details.categories,
        reference_price=details.reference_price,
        reference_prices=details.reference_prices,
        authorised_sellers=details.authorised_sellers,
        state="active",
        revision=1,
        created_at=at,
        updated_at=at,
    )
    _write(conn, None, brand, action="brand.add", actor=actor)
    return brand


def change(
    conn: Connection, before: Brand, details: BrandDetails, state: BrandState, *, action: str, actor: str, at: datetime
) -> Brand:
    """Gives a brand checked details and a state; what it has already changes nothing.

    Raises Conflict (`duplicate_name`).
    """
    after = replace(
        before,
        name=details.name,
        aliases=details.aliases,
        wordmarks=details.wordmarks,
        categories=details.categories,
        reference_price=details.reference_price,
        reference_prices=details.reference_prices,
        authorised_sellers=details.authorised_sellers,
        state=state,
    )
    if after == before:
        return before
    after = replace(after, revision=before.revision + 1, updated_at=at)
    _write(conn, before, after, action=action, actor=actor)
    return after


def _write(conn: Connection, before: Brand | None, after: Brand, *, action: str, actor: str) -> None:
    key = name_key(after.name)
    namesake = brand_rows.fetch_named(conn, key)
    if namesake is not None and namesake.id != after.id:
        raise _duplicate_name()
    try:
        if before is None:
            brand_rows.insert(conn, after, key)
        else:
            brand_rows.replace(conn, after, key)
    except IntegrityError as error:  # a writer that did not take the lock of the audit chain
        raise _duplicate_name() from error
    brand_rows.bump_version(conn)
    audit.append(
        conn,
        actor=actor,
        action=action,
        kind="brand",
        object_id=after.id,
        before=None if before is None else brand_rows.record(before),
        after=brand_rows.record(after),
        at=after.updated_at,
    )


def _duplicate_name() -> Conflict:
    return Conflict("Another brand has this name.", code="duplicate_name", field="name")
