"""A brand's first page: how it stands, what is new, what lacks, and what matched lately."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request, Response

from brands import notices, standings
from brands.auth import Access, own
from brands.errors import Forbidden
from brands.ids import Clock
from brands.sessions import Person
from screener.governance.coverage import ANGLES, coverage
from screener.pages import rows
from screener.pages.rendering import brand_path, go, part_only, show
from screener.review.matches import Asked, read_matches
from screener.review.precision import brand_precision
from screener.review.trends import read_trends
from screener.service import Service

DAYS: Final = 30
_NOTICES: Final = 20
_MATCHES: Final = 6


def home_pages(service: Service, access: Access, now: Clock) -> APIRouter:
    """The routes `/app/brands/{brand_id}`, `.../coverage` and `.../notices`."""
    router = APIRouter(prefix="/app/brands/{brand_id}", include_in_schema=False)
    registry, database, blobs = service.truth.registry, service.truth.database, service.truth.blobs

    @router.get("")
    def show_home(request: Request, brand_id: str, person: Person = Depends(access.person)) -> Response:
        brand = registry.get_brand(own(person.key, brand_id))
        with database.read() as conn:
            return show(
                request,
                "home.html",
                person=person,
                section="overview",
                brand=brand,
                standing=standings.fetch(conn, brand.id),
                precision=brand_precision(conn, brand.id),
                notices=notices.fetch_page(conn, brand_id=brand.id, unread=True, limit=_NOTICES),
                unread=notices.count_unread(conn, brand.id),
                counts=rows.count_references(conn, brand.id),
                trends=read_trends(conn, brand.id, until=now().date(), days=DAYS),
                matches=read_matches(conn, brand.id, Asked(), kept=blobs.exists, limit=_MATCHES),
                more=None,
                after="",
            )

    @router.get("/coverage")
    def show_coverage(request: Request, brand_id: str, person: Person = Depends(access.person)) -> Response:
        """A page of its own, because it looks at every picture; the first page loads it when it is there itself."""
        brand = registry.get_brand(own(person.key, brand_id))
        with database.read() as conn:
            found = coverage(conn, service.encoder.bundle, brand.id, brand.categories)
        template = "coverage_part.html" if part_only(request) else "coverage.html"
        return show(request, template, person=person, section="overview", brand=brand, coverage=found, angles=ANGLES)

    @router.post("/notices")
    def read_notices(
        brand_id: str, notice: Annotated[str, Form()] = "", person: Person = Depends(access.person)
    ) -> Response:
        """Marks a notice as read, or all of them."""
        brand = registry.get_brand(own(person.key, brand_id))
        if person.key.scope != "brand":
            raise Forbidden("Notices are the brand's to read.")
        with database.write() as conn:
            notices.mark_read(conn, brand_id=brand.id, ids=[notice] if notice else None, actor=person.actor, at=now())
        return go(brand_path(brand))

    return router
