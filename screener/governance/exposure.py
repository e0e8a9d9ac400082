"""Limits how many sellers an unproven brand or reference can reach before people have decided about it.

A brand in another standing than good has a budget: the prompts that sellers saw and nobody has decided, and those
decided to be wrong, may together be no more than `undecided` (the policy's) and those decided to be right. So a brand
whose prompts are right is never held up for long, and one whose prompts are wrong reaches `undecided` sellers in all.
A reference has the same budget until it was right five times, whatever the standing of its brand, and all such
references of a good brand together have it once more: a brand that earned trust with good pictures cannot spend it on
bad ones. Beyond the budget a person looks first: the verdict is `review`, the seller is told nothing, and publishing
does not wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from brands import standings
from brands.schema import reviews, screening_matches
from screener.governance.standing import WINDOW
from screener.prompts import reason_message
from screener.review.precision import WRONG, brand_precision, reference_precision

PROVEN: Final = 5
"""Right decisions from which a reference has no budget of its own any more."""
REASON: Final = "trust_not_earned"
_NEWEST: Final = 200
"""Prompts of a reference that are looked at: of one with more, enough are decided, or the budget is spent."""


def withheld(connection: sa.Connection, answer: dict[str, Any], undecided: int, at: datetime) -> dict[str, Any]:
    """The answer, without its prompt where the budget of its brand or of its first reference is spent."""
    if answer["prompt"] is None:
        return answer
    brand_id = answer["brand"]["id"]
    speaks = next((entry for entry in answer["evidence"] if entry["kind"] != "negative"), None)
    if not _spent(connection, brand_id, speaks, undecided, at):
        return answer
    reason = {"code": REASON, "contribution": 0.0, "message": reason_message(REASON)}
    return {
        **answer,
        "verdict": "review",
        "hint": "publish",
        "prompt": None,
        "reasons": [*answer["reasons"], reason],
    }


def _spent(
    connection: sa.Connection, brand_id: str | None, entry: Mapping[str, Any] | None, undecided: int, at: datetime
) -> bool:
    right, wrong = _of_reference(connection, entry) if entry else (PROVEN, 0)
    if right < PROVEN and wrong >= undecided + right:
        return True
    if brand_id is None:
        return False
    standing = standings.fetch(connection, brand_id)
    if standing.standing == "good":
        return right < PROVEN and _by_unproven(connection, brand_id) >= undecided
    decided = brand_precision(connection, brand_id, max(standing.since, at - WINDOW))
    limit = undecided + decided.right
    return _told(connection, brand_id, limit + 1) + decided.wrong >= limit


def _told(connection: sa.Connection, brand_id: str, most: int) -> int:
    """How many sellers were told of a brand, without a decision so far; counted up to `most`."""
    open_ones = _undecided(brand_id).limit(most).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(open_ones)).scalar_one())


def _undecided(brand_id: str) -> sa.Select[tuple[str]]:
    return sa.select(reviews.c.screening_id).where(
        reviews.c.brand_id == brand_id, reviews.c.state == "open", reviews.c.shown.is_(True)
    )


def _by_unproven(connection: sa.Connection, brand_id: str) -> int:
    """Of a brand's newest undecided prompts, how many begin with a reference that was not right often enough."""
    newest = _undecided(brand_id).order_by(reviews.c.screening_id.desc()).limit(_NEWEST).subquery()
    query = (
        sa.select(screening_matches.c.reference_id, sa.func.count().label("number"))
        .join(newest, newest.c.screening_id == screening_matches.c.screening_id)
        .where(screening_matches.c.position == 0)
        .group_by(screening_matches.c.reference_id)
    )
    counts = {row.reference_id: int(row.number) for row in connection.execute(query)}
    precision = reference_precision(connection, list(counts))
    return sum(number for name, number in counts.items() if precision[name].right < PROVEN)


def _of_reference(connection: sa.Connection, entry: Mapping[str, Any]) -> tuple[int, int]:
    """Of a reference's newest prompts, how many were right, and how many were wrong or told and not decided."""
    newest = (
        sa.select(screening_matches.c.screening_id)
        .distinct()
        .where(
            screening_matches.c.reference_id == entry["reference_id"],
            screening_matches.c.verdict.in_(("prompt", "review")),
        )
        .order_by(screening_matches.c.screening_id.desc())
        .limit(_NEWEST)
        .subquery()
    )
    query = (
        sa.select(reviews.c.state, reviews.c.outcome, sa.func.count())
        .join(newest, newest.c.screening_id == reviews.c.screening_id)
        .where(sa.or_(reviews.c.state == "decided", reviews.c.shown.is_(True)))
        .group_by(reviews.c.state, reviews.c.outcome)
    )
    right = wrong = 0
    for state, outcome, number in connection.execute(query):
        if state == "open" or outcome in WRONG[entry["kind"]]:
            wrong += number
        elif outcome != "unsure":
            right += number
    return right, wrong
