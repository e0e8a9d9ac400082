"""The admin's page of brands: all of them with their standing, and a new one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from brands import checks, standings
from brands.auth import Access
from brands.database import Database
from brands.errors import RegistryError
from brands.ids import Clock
from brands.model import BrandDetails, BrandState, Standing
from brands.registry import Registry
from brands.sessions import Person
from screener.governance.standing import set_standing
from screener.pages.rendering import brand_path, go, show

_PAGE = 100


def brand_pages(registry: Registry, database: Database, access: Access, now: Clock) -> APIRouter:
    """The routes `/app/brands`, `/app/brands/{brand_id}/state` and `.../standing`."""
    router = APIRouter(prefix="/app/brands", include_in_schema=False)

    @router.get("")
    def list_brands(request: Request, after: str | None = None, person: Person = Depends(access.person)) -> Response:
        return _page(request, person, after=after)

    @router.post("")
    def add_brand(
        request: Request, name: Annotated[str, Form()] = "", person: Person = Depends(access.person)
    ) -> Response:
        try:
            brand = registry.add_brand(actor=person.actor, details=BrandDetails(name))
        except RegistryError as error:
            return _page(request, person, fault=error)
        return go(brand_path(brand, "details?done=saved"))

    @router.post("/{brand_id}/state")
    def move_brand(
        brand_id: str, state: Annotated[BrandState, Form()], person: Person = Depends(access.person)
    ) -> Response:
        registry.set_brand_state(actor=person.actor, brand_id=brand_id, state=state)
        return go("/app/brands?done=saved")

    @router.post("/{brand_id}/standing")
    def change_standing(
        brand_id: str,
        standing: Annotated[Standing, Form()],
        reason: Annotated[str, Form()] = "",
        person: Person = Depends(access.person),
    ) -> Response:
        brand = registry.get_brand(brand_id)
        told = checks.checked_text(reason, "reason", checks.REASON_MAX, lines=True)
        set_standing(database, brand.id, standing, reason=told, actor=person.actor, at=now())
        return go(brand_path(brand, "?done=saved"))

    def _page(
        request: Request, person: Person, *, after: str | None = None, fault: RegistryError | None = None
    ) -> Response:
        found = registry.list_brands(after=after, limit=_PAGE)
        with database.read() as conn:
            known = standings.fetch_all(conn)
        return show(
            request,
            "brands.html",
            person=person,
            status=fault.status if fault else 200,
            section="brands",
            brands=found,
            standings=known,
            more=found[-1].id if len(found) == _PAGE else None,
            fault=fault,
        )

    return router
