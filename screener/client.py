"""The client of the screening service, for publish hooks: `screen` raises, `screen_or_allow` never does.

`ScreenerClient` runs an `AsyncScreenerClient` in a thread of its own, because only an event loop can end a request at a
wall-clock limit whatever it waits for: a name server, a connection, a byte.
"""

import concurrent.futures
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import anyio
import anyio.from_thread
import httpx

from screener.client_appraisals import AppraisalImport, ItemAppraisal, StoredAppraisal
from screener.client_async import AsyncScreenerClient, Drained, allow, hand_over, why
from screener.client_review import PromptState, ResponseKind, SellerResponse
from screener.client_signals import BuyerSignal, SignalKind
from screener.client_spool import RescreenSpool, SpooledListing
from screener.client_types import (
    Check,
    Evidence,
    FoundWords,
    Listing,
    OnRescreen,
    Outcome,
    Picture,
    Price,
    Reason,
    RowProblem,
    ScreenedBrand,
    ScreenedImage,
    ScreenerAnswerInvalid,
    ScreenerApiError,
    ScreenerClientError,
    ScreenerUnreachable,
    Screening,
    SellerFacts,
    SellerText,
)

GRACE = 0.25  # seconds that the calling thread waits beyond the limit for the loop's own, cleaner end

T = TypeVar("T")


class ScreenerClient:
    """The client for code without an event loop; safe to share between threads, and usable after a fork.

    The parameters are those of `AsyncScreenerClient`.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: float = 10.0,
        on_rescreen: OnRescreen | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._timeout = timeout
        self._on_rescreen = on_rescreen
        self._make = partial(AsyncScreenerClient, base_url, api_key, timeout=timeout, transport=transport, sleep=sleep)
        self._lock = threading.Lock()
        self._running: tuple[int, anyio.from_thread.BlockingPortal, AsyncScreenerClient, ExitStack] | None = None

    def screen(
        self,
        listing: Listing,
        images: Sequence[Picture] = (),
        *,
        idempotency_key: str | None = None,
        deadline_ms: int | None = None,
        language: str | None = None,
    ) -> Screening:
        """Screen a listing with its pictures; see `AsyncScreenerClient.screen`."""
        return self._call(
            lambda client: client.screen(
                listing, images, idempotency_key=idempotency_key, deadline_ms=deadline_ms, language=language
            )
        )

    def screen_or_allow(
        self, listing: Listing, images: Sequence[Picture] = (), *, deadline_ms: int = 1500, language: str | None = None
    ) -> Outcome:
        """Screen a listing, or allow it if there is no answer in time; see `AsyncScreenerClient.screen_or_allow`."""
        try:
            portal, client = self._loop()
            call = portal.start_task_soon(client.attempt, listing, images, deadline_ms, language)
            outcome = _result(call, deadline_ms / 1000)
        except Exception as error:  # a publish hook must not fail because of us, whatever it is
            outcome = allow(why(error))
        if not outcome.rescreen or self._on_rescreen is None:
            return outcome
        return hand_over(self._on_rescreen, listing, images, outcome)

    def respond(
        self, screening_id: str, kind: ResponseKind, *, text: str = "", images: Sequence[Picture] = ()
    ) -> SellerResponse:
        """Tell what the seller did after a prompt; see `AsyncScreenerClient.respond`."""
        return self._call(lambda client: client.respond(screening_id, kind, text=text, images=images))

    def signal(
        self,
        kind: SignalKind,
        listing_id: str,
        text: str,
        *,
        external_id: str | None = None,
        seller_id: str | None = None,
        language: str | None = None,
        occurred_at: datetime | None = None,
    ) -> BuyerSignal:
        """Tell what a buyer wrote; see `AsyncScreenerClient.signal`."""
        return self._call(
            lambda client: client.signal(
                kind,
                listing_id,
                text,
                external_id=external_id,
                seller_id=seller_id,
                language=language,
                occurred_at=occurred_at,
            )
        )

    def prompt_state(self, screening_id: str) -> PromptState:
        """What became of a prompt; see `AsyncScreenerClient.prompt_state`."""
        return self._call(lambda client: client.prompt_state(screening_id))

    def appraise(self, appraisals: Sequence[ItemAppraisal]) -> tuple[StoredAppraisal, ...]:
        """Tell what was found out about items; see `AsyncScreenerClient.appraise`."""
        return self._call(lambda client: client.appraise(appraisals))

    def import_appraisals(self, file: bytes | Path) -> AppraisalImport:
        """Import a file of appraisals; see `AsyncScreenerClient.import_appraisals`."""
        return self._call(lambda client: client.import_appraisals(file))

    def drain(self, spool: RescreenSpool, *, deadline_ms: int | None = None) -> Drained:
        """Screen what waits in a spool; see `AsyncScreenerClient.drain`."""
        portal, client = self._loop()
        return portal.call(partial(client.drain, spool, deadline_ms=deadline_ms))

    def close(self) -> None:
        """Close the connections and end the thread."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None and running[0] == os.getpid():
            _, portal, client, stack = running
            portal.call(client.aclose)
            stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, make: Callable[[AsyncScreenerClient], Awaitable[T]]) -> T:
        """The result of a call of the client, within the time limit."""
        portal, client = self._loop()
        call = portal.start_task_soon(make, client)
        try:
            return _result(call, self._timeout)
        except concurrent.futures.TimeoutError as error:
            raise ScreenerUnreachable("timeout", f"no answer within {self._timeout} s") from error

    def _loop(self) -> tuple[anyio.from_thread.BlockingPortal, AsyncScreenerClient]:
        """The loop's portal and client of this process: threads do not survive a fork."""
        with self._lock:
            if self._running is None or self._running[0] != os.getpid():
                stack = ExitStack()
                portal = stack.enter_context(anyio.from_thread.start_blocking_portal(name="screener-client"))
                self._running = (os.getpid(), portal, self._make(), stack)
            return self._running[1], self._running[2]


def _result(call: "concurrent.futures.Future[T]", seconds: float) -> T:
    try:
        return call.result(seconds + GRACE)
    except concurrent.futures.TimeoutError:
        call.cancel()
        raise


__all__ = [
    "AppraisalImport",
    "AsyncScreenerClient",
    "BuyerSignal",
    "Check",
    "Drained",
    "Evidence",
    "FoundWords",
    "ItemAppraisal",
    "Listing",
    "Outcome",
    "Picture",
    "Price",
    "PromptState",
    "Reason",
    "RescreenSpool",
    "RowProblem",
    "ScreenedBrand",
    "ScreenedImage",
    "ScreenerAnswerInvalid",
    "ScreenerApiError",
    "ScreenerClient",
    "ScreenerClientError",
    "ScreenerUnreachable",
    "Screening",
    "SellerFacts",
    "SellerResponse",
    "SellerText",
    "SignalKind",
    "SpooledListing",
    "StoredAppraisal",
]
