"""Cases whose time is over: which they are, and their deletion in small batches, each with a signed receipt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from brands import audit, holds, receipts
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.schema import reviews, screenings, spot_checks
from brands.signing import Signer
from screener.retention.cases import CASES_AT_ONCE, delete_cases
from screener.retention.rings import forget_recent


@dataclass(frozen=True, slots=True)
class Periods:
    """Days that a screening is kept after its last event: of a flagged listing, and of one answered `clear`.

    A clear one that a person was asked about, or that was picked to be bought, counts as flagged.
    """

    flagged: int
    clear: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How many screenings are due now, by kind, and how many more would be but for a legal hold."""

    flagged: int
    clear: int
    held: int


@dataclass(frozen=True, slots=True)
class Retention:
    """Deletes what is due. `folder` holds the derived files; `blobs` the pictures."""

    database: Database
    blobs: FolderBlobs
    signer: Signer
    folder: Path
    periods: Periods

    def plan(self, now: datetime) -> Plan:
        """What `run_batch` would delete, if it were called until nothing is left."""
        count = sa.select(sa.func.count()).select_from(screenings)
        with self.database.read() as connection:
            flagged, clear = (
                connection.execute(count.where(due, ~holds.screening_held())).scalar_one() for due in self._due(now)
            )
            held = connection.execute(count.where(sa.or_(*self._due(now)), holds.screening_held())).scalar_one()
        return Plan(flagged, clear, held)

    def run_batch(self, *, actor: str, now: datetime) -> receipts.Receipt | None:
        """Deletes the oldest that are due, up to `CASES_AT_ONCE`, in one transaction; None when nothing is due."""
        found: list[str] = []
        # Looked up without the writers' lock, and again with it: somebody may act on a case meanwhile.
        with self.database.read() as connection:
            for due in self._due(now):
                query = sa.select(screenings.c.id).where(due, ~holds.screening_held())
                query = query.order_by(screenings.c.last_event_at).limit(CASES_AT_ONCE - len(found))
                found += connection.execute(query).scalars()
        if not found:
            return None
        with self.database.write() as connection:
            audit.lock(connection)
            again = sa.select(screenings.c.id).where(
                screenings.c.id.in_(found), sa.or_(*self._due(now)), ~holds.screening_held()
            )
            ids = sorted(connection.execute(again).scalars())
            if not ids:
                return None
            counts = delete_cases(
                connection, self.blobs, ids, action="screening.expire", after=_LAW, actor=actor, at=now
            )
            subject = self.signer.subject("screenings", ",".join(ids))
            receipt = receipts.add(
                connection, self.signer, kind="retention", subject=subject, counts=counts, actor=actor, at=now
            )
        forget_recent(self.folder, ids)
        return receipt

    def _due(self, now: datetime) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        """Of flagged listings, and of clear ones; no screening is both."""
        asked = sa.or_(
            sa.exists().where(reviews.c.screening_id == screenings.c.id),
            sa.exists().where(spot_checks.c.screening_id == screenings.c.id),
        )
        flagged = screenings.c.last_event_at < now - timedelta(days=self.periods.flagged)
        clear = screenings.c.last_event_at < now - timedelta(days=self.periods.clear)
        return (
            sa.and_(flagged, sa.or_(screenings.c.verdict != "clear", asked)),
            sa.and_(clear, screenings.c.verdict == "clear", ~asked),
        )


_LAW: Mapping[str, str] = {"reason": "retention"}
