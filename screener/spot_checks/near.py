"""Near-duplicates among listings: those whose first pictures are copies of one another.

Copies have the same bytes, or PDQ hashes within the distance of that paper. A picture that many sellers show is
everybody's (a brand's official photo, mostly): honest resellers and others share it, so it makes listings of one seller
near-duplicates, and not those of different sellers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.hamming import BYTES, HammingIndex
from screener.discover_graph import Groups
from screener.picture_facts import PDQ_DISTANCE

EVERYBODYS: Final = 10
"""Sellers from which on a picture is everybody's."""
MOST_PAIRED: Final = 20_000
"""Hashes of which every pair is compared, in a second; of more, only pairs that share 16 bits in the same place, which
every pair within 15 bits does and most copies are."""
_WINDOW: Final = 16


def near_duplicates(
    picture: NDArray[np.int64], seller: NDArray[np.int64], hashed: NDArray[np.int64], hashes: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """The cluster of each listing (n,), numbered from 0 in the order of their first listings.

    Parameters
    ----------
    picture : (n,) number of the first picture's bytes, -1 without a picture
    seller : (n,)
    hashed, hashes : pictures (h,) that have a hash good enough to compare, and the hashes (h, 32)
    """
    shown = picture.copy()
    if len(hashed):
        same = Groups(int(max(picture.max(), hashed.max())) + 1)
        different, first, again = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
        for one, other in zip(hashed.tolist(), hashed[first][again.reshape(-1)].tolist(), strict=True):
            same.join(one, other)
        for one, other in _pairs(different):
            same.join(int(hashed[first[one]]), int(hashed[first[other]]))
        seen = shown >= 0
        shown[seen] = [same.first(number) for number in shown[seen].tolist()]
    sellers_of = np.unique(np.stack([shown, seller]), axis=1)[0]
    common = np.bincount(sellers_of[sellers_of >= 0], minlength=int(shown.max(initial=0)) + 1) > EVERYBODYS
    # What makes listings one: the picture, with the seller where it is everybody's, else the listing itself.
    alone = shown < 0
    keys = np.stack([shown, np.where(common[np.maximum(shown, 0)], seller, -1)])
    keys[:, alone] = np.stack([-1 - np.flatnonzero(alone), np.full(alone.sum(), -1)])
    _, first, cluster = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[cluster.reshape(-1)]


def _pairs(hashes: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Pairs of rows within the distance of copies."""
    if len(hashes) <= MOST_PAIRED:
        rows, others, _ = HammingIndex(hashes).within(hashes, PDQ_DISTANCE)
        return [(one, other) for one, other in zip(rows.tolist(), others.tolist(), strict=True) if one < other]
    words = np.ascontiguousarray(hashes).view(np.uint64)
    found: list[tuple[int, int]] = []
    for place in range(0, BYTES, 2):
        piece = np.ascontiguousarray(hashes[:, place : place + 2]).view(np.uint16)[:, 0]
        order = np.lexsort((*words.T, piece))
        for apart in range(1, _WINDOW + 1):
            one, other = order[:-apart], order[apart:]
            alike = piece[one] == piece[other]
            one, other = one[alike], other[alike]
            near = np.bitwise_count(words[one] ^ words[other]).sum(axis=1, dtype=np.int64) <= PDQ_DISTANCE
            found += zip(one[near].tolist(), other[near].tolist(), strict=True)
    return found
