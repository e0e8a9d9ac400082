"""Decisions of people about screenings: the latest counts, all are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from brands import audit, checks
from brands.errors import Invalid
from brands.ids import new_id
from brands.model import OUTCOMES, Outcome
from brands.schema import decisions, reviews, screening_matches, screenings
from screener.errors import ReviewRefused
from screener.review import trends
from screener.review.queue import free_for, get
from screener.webhooks.outbox import emit


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about a screening, and what they noted; `created_by` is an actor of the audit log."""

    id: str
    screening_id: str
    outcome: Outcome
    notes: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class ListedDecision:
    """A decision as marketplaces follow them: of which listing, without notes and names."""

    id: str
    screening_id: str
    listing_id: str
    revision: int
    seller_id: str
    outcome: Outcome
    created_at: datetime


def decide(
    conn: sa.Connection, *, screening_id: str, outcome: str, actor: str, now: datetime, notes: str = ""
) -> Decision:
    """Decides a case, an open one or one that was decided before; the case needs no lock, but nobody else's either.

    Raises ScreeningNotFound, ReviewRefused (`review_claimed`), Invalid.
    """
    if outcome not in OUTCOMES:
        raise Invalid("The outcome is none of the four.", code="invalid_outcome", field="outcome")
    notes = checks.checked_text(notes, "notes", checks.NOTES_MAX, lines=True)
    audit.lock(conn)
    case = get(conn, screening_id, now)
    if not free_for(case, actor):
        raise ReviewRefused("Somebody else has this case.", code="review_claimed")
    decision = Decision(new_id("dec", now), screening_id, outcome, notes, now, actor)
    conn.execute(
        sa.insert(decisions).values(
            id=decision.id,
            screening_id=screening_id,
            outcome=outcome,
            notes=notes,
            created_at=now,
            created_by=actor,
        )
    )
    conn.execute(
        sa.update(reviews)
        .where(reviews.c.screening_id == screening_id)
        .values(state="decided", appealed=False, outcome=outcome, decided_at=now, claimed_by=None, claimed_until=None)
    )
    of_screening = screening_matches.c.screening_id == screening_id
    conn.execute(sa.update(screening_matches).where(of_screening).values(outcome=outcome))
    of_screening = screenings.c.id == screening_id
    conn.execute(sa.update(screenings).where(of_screening).values(last_event_at=now))
    names = ("created_at", "listing_id", "revision", "seller_id")
    screening = conn.execute(sa.select(*(screenings.c[name] for name in names)).where(of_screening)).one()
    if outcome != case.outcome:
        changes = {outcome: 1} if case.outcome is None else {outcome: 1, case.outcome: -1}
        trends.count(conn, case.brand_id, screening.created_at, **changes)
    audit.append(
        conn,
        actor=actor,
        action="review.decide",
        kind="screening",
        object_id=screening_id,
        before={"state": case.state, "outcome": case.outcome, "appealed": case.appealed},
        after={"state": "decided", "outcome": outcome, "notes": notes, "decision": decision.id},
        at=now,
    )
    emit(
        conn,
        "screening.decided",
        {
            "decision_id": decision.id,
            "screening_id": screening_id,
            "listing_id": screening.listing_id,
            "revision": screening.revision,
            "seller_id": screening.seller_id,
            "brand_id": case.brand_id,
            "outcome": outcome,
        },
        at=now,
        seller_id=screening.seller_id,
        brand_id=case.brand_id,
        screening_id=screening_id,
    )
    return decision


def decisions_of(conn: sa.Connection, screening_ids: Sequence[str]) -> dict[str, tuple[Decision, ...]]:
    """The decisions of each screening, the oldest first; screenings without any are there too."""
    found: dict[str, list[Decision]] = {screening_id: [] for screening_id in screening_ids}
    query = sa.select(decisions).where(decisions.c.screening_id.in_(found)).order_by(decisions.c.id)
    for row in conn.execute(query):
        found[row.screening_id].append(Decision(**row._mapping))
    return {screening_id: tuple(made) for screening_id, made in found.items()}


def list_decisions(conn: sa.Connection, *, after: str | None = None, limit: int = 100) -> tuple[ListedDecision, ...]:
    """Decisions in the order in which they were made, those behind the id `after`: what a marketplace has not seen yet.

    Raises Invalid.
    """
    after, limit = checks.checked_page(after, limit)
    names = ("listing_id", "revision", "seller_id")
    query = (
        sa.select(
            *(decisions.c[name] for name in ("id", "screening_id", "outcome", "created_at")),
            *(screenings.c[name] for name in names),
        )
        .join(screenings, screenings.c.id == decisions.c.screening_id)
        .order_by(decisions.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(decisions.c.id > after)
    return tuple(ListedDecision(**row._mapping) for row in conn.execute(query))
