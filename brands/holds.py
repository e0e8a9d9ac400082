"""Legal holds: what must not be deleted, whatever its age and whoever asks, until somebody releases it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands import audit, checks
from brands.errors import Conflict, Invalid, NotFound
from brands.ids import is_id, new_id
from brands.model import HOLD_KINDS, HoldKind
from brands.schema import brands, legal_holds, screening_matches, screenings

OBJECT_MAX = 200


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold on a screening, on everything of a brand or on everything of a seller, as the marketplace names it."""

    id: str
    kind: HoldKind
    object_id: str
    reason: str
    created_at: datetime
    created_by: str
    released_at: datetime | None
    released_by: str | None


def add(conn: Connection, *, kind: HoldKind, object_id: str, reason: str, actor: str, at: datetime) -> Hold:
    """Holds something from now on. Raises NotFound (no such screening or brand), Invalid."""
    if kind not in HOLD_KINDS:
        raise Invalid("The kind is none of the three.", code="invalid_kind", field="kind")
    object_id = checks.checked_text(object_id, "object_id", OBJECT_MAX)
    reason = checks.checked_text(reason, "reason", checks.REASON_MAX, lines=True)
    if not reason or not object_id:
        field = "reason" if object_id else "object_id"
        raise Invalid("A hold says what it holds, and why.", code="empty_text", field=field)
    audit.lock(conn)
    if kind != "seller":
        known = brands if kind == "brand" else screenings
        found = is_id(object_id) and conn.execute(sa.select(known.c.id).where(known.c.id == object_id)).first()
        if not found:
            raise NotFound
    hold = Hold(new_id("hld", at), kind, object_id, reason, at, actor, None, None)
    conn.execute(sa.insert(legal_holds).values(asdict(hold)))
    _log(conn, "hold.add", None, hold, actor, at)
    return hold


def release(conn: Connection, hold_id: str, *, actor: str, at: datetime) -> Hold:
    """Ends a hold. Raises NotFound, Conflict (`illegal_state`) if it is released already."""
    audit.lock(conn)
    before = _fetch(conn, hold_id)
    if before.released_at is not None:
        raise Conflict("The hold is released already.", code="illegal_state")
    conn.execute(sa.update(legal_holds).where(legal_holds.c.id == hold_id).values(released_at=at, released_by=actor))
    after = _fetch(conn, hold_id)
    _log(conn, "hold.release", before, after, actor, at)
    return after


def fetch_page(
    conn: Connection, *, released: bool | None = None, after: str | None = None, limit: int
) -> tuple[Hold, ...]:
    """Up to `limit` holds by id, those behind `after` only; `released` None = any."""
    query = sa.select(legal_holds).order_by(legal_holds.c.id).limit(limit)
    if released is not None:
        query = query.where(legal_holds.c.released_at.is_not(None) if released else legal_holds.c.released_at.is_(None))
    if after is not None:
        query = query.where(legal_holds.c.id > after)
    return tuple(Hold(**row._mapping) for row in conn.execute(query))


def is_held(conn: Connection, kind: HoldKind, object_id: str) -> bool:
    """Whether a hold that is not released names this."""
    return conn.execute(sa.select(_on(kind, object_id).exists())).scalar_one()


def screening_held() -> sa.ColumnElement[bool]:
    """SQL for: a hold forbids to delete a row of `screenings`, for itself, its seller or a brand that it matched."""
    matched = (
        sa.select(legal_holds.c.id)
        .join(screening_matches, screening_matches.c.brand_id == legal_holds.c.object_id)
        .where(
            legal_holds.c.kind == "brand",
            legal_holds.c.released_at.is_(None),
            screening_matches.c.screening_id == screenings.c.id,
        )
        .correlate(screenings)
    )
    return sa.or_(
        _on("screening", screenings.c.id).correlate(screenings).exists(),
        _on("seller", screenings.c.seller_id).correlate(screenings).exists(),
        _on("brand", screenings.c.brand_id).correlate(screenings).exists(),
        matched.exists(),
    )


def _on(kind: HoldKind, object_id: str | sa.ColumnElement[Any]) -> sa.Select[Any]:
    return sa.select(legal_holds.c.id).where(
        legal_holds.c.kind == kind, legal_holds.c.object_id == object_id, legal_holds.c.released_at.is_(None)
    )


def _fetch(conn: Connection, hold_id: str) -> Hold:
    row = conn.execute(sa.select(legal_holds).where(legal_holds.c.id == hold_id)).first() if is_id(hold_id) else None
    if row is None:
        raise NotFound
    return Hold(**row._mapping)


def _log(conn: Connection, action: str, before: Hold | None, after: Hold, actor: str, at: datetime) -> None:
    audit.append(
        conn,
        actor=actor,
        action=action,
        kind="hold",
        object_id=after.id,
        before=None if before is None else _record(before),
        after=_record(after),
        at=at,
    )


def _record(hold: Hold) -> dict[str, Any]:
    return {
        "kind": hold.kind,
        "object_id": hold.object_id,
        "reason": hold.reason,
        "released_at": hold.released_at and hold.released_at.isoformat(),
    }
