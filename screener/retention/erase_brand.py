"""What there is of a brand, and how each of it goes."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from brands import audit, brand_rows
from brands.blobs import FolderBlobs
from brands.schema import (
    api_keys,
    appraisals,
    authorised_sellers,
    brand_aliases,
    brand_categories,
    brand_wordmarks,
    brands,
    bursts,
    buyer_signals,
    daily_counts,
    legal_holds,
    model_releases,
    notices,
    outbox,
    reference_impacts,
    reference_prices,
    references,
    reviews,
    screening_matches,
    screenings,
    seller_events,
    sessions,
    shadow_judgements,
    spot_check_plans,
    standings,
)
from screener.retention.cases import message_deletions
from screener.retention.pictures import forget_pictures
from screener.retention.rows import Deletion, delete_rows
from screener.retention.scrub import contains, without

REFERENCES_AT_ONCE = 50
_OF_A_BRAND = (
    standings, daily_counts, brand_aliases, brand_wordmarks, brand_categories, authorised_sellers,
    reference_prices,
)  # fmt: skip


def close_doors(connection: sa.Connection, brand_id: str, *, actor: str, at: datetime) -> None:
    """Lets nobody add to the brand while it is erased: its keys and sessions end, and it matches nothing any more."""
    keys = list(connection.execute(sa.select(api_keys.c.id).where(api_keys.c.brand_id == brand_id)).scalars())
    connection.execute(sa.delete(sessions).where(sessions.c.key_id.in_(keys)))
    connection.execute(
        sa.update(api_keys).where(api_keys.c.id.in_(keys), api_keys.c.revoked_at.is_(None)).values(revoked_at=at)
    )
    connection.execute(sa.update(brands).where(brands.c.id == brand_id).values(state="withdrawn", updated_at=at))
    brand_rows.bump_version(connection)
    reason = {"reason": "erasure"}
    audit.append_all(
        connection,
        [audit.Change(actor, "key.revoke", "key", key, None, reason, at) for key in keys]
        + [audit.Change(actor, "brand.withdrawn", "brand", brand_id, None, reason, at)],
    )


def mentions(connection: sa.Connection, brand_id: str) -> list[str]:
    """Screenings of other brands, or of none, whose answers have the brand's references or names in them."""
    query = sa.select(screenings.c.id).where(
        sa.or_(screenings.c.brand_id != brand_id, screenings.c.brand_id.is_(None)),
        contains(screenings.c.answer, brand_id),
    )
    return list(connection.execute(query).scalars())


def scrub(connection: sa.Connection, brand_id: str, ids: Sequence[str], *, actor: str, at: datetime) -> Counter[str]:
    """Takes the brand out of these screenings' answers and evidence, and leaves the rest of them as it is."""

    def is_mention(value: Any) -> bool:
        return value == brand_id or (isinstance(value, dict) and brand_id in (value.get("brand_id"), value.get("id")))

    rows = connection.execute(sa.select(screenings.c.id, screenings.c.answer).where(screenings.c.id.in_(ids))).all()
    for identifier, answer in rows:
        kept = [n for n, entry in enumerate(answer["evidence"]) if not is_mention(entry)]
        connection.execute(
            sa.update(screenings).where(screenings.c.id == identifier).values(answer=without(answer, is_mention))
        )
        own = screening_matches.c.screening_id == identifier
        connection.execute(sa.delete(screening_matches).where(own, screening_matches.c.brand_id == brand_id))
        for new, old in enumerate(kept):  # evidence is counted by its place; downwards, so that no two ever agree
            connection.execute(
                sa.update(screening_matches).where(own, screening_matches.c.position == old).values(position=new)
            )
    reason = {"reason": "erasure"}
    audit.append_all(
        connection, [audit.Change(actor, "screening.scrub", "screening", row.id, None, reason, at) for row in rows]
    )
    return Counter(screenings_scrubbed=len(rows))


def delete_own(
    connection: sa.Connection, blobs: FolderBlobs, brand_id: str, *, actor: str, at: datetime
) -> Counter[str]:
    """Some of the brand's references, or when none is left, the rest; counts by table, none when all is gone."""
    own = sa.select(references.c.id, references.c.image_sha256).where(references.c.brand_id == brand_id)
    found = connection.execute(own.order_by(references.c.id).limit(REFERENCES_AT_ONCE)).all()
    if found:
        return _delete_references(
            connection, blobs, [row.id for row in found], [row.image_sha256 for row in found], actor, at
        )
    return _delete_rest(connection, brand_id, actor, at)


def _delete_references(
    connection: sa.Connection, blobs: FolderBlobs, ids: list[str], sha256s: list[str], actor: str, at: datetime
) -> Counter[str]:
    about = list(connection.execute(sa.select(notices.c.id).where(notices.c.object_id.in_(ids))).scalars())
    deletions = (
        (reference_impacts, reference_impacts.c.reference_id.in_(ids)),
        (notices, notices.c.id.in_(about)),
        (screening_matches, screening_matches.c.reference_id.in_(ids)),
        (references, references.c.id.in_(ids)),
    )
    counts = delete_rows(connection, deletions)
    counts["audit_rows_redacted"] += audit.redact(connection, [*ids, *about])
    counts += forget_pictures(connection, blobs, sha256s)
    brand_rows.bump_version(connection)
    reason = {"reason": "erasure"}
    audit.append_all(
        connection, [audit.Change(actor, "reference.erase", "reference", one, None, reason, at) for one in ids]
    )
    return counts


def _delete_rest(connection: sa.Connection, brand_id: str, actor: str, at: datetime) -> Counter[str]:
    if connection.execute(sa.select(brands.c.id).where(brands.c.id == brand_id)).first() is None:
        return Counter()
    if connection.execute(sa.select(screenings.c.id).where(screenings.c.brand_id == brand_id).limit(1)).first():
        return Counter()  # screened a moment ago by a process that did not know yet; the next round takes it
    keys = list(connection.execute(sa.select(api_keys.c.id).where(api_keys.c.brand_id == brand_id)).scalars())
    held = sa.and_(legal_holds.c.kind == "brand", legal_holds.c.object_id == brand_id)
    mentioned = [brand_id, *keys, *connection.execute(sa.select(legal_holds.c.id).where(held)).scalars()]
    noticed = sa.or_(notices.c.brand_id == brand_id, notices.c.object_id == brand_id)
    mentioned += connection.execute(sa.select(notices.c.id).where(noticed)).scalars()
    deletions: list[Deletion] = [(table, table.c.brand_id == brand_id) for table in _OF_A_BRAND]
    deletions += [
        (notices, noticed),
        (bursts, sa.and_(bursts.c.kind == "brand", bursts.c.subject == brand_id)),
        *message_deletions(outbox.c.brand_id == brand_id),
        (legal_holds, held),
        (sessions, sessions.c.key_id.in_(keys)),
        (api_keys, api_keys.c.id.in_(keys)),
        (brands, brands.c.id == brand_id),
    ]
    _forget_name(connection, brand_id)
    counts = delete_rows(connection, deletions)
    counts["audit_rows_redacted"] += audit.redact(connection, mentioned)
    brand_rows.bump_version(connection)
    reason = {"reason": "erasure"}
    audit.append_all(
        connection,
        [audit.Change(actor, "key.erase", "key", key, None, reason, at) for key in keys]
        + [audit.Change(actor, "brand.erase", "brand", brand_id, None, reason, at)],
    )
    return counts


def _forget_name(connection: sa.Connection, brand_id: str) -> None:
    """Whatever else names the brand says nothing of it but its id, and that goes too."""
    for table, key, column in (
        (reference_impacts, reference_impacts.c.reference_id, reference_impacts.c.impact),
        (model_releases, model_releases.c.id, model_releases.c.report),
        (spot_check_plans, spot_check_plans.c.id, spot_check_plans.c.parameters),
    ):
        for name, said in connection.execute(sa.select(key, column).where(contains(column, brand_id))).all():
            left = without(said, lambda value: value == brand_id)
            connection.execute(sa.update(table).where(key == name).values({column: left}))
    for owned in (reviews, appraisals, buyer_signals, seller_events, shadow_judgements):
        connection.execute(sa.update(owned).where(owned.c.brand_id == brand_id).values(brand_id=None))
