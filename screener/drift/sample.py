"""Screenings of a period as arrays: all of them, or so many that are spread over it as the traffic was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.schema import screenings
from screener.judging.features import NAMES, VERSION
from screener.records import RESCREENED_BY

MOST: Final = 20_000
"""Screenings that are read at once: their features take 2 MB, their JSON a second or two to parse."""
_SLICE: Final = timedelta(hours=1)
_MOST_SLICES: Final = 1000


@dataclass(frozen=True, slots=True)
class Sample:
    """Screenings since a time and before another one: `total` there were, the arrays have a row for each that was read.

    features (n, F) float32, NaN for missing; `degraded` (n,) says where a picture was left out for lack of time.
    """

    since: datetime
    until: datetime
    total: int
    features: NDArray[np.float32]
    verdicts: tuple[str, ...]
    brand_status: tuple[str, ...]
    degraded: NDArray[np.bool_]

    @property
    def rows(self) -> int:
        """How many were read."""
        return len(self.verdicts)


def read_sample(conn: sa.Connection, since: datetime, until: datetime, most: int = MOST) -> Sample:
    """The screenings of a period, or about `most`: of each hour its share, the first ones, so that nights stay rare.

    Those that the service made again by itself are left out, and those whose features are of another version.
    """
    step = max(_SLICE, (until - since) / _MOST_SLICES)
    slices = [since + step * n for n in range(max(int((until - since) / step + 0.999), 1))]
    counts = [count(conn, start, min(start + step, until)) for start in slices]
    total = sum(counts)
    found: list[Any] = []
    columns = (screenings.c.features, screenings.c.verdict, screenings.c.brand_status, screenings.c.rescreen)
    for start, number in zip(slices, counts, strict=True):
        if number:
            query = _slice(columns, start, min(start + step, until)).order_by(screenings.c.created_at)
            wanted = number if total <= most else round(number * most / total)
            found += conn.execute(query.limit(wanted)).all()
    rows = [row for row in found if row.features["version"] == VERSION]
    features = np.array(
        [[np.nan if value is None else value for value in row.features["values"]] for row in rows], dtype=np.float32
    )
    return Sample(
        since=since,
        until=until,
        total=total,
        features=features.reshape(len(rows), len(NAMES)),
        verdicts=tuple(row.verdict for row in rows),
        brand_status=tuple(row.brand_status for row in rows),
        degraded=np.array([row.rescreen for row in rows], dtype=np.bool_),
    )


def count(conn: sa.Connection, since: datetime, until: datetime) -> int:
    """How many screenings of a period `read_sample` could read."""
    return int(conn.execute(_slice(sa.func.count(), since, until)).scalar_one())


def first_screening(conn: sa.Connection, since: datetime) -> datetime | None:
    """When the first screening since a time was made."""
    query = sa.select(sa.func.min(screenings.c.created_at)).where(screenings.c.created_at >= since)
    return conn.execute(query).scalar()


def _slice(columns: Any, start: datetime, stop: datetime) -> sa.Select[Any]:
    return sa.select(*(columns if isinstance(columns, tuple) else (columns,))).where(
        screenings.c.created_at >= start,
        screenings.c.created_at < stop,
        screenings.c.features.is_not(None),
        screenings.c.key_id != RESCREENED_BY,
    )
