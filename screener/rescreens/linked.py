"""Queues what a confirmed counterfeiter and the shops linked to it sell, for another look."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from brands.ids import new_id
from brands.schema import responses, screenings, seller_events, seller_links
from screener.rescreens.queue import PASSED, put

HOPS: Final = 2
SELLERS_MOST: Final = 100
LISTINGS_MOST: Final = 1_000
"""Because of one entry, the newest first."""
LIVE_FOR: Final = timedelta(days=90)
"""How long after its last screening a listing is taken for one that is still offered."""


def linked_sellers(conn: sa.Connection, seller_id: str) -> tuple[str, ...]:
    """The shops that the marketplace links to one, in either direction, over `HOPS` steps; `SELLERS_MOST` at most, the
    nearest first, without the seller itself."""
    found: list[str] = [seller_id]
    border: Collection[str] = [seller_id]
    for _ in range(HOPS):
        query = sa.union(
            sa.select(seller_links.c.linked_id).where(seller_links.c.seller_id.in_(border)),
            sa.select(seller_links.c.seller_id).where(seller_links.c.linked_id.in_(border)),
        )
        border = sorted(set(conn.execute(query).scalars()) - set(found))
        found += border
        if len(found) > SELLERS_MOST or not border:
            break
    return tuple(found[1 : SELLERS_MOST + 1])


def queue_linked(conn: sa.Connection, seller_id: str, *, but: str | None = None, actor: str, now: datetime) -> int:
    """Queues the listings that passed, of the seller and of linked ones, as they are now; how many.

    `but` is the screening that was confirmed: of its listing, nothing is left to find out. Called with
    `brands.audit.lock` held, in the transaction that confirms the seller's counterfeit.
    """
    sellers = [seller_id, *linked_sellers(conn, seller_id)]
    latest = (
        sa.select(sa.func.max(screenings.c.id))
        .where(screenings.c.seller_id.in_(sellers), screenings.c.id >= new_id("scr", now - LIVE_FOR, bytes))
        .group_by(screenings.c.seller_id, screenings.c.listing_id)
    )
    withdrawn = sa.exists().where(responses.c.screening_id == screenings.c.id, responses.c.kind == "withdrawn")
    known = sa.exists().where(
        seller_events.c.screening_id == screenings.c.id, seller_events.c.kind.in_(("violation", "warning"))
    )
    confirmed = sa.select(screenings.c.listing_id).where(screenings.c.id == but)
    listing_id = conn.execute(confirmed).scalar() if but else None
    query = (
        sa.select(screenings.c.id, screenings.c.listing_id, screenings.c.seller_id)
        .where(screenings.c.id.in_(latest), screenings.c.verdict.in_(PASSED), ~withdrawn, ~known)
        .order_by(screenings.c.id.desc())
        .limit(LISTINGS_MOST)
    )
    if listing_id is not None:
        query = query.where(sa.or_(screenings.c.listing_id != listing_id, screenings.c.seller_id != seller_id))
    found = [(row.id, row.listing_id, row.seller_id) for row in conn.execute(query)]
    return put(conn, found, "linked_seller", cause=seller_id, actor=actor, now=now)
