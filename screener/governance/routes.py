"""The HTTP routes of governance: previews and impacts, approvals, standings, notices, coverage, descriptions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from brands import approvals, audit, checks, notices, standings
from brands.approvals import FIRST, Decider
from brands.auth import Access, actor, own
from brands.errors import BlobMissing, Invalid
from brands.model import ApiKey, NewReference, Reference
from brands.payloads import Page, PageOut, ReferenceOut
from brands.reference_routes import Kind, Picture, Place, known_parts, own_reference, parse_box
from screener import records
from screener.errors import ScreeningNotFound
from screener.governance.coverage import Coverage, coverage
from screener.governance.descriptors import export_descriptors, import_descriptors
from screener.governance.payloads import (
    CoverageOut,
    DescriptorsIn,
    ImpactOut,
    NegativeBody,
    NoticeOut,
    NoticesOut,
    NoticesRead,
    PreviewOut,
    ReadOut,
    ReferencesOut,
    SampleOut,
    StandingChange,
    StandingOut,
    encoded,
)
from screener.governance.standing import set_standing
from screener.governance.views import ShownImpact, shown_impact
from screener.service import Service

_PARTS = frozenset({"image", "kind", "box"})


def governance_router(service: Service, access: Access, now: Callable[[], datetime]) -> APIRouter:
    """The routes; `now` gives aware UTC times."""
    router = APIRouter(prefix="/v1", tags=["governance"])
    caller, truth, doors = access.caller, service.truth, service.doors

    @router.post(
        "/brands/{brand_id}/references/preview",
        response_model=PreviewOut,
        dependencies=[Depends(caller), Depends(known_parts(_PARTS))],
    )
    def preview_reference(
        brand_id: str, image: Picture, kind: Kind, box: Place = "", key: ApiKey = Depends(caller)
    ) -> PreviewOut:
        """What a picture would match among pictures of nothing, other brands' references and the last listings.

        Nothing is stored.
        """
        found = doors.preview(own(key, brand_id), kind, image.file.read(), parse_box(box))
        shown = shown_impact(found, key.scope, truth.blobs, service.pool)
        return PreviewOut(width=shown.width, height=shown.height, impact=impact_out(shown))

    @router.get("/references/{reference_id}/impact", response_model=ImpactOut)
    def show_impact(reference_id: str, key: ApiKey = Depends(caller)) -> ImpactOut:
        """What a reference matches, or would, among what is there now. Each look is in the audit log."""
        reference = own_reference(doors, key, reference_id)
        found = service.inspector.look_deep(reference)
        shown = shown_impact(found, key.scope, truth.blobs, service.pool)
        with truth.database.write() as connection:
            audit.append(
                connection,
                actor=actor(key),
                action="reference.impact",
                kind="reference",
                object_id=reference.id,
                before=None,
                after={"samples": [shown.sample.screening_id for shown in shown.samples]},
                at=now(),
            )
        return impact_out(shown)

    @router.post("/brands/{brand_id}/negatives", status_code=201, response_model=ReferenceOut)
    def add_negative(brand_id: str, body: NegativeBody, key: ApiKey = Depends(caller)) -> Reference:
        """Registers a listing's picture that was taken for the brand's as looking like it and not being it."""
        return negative_of(service, key, own(key, brand_id), body.screening_id, body.image, body.notes)

    @router.get("/brands/{brand_id}/coverage", response_model=CoverageOut)
    def show_coverage(brand_id: str, key: ApiKey = Depends(caller)) -> Coverage:
        """Which kinds, products and categories lack references."""
        brand = truth.registry.get_brand(own(key, brand_id))
        with truth.database.read() as connection:
            return coverage(connection, service.encoder.bundle, brand.id, brand.categories)

    @router.get("/brands/{brand_id}/standing", response_model=StandingOut)
    def show_standing(brand_id: str, key: ApiKey = Depends(caller)) -> StandingOut:
        """How far the brand is trusted, and by how many decisions."""
        return _standing(service, truth.registry.get_brand(own(key, brand_id)).id)

    @router.post("/brands/{brand_id}/standing", response_model=StandingOut)
    def change_standing(brand_id: str, body: StandingChange, key: ApiKey = Depends(caller)) -> StandingOut:
        """Stops a brand, lets it on, or trusts it (admin); decisions are counted anew from here."""
        brand = truth.registry.get_brand(brand_id)
        reason = checks.checked_text(body.reason, "reason", checks.REASON_MAX, lines=True)
        set_standing(truth.database, brand.id, body.standing, reason=reason, actor=actor(key), at=now())
        return _standing(service, brand.id)

    @router.get("/approvals", response_model=PageOut[ReferenceOut])
    def list_approvals(
        brand_id: str | None = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 100,
        key: ApiKey = Depends(caller),
    ) -> Page:
        """The references that wait for people, oldest first; `approval` says for whom."""
        after, limit = checks.checked_page(after, limit)
        with truth.database.read() as connection:
            found = approvals.waiting(connection, brand_id=brand_id, after=after, limit=limit)
        return Page.of(found, limit)

    @router.get("/brands/{brand_id}/notices", response_model=NoticesOut)
    def list_notices(
        brand_id: str,
        unread: bool = False,
        before: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 50,
        key: ApiKey = Depends(caller),
    ) -> NoticesOut:
        """What the brand should know, newest first."""
        brand = truth.registry.get_brand(own(key, brand_id))
        return _notices(service, brand.id, unread, before, limit)

    @router.post("/brands/{brand_id}/notices/read", response_model=ReadOut)
    def read_notices(brand_id: str, body: NoticesRead, key: ApiKey = Depends(caller)) -> ReadOut:
        """Marks notices of the brand as read."""
        brand = truth.registry.get_brand(own(key, brand_id))
        return _read(service, brand.id, body, key, now())

    @router.get("/notices", response_model=NoticesOut)
    def list_own_notices(
        unread: bool = False,
        before: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 50,
        key: ApiKey = Depends(caller),
    ) -> NoticesOut:
        """What the operator should know, newest first."""
        return _notices(service, None, unread, before, limit)

    @router.post("/notices/read", response_model=ReadOut)
    def read_own_notices(body: NoticesRead, key: ApiKey = Depends(caller)) -> ReadOut:
        """Marks the operator's notices as read (admin)."""
        return _read(service, None, body, key, now())

    @router.get("/brands/{brand_id}/known-fakes/descriptors")
    def export_known_fakes(brand_id: str, key: ApiKey = Depends(caller)) -> dict[str, Any]:
        """A brand's known fakes as hashes and vectors, for another deployment (admin). Each export is audited."""
        brand = truth.registry.get_brand(brand_id)
        with truth.database.write() as connection:
            audit.lock(connection)
            document = export_descriptors(connection, service.encoder.bundle, brand.id)
            audit.append(
                connection,
                actor=actor(key),
                action="brand.export_known_fakes",
                kind="brand",
                object_id=brand.id,
                before=None,
                after={"entries": len(document["entries"])},
                at=now(),
            )
        return document

    @router.post("/brands/{brand_id}/known-fakes/descriptors", status_code=201, response_model=ReferencesOut)
    def import_known_fakes(brand_id: str, body: DescriptorsIn, key: ApiKey = Depends(caller)) -> dict[str, Any]:
        """Adds known fakes from another deployment's export; they wait for a second person (admin)."""
        added = import_descriptors(
            doors,
            service.inspector,
            service.encoder.bundle,
            by=Decider.of(key),
            brand_id=brand_id,
            document=body.model_dump(),
            at=now(),
        )
        return {"items": added}

    return router


def negative_of(service: Service, key: ApiKey, brand_id: str, screening_id: str, image: int, notes: str) -> Reference:
    """A `negative` reference of the brand from a picture of its screening. Raises ScreeningNotFound, Invalid."""
    brand = service.truth.registry.get_brand(brand_id)
    with service.truth.database.read() as connection:
        answer = records.fetch(connection, screening_id)
    matched = answer["brand"]["id"] == brand.id or any(e["brand_id"] == brand.id for e in answer["evidence"])
    if not matched:
        raise ScreeningNotFound("No such screening.")
    if not 0 <= image < len(answer["images"]):
        raise Invalid("The screening has no such picture.", code="no_such_picture", field="image")
    try:
        data = service.truth.blobs.get(answer["images"][image]["sha256"])
    except BlobMissing:
        raise ScreeningNotFound("The listing's picture was not kept.", code="picture_not_kept") from None
    new = NewReference("negative", "", 1, 1, None, f"screening {screening_id}", notes, "upload", screening_id)
    return service.doors.add(Decider.of(key), brand.id, new, data)


def impact_out(shown: ShownImpact) -> ImpactOut:
    """An impact as the API answers it."""
    samples = [
        SampleOut(
            screening_id=one.sample.screening_id,
            image=one.sample.image,
            use=one.sample.use,
            score=one.sample.score,
            prompted=one.sample.prompted,
            brand=one.sample.brand,
            created_at=one.sample.created_at,
            picture=encoded(one.picture),
        )
        for one in shown.samples
    ]
    return ImpactOut.model_validate(
        {**shown.impact, "passed": shown.passed, "samples": samples, "hidden": shown.hidden}
    )


def _standing(service: Service, brand_id: str) -> StandingOut:
    with service.truth.database.read() as connection:
        row = standings.fetch(connection, brand_id)
        vouched = approvals.vouched(connection, brand_id)
    return StandingOut(
        brand_id=row.brand_id,
        standing=row.standing,
        right=row.right,
        wrong=row.wrong,
        since=row.since,
        vouched=vouched,
        first=FIRST,
    )


def _notices(service: Service, brand_id: str | None, unread: bool, before: str | None, limit: int) -> NoticesOut:
    before, limit = checks.checked_page(before, limit)
    with service.truth.database.read() as connection:
        found = notices.fetch_page(connection, brand_id=brand_id, unread=unread, before=before, limit=limit)
        count = notices.count_unread(connection, brand_id)
    items = [NoticeOut.model_validate(notice) for notice in found]
    return NoticesOut(items=items, next=items[-1].id if len(items) == limit else None, unread=count)


def _read(service: Service, brand_id: str | None, body: NoticesRead, key: ApiKey, at: datetime) -> ReadOut:
    with service.truth.database.write() as connection:
        read = notices.mark_read(connection, brand_id=brand_id, ids=body.ids, actor=actor(key), at=at)
    return ReadOut(read=read)
