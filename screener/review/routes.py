"""The HTTP routes of reviewers: the queue, its locks, cases and decisions."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from brands import audit, checks
from brands.auth import Access, actor
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.model import ApiKey
from brands.payloads import Page, PageOut
from screener.payloads import ErrorOut
from screener.review import queue
from screener.review.case import Case, read_case
from screener.review.decide import Decision, decide, list_decisions
from screener.review.payloads import (
    CaseOut,
    DecisionIn,
    DecisionOut,
    ListedDecisionOut,
    NextIn,
    NextOut,
    QueuedOut,
    QueueOut,
)

_ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorOut, "description": "No such case."},
    409: {"model": ErrorOut, "description": "Somebody else has it."},
}


def review_router(database: Database, blobs: FolderBlobs, access: Access, now: Callable[[], datetime]) -> APIRouter:
    """The routes under `/v1/reviews`, and `GET /v1/decisions`; `now` gives aware UTC times."""
    router = APIRouter(prefix="/v1", tags=["reviews"])
    caller = access.caller

    @router.get("/reviews", response_model=QueueOut)
    def list_reviews(
        brand_id: str | None = None,
        appealed: bool | None = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=queue.MOST)] = 50,
        _key: ApiKey = Depends(caller),
    ) -> queue.QueuePage:
        """Lists the open cases, those first that are due most: probability x confidence x price x age."""
        with database.read() as conn:
            return queue.read_queue(conn, now=now(), brand_id=brand_id, appealed=appealed, after=after, limit=limit)

    @router.post("/reviews/next", response_model=NextOut)
    def take_next(body: NextIn, key: ApiKey = Depends(caller)) -> dict[str, queue.Queued | None]:
        """Takes the free case that is due most for 15 minutes; the one that the caller has already comes first."""
        with database.write() as conn:
            case = queue.take_next(
                conn,
                actor=actor(key),
                now=now(),
                brand_id=body.brand_id,
                appealed=body.appealed,
                skip=body.skip,
            )
        return {"case": case}

    @router.get("/reviews/{screening_id}", response_model=CaseOut, responses={404: _ERRORS[404]})
    def show_review(screening_id: str, key: ApiKey = Depends(caller)) -> Case:
        """Shows a screening with all that speaks for or against it. Who looked is in the audit log."""
        with database.read() as conn:
            case = read_case(conn, screening_id, kept=blobs.exists, now=now())
        with database.write() as conn:
            audit.append(
                conn,
                actor=actor(key),
                action="screening.look",
                kind="screening",
                object_id=screening_id,
                before=None,
                after=None,
                at=now(),
            )
        return case

    @router.post("/reviews/{screening_id}/claim", response_model=QueuedOut, responses=_ERRORS)
    def claim_review(screening_id: str, key: ApiKey = Depends(caller)) -> queue.Queued:
        """Takes a case for 15 minutes, or keeps it for 15 more."""
        with database.write() as conn:
            return queue.claim(conn, screening_id=screening_id, actor=actor(key), now=now())

    @router.post("/reviews/{screening_id}/release", response_model=QueuedOut, responses=_ERRORS)
    def release_review(screening_id: str, key: ApiKey = Depends(caller)) -> queue.Queued:
        """Gives a case back."""
        with database.write() as conn:
            return queue.release(conn, screening_id=screening_id, actor=actor(key), now=now())

    @router.post("/reviews/{screening_id}/decisions", status_code=201, response_model=DecisionOut, responses=_ERRORS)
    def decide_review(screening_id: str, body: DecisionIn, key: ApiKey = Depends(caller)) -> Decision:
        """Decides a case, also one that was decided before: the latest decision counts."""
        with database.write() as conn:
            return decide(
                conn,
                screening_id=screening_id,
                outcome=body.outcome,
                notes=body.notes,
                actor=actor(key),
                now=now(),
            )

    @router.get("/decisions", response_model=PageOut[ListedDecisionOut])
    def follow_decisions(
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 100,
        _key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists decisions in the order in which they were made, so that a marketplace can follow them."""
        with database.read() as conn:
            return Page.of(list_decisions(conn, after=after, limit=limit), limit)

    return router
