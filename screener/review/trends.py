"""What each day brought, by brand: counted as it happens, so that a year of a million screenings is read at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from brands.model import OUTCOMES
from brands.schema import daily_counts

ALL: Final = "*"
"""In the place of a brand: the screenings of all, whatever was recognised."""
NONE: Final = ""
"""In the place of a brand: the screenings in which none was recognised."""
MOST_DAYS: Final = 1100
_COUNTS: Final = ("screened", "prompted", "review", "appealed", *OUTCOMES)


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day of a brand, or of all: screenings begun on it, and what became of those until now.

    `prompted` were answered prompt or review, `review` are those of them answered review; `appealed` were answered by
    the seller with a proof or published anyway; the last four were decided so by the latest look.
    """

    day: date
    screened: int = 0
    prompted: int = 0
    review: int = 0
    appealed: int = 0
    counterfeit: int = 0
    authentic: int = 0
    unsure: int = 0
    not_this_brand: int = 0

    @property
    def reviewed(self) -> int:
        """Screenings that somebody decided."""
        return self.counterfeit + self.authentic + self.unsure + self.not_this_brand

    @property
    def right(self) -> int:
        """Decided as counterfeits."""
        return self.counterfeit

    @property
    def wrong(self) -> int:
        """Decided as authentic, or as not of the brand."""
        return self.authentic + self.not_this_brand


def count(conn: sa.Connection, brand_id: str | None, screened_at: datetime, **changes: int) -> None:
    """Adds `changes` (names of `Day`) to the day of a screening, for its brand and for all.

    In a transaction that holds `brands.audit.lock`: those who count wait for one another there and not in the middle.
    """
    day = screened_at.astimezone(UTC).date()
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = insert(daily_counts)
    statement = statement.on_conflict_do_update(
        index_elements=["brand_id", "day"],
        set_={name: daily_counts.c[name] + statement.excluded[name] for name in changes},
    )
    conn.execute(statement, [{"brand_id": brand, "day": day, **changes} for brand in (brand_id or NONE, ALL)])


def read_trends(conn: sa.Connection, brand_id: str, *, until: date, days: int = 90) -> tuple[Day, ...]:
    """The `days` (1 to 1,100) days up to and with `until`, the oldest first, none left out; `brand_id` may be `ALL`."""
    first = until - timedelta(days=min(max(days, 1), MOST_DAYS) - 1)
    query = sa.select(daily_counts.c.day, *(daily_counts.c[name] for name in _COUNTS)).where(
        daily_counts.c.brand_id == brand_id, daily_counts.c.day >= first, daily_counts.c.day <= until
    )
    found = {row.day: Day(**row._mapping) for row in conn.execute(query)}
    wanted = (first + timedelta(days=n) for n in range((until - first).days + 1))
    return tuple(found.get(day, Day(day)) for day in wanted)


def by_week(days: Iterable[Day]) -> tuple[Day, ...]:
    """The same by week, under its Monday (ISO 8601): plots of a year need no day's noise."""
    weeks: dict[date, dict[str, int]] = {}
    for day in days:
        week = weeks.setdefault(day.day - timedelta(days=day.day.weekday()), dict.fromkeys(_COUNTS, 0))
        for name in _COUNTS:
            week[name] += getattr(day, name)
    return tuple(Day(monday, **counts) for monday, counts in sorted(weeks.items()))
