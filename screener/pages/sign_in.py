"""The pages with which a person signs in with a key and out again, and where they come first."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request, Response

from brands.auth import COOKIE, Access
from brands.errors import AuthError, Forbidden, InvalidKey
from brands.model import Scope
from brands.sessions import LASTS, Person
from screener.pages.rendering import go, show

PEOPLE: Final[tuple[Scope, ...]] = ("brand", "reviewer", "ml", "admin")
"""Whose keys have pages; the others are for machines."""
_FIRST: Final = {"reviewer": "/app/reviews", "ml": "/app/report", "admin": "/app/brands"}


def sign_in_router(access: Access, *, secure: bool) -> APIRouter:
    """The routes `/app/`, `/app/sign-in` and `/app/sign-out`; `secure` sends the cookie over HTTPS only."""
    router = APIRouter(prefix="/app", include_in_schema=False)

    @router.get("/")
    def first_page(person: Person = Depends(access.person)) -> Response:
        return go(_FIRST.get(person.key.scope) or f"/app/brands/{person.key.brand_id}")

    @router.get("/sign-in")
    def show_sign_in(request: Request) -> Response:
        return show(request, "sign_in.html")

    @router.post("/sign-in")
    def sign_in(request: Request, key: Annotated[str, Form()] = "") -> Response:
        try:
            # The session's cookie cannot protect this form, so that a browser must say where it comes from.
            if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                raise Forbidden
            found = access.keys.authenticate(key.strip())
            if found is None:
                raise InvalidKey
            if found.scope not in PEOPLE:
                raise Forbidden
            cookie, _ = access.sessions.open(key.strip())
        except AuthError as error:
            return show(request, "sign_in.html", status=error.status, fault=error)
        response = go("/app/")
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=int(LASTS.total_seconds()),
            path="/app/",
            secure=secure,
            httponly=True,
            samesite="strict",
        )
        return response

    @router.post("/sign-out")
    def sign_out(request: Request, person: Person = Depends(access.person)) -> Response:
        access.sessions.close(request.cookies.get(COOKIE, ""))
        response = go("/app/sign-in?done=signed_out")
        response.delete_cookie(COOKIE, path="/app/")
        return response

    return router
