"""Measures the watch for bursts on invented counts: false alarms in a year of noise, and days until a rise is seen."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from screener.signals.bursts import HISTORY, unusual

YEAR: Final = 365
_LOOKS: Final = (0.25, 0.5, 0.75, 1.0)
"""Parts of a day after which the counts are looked at; a subject is called once a day at most."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Counts of `subjects` whose rates a day spread log-normally around `rate`; daily variance is `spread` x mean."""

    subjects: int
    rate: float
    spread: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found: bursts called without a rise in a year of all subjects together, and of rises of `times` the
    usual rate of one subject with a rate of `rate` a day: the share seen within 14 days, and the median days."""

    noise: Noise
    false_a_year: float
    rises: dict[tuple[float, float], tuple[float, float | None]]


def measure(
    noise: Noise, *, years: int, rises: int, times: tuple[float, ...], rates: tuple[float, ...], seed: int
) -> Measured:
    """Deterministic for a seed. False bursts are counted once for each subject and run of days."""
    generator = np.random.default_rng(seed)
    false = sum(_false_bursts(noise, generator) for _ in range(years)) / years
    seen = {(rate, factor): _delays(noise, rate, factor, rises, generator) for rate in rates for factor in times}
    return Measured(noise, false, seen)


def _false_bursts(noise: Noise, generator: np.random.Generator) -> int:
    days = HISTORY + YEAR
    rates = _rates(noise, generator)
    counts = _counts(generator, np.tile(rates[:, None], (1, days)), noise.spread)
    last: dict[Hashable, int] = {}
    found = 0
    for day in range(HISTORY, days):
        for subject in _called(counts, day, generator):
            # The row of a burst stays open for a day behind the last sign of it.
            found += day - last.get(subject, -9) > 2
            last[subject] = day
    return found


def _delays(
    noise: Noise, rate: float, factor: float, rises: int, generator: np.random.Generator
) -> tuple[float, float | None]:
    delays = []
    for _ in range(rises):
        rates = _rates(noise, generator)
        rates[0] = rate
        days = HISTORY + 14
        expected = np.tile(rates[:, None], (1, days))
        expected[0, HISTORY:] *= factor
        counts = _counts(generator, expected, noise.spread)
        seen = next((day - HISTORY + 1 for day in range(HISTORY, days) if 0 in _called(counts, day, generator)), None)
        delays.append(seen)
    within = [delay for delay in delays if delay is not None]
    return len(within) / rises, float(np.median(within)) if within else None


def _called(counts: NDArray[np.int64], day: int, generator: np.random.Generator) -> set[Hashable]:
    """The subjects called on a day, looked at four times while it passes."""
    found: set[Hashable] = set()
    window = counts[:, day - HISTORY + 1 : day + 1]
    busy = np.flatnonzero(window.sum(axis=1))
    # What of the day's count has come after each quarter.
    hours = [np.sort(generator.random(int(number))) for number in window[busy, -1]]
    for part in _LOOKS:
        rows: dict[Hashable, NDArray[np.int64]] = {
            int(subject): np.append(window[subject, :-1], np.searchsorted(hours[place], part))
            for place, subject in enumerate(busy)
        }
        found |= {one.subject for one in unusual(rows, since=HISTORY, part=part)}
    return found


def _rates(noise: Noise, generator: np.random.Generator) -> NDArray[np.float64]:
    return noise.rate * np.exp(generator.normal(-0.5, 1.0, noise.subjects))


def _counts(generator: np.random.Generator, expected: NDArray[np.float64], spread: float) -> NDArray[np.int64]:
    if spread <= 1.0:
        return generator.poisson(expected)
    size = np.maximum(expected, 1e-12) / (spread - 1.0)
    return generator.negative_binomial(size, 1.0 / spread)
