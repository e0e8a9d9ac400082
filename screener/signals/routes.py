"""The HTTP routes of buyers' signals: adding them, lists of them, and bursts."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from brands import checks
from brands.auth import Access, actor
from brands.database import Database
from brands.model import ApiKey, BurstSubject, SignalKind
from brands.payloads import Page, PageOut
from screener.payloads import ErrorOut
from screener.signals.about import TextReader
from screener.signals.counts import fetch_bursts
from screener.signals.payloads import AddedOut, BurstOut, SignalOut, SignalsIn
from screener.signals.store import Signal, add, checked, fetch_page, read_all

_ERRORS: dict[int | str, dict[str, Any]] = {
    422: {"model": ErrorOut, "description": "A signal makes no sense, or its external id stands for another one."},
}
_PLACE = "signals.{}."


def signal_router(database: Database, reader: TextReader, access: Access, now: Callable[[], datetime]) -> APIRouter:
    """The routes `/v1/signals` and `/v1/bursts`; `now` gives aware UTC times."""
    router = APIRouter(prefix="/v1", tags=["signals"])
    caller = access.caller

    @router.post("/signals", status_code=201, response_model=AddedOut, responses=_ERRORS)
    def add_signals(body: SignalsIn, key: ApiKey = Depends(caller)) -> dict[str, tuple[Signal, ...]]:
        """Takes what buyers wrote, up to 100 at once, and tells whether it suspects a counterfeit.

        No verdict changes. Suspected ones bring their listings' cases forward in the review queue, count for spot
        checks, and make bursts.
        """
        at = now()
        news = [checked(one.new(), at, _PLACE.format(number)) for number, one in enumerate(body.signals)]
        readings = read_all(reader, news)
        with database.write() as conn:
            return {"items": add(conn, news, readings, actor=actor(key), now=at, field=_PLACE)}

    @router.get("/signals", response_model=PageOut[SignalOut])
    def list_signals(
        suspected: bool | None = None,
        kind: SignalKind | None = None,
        brand_id: str | None = None,
        seller_id: str | None = None,
        listing_id: str | None = None,
        category: str | None = None,
        since: Annotated[datetime | None, Query(description="Written then or later.")] = None,
        until: Annotated[datetime | None, Query(description="Written before.")] = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 50,
        _key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists signals in the order in which they came."""
        with database.read() as conn:
            found = fetch_page(
                conn,
                suspected=suspected,
                kind=kind,
                brand_id=brand_id,
                seller_id=seller_id,
                listing_id=listing_id,
                category=category,
                since=since,
                until=until,
                after=after,
                limit=limit,
            )
        return Page.of(found, limit)

    @router.get("/bursts", response_model=PageOut[BurstOut])
    def list_bursts(
        going_on: Annotated[bool | None, Query(description="Those that go on, or those that are over.")] = None,
        kind: BurstSubject | None = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 50,
        _key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists bursts of suspicion about a brand, a seller or a category, in the order in which they were found."""
        with database.read() as conn:
            found = fetch_bursts(conn, now=now(), going_on=going_on, kind=kind, after=after, limit=limit)
        return Page.of(found, limit)

    return router
