"""The pages of a brand's references: all of them, and one with what may be done to it."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response

from brands import approvals
from brands.approvals import Decider
from brands.auth import Access, own
from brands.ids import Clock
from brands.model import REFERENCE_KINDS, REFERENCE_STATES, Reference
from brands.sessions import Person
from screener.governance.impact import for_brand
from screener.governance.views import shown_impact
from screener.pages import rows
from screener.pages.impacts import Seen, seen_of
from screener.pages.keys import end_of_day
from screener.pages.looks import note_look
from screener.pages.rendering import brand_path, go, part_only, show
from screener.review.precision import reference_precision
from screener.service import Service

PAGE: Final = 48
"""Tiles that are loaded at once; more come as the reader asks."""


def reference_pages(service: Service, access: Access, now: Clock) -> APIRouter:
    """The routes `/app/brands/{brand_id}/references`, `.../known-fakes` and those under `/app/references`."""
    router = APIRouter(prefix="/app", include_in_schema=False)
    truth, doors = service.truth, service.doors
    registry, database = truth.registry, truth.database

    @router.get("/brands/{brand_id}/references")
    def list_references(
        request: Request,
        brand_id: str,
        kind: str = "",
        state: str = "",
        before: str | None = None,
        person: Person = Depends(access.person),
    ) -> Response:
        return _list(request, person, brand_id, kind, state, before, "references")

    @router.get("/brands/{brand_id}/known-fakes")
    def list_known_fakes(
        request: Request,
        brand_id: str,
        state: str = "",
        before: str | None = None,
        person: Person = Depends(access.person),
    ) -> Response:
        return _list(request, person, brand_id, "known_fake", state, before, "known-fakes")

    @router.get("/references/{reference_id}")
    def show_reference(request: Request, reference_id: str, person: Person = Depends(access.person)) -> Response:
        reference = _own_reference(person, reference_id)
        with database.read() as conn:
            checked = approvals.impact_of(conn, reference.id)
            precision = reference_precision(conn, [reference.id])[reference.id]
        impact = checked and (for_brand(checked.impact) if person.key.scope == "brand" else checked.impact)
        return show(
            request,
            "reference.html",
            person=person,
            section="fakes" if reference.kind == "known_fake" else "references",
            brand=registry.get_brand(reference.brand_id),
            reference=reference,
            checked=checked,
            looked=Seen(impact) if impact else None,
            precision=precision,
        )

    @router.get("/references/{reference_id}/impact")
    def look_now(request: Request, reference_id: str, person: Person = Depends(access.person)) -> Response:
        """What it would match among what is there now, with pictures."""
        reference = _own_reference(person, reference_id)
        shown = shown_impact(service.inspector.look_deep(reference), person.key.scope, truth.blobs, service.pool)
        note_look(database, person, "reference", reference.id, now())
        return show(
            request,
            "impact_now.html" if part_only(request) else "reference_impact.html",
            person=person,
            section="fakes" if reference.kind == "known_fake" else "references",
            brand=registry.get_brand(reference.brand_id),
            reference=reference,
            looked=seen_of(shown),
        )

    @router.post("/references/{reference_id}/withdraw")
    def withdraw(
        reference_id: str, reason: Annotated[str, Form()] = "", person: Person = Depends(access.person)
    ) -> Response:
        reference = _own_reference(person, reference_id)
        doors.withdraw(Decider.of(person.key), reference.id, reason=reason)
        return _back(reference)

    @router.post("/references/{reference_id}/dispute")
    def dispute(
        reference_id: str, reason: Annotated[str, Form()] = "", person: Person = Depends(access.person)
    ) -> Response:
        reference = _own_reference(person, reference_id)
        doors.dispute(Decider.of(person.key), reference.id, reason=reason)
        return _back(reference)

    @router.post("/references/{reference_id}/reopen")
    def reopen(
        reference_id: str, reason: Annotated[str, Form()] = "", person: Person = Depends(access.person)
    ) -> Response:
        reference = _own_reference(person, reference_id)
        doors.reopen(Decider.of(person.key), reference.id, reason=reason)
        return _back(reference)

    @router.post("/references/{reference_id}/expiry")
    def set_expiry(
        reference_id: str, expires: Annotated[str, Form()] = "", person: Person = Depends(access.person)
    ) -> Response:
        reference = _own_reference(person, reference_id)
        doors.end_at(Decider.of(person.key), reference.id, end_of_day(expires))
        return _back(reference)

    def _own_reference(person: Person, reference_id: str) -> Reference:
        reference = registry.get_reference(reference_id)
        own(person.key, reference.brand_id)
        return reference

    def _list(
        request: Request, person: Person, brand_id: str, kind: str, state: str, before: str | None, place: str
    ) -> Response:
        brand = registry.get_brand(own(person.key, brand_id))
        chosen_kind = next((one for one in REFERENCE_KINDS if one == kind), None)
        chosen_state = next((one for one in REFERENCE_STATES if one == state), None)
        with database.read() as conn:
            found = rows.newest_references(
                conn, brand.id, kind=chosen_kind, state=chosen_state, before=before, limit=PAGE + 1
            )
            counts = rows.count_references(conn, brand.id)
            precisions = reference_precision(conn, [reference.id for reference in found[:PAGE]])
        here = brand_path(brand, place)
        more = {"kind": chosen_kind or "", "state": chosen_state or "", "before": found[:PAGE][-1].id if found else ""}
        return show(
            request,
            "references_part.html" if part_only(request) else "references.html",
            person=person,
            section="fakes" if place == "known-fakes" else "references",
            brand=brand,
            here=here,
            references=found[:PAGE],
            more=f"{here}?{urlencode(more)}" if len(found) > PAGE else None,
            before=before,
            precisions=precisions,
            total=sum(
                count
                for (one_kind, one_state), count in counts.items()
                if chosen_kind in (None, one_kind) and chosen_state in (None, one_state)
            ),
            kind=chosen_kind,
            state=chosen_state,
            kinds=REFERENCE_KINDS,
            states=REFERENCE_STATES,
        )

    return router


def _back(reference: Reference) -> Response:
    return go(f"/app/references/{reference.id}?done=saved")
