"""Runs of letters of a text in hash buckets, whatever its language: what the word lists do not know.

Feature hashing after Weinberger et al. (2009), "Feature hashing for large scale multitask learning", without signs:
the runs are few against the buckets.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BUCKETS: Final = 1 << 15
_LENGTHS: Final = (1, 2, 3, 4, 5)
_FACTORS: Final = np.array([2654435761, 2246822519, 3266489917, 668265263, 374761393], np.uint64)
_MASK: Final = np.uint64(0xFFFFFFFF)


def buckets_of(text: str) -> NDArray[np.int64]:
    """The different buckets (n,) of a folded text's runs of one to five code points, words' edges included;
    a text without letters has a bucket too."""
    codes = np.frombuffer(f" {' '.join(text.split())} ".encode("utf-32-le"), np.uint32).astype(np.uint64)
    found = []
    for length in _LENGTHS:
        many = len(codes) - length + 1
        if many < 1:
            break
        mixed = np.full(many, length * 0x9E3779B1, np.uint64)
        for place in range(length):
            mixed = (mixed ^ (codes[place : place + many] * _FACTORS[place])) * np.uint64(0x85EBCA77) & _MASK
        mixed ^= mixed >> np.uint64(15)
        found.append((mixed * np.uint64(0xC2B2AE3D) & _MASK) >> np.uint64(17))
    return np.unique(np.concatenate(found)).astype(np.int64)
