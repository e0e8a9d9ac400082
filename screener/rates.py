"""How often a key may ask, and how often an address may try to sign in: counted in this process, by a moving window."""

import math
import time

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from brands.errors import RateLimited


class Rates:
    """The counts of one process; behind a load balancer each replica counts what it sees."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, who: str, rate: RateLimitItem) -> None:
        """Counts a request of `who`. Raises RateLimited, with the time until another may come, for one too many."""
        if not self._limiter.hit(rate, who):
            window = self._limiter.get_window_stats(rate, who)
            raise RateLimited(max(1, math.ceil(window.reset_time - time.time())))


def rate(text: str) -> RateLimitItem:
    """A rate as the settings have it, such as `600/minute`. Raises ValueError."""
    return parse(text)
