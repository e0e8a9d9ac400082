"""Tells bursts of suspicion from chance: a subject's last days against its own usual rate, all subjects at once.

As disease surveillance does it: the usual rate from the weeks before, with a guard of two days between so that a
beginning burst does not raise it (EARS C2, Fricker et al. 2008), overdispersed counts by a negative binomial tail
(Noufaily et al. 2013, "An improved algorithm for outbreak detection in multiple surveillance systems"), a shared prior
for subjects of which little is known, and a bound on false discoveries over all subjects and both windows (Benjamini
and Hochberg 1995).
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

DAYS: Final = 56
"""Days before the guard from which the usual rate is taken."""
GUARD: Final = 2
WINDOWS: Final = (1, 7)
"""Lengths of the last days that are looked at: a sudden burst and a slow one."""
HISTORY: Final = DAYS + GUARD + max(WINDOWS)
"""Days of counts that are looked at, the present one included."""
LEAST_DAYS: Final = 14
"""Days of experience before which nothing is called unusual."""
PRIOR_DAYS: Final = 14.0
"""Days that the average subject's rate weighs beside a subject's own."""
LEAST: Final = 4
"""Suspicions below which nothing is a burst, however rare they are."""
DISCOVERIES: Final = 0.003
"""Most of the bursts called at one look that may be chance, in the mean."""


@dataclass(frozen=True, slots=True)
class Unusual:
    """A subject with more in its last `days` than chance brings: `number` where `expected` are usual."""

    subject: Hashable
    days: int
    number: int
    expected: float
    chance: float


def unusual(
    counts: Mapping[Hashable, NDArray[np.int64]],
    *,
    since: int,
    part: float = 1.0,
    left_out: Mapping[Hashable, NDArray[np.bool_]] | None = None,
) -> list[Unusual]:
    """The subjects that have a burst now, the least likely first; of each only its least likely window.

    Parameters
    ----------
    counts
        suspicions (HISTORY,) of each subject by day, the present day last
    since
        days of experience, the present one included: earlier ones have no counts because nobody asked
    part
        of the present day that has passed, above 0 to 1
    left_out
        days (HISTORY,) of a subject that were a burst themselves and are not usual
    """
    subjects = sorted(counts, key=str)
    if not subjects:
        return []
    rows = np.stack([counts[subject] for subject in subjects])
    usual = np.ones(rows.shape, np.bool_)
    for number, subject in enumerate(subjects):
        if left_out is not None and subject in left_out:
            usual[number] = ~left_out[subject]
    tested: list[Unusual] = []
    for window in WINDOWS:
        before = slice(max(HISTORY - since, HISTORY - window - GUARD - DAYS, 0), HISTORY - window - GUARD)
        if before.stop - before.start >= LEAST_DAYS:
            tested += _tested(subjects, rows, usual, before, window, window - 1 + part)
    best: dict[Hashable, Unusual] = {}
    for one in _discovered(tested):
        best.setdefault(one.subject, one)
    return list(best.values())


def _tested(
    subjects: Sequence[Hashable],
    rows: NDArray[np.int64],
    usual: NDArray[np.bool_],
    before: slice,
    window: int,
    length: float,
) -> list[Unusual]:
    """Every subject's last `window` days, of which `length` have passed, against its usual days `before`."""
    kept = usual[:, before]
    past = rows[:, before] * kept
    totals, days = past.sum(axis=1), kept.sum(axis=1)
    average = (totals.sum() + 1) / max(days.sum(), 1)  # one suspicion more in all, so that it is never nothing
    numbers = rows[:, HISTORY - window :].sum(axis=1)
    weights = PRIOR_DAYS + days
    expected = (average * PRIOR_DAYS + totals) / weights * length
    # The rate itself is uncertain, which widens what is to be expected the less is known of a subject.
    variance = expected * _spread(past, kept) * (1.0 + length / weights)
    return [
        Unusual(subject, window, int(number), float(mean), tail(int(number), float(mean), float(wide)))
        if number >= LEAST
        else Unusual(subject, window, int(number), float(mean), 1.0)
        for subject, number, mean, wide in zip(subjects, numbers, expected, variance, strict=True)
    ]


def tail(number: int, mean: float, variance: float) -> float:
    """The probability of `number` or more under a negative binomial of this mean and variance (Poisson if they agree).

    Exact up to rounding: the terms are added from `number` upwards, so that a small tail is not lost beside 1.
    """
    if number <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    size = mean * mean / (variance - mean) if variance > mean * (1 + 1e-9) else math.inf
    if math.isinf(size):
        log_first = number * math.log(mean) - mean - math.lgamma(number + 1)
    else:
        log_first = (
            math.lgamma(number + size) - math.lgamma(size) - math.lgamma(number + 1)
            + size * math.log(size / (size + mean)) + number * math.log(mean / (size + mean))
        )  # fmt: skip
    term, total, at = 1.0, 0.0, number
    while True:
        total += term
        grows = mean / (at + 1) if math.isinf(size) else (at + size) / (at + 1) * mean / (size + mean)
        term *= grows
        at += 1
        if (grows < 1 and term < total * 1e-12) or at > number + 1_000_000:
            break
        if total > 1e300:
            return 1.0
    return min(1.0, math.exp(min(log_first + math.log(total), 0.0)))


def _spread(past: NDArray[np.int64], kept: NDArray[np.bool_]) -> float:
    """How many times wider than chance daily counts vary, over all subjects: Pearson's statistic, 1 at least."""
    days, totals = kept.sum(axis=1), past.sum(axis=1)
    known = (days > 1) & (totals > 0)
    if not known.any():
        return 1.0
    mean = totals[known] / days[known]
    off = np.where(kept[known], past[known] - mean[:, None], 0.0)
    statistic = float(((off**2).sum(axis=1) / mean).sum())
    return max(1.0, statistic / float((days[known] - 1).sum()))


def _discovered(tested: Sequence[Unusual]) -> list[Unusual]:
    """Those that stand out against how many were tested."""
    ordered = sorted(tested, key=lambda one: (one.chance, str(one.subject), one.days))
    most = 0
    for rank, one in enumerate(ordered, 1):
        if one.chance <= DISCOVERIES * rank / len(ordered):
            most = rank
    return [one for one in ordered[:most] if one.number >= LEAST]
