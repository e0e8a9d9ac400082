"""How far a brand is trusted: a row per brand that is not new any more, and the steps between the three standings.

`new` brands need a second person for every reference; `good` ones let their references in themselves; those of
`stopped` ones do not count until an admin lets the brand on. What is measured is `screener.governance.standing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands import audit, brand_rows, notices
from brands.errors import Invalid
from brands.model import STANDINGS, Standing
from brands.schema import brands, standings


@dataclass(frozen=True, slots=True)
class StandingRow:
    """A brand's standing; `right` and `wrong` are the decisions that were counted, those from `since` on."""

    brand_id: str
    standing: Standing
    right: int
    wrong: int
    since: datetime


def fetch(conn: Connection, brand_id: str) -> StandingRow:
    """A brand's standing; one without a row is new since it was registered."""
    row = conn.execute(sa.select(standings).where(standings.c.brand_id == brand_id)).first()
    if row is not None:
        return StandingRow(**row._mapping)
    since = conn.execute(sa.select(brands.c.created_at).where(brands.c.id == brand_id)).scalar_one()
    return StandingRow(brand_id, "new", 0, 0, since)


def fetch_all(conn: Connection) -> dict[str, StandingRow]:
    """The standings that are not those of a brand just registered, by brand."""
    return {row.brand_id: StandingRow(**row._mapping) for row in conn.execute(sa.select(standings))}


def stopped(conn: Connection) -> frozenset[str]:
    """The brands whose references do not count."""
    query = sa.select(standings.c.brand_id).where(standings.c.standing == "stopped")
    return frozenset(conn.execute(query).scalars())


def change(
    conn: Connection,
    before: StandingRow,
    standing: Standing,
    *,
    right: int,
    wrong: int,
    reason: str,
    actor: str,
    at: datetime,
) -> StandingRow:
    """Gives a brand another standing, or (the same) other counts, with audit row and notices. Raises Invalid.

    Decisions are counted anew from a change of standing on, so that what stopped a brand does not stop it again.
    """
    if standing not in STANDINGS:
        raise Invalid("The standing is none of the three.", code="invalid_standing", field="standing")
    moved = standing != before.standing
    after = StandingRow(before.brand_id, standing, right, wrong, at if moved else before.since)
    values = {"standing": standing, "right": right, "wrong": wrong, "since": after.since}
    if not conn.execute(sa.update(standings).where(standings.c.brand_id == before.brand_id).values(**values)).rowcount:
        conn.execute(sa.insert(standings).values(brand_id=before.brand_id, **values))
    if not moved:
        return after
    if "stopped" in (before.standing, standing):
        brand_rows.bump_version(conn)
    audit.append(
        conn,
        actor=actor,
        action=f"brand.{standing}",
        kind="brand",
        object_id=before.brand_id,
        before=record(before),
        after={**record(after), "reason": reason},
        at=at,
    )
    for reader in (before.brand_id, None):
        details = {"before": before.standing, "right": right, "wrong": wrong, "reason": reason}
        code: notices.Code = (
            "standing_good" if standing == "good" else "standing_stopped" if standing == "stopped" else "standing_new"
        )
        notices.append(conn, brand_id=reader, code=code, object_id=before.brand_id, details=details, at=at)
    return after


def record(row: StandingRow) -> dict[str, Any]:
    """The standing as JSON for the audit log."""
    return {"standing": row.standing, "right": row.right, "wrong": row.wrong, "since": audit.iso(row.since)}
