"""When a message that did not arrive is tried again: the schedule of the Standard Webhooks specification, with jitter.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Deliverability and
reliability": exponential backoff with random jitter over several days, `Retry-After` honoured.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

DELAYS: Final[tuple[timedelta, ...]] = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""Between one attempt and the next: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h; a bit over three days."""
JITTER: Final = 0.2
"""A delay is longer by up to this share, so that an endpoint that comes back is not run over."""
WAIT_MOST: Final = timedelta(days=1)
"""Most that an endpoint may ask to wait."""
RESTS: Final[tuple[timedelta, ...]] = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 60, 300))
"""Pause of an endpoint after so many failures in a row: one that is down is not asked once per waiting message."""


def next_attempt(
    attempts: int, now: datetime, randomness: Callable[[], float], *, retry_after: timedelta | None = None
) -> datetime | None:
    """When to try again after `attempts` of them (1, 2, ...) failed; None when nothing is left to try."""
    if attempts > len(DELAYS):
        return None
    delay = DELAYS[attempts - 1] * (1 + JITTER * randomness())
    return now + max(delay, min(retry_after or timedelta(0), WAIT_MOST))


def rest_after(failures: int) -> timedelta:
    """How long an endpoint is left alone after `failures` (1, 2, ...) in a row."""
    return RESTS[min(failures, len(RESTS)) - 1]


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """What a `Retry-After` header says (RFC 9110, 10.2.3): seconds or a date; None for none and for nonsense."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:10]), int(WAIT_MOST.total_seconds())))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((until if until.tzinfo else until.replace(tzinfo=UTC)) - now, timedelta(0))
