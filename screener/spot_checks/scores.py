"""What makes a listing worth buying, for each strategy: numbers that chances are made proportional to.

No strategy may spend itself on one place: what a group of near-duplicates, a seller or a brand brings counts with the
square root of it, so twice as much of the same is not twice as good.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from brands.model import Strategy
from screener.spot_checks.model import Population

MOST_DOLLARS: Final = 1000.0
"""What a price counts at most: the seller chooses it, and must not choose who is bought from."""
_LEAST: Final = 1e-4
"""Probability that nothing is below: a judge that is sure is still wrong sometimes."""


def utilities(population: Population) -> dict[Strategy, NDArray[np.float64]]:
    """For each strategy how useful each listing is, (n,), at least 0; all 0 where nothing is in favour of any."""
    p = np.clip(population.probability, _LEAST, 1 - _LEAST)
    # Most listings are unlikely to be counterfeit, and in proportion to the probability alone they would take most of
    # the chance together. Powers prefer the few that are likely, for any judge whose order is right: one whose
    # probabilities are all too low by a factor changes nothing.
    fakes = p**3
    known = np.nan_to_num(population.price, nan=_usual(population.price))
    return {
        "random": np.ones(len(population)),
        "fakes": _spread(fakes, population),
        "uncertain": _spread(closeness(population) ** 2, population),
        "diverse": rarity(population) / _size(population.cluster)[population.cluster],
        "value": _spread(p**2 * np.clip(known, 0.0, MOST_DOLLARS), population),
        "complaints": _spread(np.log2(1.0 + population.complaints), population),
    }


def closeness(population: Population) -> NDArray[np.float64]:
    """How close the probability is to the threshold of a prompt, in log-odds: 1 at it, and less on both sides."""
    p = np.clip(population.probability, _LEAST, 1 - _LEAST)
    threshold = np.clip(population.threshold, _LEAST, 1 - _LEAST)
    apart = np.log(p / (1 - p)) - np.log(threshold / (1 - threshold))
    return np.asarray(1 / np.cosh(apart / 2) ** 2)


def rarity(population: Population) -> NDArray[np.float64]:
    """With these chances each brand is as likely as any other, each seller, category and kind of looks too; the sum
    of the four, each adding up to 1."""
    found = np.zeros(len(population))
    for group in (population.brand, population.seller, population.category, population.looks):
        size = _size(group)
        found += 1 / (np.count_nonzero(size) * size[group])
    return found


def _spread(useful: NDArray[np.float64], population: Population) -> NDArray[np.float64]:
    """Less for those of whose kind there are many: near-duplicates count as one, sellers and brands with the root."""
    useful = useful / _size(population.cluster)[population.cluster]
    for group in (population.seller, population.brand):
        total = np.bincount(group, weights=useful)[group]
        useful = np.divide(useful, np.sqrt(total), out=np.zeros_like(useful), where=total > 0)
    return useful


def _size(group: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.bincount(group)


def _usual(price: NDArray[np.float64]) -> float:
    """The middle price, for those that have none."""
    known = price[~np.isnan(price)]
    return float(np.median(known)) if len(known) else 1.0
