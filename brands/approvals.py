"""Whom a reference waits for, who may let it in, and the one step by which it becomes active.

A reference counts once the people it waits for have approved it and its impact check has passed, in whichever order;
`settle` is the only place that says so. The check's result is a row of `reference_impacts`; how it is measured is
`screener.governance.impact`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands import notices, references, standings
from brands.auth import actor
from brands.errors import Conflict, Forbidden, Invalid, NotFound, SecondPersonNeeded
from brands.model import ApiKey, Approval, Reference, ReferenceKind, Scope
from brands.schema import api_keys, reference_impacts
from brands.schema import references as table

FIRST: Final = 5
"""So many references of a brand must have been let in by a second person before one is enough. Five: about what a brand
begins with (a mark and a few products), and a person who has looked at five pictures has an idea of the brand."""
GOVERNANCE: Final = "system:governance"
"""Who the audit log names for what follows from rules."""
_LONGEST_LINEAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Decider:
    """Who uploads or decides: the holder of a key, or the operator at the machine's command line."""

    actor: str
    scope: Scope | Literal["operator"]
    brand_id: str | None = None

    @classmethod
    def of(cls, key: ApiKey) -> Decider:
        """The holder of a key."""
        return cls(actor(key), key.scope, key.brand_id)

    @classmethod
    def operator(cls, name: str) -> Decider:
        """Who works at the command line, by the name of `screener.cli_open.actor`."""
        return cls(name, "operator")


@dataclass(frozen=True, slots=True)
class Checked:
    """The impact check of a reference as it is stored; `impact` is JSON, with codes in `blocking` and `unusable`."""

    passed: bool
    encoder_id: str
    impact: Mapping[str, Any]
    at: datetime


def needed(conn: Connection, brand_id: str, kind: ReferenceKind, by: Decider, *, sha256: str = "") -> Approval:
    """Whom a new reference waits for; `sha256` is its picture's.

    The operator vouches for what is imported. Anyone else's known fakes, and a brand's first `FIRST` references, need
    another person. Then reviewers, admins and brands in good standing let theirs in themselves; a new brand's need
    another person still; a stopped brand's wait for an admin, and so does a picture that was rejected before.
    """
    if by.scope == "operator":
        return "none"
    standing = standings.fetch(conn, brand_id).standing
    if standing == "stopped" or _rejected(conn, brand_id, sha256):
        return "admin"
    if kind == "known_fake" or vouched(conn, brand_id) < FIRST:
        return "person"
    return "none" if by.scope in ("admin", "reviewer") or standing == "good" else "person"


def _rejected(conn: Connection, brand_id: str, sha256: str) -> bool:
    query = sa.select(table.c.id).where(
        table.c.brand_id == brand_id, table.c.image_sha256 == sha256, table.c.state == "rejected"
    )
    return conn.execute(query.limit(1)).first() is not None


def vouched(conn: Connection, brand_id: str) -> int:
    """How many of a brand's active references another person than their uploader, or the operator, let in."""
    query = (
        sa.select(sa.func.count())
        .select_from(table)
        .where(
            table.c.brand_id == brand_id,
            table.c.state == "active",
            sa.or_(table.c.approved_by != table.c.created_by, table.c.approved_by.like("cli:%")),
        )
    )
    return int(conn.execute(query).scalar_one())


def check_may_decide(conn: Connection, reference: Reference, by: Decider) -> None:
    """Raises Forbidden, SecondPersonNeeded or NotFound where `by` may not let the reference in.

    The uploader never may, nor may a key that takes over from the uploader's. What waits for an admin is an admin's;
    the rest is also a reviewer's, or another key's of the same brand if that is in good standing.
    """
    if by.scope == "operator":
        return
    if by.scope == "brand":
        if by.brand_id != reference.brand_id:
            raise NotFound
        if reference.approval == "admin" or standings.fetch(conn, reference.brand_id).standing != "good":
            raise Forbidden("A reviewer or an admin decides about this reference.")
    elif by.scope != "admin" and (by.scope != "reviewer" or reference.approval == "admin"):
        raise Forbidden("An admin decides about this reference.")
    if lineage(conn, by.actor) == lineage(conn, reference.created_by):
        raise SecondPersonNeeded


def approve(
    conn: Connection, reference: Reference, by: Decider, *, override: bool, reason: str, at: datetime
) -> Reference:
    """Lets a pending reference in, as far as people are concerned; it is active if its impact check has passed.

    With `override`, an admin or the operator lets in what the check holds back, for a `reason`: never a picture that
    shows nothing. Raises NotFound, Forbidden, SecondPersonNeeded, Invalid, Conflict (`illegal_state`, `impact_failed`,
    `never_served`).
    """
    if reference.state != "pending":
        raise Conflict(
            f"A reference that is {reference.state} is not waiting for approval.", code="illegal_state", field="state"
        )
    check_may_decide(conn, reference, by)
    checked = impact_of(conn, reference.id)
    failed = checked is not None and not checked.passed
    if failed and not override:
        raise Conflict("The impact check holds this reference back; see its impact.", code="impact_failed")
    if failed:
        assert checked is not None
        if by.scope not in ("admin", "operator"):
            raise Forbidden("An admin decides about this reference.")
        if checked.impact["unusable"]:
            raise Conflict("A picture that shows nothing is never compared with.", code="never_served")
        if not reason.strip():
            raise Invalid("Say why it is let in in spite of the check.", code="reason_needed", field="reason")
    action = "reference.override" if failed else "reference.approve"
    values = {"approval": "none", "approved_by": by.actor, "state_reason": reason}
    approved = references.change(conn, reference, values, action=action, actor=by.actor, at=at)
    if failed:
        return _activate(conn, approved, actor=by.actor, at=at)
    return settle(conn, approved, at=at)


def settle(conn: Connection, reference: Reference, *, at: datetime) -> Reference:
    """Activates a pending reference that waits for nobody and passed its check; sends one that failed to an admin."""
    checked = impact_of(conn, reference.id)
    if reference.state != "pending" or checked is None:
        return reference
    if checked.passed:
        return _activate(conn, reference, actor=GOVERNANCE, at=at) if reference.approval == "none" else reference
    if reference.approval == "admin":
        return reference
    held = references.change(conn, reference, {"approval": "admin"}, action="reference.held", actor=GOVERNANCE, at=at)
    for reader in (reference.brand_id, None):
        # Which brand it is near to is nobody's business but the operator's: only codes here.
        details = {"blocking": list(checked.impact["blocking"])}
        notices.append(conn, brand_id=reader, code="reference_held", object_id=reference.id, details=details, at=at)
    return held


def reopen(conn: Connection, reference: Reference, by: Decider, *, reason: str, at: datetime) -> Reference:
    """Takes a withdrawn or quarantined reference back to pending, where it waits for a person again.

    A brand may ask so for what it withdrew itself, not for what was quarantined. Raises Forbidden, Conflict.
    """
    if by.scope == "brand" and reference.state != "withdrawn":
        raise Forbidden("A reviewer or an admin decides about this reference.")
    waiting: Approval = "admin" if standings.fetch(conn, reference.brand_id).standing == "stopped" else "person"
    pending = references.move(conn, reference.id, "pending", reason=reason, actor=by.actor, at=at)
    values = {"approval": waiting, "approved_by": None}
    return references.change(conn, pending, values, action="reference.reopen", actor=by.actor, at=at)


def quarantine(
    conn: Connection,
    reference: Reference,
    *,
    code: Literal["reference_quarantined", "reference_disputed"],
    reason: str,
    details: Mapping[str, Any],
    actor: str,
    at: datetime,
) -> Reference:
    """Takes an active reference out of matching until a reviewer or an admin decides, with notices."""
    after = references.move(conn, reference.id, "quarantined", reason=reason, actor=actor, at=at)
    for reader in (reference.brand_id, None):
        notices.append(conn, brand_id=reader, code=code, object_id=reference.id, details=details, at=at)
    return after


def store_impact(conn: Connection, reference_id: str, checked: Checked) -> None:
    """Keeps what the impact check found, in place of what an earlier one did."""
    values = {
        "encoder_id": checked.encoder_id,
        "passed": checked.passed,
        "impact": dict(checked.impact),
        "created_at": checked.at,
    }
    mine = reference_impacts.c.reference_id == reference_id
    if not conn.execute(sa.update(reference_impacts).where(mine).values(**values)).rowcount:
        conn.execute(sa.insert(reference_impacts).values(reference_id=reference_id, **values))


def impact_of(conn: Connection, reference_id: str) -> Checked | None:
    """What the last impact check of a reference found; None where there was none."""
    row = conn.execute(sa.select(reference_impacts).where(reference_impacts.c.reference_id == reference_id)).first()
    return None if row is None else Checked(row.passed, row.encoder_id, row.impact, row.created_at)


def waiting(
    conn: Connection, *, brand_id: str | None = None, after: str | None = None, limit: int = 100
) -> tuple[Reference, ...]:
    """The references that wait for people, oldest first: a page behind the id `after`; None = of any brand."""
    query = (
        sa.select(table).where(table.c.state == "pending", table.c.approval != "none").order_by(table.c.id).limit(limit)
    )
    if brand_id is not None:
        query = query.where(table.c.brand_id == brand_id)
    if after is not None:
        query = query.where(table.c.id > after)
    return tuple(Reference(**row._mapping) for row in conn.execute(query))


def count_waiting(conn: Connection, brand_id: str) -> int:
    """How many references of a brand wait for people."""
    query = (
        sa.select(sa.func.count())
        .select_from(table)
        .where(table.c.brand_id == brand_id, table.c.state == "pending", table.c.approval != "none")
    )
    return int(conn.execute(query).scalar_one())


def _activate(conn: Connection, reference: Reference, *, actor: str, at: datetime) -> Reference:
    active = references.move(conn, reference.id, "active", reason=reference.state_reason, actor=actor, at=at)
    if reference.approved_by not in (None, reference.created_by):
        notices.append(
            conn,
            brand_id=reference.brand_id,
            code="reference_active",
            object_id=reference.id,
            details={"reason": reference.state_reason},
            at=at,
        )
    return active


def lineage(conn: Connection, name: str) -> str:
    """The first of the keys that one takes over from: they are one person's. Other actors are themselves."""
    identifier = name.removeprefix("key:")
    for _ in range(_LONGEST_LINEAGE):
        before = conn.execute(sa.select(api_keys.c.rotated_from).where(api_keys.c.id == identifier)).scalar()
        if before is None:
            break
        identifier = before
    return identifier
