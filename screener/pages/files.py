"""The files of the pages themselves (style, scripts, icon), and pictures for who may see them."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from brands.auth import Access
from brands.errors import NotFound
from brands.sessions import Person
from screener.pages.rendering import HEADERS, STATIC
from screener.review.pictures import LEAST_SIDE, MOST_SIDE, Pictures

TILE: Final = 320
"""Longest side of a picture in a list, in pixels."""
KINDS: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_AN_HOUR: Final = {"Cache-Control": "private, max-age=3600"}

_Side = Annotated[int, Query(ge=LEAST_SIDE, le=MOST_SIDE)]
_Position = Annotated[int, Path(ge=0, le=10_000)]


def file_router(pictures: Pictures, access: Access) -> APIRouter:
    """The routes `/app/static/{name}` (for everybody) and those of the pictures in the pages."""
    router = APIRouter(prefix="/app", include_in_schema=False)
    own_files = {path.name: path for path in STATIC.iterdir()}

    @router.get("/static/{name}")
    def static_file(name: str) -> Response:
        path = own_files.get(name)
        if path is None:
            raise NotFound
        return Response(path.read_bytes(), media_type=KINDS[path.suffix], headers=HEADERS | _FOR_EVER)

    @router.get("/references/{reference_id}/picture")
    def reference_picture(reference_id: str, side: _Side = TILE, person: Person = Depends(access.person)) -> Response:
        # What a reference shows never changes, and its owner looks at it often.
        return _jpeg(pictures.of_reference(person.key, reference_id, side), _AN_HOUR)

    @router.get("/screenings/{screening_id}/pictures/{position}")
    def listing_picture(
        screening_id: str, position: _Position, side: _Side = TILE, person: Person = Depends(access.person)
    ) -> Response:
        return _jpeg(pictures.of_listing(person.key, screening_id, position, side), {})

    @router.get("/responses/{response_id}/pictures/{position}")
    def attached_picture(
        response_id: str, position: _Position, side: _Side = TILE, person: Person = Depends(access.person)
    ) -> Response:
        return _jpeg(pictures.of_response(person.key, response_id, position, side), {})

    return router


def _jpeg(data: bytes, headers: dict[str, str]) -> Response:
    return Response(data, media_type="image/jpeg", headers=HEADERS | headers)
