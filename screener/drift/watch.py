"""Looks for drift now and then: finds what to compare with, computes the figures, and keeps the last ones at hand."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
import structlog

from brands.database import Database
from brands.durable import make_folder
from brands.ids import utc_now
from brands.schema import model_releases, model_switches
from index.live import Live
from screener.drift import figures
from screener.drift.baseline import Baseline, baseline_of, read_baseline, write_baseline
from screener.drift.figures import LEAST, Figures, Lacking, Origin, Share, Shift
from screener.drift.gauges import Gauges
from screener.drift.sample import Sample, count, first_screening, read_sample
from screener.errors import ReleaseRefused
from screener.judging.model import Judge, load_judge
from screener.release import Release, Serving
from screener.releases.report import Models
from screener.releases.store import ModelStore

if TYPE_CHECKING:
    from screener.truth import Truth

log = structlog.get_logger()

FOLDER: Final = "drift"
"""In the data folder: the baselines of judges that brought none."""
ENOUGH: Final = 2_000
"""Screenings that make a baseline where the judge brought none."""
_FIRST, _LONGEST = 7, 30
"""Days that such a baseline is made of, at least and at most."""
_PROMPTED: Final = ("prompt", "review")


class DriftWatch:
    """The keeper's step, and the last figures for whoever asks; safe to use from several threads."""

    def __init__(
        self,
        *,
        database: Database,
        folder: Path,
        judges: Callable[[Release], Path | None],
        live: Live[Serving],
        gauges: Gauges,
        days: int,
        every: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        """`folder` is where a baseline of a judge's first screenings is kept; `judges` gives the folder of a
        release's judge. The last `days` are compared, and not more often than `every`."""
        self._database, self._folder, self._judges, self._live = database, folder, judges, live
        self._gauges, self._days, self._every, self._now = gauges, timedelta(days=days), every, now
        self._lock = threading.Lock()
        self._last: Figures | None = None
        self._next: datetime | None = None

    def step(self) -> bool:
        """Computes the figures if it is time to; whether it was."""
        now = self._now()
        if self._live.current is None or (self._next is not None and now < self._next):
            return False
        self.compute()
        return True

    def latest(self) -> Figures | None:
        """The figures of the last step, computed now if there was none; None while nothing is served."""
        return self._last or self.compute()

    def compute(self) -> Figures | None:
        """Computes the figures of this moment and shows them in the metrics; None while nothing is served."""
        served = self._live.current
        if served is None:
            return None
        with self._lock:
            now = self._now()
            brought = self._judges(served.release)
            baseline = baseline_for(self._database, served.judge, brought, self._folder, now)
            found = compute(self._database, served.judge, baseline, now - self._days, now)
            self._next = now + self._every
            if found.drifted and not (self._last and self._last.drifted):
                log.warning("drift_found", judge=found.judge, what=[shift.name for shift in found.drifted])
            self._last = found
            self._gauges.show(found)
        return found


def look(truth: Truth, days: int | None = None) -> Figures:
    """The figures of this moment for whoever has no service open: of what is served, or would be.

    Raises JudgeRefused, ReleaseRefused and the like where that is not whole.
    """
    settings = truth.settings
    paths = truth.models.store.find(truth.models.served())
    judge, now = load_judge(paths.judge), utc_now()
    baseline = baseline_for(truth.database, judge, paths.judge, settings.data_dir / FOLDER, now)
    return compute(truth.database, judge, baseline, now - timedelta(days=days or settings.drift_days), now)


def judge_folder(store: ModelStore, release: Release) -> Path | None:
    """Where the judge of a release is, None where it is not to be found any more."""
    try:
        return store.find(Models(release.encoder, release.judge, release.policy)).judge
    except ReleaseRefused:
        return None


def baseline_for(database: Database, judge: Judge, brought: Path | None, kept: Path, now: datetime) -> Baseline | None:
    """What the judge was made for, as its folder `brought` it; else its first weeks here, `kept` once they are enough.

    Raises JudgeRefused for a baseline that is damaged.
    """
    if brought is not None and (found := read_baseline(brought)) is not None:
        return found
    own = kept / judge.id
    if (found := read_baseline(own)) is not None:
        return found
    with database.read() as conn:
        found = first_weeks(conn, judge, now)
    if found is not None:
        make_folder(own)
        with contextlib.suppress(FileExistsError):  # another process was first, with the same screenings
            write_baseline(own, found)
    return found


def compute(database: Database, judge: Judge, baseline: Baseline | None, since: datetime, until: datetime) -> Figures:
    """The figures of a period, held against a baseline; days of which the baseline was made are not compared with it.

    Whole days (UTC) are counted where counts are kept by day.
    """
    first = since
    if baseline is not None and baseline.source == "screenings":
        first = max(since, _end_of(baseline.until))
    with database.read() as conn:
        sample = read_sample(conn, min(first, until), until)
        now = figures.brands_between(conn, first.date(), until.date())
        prompted, screened = figures.prompts_between(conn, since.date(), until.date())
        answered, accepted = figures.acceptance(conn, since, until)
        ages = figures.reference_ages(conn, until)
        before = _brands_of(conn, baseline) if baseline else None
    lacking: Lacking = "no_baseline" if baseline is None else "few_screenings" if sample.rows < LEAST else None
    shifts: tuple[Shift, ...] = ()
    if baseline is not None and lacking is None:
        shifts = figures.compare(baseline, sample, judge, (before, now) if before else None)
    usual = sum(baseline.verdicts.get(one, 0.0) for one in _PROMPTED) if baseline else None
    return Figures(
        at=until,
        since=since,
        until=until,
        screenings=sample.total,
        rows=sample.rows,
        judge=judge.id,
        baseline=Origin(baseline.source, baseline.rows, baseline.since, baseline.until) if baseline else None,
        lacking=lacking,
        shifts=shifts,
        prompted=Share(prompted, screened, usual),
        degraded=Share(int(sample.degraded.sum()), sample.rows),
        unknown=Share(
            sample.brand_status.count("unknown"),
            sample.rows,
            baseline.brand_status.get("unknown", 0.0) if baseline else None,
        ),
        answered=answered,
        accepted=accepted,
        references=ages,
    )


def first_weeks(conn: sa.Connection, judge: Judge, now: datetime) -> Baseline | None:
    """The baseline of a judge's first week here, or of so many days (30 at most) as `ENOUGH` screenings took.

    None while that week, or the screenings, are not over. Its score is what the judge gives for the features of then.
    """
    begun = first_screening(conn, served_since(conn, judge.id))
    if begun is None:
        return None
    for days in range(_FIRST, _LONGEST + 1):
        until = begun + timedelta(days=days)
        if until > now:
            return None
        if count(conn, begun, until) >= ENOUGH or days == _LONGEST:
            sample = read_sample(conn, begun, until)
            return baseline_from(sample, judge) if sample.rows >= LEAST else None
    return None


def baseline_from(sample: Sample, judge: Judge) -> Baseline:
    """The baseline of recorded screenings, as this judge sees them."""
    return baseline_of(
        sample.features,
        judge.judge_many(sample.features)[0],
        verdicts=sample.verdicts,
        brand_status=sample.brand_status,
        source="screenings",
        since=sample.since.date().isoformat(),
        until=sample.until.date().isoformat(),
    )


def served_since(conn: sa.Connection, judge_id: str) -> datetime:
    """When the judge was switched to last from another one; long ago where nothing ever was switched."""
    query = (
        sa.select(model_switches.c.created_at, model_releases.c.judge)
        .join(model_releases, model_releases.c.id == model_switches.c.release_id)
        .order_by(model_switches.c.id.desc())
    )
    since = datetime(1970, 1, 1, tzinfo=UTC)
    for at, judge in conn.execute(query):
        if judge != judge_id:
            break
        since = at
    return since


def _brands_of(conn: sa.Connection, baseline: Baseline) -> dict[str, int] | None:
    """Screenings by brand of the baseline's days, as far as this service was there; None where too few were."""
    try:
        first, last = date.fromisoformat(baseline.since[:10]), date.fromisoformat(baseline.until[:10])
    except ValueError:
        return None
    found = figures.brands_between(conn, first, last)
    return found if sum(found.values()) >= LEAST else None


def _end_of(day: str) -> datetime:
    """The end of a day of a baseline (ISO 8601)."""
    return datetime.combine(date.fromisoformat(day[:10]), datetime.min.time(), UTC) + timedelta(days=1)
