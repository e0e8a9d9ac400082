"""Listings of a month as they were screened: how many, what was answered, of which brands and categories.

What the service screened again by itself is no new listing and is left out everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from brands.schema import brands, reviews, screenings
from screener.drift.figures import Share
from screener.monthly.month import Month
from screener.records import RESCREENED_BY

PROMPTED: Final = ("prompt", "review")
MOST: Final = 10
"""Brands and categories that are named."""


@dataclass(frozen=True, slots=True)
class Screened:
    """`screenings` of `listings` different listings, and their `verdicts`.

    `prompted` are those answered prompt or review, `shown` those of them of which the seller was told. `unknown` are of
    brands that nobody registered, of `unknown_sellers` sellers; `degraded` could not be examined in time.
    """

    screenings: int
    listings: int
    verdicts: Mapping[str, int]
    prompted: Share
    shown: int
    degraded: int
    unknown: int
    unknown_sellers: int


@dataclass(frozen=True, slots=True)
class Top:
    """A brand (by id) or a category with the prompts of its listings."""

    key: str
    name: str
    screened: int
    prompted: int


def of_month(month: Month, brand_id: str | None) -> sa.ColumnElement[bool]:
    """The screenings of a month, of all brands (None) or of one that was recognised."""
    condition = sa.and_(
        screenings.c.created_at >= month.begin,
        screenings.c.created_at < month.end,
        screenings.c.key_id != RESCREENED_BY,
    )
    return condition if brand_id is None else sa.and_(condition, screenings.c.brand_id == brand_id)


def read_screened(conn: sa.Connection, month: Month, brand_id: str | None) -> Screened:
    """The listings of a month."""
    wanted = of_month(month, brand_id)
    query = sa.select(screenings.c.verdict, sa.func.count()).where(wanted).group_by(screenings.c.verdict)
    verdicts: dict[str, int] = {row[0]: row[1] for row in conn.execute(query)}
    number, prompted = sum(verdicts.values()), sum(verdicts.get(one, 0) for one in PROMPTED)
    unknown = sa.and_(wanted, screenings.c.brand_status == "unknown")
    shown = sa.select(sa.func.count()).select_from(reviews.join(screenings, screenings.c.id == reviews.c.screening_id))
    return Screened(
        screenings=number,
        listings=_count(conn, sa.func.count(sa.distinct(screenings.c.listing_id)), wanted),
        verdicts=verdicts,
        prompted=Share(prompted, number),
        shown=conn.execute(shown.where(wanted, reviews.c.shown)).scalar_one(),
        degraded=_count(conn, sa.func.count(), sa.and_(wanted, screenings.c.rescreen)),
        unknown=_count(conn, sa.func.count(), unknown),
        unknown_sellers=_count(conn, sa.func.count(sa.distinct(screenings.c.seller_id)), unknown),
    )


def top_brands(conn: sa.Connection, month: Month) -> tuple[Top, ...]:
    """The recognised brands with the most prompted listings."""
    query = _top(screenings.c.brand_id, brands.c.name).join(brands, brands.c.id == screenings.c.brand_id)
    rows = conn.execute(query.where(of_month(month, None)).group_by(screenings.c.brand_id, brands.c.name))
    return tuple(Top(*row) for row in rows)


def top_categories(conn: sa.Connection, month: Month, brand_id: str | None) -> tuple[Top, ...]:
    """The categories, as the marketplace writes them, with the most prompted listings."""
    category = screenings.c.category
    query = _top(category, category.label("name")).where(of_month(month, brand_id), category.is_not(None))
    return tuple(Top(*row) for row in conn.execute(query.group_by(category)))


def _top(key: sa.ColumnElement[Any], name: sa.ColumnElement[Any]) -> sa.Select[Any]:
    prompted = sa.func.sum(sa.case((screenings.c.verdict.in_(PROMPTED), 1), else_=0))
    return (
        sa.select(key, name, sa.func.count(), prompted)
        .order_by(prompted.desc(), sa.func.count().desc(), key)
        .limit(MOST)
    )


def _count(conn: sa.Connection, what: sa.ColumnElement[int], wanted: sa.ColumnElement[bool]) -> int:
    return int(conn.execute(sa.select(what).select_from(screenings).where(wanted)).scalar_one())
