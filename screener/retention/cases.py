"""Deletes screenings with all that hangs on them, in the transaction of the caller."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from brands import audit
from brands.blobs import FolderBlobs
from brands.schema import (
    appraisals,
    buyer_signals,
    decisions,
    deliveries,
    idempotency,
    legal_holds,
    notices,
    outbox,
    rescreens,
    response_images,
    responses,
    reviews,
    screening_images,
    screening_matches,
    screenings,
    seller_events,
    shadow_judgements,
    spot_checks,
)
from screener.retention.pictures import forget_pictures
from screener.retention.rows import Deletion, delete_rows

CASES_AT_ONCE = 25
"""Screenings in one transaction: other writers wait for it."""
OF_A_SCREENING = (
    decisions, responses, reviews, idempotency, screening_matches, screening_images, appraisals, spot_checks,
    shadow_judgements, rescreens, buyer_signals,
)  # fmt: skip
"""The tables whose rows belong to a screening; those of `response_images` belong to a response."""


def delete_cases(
    connection: sa.Connection,
    blobs: FolderBlobs,
    ids: Sequence[str],
    *,
    action: str,
    after: Mapping[str, Any],
    actor: str,
    at: datetime,
) -> Counter[str]:
    """Deletes these screenings (`CASES_AT_ONCE` at most), redacts what the audit log says of them; counts by table.

    That each was deleted is written as `action` with `after`. The caller holds `brands.audit.lock`.
    """
    answers = sa.select(responses.c.id).where(responses.c.screening_id.in_(ids))
    shown = sa.select(response_images.c.sha256).where(response_images.c.response_id.in_(answers))
    pictures = sa.select(screening_images.c.sha256).where(
        screening_images.c.screening_id.in_(ids), screening_images.c.sha256.is_not(None)
    )
    sha256s = {*connection.execute(shown).scalars(), *connection.execute(pictures).scalars()}
    mentioned = [*ids, *connection.execute(answers).scalars()]
    for table in (decisions, appraisals, spot_checks, buyer_signals, rescreens):
        mentioned += connection.execute(sa.select(table.c.id).where(table.c.screening_id.in_(ids))).scalars()
    deletions: list[Deletion] = [(response_images, response_images.c.response_id.in_(answers))]
    deletions += [(table, table.c.screening_id.in_(ids)) for table in OF_A_SCREENING]
    deletions += message_deletions(outbox.c.screening_id.in_(ids))
    # A seller's ledger outlives the case that an entry is of, until its points have decayed.
    of_cases = seller_events.c.screening_id.in_(ids)
    connection.execute(sa.update(seller_events).where(of_cases).values(screening_id=None))
    held = sa.and_(legal_holds.c.kind == "screening", legal_holds.c.object_id.in_(ids))  # and released since
    mentioned += connection.execute(sa.select(legal_holds.c.id).where(held)).scalars()
    deletions.append((legal_holds, held))
    deletions += [(notices, notices.c.object_id.in_(mentioned)), (screenings, screenings.c.id.in_(ids))]
    counts = delete_rows(connection, deletions)
    counts["audit_rows_redacted"] += audit.redact(connection, mentioned)
    counts += forget_pictures(connection, blobs, sha256s)
    audit.append_all(
        connection, [audit.Change(actor, action, "screening", identifier, None, after, at) for identifier in ids]
    )
    return counts


def message_deletions(chosen: sa.ColumnElement[bool]) -> list[Deletion]:
    """Of the messages in the outbox that are `chosen`, with what became of them."""
    messages = sa.select(outbox.c.id).where(chosen)
    return [(deliveries, deliveries.c.message_id.in_(messages)), (outbox, chosen)]
