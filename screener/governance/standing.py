"""Earned and lost trust: standings from decisions about a brand's prompts, quarantine from those about a reference.

All bounds are Wilson's (`screener.review.precision`), one-sided at 95 %, so that few decisions move nothing:

| what | rule |
|---|---|
| new -> good | lower bound of the brand's precision >= 0.90: 25 right of 25, 41 of 42, 56 of 58 |
| good -> new | at least 20 decisions, and the lower bound < 0.80 |
| any -> stopped | at least 3 wrong, and the upper bound < 0.50: 3 wrong of 3, 6 of 7, 9 of 12 |
| stopped -> new | an admin |
| active -> quarantined | a reference, with the bounds of a stopped brand |

Decisions of the last 90 days count, from the last change of standing on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands import approvals, audit, notices, references, standings
from brands.approvals import GOVERNANCE
from brands.database import Database
from brands.model import Standing
from brands.schema import decisions, reviews, screening_matches
from brands.schema import references as table
from brands.standings import StandingRow
from screener.review.precision import Precision, brand_precision, interval, reference_precision

WINDOW: Final = timedelta(days=90)
GOOD: Final = 0.90
KEPT: Final = 0.80
KEPT_DECISIONS: Final = 20
STOPPED: Final = 0.50
STOPPED_WRONG: Final = 3
_ONE_SIDED: Final = 1.644854
_LOOK_BACK: Final = timedelta(days=7)
"""How far back decisions are read when a process starts: longer than any stays down."""
_OVERLAP: Final = timedelta(seconds=30)
"""Decisions are read again for so long: a transaction may have been slow to commit."""
_AT_ONCE: Final = 500


def next_standing(present: Standing, precision: Precision) -> Standing:
    """The standing that a brand's decisions give it."""
    lower, upper = interval(precision.right, precision.decided, _ONE_SIDED)
    if present == "stopped" or (precision.wrong >= STOPPED_WRONG and upper < STOPPED):
        return "stopped"
    if present == "good":
        return "new" if precision.decided >= KEPT_DECISIONS and lower < KEPT else "good"
    return "good" if lower >= GOOD else "new"


def unreliable(precision: Precision) -> bool:
    """Whether a reference is wrong so often that it is quarantined."""
    upper = interval(precision.right, precision.decided, _ONE_SIDED)[1]
    return precision.wrong >= STOPPED_WRONG and upper < STOPPED


class Trust:
    """Follows the decisions of people; each step is cheap when there are none."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """`now` gives aware UTC times."""
        self._database, self._now = database, now
        self._seen: datetime | None = None

    def follow(self) -> None:
        """Reads the decisions that are new: quarantines references, moves brands' standings."""
        at = self._now()
        since = (self._seen - _OVERLAP) if self._seen else at - _LOOK_BACK
        with self._database.read() as connection:
            last = connection.execute(sa.select(sa.func.max(decisions.c.created_at))).scalar()
            if last is None or (self._seen is not None and last <= self._seen):
                return
            newest = _newest_by_reference(connection, since)
            brands = _decided_brands(connection, since)
        self._quarantine(newest, at)
        for brand_id in brands:
            self._measure(brand_id, at)
        self._seen = last

    def expire(self) -> int:
        """Withdraws what has reached its end, with notice; gives how many references that were."""
        at = self._now()
        query = sa.select(table.c.id).where(table.c.state.in_(("active", "pending")), table.c.expires_at <= at)
        with self._database.read() as connection:
            ended = list(connection.execute(query.limit(_AT_ONCE)).scalars())
        if not ended:
            return 0
        with self._database.write() as connection:
            audit.lock(connection)
            for identifier in ended:
                reference = references.fetch(connection, identifier)
                if reference is None or reference.state not in ("active", "pending"):
                    continue
                references.move(connection, identifier, "withdrawn", reason="expired", actor=GOVERNANCE, at=at)
                notices.append(
                    connection,
                    brand_id=reference.brand_id,
                    code="reference_expired",
                    object_id=identifier,
                    details={},
                    at=at,
                )
        return len(ended)

    def _quarantine(self, newest: dict[str, datetime], at: datetime) -> None:
        with self._database.read() as connection:
            wrong = [
                (identifier, precision)
                for identifier, precision in reference_precision(connection, list(newest)).items()
                if unreliable(precision)
            ]
        for identifier, precision in wrong:
            with self._database.write() as connection:
                audit.lock(connection)
                reference = references.fetch(connection, identifier)
                # What a person let in again after these decisions stays in until there are newer ones.
                if reference is None or reference.state != "active" or reference.updated_at >= newest[identifier]:
                    continue
                approvals.quarantine(
                    connection,
                    reference,
                    code="reference_quarantined",
                    reason=f"{precision.wrong} of {precision.decided} decided matches were wrong",
                    details={"right": precision.right, "wrong": precision.wrong},
                    actor=GOVERNANCE,
                    at=at,
                )

    def _measure(self, brand_id: str, at: datetime) -> None:
        with self._database.read() as connection:
            present = standings.fetch(connection, brand_id)
            precision = brand_precision(connection, brand_id, max(present.since, at - WINDOW))
        if (precision.right, precision.wrong) == (present.right, present.wrong):
            return
        with self._database.write() as connection:
            audit.lock(connection)
            if standings.fetch(connection, brand_id) != present:  # an admin was faster
                return
            standings.change(
                connection,
                present,
                next_standing(present.standing, precision),
                right=precision.right,
                wrong=precision.wrong,
                reason=f"{precision.right} right and {precision.wrong} wrong by decision",
                actor=GOVERNANCE,
                at=at,
            )


def set_standing(
    database: Database, brand_id: str, standing: Standing, *, reason: str, actor: str, at: datetime
) -> StandingRow:
    """Gives a brand a standing by hand; what is decided from now on may change it again."""
    with database.write() as connection:
        audit.lock(connection)
        present = standings.fetch(connection, brand_id)
        return standings.change(connection, present, standing, right=0, wrong=0, reason=reason, actor=actor, at=at)


def _newest_by_reference(connection: Connection, since: datetime) -> dict[str, datetime]:
    """The references in the evidence of what was decided since, with the time of the last decision."""
    query = (
        sa.select(screening_matches.c.reference_id, sa.func.max(decisions.c.created_at).label("newest"))
        .join(decisions, decisions.c.screening_id == screening_matches.c.screening_id)
        .where(decisions.c.created_at > since)
        .group_by(screening_matches.c.reference_id)
    )
    return {row.reference_id: row.newest for row in connection.execute(query)}


def _decided_brands(connection: Connection, since: datetime) -> Sequence[str]:
    query = (
        sa.select(reviews.c.brand_id)
        .join(decisions, decisions.c.screening_id == reviews.c.screening_id)
        .where(decisions.c.created_at > since, reviews.c.brand_id.is_not(None))
        .distinct()
    )
    return sorted(connection.execute(query).scalars())
