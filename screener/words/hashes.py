"""Numbers by the hash of a string, a million of them in a few megabytes."""

from array import array
from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray


class HashesUnderWay:
    """Pairs of string and number as they are gathered."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._numbers = array("i")

    def add(self, string: str, number: int) -> None:
        """One more pair; a string may have many numbers."""
        self._hashes.append(hash(string))
        self._numbers.append(number)

    def done(self) -> "Hashes":
        """All pairs, ready to be asked."""
        hashes = np.frombuffer(self._hashes, np.int64) if self._hashes else np.zeros(0, np.int64)
        numbers = np.frombuffer(self._numbers, np.int32) if self._numbers else np.zeros(0, np.int32)
        order = np.argsort(hashes, kind="stable")
        return Hashes(hashes[order], numbers[order])


class Hashes:
    """Numbers by hash, immutable; a hash may lie, so callers compare the strings themselves."""

    def __init__(self, hashes: NDArray[np.int64], numbers: NDArray[np.int32]):
        """Both of one length, sorted by hash."""
        self._hashes = hashes
        self._numbers = numbers
        self._view = hashes.data  # a tenth of the time of asking the array

    def __len__(self) -> int:
        return len(self._hashes)

    def numbers(self, string: str) -> list[int]:
        """The numbers of one string."""
        asked = hash(string)
        at = bisect_left(self._view, asked)
        found: list[int] = []
        while at < len(self._view) and self._view[at] == asked:
            found.append(int(self._numbers[at]))
            at += 1
        return found

    def lookup(self, strings: list[str]) -> list[tuple[int, int]]:
        """Pairs (index of the string, number) of equal hashes."""
        if not strings or not len(self._hashes):
            return []
        asked = np.fromiter(map(hash, strings), np.int64, len(strings))
        low = np.searchsorted(self._hashes, asked)
        hits = np.flatnonzero(self._hashes[np.minimum(low, len(self._hashes) - 1)] == asked)
        pairs: list[tuple[int, int]] = []
        for index in hits.tolist():
            at = int(low[index])
            while at < len(self._hashes) and self._hashes[at] == asked[index]:
                pairs.append((index, int(self._numbers[at])))
                at += 1
        return pairs
