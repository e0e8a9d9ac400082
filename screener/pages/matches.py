"""A brand's pages of what its names and references matched: the list, one match side by side, and a file of all."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import StreamingResponse

from brands.auth import Access, own
from brands.errors import Invalid
from brands.ids import Clock
from brands.model import OUTCOMES, REFERENCE_KINDS
from brands.sessions import Person
from screener.governance.routes import negative_of
from screener.pages.looks import note_look, together
from screener.pages.rendering import HEADERS, go, part_only, show
from screener.review.export import write_matches
from screener.review.matches import VERDICTS, Asked, read_match, read_matches
from screener.review.trends import by_week, read_trends
from screener.service import Service

PAGE: Final = 24
PERIODS: Final = (30, 90, 365)
"""Days that the plot shows; more than `DAILY` are shown by week."""
DAILY: Final = 90


@dataclass(frozen=True, slots=True)
class _Filters:
    """Which matches are wanted, as the form of filters sends it; empty for any."""

    verdict: str = ""
    kind: str = ""
    outcome: str = ""
    reference_id: str = ""
    since: str = ""
    until: str = ""


def match_pages(service: Service, access: Access, now: Clock) -> APIRouter:
    """The routes under `/app/brands/{brand_id}/matches`, and `.../negatives`."""
    router = APIRouter(prefix="/app/brands/{brand_id}", include_in_schema=False)
    registry, database, blobs = service.truth.registry, service.truth.database, service.truth.blobs

    @router.get("/matches")
    def list_matches(
        request: Request,
        brand_id: str,
        filters: Annotated[_Filters, Depends()],
        days: Annotated[int, Query(ge=1, le=365)] = PERIODS[0],
        after: str = "",
        person: Person = Depends(access.person),
    ) -> Response:
        brand = registry.get_brand(own(person.key, brand_id))
        chosen = asdict(filters)
        with database.read() as conn:
            found = read_matches(
                conn, brand.id, asked_of(chosen), kept=blobs.exists, after=after or None, limit=PAGE + 1
            )
            trends = read_trends(conn, brand.id, until=now().date(), days=days)
        query = {name: value for name, value in chosen.items() if value}
        return show(
            request,
            "matches_part.html" if part_only(request) else "matches.html",
            person=person,
            section="matches",
            brand=brand,
            matches=found[:PAGE],
            more=f"?{urlencode(query | {'after': found[PAGE - 1].id})}" if len(found) > PAGE else None,
            after=after,
            chosen=chosen,
            query=urlencode(query),
            verdicts=VERDICTS,
            kinds=REFERENCE_KINDS,
            outcomes=OUTCOMES,
            trends=by_week(trends) if days > DAILY else trends,
            days=days,
            periods=PERIODS,
        )

    @router.get("/matches.csv")
    def export_matches(
        brand_id: str,
        filters: Annotated[_Filters, Depends()],
        person: Person = Depends(access.person),
    ) -> Response:
        brand = registry.get_brand(own(person.key, brand_id))
        chosen = asdict(filters)
        lines = write_matches(database, brand.id, asked_of(chosen), kept=blobs.exists, actor=person.actor, now=now)
        named = {"Content-Disposition": f'attachment; filename="matches-{brand.id}.csv"'}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=HEADERS | named)

    @router.get("/matches/{screening_id}")
    def show_match(
        request: Request, brand_id: str, screening_id: str, person: Person = Depends(access.person)
    ) -> Response:
        brand = registry.get_brand(own(person.key, brand_id))
        with database.read() as conn:
            match = read_match(conn, brand.id, screening_id, kept=blobs.exists)
        note_look(database, person, "screening", screening_id, now())
        return show(
            request,
            "match.html",
            person=person,
            section="matches",
            brand=brand,
            match=match,
            evidence=together(match.evidence),
            pictures={picture.position: picture for picture in match.pictures},
            most=max((abs(reason["contribution"]) for reason in match.reasons), default=0.0),
        )

    @router.post("/negatives")
    def add_negative(
        brand_id: str,
        screening_id: Annotated[str, Form()],
        image: Annotated[int, Form()],
        person: Person = Depends(access.person),
    ) -> Response:
        """Registers a picture that was taken for the brand's as one that is not."""
        brand = registry.get_brand(own(person.key, brand_id))
        added = negative_of(service, person.key, brand.id, screening_id, image, "")
        return go(f"/app/references/{added.id}?done=added")

    return router


def asked_of(chosen: Mapping[str, str]) -> Asked:
    """The filters of a form, in which an empty field is none; `until` is a day that counts itself. Raises Invalid."""
    since, until = _day(chosen["since"], "since"), _day(chosen["until"], "until")
    return Asked(
        verdict=chosen["verdict"] or None,
        reference_id=chosen["reference_id"] or None,
        kind=chosen["kind"] or None,
        outcome=chosen["outcome"] or None,
        since=since,
        until=until + timedelta(days=1) if until else None,
    )


def _day(text: str, field: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC) if text else None
    except ValueError:
        raise Invalid("A day is YYYY-MM-DD.", code="invalid_day", field=field) from None
