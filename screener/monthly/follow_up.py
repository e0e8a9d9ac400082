"""What followed in a month: points and closures of sellers, buyers' signals, and what appraisals cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa

from brands.schema import appraisals, buyer_signals, seller_actions, seller_events
from screener.appraisals.labels import read_labels
from screener.monthly.month import Month


@dataclass(frozen=True, slots=True)
class Ledger:
    """Entries of the sellers' ledger made in the month by kind, the points they gave, and how many were taken back.

    `actions` are those recommended in the month, by name and by what became of them until now.
    """

    events: Mapping[str, int]
    points: int
    taken_back: int
    actions: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Signals:
    """What buyers said in the month: all, and those that suspect a counterfeit, of so many listings."""

    number: int
    suspected: int
    suspected_listings: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What the month's appraisals cost in one currency: `appraised` items, `counterfeits` of them by their labels.

    `each` is the cost per counterfeit found, None where none was.
    """

    currency: str
    amount: Decimal
    appraised: int
    counterfeits: int

    @property
    def each(self) -> Decimal | None:
        """Cost per counterfeit found, to the cent."""
        return (self.amount / self.counterfeits).quantize(Decimal("0.01")) if self.counterfeits else None


def read_ledger(conn: sa.Connection, month: Month, brand_id: str | None) -> Ledger:
    """The ledger of a month, of all brands (None) or of the entries about one."""
    inside = sa.and_(seller_events.c.created_at >= month.begin, seller_events.c.created_at < month.end)
    if brand_id is not None:
        inside = sa.and_(inside, seller_events.c.brand_id == brand_id)
    rows = conn.execute(sa.select(seller_events.c.kind, seller_events.c.points, seller_events.c.reverses).where(inside))
    events: dict[str, int] = {}
    points = taken_back = 0
    for kind, given, reverses in rows:
        events[kind] = events.get(kind, 0) + 1
        points += max(given, 0) if reverses is None else 0
        taken_back += reverses is not None
    query = sa.select(seller_actions.c.action, seller_actions.c.state, sa.func.count()).where(
        seller_actions.c.created_at >= month.begin, seller_actions.c.created_at < month.end
    )
    if brand_id is not None:
        query = query.join(seller_events, seller_events.c.id == seller_actions.c.event_id)
        query = query.where(seller_events.c.brand_id == brand_id)
    actions: dict[str, dict[str, int]] = {}
    for action, state, number in conn.execute(query.group_by(seller_actions.c.action, seller_actions.c.state)):
        actions.setdefault(action, {})[state] = number
    return Ledger(events, points, taken_back, actions)


def read_signals(conn: sa.Connection, month: Month, brand_id: str | None) -> Signals:
    """What buyers said in a month, of all brands (None) or of one."""
    inside = sa.and_(buyer_signals.c.occurred_at >= month.begin, buyer_signals.c.occurred_at < month.end)
    if brand_id is not None:
        inside = sa.and_(inside, buyer_signals.c.brand_id == brand_id)
    count = sa.select(sa.func.count()).select_from(buyer_signals).where(inside)
    listings = sa.select(sa.func.count(sa.distinct(buyer_signals.c.listing_id))).where(
        inside, buyer_signals.c.suspected
    )
    return Signals(
        conn.execute(count).scalar_one(),
        conn.execute(count.where(buyer_signals.c.suspected)).scalar_one(),
        conn.execute(listings).scalar_one(),
    )


def read_costs(conn: sa.Connection, month: Month) -> tuple[Cost, ...]:
    """What the items appraised in a month cost, by currency, as far as their appraisals tell it."""
    query = (
        sa.select(appraisals.c.cost_currency, appraisals.c.cost_amount, appraisals.c.screening_id)
        .where(appraisals.c.withdrawn_at.is_(None), appraisals.c.cost_amount.is_not(None))
        .where(
            appraisals.c.appraised_on >= month.begin.date(),
            appraisals.c.appraised_on < month.end.date(),
        )
    )
    found: dict[str, tuple[list[Decimal], set[str]]] = {}
    for currency, amount, screening_id in conn.execute(query):
        amounts, items = found.setdefault(currency, ([], set()))
        amounts.append(amount)
        items.add(screening_id)
    labels = read_labels(conn, screening_ids=set().union(*(items for _, items in found.values())))
    fakes = {name for name, label in labels.items() if label.outcome == "counterfeit"}
    return tuple(
        Cost(currency, sum(amounts, Decimal(0)), len(items), len(items & fakes))
        for currency, (amounts, items) in sorted(found.items())
    )
