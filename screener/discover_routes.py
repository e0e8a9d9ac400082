"""The HTTP route of discoveries: brands that nobody registered, for those who register brands."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from brands.auth import Access
from brands.database import Database
from brands.model import ApiKey
from screener.bundle import Bundle
from screener.discover import Found, find_discoveries
from screener.payloads import ErrorOut

MOST_LISTINGS = 10_000
"""Listings that are looked through for an answer, the newest: some ten seconds of a core with three pictures each. The
command line takes more."""
KEPT = timedelta(minutes=5)
"""So long the answer for a number of days is given again."""


class _Out(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AskedOut(_Out):
    """What is asked in one currency."""

    currency: str
    listings: int
    low: Decimal = Field(description="10th percentile.")
    median: Decimal
    high: Decimal = Field(description="90th percentile.")
    value: Decimal = Field(description="Median times listings.")


class SampleOut(_Out):
    """A listing of the group."""

    listing_id: str
    screening_id: str


class DiscoveryOut(_Out):
    """Listings that are likely of one brand that nobody registered."""

    name: str | None = Field(description="The likely name; null where nothing stands out.")
    named_by: Literal["declared", "pictures", "title"] | None = Field(description="Where the name is from.")
    names: list[str] = Field(description="All names that sellers declared or claimed, the most frequent first.")
    listings: int
    sellers: int
    asked: list[AskedOut]
    growth: float = Field(description="Listings in the last quarter of the time over an even flow; 1 is even.")
    replica_share: float = Field(description="Share of the listings that use the vocabulary of copies.")
    top_words: list[str]
    categories: list[str]
    first_seen: datetime
    last_seen: datetime
    samples: list[SampleOut] = Field(description="The newest listings, of different sellers as far as possible.")
    points: dict[str, float] = Field(description="The parts of the score.")
    score: float


class DiscoveriesOut(_Out):
    """Discoveries, the most worthwhile first, and what they were found among."""

    since: datetime
    at: datetime = Field(description="When it was computed; the answer is kept for minutes.")
    unknown: int = Field(description="Listings of unknown brands in the time.")
    listings: int = Field(description="How many of them, the newest, were looked through.")
    pictures: int = Field(description="Pictures whose vectors were compared.")
    discoveries: list[DiscoveryOut]


def discovery_router(
    database: Database, access: Access, bundle: Callable[[], Bundle], now: Callable[[], datetime]
) -> APIRouter:
    """`GET /v1/discoveries`; `bundle` gives the one whose vectors are compared, `now` aware UTC times."""
    router = APIRouter(prefix="/v1/discoveries", tags=["discoveries"])
    caller = access.caller
    one_at_a_time = threading.Lock()
    kept: dict[tuple[str, int], Found] = {}

    @router.get("", response_model=DiscoveriesOut, responses={403: {"model": ErrorOut}})
    def list_discoveries(
        since_days: Annotated[int, Query(ge=1, le=3650)] = 30,
        most: Annotated[int, Query(ge=1, le=200)] = 20,
        key: ApiKey = Depends(caller),
    ) -> dict[str, Any]:
        """Lists brands that nobody registered and that are worth it (admin)."""
        serving = bundle()
        with one_at_a_time:  # it takes a core for a while
            found = kept.get((serving.id, since_days))
            if found is None or now() - found.at > KEPT:
                found = find_discoveries(database, serving, days=since_days, most_listings=MOST_LISTINGS, now=now)
                for old in [asked for asked, before in kept.items() if now() - before.at > KEPT]:
                    del kept[old]
                kept[serving.id, since_days] = found
        return found.record(most)

    return router
