"""The HTTP routes of appraisals: adding and importing them, lists, conflicts, and what Label Studio needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from brands import checks
from brands.auth import Access, actor
from brands.database import Database
from brands.model import ApiKey, AppraisalOutcome
from brands.payloads import Page, PageOut
from screener.appraisals import imports, label_studio_setup
from screener.appraisals.labels import list_conflicts
from screener.appraisals.model import Appraisal, AppraisalsRefused, Imported
from screener.appraisals.payloads import (
    AddedOut,
    AppraisalOut,
    AppraisalsIn,
    DisagreementOut,
    ImportedOut,
    ProblemOut,
    WithdrawIn,
    inlined,
    parse_list,
    problem_out,
)
from screener.appraisals.picked import brand_choices, picked_items
from screener.appraisals.store import add, get, list_appraisals, withdraw
from screener.errors import BodyRefused
from screener.payloads import ErrorOut

CSV: Final = "text/csv"
JSON: Final = "application/json"
FORM: Final = "multipart/form-data"
_DAY = "Day of appraisal, inclusive."
_IMPORT_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        CSV: {"schema": {"type": "string"}},
        JSON: {"schema": {"type": "array", "items": {"type": "object"}, "description": "Label Studio's export JSON."}},
        FORM: {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary", "description": "CSV, or Label Studio's JSON."}
                },
            }
        },
    },
}


class RefusedOut(ErrorOut):
    """A list of which nothing was stored: the error is the first problem, `problems` are up to 50 of them."""

    problems: list[ProblemOut]
    total: int


_ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorOut, "description": "No such appraisal."},
    409: {"model": ErrorOut, "description": "It was withdrawn before."},
    415: {"model": ErrorOut, "description": "Neither CSV nor JSON."},
    422: {"model": RefusedOut, "description": "Nothing was stored; every problem has its row."},
}


def appraisal_router(database: Database, access: Access, now: Callable[[], datetime]) -> APIRouter:
    """The routes under `/v1/appraisals`; `now` gives aware UTC times."""
    router = APIRouter(prefix="/v1/appraisals", tags=["appraisals"])
    caller = access.caller

    @router.post(
        "",
        status_code=201,
        response_model=AddedOut,
        responses={422: _ERRORS[422]},
        openapi_extra={
            "requestBody": {"required": True, "content": {JSON: {"schema": inlined(AppraisalsIn.model_json_schema())}}}
        },
    )
    async def add_appraisals(request: Request, key: ApiKey = Depends(caller)) -> Response:
        """Stores appraisals, all of them or none. Two appraisers who differ about an item are both kept.

        Spot checks that waited for one of the items are then appraised.
        """
        body = _json(request)

        def store() -> AddedOut:
            with database.write() as conn:
                made = add(conn, parse_list(body), actor=actor(key), now=now())
            return AddedOut(appraisals=[AppraisalOut.model_validate(one) for one in made])

        return await _answered(request, store)

    @router.post(
        "/import",
        status_code=201,
        response_model=ImportedOut,
        responses={415: _ERRORS[415], 422: _ERRORS[422]},
        openapi_extra={"requestBody": _IMPORT_BODY},
    )
    async def import_appraisals(
        request: Request,
        ground_truth_only: Annotated[
            bool, Query(description="Of Label Studio's annotations, only those marked as ground truth.")
        ] = False,
        key: ApiKey = Depends(caller),
    ) -> Response:
        """Imports a file, whole or not at all: CSV, or what Label Studio exports as JSON. The same file sent again is
        refused, since each of its rows is there already."""
        given = await _file(request)

        def store() -> ImportedOut:
            at, by = now(), actor(key)
            if given.kind == CSV:
                done = imports.import_csv(database, given.data, actor=by, now=at)
            elif given.kind == JSON:
                done = imports.import_tasks(
                    database, given.tasks, actor=by, now=at, ground_truth_only=ground_truth_only
                )
            else:
                done = imports.import_label_studio(
                    database, given.data, actor=by, now=at, ground_truth_only=ground_truth_only
                )
            return imported_out(done)

        return await _answered(request, store)

    @router.get("", response_model=PageOut[AppraisalOut])
    def list_all(
        screening_id: str | None = None,
        listing_id: str | None = None,
        brand_id: str | None = None,
        outcome: AppraisalOutcome | None = None,
        appraiser: str | None = None,
        import_id: str | None = None,
        since: Annotated[date | None, Query(description=_DAY)] = None,
        until: Annotated[date | None, Query(description=_DAY)] = None,
        withdrawn: bool | None = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 100,
        _key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists appraisals in the order in which they came in."""
        with database.read() as conn:
            found = list_appraisals(
                conn,
                screening_id=screening_id,
                listing_id=listing_id,
                brand_id=brand_id,
                outcome=outcome,
                appraiser=appraiser,
                import_id=import_id,
                since=since,
                until=until,
                withdrawn=withdrawn,
                after=after,
                limit=limit,
            )
        return Page.of(found, limit)

    @router.get("/conflicts", response_model=PageOut[DisagreementOut])
    def list_disagreements(
        brand_id: str | None = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 100,
        _key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists items whose appraisers decided differently. They are no labels until one appraisal is withdrawn."""
        with database.read() as conn:
            return Page.of(list_conflicts(conn, brand_id=brand_id, after=after, limit=limit), limit)

    @router.get("/label-studio/configuration", response_class=Response, responses={200: {"content": {"text/xml": {}}}})
    def show_configuration(_key: ApiKey = Depends(caller)) -> Response:
        """The labelling configuration of a Label Studio project whose exports can be imported here."""
        with database.read() as conn:
            brands = brand_choices(conn)
        return Response(label_studio_setup.configuration(brands), media_type="text/xml; charset=utf-8")

    @router.get("/label-studio/tasks", response_model=list[dict[str, Any]])
    def show_tasks(
        request: Request,
        plan_id: Annotated[str | None, Query(description="Of this plan only; else of all open spot checks.")] = None,
        _key: ApiKey = Depends(caller),
    ) -> list[dict[str, Any]]:
        """The items of open spot checks as tasks for Label Studio."""
        with database.read() as conn:
            items = picked_items(conn, plan_id=plan_id)
        return label_studio_setup.tasks(items, base_url=str(request.base_url))

    @router.get("/{appraisal_id}", response_model=AppraisalOut, responses={404: _ERRORS[404]})
    def show(appraisal_id: str, _key: ApiKey = Depends(caller)) -> Appraisal:
        """Shows an appraisal."""
        with database.read() as conn:
            return get(conn, appraisal_id)

    @router.post(
        "/{appraisal_id}/withdraw",
        response_model=AppraisalOut,
        responses={404: _ERRORS[404], 409: _ERRORS[409]},
    )
    def withdraw_one(appraisal_id: str, body: WithdrawIn, key: ApiKey = Depends(caller)) -> Appraisal:
        """Withdraws a mistaken appraisal: it stays and counts no more. Its appraiser may appraise the item anew."""
        with database.write() as conn:
            return withdraw(conn, appraisal_id, reason=body.reason, actor=actor(key), now=now())

    return router


def imported_out(done: Imported) -> ImportedOut:
    """What an import answers."""
    return ImportedOut(import_id=done.import_id, added=done.added, skipped=done.skipped)


class _Given:
    """A file: the raw bytes of a table or of an export, or an export that was read as strict JSON already."""

    def __init__(self, kind: str, data: bytes = b"", tasks: Any = None) -> None:
        self.kind, self.data, self.tasks = kind, data, tasks


async def _answered(request: Request, store: Callable[[], AddedOut | ImportedOut]) -> Response:
    """What `store` answers, or all that is wrong with the list."""
    try:
        done = await run_in_threadpool(store)
    except AppraisalsRefused as refused:
        error = {
            "code": refused.code,
            "message": refused.message,
            "field": refused.field,
            "request_id": request.state.request_id,
        }
        problems = [problem_out(problem).model_dump() for problem in refused.problems]
        return JSONResponse({"error": error, "problems": problems, "total": refused.total}, status_code=422)
    return JSONResponse(done.model_dump(mode="json"), status_code=201)


def _json(request: Request) -> Any:
    if _kind(request) != JSON:
        raise BodyRefused("Send application/json.", code="unsupported_media_type", status=415)
    if not hasattr(request.state, "json"):  # absent for an empty body: the edge parses what there is
        raise BodyRefused("The body is empty.", code="empty_body")
    return request.state.json


async def _file(request: Request) -> _Given:
    kind = _kind(request)
    if kind == JSON:
        return _Given(JSON, tasks=_json(request))
    if kind == CSV:
        return _Given(CSV, await request.body())
    if kind != FORM:
        raise BodyRefused(
            "Send text/csv, application/json or multipart/form-data.", code="unsupported_media_type", status=415
        )
    try:
        async with request.form(max_files=2, max_fields=2) as form:
            parts = form.multi_items()
            if [name for name, _ in parts] != ["file"]:
                raise BodyRefused("There must be exactly one part `file`.", code="missing_part", field="file")
            part = parts[0][1]
            data = await part.read() if isinstance(part, UploadFile) else part.encode()
    except HTTPException as error:  # what Starlette makes of a MultiPartException inside an application
        raise BodyRefused("The multipart body is damaged.", code="invalid_multipart") from error
    return _Given(CSV if not looks_like_json(data) else "", data)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def looks_like_json(data: bytes) -> bool:
    """Whether a file begins as a list or an object does: no table's heading can."""
    return data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{")
