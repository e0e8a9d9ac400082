"""Reads the ledger: entries and actions, one by one and in pages."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from brands import checks
from brands.errors import Invalid, NotFound
from brands.ids import is_id
from brands.model import ACTION_STATES
from brands.schema import seller_actions, seller_events
from screener.ledger.model import SellerAction, SellerEvent

_reversal = seller_events.alias("reversal")


def _events() -> sa.Select[Any]:
    back = sa.select(_reversal.c.id).where(_reversal.c.reverses == seller_events.c.id)
    return sa.select(seller_events, back.scalar_subquery().label("reversed_by"))


def get_event(conn: sa.Connection, event_id: str) -> SellerEvent:
    """An entry. Raises NotFound."""
    row = conn.execute(_events().where(seller_events.c.id == event_id)).one_or_none() if is_id(event_id) else None
    if row is None:
        raise NotFound
    return SellerEvent(**row._mapping)


def entries_of(conn: sa.Connection, seller_id: str) -> tuple[SellerEvent, ...]:
    """All entries of a seller, in the order in which they were made."""
    query = _events().where(seller_events.c.seller_id == seller_id).order_by(seller_events.c.id)
    return tuple(SellerEvent(**row._mapping) for row in conn.execute(query))


def list_events(
    conn: sa.Connection, *, seller_id: str | None = None, after: str | None = None, limit: int = 100
) -> tuple[SellerEvent, ...]:
    """Entries by id, so by time, those behind `after`. Raises Invalid."""
    after, limit = checks.checked_page(after, limit)
    query = _events().order_by(seller_events.c.id).limit(limit)
    if seller_id is not None:
        query = query.where(seller_events.c.seller_id == seller_id)
    if after is not None:
        query = query.where(seller_events.c.id > after)
    return tuple(SellerEvent(**row._mapping) for row in conn.execute(query))


def get_action(conn: sa.Connection, action_id: str) -> SellerAction:
    """An action. Raises NotFound."""
    query = sa.select(seller_actions).where(seller_actions.c.id == action_id)
    row = conn.execute(query).one_or_none() if is_id(action_id) else None
    if row is None:
        raise NotFound
    return SellerAction(**row._mapping)


def list_actions(
    conn: sa.Connection,
    *,
    seller_id: str | None = None,
    state: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> tuple[SellerAction, ...]:
    """Actions by id, so by time, those behind `after`. Raises Invalid."""
    after, limit = checks.checked_page(after, limit)
    if state is not None and state not in ACTION_STATES:
        raise Invalid("The state is unknown.", code="invalid_state", field="state")
    query = sa.select(seller_actions).order_by(seller_actions.c.id).limit(limit)
    for column, value, chosen in (
        (seller_actions.c.seller_id, seller_id, seller_actions.c.seller_id == seller_id),
        (seller_actions.c.state, state, seller_actions.c.state == state),
        (seller_actions.c.id, after, seller_actions.c.id > (after or "")),
    ):
        query = query if value is None or column is None else query.where(chosen)
    return tuple(SellerAction(**row._mapping) for row in conn.execute(query))


def actions_of(conn: sa.Connection, seller_id: str) -> tuple[SellerAction, ...]:
    """All actions of a seller, in the order in which they were recommended."""
    query = sa.select(seller_actions).where(seller_actions.c.seller_id == seller_id).order_by(seller_actions.c.id)
    return tuple(SellerAction(**row._mapping) for row in conn.execute(query))


def given_actions(conn: sa.Connection, event_ids: Sequence[str]) -> dict[str, tuple[str, int | None]]:
    """The latest action that was recommended because of each of these entries, and how many days it lasts."""
    query = sa.select(seller_actions).where(seller_actions.c.event_id.in_(event_ids)).order_by(seller_actions.c.id)
    return {
        row.event_id: (row.action, (row.ends_at - row.created_at).days if row.ends_at else None)
        for row in conn.execute(query)
    }
