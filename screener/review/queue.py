"""The queue of cases that a person should look at, and the locks that keep two from taking the same one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from brands import audit
from brands.errors import Invalid
from brands.ids import is_id
from brands.model import Outcome, ReviewState
from brands.schema import brands, decisions, reviews, screenings
from screener.errors import ReviewRefused, ScreeningNotFound
from screener.review.order import Place, due, first_due

LOCK: Final = timedelta(minutes=15)
"""How long a case stays with the one who took it, from the last sign of work on it."""
_RENEWED: Final = timedelta(minutes=10)
"""A lock with more time left than this is not written again."""
_COLUMNS: Final = (
    "screening_id",
    "brand_id",
    "state",
    "appealed",
    "shown",
    "value",
    "weight",
    "queued_at",
    "claimed_by",
    "claimed_until",
    "outcome",
    "decided_at",
)
MOST: Final = 200
MOST_SKIPPED: Final = 200


@dataclass(frozen=True, slots=True)
class Queued:
    """A case as the queue has it.

    `value` is what a look is expected to be worth (`screener.review.value`), `weight` what the seller's response made
    of it, `due` the weight times one and the hours of waiting; `shown` says that the seller was told. `claimed_by`
    holds the case until `claimed_until`, both None when nobody does. `outcome` is that of the latest decision, also
    while an appeal against it waits.
    """

    screening_id: str
    listing_id: str
    revision: int
    title: str
    seller_id: str
    category: str | None
    verdict: str
    probability: float
    brand_id: str | None
    brand_name: str | None
    state: ReviewState
    appealed: bool
    shown: bool
    value: float
    weight: float
    due: float
    queued_at: datetime
    claimed_by: str | None
    claimed_until: datetime | None
    outcome: Outcome | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class QueuePage:
    """A part of the queue, the most due first; `next` asks for the part behind it, None when there is none."""

    items: tuple[Queued, ...]
    next: str | None


def read_queue(
    conn: sa.Connection,
    *,
    now: datetime,
    brand_id: str | None = None,
    appealed: bool | None = None,
    after: str | None = None,
    limit: int = 50,
) -> QueuePage:
    """The open cases, of all or of one brand, with or without appeals (None: both), in order.

    The pages behind the first keep its time, so that no case moves from one page to another. Raises Invalid.
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"A page has 1 to {MOST} entries.", code="invalid_limit", field="limit")
    place = Place.parse(after) if after else None
    at = place.at if place else now
    found = first_due(conn, at=at, limit=limit, where=_asked(brand_id, appealed), after=place)
    items = fetch(conn, [screening_id for screening_id, _ in found], at, now)
    return QueuePage(items, str(Place(at, found[-1][1], found[-1][0])) if len(found) == limit else None)


def count_open(conn: sa.Connection, *, brand_id: str | None = None, appealed: bool | None = None) -> int:
    """How many cases wait."""
    query = sa.select(sa.func.count()).where(reviews.c.state == "open", *_asked(brand_id, appealed))
    return int(conn.execute(query).scalar_one())


def fetch(conn: sa.Connection, screening_ids: Sequence[str], at: datetime, now: datetime) -> tuple[Queued, ...]:
    """The cases of these screenings, in the order given; `due` as it was `at` a time, locks as they are `now`."""
    query = (
        sa.select(
            *(reviews.c[name] for name in _COLUMNS),
            *(screenings.c[name] for name in ("listing_id", "revision", "seller_id", "category", "verdict")),
            screenings.c.probability,
            screenings.c.request,
            brands.c.name.label("brand_name"),
        )
        .join(screenings, screenings.c.id == reviews.c.screening_id)
        .outerjoin(brands, brands.c.id == reviews.c.brand_id)
        .where(reviews.c.screening_id.in_(screening_ids))
    )
    found = {row.screening_id: _queued(dict(row._mapping), at, now) for row in conn.execute(query)}
    return tuple(found[screening_id] for screening_id in screening_ids if screening_id in found)


def get(conn: sa.Connection, screening_id: str, now: datetime) -> Queued:
    """One case. Raises ScreeningNotFound: no such screening, or one that nobody needs to look at."""
    found = fetch(conn, [screening_id], now, now) if is_id(screening_id) else ()
    if not found:
        raise ScreeningNotFound("No such case.")
    return found[0]


def take_next(
    conn: sa.Connection,
    *,
    actor: str,
    now: datetime,
    brand_id: str | None = None,
    appealed: bool | None = None,
    skip: Collection[str] = (),
) -> Queued | None:
    """Takes the case that is due most and free, for `actor` alone; None when there is none.

    A case that the actor holds already comes first, so that asking twice is no second case. `skip` names cases to leave
    out. An appeal against a decision goes to somebody else than who took it. Raises Invalid.
    """
    if len(skip) > MOST_SKIPPED:
        raise Invalid(f"At most {MOST_SKIPPED} cases can be skipped.", code="too_many", field="skip")
    audit.lock(conn)
    asked = [*_asked(brand_id, appealed), reviews.c.screening_id.not_in([name for name in skip if is_id(name)])]
    held = sa.select(reviews.c.screening_id).where(
        reviews.c.claimed_by == actor, reviews.c.claimed_until > now, reviews.c.state == "open", *asked
    )
    mine = conn.execute(held.order_by(reviews.c.claimed_until).limit(1)).scalar_one_or_none()
    if mine is None:
        own = sa.exists().where(decisions.c.screening_id == reviews.c.screening_id, decisions.c.created_by == actor)
        free = sa.or_(reviews.c.claimed_until.is_(None), reviews.c.claimed_until <= now)
        best = first_due(conn, at=now, limit=1, where=[*asked, free, ~sa.and_(reviews.c.appealed, own)])
        if not best:
            return None
        mine = best[0][0]
    return claim(conn, screening_id=mine, actor=actor, now=now)


def claim(conn: sa.Connection, *, screening_id: str, actor: str, now: datetime) -> Queued:
    """Takes a case, or keeps it longer, for `LOCK`. Raises ScreeningNotFound, ReviewRefused (`review_claimed`)."""
    audit.lock(conn)
    before = get(conn, screening_id, now)
    _free(before, actor)
    if before.claimed_until is not None and before.claimed_until - now > _RENEWED:
        return before
    until = now + LOCK
    _hold(conn, before, "review.claim", actor, until, now)
    return get(conn, screening_id, now)


def release(conn: sa.Connection, *, screening_id: str, actor: str, now: datetime) -> Queued:
    """Gives a case back; one that nobody holds stays so. Raises ScreeningNotFound, ReviewRefused (`review_claimed`)."""
    audit.lock(conn)
    before = get(conn, screening_id, now)
    _free(before, actor)
    if before.claimed_by is None:
        return before
    _hold(conn, before, "review.release", actor, None, now)
    return get(conn, screening_id, now)


def free_for(case: Queued, actor: str) -> bool:
    """Whether nobody else holds the case."""
    return case.claimed_by in (None, actor)


def _free(case: Queued, actor: str) -> None:
    if not free_for(case, actor):
        raise ReviewRefused("Somebody else has this case.", code="review_claimed")


def _hold(conn: sa.Connection, before: Queued, action: str, actor: str, until: datetime | None, now: datetime) -> None:
    conn.execute(
        sa.update(reviews)
        .where(reviews.c.screening_id == before.screening_id)
        .values(claimed_by=actor if until else None, claimed_until=until)
    )
    audit.append(
        conn,
        actor=actor,
        action=action,
        kind="screening",
        object_id=before.screening_id,
        before={"until": before.claimed_until and audit.iso(before.claimed_until)},
        after={"until": until and audit.iso(until)},
        at=now,
    )


def _asked(brand_id: str | None, appealed: bool | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if brand_id is not None:
        # What cannot be an id may hold what no database takes (NUL).
        conditions.append(reviews.c.brand_id == brand_id if is_id(brand_id) else sa.false())
    if appealed is not None:
        conditions.append(reviews.c.appealed.is_(appealed))
    return conditions


def _queued(row: dict[str, Any], at: datetime, now: datetime) -> Queued:
    title = row.pop("request")["title"]
    if row["claimed_until"] is None or row["claimed_until"] <= now:
        row |= {"claimed_by": None, "claimed_until": None}
    return Queued(**row, title=title, due=due(row["weight"], row["queued_at"], at))
