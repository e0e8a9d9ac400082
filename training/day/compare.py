"""Before and after on the same listings: recall at a precision with paired intervals, and who is caught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.market.metrics import (
    LEVEL,
    Scored,
    average_precision,
    curve,
    group_draws,
    per_ten_thousand,
    recall_at_precision,
    recall_interval,
    reliability,
)

PRECISIONS: Final = (0.90, 0.95)
PROMPTED: Final = frozenset({"prompt", "review"})
_AT_ONCE: Final = 100
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A month's listings as one release judged them, in the order of `rows` (lines of listings.jsonl).

    `probability` (n,); `prompted` (n,): by its own thresholds.
    """

    name: str
    probability: Floats
    prompted: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: figures of one release, by name; intervals are pairs."""

    name: str
    figures: Mapping[str, Any]


def judged(name: str, answers: Sequence[Mapping[str, Any]]) -> Judged:
    """What the answers of a release say."""
    return Judged(
        name,
        np.array([answer["probability"] for answer in answers], dtype=np.float64),
        np.array([answer["verdict"] in PROMPTED for answer in answers], dtype=bool),
    )


def line_of(rows: Sequence[Mapping[str, Any]], one: Judged, prevalence: float, *, draws: int = 500) -> Line:
    """Recall at the precisions (any threshold), and what the release's own thresholds do."""
    scored = scored_of(rows, one.probability, prevalence)
    figures: dict[str, Any] = {"average precision": average_precision(scored), "ECE": reliability(scored).error}
    for precision in PRECISIONS:
        name = f"recall@P{precision * 100:.0f}"
        figures[name] = recall_at_precision(scored, precision)
        figures[f"{name} interval"] = recall_interval(scored, precision, draws=draws)
    caught = float(scored.weight[scored.y & one.prompted].sum() / scored.weight[scored.y].sum())
    figures["caught by its own thresholds"] = caught
    figures["false prompts per 10,000 honest"] = per_ten_thousand(one.prompted, ~scored.y, scored.weight)
    return Line(one.name, figures)


def gain(
    rows: Sequence[Mapping[str, Any]], before: Judged, after: Judged, prevalence: float, precision: float,
    *, draws: int = 1000, seed: int = 0,
) -> tuple[float, float, float]:  # fmt: skip
    """How much recall at a precision grew, and the interval of that: both releases on the same draws of people.

    The thresholds are chosen anew in every draw (percentile bootstrap: Efron and Tibshirani 1993, chapter 13).
    """
    one, two = (scored_of(rows, release.probability, prevalence) for release in (before, after))
    times = group_draws(one.group, draws, seed)
    parts = [
        curve(two, part).best(precision)[0] - curve(one, part).best(precision)[0]
        for part in (times[start : start + _AT_ONCE] for start in range(0, draws, _AT_ONCE))
    ]
    low, high = np.quantile(np.concatenate(parts), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    point = recall_at_precision(two, precision) - recall_at_precision(one, precision)
    return point, float(low), float(high)


def scored_of(rows: Sequence[Mapping[str, Any]], probability: Floats, prevalence: float) -> Scored:
    """Scores with the truth of the market's rows, weighted to its prevalence, grouped by the people behind shops."""
    truth = [row["truth"] for row in rows]
    return Scored(
        probability,
        np.array([entry["counterfeit"] for entry in truth], dtype=bool),
        np.array([entry["weight"] for entry in truth], dtype=np.float64),
        np.array([entry["owner"] for entry in truth], dtype=np.str_),
        prevalence,
    )
