"""Which pictures show the same goods, without anything registered: nearest neighbours, and communities among them.

Connected components chain: two products side by side on one shelf photo join everything that either is near to. So
neighbours must be mutual, alike enough for so many pictures, and then each node takes the label that weighs most
among its neighbours ("Chinese whispers", Biemann 2006; label propagation, Raghavan et al. 2007, arXiv:0709.2938): a
few stray links between two dense groups are outvoted on both sides.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import faiss
import numpy as np
from numpy.typing import NDArray

from screener.bundle import Bundle

NEIGHBOURS: Final = 30
"""Neighbours looked at per picture: with fewer, large groups fall apart (photos of 17 products, some 57 of each: 23 %
of the pairs together with 10 neighbours, 60 % with 20, 85 % with 30, at the same purity)."""
JOINED: Final = 0.1
"""Links between two communities, as a share of the neighbours that the smaller one's members have room for, from which
they are one: groups of many more pictures than `NEIGHBOURS` come out in pieces that are densely linked."""
EXACT: Final = 20_000
"""Up to so many pictures every pair is compared; beyond, only those in the nearest cells of an inverted file."""
MAX_SCORE: Final = 0.92
DECADE: Final = 0.064
"""How much the threshold rises for ten times as many pictures where a bundle gives one operating point only: the rise
between the two points of the embedded one."""
ROUNDS: Final = 30
_PROBES: Final = 16
_CHUNK: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Links between nodes, each pair once: `left` < `right` (m,) and `weight` (m,), float32."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    weight: NDArray[np.float32]


def link_score(bundle: Bundle, base: float, pictures: int) -> float:
    """The cosine from which two of so many pictures are linked: one wrong pair per picture is expected at it.

    `base` is the threshold for products (`screener.match.thresholds`).

    The bundle's product threshold holds for a pair at its false match rate; among n pictures each has n chances. The
    rate falls about exponentially with the score, so the threshold rises by a constant for each factor of ten.
    """
    point = bundle.operating_points.get("product")
    rate = point.false_match_rate if point else 1e-3
    decades = math.log10(max(pictures, 1) * max(rate, 1e-9))
    return min(base + _rise(bundle.manifest) * max(decades, 0.0), max(MAX_SCORE, base))


def mutual_neighbours(vectors: NDArray[np.floating], least: float, count: int = NEIGHBOURS) -> Edges:
    """The pairs of rows (n, d) of unit norm that are among each other's `count` nearest, with a cosine of `least`.

    Exact up to `EXACT` rows; beyond, an inverted file misses a few. float16 rows are widened piece by piece.
    """
    rows = len(vectors)
    if rows < 2:
        return Edges(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    index = _index(vectors)
    fetch = min(count + 1, rows)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]] = []
    for start in range(0, rows, _CHUNK):
        scores, near = index.search(_wide(vectors[start : start + _CHUNK]), fetch)
        here = np.arange(start, start + len(near), dtype=np.int64)[:, None]
        row, column = np.nonzero((near >= 0) & (near != here) & (scores >= least))
        found.append((row + start, near[row, column], scores[row, column]))
    left, right, weight = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if not len(left):
        return Edges(left, right, weight)
    forward = np.sort(left * rows + right)
    backward = right * rows + left
    place = np.minimum(np.searchsorted(forward, backward), len(forward) - 1)
    once = (left < right) & (forward[place] == backward)
    return Edges(left[once], right[once], np.minimum(weight[once], 1.0))


def communities(nodes: int, edges: Edges, *, seed: int = 0) -> NDArray[np.int64]:
    """A label (nodes,) for each node, the number of one of the nodes that share it; alone, a node keeps its own.

    Half of the nodes, another half each time, take the label that weighs most among their neighbours, until none
    changes or `ROUNDS` are over: were all to do so at once, two could swap labels for ever. Of equal labels the one a
    node has wins, then the smallest. The same edges and seed give the same labels.
    """
    labels = np.arange(nodes, dtype=np.int64)
    source = np.concatenate([edges.left, edges.right])
    target = np.concatenate([edges.right, edges.left])
    order = np.argsort(source, kind="stable")
    source, target = source[order], target[order]
    weight = np.concatenate([edges.weight, edges.weight])[order].astype(np.float64)
    rng = np.random.default_rng(seed)
    awake = np.zeros(nodes, dtype=bool)
    awake[source] = True
    for _ in range(ROUNDS):
        if not awake.any():
            break
        half = rng.random(nodes) < 0.5
        for turn in (half, ~half):
            mine = (turn & awake)[source]
            winner_of, winner = _heaviest(source[mine], labels[target[mine]], weight[mine], labels)
            awake[turn] = False
            moved = np.zeros(nodes, dtype=bool)
            moved[winner_of[labels[winner_of] != winner]] = True
            labels[winner_of] = winner
            awake[target[moved[source]]] = True  # only who has a neighbour that moved can come to another answer
    return labels


def join_pieces(labels: NDArray[np.int64], edges: Edges, count: int = NEIGHBOURS) -> NDArray[np.int64]:
    """The labels (nodes,) with communities put together that are as densely linked as `JOINED` says."""
    pieces, piece, size = np.unique(labels, return_inverse=True, return_counts=True)
    left, right = piece[edges.left], piece[edges.right]
    between = left != right
    low, high = np.minimum(left, right)[between], np.maximum(left, right)[between]
    pairs, links = np.unique(low * len(pieces) + high, return_counts=True)
    low, high = pairs // len(pieces), pairs % len(pieces)
    dense = links >= JOINED * count * np.minimum(size[low], size[high])
    together = Groups(len(pieces))
    for one, other in zip(low[dense].tolist(), high[dense].tolist(), strict=True):
        together.join(one, other)
    return pieces[np.array([together.first(number) for number in range(len(pieces))], dtype=np.int64)][piece]


class Groups:
    """Numbers that are put together two by two (union-find); the smallest stands for its group."""

    def __init__(self, count: int):
        self._parent = list(range(count))

    def first(self, number: int) -> int:
        """The number that stands for the group of `number`."""
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def join(self, one: int, other: int) -> None:
        """Makes two groups one."""
        low, high = sorted((self.first(one), self.first(other)))
        self._parent[high] = low


def _heaviest(
    source: NDArray[np.int64], label: NDArray[np.int64], weight: NDArray[np.float64], own: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The nodes of `source` and, for each, the label with the greatest sum of weights."""
    if not len(source):
        return source, label
    order = np.argsort(source * len(own) + label, kind="stable")
    source, label, weight = source[order], label[order], weight[order]
    starts = np.flatnonzero(np.r_[True, (source[1:] != source[:-1]) | (label[1:] != label[:-1])])
    source, label = source[starts], label[starts]
    # Rounded, so that equal sums of other orders tie on every machine.
    total = np.round(np.add.reduceat(weight, starts), 6)
    best = np.lexsort((label, label != own[source], -total, source))
    first = best[np.r_[True, source[best][1:] != source[best][:-1]]]
    return source[first], label[first]


def _wide(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.ascontiguousarray(rows, dtype=np.float32)


def _index(vectors: NDArray[np.floating]) -> faiss.Index:
    rows, dim = vectors.shape
    index: Any = faiss.IndexFlatIP(dim)
    if rows > EXACT:
        cells = int(2 * math.sqrt(rows))
        index = faiss.IndexIVFScalarQuantizer(
            index, dim, cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.max_points_per_centroid = 64
        index.cp.seed = 1
        index.nprobe = _PROBES
        sample = np.random.default_rng(0).choice(rows, min(rows, 64 * cells), replace=False)
        index.train(_wide(vectors[np.sort(sample)]))
    for start in range(0, rows, _CHUNK):
        index.add(_wide(vectors[start : start + _CHUNK]))
    return cast("faiss.Index", index)


def _rise(manifest: Mapping[str, Any]) -> float:
    """Score per factor of ten in the false match rate, between the bundle's points for products."""
    curve = manifest["metrics"].get("operating_curve", {}).get("product", [])
    points = sorted((math.log10(point["false_match_rate"]), point["score"]) for point in curve)
    if len(points) < 2 or points[-1][0] - points[0][0] < 0.3:
        return DECADE
    return max(float(points[0][1] - points[-1][1]) / float(points[-1][0] - points[0][0]), 0.0)
