"""Follows appraisals and decisions into the ledger: what is confirmed is entered, what no longer is is taken back.

Examined items come before looks: where appraisers decided, no reviewer's decision counts. An item counts once, however
many appraised it and in whatever revision of its listing; one screening's result says nothing of another item.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final, Literal

import sqlalchemy as sa

from brands import audit
from brands.database import Database
from brands.ids import new_id
from brands.schema import appraisals, decisions, responses, reviews, screenings, seller_events
from screener.appraisals.labels import read_labels
from screener.ledger.entries import OLDEST, add_appeal, add_incident
from screener.ledger.policy import SellerPolicy
from screener.rescreens.linked import queue_linked

ACTOR: Final = "service:ledger"
OVERLAP: Final = timedelta(hours=1)
"""How far a look goes back behind the one before: what took long to be committed is seen by the next one."""
AT_ONCE: Final = 200

Found = Literal["appraisal", "decision"]


@dataclass(frozen=True, slots=True)
class Change:
    """What the ledger lacks of a screening: a violation (`by` what, when it was confirmed), or its taking back."""

    screening_id: str
    seller_id: str
    reverses: str | None = None
    by: Found = "appraisal"
    at: datetime | None = None
    brand_id: str | None = None


def changed_since(conn: sa.Connection, policy: SellerPolicy, since: datetime | None) -> list[str]:
    """Screenings whose appraisals or decisions may have changed since then (None: ever)."""
    found: set[str] = set()
    first = new_id("apr", since, bytes) if since else ""
    if policy.appraisal != "none":
        changed = sa.or_(appraisals.c.id >= first, appraisals.c.withdrawn_at >= since) if since else sa.true()
        found.update(conn.execute(sa.select(appraisals.c.screening_id).where(changed)).scalars())
    if policy.decision != "none":
        first = new_id("dec", since, bytes) if since else ""
        found.update(conn.execute(sa.select(decisions.c.screening_id).where(decisions.c.id >= first)).scalars())
    return sorted(found)


def changes_of(conn: sa.Connection, policy: SellerPolicy, screening_ids: Collection[str]) -> list[Change]:
    """What the ledger lacks of these screenings."""
    labels = read_labels(conn, screening_ids=screening_ids) if policy.appraisal != "none" else {}
    outcomes: dict[str, tuple[str | None, datetime | None]] = {}
    if policy.decision != "none":
        query = sa.select(reviews.c.screening_id, reviews.c.outcome, reviews.c.decided_at)
        for row in conn.execute(query.where(reviews.c.screening_id.in_(screening_ids))):
            outcomes[row.screening_id] = row.outcome, row.decided_at
    entries = _entries(conn, screening_ids)
    columns = (screenings.c[name] for name in ("id", "seller_id", "listing_id", "brand_id"))
    changes = []
    for row in conn.execute(sa.select(*columns).where(screenings.c.id.in_(screening_ids)).order_by(screenings.c.id)):
        label, (outcome, decided_at) = labels.get(row.id), outcomes.get(row.id, (None, None))
        examined = label is not None and label.outcome != "inconclusive"
        confirmed = (label.outcome if label is not None and examined else outcome) == "counterfeit"
        own = entries.get(row.id, [])
        standing = [entry for entry in own if not entry.reversed]
        if not confirmed:
            # What people entered, people take back; and a source that no longer counts takes nothing back.
            followed = {"appraisal": policy.appraisal != "none", "decision": policy.decision != "none"}
            changes += [
                Change(row.id, row.seller_id, entry.id) for entry in standing if entry.by and followed[entry.by]
            ]
        elif not standing and not any(entry.by_appeal for entry in own):
            if _listing_counts(conn, row.seller_id, row.listing_id):
                continue
            brand_id = (label.brand_id if label else None) or row.brand_id
            if label is not None and examined:
                at: datetime | None = datetime.combine(label.appraised_on, time(), UTC)
                changes.append(Change(row.id, row.seller_id, None, "appraisal", at, brand_id))
            else:
                changes.append(Change(row.id, row.seller_id, None, "decision", decided_at, brand_id))
    return changes


def follow(database: Database, policy: SellerPolicy, *, since: datetime | None, now: datetime) -> list[str]:
    """Brings the ledger up to date with what changed since then; the sellers who got a new violation.

    Looks without the writers' lock, and takes it, seller by seller, only for what there is to do.
    """
    with database.read() as conn:
        waiting = changed_since(conn, policy, since)
    convicted: list[str] = []
    while waiting:
        chunk, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        with database.read() as conn:
            todo = changes_of(conn, policy, chunk)
        for change in todo:
            with database.write() as conn:
                done = apply(conn, policy, change.screening_id, now)
                if any(one.reverses is not None for one in done):
                    # What was not counted because the same listing's counted already may count now.
                    waiting += _same_listing(conn, change.screening_id)
            convicted += [one.seller_id for one in done if one.reverses is None]
    return convicted


def apply(conn: sa.Connection, policy: SellerPolicy, screening_id: str, now: datetime) -> list[Change]:
    """Writes what the ledger lacks of one screening, in the caller's transaction; what that was."""
    audit.lock(conn)
    done = changes_of(conn, policy, [screening_id])
    for change in done:
        # A screening may be confirmed, contradicted and confirmed again: each time is an entry of its own.
        number = len(_entries(conn, [screening_id]).get(screening_id, [])) + 1
        source = f"{change.by}:{screening_id}:{number}"
        if change.reverses is not None:
            add_appeal(
                conn,
                policy,
                seller_id=change.seller_id,
                reverses=change.reverses,
                actor=ACTOR,
                now=now,
                source=f"{source}:back",  # the next entry's number, so it is unique as well
                note="withdrawn or contradicted",
            )
        else:
            add_incident(
                conn,
                policy,
                seller_id=change.seller_id,
                kind="violation",
                actor=ACTOR,
                now=now,
                occurred_at=max(min(change.at or now, now), now - OLDEST),
                severe=_severe(conn, policy, screening_id),
                brand_id=change.brand_id,
                screening_id=screening_id,
                source=source,
                note=change.by,
            )
            queue_linked(conn, change.seller_id, but=screening_id, actor=ACTOR, now=now)
    return done


@dataclass(frozen=True, slots=True)
class _Entry:
    """A violation of a screening: what it follows from (None: people entered it), and whether it was taken back."""

    id: str
    by: Found | None
    reversed: bool
    by_appeal: bool


def _entries(conn: sa.Connection, screening_ids: Collection[str]) -> dict[str, list[_Entry]]:
    back = seller_events.alias("back")
    query = (
        sa.select(
            seller_events.c.id,
            seller_events.c.screening_id,
            seller_events.c.source,
            back.c.id.label("back"),
            back.c.source.label("back_source"),
        )
        .outerjoin(back, back.c.reverses == seller_events.c.id)
        .where(seller_events.c.screening_id.in_(screening_ids), seller_events.c.kind.in_(("violation", "warning")))
        .order_by(seller_events.c.id)
    )
    found: dict[str, list[_Entry]] = {}
    for row in conn.execute(query):
        taken_back = row.back is not None
        entry = _Entry(row.id, _origin(row.source), taken_back, taken_back and _origin(row.back_source) is None)
        found.setdefault(row.screening_id, []).append(entry)
    return found


def _origin(source: str | None) -> Found | None:
    named = (source or "").partition(":")[0]
    return "appraisal" if named == "appraisal" else "decision" if named == "decision" else None


def _listing_counts(conn: sa.Connection, seller_id: str, listing_id: str) -> bool:
    """Whether a violation of this listing counts already, in whatever revision."""
    back = seller_events.alias("back")
    query = (
        sa.select(seller_events.c.id)
        .join(screenings, screenings.c.id == seller_events.c.screening_id)
        .where(
            seller_events.c.seller_id == seller_id,
            seller_events.c.kind.in_(("violation", "warning")),
            screenings.c.listing_id == listing_id,
            ~sa.exists().where(back.c.reverses == seller_events.c.id),
        )
    )
    return conn.execute(query.limit(1)).first() is not None


def _same_listing(conn: sa.Connection, screening_id: str) -> list[str]:
    same = screenings.alias("same")
    query = (
        sa.select(same.c.id)
        .join(
            screenings,
            sa.and_(screenings.c.listing_id == same.c.listing_id, screenings.c.seller_id == same.c.seller_id),
        )
        .where(screenings.c.id == screening_id, same.c.id != screening_id)
    )
    return list(conn.execute(query).scalars())


def _severe(conn: sa.Connection, policy: SellerPolicy, screening_id: str) -> bool:
    if "known_fake" in policy.severe_when:
        known = sa.select(screenings.c.known_fake).where(screenings.c.id == screening_id)
        if conn.execute(known).scalar():
            return True
    kinds = [kind for when, kind in (("false_proof", "proof"), ("published_anyway", "published_anyway"))
             if when in policy.severe_when]  # fmt: skip
    said = sa.select(responses.c.id).where(responses.c.screening_id == screening_id, responses.c.kind.in_(kinds))
    return conn.execute(said.limit(1)).first() is not None
