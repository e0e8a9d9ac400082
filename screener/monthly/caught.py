"""The counterfeits that were confirmed among a month's listings: prompted before anybody complained, or after.

Confirmed by appraisals and by people's decisions are two groups that are never added up: a listing may be in both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from brands.schema import appraisals, buyer_signals, reviews, screenings
from screener.appraisals.labels import read_labels
from screener.drift.figures import Share
from screener.monthly.counts import PROMPTED, of_month
from screener.monthly.month import Month

_AT_ONCE: Final = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Listings whose items are counterfeit.

    `proactive` were prompted when they were published, before any buyer had complained; `complained` had a complaint
    first, or had one and no prompt; `silent` had neither, they were found by a spot check.
    """

    listings: int
    proactive: Share
    complained: int
    silent: int


@dataclass(frozen=True, slots=True)
class Appraised:
    """What the month's appraised listings turned out to be."""

    counterfeit: int
    authentic: int
    inconclusive: int
    conflict: int
    confirmed: Confirmed


def read_appraised(conn: sa.Connection, month: Month, brand_id: str | None) -> Appraised:
    """The labels of a month's listings, by all appraisals until now."""
    query = (
        sa.select(screenings.c.id)
        .join(appraisals, appraisals.c.screening_id == screenings.c.id)
        .where(of_month(month, brand_id), appraisals.c.withdrawn_at.is_(None))
        .distinct()
    )
    labels = read_labels(conn, screening_ids=list(conn.execute(query).scalars()))
    outcomes = [label.outcome for label in labels.values()]
    fakes = [name for name, label in labels.items() if label.outcome == "counterfeit"]
    return Appraised(
        counterfeit=outcomes.count("counterfeit"),
        authentic=outcomes.count("authentic"),
        inconclusive=outcomes.count("inconclusive"),
        conflict=outcomes.count("conflict"),
        confirmed=confirmed(conn, fakes),
    )


def read_confirmed_by_people(conn: sa.Connection, month: Month, brand_id: str | None) -> Confirmed:
    """The listings of a month that people's latest decision calls counterfeit."""
    query = (
        sa.select(screenings.c.id)
        .join(reviews, reviews.c.screening_id == screenings.c.id)
        .where(of_month(month, brand_id), reviews.c.outcome == "counterfeit")
    )
    return confirmed(conn, list(conn.execute(query).scalars()))


def confirmed(conn: sa.Connection, screening_ids: Collection[str]) -> Confirmed:
    """How the listings of these screenings were noticed."""
    shown: dict[str, Any] = {}
    columns = (screenings.c.listing_id, screenings.c.verdict, screenings.c.created_at, screenings.c.request)
    for chunk in _chunks(sorted(screening_ids)):
        for row in conn.execute(sa.select(*columns).where(screenings.c.id.in_(chunk)).order_by(screenings.c.id)):
            earlier = shown.get(row.listing_id)
            if earlier is None or (earlier.verdict not in PROMPTED and row.verdict in PROMPTED):
                shown[row.listing_id] = row
    first = _first_suspicions(conn, sorted(shown))
    proactive = complained = 0
    for listing_id, row in shown.items():
        told = bool(row.request.get("complaints"))
        suspected = first.get(listing_id)
        if row.verdict in PROMPTED and not told and (suspected is None or suspected >= row.created_at):
            proactive += 1
        elif told or suspected is not None:
            complained += 1
    number = len(shown)
    return Confirmed(number, Share(proactive, number), complained, number - proactive - complained)


def _first_suspicions(conn: sa.Connection, listing_ids: Sequence[str]) -> dict[str, datetime]:
    """When a buyer first suspected each listing, of those that any did."""
    found: dict[str, datetime] = {}
    for chunk in _chunks(listing_ids):
        query = sa.select(buyer_signals.c.listing_id, sa.func.min(buyer_signals.c.occurred_at)).where(
            buyer_signals.c.listing_id.in_(chunk), buyer_signals.c.suspected
        )
        found |= {row[0]: row[1] for row in conn.execute(query.group_by(buyer_signals.c.listing_id))}
    return found


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
