"""The HTTP routes of spot checks: plans, what becomes of their items, and what the results say of all listings."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from brands import checks
from brands.auth import Access, actor
from brands.database import Database
from brands.model import ApiKey
from brands.payloads import Page, PageOut
from screener.payloads import ErrorOut
from screener.review.match_routes import When, csv_file
from screener.spot_checks.export import write_plan
from screener.spot_checks.model import Filters, Pick
from screener.spot_checks.payloads import (
    ESTIMATE_DAYS,
    CancelBody,
    EstimatesOut,
    PickOut,
    PlanBody,
    PlanOut,
    StateBody,
    WholePlanOut,
    estimates_of,
    shown,
)
from screener.spot_checks.plan import plan
from screener.spot_checks.store import cancel_plan, list_plans, read_plan, set_state

_ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorOut, "description": "No such plan or pick."},
    409: {"model": ErrorOut, "description": "Nothing is left to check, or the state does not allow it."},
}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}}, "description": "A line for each item, the most useful first."},
    404: _ERRORS[404],
}


def spot_check_router(database: Database, access: Access, now: Callable[[], datetime]) -> APIRouter:
    """The routes under `/v1/spot-checks`, and `GET /v1/estimates`; `now` gives aware UTC times."""
    router = APIRouter(prefix="/v1", tags=["spot checks"])
    caller = access.caller

    @router.post("/spot-checks/plans", status_code=201, response_model=WholePlanOut, responses={409: _ERRORS[409]})
    def make_plan(body: PlanBody, key: ApiKey = Depends(caller)) -> dict[str, Any]:
        """Draws listings to buy and have examined: at random with known chances, likely counterfeits among them."""
        return shown(plan(database, **body.arguments(), actor=actor(key), now=now()))

    @router.get("/spot-checks/plans", response_model=PageOut[PlanOut])
    def list_all_plans(
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 50,
        _key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists plans, the latest first."""
        with database.read() as conn:
            found = list_plans(conn, after=after, limit=limit)
        page = Page.of(found, limit)
        return Page([shown(own) for own in found], page.next)

    # Before the route of the plan itself, which would take the ending for a part of the id.
    @router.get("/spot-checks/plans/{plan_id}.csv", response_class=StreamingResponse, responses=_CSV)
    def export_plan(plan_id: str, key: ApiKey = Depends(caller)) -> StreamingResponse:
        """Writes a plan as CSV, for whoever buys. Who took it is in the audit log."""
        return csv_file(write_plan(database, plan_id, actor=actor(key), now=now()), f"spot-checks-{plan_id}.csv")

    @router.get("/spot-checks/plans/{plan_id}", response_model=WholePlanOut, responses={404: _ERRORS[404]})
    def show_plan(plan_id: str, _key: ApiKey = Depends(caller)) -> dict[str, Any]:
        """Shows a plan with its items, and why each was picked."""
        with database.read() as conn:
            return shown(read_plan(conn, plan_id))

    @router.post("/spot-checks/{spot_check_id}/state", response_model=PickOut, responses=_ERRORS)
    def move(spot_check_id: str, body: StateBody, key: ApiKey = Depends(caller)) -> Pick:
        """Notes what became of an item: ordered, or cancelled. Its appraisal makes it `appraised`."""
        with database.write() as conn:
            return set_state(
                conn,
                spot_check_id,
                body.state,
                note=body.note,
                orders=body.orders,
                actor=actor(key),
                at=now(),
            )

    @router.post("/spot-checks/plans/{plan_id}/cancel", response_model=WholePlanOut, responses=_ERRORS)
    def cancel(plan_id: str, body: CancelBody, key: ApiKey = Depends(caller)) -> dict[str, Any]:
        """Cancels a plan and those of its items that are not ordered yet."""
        with database.write() as conn:
            return shown(cancel_plan(conn, plan_id, note=body.note, actor=actor(key), at=now()))

    @router.get("/estimates", response_model=EstimatesOut)
    def show_estimates(
        since: Annotated[When | None, Query(description="Plans made at this time or later; 90 days ago.")] = None,
        until: Annotated[When | None, Query(description="Plans made before this time; now.")] = None,
        brand_id: Annotated[str | None, Query(max_length=200, description="Of this recognised brand.")] = None,
        category: Annotated[str | None, Query(max_length=200, description="Of this category.")] = None,
        _key: ApiKey = Depends(caller),
    ) -> dict[str, Any]:
        """Estimates the rates of counterfeits, and precision and recall of the screener, from examined items."""
        end = until or now() + timedelta(microseconds=1)
        return estimates_of(database, since or end - timedelta(days=ESTIMATE_DAYS), end, Filters(brand_id, category))

    return router
