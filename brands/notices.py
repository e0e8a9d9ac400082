"""What a brand, or the operator, should know without having asked: written beside the change, read as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands import audit
from brands.ids import new_id
from brands.schema import notices

Code = Literal[
    "reference_held",
    "reference_waiting",
    "reference_active",
    "reference_rejected",
    "reference_quarantined",
    "reference_disputed",
    "reference_expired",
    "reference_doubted",
    "standing_good",
    "standing_new",
    "standing_stopped",
    "burst",
]
CODES: Final[tuple[Code, ...]] = (
    "reference_held",
    "reference_waiting",
    "reference_active",
    "reference_rejected",
    "reference_quarantined",
    "reference_disputed",
    "reference_expired",
    "reference_doubted",
    "standing_good",
    "standing_new",
    "standing_stopped",
    "burst",
)
"""Held: the impact check failed, an admin decides. Waiting: a second person decides. The others say what happened."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to know; `brand_id` None is the operator's, `read_at` None has not been read."""

    id: str
    brand_id: str | None
    code: Code
    object_id: str
    details: Mapping[str, Any]
    created_at: datetime
    read_at: datetime | None


def append(
    conn: Connection,
    *,
    brand_id: str | None,
    code: Code,
    object_id: str,
    details: Mapping[str, Any],
    at: datetime,
) -> str:
    """Writes a notice in the transaction of what it tells of, and gives its id."""
    identifier = new_id("ntc", at)
    conn.execute(
        sa.insert(notices).values(
            id=identifier, brand_id=brand_id, code=code, object_id=object_id, details=dict(details), created_at=at
        )
    )
    return identifier


def fetch_page(
    conn: Connection, *, brand_id: str | None, unread: bool = False, before: str | None = None, limit: int = 50
) -> tuple[Notice, ...]:
    """Up to `limit` notices of a brand, or (None) the operator, newest first; `before` is the id of the last seen."""
    own = notices.c.brand_id.is_(None) if brand_id is None else notices.c.brand_id == brand_id
    query = sa.select(notices).where(own).order_by(notices.c.id.desc()).limit(limit)
    if unread:
        query = query.where(notices.c.read_at.is_(None))
    if before is not None:
        query = query.where(notices.c.id < before)
    return tuple(Notice(**row._mapping) for row in conn.execute(query))


def count_unread(conn: Connection, brand_id: str | None) -> int:
    """How many notices of a brand, or (None) of the operator, nobody has read."""
    own = notices.c.brand_id.is_(None) if brand_id is None else notices.c.brand_id == brand_id
    query = sa.select(sa.func.count()).where(own, notices.c.read_at.is_(None))
    return int(conn.execute(query).scalar_one())


def mark_read(conn: Connection, *, brand_id: str | None, ids: Sequence[str] | None, actor: str, at: datetime) -> int:
    """Marks notices of a brand, or (None) of the operator, as read; `ids` None means all. Gives how many were not."""
    audit.lock(conn)
    own = notices.c.brand_id.is_(None) if brand_id is None else notices.c.brand_id == brand_id
    change = sa.update(notices).where(own, notices.c.read_at.is_(None)).values(read_at=at)
    if ids is not None:
        change = change.where(notices.c.id.in_(ids))
    read = conn.execute(change).rowcount
    if read:
        audit.append(
            conn,
            actor=actor,
            action="notice.read",
            kind="brand" if brand_id else "operator",
            object_id=brand_id or "operator",
            before=None,
            after={"notices": read},
            at=at,
        )
    return read
