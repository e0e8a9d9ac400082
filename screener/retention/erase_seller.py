"""What there is of a seller besides the screenings of its own listings, and how it goes."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from brands import audit, brand_rows
from brands.blobs import FolderBlobs
from brands.schema import (
    authorised_sellers,
    brands,
    bursts,
    buyer_signals,
    legal_holds,
    outbox,
    rescreens,
    screenings,
    seller_actions,
    seller_events,
    seller_links,
)
from screener.retention.cases import message_deletions
from screener.retention.rows import delete_rows
from screener.retention.scrub import contains, without


def mentions(connection: sa.Connection, seller_id: str) -> list[str]:
    """Screenings of other sellers whose listings say that their shop is linked to this one."""
    query = sa.select(screenings.c.id, screenings.c.request).where(
        screenings.c.seller_id != seller_id, contains(screenings.c.request, seller_id)
    )
    with connection.execute(query, execution_options={"yield_per": 100}) as rows:
        return [row.id for row in rows if seller_id in _linked(row.request)]


def scrub(connection: sa.Connection, seller_id: str, ids: Sequence[str], *, actor: str, at: datetime) -> Counter[str]:
    """Takes the seller out of these listings' linked shops, and leaves the rest of them as it is."""
    rows = connection.execute(sa.select(screenings.c.id, screenings.c.request).where(screenings.c.id.in_(ids))).all()
    for row in rows:
        seller = without(row.request["seller"], lambda value: value == seller_id)
        changed = {**row.request, "seller": seller}
        connection.execute(sa.update(screenings).where(screenings.c.id == row.id).values(request=changed))
    reason = {"reason": "erasure"}
    audit.append_all(
        connection, [audit.Change(actor, "screening.scrub", "screening", row.id, None, reason, at) for row in rows]
    )
    return Counter(screenings_scrubbed=len(rows))


def delete_own(
    connection: sa.Connection, _blobs: FolderBlobs, seller_id: str, *, actor: str, at: datetime
) -> Counter[str]:
    """The seller's places among brands' authorised sellers, ledger, links and signals, and released holds; counts."""
    own = authorised_sellers.c.seller_id == seller_id
    found = sorted(set(connection.execute(sa.select(authorised_sellers.c.brand_id).where(own)).scalars()))
    ledger = sa.select(seller_events.c.id).where(seller_events.c.seller_id == seller_id)
    mentioned = [
        identifier
        for table in (seller_events, seller_actions, buyer_signals)
        for identifier in connection.execute(sa.select(table.c.id).where(table.c.seller_id == seller_id)).scalars()
    ]
    deletions = (
        (authorised_sellers, own),
        (legal_holds, sa.and_(legal_holds.c.kind == "seller", legal_holds.c.object_id == seller_id)),
        (seller_links, sa.or_(seller_links.c.seller_id == seller_id, seller_links.c.linked_id == seller_id)),
        (seller_actions, seller_actions.c.event_id.in_(ledger)),
        # What takes another one back goes first.
        (seller_events, sa.and_(seller_events.c.seller_id == seller_id, seller_events.c.reverses.is_not(None))),
        (seller_events, seller_events.c.seller_id == seller_id),
        (buyer_signals, buyer_signals.c.seller_id == seller_id),
        (bursts, sa.and_(bursts.c.kind == "seller", bursts.c.subject == seller_id)),
        *message_deletions(outbox.c.seller_id == seller_id),
    )
    counts = delete_rows(connection, deletions)
    connection.execute(sa.update(rescreens).where(rescreens.c.cause == seller_id).values(cause=None))
    counts["audit_rows_redacted"] += audit.redact(connection, mentioned)
    if found:
        connection.execute(
            sa.update(brands).where(brands.c.id.in_(found)).values(revision=brands.c.revision + 1, updated_at=at)
        )
        brand_rows.bump_version(connection)
        reason = {"reason": "erasure"}
        audit.append_all(
            connection, [audit.Change(actor, "brand.forget_seller", "brand", one, None, reason, at) for one in found]
        )
    return counts


def _linked(request: dict[str, Any]) -> list[str]:
    linked: list[str] = request["seller"].get("linked", [])
    return linked
