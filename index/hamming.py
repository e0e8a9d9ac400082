"""Hashes of 256 bits within a Hamming distance: every one of them, by brute force in NumPy's vector units."""

import numpy as np
from numpy.typing import NDArray

from index.errors import VectorsRefused

BYTES = 32
"""Of a hash: 256 bits."""


class HammingIndex:
    """Hashes to be found by; immutable, so safe to share between threads.

    At the distances of picture hashes (31 of 256 bits) an exact multi-index has to look at so many buckets that it pays
    from millions of hashes on. Half of each hash is compared first, which leaves next to nothing for the other half.
    FAISS's binary index takes as long on an idle machine, and fifty times as long on a busy one, where its threads wait
    for each other.
    """

    def __init__(self, hashes: NDArray[np.uint8]):
        """`hashes` has shape (n, 32); a row is found by its number.

        Raises
        ------
        VectorsRefused
            for another shape or type
        """
        self._words = np.ascontiguousarray(_words(hashes).T)

    def __len__(self) -> int:
        """How many hashes there are."""
        return int(self._words.shape[1])

    def within(
        self, queries: NDArray[np.uint8], distance: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Every pair of a query and a hash that differ in at most `distance` bits.

        Parameters
        ----------
        queries : shape (q, 32)
        distance : 0 to 256

        Returns
        -------
        rows of `queries`, rows of the index, distances in bits; each of shape (pairs,), ordered by query, distance, row

        Raises
        ------
        VectorsRefused
            for another shape or type, or a distance out of bounds
        """
        if not 0 <= distance <= 8 * BYTES:
            raise VectorsRefused(f"a distance is 0 to {8 * BYTES} bits, not {distance}")
        found = [np.zeros((3, 0), dtype=np.int64)]
        for number, query in enumerate(_words(queries)):
            half = np.bitwise_count(self._words[0] ^ query[0]) + np.bitwise_count(self._words[1] ^ query[1])
            rows = np.flatnonzero(half <= distance)
            far = np.bitwise_count(self._words[:, rows] ^ query[:, None]).sum(axis=0, dtype=np.int64)
            rows, far = rows[far <= distance], far[far <= distance]
            order = np.lexsort((rows, far))
            found.append(np.stack([np.full(len(rows), number), rows[order], far[order]]))
        pairs = np.concatenate(found, axis=1)
        return pairs[0], pairs[1], pairs[2]


def _words(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The hashes as words of 64 bits, (n, 4)."""
    if hashes.ndim != 2 or hashes.shape[1] != BYTES or hashes.dtype != np.uint8:
        raise VectorsRefused(f"hashes must be bytes of shape (n, {BYTES}), got {hashes.dtype} of shape {hashes.shape}")
    return np.ascontiguousarray(hashes).view(np.uint64)
