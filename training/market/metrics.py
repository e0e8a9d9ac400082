"""Figures of a score on weighted listings: recall at a precision, false prompts, calibration; with intervals by groups.

Listings carry weights, so precision is that of a market with the stated prevalence: with recall r of the counterfeits
and share f of the honest listings above a threshold, precision is p r / (p r + (1 - p) f). Intervals draw groups (the
people behind shops) with replacement, because listings of one of them are alike (Efron and Tibshirani, An Introduction
to the Bootstrap, 1993, chapter 8).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVEL = 0.95
_AT_ONCE = 100
"""Draws computed together."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """n listings with a score each (higher is more suspect): truth `y`, `weight` > 0 and `group`, all of shape (n,)."""

    score: Floats
    y: NDArray[np.bool_]
    weight: Floats
    group: NDArray[np.str_]
    prevalence: float

    def where(self, chosen: NDArray[np.bool_]) -> Scored:
        """Some of the listings."""
        return Scored(self.score[chosen], self.y[chosen], self.weight[chosen], self.group[chosen], self.prevalence)


@dataclass(frozen=True, slots=True)
class Curve:
    """Thresholds from the highest score down: at or above each, recall, share of honest listings, and precision.

    `score` has shape (m,), the others (..., m); the last axis ends with the lowest score.
    """

    score: Floats
    recall: Floats
    false_share: Floats
    precision: Floats

    def best(self, precision: float) -> tuple[Floats, NDArray[np.int64]]:
        """The highest recall with at least this precision (0 where there is none), and the place of its threshold."""
        reached = np.where(self.precision >= precision, self.recall, 0.0)
        return reached.max(axis=-1), reached.argmax(axis=-1)


def curve(scored: Scored, times: Floats | None = None) -> Curve:
    """The curve; `times` (..., n) counts how often each listing was drawn (1 if not given).

    Listings of equal score are above a threshold together or not at all. Raises ValueError without any counterfeit or
    without any honest listing, and for scores that are no numbers.
    """
    if not np.isfinite(scored.score).all():
        raise ValueError("scores must be finite")
    if scored.y.all() or not scored.y.any():
        raise ValueError("there must be counterfeits and honest listings")
    order = np.argsort(-scored.score, kind="stable")
    ordered = scored.score[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    weight = (scored.weight if times is None else scored.weight * times)[..., order]
    truth = scored.y[order]
    caught = np.cumsum(np.where(truth, weight, 0.0), axis=-1)
    wrong = np.cumsum(np.where(truth, 0.0, weight), axis=-1)
    recall = caught[..., ends] / np.maximum(caught[..., -1:], 1e-12)
    false_share = wrong[..., ends] / np.maximum(wrong[..., -1:], 1e-12)
    mass = scored.prevalence * recall
    precision = mass / np.maximum(mass + (1 - scored.prevalence) * false_share, 1e-12)
    return Curve(ordered[ends], recall, false_share, precision)


def recall_at_precision(scored: Scored, precision: float) -> float:
    """The highest recall of any threshold `score >= t` with at least this precision; 0 if there is none."""
    return float(curve(scored).best(precision)[0])


def threshold_at_precision(scored: Scored, precision: float) -> float | None:
    """The highest threshold with that recall; None if there is none."""
    whole = curve(scored)
    recall, place = whole.best(precision)
    return float(whole.score[place]) if recall > 0 else None


def average_precision(scored: Scored) -> float:
    """The area under precision over recall, as steps."""
    whole = curve(scored)
    return float(np.sum(np.diff(whole.recall, prepend=0.0) * whole.precision))


def per_ten_thousand(chosen: NDArray[np.bool_], among: NDArray[np.bool_], weight: Floats) -> float:
    """Weighted listings `chosen`, of 10,000 `among`; 0 among none."""
    total = float(weight[among].sum())
    return 10_000 * float(weight[chosen & among].sum()) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bins of equal weight, from the lowest probability up: mean probability, share of counterfeits, weight (b,)."""

    predicted: Floats
    observed: Floats
    mass: Floats

    @property
    def error(self) -> float:
        """The expected calibration error (Naeini et al. 2015, with bins of equal mass)."""
        return float(np.sum(self.mass * np.abs(self.predicted - self.observed)) / self.mass.sum())


def reliability(scored: Scored, bins: int = 15) -> Reliability:
    """Probabilities against truth, weighted; a listing goes where the middle of its weight falls."""
    order = np.argsort(scored.score, kind="stable")
    weight = scored.weight[order]
    middle = (np.cumsum(weight) - weight / 2) / weight.sum()
    place = np.minimum((middle * bins).astype(np.int64), bins - 1)
    mass: Floats = np.bincount(place, weight, bins).astype(np.float64)
    kept = mass > 0
    predicted = np.bincount(place, weight * scored.score[order], bins)[kept] / mass[kept]
    observed = np.bincount(place, weight * scored.y[order], bins)[kept] / mass[kept]
    return Reliability(predicted, observed, mass[kept])


def group_draws(group: NDArray[np.str_], draws: int, seed: int) -> Floats:
    """How often each listing is drawn (draws, n) when as many groups as there are are drawn with replacement."""
    names, member = np.unique(group, return_inverse=True)
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(names), (draws, len(names)))
    times = np.zeros((draws, len(names)))
    np.add.at(times, (np.arange(draws)[:, None], picks), 1.0)
    return times[:, member]


def interval(
    scored: Scored, figure: Callable[[Scored, Floats], Floats], *, draws: int, seed: int = 0
) -> tuple[float, float]:
    """The percentile interval of a figure that takes counts (d, n) and gives values (d,)."""
    times = group_draws(scored.group, draws, seed)
    values = np.concatenate([figure(scored, times[start : start + _AT_ONCE]) for start in range(0, draws, _AT_ONCE)])
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def recall_interval(scored: Scored, precision: float, *, draws: int, seed: int = 0) -> tuple[float, float]:
    """The interval of `recall_at_precision`; the threshold is chosen anew in every draw."""
    return interval(scored, lambda s, times: curve(s, times).best(precision)[0], draws=draws, seed=seed)


def rate_interval(chosen: NDArray[np.bool_], scored: Scored, *, draws: int, seed: int = 0) -> tuple[float, float]:
    """The interval of the share of honest listings that are `chosen` (n,), per 10,000."""

    def share(own: Scored, times: Floats) -> Floats:
        weight = np.where(own.y, 0.0, own.weight) * times
        found: Floats = 10_000 * (weight * chosen).sum(axis=-1) / np.maximum(weight.sum(axis=-1), 1e-12)
        return found

    return interval(scored, share, draws=draws, seed=seed)
