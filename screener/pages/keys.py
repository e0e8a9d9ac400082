"""The admin's page of keys: who has one, a new one, one that takes over, one that ends; and everybody's own."""

from datetime import UTC, date, datetime, time
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from brands.auth import Access
from brands.errors import Invalid, RegistryError
from brands.ids import Clock
from brands.model import SCOPES, Scope
from brands.registry import Registry
from brands.sessions import Person
from screener.pages.rendering import go, show

_PAGE = 100


def key_pages(registry: Registry, access: Access, now: Clock) -> APIRouter:
    """The routes under `/app/keys`, and `/app/key`. A new key is in the answer that made it, and nowhere else."""
    router = APIRouter(prefix="/app", include_in_schema=False)

    @router.get("/keys")
    def list_keys(request: Request, after: str | None = None, person: Person = Depends(access.person)) -> Response:
        return _page(request, person, after=after)

    @router.post("/keys")
    def create_key(
        request: Request,
        scope: Annotated[Scope, Form()],
        brand_id: Annotated[str, Form()] = "",
        label: Annotated[str, Form()] = "",
        expires: Annotated[str, Form()] = "",
        person: Person = Depends(access.person),
    ) -> Response:
        try:
            _, plaintext = access.keys.create(
                actor=person.actor,
                scope=scope,
                brand_id=brand_id.strip() or None,
                label=label,
                expires_at=end_of_day(expires),
            )
        except RegistryError as error:
            return _page(request, person, fault=error)
        return _page(request, person, plaintext=plaintext)

    @router.post("/keys/{key_id}/rotate")
    def rotate_key(request: Request, key_id: str, person: Person = Depends(access.person)) -> Response:
        _, plaintext = access.keys.rotate(actor=person.actor, key_id=key_id)
        return _page(request, person, plaintext=plaintext)

    @router.post("/keys/{key_id}/revoke")
    def revoke_key(key_id: str, person: Person = Depends(access.person)) -> Response:
        access.keys.revoke(actor=person.actor, key_id=key_id)
        return go("/app/keys?done=revoked")

    @router.get("/key")
    def show_own_key(request: Request, person: Person = Depends(access.person)) -> Response:
        return show(request, "own_key.html", person=person, section="key", plaintext=None)

    @router.post("/key")
    def rotate_own_key(request: Request, person: Person = Depends(access.person)) -> Response:
        _, plaintext = access.keys.rotate(actor=person.actor, key_id=person.key.id)
        return show(request, "own_key.html", person=person, section="key", plaintext=plaintext)

    def _page(
        request: Request,
        person: Person,
        *,
        after: str | None = None,
        plaintext: str | None = None,
        fault: RegistryError | None = None,
    ) -> Response:
        found = access.keys.list(after=after, limit=_PAGE)
        at = now()
        brands = registry.list_brands()
        return show(
            request,
            "keys.html",
            person=person,
            status=fault.status if fault else 200,
            section="keys",
            keys=found,
            live={key.id for key in found if not key.revoked_at and (key.expires_at is None or key.expires_at > at)},
            more=found[-1].id if len(found) == _PAGE else None,
            brands=brands,
            names={brand.id: brand.name for brand in brands},
            scopes=SCOPES,
            plaintext=plaintext,
            fault=fault,
        )

    return router


def end_of_day(text: str) -> datetime | None:
    """The end of a day as a form names it (YYYY-MM-DD, UTC); None for an empty field. Raises Invalid."""
    if not text.strip():
        return None
    try:
        return datetime.combine(date.fromisoformat(text.strip()), time(23, 59, 59), UTC)
    except ValueError:
        raise Invalid("A day is YYYY-MM-DD.", code="invalid_day", field="expires") from None
