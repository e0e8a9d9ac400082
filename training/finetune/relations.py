"""Says which pictures belong together and which are known to be apart, as far as appraisals and the start can tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from screener.picture_facts import PDQ_DISTANCE
from training.finetune.data import Corpus, Picture

PDQ_QUALITY: Final = 50
"""Pictures of less quality (0 to 100) have hashes that say nothing (the paper of PDQ)."""


@dataclass(frozen=True, slots=True)
class Relations:
    """Numbers (n,) int64 by picture: equal `origin` is the same picture, edited; equal `item` the same thing for sale.

    `brand` -1 is not known; `side` indexes SIDES; `row` and `group` -1 belong to no listing.
    """

    origin: NDArray[np.int64]
    item: NDArray[np.int64]
    brand: NDArray[np.int64]
    side: NDArray[np.int64]
    row: NDArray[np.int64]
    group: NDArray[np.int64]

    def same_item(self, one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(a, b): the same thing for sale."""
        return np.asarray(self.item[one][:, None] == self.item[two][None, :])

    def other_item(self, one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(a, b): certainly another thing: of another brand; a counterfeit against the genuine of the same brand; a
        negative against what is the brand's; generic pictures against everything. What may be the same thing (two
        official pictures of one brand, listings of one seller group without a brand) is neither.
        """
        differs = ~self.same_item(one, two)
        brands = self.brand[one][:, None], self.brand[two][None, :]
        groups = self.group[one][:, None], self.group[two][None, :]
        unknown = (brands[0] < 0) | (brands[1] < 0)
        kin = (groups[0] == groups[1]) & (groups[0] >= 0)
        other_brand = np.where(unknown, ~kin, brands[0] != brands[1])
        sides = self.side[one][:, None], self.side[two][None, :]
        opposed = ((sides[0] == FAKE) & (sides[1] == GENUINE)) | ((sides[0] == GENUINE) & (sides[1] == FAKE))
        negative = (sides[0] == NEGATIVE) != (sides[1] == NEGATIVE)
        return np.asarray(differs & (other_brand | opposed | negative))

    def same_picture(self, one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(a, b): the same picture, edited or not."""
        return np.asarray(self.origin[one][:, None] == self.origin[two][None, :])

    def other_picture(self, one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(a, b): certainly another picture: of another thing. Of the same thing one may be a copy that nobody saw."""
        rows = self.row[one][:, None], self.row[two][None, :]
        together = (rows[0] == rows[1]) & (rows[0] >= 0)
        return np.asarray(self.other_item(one, two) & ~self.same_picture(one, two) & ~together)


SIDES: Final = ("genuine", "fake", "mark", "negative", "generic", "unclear")
GENUINE, FAKE, MARK, NEGATIVE, GENERIC, UNCLEAR = range(len(SIDES))


def relate(
    corpus: Corpus,
    copies: NDArray[np.float32],
    looks: NDArray[np.float32],
    *,
    copy_score: float,
    look_score: float,
) -> Relations:
    """The relations of a corpus.

    Parameters
    ----------
    copies, looks : unit vectors (n, windows, d) under the start in the part for copies and in that for products, the
        whole picture first
    copy_score, look_score : cosines from which the start takes two pictures for copies, or for the same thing

    Notes
    -----
    A listing's picture is a *copy* of the reference that its hash or its copy vector shows, and then of that one's
    thing; it is never taken for what the listing sells, since counterfeiters show official photos too. The other
    pictures of a listing are of one thing. Of the listings of one seller group, and of listings and references, those
    are of one thing that are of one brand and side and that the start takes for it, where nothing of the other side is
    nearer: a counterfeit joins known fakes, a genuine item the originals.
    """
    pictures = corpus.pictures
    count = len(pictures)
    references = np.array([n for n, p in enumerate(pictures) if p.reference], dtype=np.int64)
    shown = np.array([n for n, p in enumerate(pictures) if p.row], dtype=np.int64)
    side = np.array([SIDES.index(p.side) for p in pictures], dtype=np.int64)
    origin, items = _Sets(count), _Sets(count)
    by_hash: dict[str, int] = {}
    for number, picture in enumerate(pictures):
        if picture.box is None:
            origin.join(by_hash.setdefault(picture.sha256, number), number)
    copied = _copied(corpus, shown, references, copies, copy_score)
    for number, reference in copied.items():
        origin.join(number, reference)
        if side[reference] == FAKE and pictures[number].side == "genuine" and side[number] != side[reference]:
            side[number] = UNCLEAR  # an honest item shown by a known fake's picture: its looks say nothing
        else:
            side[number] = side[reference]
            items.join(number, reference)
    own: dict[str, list[int]] = defaultdict(list)
    for number in shown.tolist():
        if number not in copied:
            own[pictures[number].row].append(number)
    for numbers in own.values():
        for number in numbers[1:]:
            items.join(numbers[0], number)
    _join_groups(pictures, own, looks, look_score, items)
    _join_references(pictures, own, references, side, looks, look_score, items)
    _join_equal(by_hash, pictures, side, items)
    return Relations(
        origin.numbers(),
        items.numbers(),
        _numbers([picture.brand for picture in pictures]),
        side,
        _numbers([picture.row for picture in pictures]),
        _numbers([picture.group for picture in pictures]),
    )


def _copied(
    corpus: Corpus,
    shown: NDArray[np.int64],
    references: NDArray[np.int64],
    copies: NDArray[np.float32],
    least: float,
) -> dict[int, int]:
    """The reference that each listing's picture is a copy of, where it is one."""
    if not len(shown) or not len(references):
        return {}
    scores = np.einsum("nkd,md->nkm", copies[shown], copies[references, 0]).max(axis=1)
    hashes = [corpus.pdq(int(number)) for number in shown]
    known = [corpus.pdq(int(number)) for number in references]
    turned = np.stack([one for one, _ in known])  # (m, 8, 32)
    good = np.array([quality >= PDQ_QUALITY for _, quality in known])
    for place, (own, quality) in enumerate(hashes):
        if quality >= PDQ_QUALITY:
            bits = np.bitwise_count(turned ^ own[0]).sum(axis=2).min(axis=1)
            scores[place, good & (bits <= PDQ_DISTANCE)] = 1.0
    same = np.array([[corpus.pictures[r].sha256 == corpus.pictures[n].sha256 for r in references] for n in shown])
    scores[same] = 1.0
    return {
        int(number): int(references[best])
        for number, best, row in zip(shown, scores.argmax(axis=1), scores, strict=True)
        if row[best] >= least
    }


def _join_groups(
    pictures: Sequence[Picture],
    own: dict[str, list[int]],
    looks: NDArray[np.float32],
    least: float,
    items: _Sets,
) -> None:
    """Listings of one group that show the same thing."""
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for numbers in own.values():
        first = pictures[numbers[0]]
        groups[first.group, first.brand, first.side] += numbers
    for numbers in groups.values():
        cosines = looks[numbers, 0] @ looks[numbers, 0].T
        for one, two in np.argwhere(np.triu(cosines >= least, 1)).tolist():
            items.join(numbers[one], numbers[two])


def _join_references(
    pictures: Sequence[Picture],
    own: dict[str, list[int]],
    references: NDArray[np.int64],
    side: NDArray[np.int64],
    looks: NDArray[np.float32],
    least: float,
    items: _Sets,
) -> None:
    """Listings' own pictures and the nearest reference of their brand, if it is of their side."""
    by_brand: dict[str, list[int]] = defaultdict(list)
    for number in references.tolist():
        if side[number] in (GENUINE, FAKE):
            by_brand[pictures[number].brand].append(number)
    for numbers in own.values():
        known = by_brand.get(pictures[numbers[0]].brand, [])
        if not known:
            continue
        scores = np.einsum("nkd,md->nkm", looks[numbers], looks[known, 0]).max(axis=1)
        number, best = np.unravel_index(scores.argmax(), scores.shape)
        if scores[number, best] >= least and side[known[best]] == side[numbers[0]]:
            items.join(numbers[0], known[best])


def _join_equal(by_hash: dict[str, int], pictures: Sequence[Picture], side: NDArray[np.int64], items: _Sets) -> None:
    """The same file is the same thing, unless it is said to be of two sides."""
    for number, picture in enumerate(pictures):
        first = by_hash.get(picture.sha256, number)
        if picture.box is None and side[first] == side[number]:
            items.join(first, number)


class _Sets:
    """Disjoint sets of numbers, each named by its smallest."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def join(self, one: int, two: int) -> None:
        low, high = sorted((self.root(one), self.root(two)))
        self._parent[high] = low

    def numbers(self) -> NDArray[np.int64]:
        return np.array([self.root(number) for number in range(len(self._parent))], dtype=np.int64)


def _numbers(names: Sequence[str]) -> NDArray[np.int64]:
    order = {name: number for number, name in enumerate(sorted(set(names) - {""}))}
    return np.array([order.get(name, -1) for name in names], dtype=np.int64)
