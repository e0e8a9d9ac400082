"""What has moved, and how surely: score, features and the mix of brands; and how prompts and references fare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.schema import daily_counts, references, responses, reviews, screenings
from screener.drift.baseline import SCORE_DIGITS, Baseline, Source
from screener.drift.distance import Distance, ks_of, psi, psi_of
from screener.drift.sample import Sample
from screener.judging.features import NAMES
from screener.judging.model import Judge
from screener.records import RESCREENED_BY
from screener.review.precision import interval
from screener.review.trends import ALL

Floats = NDArray[np.float64]
Level = Literal["none", "moderate", "major"]
Lacking = Literal["no_baseline", "few_screenings"] | None
MODERATE, MAJOR = 0.1, 0.25
"""PSI over what chance makes, from which a shift is called so (Siddiqi 2006)."""
FAR: Final = 0.1
"""KS distance over what chance makes, from which a shift is called moderate: a tenth of the listings are elsewhere."""
ALPHA: Final = 0.01
"""Chance of any false alarm in one report, were all else as before (Bonferroni: shared by all that is tested)."""
LEAST: Final = 200
"""Screenings under which nothing is compared."""
_ACCEPTED: Final = ("edited", "withdrawn")
_YEAR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `of`, with its 95 % interval (Wilson); `before` is what it was in the baseline, None if not known."""

    number: int
    of: int
    before: float | None = None

    @property
    def value(self) -> float | None:
        """The share, None of nothing."""
        return self.number / self.of if self.of else None

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return interval(self.number, self.of)[0]

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return interval(self.number, self.of)[1]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one thing has moved; `ks` is None for what has no order. `missing` are the shares then and now."""

    name: str
    psi: Distance
    ks: Distance | None
    level: Level
    missing: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class References:
    """The active references: how many, how old half of them are at least, and how many are older than a year."""

    number: int
    median_days: float | None
    old: int


@dataclass(frozen=True, slots=True)
class Origin:
    """What was compared with: where its rows are from, how many there are, and their days."""

    source: Source
    rows: float
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Figures:
    """A report of drift: `shifts` are empty where nothing could be compared, and `lacking` says why."""

    at: datetime
    since: datetime
    until: datetime
    screenings: int
    rows: int
    judge: str
    baseline: Origin | None
    lacking: Lacking
    shifts: tuple[Shift, ...]
    prompted: Share
    degraded: Share
    unknown: Share
    answered: Share
    accepted: Share
    references: References

    @property
    def drifted(self) -> tuple[Shift, ...]:
        """What has moved, the farthest first."""
        return tuple(sorted((one for one in self.shifts if one.level != "none"), key=lambda one: -one.psi.value))


def compare(
    baseline: Baseline, sample: Sample, judge: Judge, brands: tuple[Mapping[str, int], Mapping[str, int]] | None
) -> tuple[Shift, ...]:
    """The shift of the score, of every feature, and of the mix of verdicts, brand statuses and brands.

    The score is the judge's own for the recorded features, whatever judge served at the time. `brands` are screenings
    by brand then and now, None where nobody counted then.
    """
    score = judge.judge_many(sample.features)[0].astype(np.float64).round(SCORE_DIGITS)
    wide = sample.features.astype(np.float64)
    found = [("score", psi_of(baseline.score, score), ks_of(baseline.score, score), (0.0, 0.0))]
    for column, name in enumerate(NAMES):
        before, values = baseline.features[name], wide[:, column]
        missing = (before.missing / before.rows, float(np.isnan(values).mean()))
        found.append((name, psi_of(before, values), ks_of(before, values), missing))
    mixes: list[tuple[str, Floats, Floats]] = [
        ("verdict", *_mix(baseline.verdicts, sample.verdicts, baseline.rows)),
        ("brand_status", *_mix(baseline.brand_status, sample.brand_status, baseline.rows)),
    ]
    if brands is not None:
        names = sorted(brands[0].keys() | brands[1].keys())
        old, new = (np.array([float(counts.get(name, 0)) for name in names]) for counts in brands)
        mixes.append(("brand", old, new))
    tests = 2 * len(found) + len(mixes)
    shifts = [Shift(name, size, far, _level(size, far, tests), missing) for name, size, far, missing in found]
    for name, old, new in mixes:
        size = psi(old, new)
        shifts.append(Shift(name, size, None, _level(size, None, tests)))
    return tuple(shifts)


def _mix(before: Mapping[str, float], now: Sequence[str], rows: float) -> tuple[Floats, Floats]:
    words = sorted(before.keys() | set(now))
    return np.array([before.get(word, 0.0) * rows for word in words]), np.array([float(now.count(w)) for w in words])


def _level(size: Distance, far: Distance | None, tests: int) -> Level:
    """Moved, if it is both large enough to matter and too large for chance."""
    excess = size.value - size.expected
    sure = size.chance < ALPHA / tests
    if sure and excess >= MAJOR:
        return "major"
    if sure and excess >= MODERATE:
        return "moderate"
    if far is not None and far.value - far.expected >= FAR and far.chance < ALPHA / tests:
        return "moderate"
    return "none"


def brands_between(conn: sa.Connection, first: date, last: date) -> dict[str, int]:
    """Screenings by brand ("" where none was recognised) of the days from `first` to `last`, both counted."""
    query = (
        sa.select(daily_counts.c.brand_id, sa.func.sum(daily_counts.c.screened))
        .where(daily_counts.c.day >= first, daily_counts.c.day <= last, daily_counts.c.brand_id != ALL)
        .group_by(daily_counts.c.brand_id)
    )
    return {brand: int(number) for brand, number in conn.execute(query) if number}


def prompts_between(conn: sa.Connection, first: date, last: date) -> tuple[int, int]:
    """How many listings were prompted, and how many screened, on the days from `first` to `last`, both counted."""
    columns = (sa.func.coalesce(sa.func.sum(daily_counts.c[name]), 0) for name in ("prompted", "screened"))
    of_all = daily_counts.c.brand_id == ALL
    query = sa.select(*columns).where(of_all, daily_counts.c.day >= first, daily_counts.c.day <= last)
    prompted, screened = conn.execute(query).one()
    return int(prompted), int(screened)


def acceptance(conn: sa.Connection, since: datetime, until: datetime) -> tuple[Share, Share]:
    """Of the prompts that sellers saw: how many they answered, and of those how many by editing or withdrawing.

    A seller's last answer counts; prompts are those of the period, whenever they were answered.
    """
    shown = (
        sa.select(reviews.c.screening_id)
        .join(screenings, screenings.c.id == reviews.c.screening_id)
        .where(reviews.c.shown, screenings.c.created_at >= since, screenings.c.created_at < until)
        .where(screenings.c.key_id != RESCREENED_BY)
        .subquery()
    )
    prompts = conn.execute(sa.select(sa.func.count()).select_from(shown)).scalar_one()
    last = (
        sa.select(sa.func.max(responses.c.id).label("id"))
        .join(shown, shown.c.screening_id == responses.c.screening_id)
        .group_by(responses.c.screening_id)
        .subquery()
    )
    query = sa.select(responses.c.kind, sa.func.count()).join(last, last.c.id == responses.c.id)
    kinds = {row.kind: row[1] for row in conn.execute(query.group_by(responses.c.kind))}
    answered = sum(kinds.values())
    return Share(answered, prompts), Share(sum(kinds.get(kind, 0) for kind in _ACCEPTED), answered)


def reference_ages(conn: sa.Connection, now: datetime) -> References:
    """How old the active references are, by when they were added."""
    active = references.c.state == "active"
    number = conn.execute(sa.select(sa.func.count()).select_from(references).where(active)).scalar_one()
    middle = sa.select(references.c.created_at).where(active).order_by(references.c.created_at)
    found = conn.execute(middle.offset(number // 2).limit(1)).scalar() if number else None
    old = sa.select(sa.func.count()).select_from(references).where(active, references.c.created_at < now - _YEAR)
    return References(number, (now - found) / timedelta(days=1) if found else None, conn.execute(old).scalar_one())
