"""The HTTP routes of pictures for people: references, listings, what sellers attached, evidence side by side."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from brands.auth import Access
from brands.model import ApiKey
from screener.payloads import ErrorOut
from screener.review.pictures import LEAST_SIDE, MOST_SIDE, Pictures

SideInPixels = Annotated[int, Query(ge=LEAST_SIDE, le=MOST_SIDE, description="Longest side, at most.")]
Position = Annotated[int, Path(ge=0, le=10_000, description="Counted from 0.")]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}, "description": "The picture, encoded anew."},
    404: {"model": ErrorOut, "description": "No such picture, or it was not kept."},
}
_SIDE_BY_SIDE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}, "description": "Listing left, reference right, the matched places marked."},
    404: {"model": ErrorOut, "description": "No such screening or evidence, or its picture was not kept."},
}


def evidence_router(pictures: Pictures, access: Access) -> APIRouter:
    """The routes that answer with a picture, all of them JPEG."""
    router = APIRouter(prefix="/v1", tags=["pictures"])
    caller = access.caller

    @router.get("/references/{reference_id}/picture", response_class=Response, responses=_ANSWERS)
    def show_reference(reference_id: str, side: SideInPixels = 640, key: ApiKey = Depends(caller)) -> Response:
        """Shows a reference; a brand sees its own."""
        return jpeg(pictures.of_reference(key, reference_id, side), keep_seconds=600)

    @router.get("/screenings/{screening_id}/pictures/{position}", response_class=Response, responses=_ANSWERS)
    def show_picture(
        screening_id: str, position: Position, side: SideInPixels = 640, key: ApiKey = Depends(caller)
    ) -> Response:
        """Shows a picture of a listing; a brand sees those of its matches. Who looked is in the audit log."""
        return jpeg(pictures.of_listing(key, screening_id, position, side))

    @router.get("/responses/{response_id}/pictures/{position}", response_class=Response, responses=_ANSWERS)
    def show_attached(
        response_id: str, position: Position, side: SideInPixels = 1200, key: ApiKey = Depends(caller)
    ) -> Response:
        """Shows a picture that a seller attached to a response. Who looked is in the audit log."""
        return jpeg(pictures.of_response(key, response_id, position, side))

    @router.get("/screenings/{screening_id}/evidence/{number}", response_class=Response, responses=_SIDE_BY_SIDE)
    def show_evidence(screening_id: str, number: int, key: ApiKey = Depends(caller)) -> Response:
        """Shows one entry of a screening's `evidence`, counted from 0, as a picture. Each look is in the audit log."""
        return jpeg(pictures.of_evidence(key, screening_id, number))

    return router


def jpeg(data: bytes, *, keep_seconds: int = 0) -> Response:
    """A picture that no shared cache keeps, and the browser only for `keep_seconds`."""
    kept = f"private, max-age={keep_seconds}" if keep_seconds else "private, no-store"
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": kept, "X-Content-Type-Options": "nosniff"})
