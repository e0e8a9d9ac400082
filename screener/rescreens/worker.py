"""Looks at queued listings once more where all their pictures are stored, and asks the marketplace for the others."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
import structlog

from brands import audit
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import BlobError, RegistryError
from brands.model import RescreenState
from brands.schema import rescreens, screening_images, screenings
from screener.errors import Overloaded, ScreenerError
from screener.listing import Listing
from screener.records import RESCREENED_BY
from screener.screening import Submission
from screener.webhooks.outbox import emit

log = structlog.get_logger()

LEASE: Final = timedelta(minutes=5)
"""How long a listing that one process has taken is nobody else's."""
DEADLINE_S: Final = 60.0
"""For one listing: nobody waits for the answer, so nothing is skipped."""
IDLE_S: Final = 2.0
REST: Final = 1.0
"""Pause after a listing, as a multiple of what it took: sellers who are waiting come first."""


class Rescreener:
    """Works through the queue, one listing at a time; several processes may do so."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: FolderBlobs,
        screen: Callable[[Submission], Mapping[str, Any]],
        now: Callable[[], datetime],
    ) -> None:
        """`screen` is `Screener.screen`; `now` gives aware times."""
        self._database, self._blobs, self._screen, self._now = database, blobs, screen, now
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Works in a thread of its own until `close`."""
        self._thread = threading.Thread(target=self._run, name="rescreens", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; the listing under way is finished first."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def run(self, most: int) -> int:
        """Works on up to `most` queued listings now; how many there were."""
        return next((done for done in range(most) if not self.run_one()), most)

    def run_one(self) -> bool:
        """Works on the listing that waits longest; False when none does, or nothing is loaded that could judge."""
        row = self._take()
        if row is None:
            return False
        images = self._pictures(row.screening_id)
        if images is None:
            self._request(row)
            return True
        started = time.monotonic()
        try:
            listing = Listing.of_record(row.request)
            answer = self._screen(
                Submission(listing, images, RESCREENED_BY, deadline=started + DEADLINE_S, started=started)
            )
        except Overloaded:
            self._move(row, "queued")
            return False
        except (ScreenerError, KeyError, TypeError, ValueError) as error:  # a record of an old version, for instance
            log.error("rescreen_failed", rescreen=row.id, error=type(error).__name__)
            self._move(row, "failed")
            return True
        # A new screening ends what waited for its listing; this is for one that was ended by another meanwhile.
        self._move(row, "done", answer["id"])
        return True

    def _run(self) -> None:
        pause = IDLE_S
        while not self._stop.wait(pause):
            started, worked = time.monotonic(), False
            try:
                worked = self.run_one()
            except RegistryError as error:
                log.warning("rescreens_stalled", error=type(error).__name__, message=str(error))
            except Exception:
                log.exception("rescreens_stalled")
            pause = REST * (time.monotonic() - started) if worked else IDLE_S

    def _take(self) -> Any:
        now = self._now()
        free = sa.or_(rescreens.c.updated_at == rescreens.c.created_at, rescreens.c.updated_at <= now - LEASE)
        query = (
            sa.select(rescreens, screenings.c.request, screenings.c.revision, screenings.c.brand_id)
            .join(screenings, screenings.c.id == rescreens.c.screening_id)
            .where(rescreens.c.state == "queued", free)
            .order_by(rescreens.c.id)
            .limit(1)
        )
        with self._database.read() as conn:
            row = conn.execute(query).one_or_none()
        if row is None:
            return None
        mine = sa.and_(
            rescreens.c.id == row.id, rescreens.c.state == "queued", rescreens.c.updated_at == row.updated_at
        )
        with self._database.write() as conn:
            taken = conn.execute(sa.update(rescreens).where(mine).values(updated_at=now)).rowcount
        return row if taken else None

    def _pictures(self, screening_id: str) -> tuple[bytes, ...] | None:
        """The bytes of all the listing's pictures; None unless every one is stored."""
        query = sa.select(screening_images.c.sha256).where(screening_images.c.screening_id == screening_id)
        with self._database.read() as conn:
            sha256s = list(conn.execute(query.order_by(screening_images.c.position)).scalars())
        try:
            return tuple(self._blobs.get(sha256) for sha256 in sha256s) if all(sha256s) else None
        except BlobError:
            return None

    def _request(self, row: Any) -> None:
        now = self._now()
        with self._database.write() as conn:
            audit.lock(conn)
            if not self._store(conn, row, "requested", None, now):
                return
            emit(
                conn,
                "listing.rescreen_requested",
                {
                    "rescreen_id": row.id,
                    "screening_id": row.screening_id,
                    "listing_id": row.listing_id,
                    "revision": row.revision,
                    "seller_id": row.seller_id,
                    "reason": row.reason,
                },
                at=now,
                seller_id=row.seller_id,
                brand_id=row.brand_id,
                screening_id=row.screening_id,
            )

    def _move(self, row: Any, state: RescreenState, result_id: str | None = None) -> None:
        now = self._now()
        with self._database.write() as conn:
            audit.lock(conn)
            self._store(conn, row, state, result_id, now)

    def _store(self, conn: sa.Connection, row: Any, state: RescreenState, result_id: str | None, now: datetime) -> bool:
        """Moves a row that is still queued on; whether it was."""
        waits = sa.and_(rescreens.c.id == row.id, rescreens.c.state == "queued")
        moved = conn.execute(
            sa.update(rescreens).where(waits).values(state=state, result_id=result_id, updated_at=now)
        ).rowcount
        if moved and state != "queued":
            audit.append(
                conn,
                actor=RESCREENED_BY,
                action=f"rescreen.{state}",
                kind="rescreen",
                object_id=row.id,
                before={"state": "queued"},
                after={"state": state, "result_id": result_id},
                at=now,
            )
        return bool(moved)
