"""The HTTP routes of what a brand's names and references matched: lists, a file, precision, trends."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BeforeValidator

from brands import audit, checks
from brands.auth import Access, actor, own
from brands.blobs import FolderBlobs
from brands.model import ApiKey, Outcome, ReferenceKind
from brands.payloads import Page, PageOut
from brands.registry import Registry
from screener.payloads import ErrorOut
from screener.review.export import write_matches
from screener.review.match_payloads import MatchOut, ReferencePrecisionOut, TrendsOut
from screener.review.matches import Asked, Match, read_match, read_matches
from screener.review.payloads import Verdict
from screener.review.precision import brand_precision, reference_precision
from screener.review.trends import ALL, MOST_DAYS, read_trends


def _iso(value: Any) -> Any:
    """Pydantic would take a number for a time, counting from 1970."""
    if not isinstance(value, str) or value[4:5] != "-":
        raise ValueError("a time is YYYY-MM-DDTHH:MM:SSZ")
    return value


When = Annotated[AwareDatetime, BeforeValidator(_iso)]
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}}, "description": "A line for each match, the latest first."}
}


def match_router(registry: Registry, blobs: FolderBlobs, access: Access, now: Callable[[], datetime]) -> APIRouter:
    """The routes under `/v1/brands/{id}/matches`, and of precision and trends; `now` gives aware UTC times."""
    router = APIRouter(prefix="/v1", tags=["matches"])
    caller, database = access.caller, registry.database

    @router.get("/brands/{brand_id}/matches", response_model=PageOut[MatchOut])
    def list_matches(
        brand_id: str,
        asked: Asked = Depends(_asked),
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 50,
        key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists screenings that name or show the brand, the latest first; nothing in it is of another brand."""
        brand = registry.get_brand(own(key, brand_id))
        with database.read() as conn:
            return Page.of(read_matches(conn, brand.id, asked, kept=blobs.exists, after=after, limit=limit), limit)

    @router.get("/brands/{brand_id}/matches.csv", response_class=StreamingResponse, responses=_CSV)
    def export_matches(
        brand_id: str, asked: Asked = Depends(_asked), key: ApiKey = Depends(caller)
    ) -> StreamingResponse:
        """Writes the matches as CSV, at most 100,000. Who took them is in the audit log."""
        brand = registry.get_brand(own(key, brand_id))
        lines = write_matches(database, brand.id, asked, kept=blobs.exists, actor=actor(key), now=now)
        return csv_file(lines, f"matches-{brand.id}.csv")

    @router.get(
        "/brands/{brand_id}/matches/{screening_id}", response_model=MatchOut, responses={404: {"model": ErrorOut}}
    )
    def show_match(brand_id: str, screening_id: str, key: ApiKey = Depends(caller)) -> Match:
        """Shows one match. Who looked is in the audit log."""
        brand = registry.get_brand(own(key, brand_id))
        with database.read() as conn:
            match = read_match(conn, brand.id, screening_id, kept=blobs.exists)
        with database.write() as conn:
            audit.append(
                conn,
                actor=actor(key),
                action="screening.look",
                kind="screening",
                object_id=screening_id,
                before=None,
                after={"brand": brand.id},
                at=now(),
            )
        return match

    @router.get("/references/{reference_id}/precision", response_model=ReferencePrecisionOut)
    def show_precision(reference_id: str, key: ApiKey = Depends(caller)) -> dict[str, Any]:
        """Shows how often a reference was right, by what people decided last."""
        reference = registry.get_reference(reference_id)
        own(key, reference.brand_id)
        with database.read() as conn:
            found = reference_precision(conn, [reference_id])[reference_id]
        names = ("right", "wrong", "share", "lower", "upper")
        return {"reference_id": reference_id, **{name: getattr(found, name) for name in names}}

    @router.get("/brands/{brand_id}/trends", response_model=TrendsOut)
    def show_trends(
        brand_id: str, days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 90, key: ApiKey = Depends(caller)
    ) -> dict[str, Any]:
        """Shows what each of the last days brought to the brand, and how often its prompts were right."""
        brand = registry.get_brand(own(key, brand_id))
        today = now().date()
        with database.read() as conn:
            found = read_trends(conn, brand.id, until=today, days=days)
            since = datetime.combine(found[0].day, datetime.min.time(), now().tzinfo)
            return {"days": found, "precision": brand_precision(conn, brand.id, since)}

    @router.get("/trends", response_model=TrendsOut)
    def show_all_trends(
        days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 90, _key: ApiKey = Depends(caller)
    ) -> dict[str, Any]:
        """Shows what each of the last days brought, over all brands and listings of none."""
        with database.read() as conn:
            return {"days": read_trends(conn, ALL, until=now().date(), days=days), "precision": None}

    return router


def csv_file(lines: Iterator[str], name: str) -> StreamingResponse:
    """A CSV file to save, sent as it is made."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def _asked(
    verdict: Verdict | None = None,
    reference_id: Annotated[str | None, Query(description="With this reference of the brand.")] = None,
    kind: Annotated[ReferenceKind | None, Query(description="With a reference of this kind.")] = None,
    outcome: Annotated[Outcome | None, Query(description="Of the latest decision.")] = None,
    since: Annotated[When | None, Query(description="Screened at this time or later.")] = None,
    until: Annotated[When | None, Query(description="Screened before this time.")] = None,
) -> Asked:
    return Asked(verdict, reference_id, kind, outcome, since, until)
