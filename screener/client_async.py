"""The client of the screening service for code with an event loop.

Every call has one wall-clock limit over connecting, sending, waiting and receiving. A client that only times single
reads would wait for ever on a server that sends a byte a second.
"""

import json
import logging
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import anyio
import anyio.to_thread
import httpx

from screener.client_appraisals import (
    AppraisalImport,
    ItemAppraisal,
    StoredAppraisal,
    appraisals_body,
    parse_appraisals,
    parse_import,
)
from screener.client_review import PromptState, ResponseKind, SellerResponse, parse_response, parse_state
from screener.client_signals import BuyerSignal, SignalKind, parse_signal, signal_body
from screener.client_spool import RescreenSpool, SpooledListing
from screener.client_types import (
    Listing,
    OnRescreen,
    Outcome,
    Picture,
    ScreenerAnswerInvalid,
    ScreenerApiError,
    ScreenerClientError,
    ScreenerUnreachable,
    Screening,
    parse_error,
    parse_screening,
)

ANSWER_LIMIT = 4 * 2**20  # bytes; an answer is a few KiB, so more is not one of ours
PASSING = frozenset({429, 502, 503, 504})  # the service may well answer the same request a moment later
NOT_THE_LISTING = frozenset({401, 403, 404, 408, 409, 425, 429})  # refusals that another time or key may not give
ATTEMPTS = 3
SERVER_SHARE = 0.8  # of the caller's deadline; the rest is for the way there and back
SERVER_LEAST = 50  # milliseconds; the service takes no shorter deadline

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Drained:
    """What `drain` did: answers by listing, ids that were put aside, and why it stopped early (None if it did not)."""

    screened: tuple[tuple[SpooledListing, Screening], ...]
    rejected: tuple[str, ...]
    stopped: str | None


class AsyncScreenerClient:
    """The client for code with an event loop (asyncio or trio).

    `timeout` limits a whole call of `screen` in seconds, retries included. `on_rescreen(listing, images, reason)` is
    called by `screen_or_allow` for each listing that is to be screened later; `RescreenSpool.add` fits. `transport` and
    `sleep` are for tests.
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
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}", "Accept": "application/json"},
            timeout=timeout,
            transport=transport,
        )
        self._timeout = timeout
        self._on_rescreen = on_rescreen
        self._sleep = sleep

    async def screen(
        self,
        listing: Listing,
        images: Sequence[Picture] = (),
        *,
        idempotency_key: str | None = None,
        deadline_ms: int | None = None,
        language: str | None = None,
    ) -> Screening:
        """Screen a listing with its pictures (file contents or paths).

        `deadline_ms` is the service's limit, `language` that of the seller's text. Every call carries an idempotency
        key, so that a retry is never a second screening. Raises ScreenerClientError; OSError for an unreadable path.
        """
        key = idempotency_key or uuid.uuid4().hex
        sent = listing.to_json(deadline_ms=deadline_ms, language=language)
        try:
            with anyio.fail_after(self._timeout):
                return await self._screen(await _encoded(sent, images), key)
        except TimeoutError as error:
            raise ScreenerUnreachable("timeout", f"no answer within {self._timeout} s") from error

    async def screen_or_allow(
        self, listing: Listing, images: Sequence[Picture] = (), *, deadline_ms: int = 1500, language: str | None = None
    ) -> Outcome:
        """Screen a listing, or allow it if there is no answer within `deadline_ms` of wall-clock time; never raises.

        Only a verdict of prompt or review withholds `allowed`. Without an answer, or with one that did not see
        everything, the listing is handed to `on_rescreen` (whose time does not count).
        """
        outcome = await self.attempt(listing, images, deadline_ms, language)
        if not outcome.rescreen or self._on_rescreen is None:
            return outcome
        call = partial(hand_over, self._on_rescreen, listing, images, outcome)
        return await anyio.to_thread.run_sync(call)

    async def respond(
        self, screening_id: str, kind: ResponseKind, *, text: str = "", images: Sequence[Picture] = ()
    ) -> SellerResponse:
        """Tell what the seller did after a prompt, with the pictures that are to prove something.

        The same response told again is no second one. Raises ScreenerClientError; OSError for an unreadable path.
        """
        parts = [("kind", (None, kind.encode())), ("text", (None, text.encode())), *await _pictures(images)]
        path = f"/v1/screenings/{quote(screening_id, safe='')}/responses"
        return await self._in_time("POST", path, {"files": parts}, parse_response)

    async def signal(
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
        """Tell what a buyer wrote in a complaint, with a return or in a review.

        The same signal told again, with your `external_id`, is no second one; without one, that holds for the retries
        of this call alone. Raises ScreenerClientError; ValueError for a time without a zone.
        """
        body = signal_body(
            kind,
            listing_id,
            text,
            external_id=external_id or uuid.uuid4().hex,
            seller_id=seller_id,
            language=language,
            occurred_at=occurred_at,
        )
        return await self._in_time("POST", "/v1/signals", {"json": body}, parse_signal)

    async def prompt_state(self, screening_id: str) -> PromptState:
        """What became of a prompt: the seller's responses and what people decided. Raises ScreenerClientError."""
        path = f"/v1/screenings/{quote(screening_id, safe='')}/review"
        return await self._in_time("GET", path, {}, parse_state)

    async def appraise(self, appraisals: Sequence[ItemAppraisal]) -> tuple[StoredAppraisal, ...]:
        """Tell what was found out about items, all of it or none: the ids in the order sent.

        An appraiser appraises an item once, so a retry never stores anything twice; after an answer that was lost it is
        refused as `duplicate_appraisal`. Raises ScreenerClientError; of a refused list, `problems` has every row's.
        """
        return await self._in_time("POST", "/v1/appraisals", appraisals_body(appraisals), parse_appraisals)

    async def import_appraisals(self, file: bytes | Path) -> AppraisalImport:
        """Import a file of appraisals, whole or not at all: CSV, or what Label Studio exports as JSON.

        Raises ScreenerClientError, as `appraise` does; OSError for an unreadable path.
        """
        data = file if isinstance(file, bytes) else await anyio.to_thread.run_sync(file.read_bytes)
        parts = [("file", ("appraisals", data, "application/octet-stream"))]
        return await self._in_time("POST", "/v1/appraisals/import", {"files": parts}, parse_import)

    async def drain(self, spool: RescreenSpool, *, deadline_ms: int | None = None) -> Drained:
        """Screen what waits in a spool, oldest first; stops at the first sign that the service is not there."""
        screened: list[tuple[SpooledListing, Screening]] = []
        rejected: list[str] = []
        queue = iter(spool)
        while (waiting := await anyio.to_thread.run_sync(next, queue, None)) is not None:
            try:
                answer = await self.screen(
                    waiting.listing, waiting.images, idempotency_key=waiting.id, deadline_ms=deadline_ms
                )
            except ScreenerApiError as error:
                if error.status >= 500 or error.status in NOT_THE_LISTING:
                    return Drained(tuple(screened), tuple(rejected), error.code)
                await anyio.to_thread.run_sync(spool.reject, waiting.id)
                rejected.append(waiting.id)
            except ScreenerClientError as error:
                return Drained(tuple(screened), tuple(rejected), why(error))
            else:
                await anyio.to_thread.run_sync(spool.remove, waiting.id)
                screened.append((waiting, answer))
        return Drained(tuple(screened), tuple(rejected), None)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def attempt(
        self, listing: Listing, images: Sequence[Picture], deadline_ms: int, language: str | None
    ) -> Outcome:
        """`screen_or_allow` without handing the listing over."""
        try:
            with anyio.fail_after(deadline_ms / 1000):
                sent = listing.to_json(
                    deadline_ms=max(SERVER_LEAST, int(deadline_ms * SERVER_SHARE)), language=language
                )
                screening = await self._screen(await _encoded(sent, images), uuid.uuid4().hex)
        except Exception as error:  # a publish hook must not fail because of us, whatever it is
            return allow(why(error))
        allowed = screening.verdict not in ("prompt", "review")
        return Outcome(allowed, True, screening.rescreen, False, "degraded" if screening.rescreen else None, screening)

    async def _screen(self, body: Mapping[str, Any], key: str) -> Screening:
        headers = {"Idempotency-Key": key, **body.get("headers", {})}
        return await self._send("POST", "/v1/screenings", {**body, "headers": headers}, parse_screening)

    async def _in_time(self, method: str, path: str, body: Mapping[str, Any], parse: Callable[[bytes], T]) -> T:
        try:
            with anyio.fail_after(self._timeout):
                return await self._send(method, path, body, parse)
        except TimeoutError as error:
            raise ScreenerUnreachable("timeout", f"no answer within {self._timeout} s") from error

    async def _send(self, method: str, path: str, body: Mapping[str, Any], parse: Callable[[bytes], T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            wait = random.uniform(0.5, 1.0) * 0.2 * 2 ** (attempt - 1)  # noqa: S311  spreads retries, guards nothing
            failure: ScreenerClientError
            try:
                response, answer = await self._request(method, path, body)
            except httpx.TransportError as error:
                failure = ScreenerUnreachable("unreachable", f"{type(error).__name__}: {error}")
                failure.__cause__ = error
            except httpx.HTTPError as error:
                raise ScreenerAnswerInvalid(f"{type(error).__name__}: {error}") from error
            else:
                if response.status_code in (200, 201):
                    return parse(answer)
                failure = parse_error(response.status_code, answer)
                if response.status_code not in PASSING:
                    raise failure
                wait = max(wait, _retry_after(response))
            if attempt == ATTEMPTS or wait > anyio.current_effective_deadline() - anyio.current_time():
                raise failure  # better now than a timeout that hides it
            await self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _request(self, method: str, path: str, body: Mapping[str, Any]) -> tuple[httpx.Response, bytes]:
        answer = bytearray()
        async with self._http.stream(method, path, **body) as response:
            async for chunk in response.aiter_bytes():
                answer += chunk
                if len(answer) > ANSWER_LIMIT:
                    raise ScreenerAnswerInvalid(f"the answer is larger than {ANSWER_LIMIT} bytes")
        return response, bytes(answer)


async def _encoded(sent: dict[str, Any], images: Sequence[Picture]) -> Mapping[str, Any]:
    """The request's body as httpx takes it: a form, or plain JSON for a listing without pictures."""
    head = json.dumps(sent, allow_nan=False).encode()
    if not images:
        return {"content": head, "headers": {"Content-Type": "application/json"}}
    return {"files": [("listing", (None, head, "application/json")), *await _pictures(images)]}


async def _pictures(images: Sequence[Picture]) -> list[Any]:
    """Pictures as the parts of a form."""
    parts: list[Any] = []
    for position, image in enumerate(images):
        if isinstance(image, Path):
            data = await anyio.to_thread.run_sync(image.read_bytes, abandon_on_cancel=True)
        else:
            data = image
        parts.append(("image", (f"{position}", data, "application/octet-stream")))
    return parts


def allow(reason: str) -> Outcome:
    """The outcome without an answer."""
    return Outcome(allowed=True, screened=False, rescreen=True, marked=False, reason=reason, screening=None)


def hand_over(receive: OnRescreen, listing: Listing, images: Sequence[Picture], outcome: Outcome) -> Outcome:
    """Give a listing to whoever screens it later; the outcome says whether that went well."""
    marked = True
    try:
        receive(listing, images, outcome.reason or "degraded")
    except Exception:  # the seller must not pay for a full disk
        marked = False
        _log.exception("a listing could not be handed over for screening later")
    return Outcome(outcome.allowed, outcome.screened, outcome.rescreen, marked, outcome.reason, outcome.screening)


def why(error: BaseException) -> str:
    """A short code for logs and spools."""
    match error:
        case ScreenerApiError():
            return error.code
        case ScreenerUnreachable():
            return error.reason
        case ScreenerAnswerInvalid():
            return "answer_invalid"
        case TimeoutError():
            return "timeout"
        case OSError():
            return "picture_unreadable"
        case _:
            return "client_error"


def _retry_after(response: httpx.Response) -> float:
    """The seconds the service asks to wait; other forms of the header are not used by it."""
    asked = response.headers.get("Retry-After", "0")
    return float(asked) if asked.isdecimal() else 0.0
