"""The HTTP routes of references: upload, lists, and the steps between states."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Query, Request, UploadFile
from pydantic import TypeAdapter, ValidationError

from brands import checks
from brands.approvals import Decider
from brands.auth import Access, own
from brands.doors import Doors
from brands.errors import Forbidden, Invalid
from brands.model import ApiKey, Box, NewReference, Origin, Reference, ReferenceKind, ReferenceState
from brands.payloads import Approve, Expiry, Page, PageOut, Reason, ReferenceOut, ReferenceStateChange, Time

_PARTS = frozenset({"image", "kind", "box", "source", "notes", "origin", "evidence", "expires_at"})
_TIME = TypeAdapter[datetime](Time)

Picture = Annotated[UploadFile, File(description="JPEG, PNG, WebP or GIF.")]
Kind = Annotated[ReferenceKind, Form()]
Place = Annotated[str, Form(description="The logo's place, relative.", examples=["0.1,0.2,0.6,0.5"])]


def reference_router(doors: Doors, access: Access) -> APIRouter:
    """The routes under `/v1/brands/{id}/references` and `/v1/references`."""
    router = APIRouter(prefix="/v1", tags=["references"])
    caller, registry = access.caller, doors.registry

    @router.post(
        "/brands/{brand_id}/references",
        status_code=201,
        response_model=ReferenceOut,
        dependencies=[Depends(caller), Depends(known_parts(_PARTS))],
    )
    def add_reference(
        brand_id: str,
        image: Picture,
        kind: Kind,
        box: Place = "",
        source: Annotated[str, Form(description="Where the picture is from.")] = "",
        notes: Annotated[str, Form()] = "",
        origin: Annotated[Origin, Form(description="What the reference comes from.")] = "upload",
        evidence: Annotated[str, Form(description="What proves a known fake: complaint or appraisal.")] = "",
        expires_at: Annotated[str, Form(description="When it stops to count; empty: never.")] = "",
        key: ApiKey = Depends(caller),
    ) -> Reference:
        """Uploads a reference. It counts once the people it waits for (`approval`) and the impact check let it in."""
        brand = registry.get_brand(own(key, brand_id))
        if origin == "descriptor":
            raise Invalid("Descriptions are imported, not uploaded.", code="invalid_origin", field="origin")
        new = NewReference(kind, "", 1, 1, parse_box(box), source, notes, origin, evidence, _time(expires_at))
        return doors.add(Decider.of(key), brand.id, new, image.file.read())

    @router.get("/brands/{brand_id}/references", response_model=PageOut[ReferenceOut])
    def list_references(
        brand_id: str,
        kind: ReferenceKind | None = None,
        state: ReferenceState | None = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 100,
        key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists a brand's references."""
        brand = registry.get_brand(own(key, brand_id))
        found = registry.list_references(brand_id=brand.id, kind=kind, state=state, after=after, limit=limit)
        return Page.of(found, limit)

    @router.get("/references/{reference_id}", response_model=ReferenceOut)
    def get_reference(reference_id: str, key: ApiKey = Depends(caller)) -> Reference:
        """Shows a reference."""
        return own_reference(doors, key, reference_id)

    @router.post("/references/{reference_id}/state", response_model=ReferenceOut)
    def set_reference_state(reference_id: str, body: ReferenceStateChange, key: ApiKey = Depends(caller)) -> Reference:
        """Approves (`active`), rejects, withdraws, or asks for a withdrawn one to be let in again (`pending`).

        A brand may withdraw its own and ask for them again; the rest is for reviewers and admins.
        """
        own_reference(doors, key, reference_id)
        by = Decider.of(key)
        if body.state == "withdrawn":
            return doors.withdraw(by, reference_id, reason=body.reason)
        if body.state == "pending":
            return doors.reopen(by, reference_id, reason=body.reason)
        if key.scope == "brand":
            raise Forbidden("A brand may only withdraw its references, or ask for them again.")
        if body.state == "active":
            return doors.approve(by, reference_id, reason=body.reason)
        if body.state == "rejected":
            return doors.reject(by, reference_id, reason=body.reason)
        raise Invalid("A reference is quarantined by a dispute.", code="invalid_state", field="state")

    @router.post("/references/{reference_id}/approve", response_model=ReferenceOut)
    def approve_reference(reference_id: str, body: Approve, key: ApiKey = Depends(caller)) -> Reference:
        """Lets a pending reference in: a reviewer, an admin, or another key of a brand in good standing.

        What the impact check holds back, an admin lets in with `override` and a reason.
        """
        own_reference(doors, key, reference_id)
        return doors.approve(Decider.of(key), reference_id, override=body.override, reason=body.reason)

    @router.post("/references/{reference_id}/dispute", response_model=ReferenceOut)
    def dispute_reference(reference_id: str, body: Reason, key: ApiKey = Depends(caller)) -> Reference:
        """Takes an active reference out of matching until a reviewer or an admin decides."""
        own_reference(doors, key, reference_id)
        return doors.dispute(Decider.of(key), reference_id, reason=body.reason)

    @router.post("/references/{reference_id}/expiry", response_model=ReferenceOut)
    def set_reference_expiry(reference_id: str, body: Expiry, key: ApiKey = Depends(caller)) -> Reference:
        """Says when a pending or active reference stops to count by itself."""
        own_reference(doors, key, reference_id)
        return doors.end_at(Decider.of(key), reference_id, body.expires_at)

    return router


def own_reference(doors: Doors, key: ApiKey, reference_id: str) -> Reference:
    """The reference, if the key may see it. Raises NotFound."""
    reference = doors.registry.get_reference(reference_id)
    own(key, reference.brand_id)
    return reference


def known_parts(parts: frozenset[str]) -> Callable[[Request], Awaitable[None]]:
    """A dependency that refuses a form with a part that is not known, or with one twice: FastAPI would drop it."""

    async def check(request: Request) -> None:
        names = [name for name, _ in (await request.form()).multi_items()]
        if not parts.issuperset(names):
            raise Invalid("The form has a part that is not known.", code="unknown_field")
        if len(set(names)) != len(names):
            raise Invalid("The form has a part twice.", code="duplicate_field")

    return check


def parse_box(text: str) -> Box | None:
    """A box written as four numbers, None for an empty text. Raises Invalid."""
    if not text:
        return None
    try:
        x0, y0, x1, y1 = (float(side) for side in text.split(","))
    except ValueError:
        raise Invalid("A box is four numbers x0,y0,x1,y1.", code="invalid_box", field="box") from None
    return checks.checked_box((x0, y0, x1, y1))


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return _TIME.validate_python(text)
    except ValidationError:
        raise Invalid("A time is ISO 8601 with its zone.", code="invalid_period", field="expires_at") from None
