"""The page of what waits for a second person or an admin, and the answers to it."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request, Response

from brands import approvals, notices
from brands.approvals import Decider
from brands.auth import Access
from brands.database import Database
from brands.doors import Doors
from brands.ids import Clock
from brands.registry import Registry
from brands.sessions import Person
from screener.pages.impacts import Seen
from screener.pages.rendering import go, show

_PAGE: Final = 30
_NOTICES: Final = 50


def approval_pages(registry: Registry, database: Database, doors: Doors, access: Access, now: Clock) -> APIRouter:
    """The routes `/app/approvals`, `/app/notices` and `/app/references/{reference_id}/{approve,reject}`."""
    router = APIRouter(prefix="/app", include_in_schema=False)

    @router.get("/approvals")
    def list_waiting(request: Request, after: str = "", person: Person = Depends(access.person)) -> Response:
        with database.read() as conn:
            found = approvals.waiting(conn, after=after or None, limit=_PAGE + 1)
            impacts = {reference.id: approvals.impact_of(conn, reference.id) for reference in found}
            told = notices.fetch_page(conn, brand_id=None, unread=True, limit=_NOTICES)
            unread = notices.count_unread(conn, None)
        return show(
            request,
            "approvals.html",
            person=person,
            section="approvals",
            references=found[:_PAGE],
            impacts=impacts,
            seen={name: Seen(checked.impact) for name, checked in impacts.items() if checked},
            notices=told,
            unread=unread,
            brands={brand_id: registry.get_brand(brand_id) for brand_id in {one.brand_id for one in found}},
            more=found[_PAGE - 1].id if len(found) > _PAGE else None,
        )

    @router.post("/notices")
    def read_notices(person: Person = Depends(access.person)) -> Response:
        """Marks the operator's notices as read."""
        with database.write() as conn:
            notices.mark_read(conn, brand_id=None, ids=None, actor=person.actor, at=now())
        return go("/app/approvals")

    @router.post("/references/{reference_id}/approve")
    def approve(
        reference_id: str,
        override: Annotated[bool, Form()] = False,
        reason: Annotated[str, Form()] = "",
        then: Annotated[str, Form()] = "",
        person: Person = Depends(access.person),
    ) -> Response:
        doors.approve(Decider.of(person.key), reference_id, override=override, reason=reason)
        return go(_next(then, reference_id, "approved"))

    @router.post("/references/{reference_id}/reject")
    def reject(
        reference_id: str,
        reason: Annotated[str, Form()] = "",
        then: Annotated[str, Form()] = "",
        person: Person = Depends(access.person),
    ) -> Response:
        doors.reject(Decider.of(person.key), reference_id, reason=reason)
        return go(_next(then, reference_id, "rejected"))

    return router


def _next(then: str, reference_id: str, done: str) -> str:
    """Back to the list, or to the reference, from where the decision was made."""
    return f"/app/approvals?done={done}" if then == "list" else f"/app/references/{reference_id}?done={done}"
