"""The HTTP routes of references: upload, lists, and the steps between states."""

from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Query, Request, UploadFile

from brands import checks
from brands.auth import actor, own, require
from brands.errors import Forbidden, Invalid
from brands.keys import Keys
from brands.model import Admit, ApiKey, Box, Reference, ReferenceKind, ReferenceState
from brands.payloads import Page, PageOut, ReferenceOut, ReferenceStateChange
from brands.registry import Registry

_PARTS = frozenset({"image", "kind", "box", "source", "notes"})


def reference_router(registry: Registry, keys: Keys, admit: Admit) -> APIRouter:
    """The routes under `/brands/{id}/references` and `/references`; `admit` is the image gate."""
    router = APIRouter(tags=["references"])
    caller = require(keys, "brand")

    @router.post(
        "/brands/{brand_id}/references",
        status_code=201,
        response_model=ReferenceOut,
        dependencies=[Depends(caller), Depends(_known_parts)],
    )
    def add_reference(
        brand_id: str,
        image: Annotated[UploadFile, File(description="JPEG, PNG, WebP or GIF.")],
        kind: Annotated[ReferenceKind, Form()],
        box: Annotated[str, Form(description="The logo's place, relative.", examples=["0.1,0.2,0.6,0.5"])] = "",
        source: Annotated[str, Form(description="Where the picture is from.")] = "",
        notes: Annotated[str, Form()] = "",
        key: ApiKey = Depends(caller),
    ) -> Reference:
        """Uploads a reference: active at once from an admin, pending until an admin decides from a brand."""
        brand = registry.get_brand(own(key, brand_id))
        place = _box(box)
        data = image.file.read()
        admitted = admit(data)
        return registry.add_reference(
            actor=actor(key),
            brand_id=brand.id,
            kind=kind,
            data=data,
            width=admitted.width,
            height=admitted.height,
            box=place,
            source=source,
            notes=notes,
            state="active" if key.scope == "admin" else "pending",
        )

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
        return _own_reference(registry, key, reference_id)

    @router.post("/references/{reference_id}/state", response_model=ReferenceOut)
    def set_reference_state(reference_id: str, body: ReferenceStateChange, key: ApiKey = Depends(caller)) -> Reference:
        """Approves, rejects, withdraws or takes back a reference (admin); a brand may withdraw its own."""
        _own_reference(registry, key, reference_id)
        if key.scope != "admin" and body.state != "withdrawn":
            raise Forbidden("A brand may only withdraw its references.")
        return registry.set_reference_state(
            actor=actor(key), reference_id=reference_id, state=body.state, reason=body.reason
        )

    return router


async def _known_parts(request: Request) -> None:
    """Refuses a form with a part that the route does not know, or with one twice: FastAPI would drop it silently."""
    names = [name for name, _ in (await request.form()).multi_items()]
    if not _PARTS.issuperset(names):
        raise Invalid("The form has a part that is not known.", code="unknown_field")
    if len(set(names)) != len(names):
        raise Invalid("The form has a part twice.", code="duplicate_field")


def _own_reference(registry: Registry, key: ApiKey, reference_id: str) -> Reference:
    reference = registry.get_reference(reference_id)
    own(key, reference.brand_id)
    return reference


def _box(text: str) -> Box | None:
    if not text:
        return None
    try:
        x0, y0, x1, y1 = (float(side) for side in text.split(","))
    except ValueError:
        raise Invalid("A box is four numbers x0,y0,x1,y1.", code="invalid_box", field="box") from None
    return checks.checked_box((x0, y0, x1, y1))
