"""Salted hashes in place of the names of sellers and listings, and which rows belong together."""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from index.hamming import BYTES, HammingIndex
from training.frozen.model import FrozenReference, FrozenRow, PictureHash
from training.market.splits import PDQ_DISTANCE, PDQ_QUALITY

_TURNS = 8


class Pseudonyms:
    """Names for sellers and listings that only the holder of the secret can lead back; the same for every data set."""

    def __init__(self, secret: bytes):
        """`secret` is the server's; what is derived from it here serves nothing else."""
        self._key = hmac.new(secret, b"frozen data sets", hashlib.sha256).digest()

    def seller(self, seller_id: str) -> str:
        """`slr_` and 16 hex digits."""
        return self._name("slr", seller_id)

    def listing(self, listing_id: str) -> str:
        """`lst_` and 16 hex digits."""
        return self._name("lst", listing_id)

    def _name(self, kind: str, text: str) -> str:
        return f"{kind}_{hmac.new(self._key, f'{kind} {text}'.encode(), hashlib.sha256).hexdigest()[:16]}"


class Union:
    """Sets of things that belong together (Tarjan 1975, with path halving)."""

    def __init__(self, size: int):
        self._parent = list(range(size))

    def find(self, thing: int) -> int:
        """The representative of the thing's set."""
        while self._parent[thing] != thing:
            self._parent[thing] = self._parent[self._parent[thing]]
            thing = self._parent[thing]
        return thing

    def join(self, one: int, two: int) -> None:
        """Makes two sets one; the smaller representative stays."""
        low, high = sorted((self.find(one), self.find(two)))
        self._parent[high] = low


def grouped(
    rows: Sequence[FrozenRow], references: Sequence[FrozenReference], hashes: Mapping[str, PictureHash]
) -> list[FrozenRow]:
    """The rows with their groups: one for sellers who are linked, for a listing's revisions and for pictures alike.

    What was registered before any row showed it (an official photo, a known fake) joins nobody: every split may know
    the registry. Everything else is a seller's own: the same file, or within 31 of 256 bits in any turn or mirror.
    """
    union = Union(len(rows))
    first: dict[str, int] = {}
    own = own_pictures(rows, references, hashes)
    for number, row in enumerate(rows):
        for key in (*row.sellers, str(row.listing["listing_id"]), *own[number]):
            union.join(number, first.setdefault(key, number))
    for one, two in alike(own, hashes):
        union.join(one, two)
    members: dict[int, list[str]] = defaultdict(list)
    for number, row in enumerate(rows):
        members[union.find(number)].append(row.screening_id)
    names = {
        root: "grp_" + hashlib.sha256("\n".join(sorted(own)).encode()).hexdigest()[:16] for root, own in members.items()
    }
    return [replace(row, group=names[union.find(number)]) for number, row in enumerate(rows)]


def own_pictures(
    rows: Sequence[FrozenRow], references: Iterable[FrozenReference], hashes: Mapping[str, PictureHash]
) -> list[frozenset[str]]:
    """The pictures of each row that were nobody's reference when a row first showed them."""
    shown: dict[str, datetime] = {}
    for row in rows:
        for sha256 in row.pictures:
            shown[sha256] = min(row.created_at, shown.get(sha256, row.created_at))
    known = list(references)
    registered = {
        sha256 for sha256, reference in same_pictures(shown, known, hashes) if reference.created_at <= shown[sha256]
    }
    return [frozenset(sha256 for sha256 in row.pictures if sha256 not in registered) for row in rows]


def same_pictures(
    shown: Collection[str], references: Sequence[FrozenReference], hashes: Mapping[str, PictureHash]
) -> list[tuple[str, FrozenReference]]:
    """Pictures of rows and the references that are the same file, or the same picture by PDQ."""
    by_file: dict[str, list[FrozenReference]] = defaultdict(list)
    for reference in references:
        by_file[reference.sha256].append(reference)
    found = [(sha256, reference) for sha256 in shown for reference in by_file.get(sha256, ())]
    usable = [sha256 for sha256 in shown if _says(hashes.get(sha256))]
    targets = [reference for reference in references if _says(hashes.get(reference.sha256))]
    for one, two in _near([hashes[sha256] for sha256 in usable], [hashes[target.sha256] for target in targets]):
        if usable[one] != targets[two].sha256:
            found.append((usable[one], targets[two]))
    return found


def alike(own: Sequence[Collection[str]], hashes: Mapping[str, PictureHash]) -> list[tuple[int, int]]:
    """Pairs of rows with pictures that PDQ takes for the same."""
    owners: dict[str, list[int]] = defaultdict(list)
    for number, pictures in enumerate(own):
        for sha256 in pictures:
            owners[sha256].append(number)
    usable = [sha256 for sha256 in owners if _says(hashes.get(sha256))]
    measured = [hashes[sha256] for sha256 in usable]
    return [
        (left, right)
        for one, two in _near(measured, measured)
        if one < two
        for left in owners[usable[one]]
        for right in owners[usable[two]]
        if left != right
    ]


def _says(found: PictureHash | None) -> bool:
    return found is not None and found.quality >= PDQ_QUALITY


def _near(queries: Sequence[PictureHash], targets: Sequence[PictureHash]) -> set[tuple[int, int]]:
    """Places of queries and targets whose hashes are near, the query in any of its turns."""
    if not queries or not targets:
        return set()
    straight = np.frombuffer(b"".join(target.pdq[:BYTES] for target in targets), dtype=np.uint8)
    turned = np.frombuffer(b"".join(query.pdq for query in queries), dtype=np.uint8)
    one, two, _ = HammingIndex(straight.reshape(-1, BYTES)).within(turned.reshape(-1, BYTES), PDQ_DISTANCE)
    return {(left // _TURNS, right) for left, right in zip(one.tolist(), two.tolist(), strict=True)}
