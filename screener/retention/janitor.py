"""What the keeper does for trace and retention: signs the audit log, deletes what is due, sweeps after erasures."""

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from brands import checkpoints
from brands.database import Database
from brands.schema import erasures, receipts
from brands.signing import Signer
from index.live import Live
from screener.release import Serving
from screener.retention.due import Retention
from screener.retention.rings import forget_unknown
from screener.retention.snapshots import forget_snapshots

log = structlog.get_logger()

ACTOR = "service:retention"
LOOK_AGAIN = timedelta(hours=1)
"""How long nothing is looked for after nothing was due."""


class Janitor:
    """Steps of the keeper, each cheap when there is nothing to do; one thread at a time."""

    def __init__(
        self,
        *,
        database: Database,
        signer: Signer,
        retention: Retention,
        every: int,
        live: Live[Serving],
        now: Callable[[], datetime],
    ) -> None:
        """`every` is the number of audit rows between two checkpoints; `now` gives aware times."""
        self._database, self._signer, self._retention, self._every = database, signer, retention, every
        self._live, self._now = live, now
        self._next_look: datetime | None = None
        self._swept: tuple[str | None, str | None] = (None, None)

    def sign(self) -> int:
        """Signs the checkpoints of the audit log that are due; how many. Raises ChainBroken."""
        with self._database.read() as connection:
            if not checkpoints.are_due(connection, every=self._every):
                return 0
        with self._database.write() as connection:
            return checkpoints.make_due(connection, self._signer, every=self._every, at=self._now())

    def expire(self) -> bool:
        """Deletes one batch of cases whose time is over; whether there was one."""
        now = self._now()
        if self._next_look and now < self._next_look:
            return False
        receipt = self._retention.run_batch(actor=ACTOR, now=now)
        self._next_look = None if receipt else now + LOOK_AGAIN
        if receipt:
            log.info("cases_expired", receipt=receipt.id)
        return receipt is not None

    def sweep(self) -> int:
        """After an erasure, and after a switch behind one: removes snapshots and vectors of what is no more.

        An erasure may come from another process, and an index that was being built meanwhile may be published after it.
        """
        served = self._live.current
        with self._database.read() as connection:
            newest = connection.execute(
                sa.select(sa.func.max(receipts.c.id)).where(receipts.c.kind.startswith("erase_"))
            ).scalar()
            begun = connection.execute(sa.select(sa.func.max(erasures.c.subject))).scalar()
            state = (served.release.snapshot if served else None, newest or begun)
            if state[1] is None or state == self._swept:
                return 0
            swept = forget_snapshots(connection, self._retention.folder)
            swept += forget_unknown(connection, self._retention.folder)
        self._swept = state
        return swept
