"""Proves that nothing leaks between the splits of a market: sellers, products, pictures and time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.hamming import HammingIndex
from training.errors import TrainingError
from training.market.model import SPLITS

PDQ_DISTANCE = 31
"""Bits within which two PDQ hashes are of the same picture (Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ
Image-Hashing Algorithm", 2019)."""
PDQ_QUALITY = 50
"""Pictures of less quality (0 to 100) have hashes that say nothing (the same paper)."""


Place = tuple[int, int]
"""A picture: the number of its row, and its position in the listing."""


class Leak(TrainingError):
    """Something is in two splits that must be in one only."""


def check_leaks(rows: Sequence[Mapping[str, Any]]) -> None:
    """Raises Leak where an owner, a seller, a linked seller, a product or a picture of the seller's is in two splits.

    `rows` are lines of listings.jsonl. Official pictures and known fakes are in the registry, which every split sees,
    so only what sellers took themselves (`origin` own or fake) is looked at: by SHA-256 and, where it was hashed, by
    PDQ (each picture as it is; edits that turn or mirror a picture stay within a counterfeiter, who is in one split).
    Time: no listing of a split may be older than one of the split before it.
    """
    for name in ("owner", "product"):
        _refuse(name, ((row["truth"][name], row["truth"]["split"]) for row in rows if row["truth"][name]))
    sellers = (
        (seller, row["truth"]["split"])
        for row in rows
        for seller in (row["listing"]["seller_id"], *row["listing"]["seller"]["linked"])
    )
    _refuse("seller", sellers)
    own = ((shown["sha256"], row["truth"]["split"]) for row in rows for shown in row["pictures"] if _is_own(shown))
    _refuse("picture", own)
    for one, two in alike_across(rows):
        raise Leak(f"{rows[one[0]]['id']} and {rows[two[0]]['id']} of different splits show nearly the same picture")
    _refuse_time(rows)


def _refuse(what: str, pairs: Iterable[tuple[str, str]]) -> None:
    seen: dict[str, str] = {}
    for name, split in pairs:
        if seen.setdefault(name, split) != split:
            raise Leak(f"{what} {name} is in the splits {seen[name]} and {split}")


def alike_across(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Place, Place]]:
    """Sellers' own pictures of different splits that PDQ takes for the same, the one of the earlier split first."""
    by_split: dict[str, list[tuple[Place, str]]] = defaultdict(list)
    for number, row in enumerate(rows):
        for place, shown in enumerate(row["pictures"]):
            if _is_own(shown) and shown["quality"] >= PDQ_QUALITY:
                by_split[row["truth"]["split"]].append(((number, place), shown["pdq"]))
    hashes = {split: unpacked([pdq for _, pdq in shown]) for split, shown in by_split.items()}
    found = []
    for first, second in combinations([split for split in SPLITS if split in hashes], 2):
        one, two, _ = HammingIndex(hashes[second]).within(hashes[first], PDQ_DISTANCE)
        pairs = zip(one.tolist(), two.tolist(), strict=True)
        found += [(by_split[first][left][0], by_split[second][right][0]) for left, right in pairs]
    return found


def without_alike(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows without the pictures that chance made alike across splits; it is the earlier split that loses them."""
    lost = {one for one, _ in alike_across(rows)}
    return [
        {**row, "pictures": [shown for place, shown in enumerate(row["pictures"]) if (number, place) not in lost]}
        for number, row in enumerate(rows)
    ]


def _is_own(shown: Mapping[str, Any]) -> bool:
    return shown["origin"] in ("own", "fake")


def unpacked(hashes: Sequence[str]) -> NDArray[np.uint8]:
    """PDQ hashes in hexadecimal as rows (n, 32)."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(len(hashes), 32)


def _refuse_time(rows: Sequence[Mapping[str, Any]]) -> None:
    days = {
        split: [row["truth"]["day"] for row in rows if row["truth"]["split"] == split]
        for split in SPLITS
        if any(row["truth"]["split"] == split for row in rows)
    }
    order = list(days)
    for before, after in pairwise(order):
        if max(days[before]) >= min(days[after]):
            raise Leak(f"the split {after} begins on day {min(days[after])}, before {before} has ended")
