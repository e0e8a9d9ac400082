"""The HTTP routes of what sellers did after a prompt, and of what became of it: for the publish hook."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, File, Form, Request, UploadFile

from brands import audit
from brands.auth import Access, actor
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import Invalid
from brands.model import Admit, ApiKey, ResponseKind
from brands.schema import reviews
from screener import records
from screener.errors import ListingRefused
from screener.payloads import ErrorOut
from screener.review.payloads import ResponseOut, StateOut
from screener.review.responses import Response, add_response, checked_response, prompted, responses_of

_PARTS = frozenset({"kind", "text", "image"})
_ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorOut, "description": "No such screening."},
    409: {"model": ErrorOut, "description": "The seller was not prompted, or has responded too often."},
}


def response_router(
    *,
    database: Database,
    blobs: FolderBlobs,
    access: Access,
    admit: Admit,
    most_images: int,
    now: Callable[[], datetime],
) -> APIRouter:
    """The routes under `/v1/screenings/{id}/responses` and `/review`; `admit` is the image gate."""
    router = APIRouter(prefix="/v1/screenings", tags=["screenings"])
    caller = access.caller

    @router.post(
        "/{screening_id}/responses",
        status_code=201,
        response_model=ResponseOut,
        responses=_ERRORS,
        dependencies=[Depends(caller), Depends(_known_parts)],
    )
    def add_seller_response(
        screening_id: str,
        kind: Annotated[ResponseKind, Form(description="What the seller did.")],
        text: Annotated[str, Form(description="What the seller wrote.")] = "",
        image: Annotated[list[UploadFile] | None, File(description="Proof: JPEG, PNG, WebP or GIF.")] = None,
        key: ApiKey = Depends(caller),
    ) -> Response:
        """Notes what the seller did after the prompt. A `proof`, or `published_anyway`, brings the case back to people.

        The same response sent again is no second one.
        """
        kind, text = checked_response(kind, text)
        files = image or []
        if len(files) > most_images:
            raise ListingRefused(f"More than {most_images} pictures.", code="too_many_images", field="image")
        with database.read() as conn:
            prompted(conn, screening_id)  # before anything is stored
        datas = [file.file.read() for file in files]
        for data in datas:
            admit(data)
        hashes = [blobs.put(data) for data in datas]
        with database.write() as conn:
            audit.lock(conn)
            blobs.require(hashes)
            return add_response(
                conn, screening_id=screening_id, kind=kind, text=text, images=hashes, actor=actor(key), now=now()
            )

    @router.get("/{screening_id}/review", response_model=StateOut, responses={404: _ERRORS[404]})
    def get_review_state(screening_id: str, _key: ApiKey = Depends(caller)) -> dict[str, Any]:
        """Shows what became of a prompt: the seller's responses, and what people decided."""
        with database.read() as conn:
            records.fetch(conn, screening_id)
            columns = (reviews.c.state, reviews.c.appealed, reviews.c.outcome, reviews.c.decided_at)
            row = conn.execute(sa.select(*columns).where(reviews.c.screening_id == screening_id)).one_or_none()
            given = responses_of(conn, [screening_id])[screening_id]
        state = row._mapping if row else {"state": None, "appealed": False, "outcome": None, "decided_at": None}
        return {"screening_id": screening_id, **state, "responses": given}

    return router


async def _known_parts(request: Request) -> None:
    """Refuses a form with a part that the route does not know, or a second text: FastAPI would drop it silently."""
    names = [name for name, _ in (await request.form()).multi_items()]
    if not _PARTS.issuperset(names):
        raise Invalid("The form has a part that is not known.", code="unknown_field")
    if any(names.count(name) > 1 for name in _PARTS - {"image"}):
        raise Invalid("The form has a part twice.", code="duplicate_field")
