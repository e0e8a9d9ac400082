"""The pages of spot checks: which items to buy next and why, what became of them, and what they say of all listings."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Final

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import StreamingResponse

from brands.auth import Access
from brands.blobs import FolderBlobs
from brands.errors import Invalid, RegistryError
from brands.ids import Clock
from brands.model import SPOT_CHECK_STATES, SpotCheckState
from brands.schema import screening_images
from brands.sessions import Person
from screener.appraisals.picked import picked_items
from screener.pages.rendering import HEADERS, go, show
from screener.service import Service
from screener.spot_checks.estimate import estimate
from screener.spot_checks.export import write_plan
from screener.spot_checks.model import BUDGET_MAX, DAYS_MAX, Filters, Pick
from screener.spot_checks.plan import DAYS, plan
from screener.spot_checks.store import STEPS, cancel_plan, list_plans, read_pick, read_plan, set_state

ESTIMATED: Final = timedelta(days=90)
"""How far back plans are looked for; older ones are in the API and the monthly reports."""
_PLANS: Final = 20
_PAGE: Final = 50
_SAID: Final = 0.1
"""Share of a chance from which a strategy is named."""


def spot_check_pages(service: Service, access: Access, now: Clock) -> APIRouter:
    """The routes under `/app/spot-checks`, and `/app/spot-check-items/{spot_check_id}/state`."""
    router = APIRouter(prefix="/app", include_in_schema=False)
    registry, database, blobs = service.truth.registry, service.truth.database, service.truth.blobs

    @router.get("/spot-checks")
    def list_all(request: Request, after: str = "", person: Person = Depends(access.person)) -> Response:
        return _list(request, person, after=after)

    @router.post("/spot-checks")
    def make_plan(
        request: Request,
        budget: Annotated[str, Form()] = "",
        days: Annotated[str, Form()] = str(DAYS),
        brand_id: Annotated[str, Form()] = "",
        category: Annotated[str, Form()] = "",
        person: Person = Depends(access.person),
    ) -> Response:
        typed = {"budget": budget, "days": days, "brand_id": brand_id, "category": category}
        try:
            made = plan(
                database,
                budget=_whole(budget, "budget", BUDGET_MAX),
                window=timedelta(days=_whole(days, "days", DAYS_MAX)),
                filters=Filters(brand_id or None, category.strip() or None),
                actor=person.actor,
                now=now(),
            )
        except RegistryError as error:
            return _list(request, person, typed=typed, fault=error)
        return go(f"/app/spot-checks/{made.id}?done=planned")

    @router.get("/spot-checks/{plan_id}")
    def show_plan(
        request: Request,
        plan_id: str,
        state: str = "",
        behind: Annotated[int, Query(ge=0)] = 0,
        person: Person = Depends(access.person),
    ) -> Response:
        """The items of a plan in the order of their use, those `behind` so many."""
        with database.read() as conn:
            found = read_plan(conn, plan_id)
            wanted = [pick for pick in found.picks if not state or pick.state == state]
            picks = wanted[behind : behind + _PAGE]
            screened = [pick.screening_id for pick in picks]
            items = dict(zip(screened, picked_items(conn, screening_ids=screened), strict=True)) if picks else {}
            pictures = first_pictures(conn, blobs, screened)
        return show(
            request,
            "spot_check_plan.html",
            person=person,
            section="spot_checks",
            plan=found,
            picks=picks,
            items=items,
            pictures=pictures,
            strategies={pick.id: strategies_of(pick) for pick in picks},
            steps=STEPS,
            states=SPOT_CHECK_STATES,
            state=state if state in SPOT_CHECK_STATES else "",
            behind=behind,
            more=behind + _PAGE if len(wanted) > behind + _PAGE else None,
        )

    @router.get("/spot-checks/{plan_id}/plan.csv")
    def export_plan(plan_id: str, person: Person = Depends(access.person)) -> Response:
        lines = write_plan(database, plan_id, actor=person.actor, now=now())
        named = {"Content-Disposition": f'attachment; filename="spot-checks-{plan_id}.csv"'}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=HEADERS | named)

    @router.post("/spot-checks/{plan_id}/cancel")
    def cancel(plan_id: str, person: Person = Depends(access.person)) -> Response:
        with database.write() as conn:
            cancel_plan(conn, plan_id, actor=person.actor, at=now())
        return go(f"/app/spot-checks/{plan_id}?done=cancelled")

    @router.post("/spot-check-items/{spot_check_id}/state")
    def move(
        spot_check_id: str,
        state: Annotated[SpotCheckState, Form()],
        note: Annotated[str, Form()] = "",
        orders: Annotated[str, Form()] = "",
        person: Person = Depends(access.person),
    ) -> Response:
        with database.read() as conn:
            plan_id = read_pick(conn, spot_check_id).plan_id
        with database.write() as conn:
            set_state(
                conn,
                spot_check_id,
                state,
                note=note.strip() or None,
                orders=_whole(orders, "orders", 10**9, least=0) if orders.strip() else None,
                actor=person.actor,
                at=now(),
            )
        return go(f"/app/spot-checks/{plan_id}?done=saved#{spot_check_id}")

    def _list(
        request: Request,
        person: Person,
        *,
        after: str = "",
        typed: Mapping[str, str] | None = None,
        fault: RegistryError | None = None,
    ) -> Response:
        at = now()
        with database.read() as conn:
            found = list_plans(conn, after=after or None, limit=_PLANS + 1)
            told = estimate(conn, since=at - ESTIMATED, until=at + timedelta(microseconds=1))
        return show(
            request,
            "spot_checks.html",
            person=person,
            status=fault.status if fault else 200,
            section="spot_checks",
            plans=found[:_PLANS],
            more=found[_PLANS - 1].id if len(found) > _PLANS else None,
            estimates=told,
            days=ESTIMATED.days,
            states=SPOT_CHECK_STATES,
            names={brand.id: brand.name for brand in registry.list_brands()},
            typed=typed or {"budget": "50", "days": str(DAYS), "brand_id": "", "category": ""},
            most=BUDGET_MAX,
            fault=fault,
        )

    return router


def strategies_of(pick: Pick) -> tuple[tuple[str, float], ...]:
    """The strategies that had a say in a pick, with their shares of its chance, the greatest first."""
    chances: Mapping[str, float] = pick.reasons["chances"]
    total = sum(chances.values()) or 1.0
    said = [(name, chance / total) for name, chance in chances.items() if chance / total >= _SAID]
    return tuple(sorted(said, key=lambda one: -one[1]))


def first_pictures(conn: sa.Connection, blobs: FolderBlobs, screening_ids: Sequence[str]) -> dict[str, int]:
    """The position of the first picture of each screening that can be shown; those without any are left out."""
    columns = (screening_images.c.screening_id, screening_images.c.position, screening_images.c.sha256)
    query = sa.select(*columns).where(
        screening_images.c.screening_id.in_(screening_ids), screening_images.c.sha256.is_not(None)
    )
    found: dict[str, int] = {}
    for screening_id, position, sha256 in conn.execute(query.order_by(*columns[:2])):
        if screening_id not in found and blobs.exists(sha256):
            found[screening_id] = position
    return found


def _whole(text: str, field: str, most: int, least: int = 1) -> int:
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit() and len(stripped) < 12 and least <= int(stripped) <= most):
        raise Invalid(f"A whole number from {least} to {most:,}.", code="invalid_number", field=field)
    return int(stripped)
