"""The HTTP routes of brands, and the router of the whole package.

Every object of another brand answers a brand's key exactly as an unknown one does. Endpoints are plain functions:
FastAPI runs them in its thread pool, because the database and the disk block.
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from brands import checks
from brands.auth import Access, actor, own
from brands.doors import Doors
from brands.key_routes import key_router
from brands.model import ApiKey, Brand
from brands.payloads import BrandBody, BrandOut, BrandStateChange, BrandUpdate, Page, PageOut
from brands.reference_routes import reference_router
from brands.registry import Registry


def brand_routers(registry: Registry, access: Access, doors: Doors) -> tuple[APIRouter, ...]:
    """The routes under `/v1/brands`, `/v1/references` and `/v1/keys`; `doors` lets references in."""
    return brand_router(registry, access), reference_router(doors, access), key_router(access)


def brand_router(registry: Registry, access: Access) -> APIRouter:
    """The routes under `/v1/brands`."""
    router = APIRouter(prefix="/v1/brands", tags=["brands"])
    caller = access.caller

    @router.post("", status_code=201, response_model=BrandOut)
    def add_brand(body: BrandBody, key: ApiKey = Depends(caller)) -> Brand:
        """Registers a brand (admin)."""
        return registry.add_brand(actor=actor(key), details=body.details())

    @router.get("", response_model=PageOut[BrandOut])
    def list_brands(
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 100,
        key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists brands: all of them for an admin, the own one for a brand."""
        page: Sequence[Brand]
        if key.brand_id is None:
            page = registry.list_brands(after=after, limit=limit)
        else:
            after, _ = checks.checked_page(after, limit)
            page = [registry.get_brand(key.brand_id)] if after is None or after < key.brand_id else []
        return Page.of(page, limit)

    @router.get("/{brand_id}", response_model=BrandOut)
    def get_brand(brand_id: str, key: ApiKey = Depends(caller)) -> Brand:
        """Shows a brand."""
        return registry.get_brand(own(key, brand_id))

    @router.put("/{brand_id}", response_model=BrandOut)
    def update_brand(brand_id: str, body: BrandUpdate, key: ApiKey = Depends(caller)) -> Brand:
        """Replaces a brand's details, if it still has the `revision` that was read."""
        return registry.update_brand(
            actor=actor(key),
            brand_id=own(key, brand_id),
            details=body.details(),
            expected_revision=body.revision,
        )

    @router.post("/{brand_id}/state", response_model=BrandOut)
    def set_brand_state(brand_id: str, body: BrandStateChange, key: ApiKey = Depends(caller)) -> Brand:
        """Takes a brand out of matching, or back (admin)."""
        return registry.set_brand_state(actor=actor(key), brand_id=brand_id, state=body.state)

    return router
