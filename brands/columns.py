"""Column types that mean the same on SQLite and PostgreSQL, and the one canonical form of JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from brands.model import Box


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, no NaN, and every character as itself: equal values give equal text.

    Raises ValueError for NaN and infinities, TypeError for what JSON cannot hold.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def box_text(box: Box | None) -> str:
    """The one text form of a box, empty for the whole picture: floats as Python prints them, so they round-trip."""
    return "" if box is None else ",".join(repr(float(side)) for side in box)


class UtcTime(TypeDecorator[datetime]):
    """An aware time. Bound values of any zone become UTC, read values are in UTC; naive values raise ValueError."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must be aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class CanonicalJson(TypeDecorator[Any]):
    """JSON kept as canonical text, so that what is read is byte for byte what was hashed; None is NULL."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else canonical_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal number with every digit it was given (SQLite's own numbers are binary floats)."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else format(value, "f")

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class BoxText(TypeDecorator[Box]):
    """A box as text, the empty text for None: NULLs would be distinct in a unique index."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Box | None, dialect: Dialect) -> str:
        return box_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Box | None:
        if not value:
            return None
        x0, y0, x1, y1 = (float(side) for side in value.split(","))
        return (x0, y0, x1, y1)
