"""How far two distributions lie apart: the population stability index and Kolmogorov-Smirnov, with what chance makes.

PSI is the symmetric Kullback-Leibler divergence of two histograms (Jeffreys 1946; for scorecards Lewis, An
Introduction to Credit Scoring, 1994, and Siddiqi, Credit Risk Scorecards, 2006, who call 0.1 to 0.25 a moderate and
more a major shift). Between two samples of one population it is not 0: PSI / (1/n + 1/m) follows a chi-square
distribution with B - 1 degrees of freedom, B bins and n and m rows (Yurdakul, Statistical Properties of the Population
Stability Index, 2018), so that is what a PSI is held against.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from screener.drift.baseline import Histogram

COARSE: Final = 10
"""Bins of a PSI: the usual number, for which the usual bounds are meant."""
LEAST: Final = 5.0
"""Rows that a bin is expected to have in either sample, for the chi-square distribution to hold (Cochran 1954)."""
_FLOOR: Final = 0.5
"""Rows put into every bin, so that an empty one does not make the PSI infinite (half a row: Haldane 1956)."""


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance, what it is expected to be without any drift, and the chance of one as large without any."""

    value: float
    expected: float
    chance: float


def psi(old: NDArray[np.float64], new: NDArray[np.float64]) -> Distance:
    """The PSI of two counts by category (bins,); categories too rare in both are put together with one another.

    Without at least two categories, and without rows, it is 0 and proves nothing (chance 1).
    """
    n, m = float(old.sum()), float(new.sum())
    if n <= 0 or m <= 0:
        return Distance(0.0, 0.0, 1.0)
    rare = (old + new) / (n + m) * min(n, m) < LEAST
    if rare.any():
        old = np.append(old[~rare], old[rare].sum())
        new = np.append(new[~rare], new[rare].sum())
        if (old[-1] + new[-1]) / (n + m) * min(n, m) < LEAST:  # even together: they go to the largest
            largest = int(np.argmax(old[:-1] + new[:-1])) if len(old) > 1 else 0
            for counts in (old, new):
                counts[largest] += counts[-1] if len(counts) > 1 else 0.0
            old, new = old[:-1], new[:-1]
    bins = len(old)
    if bins < 2:
        return Distance(0.0, 0.0, 1.0)
    p = (old + _FLOOR) / (n + bins * _FLOOR)
    q = (new + _FLOOR) / (m + bins * _FLOOR)
    value = float(((q - p) * np.log(q / p)).sum())
    noise = 1.0 / n + 1.0 / m
    return Distance(value, (bins - 1) * noise, chi_square_tail(value / noise, bins - 1))


def psi_of(old: Histogram, values: NDArray[np.float64]) -> Distance:
    """The PSI of values (n,), NaN for missing, against a histogram; missing values are a category of their own."""
    counts, missing = old.count(values)
    before = np.asarray(old.counts)
    places = coarse(before, counts)
    joined = [np.bincount(places, weights=one) for one in (before, counts)]
    return psi(np.append(joined[0], old.missing), np.append(joined[1], missing))


def coarse(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.int64]:
    """To which of about `COARSE` neighbouring groups each fine bin belongs (bins,), by the rows of both samples.

    Both have a say, weighted alike: where the new values lie where hardly any old one did, they make a group.
    """
    total = before / max(before.sum(), 1e-12) + after / max(after.sum(), 1e-12)
    target = total.sum() / COARSE
    places, group, held = [], 0, 0.0
    for mass in total.tolist():
        if held > 0 and held + mass / 2 > target:  # nearer to the target without this one
            group, held = group + 1, 0.0
        places.append(group)
        held += mass
    return np.asarray(places, dtype=np.int64)


def ks_of(old: Histogram, values: NDArray[np.float64]) -> Distance:
    """The two-sample Kolmogorov-Smirnov distance of the known values (n,) from a histogram's.

    Both distribution functions are compared at the edges of the fine bins only. So the distance may be smaller than
    between the raw values, never larger, and the chance is an upper bound, as it is for discrete values anyway
    (Noether, Metrika 1963).
    """
    counts, _ = old.count(values)
    before = np.asarray(old.counts)
    n, m = float(before.sum()), float(counts.sum())
    if n <= 0 or m <= 0:
        return Distance(0.0, 0.0, 1.0)
    value = float(np.abs(np.cumsum(before) / n - np.cumsum(counts) / m).max())
    root = math.sqrt(n * m / (n + m))
    # The mean of Kolmogorov's distribution is sqrt(pi / 2) ln 2.
    return Distance(value, math.sqrt(math.pi / 2) * math.log(2) / root, kolmogorov_tail(value, root))


def kolmogorov_tail(distance: float, root: float) -> float:
    """The chance of a KS distance as large; `root` is sqrt(n m / (n + m)) (with Stephens' correction, JRSS B 1970)."""
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:  # the series converges slowly there, and its sum is 1 to twelve digits
        return 1.0
    terms = (2.0 * (-1) ** (k - 1) * math.exp(-2.0 * k * k * scaled * scaled) for k in range(1, 101))
    return float(min(max(sum(terms), 0.0), 1.0))


def chi_square_tail(value: float, degrees: int) -> float:
    """The chance of a chi-square value as large, exactly (Abramowitz and Stegun 26.4.4 and 26.4.5)."""
    if value <= 0:
        return 1.0
    half = value / 2.0
    odd = degrees % 2
    terms = (
        math.exp(power * math.log(half) - half - math.lgamma(power + 1.0))
        for power in (n + odd / 2.0 for n in range(degrees // 2))
    )
    return min((math.erfc(math.sqrt(half)) if odd else 0.0) + math.fsum(terms), 1.0)
