"""How many buyers suspect the items of a screening, and which bursts of suspicions go on: for whoever plans looks."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from brands import checks
from brands.model import BurstSubject
from brands.schema import bursts, buyer_signals, screenings

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Burst:
    """More suspicions about one subject than chance brings.

    `subject` is a brand's id, a seller's id or a category; `number` were counted from `begins_at` until `ends_at`,
    where `expected` are usual, which has the probability `chance` or less. It goes on while `ends_at` is to come.
    """

    id: str
    kind: BurstSubject
    subject: str
    number: int
    expected: float
    chance: float
    begins_at: datetime
    ends_at: datetime
    created_at: datetime


def suspicions(conn: sa.Connection, screening_ids: Collection[str], *, since: datetime | None = None) -> dict[str, int]:
    """How many signals suspect a counterfeit, of the listing of each of these screenings (whatever its revision).

    Every screening asked for is there, also those with none; `since` leaves out what happened earlier.
    """
    found = dict.fromkeys(screening_ids, 0)
    wanted = sorted(found)
    for start in range(0, len(wanted), _AT_ONCE):
        query = (
            sa.select(screenings.c.id, sa.func.count())
            .join(buyer_signals, buyer_signals.c.listing_id == screenings.c.listing_id)
            .where(screenings.c.id.in_(wanted[start : start + _AT_ONCE]), buyer_signals.c.suspected)
            .group_by(screenings.c.id)
        )
        if since is not None:
            query = query.where(buyer_signals.c.occurred_at >= since)
        found.update(map(tuple, conn.execute(query)))
    return found


def open_bursts(conn: sa.Connection, now: datetime) -> tuple[Burst, ...]:
    """The bursts that go on, the least likely first."""
    query = sa.select(bursts).where(bursts.c.ends_at > now).order_by(bursts.c.chance, bursts.c.id)
    return tuple(Burst(**row._mapping) for row in conn.execute(query))


def fetch_bursts(
    conn: sa.Connection,
    *,
    now: datetime,
    going_on: bool | None = None,
    kind: BurstSubject | None = None,
    after: str | None = None,
    limit: int = 50,
) -> tuple[Burst, ...]:
    """Up to `limit` bursts in the order in which they were found, those behind `after` only. Raises Invalid."""
    after, limit = checks.checked_page(after, limit)
    query = sa.select(bursts).order_by(bursts.c.id).limit(limit)
    if going_on is not None:
        query = query.where(bursts.c.ends_at > now if going_on else bursts.c.ends_at <= now)
    if kind is not None:
        query = query.where(bursts.c.kind == kind)
    if after is not None:
        query = query.where(bursts.c.id > after)
    return tuple(Burst(**row._mapping) for row in conn.execute(query))
