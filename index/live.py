"""What is being served now: swapped in one step, and as old as its last agreement with the truth."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Live(Generic[T]):
    """Holds one immutable value for many readers and one writer.

    A reader takes `current` once per request and keeps using it, so a swap never changes a request midway and the old
    value lives until its last reader is done.
    """

    def __init__(self, clock: Callable[[], float]):
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._value: T | None = None
        self._confirmed = clock()

    @property
    def current(self) -> T | None:
        """The served value, or None before the first swap."""
        return self._value

    def swap(self, value: T) -> T | None:
        """Serves `value` from the next read on and returns what was served before."""
        with self._lock:
            previous, self._value = self._value, value
            self._confirmed = self._clock()
            return previous

    def confirm(self) -> None:
        """Notes that the served value still agrees with the truth."""
        with self._lock:
            self._confirmed = self._clock()

    @property
    def age(self) -> float:
        """Seconds since the served value was last known to agree with the truth."""
        with self._lock:
            return self._clock() - self._confirmed
