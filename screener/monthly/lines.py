"""The report of a month as lines of a table: one figure a line, for files and terminals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from screener import csv_safe
from screener.drift.figures import Share
from screener.monthly.caught import Confirmed
from screener.monthly.report import PER, Report
from screener.spot_checks.estimate import Estimate

COLUMNS: Final = ("month", "brand_id", "section", "figure", "value", "low", "high", "of", "note")
"""The first line of the file."""
TOO_FEW: Final = "not enough appraisals"
"""The note of an estimate that only its interval should be read of."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure; `low` and `high` are its 95 % interval and `of` what it is a share of, where it is one."""

    section: str
    figure: str
    value: float | int | str | None
    low: float | None = None
    high: float | None = None
    of: int | None = None
    note: str = ""


def lines(report: Report) -> Iterator[Line]:
    """Every figure of a report, in the order of its page."""
    found = report.estimates
    yield _estimate("share_caught", found.recall)
    yield _estimate("precision", found.precision)
    yield _estimate("counterfeits_per_10000_listings", found.listings, PER)
    yield _estimate("counterfeits_per_10000_orders", found.orders, PER)
    yield Line("estimates", "plans", found.told.plans)
    for note in found.notes:
        yield Line("estimates", "note", None, note=note)
    screened = report.screened
    for name in ("listings", "screenings", "shown", "degraded", "unknown", "unknown_sellers"):
        yield Line("listings", name, getattr(screened, name))
    yield from (Line("listings", f"verdict_{name}", number) for name, number in sorted(screened.verdicts.items()))
    yield from _share("listings", "prompted", screened.prompted)
    for name in ("counterfeit", "authentic", "inconclusive", "conflict"):
        yield Line("appraisals", name, getattr(report.appraised, name))
    yield from _confirmed("by_appraisal", report.appraised.confirmed)
    yield from _confirmed("by_people", report.by_people)
    yield from (Line("decisions", name, number) for name, number in sorted(report.decided.outcomes.items()))
    yield from _share("decisions", "counterfeit_share", report.decided.right)
    yield Line("decisions", "waiting", report.decided.waiting)
    yield Line("decisions", "hours_median", _rounded(report.times.median), of=report.times.number)
    yield Line("decisions", "hours_p90", _rounded(report.times.p90), of=report.times.number)
    answers = report.answers
    yield from (Line("answers", kind, number) for kind, number in answers.kinds.items())
    for name in ("answered", "accepted", "appealed", "overturned"):
        yield from _share("answers", f"{name}_share", getattr(answers, name))
    yield from (Line("ledger", f"event_{kind}", number) for kind, number in sorted(report.ledger.events.items()))
    yield Line("ledger", "points", report.ledger.points)
    yield Line("ledger", "taken_back", report.ledger.taken_back)
    for action, states in sorted(report.ledger.actions.items()):
        yield from (Line("ledger", f"action_{action}_{state}", number) for state, number in sorted(states.items()))
    for name in ("number", "suspected", "suspected_listings"):
        yield Line("signals", name, getattr(report.signals, name))
    for cost in report.costs:
        yield Line("costs", f"amount_{cost.currency}", str(cost.amount), of=cost.appraised)
        each = None if cost.each is None else str(cost.each)
        yield Line("costs", f"per_counterfeit_{cost.currency}", each, of=cost.counterfeits)
    for section, tops in (("brands", report.brands), ("categories", report.categories)):
        yield from (Line(section, f"prompted: {one.name}", one.prompted, of=one.screened) for one in tops)


def write_csv(report: Report) -> bytes:
    """The report as a CSV file that spreadsheets show and do not run."""
    rows = (
        (str(report.month), report.brand_id, line.section, line.figure, line.value, line.low, line.high, line.of,
         line.note)
        for line in lines(report)
    )  # fmt: skip
    return "".join(csv_safe.lines(COLUMNS, rows)).encode()


def _estimate(name: str, found: Estimate, times: int = 1) -> Line:
    value = None if found.value is None or not found.enough else round(found.value * times, 6)
    low, high = round(found.low * times, 6), round(found.high * times, 6)
    return Line("estimates", name, value, low, high, found.n, "" if found.enough else TOO_FEW)


def _share(section: str, name: str, found: Share) -> Iterator[Line]:
    low, high = (round(found.low, 6), round(found.high, 6)) if found.of else (None, None)
    yield Line(section, name, _rounded(found.value), low, high, found.of)


def _confirmed(section: str, found: Confirmed) -> Iterator[Line]:
    yield Line(section, "listings", found.listings)
    yield from _share(section, "proactive_share", found.proactive)
    yield Line(section, "complained", found.complained)
    yield Line(section, "silent", found.silent)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
