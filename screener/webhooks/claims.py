"""What a deliverer takes from the database and writes back: due messages, each taken by one process at a time."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from brands import audit
from brands.columns import canonical_json
from brands.errors import NotFound
from brands.schema import deliveries, outbox, webhook_endpoints
from screener.webhooks.endpoints import Endpoint, change_state, fetch
from screener.webhooks.schedule import next_attempt
from screener.webhooks.sending import GONE, Attempt

ACTOR: Final = "service:webhooks"
LEASE: Final = timedelta(minutes=4)
"""How long what was taken is nobody else's; when its taker is killed, it is sent after this time, perhaps again."""
AT_ONCE: Final = 10
"""Messages taken together: fewer than can be sent one after the other within `LEASE`."""


@dataclass(frozen=True, slots=True)
class Due:
    """A message to be sent now, after so many attempts before."""

    message_id: str
    attempts: int
    body: bytes


def waiting_endpoints(conn: sa.Connection, now: datetime) -> tuple[str, ...]:
    """The endpoints that something is due for."""
    due = _due(now).where(deliveries.c.endpoint_id == webhook_endpoints.c.id)
    query = sa.select(webhook_endpoints.c.id).where(webhook_endpoints.c.state == "active", due.exists())
    return tuple(conn.execute(query).scalars())


def take(conn: sa.Connection, endpoint_id: str, now: datetime) -> tuple[Endpoint | None, tuple[Due, ...]]:
    """Takes the oldest messages that are due for an endpoint; none for one that is paused or removed."""
    try:
        endpoint = fetch(conn, endpoint_id)
    except NotFound:
        return None, ()
    if endpoint.state != "active":
        return endpoint, ()
    query = _due(now).where(deliveries.c.endpoint_id == endpoint_id).order_by(deliveries.c.message_id).limit(AT_ONCE)
    rows = conn.execute(query.with_for_update(skip_locked=True)).all()
    attempts = {row.message_id: row.attempts for row in rows}
    mine = sa.and_(deliveries.c.endpoint_id == endpoint_id, deliveries.c.message_id.in_(attempts))
    conn.execute(sa.update(deliveries).where(mine).values(next_at=now + LEASE, updated_at=now))
    messages = conn.execute(sa.select(outbox).where(outbox.c.id.in_(attempts)).order_by(outbox.c.id))
    return endpoint, tuple(Due(row.id, attempts[row.id], body_of(row)) for row in messages)


def body_of(row: Any) -> bytes:
    """What is sent of a row of the outbox, the same bytes at every attempt: `type`, `timestamp` and `data`."""
    return canonical_json(
        {"type": row.type, "timestamp": row.created_at.isoformat(), "data": json.loads(canonical_json(row.payload))}
    ).encode()


def record(
    conn: sa.Connection, endpoint_id: str, due: Due, attempt: Attempt, now: datetime, randomness: Callable[[], float]
) -> str:
    """Writes what became of an attempt: `delivered`, `pending` (to be tried again) or `failed`."""
    changes: dict[str, Any] = {"attempts": due.attempts + 1, "status": attempt.status, "error": attempt.error}
    if attempt.error is None:
        changes |= {"state": "delivered", "next_at": None}
    else:
        again = next_attempt(due.attempts + 1, now, randomness, retry_after=attempt.retry_after)
        changes |= {"state": "pending" if again else "failed", "next_at": again}
    conn.execute(sa.update(deliveries).where(_is(endpoint_id, due)).values(**changes, updated_at=now))
    state: str = changes["state"]
    return state


def give_back(conn: sa.Connection, endpoint_id: str, rest: tuple[Due, ...], now: datetime) -> None:
    """Messages that were taken and not sent are due again."""
    ids = [due.message_id for due in rest]
    mine = sa.and_(
        deliveries.c.endpoint_id == endpoint_id, deliveries.c.message_id.in_(ids), deliveries.c.state == "pending"
    )
    conn.execute(sa.update(deliveries).where(mine).values(next_at=now, updated_at=now))


def pause_gone(conn: sa.Connection, endpoint_id: str, now: datetime) -> None:
    """Pauses an endpoint that answered 410: it wants no more messages. What waits stays, for when it is resumed."""
    audit.lock(conn)
    if fetch(conn, endpoint_id).state == "active":
        change_state(conn, endpoint_id, "paused", actor=ACTOR, at=now, reason=f"it answered {GONE}")


def _due(now: datetime) -> sa.Select[Any]:
    return sa.select(deliveries.c.message_id, deliveries.c.attempts).where(
        deliveries.c.state == "pending", deliveries.c.next_at <= now
    )


def _is(endpoint_id: str, due: Due) -> sa.ColumnElement[bool]:
    # A message that was erased while it was sent, or is not waited for any more, is left as it is.
    return sa.and_(
        deliveries.c.endpoint_id == endpoint_id,
        deliveries.c.message_id == due.message_id,
        deliveries.c.state == "pending",
    )
