"""Delivers messages in a thread of its own, each at least once; a slow endpoint holds up nobody else."""

import asyncio
import contextlib
import random
import ssl
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from brands.database import Database
from brands.errors import RegistryError
from brands.ids import utc_now
from screener.metrics import Metrics
from screener.webhooks import claims, messages
from screener.webhooks.addresses import look_up
from screener.webhooks.endpoints import Endpoint, Endpoints
from screener.webhooks.schedule import rest_after
from screener.webhooks.sending import GONE, TIMEOUT_S, Attempt, Lookup, Sender
from screener.webhooks.signing import signed_headers

log = structlog.get_logger()

POLL_S: Final = 1.0
"""How often the database is asked for messages that are due."""
ENDPOINTS_AT_ONCE: Final = 8
FORGET_EVERY: Final = timedelta(hours=1)


class Deliverer:
    """Several may work on one database: what one has taken, no other sends meanwhile."""

    def __init__(
        self,
        *,
        database: Database,
        endpoints: Endpoints,
        keep: timedelta,
        metrics: Metrics | None = None,
        now: Callable[[], datetime] = utc_now,
        randomness: Callable[[], float] = random.random,
        timeout: float = TIMEOUT_S,
        trust: ssl.SSLContext | None = None,
        lookup: Lookup = look_up,
    ) -> None:
        """`keep` is how long messages are kept, whatever became of them; the rest is that of `Sender`."""
        self._database, self._endpoints, self._keep, self._metrics = database, endpoints, keep, metrics
        self._now, self._randomness = now, randomness
        self._timeout, self._trust, self._lookup = timeout, trust, lookup
        self._failures: dict[str, tuple[int, datetime]] = {}  # in a row, and until when the endpoint rests
        self._next_forgetting: datetime | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Delivers what is due until `close`."""
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; an attempt under way is given up, and made again by whoever starts next."""
        self._stopping.set()
        if self._thread:
            if self._loop and self._work:
                with contextlib.suppress(RuntimeError):  # the loop has ended by itself meanwhile
                    self._loop.call_soon_threadsafe(self._work.cancel)
            self._thread.join()

    def deliver_due(self) -> int:
        """Sends what is due now and waits for the end of it; how many attempts. For whoever has no thread."""
        return asyncio.run(self._round())

    def forget(self) -> int:
        """Deletes messages that have been kept long enough, a batch at a time; how many."""
        now = self._now()
        if self._next_forgetting and now < self._next_forgetting:
            return 0
        with self._database.write() as conn:
            gone = messages.forget_old(conn, before=now - self._keep)
        self._next_forgetting = None if gone else now + FORGET_EVERY
        return gone

    def _run(self) -> None:
        async def work() -> None:
            self._loop, self._work = asyncio.get_running_loop(), asyncio.current_task()
            while not self._stopping.is_set():
                try:
                    await self._serve_until_quiet()
                    await asyncio.to_thread(self.forget)
                except RegistryError as error:  # the messages are safe in the database that cannot be reached
                    log.warning("webhooks_stalled", error=type(error).__name__, message=str(error))
                except Exception:
                    log.exception("webhooks_stalled")
                await asyncio.sleep(POLL_S)

        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(work())

    async def _serve_until_quiet(self) -> None:
        """Looks for work while others are still being served: one endpoint that is slow keeps nobody waiting."""
        busy: dict[str, asyncio.Task[int]] = {}
        try:
            while True:
                for endpoint_id in await asyncio.to_thread(self._waiting):
                    if endpoint_id not in busy and len(busy) < ENDPOINTS_AT_ONCE:
                        busy[endpoint_id] = asyncio.create_task(self._serve(endpoint_id))
                if not busy:
                    return
                await asyncio.wait(busy.values(), timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
                for endpoint_id in [one for one, task in busy.items() if task.done()]:
                    busy.pop(endpoint_id).result()
        finally:
            for task in busy.values():
                task.cancel()
            await asyncio.gather(*busy.values(), return_exceptions=True)

    async def _round(self) -> int:
        waiting = await asyncio.to_thread(self._waiting)
        return sum([await self._serve(endpoint_id) for endpoint_id in waiting])

    def _waiting(self) -> list[str]:
        now = self._now()
        with self._database.read() as conn:
            found = claims.waiting_endpoints(conn, now)
        return [one for one in found if one not in self._failures or self._failures[one][1] <= now]

    async def _serve(self, endpoint_id: str) -> int:
        """Sends an endpoint what is due, the oldest first, until there is no more or an attempt fails; how many."""
        sent = 0
        sender: Sender | None = None
        unsent: tuple[claims.Due, ...] = ()
        try:
            while True:
                endpoint, taken = await asyncio.to_thread(self._take, endpoint_id)
                if endpoint is None or not taken:
                    return sent
                sender = sender or self._sender(endpoint)
                for position, due in enumerate(taken):
                    unsent = taken[position:]
                    at = self._now()
                    headers = signed_headers(self._endpoints.secrets(endpoint, at), due.message_id, at, due.body)
                    attempt = await sender.send(headers, due.body)
                    sent += 1
                    unsent = unsent[1:]
                    await asyncio.to_thread(self._record, endpoint_id, due, attempt, unsent)
                    if attempt.error is not None:
                        return sent
        except asyncio.CancelledError:  # who starts next need not wait for the end of the lease
            with self._database.write() as conn:
                claims.give_back(conn, endpoint_id, unsent, self._now())
            raise
        finally:
            if sender:
                await sender.close()

    def _sender(self, endpoint: Endpoint) -> Sender:
        return Sender(
            endpoint.url,
            private=self._endpoints.private,
            timeout=self._timeout,
            trust=self._trust,
            lookup=self._lookup,
            now=self._now,
        )

    def _take(self, endpoint_id: str) -> tuple[Endpoint | None, tuple[claims.Due, ...]]:
        with self._database.write() as conn:
            return claims.take(conn, endpoint_id, self._now())

    def _record(self, endpoint_id: str, due: claims.Due, attempt: Attempt, rest: tuple[claims.Due, ...]) -> None:
        now = self._now()
        with self._database.write() as conn:
            state = claims.record(conn, endpoint_id, due, attempt, now, self._randomness)
            if attempt.error is not None:
                claims.give_back(conn, endpoint_id, rest, now)
        if attempt.status == GONE:
            with self._database.write() as conn:
                claims.pause_gone(conn, endpoint_id, now)
        if attempt.error is None:
            self._failures.pop(endpoint_id, None)
        else:
            failures = self._failures.get(endpoint_id, (0, now))[0] + 1
            self._failures[endpoint_id] = failures, now + rest_after(failures)
            log.warning(
                "webhook_failed",
                endpoint=endpoint_id,
                message=due.message_id,
                attempts=due.attempts + 1,
                error=attempt.error,
                state=state,
            )
        if self._metrics:
            outcome = "delivered" if attempt.error is None else "failed" if state == "failed" else "retried"
            self._metrics.webhooks.labels(outcome).inc()
