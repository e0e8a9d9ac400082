"""The one way in for references: the image gate, the people they wait for, and the impact check.

Pages, routes and commands all come through here. What is seen in a picture is told by an `Inspector`, because this
package knows no encoder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands import approvals, audit, checks, notices, references
from brands.approvals import Checked, Decider
from brands.errors import Conflict, Forbidden, Invalid, NotFound
from brands.ids import Clock, Randomness
from brands.model import Box, NewReference, Reference, ReferenceKind
from brands.registry import Registry
from brands.schema import reference_impacts
from brands.schema import references as table

SETTLE_AT_ONCE = 64
"""References that are checked between two looks at the registry."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found out about a picture before it may count: size in pixels, and the impact as JSON.

    `keep` writes what was computed on the way (vectors, facts), in the transaction of the reference.
    """

    image_sha256: str
    width: int
    height: int
    encoder_id: str
    passed: bool
    impact: Mapping[str, Any]
    keep: Callable[[Connection], None]

    def checked(self, at: datetime) -> Checked:
        """The part that is stored with the reference."""
        return Checked(self.passed, self.encoder_id, self.impact, at)


class Inspector(Protocol):
    """Looks at pictures as serving would."""

    @property
    def encoder_id(self) -> str:
        """Names the encoder that looks."""

    def look(self, brand_id: str, kind: ReferenceKind, data: bytes, box: Box | None, *, deep: bool) -> Inspection:
        """Looks at a picture that is not stored; `deep` looks at all recent listings. Raises what the gate raises."""

    def look_again(self, stored: Sequence[Reference]) -> Sequence[Inspection]:
        """Looks at stored references, one inspection for each; one that cannot be read any more does not pass."""


class Doors:
    """Adds, approves, disputes and takes back references. Safe to share between threads."""

    def __init__(
        self, registry: Registry, inspector: Inspector, clock: Clock, randomness: Randomness = os.urandom
    ) -> None:
        self.registry = registry
        self._inspector, self._clock, self._randomness = inspector, clock, randomness

    def preview(self, brand_id: str, kind: ReferenceKind, data: bytes, box: Box | None = None) -> Inspection:
        """What a picture would match, before anything of it is stored. Raises NotFound and what the gate raises."""
        self.registry.get_brand(brand_id)
        return self._inspector.look(brand_id, kind, data, checks.checked_box(box), deep=True)

    def add(self, by: Decider, brand_id: str, new: NewReference, data: bytes) -> Reference:
        """Stores a picture as a reference: active at once where it needs nobody and passes, else pending.

        Of `new`, hash and size are told by the picture. A known fake says in `evidence` what proves it. Raises
        NotFound, Invalid, Conflict (`duplicate_reference`) and what the gate raises; then nothing is stored.
        """
        checks.checked_actor(by.actor)
        self.registry.get_brand(brand_id)
        # The words are judged before the picture: they are cheaper. Its size is not known yet.
        said = references.checked(replace(new, image_sha256="", width=1, height=1))
        if said.origin in ("complaint", "appraisal") and not said.evidence:
            raise Invalid("Say which complaint or appraisal proves it.", code="no_evidence", field="evidence")
        if said.origin in ("complaint", "appraisal") and said.kind != "known_fake":
            raise Invalid("Complaints and appraisals prove known fakes.", code="invalid_origin", field="origin")
        found = self._inspector.look(brand_id, said.kind, data, said.box, deep=False)
        checked = replace(said, image_sha256=self.registry.blobs.put(data), width=found.width, height=found.height)
        return self.add_inspected(by, brand_id, [(checked, found)])[0]

    def add_inspected(
        self, by: Decider, brand_id: str, found: Sequence[tuple[NewReference, Inspection]]
    ) -> tuple[Reference, ...]:
        """Stores references that were looked at, all or none; their pictures are in `blobs` already, if they have any.

        Raises Conflict (`duplicate_reference`).
        """
        added = []
        with self.registry.database.write() as conn:
            audit.lock(conn)
            self.registry.blobs.require(new.image_sha256 for new, _ in found if new.origin != "descriptor")
            self.registry.blobs.require(new.image_sha256 for new, _ in found if new.origin != "descriptor")
            for new, inspection in found:
                approval = approvals.needed(conn, brand_id, new.kind, by, sha256=new.image_sha256)
                reference = references.insert(
                    conn,
                    brand_id,
                    [new],
                    state="pending",
                    approval=approval,
                    approved_by=by.actor if by.scope == "operator" else None,
                    actor=by.actor,
                    clock=self._clock,
                    randomness=self._randomness,
                )[0]
                at = self._clock()
                inspection.keep(conn)
                approvals.store_impact(conn, reference.id, inspection.checked(at))
                if approval != "none" and inspection.passed:
                    notices.append(
                        conn,
                        brand_id=None,
                        code="reference_waiting",
                        object_id=reference.id,
                        details={"brand_id": brand_id, "approval": approval},
                        at=at,
                    )
                added.append(approvals.settle(conn, reference, at=at))
        return tuple(added)

    def approve(self, by: Decider, reference_id: str, *, override: bool = False, reason: str = "") -> Reference:
        """Lets a pending reference in, after another look at what it would match now.

        A withdrawn or quarantined one is taken back first. Raises what `brands.approvals.approve` raises.
        """
        reason = checks.checked_text(reason, "reason", checks.REASON_MAX, lines=True)
        with self.registry.database.read() as conn:
            reference = _known(conn, reference_id)
            approvals.check_may_decide(conn, reference, by)  # before the costly look, and again below
        (found,) = self._inspector.look_again([reference])
        with self.registry.database.write() as conn:
            audit.lock(conn)
            reference = _known(conn, reference_id)
            at = self._clock()
            if reference.state in ("withdrawn", "quarantined"):
                reference = approvals.reopen(conn, reference, by, reason=reason, at=at)
            found.keep(conn)
            approvals.store_impact(conn, reference.id, found.checked(at))
            return approvals.approve(conn, reference, by, override=override, reason=reason, at=at)

    def reject(self, by: Decider, reference_id: str, *, reason: str = "") -> Reference:
        """Refuses a pending or quarantined reference for good. Raises NotFound, Forbidden, Conflict."""
        if by.scope not in ("admin", "reviewer", "operator"):
            raise Forbidden("A reviewer or an admin decides about this reference.")
        reason = checks.checked_text(reason, "reason", checks.REASON_MAX, lines=True)
        with self.registry.database.write() as conn:
            audit.lock(conn)
            at = self._clock()
            after = references.move(conn, reference_id, "rejected", reason=reason, actor=by.actor, at=at)
            notices.append(
                conn,
                brand_id=after.brand_id,
                code="reference_rejected",
                object_id=after.id,
                details={"reason": reason},
                at=at,
            )
        return after

    def withdraw(self, by: Decider, reference_id: str, *, reason: str = "") -> Reference:
        """Takes a reference out of matching, or out of the queue. Raises NotFound, Forbidden, Conflict.

        What is quarantined is not a brand's to withdraw: it could then ask for it again as for its own.
        """
        if by.scope == "brand" and self.registry.get_reference(reference_id).state == "quarantined":
            raise Forbidden("A reviewer or an admin decides about this reference.")
        return self.registry.set_reference_state(
            actor=by.actor, reference_id=reference_id, state="withdrawn", reason=reason
        )

    def reopen(self, by: Decider, reference_id: str, *, reason: str = "") -> Reference:
        """Asks for a withdrawn or quarantined reference to be let in again. Raises NotFound, Forbidden, Conflict."""
        reason = checks.checked_text(reason, "reason", checks.REASON_MAX, lines=True)
        with self.registry.database.write() as conn:
            audit.lock(conn)
            return approvals.reopen(conn, _known(conn, reference_id), by, reason=reason, at=self._clock())

    def dispute(self, by: Decider, reference_id: str, *, reason: str) -> Reference:
        """Takes an active reference that somebody contests out of matching until a reviewer or an admin decides.

        Raises NotFound, Invalid, Conflict.
        """
        reason = checks.checked_text(reason, "reason", checks.REASON_MAX, lines=True)
        if not reason:
            raise Invalid("Say what is wrong with it.", code="reason_needed", field="reason")
        with self.registry.database.write() as conn:
            audit.lock(conn)
            return approvals.quarantine(
                conn,
                _known(conn, reference_id),
                code="reference_disputed",
                reason=reason,
                details={"reason": reason},
                actor=by.actor,
                at=self._clock(),
            )

    def end_at(self, by: Decider, reference_id: str, ends: datetime | None) -> Reference:
        """Says when a pending or active reference stops to count by itself; None for never.

        Raises NotFound, Invalid, Conflict.
        """
        at = self._clock()
        if ends is not None and (ends.tzinfo is None or ends <= at):
            raise Invalid("The end must be a time to come, with its zone.", code="invalid_period", field="expires_at")
        with self.registry.database.write() as conn:
            audit.lock(conn)
            reference = _known(conn, reference_id)
            if reference.state not in ("pending", "active"):
                raise Conflict(
                    f"A reference that is {reference.state} has no end.", code="illegal_state", field="state"
                )
            values = {"expires_at": ends}
            return references.change(conn, reference, values, action="reference.expiry", actor=by.actor, at=at)

    def settle_waiting(self, most: int = SETTLE_AT_ONCE) -> int:
        """Checks pending references that were not checked yet, or by another encoder; gives how many.

        What an import added, and what was stored just before a crash, becomes active here.
        """
        with self.registry.database.read() as conn:
            unchecked = self._unchecked(conn, most)
        if not unchecked:
            return 0
        looks = self._inspector.look_again(unchecked)
        with self.registry.database.write() as conn:
            audit.lock(conn)
            for reference, found in zip(unchecked, looks, strict=True):
                present = references.fetch(conn, reference.id)
                if present is None or present.state != "pending":
                    continue
                at = self._clock()
                found.keep(conn)
                approvals.store_impact(conn, present.id, found.checked(at))
                approvals.settle(conn, present, at=at)
        return len(unchecked)

    def _unchecked(self, conn: Connection, most: int) -> list[Reference]:
        other = reference_impacts.c.encoder_id != self._inspector.encoder_id
        query = (
            sa.select(table)
            .outerjoin(reference_impacts, reference_impacts.c.reference_id == table.c.id)
            .where(table.c.state == "pending", sa.or_(reference_impacts.c.reference_id.is_(None), other))
            .order_by(table.c.id)
            .limit(most)
        )
        return [Reference(**row._mapping) for row in conn.execute(query)]


def _known(conn: Connection, reference_id: str) -> Reference:
    reference = references.fetch(conn, reference_id)
    if reference is None:
        raise NotFound
    return reference
