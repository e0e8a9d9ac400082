"""Puts unknown listings together that are of one brand: by the name they claim, and by what their pictures show."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from screener.discover_graph import Edges, Groups, communities, join_pieces, mutual_neighbours
from screener.discover_names import Claims, alike
from screener.discover_read import PictureVectors, Unknown

DOMINANT: Final = 0.6
"""Share of the named listings of a picture, or of pictures alike, that must agree before the nameless go with them."""
NAMED: Final = 0.1
"""Share of a community that must be named, unless two listings are: one seller's word is not everybody's."""
MIXED: Final = 3
"""So many names on one picture, none of them dominant, say that it shows no goods: a size chart, a parcel, a banner."""


@dataclass(frozen=True, slots=True)
class Group:
    """Listings (their numbers, ascending) that are of one brand as far as can be told; `keys` are the names claimed."""

    members: tuple[int, ...]
    keys: tuple[str, ...]


def group_listings(listings: Sequence[Unknown], claimed: Claims, vectors: PictureVectors, least: float) -> list[Group]:
    """Groups of two listings or more, each listing in one at most.

    Parameters
    ----------
    listings, claimed : the listings and their names
    vectors : of the listings' pictures; those without one are left to the words
    least : cosine from which two pictures are linked (`screener.discover_graph.link_score`)

    Notes
    -----
    A name decides over pictures: listings that claim different names are never put together by their pictures alone,
    only if the names are nearly spelled alike as well. Pictures bring in those who claim nothing.
    """
    edges = mutual_neighbours(vectors.matrix, least)
    names = {key: number for number, key in enumerate(sorted(set(claimed.keys) - {""}), start=1)}
    of_listing = np.array([names.get(key, 0) for key in claimed.keys], dtype=np.int64)
    shown = [[vectors.rows[sha256] for sha256 in listing.pictures if sha256 in vectors.rows] for listing in listings]
    of_picture, mixed = _names_of_pictures(shown, of_listing, len(vectors.matrix))
    left, right = of_picture[edges.left], of_picture[edges.right]
    usable = ~mixed[edges.left] & ~mixed[edges.right]
    apart = (left != right) & (left > 0) & (right > 0)
    kept = _some(edges, usable & ~apart)
    community = join_pieces(communities(len(vectors.matrix), _with_listings(kept, shown, mixed)), kept)
    at = [_majority([int(community[row]) for row in rows if not mixed[row]]) for rows in shown]
    crossing = usable & apart
    return _groups(of_listing, at, _spelled_alike(names, left[crossing], right[crossing]), tuple(names))


def _groups(of_listing: NDArray[np.int64], at: Sequence[int | None], same: Groups, names: Sequence[str]) -> list[Group]:
    """Names first; then the nameless of each community, with the name that dominates there or among themselves."""
    name = np.array([same.first(int(number)) for number in of_listing], dtype=np.int64)
    often = Counter(name.tolist())
    name[[often[number] < 2 for number in name.tolist()]] = 0  # a name that one listing claims holds nobody together
    inside: dict[int, list[int]] = defaultdict(list)
    for listing, community in enumerate(at):
        if community is not None:
            inside[community].append(listing)
    final: dict[tuple[str, int], list[int]] = defaultdict(list)
    for number in range(len(name)):
        if name[number]:
            final["name", int(name[number])].append(number)
    for community, members in inside.items():
        nameless = [member for member in members if not name[member]]
        leader = _dominant(Counter(int(name[member]) for member in members if name[member]), len(members))
        final[("name", leader) if leader else ("pictures", community)] += nameless
    groups = []
    for members in final.values():
        if len(members) >= 2:
            keys = Counter(names[number - 1] for number in of_listing[members].tolist() if number)
            groups.append(Group(tuple(sorted(members)), tuple(sorted(keys, key=lambda key: (-keys[key], key)))))
    return groups


def _dominant(named: Mapping[int, int], size: int) -> int:
    """The name that most of the named claim, if it dominates and enough are named; else 0."""
    if not named:
        return 0
    leader = max(sorted(named), key=lambda number: named[number])
    enough = named[leader] >= 2 or named[leader] >= NAMED * size
    return leader if enough and named[leader] >= DOMINANT * sum(named.values()) else 0


def _names_of_pictures(
    shown: Sequence[Sequence[int]], of_listing: NDArray[np.int64], pictures: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The name that dominates among the listings with a picture, 0 for none; and which pictures are mixed."""
    counts: dict[int, Counter[int]] = defaultdict(Counter)
    for rows, number in zip(shown, of_listing.tolist(), strict=True):
        if number:
            for row in rows:
                counts[row][number] += 1
    names, mixed = np.zeros(pictures, dtype=np.int64), np.zeros(pictures, dtype=bool)
    for row, named in counts.items():
        names[row] = _dominant(named, sum(named.values()))
        mixed[row] = not names[row] and len(named) >= MIXED
    return names, mixed


def _with_listings(edges: Edges, shown: Sequence[Sequence[int]], mixed: NDArray[np.bool_]) -> Edges:
    """The edges, and one of weight 1 from the first picture of each listing to each other of it."""
    pairs = []
    for rows in shown:
        usable = [row for row in rows if not mixed[row]]
        pairs += [(min(usable[0], row), max(usable[0], row)) for row in usable[1:]]
    more = np.array(sorted(set(pairs)), dtype=np.int64).reshape(-1, 2)
    return Edges(
        np.concatenate([edges.left, more[:, 0]]),
        np.concatenate([edges.right, more[:, 1]]),
        np.concatenate([edges.weight, np.ones(len(more), dtype=np.float32)]),
    )


def _spelled_alike(names: Mapping[str, int], left: NDArray[np.int64], right: NDArray[np.int64]) -> Groups:
    """Names (by number) put together that are nearly spelled alike and whose pictures, of `left` and `right`, link."""
    keys = ["", *names]
    same = Groups(len(keys))
    pairs = np.unique(np.stack([np.minimum(left, right), np.maximum(left, right)], axis=1), axis=0)
    for one, other in pairs.tolist():
        if alike(keys[one], keys[other]):
            same.join(one, other)
    return same


def _majority(found: Sequence[int]) -> int | None:
    """What most of a listing's pictures belong to, of equals what the earliest does; None without pictures."""
    counts = Counter(found)
    return max(counts, key=lambda number: counts[number]) if counts else None


def _some(edges: Edges, which: NDArray[np.bool_]) -> Edges:
    return Edges(edges.left[which], edges.right[which], edges.weight[which])
