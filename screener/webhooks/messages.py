"""The log of messages: what was written, what became of each delivery, sending again, and forgetting."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from brands import audit, checks
from brands.errors import Conflict, Invalid, NotFound
from brands.ids import is_id
from brands.model import DELIVERY_STATES, DeliveryState
from brands.schema import deliveries, outbox
from screener.webhooks.endpoints import fetch

FORGET_AT_ONCE: Final = 500
REPLAY_MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message at one endpoint; `next_at` is when it is tried (again), None when it is not."""

    endpoint_id: str
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    status: int | None
    error: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the outbox, with its deliveries by endpoint."""

    id: str
    type: str
    payload: dict[str, Any]
    created_at: datetime
    deliveries: tuple[Delivery, ...]


def list_messages(
    conn: sa.Connection,
    *,
    endpoint_id: str | None = None,
    state: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> tuple[Message, ...]:
    """Messages by id, so by time, those behind `after`; with a delivery at this endpoint, or in this state.

    Raises Invalid.
    """
    after, limit = checks.checked_page(after, limit)
    if state is not None and state not in DELIVERY_STATES:
        raise Invalid("The state is unknown.", code="invalid_state", field="state")
    query = sa.select(outbox).order_by(outbox.c.id).limit(limit)
    if after is not None:
        query = query.where(outbox.c.id > after)
    if endpoint_id is not None or state is not None:
        wanted = sa.exists().where(deliveries.c.message_id == outbox.c.id)
        if endpoint_id is not None:
            wanted = wanted.where(deliveries.c.endpoint_id == endpoint_id)
        if state is not None:
            wanted = wanted.where(deliveries.c.state == state)
        query = query.where(wanted)
    return _messages(conn, conn.execute(query).all())


def get_message(conn: sa.Connection, message_id: str) -> Message:
    """One message. Raises NotFound."""
    rows = conn.execute(sa.select(outbox).where(outbox.c.id == message_id)).all() if is_id(message_id) else []
    if not rows:
        raise NotFound
    return _messages(conn, rows)[0]


def replay(
    conn: sa.Connection, message_id: str, *, endpoint_id: str | None = None, actor: str, at: datetime
) -> Message:
    """Sends a message again with all its attempts, to one endpoint (also one that did not get it) or to all it went to.

    Raises NotFound, Conflict (`illegal_state`) when all its endpoints are removed.
    """
    audit.lock(conn)
    message = get_message(conn, message_id)
    had = [delivery.endpoint_id for delivery in message.deliveries]
    if endpoint_id is None:
        chosen = [one for one in had if _exists(conn, one)]
        if not chosen:
            raise Conflict("Its endpoints are removed.", code="illegal_state")
    else:
        chosen = [fetch(conn, endpoint_id).id]
    _again(conn, sa.and_(deliveries.c.message_id == message_id, deliveries.c.endpoint_id.in_(chosen)), at)
    _insert(conn, [(message_id, one) for one in chosen if one not in had], at)
    _log(conn, chosen, {"message": message_id}, actor, at)
    return get_message(conn, message_id)


def replay_since(
    conn: sa.Connection, endpoint_id: str, *, since: datetime, only_failed: bool = True, actor: str, at: datetime
) -> int:
    """Sends an endpoint everything again that was written since then and failed (or everything it was to get, and
    what it wants and was not written for it); how many messages. Raises NotFound, Invalid."""
    audit.lock(conn)
    endpoint = fetch(conn, endpoint_id)
    recent = sa.select(outbox.c.id).where(outbox.c.created_at >= since)
    own = sa.and_(deliveries.c.endpoint_id == endpoint_id, deliveries.c.message_id.in_(recent))
    if only_failed:
        count = _again(conn, sa.and_(own, deliveries.c.state == "failed"), at)
    else:
        there = sa.exists().where(deliveries.c.message_id == outbox.c.id, deliveries.c.endpoint_id == endpoint_id)
        missing = recent.where(outbox.c.type.in_(endpoint.types), ~there).limit(REPLAY_MOST)
        new = list(conn.execute(missing).scalars())
        count = _again(conn, own, at) + len(new)
        _insert(conn, [(message_id, endpoint_id) for message_id in new], at)
    _log(conn, [endpoint_id], {"since": since.isoformat(), "only_failed": only_failed, "messages": count}, actor, at)
    return count


def forget_old(conn: sa.Connection, *, before: datetime) -> int:
    """Deletes up to `FORGET_AT_ONCE` messages that were written before then, whatever became of them; how many."""
    query = sa.select(outbox.c.id).where(outbox.c.created_at < before).order_by(outbox.c.created_at)
    ids = list(conn.execute(query.limit(FORGET_AT_ONCE)).scalars())
    conn.execute(sa.delete(deliveries).where(deliveries.c.message_id.in_(ids)))
    return conn.execute(sa.delete(outbox).where(outbox.c.id.in_(ids))).rowcount


def _messages(conn: sa.Connection, rows: Any) -> tuple[Message, ...]:
    found: dict[str, list[Delivery]] = {row.id: [] for row in rows}
    query = sa.select(deliveries).where(deliveries.c.message_id.in_(found)).order_by(deliveries.c.endpoint_id)
    for row in conn.execute(query):
        fields = dict(row._mapping)
        found[fields.pop("message_id")].append(Delivery(**fields))
    return tuple(Message(row.id, row.type, row.payload, row.created_at, tuple(found[row.id])) for row in rows)


def _exists(conn: sa.Connection, endpoint_id: str) -> bool:
    try:
        fetch(conn, endpoint_id)
    except NotFound:
        return False
    return True


def _again(conn: sa.Connection, which: sa.ColumnElement[bool], at: datetime) -> int:
    fresh = {"state": "pending", "attempts": 0, "next_at": at, "status": None, "error": None, "updated_at": at}
    return conn.execute(sa.update(deliveries).where(which).values(fresh)).rowcount


def _insert(conn: sa.Connection, pairs: list[tuple[str, str]], at: datetime) -> None:
    if pairs:
        conn.execute(
            sa.insert(deliveries),
            [
                {"message_id": message, "endpoint_id": endpoint, "state": "pending", "attempts": 0, "next_at": at,
                 "updated_at": at}
                for message, endpoint in pairs
            ],
        )  # fmt: skip


def _log(conn: sa.Connection, endpoints: list[str], after: dict[str, Any], actor: str, at: datetime) -> None:
    changes = [audit.Change(actor, "webhook.replay", "webhook", endpoint, None, after, at) for endpoint in endpoints]
    audit.append_all(conn, changes)
