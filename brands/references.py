"""References as rows: adding them, their states and the legal steps between them, and pages of them.

Who may take a step is not asked here: that is `brands.approvals`, and `brands.doors` is the way in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from brands import audit, brand_rows, checks
from brands.columns import box_text
from brands.errors import Conflict, Invalid, NotFound
from brands.ids import Clock, Randomness, is_id, new_id
from brands.model import ORIGINS, REFERENCE_KINDS, REFERENCE_STATES, Approval, NewReference, Reference, ReferenceState
from brands.schema import references

Place = tuple[str, str, str]

TRANSITIONS: dict[ReferenceState, tuple[ReferenceState, ...]] = {
    "pending": ("active", "rejected", "withdrawn"),
    "active": ("withdrawn", "quarantined"),
    "withdrawn": ("pending", "active"),
    "quarantined": ("pending", "withdrawn", "rejected"),
    "rejected": (),
}
"""Which state may follow which. A rejected picture can be uploaded again: it does not count as a duplicate."""

_IMAGES_AT_ONCE = 500
_LIVE: tuple[ReferenceState, ...] = ("pending", "active")
_HELD: tuple[ReferenceState, ...] = (*_LIVE, "quarantined")
"""What cannot be uploaded again: else a quarantined picture would come back as another reference."""


def checked(new: NewReference) -> NewReference:
    """The reference as it is stored. Raises Invalid."""
    if new.kind not in REFERENCE_KINDS:
        raise Invalid("The kind is none of the four.", code="invalid_kind", field="kind")
    if new.width < 1 or new.height < 1:
        raise Invalid("The picture has no area.", code="invalid_size", field="image")
    if new.origin not in ORIGINS:
        raise Invalid("The origin is none of a reference's.", code="invalid_origin", field="origin")
    if new.expires_at is not None and new.expires_at.tzinfo is None:
        raise Invalid("The end must have a time zone.", code="invalid_period", field="expires_at")
    return NewReference(
        kind=new.kind,
        image_sha256=new.image_sha256,
        width=new.width,
        height=new.height,
        box=checks.checked_box(new.box),
        source=checks.checked_text(new.source, "source", checks.SOURCE_MAX),
        notes=checks.checked_text(new.notes, "notes", checks.NOTES_MAX, lines=True),
        origin=new.origin,
        evidence=checks.checked_text(new.evidence, "evidence", checks.NOTES_MAX, lines=True),
        expires_at=new.expires_at,
    )


def insert(
    conn: Connection,
    brand_id: str,
    pictures: Sequence[NewReference],
    *,
    state: ReferenceState,
    actor: str,
    clock: Clock,
    randomness: Randomness,
    approval: Approval = "none",
    approved_by: str | None = None,
) -> tuple[Reference, ...]:
    """Writes checked references and an audit row for each. Raises Conflict (`duplicate_reference`), then for all.

    `approval` says whom pending ones wait for, `approved_by` who let them in already.
    """
    born = []
    for new in pictures:
        at = clock()
        born.append(
            Reference(
                id=new_id("ref", at, randomness),
                brand_id=brand_id,
                kind=new.kind,
                state=state,
                state_reason="",
                image_sha256=new.image_sha256,
                box=new.box,
                width=new.width,
                height=new.height,
                source=new.source,
                notes=new.notes,
                created_at=at,
                created_by=actor,
                updated_at=at,
                origin=new.origin,
                evidence=new.evidence,
                approval=approval,
                approved_by=approved_by,
                expires_at=new.expires_at,
            )
        )
    if taken(conn, brand_id, pictures, states=_HELD):
        raise _duplicate()
    if not born:
        return ()
    try:
        conn.execute(sa.insert(references), [asdict(reference) for reference in born])
    except IntegrityError as error:
        raise _duplicate() from error
    if state == "active":
        brand_rows.bump_version(conn)
    audit.append_all(
        conn,
        [
            audit.Change(
                actor, "reference.add", "reference", reference.id, None, record(reference), reference.created_at
            )
            for reference in born
        ],
    )
    return tuple(born)


def move(
    conn: Connection, reference_id: str, state: ReferenceState, *, reason: str, actor: str, at: datetime
) -> Reference:
    """Takes a reference to another state. Raises NotFound, Conflict (`illegal_state` or `duplicate_reference`).

    What leaves `pending` waits for nobody any more.
    """
    before = fetch(conn, reference_id)
    if before is None:
        raise NotFound
    if state not in TRANSITIONS[before.state]:
        raise Conflict(
            f"A reference that is {before.state} cannot become {state}.", code="illegal_state", field="state"
        )
    if before.state not in _LIVE and state in _LIVE and taken(conn, before.brand_id, [before], states=_LIVE):
        raise _duplicate()
    changed = {"state": state, "state_reason": reason} | ({} if state == "pending" else {"approval": "none"})
    return change(conn, before, changed, action=f"reference.{state}", actor=actor, at=at)


def change(
    conn: Connection, before: Reference, values: Mapping[str, Any], *, action: str, actor: str, at: datetime
) -> Reference:
    """Gives columns of a reference other values, with an audit row."""
    conn.execute(sa.update(references).where(references.c.id == before.id).values(**values, updated_at=at))
    after = fetch(conn, before.id)
    assert after is not None
    if before.state != after.state and "active" in (before.state, after.state):
        brand_rows.bump_version(conn)
    audit.append(
        conn,
        actor=actor,
        action=action,
        kind="reference",
        object_id=before.id,
        before=record(before),
        after=record(after),
        at=at,
    )
    return after


def place(picture: NewReference | Reference) -> Place:
    """What makes two references of a brand the same: kind, picture and box."""
    return (picture.kind, picture.image_sha256, box_text(picture.box))


def taken(
    conn: Connection,
    brand_id: str,
    pictures: Sequence[NewReference | Reference],
    *,
    states: tuple[ReferenceState, ...] = REFERENCE_STATES,
) -> set[Place]:
    """Which of the pictures' places the brand has a reference for, in one of `states`."""
    wanted = {place(picture) for picture in pictures}
    images = sorted({picture.image_sha256 for picture in pictures})
    found: set[Place] = set()
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        query = sa.select(references.c.kind, references.c.image_sha256, references.c.box).where(
            references.c.brand_id == brand_id,
            references.c.image_sha256.in_(images[start : start + _IMAGES_AT_ONCE]),
            references.c.state.in_(states),
        )
        found |= {(kind, image, box_text(box)) for kind, image, box in conn.execute(query)}
    return found & wanted


def fetch(conn: Connection, reference_id: str) -> Reference | None:
    """The reference with this id."""
    if not is_id(reference_id):
        return None
    row = conn.execute(sa.select(references).where(references.c.id == reference_id)).first()
    return None if row is None else Reference(**row._mapping)


def fetch_page(
    conn: Connection, *, brand_id: str | None, kind: str | None, state: str | None, after: str | None, limit: int
) -> tuple[Reference, ...]:
    """Up to `limit` references by id, those with an id above `after` only; None = any."""
    query = sa.select(references).order_by(references.c.id).limit(limit)
    for column, value in ((references.c.brand_id, brand_id), (references.c.kind, kind), (references.c.state, state)):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(references.c.id > after)
    return tuple(Reference(**row._mapping) for row in conn.execute(query))


def record(reference: Reference) -> dict[str, Any]:
    """The reference as JSON for the audit log."""
    row = asdict(reference)
    for time in ("created_at", "updated_at", "created_by", "id"):
        del row[time]
    ends = reference.expires_at and audit.iso(reference.expires_at)
    return {**row, "box": reference.box and list(reference.box), "expires_at": ends}


def _duplicate() -> Conflict:
    return Conflict(
        "The brand has this picture with the same kind and box already.", code="duplicate_reference", field="image"
    )
