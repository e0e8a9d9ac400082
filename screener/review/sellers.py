"""What is known of the seller of a case: what the marketplace told, and what came of other listings."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from brands.model import Outcome
from brands.schema import authorised_sellers, brands, reviews, screenings

LOOKED_AT: Final = 200
"""Screenings of a seller that are counted, the latest."""
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Other:
    """Another screening, in a line."""

    screening_id: str
    listing_id: str
    revision: int
    at: datetime
    verdict: str
    probability: float
    brand_id: str | None
    known_fake: bool
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Seller:
    """A seller as a reviewer sees them.

    `facts` are those of the request (`registered_on`, `sales`, `upheld_reports`, `linked`). `listings`, `verdicts`,
    `outcomes` and `known_fakes` (listings with a copy of a known fake's picture) are of the last `LOOKED_AT`
    screenings; `recent` are the latest of those, without the one asked for. `authorised_by` are names of brands that
    the seller may sell now.
    """

    id: str
    facts: Mapping[str, Any]
    listings: int
    verdicts: Mapping[str, int]
    outcomes: Mapping[str, int]
    known_fakes: int
    first_seen: datetime | None
    authorised_by: tuple[str, ...]
    recent: tuple[Other, ...]


def read_seller(
    conn: sa.Connection, seller_id: str, facts: Mapping[str, Any], *, but: str | None, now: datetime
) -> Seller:
    """The seller with what came of their screenings, without the one named `but`."""
    rows = conn.execute(_others().where(screenings.c.seller_id == seller_id).limit(LOOKED_AT)).all()
    others = [Other(**row._mapping) for row in rows]
    earliest = sa.select(screenings.c.created_at).where(screenings.c.seller_id == seller_id)
    return Seller(
        id=seller_id,
        facts=facts,
        listings=len({other.listing_id for other in others}),
        verdicts=Counter(other.verdict for other in others),
        outcomes=Counter(other.outcome for other in others if other.outcome),
        known_fakes=len({other.listing_id for other in others if other.known_fake}),
        first_seen=conn.execute(earliest.order_by(screenings.c.id).limit(1)).scalar_one_or_none(),
        authorised_by=_authorised_by(conn, seller_id, now),
        recent=tuple(other for other in others if other.screening_id != but)[:SHOWN],
    )


def same_listing(conn: sa.Connection, listing_id: str, *, but: str) -> tuple[Other, ...]:
    """The latest other screenings of a listing, its other revisions and looks."""
    query = _others().where(screenings.c.listing_id == listing_id, screenings.c.id != but).limit(SHOWN)
    return tuple(Other(**row._mapping) for row in conn.execute(query))


def _others() -> "sa.Select[Any]":
    names = ("listing_id", "revision", "verdict", "probability", "brand_id", "known_fake")
    return (
        sa.select(
            screenings.c.id.label("screening_id"),
            screenings.c.created_at.label("at"),
            reviews.c.outcome,
            *(screenings.c[name] for name in names),
        )
        .outerjoin(reviews, reviews.c.screening_id == screenings.c.id)
        .order_by(screenings.c.id.desc())
    )


def _authorised_by(conn: sa.Connection, seller_id: str, now: datetime) -> tuple[str, ...]:
    day, sellers = now.date(), authorised_sellers.c
    query = (
        sa.select(brands.c.name)
        .join(authorised_sellers, sellers.brand_id == brands.c.id)
        .where(
            sellers.seller_id == seller_id,
            sa.or_(sellers.valid_from.is_(None), sellers.valid_from <= day),
            sa.or_(sellers.valid_until.is_(None), sellers.valid_until >= day),
        )
        .distinct()
        .order_by(brands.c.name)
    )
    return tuple(conn.execute(query).scalars())
