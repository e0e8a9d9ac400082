"""The index of hashes against brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from index.errors import VectorsRefused
from index.hamming import HammingIndex

Pairs = list[tuple[int, int, int]]


def brute_force(hashes: NDArray[np.uint8], queries: NDArray[np.uint8], distance: int) -> Pairs:
    """Query, distance and row of every pair, in this order."""
    found = []
    for query, wanted in enumerate(queries):
        for row, own in enumerate(hashes):
            bits = bin(int.from_bytes(bytes(wanted), "big") ^ int.from_bytes(bytes(own), "big")).count("1")
            if bits <= distance:
                found.append((query, bits, row))
    return sorted(found)


def within(hashes: NDArray[np.uint8], queries: NDArray[np.uint8], distance: int) -> Pairs:
    query, row, far = HammingIndex(hashes).within(queries, distance)
    return list(zip(query.tolist(), far.tolist(), row.tolist(), strict=True))


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 5), st.integers(0, 256))
def test_finds_what_brute_force_finds(seed: int, count: int, asked: int, distance: int) -> None:
    """Hashes near each other and far apart: random ones are 128 bits apart, so some are made by flipping bits."""
    generator = np.random.default_rng(seed)
    bases = generator.integers(0, 2, (3, 256), dtype=np.uint8)
    made = [
        bases[generator.integers(3)] ^ (generator.random(256) < generator.uniform(0, 0.2)) for _ in range(count + asked)
    ]
    everything = np.packbits(np.array(made, dtype=np.uint8).reshape(-1, 256), axis=1)
    hashes, queries = everything[:count], everything[count:]
    assert within(hashes, queries, distance) == brute_force(hashes, queries, distance)


def test_the_distance_itself_counts_and_one_more_does_not() -> None:
    hashes = np.zeros((1, 32), dtype=np.uint8)
    for bits in (0, 1, 31, 32, 256):
        query = np.packbits(np.arange(256) < bits)[None]
        assert within(hashes, query, bits) == [(0, bits, 0)]
        assert not bits or within(hashes, query, bits - 1) == []


def test_nothing_in_nothing_out() -> None:
    none, one = np.zeros((0, 32), dtype=np.uint8), np.zeros((1, 32), dtype=np.uint8)
    assert within(none, one, 31) == within(one, none, 31) == []
    assert len(HammingIndex(none)) == 0 and len(HammingIndex(one)) == 1


@pytest.mark.parametrize("wrong", [np.zeros((2, 31), np.uint8), np.zeros(32, np.uint8), np.zeros((2, 32), np.int64)])
def test_other_shapes_are_refused(wrong: NDArray[np.uint8]) -> None:
    with pytest.raises(VectorsRefused):
        HammingIndex(wrong)
    with pytest.raises(VectorsRefused):
        HammingIndex(np.zeros((1, 32), dtype=np.uint8)).within(wrong, 3)
    for distance in (-1, 257):
        with pytest.raises(VectorsRefused):
            HammingIndex(np.zeros((1, 32), dtype=np.uint8)).within(np.zeros((1, 32), dtype=np.uint8), distance)
