"""The page of sellers: what counts against one and why, what the marketplace should do, bursts, and second looks."""

from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response

from brands import checks
from brands.auth import Access
from brands.errors import Invalid
from brands.ids import Clock
from brands.sessions import Person
from screener.ledger.read import actions_of, entries_of, get_action, get_event, list_actions
from screener.pages.rendering import go, show
from screener.rescreens.queue import list_rescreens
from screener.service import Service
from screener.signals.counts import open_bursts

_PAGE: Final = 50
_WAITING: Final = 30


def seller_pages(service: Service, access: Access, now: Clock) -> APIRouter:
    """The routes `/app/sellers`, `/app/seller-actions/{action_id}/state` and `/app/seller-events/{event_id}/appeal`."""
    router = APIRouter(prefix="/app", include_in_schema=False)
    database, ledger, registry = service.truth.database, service.truth.ledger, service.truth.registry

    @router.get("/sellers")
    def show_sellers(
        request: Request, seller_id: str = "", after: str = "", person: Person = Depends(access.person)
    ) -> Response:
        wanted = _sent(seller_id)
        last = _sent(after) or None
        standings = [] if wanted else ledger.standings(after=last, limit=_PAGE + 1)
        with database.read() as conn:
            return show(
                request,
                "sellers.html",
                person=person,
                section="sellers",
                seller_id=wanted,
                standing=ledger.standing(wanted) if wanted else None,
                events=list(reversed(entries_of(conn, wanted))) if wanted else [],
                actions=list(reversed(actions_of(conn, wanted))) if wanted else [],
                waiting=[] if wanted else list_actions(conn, state="recommended", limit=_WAITING),
                rescreens=list_rescreens(conn, seller_id=wanted or None, state=None if wanted else "requested",
                                         limit=_WAITING),
                bursts=open_bursts(conn, now()),
                standings=standings[:_PAGE],
                more=standings[_PAGE - 1].seller_id if len(standings) > _PAGE else None,
                names={brand.id: brand.name for brand in registry.list_brands()},
                policy=ledger.policy,
                now=now(),
            )  # fmt: skip

    @router.post("/seller-actions/{action_id}/state")
    def report(
        action_id: str,
        state: Annotated[Literal["executed", "declined"], Form()],
        note: Annotated[str, Form()] = "",
        person: Person = Depends(access.person),
    ) -> Response:
        with database.read() as conn:
            seller_id = get_action(conn, action_id).seller_id
        ledger.report(actor=person.actor, action_id=action_id, state=state, note=note)
        return go(_of(seller_id))

    @router.post("/seller-events/{event_id}/appeal")
    def appeal(event_id: str, note: Annotated[str, Form()] = "", person: Person = Depends(access.person)) -> Response:
        """Takes an entry back, because the seller's appeal was upheld."""
        with database.read() as conn:
            seller_id = get_event(conn, event_id).seller_id
        ledger.appeal(actor=person.actor, seller_id=seller_id, reverses=event_id, note=note)
        return go(_of(seller_id))

    return router


def _of(seller_id: str) -> str:
    return f"/app/sellers?{urlencode({'seller_id': seller_id, 'done': 'saved'})}"


def _sent(seller_id: str) -> str:
    """What no database could hold is no seller's id."""
    text = seller_id.strip()
    if "\0" in text or len(text) > checks.SELLER_ID_MAX:
        raise Invalid("This is no seller's id.", code="invalid_text", field="seller_id")
    return text
