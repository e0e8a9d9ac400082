"""The random design: the chance of every listing, and the draw that keeps to it exactly.

The chance of a listing is a mixture of strategies, each with its share of the budget. The random share is the same for
every listing and bounds the weight of any result ("defensive mixture": Hesterberg, Technometrics 1995; Owen and Zhou,
JASA 2000). Of near-duplicates one is picked at most: chances add up within a cluster, where 1 is the most, and one
member is drawn in proportion to its own.

The draw is ordered pivotal sampling (Deville and Tillé, Biometrika 1998; Chauvet, Bernoulli 2012): it has exactly the
given chances and a fixed size, and neighbours in the order compete for a place, so the picks spread evenly over it.
The order is: prompted or not, strata alike in probability, brand, category, seller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from brands.model import Strategy
from screener.spot_checks.model import Population, Shares, Stratum
from screener.spot_checks.scores import utilities

PER_STRATUM: Final = 20
"""Picks that a stratum is cut for: enough to weight its results by what is known of the whole stratum."""
_NEVER: Final = 1e-12
_LITTLE: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """`inclusion` (n,) is the chance of each listing, `parts` (strategies, n) what it is made of, in the order of
    `strategies`; `cluster` (n,) the near-duplicates, `order` (clusters,) the order of the draw, `stratum` (n,) the
    number of one of `strata`. The chances add up to `size`."""

    size: int
    strategies: tuple[Strategy, ...]
    inclusion: NDArray[np.float64]
    parts: NDArray[np.float64]
    cluster: NDArray[np.int64]
    order: NDArray[np.int64]
    stratum: NDArray[np.int64]
    strata: tuple[Stratum, ...]


def make_design(population: Population, *, budget: int, shares: Shares) -> Design:
    """The design for a budget of items; nothing in it is random. With fewer clusters than `budget`, each has one pick.

    Raises ValueError for an empty population.
    """
    if not len(population) or budget < 1:
        raise ValueError("a design needs listings and a budget")
    clusters = int(population.cluster.max()) + 1
    size = min(budget, clusters)
    wanted = _effective(shares.as_dict(), utilities(population))
    strategies = tuple(wanted)
    parts = np.stack([size * share * useful for share, useful in wanted.values()])
    parts = _capped(parts, population.cluster, clusters, size, strategies.index("random"))
    inclusion = parts.sum(axis=0)
    stratum, strata = _strata(population, inclusion)
    first = np.unique(population.cluster, return_index=True)[1]
    order = np.lexsort(tuple(key[first] for key in (population.seller, population.category, population.brand, stratum)))
    return Design(size, strategies, inclusion, parts, population.cluster, order, stratum, strata)


def draw(design: Design, rng: np.random.Generator) -> NDArray[np.int64]:
    """The picks, `design.size` numbers of listings in ascending order; no two are of one cluster."""
    clusters = len(design.order)
    chance = np.bincount(design.cluster, weights=design.inclusion, minlength=clusters).astype(np.float64)
    drawn = np.zeros(clusters, dtype=bool)
    drawn[design.order[ordered_pivotal(chance[design.order], rng)]] = True
    members = np.flatnonzero(drawn[design.cluster])
    # The member with the first of exponential waiting times whose rates are the chances: one draw for all clusters.
    waiting = rng.exponential(size=len(members)) / np.maximum(design.inclusion[members], _NEVER)
    by_cluster = np.lexsort((waiting, design.cluster[members]))
    firsts = np.unique(design.cluster[members][by_cluster], return_index=True)[1]
    return np.sort(members[by_cluster][firsts])


def ordered_pivotal(chances: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """A sample in which unit i is with probability `chances[i]` (each 0 to 1, their sum a whole number), of that size.

    Neighbours fight: the winner takes as much of both chances as 1 holds, the loser keeps the rest and goes on.
    """
    size = round(float(chances.sum()))
    certain = chances >= 1 - _NEVER
    open_ = np.flatnonzero(~certain & (chances > _NEVER))
    taken: list[int] = []
    if len(open_):
        left, standing = 0.0, -1
        for unit, own, luck in zip(
            open_.tolist(), chances[open_].tolist(), rng.random(len(open_)).tolist(), strict=True
        ):
            if standing < 0:
                left, standing = own, unit
            elif (both := left + own) < 1:
                if luck * both >= left:
                    standing = unit
                left = both
            else:
                rest = max(both - 1, 0.0)
                if luck * (1 - rest) < 1 - own:
                    taken.append(standing)
                    standing = unit
                else:
                    taken.append(unit)
                left = rest
        # What is left is 0 or 1 but for rounding.
        if len(taken) + int(certain.sum()) < size:
            taken.append(standing)
    return np.sort(np.concatenate([np.flatnonzero(certain), np.array(taken, dtype=np.int64)]))


def _effective(
    shares: Mapping[Strategy, float], useful: Mapping[Strategy, NDArray[np.float64]]
) -> dict[Strategy, tuple[float, NDArray[np.float64]]]:
    """The shares, those of strategies without any use given to the others in proportion, and what is useful for each,
    adding up to 1."""
    there = {strategy: share for strategy, share in shares.items() if strategy == "random" or useful[strategy].sum()}
    free = 1 - sum(there.values())
    targeted = sum(share for strategy, share in there.items() if strategy != "random")
    found: dict[Strategy, tuple[float, NDArray[np.float64]]] = {}
    for strategy, share in there.items():
        if strategy == "random":
            more = 0.0 if targeted else free
        else:
            more = free * share / targeted if targeted else 0.0
        if share + more > 0:
            found[strategy] = (share + more, useful[strategy] / useful[strategy].sum())
    return found


def _capped(
    parts: NDArray[np.float64], cluster: NDArray[np.int64], clusters: int, size: int, random: int
) -> NDArray[np.float64]:
    """The parts with which no cluster has more than 1 and all together have `size`.

    What a full cluster cannot take goes to the strategies of the others, in proportion: a cluster gets
    min(1, random + factor x others), and the random part of those that are not full stays as it is.
    """
    targeted = np.arange(len(parts)) != random
    base = np.bincount(cluster, weights=parts[random], minlength=clusters)
    more = np.bincount(cluster, weights=parts[targeted].sum(axis=0), minlength=clusters)
    kept = np.minimum(base, 1.0)
    if clusters == size:
        chance = np.ones(clusters)
    else:
        pull = more + base * _LITTLE  # where no strategy is in favour, chance could have nowhere to go
        full_from = (1 - kept) / pull
        order = np.argsort(full_from, kind="stable")
        behind = np.arange(1, clusters + 1)
        kept_left = kept.sum() - np.cumsum(kept[order])
        pull_left = pull.sum() - np.cumsum(pull[order])
        reached = behind + kept_left + full_from[order] * pull_left
        full = int(np.searchsorted(reached, size))  # so many clusters are full
        rest = order[full:]
        chance = np.ones(clusters)
        factor = (size - full - kept[rest].sum()) / pull[rest].sum()
        chance[rest] = np.minimum(kept[rest] + factor * pull[rest], 1.0)
    grown = chance - kept
    targets = more > _NEVER
    scaled = parts.copy()
    scaled[random] *= (np.where(targets, kept, chance) / base)[cluster]
    scaled[targeted] *= np.where(targets, grown / np.maximum(more, _NEVER), 0.0)[cluster]
    return scaled


def _strata(population: Population, inclusion: NDArray[np.float64]) -> tuple[NDArray[np.int64], tuple[Stratum, ...]]:
    """Cuts the prompted and the others by probability into parts that expect `PER_STRATUM` picks or a little more."""
    stratum = np.zeros(len(population), dtype=np.int64)
    strata: list[Stratum] = []
    for prompted in (True, False):
        rows = np.flatnonzero(population.prompted == prompted)
        if not len(rows):
            continue
        rows = rows[np.lexsort((rows, -population.probability[rows]))]
        expected = np.cumsum(inclusion[rows])
        parts = max(int(expected[-1] / PER_STRATUM + 1e-9), 1)
        numbers = np.minimum((expected - inclusion[rows] / 2) * parts / expected[-1], parts - 1).astype(np.int64)
        _, numbers = np.unique(numbers, return_inverse=True)
        stratum[rows] = len(strata) + numbers
        strata += [Stratum(prompted, int(count)) for count in np.bincount(numbers)]
    return stratum, tuple(strata)
