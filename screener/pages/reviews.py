"""The reviewer's pages: the queue, and one case at a time."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response

from brands.auth import Access
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.ids import Clock, is_id
from brands.model import Outcome
from brands.sessions import Person
from screener.pages.looks import note_look, together
from screener.pages.rendering import go, part_only, show
from screener.review import queue
from screener.review.case import read_case
from screener.review.decide import decide

_PAGE = 25


def review_pages(database: Database, blobs: FolderBlobs, access: Access, now: Clock) -> APIRouter:
    """The routes under `/app/reviews`."""
    router = APIRouter(prefix="/app/reviews", include_in_schema=False)

    @router.get("")
    def show_queue(
        request: Request, appeals: str = "", after: str | None = None, person: Person = Depends(access.person)
    ) -> Response:
        appealed = True if appeals else None
        with database.read() as conn:
            page = queue.read_queue(conn, now=now(), appealed=appealed, after=after or None, limit=_PAGE)
            counts = {"all": queue.count_open(conn), "appeals": queue.count_open(conn, appealed=True)}
        return show(
            request,
            "reviews.html",
            person=person,
            section="reviews",
            page=page,
            counts=counts,
            appeals=appeals,
            me=person.actor,
            now=now(),
        )

    @router.post("/next")
    def take_next(
        appeals: Annotated[str, Form()] = "",
        skip: Annotated[str, Form()] = "",
        person: Person = Depends(access.person),
    ) -> Response:
        """The case that is due most; `skip` names the one that the reader passes over."""
        with database.write() as conn:
            if skip:
                queue.release(conn, screening_id=skip, actor=person.actor, now=now())
            case = queue.take_next(
                conn, actor=person.actor, now=now(), appealed=True if appeals else None, skip=[skip] if skip else []
            )
        return go(_way(case.screening_id, skip) if case else "/app/reviews?done=none_left")

    @router.get("/{screening_id}")
    def show_case(
        request: Request, screening_id: str, back: str = "", person: Person = Depends(access.person)
    ) -> Response:
        with database.read() as conn:
            case = read_case(conn, screening_id, kept=blobs.exists, now=now())
        note_look(database, person, "screening", screening_id, now())
        return show(
            request,
            "case.html",
            person=person,
            section="reviews",
            case=case,
            evidence=together(case.evidence),
            mine=case.review is not None and case.review.claimed_by == person.actor,
            most=max((abs(reason["contribution"]) for reason in case.reasons), default=0.0),
            back=back if is_id(back) else "",
        )

    @router.post("/{screening_id}/claim")
    def claim_case(request: Request, screening_id: str, person: Person = Depends(access.person)) -> Response:
        with database.write() as conn:
            queue.claim(conn, screening_id=screening_id, actor=person.actor, now=now())
        return Response(status_code=204) if part_only(request) else go(_way(screening_id, ""))

    @router.post("/{screening_id}/release")
    def release_case(screening_id: str, person: Person = Depends(access.person)) -> Response:
        with database.write() as conn:
            queue.release(conn, screening_id=screening_id, actor=person.actor, now=now())
        return go("/app/reviews")

    @router.post("/{screening_id}/decide")
    def decide_case(
        screening_id: str,
        outcome: Annotated[Outcome, Form()],
        notes: Annotated[str, Form()] = "",
        person: Person = Depends(access.person),
    ) -> Response:
        """Decides, and goes on with the next case."""
        with database.write() as conn:
            decide(conn, screening_id=screening_id, outcome=outcome, notes=notes, actor=person.actor, now=now())
            case = queue.take_next(conn, actor=person.actor, now=now())
        return go(_way(case.screening_id, screening_id, "decided") if case else "/app/reviews?done=none_left")

    return router


def _way(screening_id: str, back: str, done: str = "") -> str:
    """Where a case is; `back` is the one before, for the key that goes back."""
    return f"/app/reviews/{screening_id}?{urlencode({'back': back, 'done': done})}"
