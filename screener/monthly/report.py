"""The report of a month, put together: of the whole marketplace, or of one brand's listings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from screener.monthly.cases import Answers, Decided, Times, read_answers, read_decided, read_times
from screener.monthly.caught import Appraised, Confirmed, read_appraised, read_confirmed_by_people
from screener.monthly.counts import Screened, Top, read_screened, top_brands, top_categories
from screener.monthly.follow_up import Cost, Ledger, Signals, read_costs, read_ledger, read_signals
from screener.monthly.month import Month
from screener.spot_checks.estimate import Estimates, estimate
from screener.spot_checks.model import Filters

PER: Final = 10_000
"""Listings that a rate of counterfeits is told of."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a month brought, as far as it was known `at` a time; `brand_id` is None for the whole marketplace.

    `estimates` speak of all listings, from the spot checks planned in the month and their appraisals; what was decided
    or confirmed otherwise is counted beside them and never mixed in, because nobody chose those cases at random.
    `brands` and `costs` are empty in a brand's report: they are the marketplace's.
    """

    month: Month
    brand_id: str | None
    at: datetime
    over: bool
    screened: Screened
    estimates: Estimates
    appraised: Appraised
    by_people: Confirmed
    decided: Decided
    times: Times
    answers: Answers
    ledger: Ledger
    signals: Signals
    costs: tuple[Cost, ...]
    brands: tuple[Top, ...]
    categories: tuple[Top, ...]


def read_report(conn: sa.Connection, month: Month, *, at: datetime, brand_id: str | None = None) -> Report:
    """The report of a month, also of one that is not over yet or that brought nothing."""
    return Report(
        month=month,
        brand_id=brand_id,
        at=at,
        over=at >= month.end,
        screened=read_screened(conn, month, brand_id),
        estimates=estimate(conn, since=month.begin, until=month.end, filters=Filters(brand_id=brand_id)),
        appraised=read_appraised(conn, month, brand_id),
        by_people=read_confirmed_by_people(conn, month, brand_id),
        decided=read_decided(conn, month, brand_id),
        times=read_times(conn, month, brand_id),
        answers=read_answers(conn, month, brand_id),
        ledger=read_ledger(conn, month, brand_id),
        signals=read_signals(conn, month, brand_id),
        costs=() if brand_id else read_costs(conn, month),
        brands=() if brand_id else top_brands(conn, month),
        categories=top_categories(conn, month, brand_id),
    )
