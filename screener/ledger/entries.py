"""Writes entries into the ledger and what follows from them, in the transaction of the caller."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from brands import audit, checks
from brands.errors import Conflict, Invalid, NotFound
from brands.ids import is_id, new_id
from brands.schema import brands, screenings, seller_events
from screener.ledger import actions
from screener.ledger.engine import Assessed, Given, Incident, Kind, assess
from screener.ledger.model import SellerEvent
from screener.ledger.policy import SellerPolicy
from screener.ledger.read import entries_of, get_event, given_actions

OLDEST: Final = timedelta(days=3_650)
"""Age of what may still be entered."""
SOURCE_MAX: Final = 220


def add_incident(
    conn: sa.Connection,
    policy: SellerPolicy,
    *,
    seller_id: str,
    kind: Kind,
    actor: str,
    now: datetime,
    occurred_at: datetime | None = None,
    severe: bool = False,
    brand_id: str | None = None,
    screening_id: str | None = None,
    source: str | None = None,
    note: str = "",
) -> SellerEvent:
    """Enters a confirmed violation or an upheld complaint, and recommends what is due then.

    `source` says what it follows from; the same source again gives the entry that is there. Raises Invalid.
    """
    seller_id = checks.checked_word(seller_id, "seller_id", checks.SELLER_ID_MAX)
    note = checks.checked_text(note, "note", checks.NOTES_MAX, lines=True)
    source = source if source is None else checks.checked_word(source, "source", SOURCE_MAX)
    occurred_at = occurred_at or now
    if not now - OLDEST <= occurred_at <= now:
        raise Invalid("The time must be past, and not ten years.", code="invalid_period", field="occurred_at")
    audit.lock(conn)
    if source is not None:
        earlier = conn.execute(sa.select(seller_events.c.id).where(seller_events.c.source == source)).scalar()
        if earlier is not None:
            return get_event(conn, earlier)
    _check_subjects(conn, seller_id, brand_id, screening_id)
    before = [one for one in entries_of(conn, seller_id) if one.reversed_by is None and one.kind != "appeal"]
    incident = Incident(new_id("sev", now), kind, severe, occurred_at, now)
    done = assess([*incidents(conn, before, policy), incident], policy)[-1]
    event = SellerEvent(
        id=incident.id,
        seller_id=seller_id,
        kind="warning" if done.warning else kind,
        brand_id=brand_id,
        screening_id=screening_id,
        source=source,
        severe=severe,
        points=done.points,
        policy=policy.id,
        counts_until=done.counts_until,
        reverses=None,
        note=note,
        occurred_at=occurred_at,
        created_at=now,
        created_by=actor,
    )
    _insert(conn, event)
    assessed = assessed_of(conn, policy, seller_id)
    actions.settle(conn, policy, seller_id, assessed, actor=actor, now=now, milder=False)
    return event


def add_appeal(
    conn: sa.Connection,
    policy: SellerPolicy,
    *,
    seller_id: str,
    reverses: str,
    actor: str,
    now: datetime,
    source: str | None = None,
    note: str = "",
) -> SellerEvent:
    """Takes an entry back as if it had never been; what came after it is assessed again, and actions are reversed.

    Raises NotFound (the seller has no such entry), Conflict (`illegal_state`) for an appeal, or an entry that is taken
    back already.
    """
    note = checks.checked_text(note, "note", checks.NOTES_MAX, lines=True)
    audit.lock(conn)
    taken_back = get_event(conn, reverses)
    if taken_back.seller_id != seller_id:
        raise NotFound
    if taken_back.kind == "appeal" or taken_back.reversed_by is not None:
        raise Conflict("The entry is taken back already, or takes one back.", code="illegal_state")
    event = SellerEvent(
        id=new_id("sev", now),
        seller_id=seller_id,
        kind="appeal",
        brand_id=taken_back.brand_id,
        screening_id=taken_back.screening_id,
        source=source,
        severe=False,
        points=0,
        policy=policy.id,
        counts_until=None,
        reverses=reverses,
        note=note,
        occurred_at=now,
        created_at=now,
        created_by=actor,
    )
    _insert(conn, event)
    assessed = assessed_of(conn, policy, seller_id)
    _store_again(conn, policy, assessed, after=taken_back.id, actor=actor, now=now)
    actions.settle(conn, policy, seller_id, assessed, actor=actor, now=now, milder=True)
    return event


def assessed_of(conn: sa.Connection, policy: SellerPolicy, seller_id: str) -> tuple[Assessed, ...]:
    """What counts or counted against a seller, in the order in which it was entered, without what was taken back."""
    standing = [one for one in entries_of(conn, seller_id) if one.reversed_by is None and one.kind != "appeal"]
    return assess(incidents(conn, standing, policy), policy)


def incidents(conn: sa.Connection, events: list[SellerEvent], policy: SellerPolicy) -> list[Incident]:
    """Entries as the engine takes them; what another policy gave is the most that they can have."""
    other = [one for one in events if one.policy != policy.id]
    acted = given_actions(conn, [one.id for one in other])
    found = []
    for one in events:
        given: Given | None = None
        if one.policy != policy.id and one.counts_until is not None:
            given = Given(one.points, one.counts_until, *acted.get(one.id, (None, None)))
        kind: Kind = "complaint" if one.kind == "complaint" else "violation"
        found.append(Incident(one.id, kind, one.severe, one.occurred_at, one.created_at, given))
    return found


def _store_again(
    conn: sa.Connection,
    policy: SellerPolicy,
    assessed: tuple[Assessed, ...],
    *,
    after: str,
    actor: str,
    now: datetime,
) -> None:
    """Writes what later entries give without the one that was taken back."""
    changes = []
    for one in assessed:
        if one.incident.id < after:
            continue
        event = get_event(conn, one.incident.id)
        kind = "complaint" if event.kind == "complaint" else "warning" if one.warning else "violation"
        new: dict[str, Any] = {"kind": kind, "points": one.points, "counts_until": one.counts_until}
        if all(getattr(event, name) == value for name, value in new.items()):
            continue
        conn.execute(sa.update(seller_events).where(seller_events.c.id == event.id).values(**new, policy=policy.id))
        before = {"kind": event.kind, "points": event.points, "counts_until": _text(event.counts_until)}
        then = {**new, "counts_until": _text(one.counts_until), "policy": policy.id}
        changes.append(audit.Change(actor, "seller.assess_again", "seller_event", event.id, before, then, now))
    audit.append_all(conn, changes)


def _check_subjects(conn: sa.Connection, seller_id: str, brand_id: str | None, screening_id: str | None) -> None:
    if brand_id is not None and not _there(conn, brands.c.id, brand_id):
        raise Invalid("No such brand.", code="unknown_brand", field="brand_id")
    if screening_id is not None:
        own = sa.select(screenings.c.seller_id).where(screenings.c.id == screening_id)
        found = conn.execute(own).scalar() if is_id(screening_id) else None
        if found != seller_id:
            raise Invalid("The seller has no such screening.", code="unknown_screening", field="screening_id")


def _there(conn: sa.Connection, column: sa.Column[Any], value: str) -> bool:
    return is_id(value) and conn.execute(sa.select(column).where(column == value)).first() is not None


def _insert(conn: sa.Connection, event: SellerEvent) -> None:
    fields = asdict(event)
    fields.pop("reversed_by")
    conn.execute(sa.insert(seller_events).values(fields))
    audit.append(
        conn,
        actor=event.created_by,
        action=f"seller.{event.kind}",
        kind="seller_event",
        object_id=event.id,
        before=None,
        after=_record(event),
        at=event.created_at,
    )


def _record(event: SellerEvent) -> Mapping[str, Any]:
    names = (
        "seller_id",
        "kind",
        "brand_id",
        "screening_id",
        "source",
        "severe",
        "points",
        "policy",
        "reverses",
        "note",
    )
    return {name: getattr(event, name) for name in names} | {
        "counts_until": _text(event.counts_until),
        "occurred_at": _text(event.occurred_at),
    }


def _text(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
