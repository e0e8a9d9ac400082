"""Confidence intervals of weighted shares that keep their promise for rare outcomes and uneven weights.

Of a share A / (A + B), A and B are sums of weights (one over the chance of the item) of what was found. Each sum is
matched by a gamma distribution of its mean and variance, with one more find of the usual weight for the limit in
question. For equal weights this is the interval of Clopper and Pearson (Biometrika 1934), for a small share that of Fay
and Feuer for weighted sums of rare counts (Statistics in Medicine 1997). The usual interval round a weighted mean has
no width where nothing was found, and says nothing of the heavy result that happened not to be drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEVEL: Final = 0.95
_MOST: Final = 1e5
"""A gamma distribution of a greater shape is a constant for all purposes here."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A weighted sum of finds, and its variance had every item been drawn on its own."""

    total: float = 0.0
    variance: float = 0.0


def weighed(weights: NDArray[np.float64], sizes: NDArray[np.float64]) -> Weighed:
    """Of finds with `weights` (n,), at least 1, that count `sizes` (n,) each: what is there for certain (weight 1) adds
    no variance."""
    counted = weights * sizes
    return Weighed(float(counted.sum()), float((counted**2 * (1 - 1 / weights)).sum()))


def one_more(weights: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    """What one more find among items like these would count on average over all listings, 0 where all are certain."""
    counted, doubt = weights * sizes, 1 - 1 / weights
    total = float((counted * doubt).sum())
    return float((counted**2 * doubt).sum()) / total if total > 0 else 0.0


def share_interval(
    success: Weighed, failure: Weighed, *, more_success: float, more_failure: float, level: float = LEVEL
) -> tuple[float, float]:
    """Limits of the share of `success` in both together; `more_...` is what one more find of either would count.

    (0, 1) where nothing was found.
    """
    if success.total + failure.total <= 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = _limit(success, _with(failure, more_failure), tail)
    high = _limit(_with(success, more_success), failure, 1 - tail)
    return low, high


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x in [0, 1] with `beta_cdf(x, a, b) = probability`; Newton's steps, kept inside a shrinking bracket."""
    low, high, x = 0.0, 1.0, a / (a + b)
    constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    for _ in range(200):
        error = beta_cdf(x, a, b) - probability
        low, high = (low, x) if error > 0 else (x, high)
        steep = math.exp(min(constant + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x), 700.0)) if 0 < x < 1 else 0.0
        tried = x - error / steep if steep > 0 else -1.0
        following = tried if low < tried < high else (low + high) / 2
        if abs(following - x) <= 1e-12 * max(x, 1e-12) or high - low < 1e-15:
            return following
        x = following
    return x


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22, evaluated as Lentz did)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction of the mirrored one converges fast
        return 1 - beta_cdf(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x) - math.log(a)
    )
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    value = d
    for m in range(1, 10_000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + step * d or tiny)
            c = 1 + step / c or tiny
            value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return min(front * value, 1.0)


def _with(found: Weighed, more: float) -> Weighed:
    return Weighed(found.total + more, found.variance + more * more)


def _limit(success: Weighed, failure: Weighed, probability: float) -> float:
    """The quantile of G / (G + H) for independent gamma G and H of these means and variances.

    With shapes a, b and scales s, t, G/s / (G/s + H/t) is a beta variable.
    """
    if success.total <= 0 or failure.total <= 0:
        return 0.0 if success.total <= 0 else 1.0
    a, s = _gamma(success)
    b, t = _gamma(failure)
    x = beta_quantile(probability, a, b)
    return x * s / (x * s + (1 - x) * t)


def _gamma(found: Weighed) -> tuple[float, float]:
    """Shape and scale."""
    shape = min(found.total**2 / max(found.variance, 1e-300), _MOST)
    return shape, found.total / shape
