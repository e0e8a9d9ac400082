"""The order of the queue: value x age, without reading the whole queue.

What is due grows with the hours that a case waits, so no index has the order. Two indexes have its factors, and the
best are found by reading both from their ends until nothing unread can be among them (the threshold algorithm: Fagin,
Lotem and Naor, Optimal aggregation algorithms for middleware, PODS 2001). The result is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from brands.errors import Invalid
from brands.schema import reviews

_FIRST: Final = 128
"""Rows read at a time from either end, doubled each time."""
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order as it was `at` a time: that of a case, whose `due` is weight x (1 + hours of waiting)."""

    at: datetime
    due: float
    screening_id: str

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // _MICROSECOND}:{self.due!r}:{self.screening_id}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The place that `str` gave. Raises Invalid."""
        try:
            at, due, screening_id = text.split(":")
            return cls(_EPOCH + int(at) * _MICROSECOND, float(due), screening_id)
        except (ValueError, OverflowError):
            raise Invalid("A page begins behind what `next` named.", code="invalid_cursor", field="after") from None


def due(weight: float, queued_at: datetime, at: datetime) -> float:
    """How much a case is due: its weight, once at once and once more for each hour since."""
    return weight * (1.0 + max((at - queued_at).total_seconds(), 0.0) / 3600)


def first_due(
    conn: sa.Connection,
    *,
    at: datetime,
    limit: int,
    where: Sequence[sa.ColumnElement[bool]],
    after: Place | None = None,
) -> list[tuple[str, float]]:
    """The open cases that are due most: up to `limit` pairs of screening id and `due` at a time, the most due first.

    `where` are conditions on `reviews`; with `after`, those behind a place of the same time.
    """
    columns = (reviews.c.screening_id, reviews.c.weight, reviews.c.queued_at)
    query = sa.select(*columns).where(reviews.c.state == "open", *where)
    behind = (-after.due, after.screening_id) if after else None
    seen: dict[str, float] = {}
    ends: list[Any] = [None, None]  # the last row read of either index
    size = _FIRST
    while True:
        for number, column in enumerate((reviews.c.weight, reviews.c.queued_at)):
            rows = conn.execute(_next(query, column, ends[number], size)).all()
            seen |= {row.screening_id: due(row.weight, row.queued_at, at) for row in rows}
            if len(rows) < size:  # one end has been reached, so every case was seen
                return _best(seen, behind, limit)
            ends[number] = rows[-1]
        most_unread = due(ends[0].weight, ends[1].queued_at, at)
        best = _best({name: value for name, value in seen.items() if value > most_unread}, behind, limit)
        if len(best) == limit:
            return best
        size *= 2


def _next(query: "sa.Select[Any]", column: "sa.Column[Any]", last: Any, size: int) -> "sa.Select[Any]":
    """The next rows of an index: heaviest first, or longest waiting first."""
    heaviest = column is reviews.c.weight
    if last is not None:
        here, value = sa.tuple_(column, reviews.c.screening_id), (last.weight if heaviest else last.queued_at)
        there = sa.tuple_(sa.bindparam(None, value, column.type), sa.bindparam(None, last.screening_id))
        query = query.where(here < there if heaviest else here > there)
    order = (column.desc(), reviews.c.screening_id.desc()) if heaviest else (column, reviews.c.screening_id)
    return query.order_by(*order).limit(size)


def _best(seen: dict[str, float], behind: tuple[float, str] | None, limit: int) -> list[tuple[str, float]]:
    ordered = sorted((-value, name) for name, value in seen.items())
    return [(name, -value) for value, name in ordered if behind is None or (value, name) > behind][:limit]
