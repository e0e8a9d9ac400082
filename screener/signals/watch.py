"""Looks for bursts of suspicion, and writes those found: the row, a notice to the operator, a webhook, an audit row."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
import structlog
from numpy.typing import NDArray

from brands import audit, notices
from brands.database import Database
from brands.ids import new_id
from brands.model import BURST_SUBJECTS, BurstSubject
from brands.schema import bursts, buyer_signals
from screener.signals import store
from screener.signals.bursts import HISTORY, Unusual, unusual
from screener.signals.counts import Burst
from screener.webhooks.outbox import emit

log = structlog.get_logger()

ACTOR: Final = "service:signals"
_COLUMNS: Final = {"brand": "brand_id", "seller": "seller_id", "category": "category"}
_DAY: Final = timedelta(days=1)
GOES_ON: Final = timedelta(days=1)
"""How long a burst counts as going on behind the last sign of it."""
LOOK_AGAIN: Final = timedelta(minutes=1)
"""Least time between two looks while signals come in."""
_FORGET_EVERY: Final = timedelta(hours=1)


class SignalWatch:
    """Steps of the keeper, each cheap when there is nothing to do; one thread at a time."""

    def __init__(self, database: Database, *, keep_days: int, now: Callable[[], datetime]) -> None:
        """`keep_days` is how long signals without a screening and bursts are kept; `now` gives aware times."""
        self._database, self._keep, self._now = database, timedelta(days=keep_days), now
        self._seen: str | None = None
        self._next_look: datetime | None = None
        self._next_forget: datetime | None = None

    def look(self) -> tuple[Burst, ...]:
        """Looks for bursts if a signal came since the last look; those that are new."""
        now = self._now()
        if self._next_look and now < self._next_look:
            return ()
        with self._database.read() as conn:
            newest = conn.execute(sa.select(sa.func.max(buyer_signals.c.id))).scalar()
        if newest is None or newest == self._seen:
            return ()
        found = look(self._database, now=now)
        self._seen, self._next_look = newest, now + LOOK_AGAIN
        for burst in found:
            log.info("burst_found", burst=burst.id, kind=burst.kind, number=burst.number)
        return found

    def forget(self) -> int:
        """Deletes signals without a screening, and bursts, whose time is over; how many signals."""
        now = self._now()
        if self._next_forget and now < self._next_forget:
            return 0
        with self._database.write() as conn:
            gone = store.forget(conn, before=now - self._keep, actor=ACTOR, now=now)
            _forget_bursts(conn, before=now - self._keep, now=now)
        self._next_forget = None if gone else now + _FORGET_EVERY
        return gone


def _forget_bursts(conn: sa.Connection, *, before: datetime, now: datetime) -> None:
    ids = list(conn.execute(sa.select(bursts.c.id).where(bursts.c.ends_at < before)).scalars())
    if ids:
        audit.lock(conn)
        conn.execute(sa.delete(bursts).where(bursts.c.id.in_(ids)))
        reason = {"reason": "retention"}
        audit.append_all(conn, [audit.Change(ACTOR, "burst.expire", "burst", one, None, reason, now) for one in ids])


def look(database: Database, *, now: datetime) -> tuple[Burst, ...]:
    """Compares the last days with the usual ones, writes what is found, and gives the bursts that are new."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - _DAY * (HISTORY - 1)
    with database.read() as conn:
        found = [
            (kind, one, str(one.subject))
            for kind in BURST_SUBJECTS
            for one in _unusual(conn, kind, first=first, today=today, now=now)
        ]
    if not found:
        return ()
    with database.write() as conn:
        audit.lock(conn)
        noted = [_note(conn, kind, subject, one, today=today, now=now) for kind, one, subject in found]
    return tuple(burst for burst in noted if burst)


def _unusual(
    conn: sa.Connection, kind: BurstSubject, *, first: datetime, today: datetime, now: datetime
) -> list[Unusual]:
    subject = buyer_signals.c[_COLUMNS[kind]]
    oldest = conn.execute(sa.select(sa.func.min(buyer_signals.c.occurred_at))).scalar()
    if oldest is None:
        return []
    query = sa.select(subject, buyer_signals.c.occurred_at).where(
        buyer_signals.c.suspected,
        subject.is_not(None),
        buyer_signals.c.occurred_at >= first,
        buyer_signals.c.occurred_at <= now,
    )
    counts: dict[Hashable, NDArray[np.int64]] = defaultdict(lambda: np.zeros(HISTORY, np.int64))
    for name, at in conn.execute(query, execution_options={"yield_per": 1000}):
        counts[name][(at - first) // _DAY] += 1
    earlier = sa.select(bursts.c.subject, bursts.c.begins_at, bursts.c.ends_at).where(
        bursts.c.kind == kind, bursts.c.ends_at >= first
    )
    return unusual(
        dict(counts),
        since=(today - oldest.astimezone(UTC)) // _DAY + 2,
        part=max((now - today) / _DAY, 1 / 24),
        left_out=_left_out(conn.execute(earlier).all(), first),
    )


def _left_out(rows: Iterable[Any], first: datetime) -> dict[Hashable, NDArray[np.bool_]]:
    """The days of earlier bursts by subject; they are no part of what is usual."""
    days: dict[Hashable, NDArray[np.bool_]] = defaultdict(lambda: np.zeros(HISTORY, np.bool_))
    for subject, begins_at, ends_at in rows:
        start, stop = (begins_at - first) // _DAY, (ends_at - GOES_ON - first) // _DAY
        if stop >= 0:
            days[subject][max(start, 0) : stop + 1] = True
    return dict(days)


def _note(
    conn: sa.Connection, kind: BurstSubject, subject: str, one: Unusual, *, today: datetime, now: datetime
) -> Burst | None:
    """Writes a burst, or moves on the one that the subject has; gives a new one."""
    begins_at = today - _DAY * (one.days - 1)
    own = sa.and_(bursts.c.kind == kind, bursts.c.subject == subject)
    same = sa.or_(bursts.c.ends_at > now, bursts.c.begins_at == begins_at)
    known = conn.execute(sa.select(bursts).where(own, same).order_by(bursts.c.ends_at.desc()).limit(1)).one_or_none()
    if known is not None:
        number = _count(conn, kind, subject, known.begins_at, now)
        daily = one.expected / max((now - begins_at) / _DAY, 1 / 24)
        change = {
            "number": number,
            "expected": round(daily * max((now - known.begins_at) / _DAY, 1 / 24), 3),
            "chance": min(one.chance, known.chance),
            "ends_at": now + GOES_ON,
        }
        conn.execute(sa.update(bursts).where(bursts.c.id == known.id).values(change))
        return None
    burst = Burst(
        new_id("bst", now),
        kind,
        subject,
        one.number,
        round(one.expected, 3),
        one.chance,
        begins_at,
        now + GOES_ON,
        now,
    )
    conn.execute(sa.insert(bursts).values(asdict(burst)))
    # Who the subject is stands in the row alone, so that erasing a seller leaves nothing behind here.
    details = {"kind": kind, "number": burst.number, "expected": burst.expected, "days": one.days}
    notices.append(conn, brand_id=None, code="burst", object_id=burst.id, details=details, at=now)
    audit.append(
        conn, actor=ACTOR, action="burst.find", kind="burst", object_id=burst.id, before=None, after=details, at=now
    )
    emit(
        conn,
        "burst.found",
        {
            "burst_id": burst.id,
            "kind": kind,
            "subject": subject,
            "number": burst.number,
            "expected": burst.expected,
            "chance": burst.chance,
            "begins_at": audit.iso(begins_at),
        },
        at=now,
        seller_id=subject if kind == "seller" else None,
        brand_id=subject if kind == "brand" else None,
    )
    return burst


def _count(conn: sa.Connection, kind: BurstSubject, subject: str, since: datetime, until: datetime) -> int:
    column = buyer_signals.c[_COLUMNS[kind]]
    query = sa.select(sa.func.count()).select_from(buyer_signals)
    within = sa.and_(buyer_signals.c.occurred_at >= since, buyer_signals.c.occurred_at <= until)
    return conn.execute(query.where(column == subject, buyer_signals.c.suspected, within)).scalar_one()
