"""The outbox: a message is written in the transaction of what it tells of, once for each endpoint that wants it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from brands.columns import canonical_json
from brands.ids import new_id
from brands.schema import deliveries, outbox, webhook_endpoints
from screener.webhooks.types import TYPES, MessageType

PAYLOAD_BYTES: Final = 64 * 1024
"""Most bytes of a payload. The specification asks for less than 20 kB; whoever needs more sends an id to fetch."""

_TRIES: Final = 1_000


def emit(
    conn: sa.Connection,
    type: MessageType,
    payload: Mapping[str, Any],
    *,
    at: datetime,
    seller_id: str | None = None,
    brand_id: str | None = None,
    screening_id: str | None = None,
) -> str | None:
    """Writes a message for every endpoint that wants its type, in the caller's transaction; its id sorts by time.

    None, and nothing is written, when no endpoint wants it. An endpoint that is paused gets its messages when it is
    resumed. Whatever seller, brand or screening the payload tells of must be named, so that erasing one of them finds
    the message.

    Raises
    ------
    ValueError
        for an unknown type, and for a payload that is larger than `PAYLOAD_BYTES` or not JSON
    """
    if type not in TYPES:
        raise ValueError(f"no message has the type {type}")
    query = sa.select(webhook_endpoints.c.id, webhook_endpoints.c.types).where(webhook_endpoints.c.state != "removed")
    wanting = [row.id for row in conn.execute(query) if type in row.types]
    if not wanting:
        return None
    subjects = {"seller_id": seller_id, "brand_id": brand_id, "screening_id": screening_id}
    return write(conn, type, payload, to=wanting, at=at, **subjects)


def write(
    conn: sa.Connection,
    type: str,
    payload: Mapping[str, Any],
    *,
    to: list[str],
    at: datetime,
    seller_id: str | None = None,
    brand_id: str | None = None,
    screening_id: str | None = None,
) -> str:
    """Writes a message for these endpoints. Raises ValueError as `emit` does."""
    if len(canonical_json(payload).encode()) > PAYLOAD_BYTES:
        raise ValueError(f"the payload of a message may have {PAYLOAD_BYTES} bytes")
    message_id = _following(conn, at)
    conn.execute(
        sa.insert(outbox).values(
            id=message_id,
            type=type,
            payload=payload,
            seller_id=seller_id,
            brand_id=brand_id,
            screening_id=screening_id,
            created_at=at,
        )
    )
    conn.execute(
        sa.insert(deliveries),
        [
            {
                "message_id": message_id,
                "endpoint_id": endpoint_id,
                "state": "pending",
                "attempts": 0,
                "next_at": at,
                "updated_at": at,
            }
            for endpoint_id in to
        ],
    )
    return message_id


def _following(conn: sa.Connection, at: datetime) -> str:
    """An id for a message of this time, behind those that were written in the same transaction at the same time."""
    last = conn.execute(sa.select(sa.func.max(outbox.c.id))).scalar() or ""
    tries = (new_id("msg", at + number * timedelta(microseconds=1)) for number in range(_TRIES))
    # Behind what another machine's fast clock wrote, no order is promised.
    return next((found for found in tries if found > last), None) or new_id("msg", at)
