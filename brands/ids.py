"""Identifiers that sort by the time they were made, and the clock they are made from.

The layout is UUID version 7 with sub-millisecond bits (RFC 9562, section 6.2, method 3), written as 32 hex digits after
a prefix: `brd_`, `ref_`, `key_`, ...
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
Randomness = Callable[[int], bytes]

_ID = re.compile(r"[a-z]{3}_[0-9a-f]{32}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """The present time, aware, in UTC."""
    return datetime.now(UTC)


def new_id(prefix: str, at: datetime, randomness: Randomness = os.urandom) -> str:
    """An identifier, three letters of `prefix` and 32 hex digits; an `at` later by a microsecond gives a greater one.

    `at` is an aware time between 1970 and 10889; `randomness(n)` gives n random bytes. Raises ValueError for a naive or
    earlier time.
    """
    if at.tzinfo is None:
        raise ValueError("the time of an identifier must be aware")
    microseconds = (at - _EPOCH) // timedelta(microseconds=1)
    if microseconds < 0:
        raise ValueError("the time of an identifier must not be before 1970")
    milliseconds, rest = divmod(microseconds, 1000)
    fraction = rest * 4096 // 1000
    tail = int.from_bytes(randomness(8), "big") & ((1 << 62) - 1)
    value = (milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | tail
    return f"{prefix}_{value:032x}"


def is_id(text: str) -> bool:
    """Whether `text` could be an identifier; what cannot be one may hold what no database takes (NUL)."""
    return _ID.fullmatch(text) is not None
