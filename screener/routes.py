"""The HTTP routes of screenings and of the service's own state."""

import asyncio
import base64
import binascii
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from brands.auth import Access
from brands.database import Database
from brands.model import ApiKey
from index.live import Live
from screener import records, strict_json
from screener.edge import validation_refusal
from screener.errors import BodyRefused, InputRefused, ListingRefused, Overloaded
from screener.metrics import CONTENT_TYPE, Metrics
from screener.payloads import ErrorOut, ListingIn, ScreeningIn, ScreeningOut
from screener.release import Serving
from screener.screening import Screener, Submission
from screener.settings import Settings

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_PARTS = 64
"""Parts of a multipart body that are counted before it is refused; enough to tell 13 pictures from nonsense."""

_REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/ScreeningIn"}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["listing"],
                "properties": {
                    "listing": {"$ref": "#/components/schemas/ListingIn"},
                    "image": {"type": "array", "maxItems": 12, "items": {"type": "string", "format": "binary"}},
                },
            },
            "encoding": {"listing": {"contentType": "application/json"}},
        },
    },
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorOut, "description": text}
    for status, text in {
        400: "The body is not what its type says.",
        401: "No valid API key.",
        403: "The key's scope does not allow this.",
        413: "The body is too large.",
        415: "Neither JSON nor multipart.",
        422: "Not a listing, or the idempotency key was used for another.",
        503: "More is waiting than can be answered in time.",
    }.items()
}


def screening_router(
    screener: Screener, *, database: Database, access: Access, settings: Settings, metrics: Metrics, threads: int
) -> APIRouter:
    """The routes under `/v1/screenings`; `threads` screenings are judged at once, the others wait their turn."""
    router = APIRouter(prefix="/v1/screenings", tags=["screenings"])
    executor = ThreadPoolExecutor(threads, thread_name_prefix="screening")
    caller = access.caller
    waiting = 0

    @router.post("", response_model=ScreeningOut, responses=_ERRORS, openapi_extra={"requestBody": _REQUEST_BODY})
    async def add_screening(request: Request, key: ApiKey = Depends(caller)) -> JSONResponse:
        """Screens a listing. With an `Idempotency-Key` header, the same request again gets the same answer."""
        nonlocal waiting
        if waiting >= settings.max_waiting:
            raise Overloaded("Too many screenings are waiting.")
        waiting += 1
        metrics.waiting.set(waiting)
        try:
            submission = await _submission(request, key, settings)
            loop = asyncio.get_running_loop()
            return JSONResponse(await loop.run_in_executor(executor, screener.screen, submission))
        finally:
            waiting -= 1
            metrics.waiting.set(waiting)

    @router.get("/{screening_id}", response_model=ScreeningOut, responses={404: {"model": ErrorOut}})
    def get_screening(screening_id: str, key: ApiKey = Depends(caller)) -> JSONResponse:
        """Shows the answer of a screening again."""
        with database.read() as connection:
            return JSONResponse(records.fetch(connection, screening_id))

    return router


def state_router(live: Live[Serving], metrics: Metrics, settings: Settings, closing: Callable[[], bool]) -> APIRouter:
    """`/healthz`, `/readyz` and `/metrics`: for the machine's keepers, without a key."""
    router = APIRouter(tags=["state"])

    @router.get("/healthz")
    def healthz() -> dict[str, str]:
        """Whether the process answers at all."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: {"description": "Not ready."}})
    def readyz() -> JSONResponse:
        """Whether listings can be judged: encoder and index loaded, and the index in agreement with the registry."""
        body, ready = _readiness(live, settings)
        return JSONResponse(body, status_code=200 if ready and not closing() else 503)

    @router.get("/metrics", response_class=Response)
    def read_metrics() -> Response:
        """Prometheus text exposition."""
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return router


def _readiness(live: Live[Serving], settings: Settings) -> tuple[Mapping[str, Any], bool]:
    serving = live.current
    if serving is None:
        return {"status": "starting"}, False
    young = live.age <= settings.ready_max_age_seconds
    return {
        "status": "ready" if young else "stale",
        "release": serving.release.id,
        "encoder": serving.release.encoder,
        "snapshot": serving.release.snapshot,
        "references": serving.directory.references,
        "age_seconds": round(live.age, 1),
    }, young


async def _submission(request: Request, key: ApiKey, settings: Settings) -> Submission:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        # Absent for an empty body: the edge parses what there is.
        if not hasattr(request.state, "json"):
            raise BodyRefused("The body is empty.", code="empty_body")
        parsed, images = _from_json(request.state.json, settings)
    elif kind == "multipart/form-data":
        parsed, images = await _from_multipart(request, settings)
    else:
        raise BodyRefused("Send application/json or multipart/form-data.", code="unsupported_media_type", status=415)
    idempotency_key = request.headers.get("idempotency-key")
    if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise InputRefused(
            "1 to 200 printable ASCII characters.", code="invalid_idempotency_key", field="Idempotency-Key"
        )
    started: float = request.state.started
    seconds = (parsed.deadline_ms or settings.deadline_ms) / 1000
    return Submission(parsed.listing(), images, key.id, started + seconds, started, idempotency_key)


def _from_json(body: Any, settings: Settings) -> tuple[ListingIn, tuple[bytes, ...]]:
    try:
        parsed = ScreeningIn.model_validate(body)
    except ValidationError as error:
        raise validation_refusal(error.errors(include_url=False, include_input=False), code="invalid_listing") from None
    _count(len(parsed.images), settings)
    images = []
    for position, image in enumerate(parsed.images):
        try:
            images.append(base64.b64decode(image.data, validate=True))
        except (binascii.Error, ValueError) as error:
            raise ListingRefused(
                "The picture is not base64.", code="invalid_base64", field=f"images.{position}.data"
            ) from error
    return parsed, tuple(images)


async def _from_multipart(request: Request, settings: Settings) -> tuple[ListingIn, tuple[bytes, ...]]:
    texts, images = [], []
    try:
        async with request.form(max_files=_PARTS, max_fields=_PARTS, max_part_size=settings.body_bytes) as form:
            for name, value in form.multi_items():
                if name == "listing":
                    texts.append(await value.read() if isinstance(value, UploadFile) else value.encode())
                elif name == "image" and isinstance(value, UploadFile):
                    images.append(await value.read())
                else:
                    raise BodyRefused("Only the parts `listing` and `image` (files) are known.", code="unknown_part")
    except HTTPException as error:  # what Starlette makes of a MultiPartException inside an application
        raise BodyRefused("The multipart body is damaged.", code="invalid_multipart") from error
    if len(texts) != 1:
        raise BodyRefused("There must be exactly one part `listing`.", code="missing_part", field="listing")
    _count(len(images), settings)
    try:
        parsed = ListingIn.model_validate(strict_json.loads(texts[0], max_depth=settings.json_depth))
    except ValidationError as error:
        raise validation_refusal(error.errors(include_url=False, include_input=False), code="invalid_listing") from None
    return parsed, tuple(images)


def _count(images: int, settings: Settings) -> None:
    if images > settings.images:
        raise ListingRefused(f"More than {settings.images} pictures.", code="too_many_images", field="images")
