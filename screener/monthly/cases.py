"""What people and sellers did about a month's listings: decisions and how long they took, answers, appeals."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from brands.model import RESPONSES
from brands.schema import decisions, responses, reviews, screenings
from screener.drift.figures import Share
from screener.monthly.counts import of_month
from screener.monthly.month import Month
from screener.review.responses import APPEALS

_RIGHT: Final = "counterfeit"
_WRONG: Final = ("authentic", "not_this_brand")
_ACCEPTED: Final = ("edited", "withdrawn")


@dataclass(frozen=True, slots=True)
class Decided:
    """Prompted listings of the month that people decided until now, by the latest `outcomes`.

    `right` are counterfeits, of all that people were sure about. Which cases people look at is no accident, so this is
    no precision of the screener. `waiting` cases of the month are open.
    """

    outcomes: Mapping[str, int]
    right: Share
    waiting: int


@dataclass(frozen=True, slots=True)
class Times:
    """Hours from a screening to its first decision, of the `number` of first decisions made in the month."""

    number: int
    median: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class Answers:
    """What sellers did after the month's prompts: the last answer of each, by kind.

    `answered` of the prompts that sellers saw; `accepted` of the answered by editing or withdrawing. `appealed` of the
    prompts that sellers saw; `overturned` of the appeals that people have decided since.
    """

    kinds: Mapping[str, int]
    answered: Share
    accepted: Share
    appealed: Share
    overturned: Share


def read_decided(conn: sa.Connection, month: Month, brand_id: str | None) -> Decided:
    """The decisions about a month's listings."""
    query = (
        sa.select(reviews.c.state, reviews.c.outcome, sa.func.count())
        .join(screenings, screenings.c.id == reviews.c.screening_id)
        .where(of_month(month, brand_id))
        .group_by(reviews.c.state, reviews.c.outcome)
    )
    outcomes: dict[str, int] = {}
    waiting = 0
    for state, outcome, number in conn.execute(query):
        waiting += number if state == "open" else 0
        if outcome is not None:
            outcomes[outcome] = outcomes.get(outcome, 0) + number
    right = outcomes.get(_RIGHT, 0)
    return Decided(outcomes, Share(right, right + sum(outcomes.get(one, 0) for one in _WRONG)), waiting)


def read_times(conn: sa.Connection, month: Month, brand_id: str | None) -> Times:
    """How long first decisions of a month took, whenever their listings were screened."""
    earlier = decisions.alias()
    query = (
        sa.select(screenings.c.created_at, decisions.c.created_at)
        .join(screenings, screenings.c.id == decisions.c.screening_id)
        .where(decisions.c.created_at >= month.begin, decisions.c.created_at < month.end)
        .where(
            ~sa.exists().where(
                earlier.c.screening_id == decisions.c.screening_id,
                earlier.c.id < decisions.c.id,
            )
        )
    )
    if brand_id is not None:
        query = query.where(screenings.c.brand_id == brand_id)
    hours = [(decided - screened) / timedelta(hours=1) for screened, decided in conn.execute(query)]
    if not hours:
        return Times(0, None, None)
    if len(hours) == 1:
        return Times(1, hours[0], hours[0])
    return Times(len(hours), statistics.median(hours), statistics.quantiles(hours, n=10, method="inclusive")[-1])


def read_answers(conn: sa.Connection, month: Month, brand_id: str | None) -> Answers:
    """What sellers answered to a month's prompts until now."""
    shown = (
        sa.select(reviews.c.screening_id, reviews.c.state, reviews.c.outcome)
        .join(screenings, screenings.c.id == reviews.c.screening_id)
        .where(of_month(month, brand_id), reviews.c.shown)
        .subquery()
    )
    prompts = conn.execute(sa.select(sa.func.count()).select_from(shown)).scalar_one()
    of_shown = sa.select(responses).join(shown, shown.c.screening_id == responses.c.screening_id).subquery()
    last = sa.select(sa.func.max(of_shown.c.id).label("id")).group_by(of_shown.c.screening_id).subquery()
    query = sa.select(of_shown.c.kind, sa.func.count()).join(last, last.c.id == of_shown.c.id)
    found = {row[0]: row[1] for row in conn.execute(query.group_by(of_shown.c.kind))}
    kinds: dict[str, int] = {kind: found.get(kind, 0) for kind in RESPONSES}
    answered = sum(kinds.values())

    appeals = (
        sa.select(of_shown.c.screening_id, sa.func.max(of_shown.c.created_at).label("at"))
        .where(of_shown.c.kind.in_(APPEALS))
        .group_by(of_shown.c.screening_id)
        .subquery()
    )
    made = conn.execute(sa.select(sa.func.count()).select_from(appeals)).scalar_one()
    after = (
        sa.select(decisions.c.screening_id)
        .join(appeals, appeals.c.screening_id == decisions.c.screening_id)
        .where(decisions.c.created_at > appeals.c.at)
        .distinct()
        .subquery()
    )
    outcomes = sa.select(shown.c.outcome).join(after, after.c.screening_id == shown.c.screening_id)
    decided = list(conn.execute(outcomes).scalars())
    return Answers(
        kinds=kinds,
        answered=Share(answered, prompts),
        accepted=Share(sum(kinds[kind] for kind in _ACCEPTED), answered),
        appealed=Share(made, prompts),
        overturned=Share(sum(outcome in _WRONG for outcome in decided), len(decided)),
    )
