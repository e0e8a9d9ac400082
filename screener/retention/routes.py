"""The HTTP routes of trace, retention and erasure: the audit log, legal holds, what is due, receipts."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from brands import audit_export, checkpoints, checks, holds, receipts
from brands.audit_export import Filter
from brands.auth import Access, actor
from brands.holds import Hold
from brands.model import ApiKey
from brands.payloads import Page, PageOut, Time
from screener.retention import payloads
from screener.retention.due import Plan
from screener.retention.erase import COMPACT_AT_ONCE, unfinished
from screener.truth import Truth

Limit = Annotated[int, Query(ge=1, le=checks.PAGE_MAX)]
After = Annotated[int, Query(ge=0, lt=2**63)]
Word = Annotated[str | None, Query(max_length=200)]


def retention_routers(truth: Truth, access: Access, now: Callable[[], datetime]) -> tuple[APIRouter, ...]:
    """The routes under `/v1/audit`, `/v1/holds`, `/v1/retention`, `/v1/erasures`, `/v1/receipts`."""
    return _trace(truth, access), _holds(truth, access, now), _deletion(truth, access, now)


def _trace(truth: Truth, access: Access) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["trace"])
    database, caller = truth.database, access.caller

    @router.get("/audit")
    def list_audit_rows(
        actor: Word = None,
        action: Word = None,
        kind: Word = None,
        object_id: Word = None,
        since: Time | None = None,
        until: Time | None = None,
        after: After = 0,
        limit: Limit = 100,
        _key: ApiKey = Depends(caller),
    ) -> PageOut[payloads.AuditRowOut]:
        """Lists rows of the audit log by their number: who changed what, when, before and after (admin, ops)."""
        wanted = Filter(actor, action, kind, object_id, since, until)
        with database.read() as conn:
            rows = audit_export.fetch_page(conn, wanted, after=after, limit=limit)
        following = str(rows[-1]["sequence"]) if len(rows) == limit else None
        return PageOut(items=[payloads.AuditRowOut.model_validate(row) for row in rows], next=following)

    @router.get("/audit/checkpoints")
    def list_checkpoints(
        after: After = 0, limit: Limit = 100, _key: ApiKey = Depends(caller)
    ) -> PageOut[payloads.CheckpointOut]:
        """Lists the signed checkpoints of the audit log; keep copies where this machine's keepers cannot write."""
        with database.read() as conn:
            found = checkpoints.fetch_page(conn, after=after, limit=limit)
        following = str(found[-1].sequence) if len(found) == limit else None
        return PageOut(items=[payloads.CheckpointOut.model_validate(one) for one in found], next=following)

    @router.get("/receipts", response_model=PageOut[payloads.ReceiptOut])
    def list_receipts(after: str | None = None, limit: Limit = 100, _key: ApiKey = Depends(caller)) -> Page:
        """Lists the signed receipts of what was deleted (admin, ops)."""
        after, _ = checks.checked_page(after, limit)
        with database.read() as conn:
            return Page.of(receipts.fetch_page(conn, after=after, limit=limit), limit)

    return router


def _holds(truth: Truth, access: Access, now: Callable[[], datetime]) -> APIRouter:
    router = APIRouter(prefix="/v1/holds", tags=["retention"])
    database, caller = truth.database, access.caller

    @router.get("", response_model=PageOut[payloads.HoldOut])
    def list_holds(
        released: bool | None = None,
        after: str | None = None,
        limit: Limit = 100,
        _key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists legal holds (admin, ops)."""
        after, _ = checks.checked_page(after, limit)
        with database.read() as conn:
            return Page.of(holds.fetch_page(conn, released=released, after=after, limit=limit), limit)

    @router.post("", status_code=201, response_model=payloads.HoldOut)
    def add_hold(body: payloads.HoldBody, key: ApiKey = Depends(caller)) -> Hold:
        """Forbids to delete a screening, or anything of a brand or a seller, until the hold is released (admin)."""
        with database.write() as conn:
            return holds.add(
                conn, kind=body.kind, object_id=body.object_id, reason=body.reason, actor=actor(key), at=now()
            )

    @router.post("/{hold_id}/release", response_model=payloads.HoldOut)
    def release_hold(hold_id: str, key: ApiKey = Depends(caller)) -> Hold:
        """Ends a legal hold (admin)."""
        with database.write() as conn:
            return holds.release(conn, hold_id, actor=actor(key), at=now())

    return router


def _deletion(truth: Truth, access: Access, now: Callable[[], datetime]) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["retention"])
    caller = access.caller

    @router.get("/retention", response_model=payloads.PlanOut)
    def plan_retention(_key: ApiKey = Depends(caller)) -> Plan:
        """Says how many cases are due to be deleted now (admin, ops)."""
        return truth.retention.plan(now())

    @router.post("/retention/run")
    def run_retention(key: ApiKey = Depends(caller)) -> payloads.BatchOut:
        """Deletes one batch of the cases that are due; the service does so by itself (admin)."""
        receipt = truth.retention.run_batch(actor=actor(key), now=now())
        return payloads.BatchOut(receipt=receipt and payloads.ReceiptOut.model_validate(receipt))

    @router.post("/erasures", status_code=201)
    def erase(body: payloads.ErasureBody, key: ApiKey = Depends(caller)) -> payloads.ErasedOut:
        """Erases everything of a brand or a seller, for good (admin).

        `confirm` repeats the id. If the answer never came, ask again: it goes on where it stopped.
        """
        done = truth.eraser.erase(
            body.kind,
            body.object_id,
            confirm=body.confirm,
            actor=actor(key),
            compact_up_to=COMPACT_AT_ONCE,
        )
        return payloads.ErasedOut(receipt=payloads.ReceiptOut.model_validate(done.receipt), compacted=done.compacted)

    @router.get("/erasures")
    def list_unfinished_erasures(_key: ApiKey = Depends(caller)) -> list[payloads.UnfinishedOut]:
        """Lists erasures that were begun and are not finished; ask for them again (admin, ops)."""
        with truth.database.read() as conn:
            return [payloads.UnfinishedOut.model_validate(one) for one in unfinished(conn)]

    return router
