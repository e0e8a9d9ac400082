"""The queue of listings to be looked at once more: who comes in, what ends the wait, and lists of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from brands import audit, checks
from brands.errors import Invalid
from brands.ids import new_id
from brands.model import RESCREEN_STATES, RescreenReason, RescreenState
from brands.schema import rescreens, screenings

PASSED: Final = ("clear", "unscreenable")
"""Verdicts that let a listing pass: the others are before people already."""

Queueable = tuple[str, str, str]
"""Ids of a screening, its listing and its seller."""


@dataclass(frozen=True, slots=True)
class Rescreen:
    """A listing that waits for another look, or waited. `cause` is the seller whose counterfeit led here; `result_id`
    the screening that ended the wait."""

    id: str
    screening_id: str
    listing_id: str
    revision: int
    seller_id: str
    reason: RescreenReason
    cause: str | None
    state: RescreenState
    result_id: str | None
    created_at: datetime
    updated_at: datetime


def put(
    conn: sa.Connection,
    listings: Sequence[Queueable],
    reason: RescreenReason,
    *,
    cause: str | None,
    actor: str,
    now: datetime,
) -> int:
    """Queues screenings that were not queued for this reason before; how many."""
    audit.lock(conn)
    wanted = [screening_id for screening_id, _, _ in listings]
    before = sa.select(rescreens.c.screening_id).where(
        rescreens.c.screening_id.in_(wanted), rescreens.c.reason == reason
    )
    there = set(conn.execute(before).scalars())
    new = [
        {
            "id": new_id("rsc", now + number * timedelta(microseconds=1)),  # so that ids keep the order
            "screening_id": screening_id,
            "listing_id": listing_id,
            "seller_id": seller_id,
            "reason": reason,
            "cause": cause,
            "state": "queued",
            "created_at": now,
            "updated_at": now,
        }
        for number, (screening_id, listing_id, seller_id) in enumerate(listings)
        if screening_id not in there
    ]
    if new:
        conn.execute(sa.insert(rescreens), new)
    changes = [
        audit.Change(
            actor,
            "rescreen.queue",
            "rescreen",
            str(row["id"]),
            None,
            {"screening_id": row["screening_id"], "reason": reason},
            now,
        )
        for row in new
    ]
    audit.append_all(conn, changes)
    return len(new)


def end_waits(conn: sa.Connection, *, screening_id: str, listing_id: str, seller_id: str, at: datetime) -> int:
    """A new screening of a listing ends what waits for one; how many did. The new screening's own row tells of it."""
    waiting = sa.and_(
        rescreens.c.listing_id == listing_id,
        rescreens.c.seller_id == seller_id,
        rescreens.c.state.in_(("queued", "requested")),
        rescreens.c.screening_id != screening_id,
    )
    done = {"state": "done", "result_id": screening_id, "updated_at": at}
    return conn.execute(sa.update(rescreens).where(waiting).values(done)).rowcount


def list_rescreens(
    conn: sa.Connection,
    *,
    state: str | None = None,
    seller_id: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> tuple[Rescreen, ...]:
    """The queue by id, so by time, those behind `after`. Raises Invalid."""
    after, limit = checks.checked_page(after, limit)
    if state is not None and state not in RESCREEN_STATES:
        raise Invalid("The state is unknown.", code="invalid_state", field="state")
    query = (
        sa.select(rescreens, screenings.c.revision)
        .join(screenings, screenings.c.id == rescreens.c.screening_id)
        .order_by(rescreens.c.id)
        .limit(limit)
    )
    if state is not None:
        query = query.where(rescreens.c.state == state)
    if seller_id is not None:
        query = query.where(rescreens.c.seller_id == seller_id)
    if after is not None:
        query = query.where(rescreens.c.id > after)
    return tuple(Rescreen(**row._mapping) for row in conn.execute(query))
