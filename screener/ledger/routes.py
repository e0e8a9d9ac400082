"""The HTTP routes of the sellers' ledger.

A seller's id is the marketplace's free text, which may hold slashes: it is a parameter or a field, never in a path.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from brands import checks
from brands.auth import Access, actor
from brands.database import Database
from brands.errors import Invalid
from brands.model import ApiKey
from brands.payloads import Page, PageOut
from screener.ledger import payloads
from screener.ledger.ledger import Ledger
from screener.ledger.model import SellerAction, SellerEvent
from screener.ledger.read import list_actions, list_events
from screener.rescreens.payloads import RescreenOut
from screener.rescreens.queue import list_rescreens

Limit = Annotated[int, Query(ge=1, le=checks.PAGE_MAX)]
SellerId = Annotated[str, Query(min_length=1, max_length=checks.SELLER_ID_MAX, description="Your id of the seller.")]


def seller_router(database: Database, ledger: Ledger, access: Access) -> APIRouter:
    """The routes `/v1/sellers`, `/v1/seller-events`, `/v1/seller-actions` and `/v1/rescreens`."""
    router = APIRouter(prefix="/v1", tags=["sellers"])
    caller = access.caller

    @router.get("/sellers", response_model=payloads.SellersOut)
    def list_sellers(
        seller_id: SellerId | None = None,
        after: SellerId | None = None,
        limit: Limit = 100,
        _key: ApiKey = Depends(caller),
    ) -> payloads.SellersOut:
        """Shows what counts against sellers now: of one (nothing is known of most), or of all who have entries."""
        if (wanted := _sent(seller_id)) is not None:
            found = [ledger.standing(wanted)]
        else:
            found = ledger.standings(after=_sent(after), limit=limit)
        following = found[-1].seller_id if wanted is None and len(found) == limit else None
        return payloads.SellersOut(
            items=[payloads.SellerStandingOut.model_validate(one) for one in found], next=following
        )

    @router.get("/seller-events", response_model=PageOut[payloads.SellerEventOut])
    def list_seller_events(
        seller_id: SellerId | None = None,
        after: str | None = None,
        limit: Limit = 100,
        _key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists entries of the ledger, of one seller or of all, the oldest first."""
        with database.read() as conn:
            return Page.of(list_events(conn, seller_id=_sent(seller_id), after=after, limit=limit), limit)

    @router.post("/seller-events", status_code=201, response_model=payloads.SellerEventOut)
    def add_seller_event(body: payloads.SellerEventBody, key: ApiKey = Depends(caller)) -> SellerEvent:
        """Enters an upheld complaint, an upheld appeal, or a violation that people confirmed (reviewer, admin)."""
        who = actor(key)
        if body.kind == "appeal":
            assert body.reverses is not None  # the payload's own check
            return ledger.appeal(actor=who, seller_id=body.seller_id, reverses=body.reverses, note=body.note)
        if body.kind == "complaint":
            return ledger.complaint(
                actor=who,
                seller_id=body.seller_id,
                brand_id=body.brand_id,
                case=body.case,
                screening_id=body.screening_id,
                occurred_at=body.occurred_at,
                note=body.note,
            )
        return ledger.violation(
            actor=who,
            seller_id=body.seller_id,
            note=body.note,
            severe=body.severe,
            case=body.case,
            brand_id=body.brand_id,
            screening_id=body.screening_id,
            occurred_at=body.occurred_at,
        )

    @router.get("/seller-actions", response_model=PageOut[payloads.SellerActionOut])
    def list_seller_actions(
        seller_id: SellerId | None = None,
        state: str | None = None,
        after: str | None = None,
        limit: Limit = 100,
        _key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists recommended actions, the oldest first; with `state=recommended`, those that you did not answer."""
        with database.read() as conn:
            found = list_actions(conn, seller_id=_sent(seller_id), state=state, after=after, limit=limit)
        return Page.of(found, limit)

    @router.post("/seller-actions/{action_id}/state", response_model=payloads.SellerActionOut)
    def report_seller_action(action_id: str, body: payloads.ReportBody, key: ApiKey = Depends(caller)) -> SellerAction:
        """Says what you did about an action; you may correct yourself."""
        return ledger.report(actor=actor(key), action_id=action_id, state=body.state, note=body.note)

    @router.get("/rescreens", response_model=PageOut[RescreenOut])
    def list_waiting_rescreens(
        state: Annotated[
            str | None, Query(description="`requested`: send these listings again; the service lacks their pictures.")
        ] = None,
        seller_id: SellerId | None = None,
        after: str | None = None,
        limit: Limit = 100,
        _key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists listings that wait for another look, or waited, the oldest first."""
        with database.read() as conn:
            found = list_rescreens(conn, state=state, seller_id=_sent(seller_id), after=after, limit=limit)
        return Page.of(found, limit)

    return router


def _sent(seller_id: str | None) -> str | None:
    """What no database could hold is no seller's id."""
    if seller_id is not None and "\0" in seller_id:
        raise Invalid("The text has a control character or a lone surrogate.", code="invalid_text", field="seller_id")
    return seller_id
