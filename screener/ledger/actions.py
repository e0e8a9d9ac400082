"""Recommended actions: those that are due and not there are recommended, those that are due no more are reversed."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from brands import audit, checks
from brands.errors import Conflict, Invalid
from brands.ids import new_id
from brands.schema import screenings, seller_actions
from screener.ledger.engine import Assessed, DueAction, due_actions
from screener.ledger.model import SellerAction
from screener.ledger.policy import SellerPolicy
from screener.ledger.read import actions_of, get_action, get_event
from screener.webhooks.outbox import emit
from screener.webhooks.types import MessageType

REPORTED: Final = ("executed", "declined")
"""What a marketplace says of an action."""


def settle(
    conn: sa.Connection,
    policy: SellerPolicy,
    seller_id: str,
    assessed: Sequence[Assessed],
    *,
    actor: str,
    now: datetime,
    milder: bool,
) -> None:
    """Makes the seller's actions equal to what is due, and tells the marketplace of each change.

    What the marketplace declined is not recommended again for the same entry. `milder` says that something was taken
    back: no closure begins then, also if a policy that came since would close at fewer points.
    """
    waiting = {_key(due): due for due in due_actions(assessed, policy)}
    for one in actions_of(conn, seller_id):
        if one.state == "reversed":
            continue
        due = waiting.pop((one.event_id, one.action), None) or waiting.pop(("", one.action), None)
        if due is None:
            _change(conn, one, replace(one, state="reversed", updated_at=now, updated_by=actor), "reverse", policy)
        elif (due.event_id, due.points) != (one.event_id, one.points):  # due all the same, for a part of the reasons
            moved = replace(one, event_id=due.event_id, points=due.points, updated_at=now, updated_by=actor)
            _change(conn, one, moved, "move", policy)
    for number, due in enumerate(due for due in waiting.values() if not (milder and due.once)):
        at = now + number * timedelta(microseconds=1)  # so that ids keep their order
        recommended = SellerAction(
            id=new_id("sac", at),
            seller_id=seller_id,
            event_id=due.event_id,
            action=due.action,
            points=due.points,
            ends_at=due.ends_at,
            state="recommended",
            note="",
            created_at=now,
            updated_at=now,
            updated_by=actor,
        )
        _change(conn, None, recommended, "recommend", policy)


def report(
    conn: sa.Connection, action_id: str, state: str, *, actor: str, now: datetime, note: str = ""
) -> SellerAction:
    """What the marketplace did: it executed the action, or declined it. It may correct itself.

    Raises NotFound, Invalid, Conflict (`illegal_state`) for an action that was reversed.
    """
    if state not in REPORTED:
        raise Invalid("A marketplace executed or declined.", code="invalid_state", field="state")
    note = checks.checked_text(note, "note", checks.NOTES_MAX, lines=True)
    audit.lock(conn)
    before = get_action(conn, action_id)
    if before.state == "reversed":
        raise Conflict("The action was reversed.", code="illegal_state")
    after = replace(before, state="executed" if state == "executed" else "declined", note=note, updated_at=now,
                    updated_by=actor)  # fmt: skip
    _store(conn, before, after, "report")
    return after


def _key(due: DueAction) -> tuple[str, str]:
    return ("" if due.once else due.event_id, due.action)


def _change(
    conn: sa.Connection, before: SellerAction | None, after: SellerAction, step: str, policy: SellerPolicy
) -> None:
    _store(conn, before, after, step)
    told: MessageType = "seller.action_reversed" if after.state == "reversed" else "seller.action_recommended"
    if step == "move":  # the marketplace goes on with what it was told
        return
    event = get_event(conn, after.event_id)
    listing_id = None
    if event.screening_id is not None:
        own = sa.select(screenings.c.listing_id).where(screenings.c.id == event.screening_id)
        listing_id = conn.execute(own).scalar()
    emit(
        conn,
        told,
        {
            "action_id": after.id,
            "seller_id": after.seller_id,
            "action": after.action,
            "points": after.points,
            "ends_at": after.ends_at.isoformat() if after.ends_at else None,
            "policy": policy.id,
            "event": {
                "event_id": event.id,
                "kind": event.kind,
                "points": event.points,
                "severe": event.severe,
                "occurred_at": event.occurred_at.isoformat(),
                "brand_id": event.brand_id,
                "screening_id": event.screening_id,
                "listing_id": listing_id,
            },
        },
        at=after.updated_at,
        seller_id=after.seller_id,
        brand_id=event.brand_id,
        screening_id=event.screening_id,
    )


def _store(conn: sa.Connection, before: SellerAction | None, after: SellerAction, step: str) -> None:
    if before is None:
        conn.execute(sa.insert(seller_actions).values(asdict(after)))
    else:
        conn.execute(sa.update(seller_actions).where(seller_actions.c.id == after.id).values(asdict(after)))
    audit.append(
        conn,
        actor=after.updated_by,
        action=f"seller_action.{step}",
        kind="seller_action",
        object_id=after.id,
        before=_record(before) if before else None,
        after=_record(after),
        at=after.updated_at,
    )


def _record(action: SellerAction) -> dict[str, Any]:
    names = ("seller_id", "event_id", "action", "points", "state", "note")
    ends = {"ends_at": action.ends_at.isoformat() if action.ends_at else None}
    return {name: getattr(action, name) for name in names} | ends
