"""The registry: the one door to brands and references. Every change is audited in its own transaction."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.engine import Connection

from brands import audit, brand_changes, brand_rows, checks, references
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import Conflict, Invalid, NotFound
from brands.ids import Clock, Randomness, is_id, new_id, utc_now
from brands.model import (
    BRAND_STATES,
    REFERENCE_STATES,
    Box,
    Brand,
    BrandDetails,
    BrandState,
    Imported,
    NewReference,
    Reference,
    ReferenceKind,
    ReferenceState,
)
from brands.spelling import name_key


class Registry:
    """Brands and references in a database, their pictures in `blobs`. Safe to share between threads.

    `actor` names who changes something, for the audit log: `key:<id>` or `cli:<user>`. Times come from `clock` (aware).
    """

    def __init__(
        self, database: Database, blobs: FolderBlobs, clock: Clock = utc_now, randomness: Randomness = os.urandom
    ) -> None:
        self.database = database
        self.blobs = blobs
        self._clock = clock
        self._randomness = randomness

    def add_brand(self, *, actor: str, details: BrandDetails) -> Brand:
        """Registers a brand. Raises Invalid, Conflict (`duplicate_name`)."""
        actor, details = checks.checked_actor(actor), checks.checked_details(details)
        with self.database.write() as conn:
            audit.lock(conn)
            return self._insert(conn, actor, details)

    def update_brand(self, *, actor: str, brand_id: str, details: BrandDetails, expected_revision: int) -> Brand:
        """Replaces a brand's details if nobody else did since `expected_revision`; equal details change nothing.

        Raises NotFound, Invalid, Conflict (`revision_conflict`, `duplicate_name`).
        """
        actor, details = checks.checked_actor(actor), checks.checked_details(details)
        with self.database.write() as conn:
            audit.lock(conn)
            before = _known(brand_rows.fetch(conn, brand_id))
            if before.revision != expected_revision:
                raise Conflict("The brand has changed; read it again.", code="revision_conflict", field="revision")
            return self._change(conn, actor, before, details, before.state, "brand.update")

    def set_brand_state(self, *, actor: str, brand_id: str, state: BrandState) -> Brand:
        """Withdraws a brand from matching, or takes it back. Raises NotFound, Conflict (`illegal_state`)."""
        actor = checks.checked_actor(actor)
        if state not in BRAND_STATES:
            raise Invalid("The state is none of a brand's.", code="invalid_state", field="state")
        with self.database.write() as conn:
            audit.lock(conn)
            before = _known(brand_rows.fetch(conn, brand_id))
            if before.state == state:
                raise Conflict(f"The brand is {state} already.", code="illegal_state", field="state")
            return self._change(conn, actor, before, before.details, state, f"brand.{state}")

    def get_brand(self, brand_id: str) -> Brand:
        """Raises NotFound."""
        with self.database.read() as conn:
            return _known(brand_rows.fetch(conn, brand_id))

    def list_brands(
        self, *, state: BrandState | None = None, after: str | None = None, limit: int = checks.PAGE_MAX
    ) -> tuple[Brand, ...]:
        """A page of brands by id, from the one after `after`; `limit` is 1 to 500."""
        after, limit = checks.checked_page(after, limit)
        with self.database.read() as conn:
            return brand_rows.fetch_page(conn, state=state, after=after, limit=limit)

    def add_reference(
        self,
        *,
        actor: str,
        brand_id: str,
        kind: ReferenceKind,
        data: bytes,
        width: int,
        height: int,
        box: Box | None = None,
        source: str = "",
        notes: str = "",
        state: ReferenceState = "active",
    ) -> Reference:
        """Stores the picture `data`, `width` x `height` pixels, as a `pending` or `active` reference, unchecked.

        What people send comes through `brands.doors.Doors.add`. The image gate has let the picture through; it is on
        disk before the row is. Raises NotFound, Invalid, Conflict
        (`duplicate_reference`).
        """
        actor = checks.checked_actor(actor)
        if state not in ("pending", "active"):
            raise Invalid("A reference begins as pending or active.", code="invalid_state", field="state")
        checked = references.checked(NewReference(kind, "", width, height, box, source, notes))
        self.get_brand(brand_id)
        checked = replace(checked, image_sha256=self.blobs.put(data))
        with self.database.write() as conn:
            audit.lock(conn)
            return self._insert_references(conn, actor, brand_id, [checked], state)[0]

    def set_reference_state(
        self, *, actor: str, reference_id: str, state: ReferenceState, reason: str = ""
    ) -> Reference:
        """Takes a reference to another state (`brands.references.TRANSITIONS`), whoever asks; see `brands.doors`.

        Raises NotFound, Invalid, Conflict (`illegal_state`, `duplicate_reference`).
        """
        actor = checks.checked_actor(actor)
        if state not in REFERENCE_STATES:
            raise Invalid("The state is none of a reference's.", code="invalid_state", field="state")
        reason = checks.checked_text(reason, "reason", checks.REASON_MAX, lines=True)
        with self.database.write() as conn:
            audit.lock(conn)
            return references.move(conn, reference_id, state, reason=reason, actor=actor, at=self._clock())

    def get_reference(self, reference_id: str) -> Reference:
        """Raises NotFound."""
        with self.database.read() as conn:
            reference = references.fetch(conn, reference_id)
        if reference is None:
            raise NotFound
        return reference

    def list_references(
        self,
        *,
        brand_id: str | None = None,
        kind: ReferenceKind | None = None,
        state: ReferenceState | None = None,
        after: str | None = None,
        limit: int = checks.PAGE_MAX,
    ) -> tuple[Reference, ...]:
        """A page of references by id, from the one after `after`; None = any; `limit` is 1 to 500."""
        after, limit = checks.checked_page(after, limit)
        if brand_id is not None and not is_id(brand_id):
            return ()
        with self.database.read() as conn:
            return references.fetch_page(conn, brand_id=brand_id, kind=kind, state=state, after=after, limit=limit)

    def import_brand(self, *, actor: str, details: BrandDetails, pictures: Sequence[NewReference]) -> Imported:
        """Registers a brand by name, or brings the one of that name up to date, with its references: all or nothing.

        The pictures are in `blobs` already. The operator vouches for them, so they wait for nobody but the impact check
        (`brands.doors.Doors.settle_waiting`). A picture that the brand has with the same kind and box, in whatever
        state, is left as it is: what was withdrawn does not come back. Raises Invalid.
        """
        actor, details = checks.checked_actor(actor), checks.checked_details(details)
        checked = [references.checked(picture) for picture in pictures]
        with self.database.write() as conn:
            audit.lock(conn)
            before = brand_rows.fetch_named(conn, name_key(details.name))
            if before is None:
                brand = self._insert(conn, actor, details)
            else:
                brand = self._change(conn, actor, before, details, before.state, "brand.update")
            new = {references.place(picture): picture for picture in checked}
            for place in references.taken(conn, brand.id, checked):
                del new[place]
            added = len(self._insert_references(conn, actor, brand.id, list(new.values()), "pending", actor))
        return Imported(brand, before is None, before not in (None, brand), added, len(checked) - added)

    def version(self) -> int:
        """Grows with each change that matters to matching: active references; brands' words, prices, sellers, state."""
        with self.database.read() as conn:
            return brand_rows.read_version(conn)

    def _insert(self, conn: Connection, actor: str, details: BrandDetails) -> Brand:
        at = self._clock()
        return brand_changes.insert(conn, details, brand_id=new_id("brd", at, self._randomness), actor=actor, at=at)

    def _change(
        self, conn: Connection, actor: str, before: Brand, details: BrandDetails, state: BrandState, action: str
    ) -> Brand:
        return brand_changes.change(conn, before, details, state, action=action, actor=actor, at=self._clock())

    def _insert_references(
        self,
        conn: Connection,
        actor: str,
        brand_id: str,
        pictures: Sequence[NewReference],
        state: ReferenceState,
        approved_by: str | None = None,
    ) -> tuple[Reference, ...]:
        self.blobs.require(picture.image_sha256 for picture in pictures)
        return references.insert(
            conn,
            brand_id,
            pictures,
            state=state,
            approved_by=approved_by,
            actor=actor,
            clock=self._clock,
            randomness=self._randomness,
        )


def _known(brand: Brand | None) -> Brand:
    if brand is None:
        raise NotFound
    return brand
