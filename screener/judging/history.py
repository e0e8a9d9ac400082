"""What earlier screenings say of a seller and of the pictures: facts that were seen, never earlier verdicts.

An earlier verdict must not raise the next one's probability: one wrong prompt would breed others.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from brands.schema import screening_images, screenings
from screener.listing import Listing

REMEMBERED: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class History:
    """Counts over the last year, the listing itself left out.

    `known_fake_listings` are the seller's other listings in which a picture copies a known fake's,
    `linked_known_fakes` those of the shops linked to the seller, `photo_reuse` the share 0..1 of the pictures that
    other sellers, not linked to this one, published.
    """

    known_fake_listings: int = 0
    linked_known_fakes: int = 0
    photo_reuse: float = 0.0


def read_history(connection: sa.Connection, listing: Listing, sha256s: Collection[str], now: datetime) -> History:
    """Reads the counts; `sha256s` are the hashes of the listing's pictures, `now` is aware."""
    since = now - REMEMBERED
    linked = [seller for seller in listing.seller.linked if seller != listing.seller_id]
    known = _known_fakes(connection, [listing.seller_id, *linked], listing.listing_id, since)
    reused = _published_by_others(connection, set(sha256s), [listing.seller_id, *linked], since)
    return History(
        known_fake_listings=known.get(listing.seller_id, 0),
        linked_known_fakes=sum(known.get(seller, 0) for seller in linked),
        photo_reuse=len(reused) / max(len(set(sha256s)), 1),
    )


def _known_fakes(connection: sa.Connection, sellers: list[str], but: str, since: datetime) -> dict[str, int]:
    query = (
        sa.select(screenings.c.seller_id, sa.func.count(sa.distinct(screenings.c.listing_id)))
        .where(
            screenings.c.seller_id.in_(sellers),
            screenings.c.known_fake.is_(True),
            screenings.c.created_at > since,
            screenings.c.listing_id != but,
        )
        .group_by(screenings.c.seller_id)
    )
    return {seller: int(count) for seller, count in connection.execute(query)}


def _published_by_others(
    connection: sa.Connection, sha256s: Collection[str], own: list[str], since: datetime
) -> set[str]:
    if not sha256s:
        return set()
    # One look per picture that ends at the first hit: a stock photo may have been published a hundred thousand times.
    by_another = [
        sa.exists()
        .where(
            screening_images.c.sha256 == sha256,
            screenings.c.id == screening_images.c.screening_id,
            screenings.c.seller_id.not_in(own),
            screenings.c.created_at > since,
        )
        .label(sha256)
        for sha256 in sorted(sha256s)
    ]
    row = connection.execute(sa.select(*by_another)).one()
    return {sha256 for sha256, found in row._mapping.items() if found}
