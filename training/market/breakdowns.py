"""Figures of a screened market by kind, by category, by what there was to recognise, and the cost of each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.market.dataset import Dataset
from training.market.metrics import Scored, per_ten_thousand, recall_at_precision

PRECISIONS = (0.90, 0.95)


def scored_of(dataset: Dataset, score: NDArray[np.float64]) -> Scored:
    """Scores (n,) with the truth, weights and groups of their listings."""
    return Scored(score, dataset.y, dataset.weight, dataset.group, dataset.prevalence)


def by_kind(test: Dataset, above: NDArray[np.bool_], prompted: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Shares of each kind of listing above the threshold of precision 0.95, and prompted; counterfeits first."""
    rows = []
    for kind in dict.fromkeys(test.kind.tolist()):
        own = test.kind == kind
        rows.append(
            {
                "kind": kind,
                "counterfeit": bool(test.y[own].all()),
                "number": int(own.sum()),
                "above P95": float(above[own].mean()),
                "prompted": float(prompted[own].mean()),
            }
        )
    return sorted(rows, key=lambda row: (not row["counterfeit"], row["kind"]))


def by_category(
    test: Dataset, score: NDArray[np.float64], above: NDArray[np.bool_], prompted: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Figures of each category that has counterfeits and honest listings."""
    rows = []
    for category in sorted(set(test.category.tolist())):
        own = test.category == category
        fakes = own & test.y
        if not fakes.any() or not (own & ~test.y).any():
            continue
        scored = scored_of(test, score).where(own)
        rows.append(
            {
                "category": category,
                "number": int(own.sum()),
                "counterfeits": int(fakes.sum()),
                **{f"R@P{precision * 100:.0f}": recall_at_precision(scored, precision) for precision in PRECISIONS},
                "recall above P95": float(test.weight[fakes & above].sum() / test.weight[fakes].sum()),
                "false per 10,000 above P95": per_ten_thousand(above, own & ~test.y, test.weight),
                "false per 10,000 prompted": per_ten_thousand(prompted, own & ~test.y, test.weight),
            }
        )
    return rows


def open_set(
    test: Dataset, status: NDArray[np.str_], above: NDArray[np.bool_], prompted: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """False prompts by what there was to recognise (`status` (n,): registered, unknown or none)."""
    rows = []
    for name, own in (
        ("all honest", ~test.y),
        ("honest, registered brand", ~test.y & (status == "registered")),
        ("honest, brand of nobody registered", ~test.y & (status == "unknown")),
        ("honest, no brand", ~test.y & (status == "none")),
    ):
        rows.append(
            {
                "listings": name,
                "number": int(own.sum()),
                "false per 10,000 above P95": per_ten_thousand(above, own, test.weight),
                "false per 10,000 prompted": per_ten_thousand(prompted, own, test.weight),
            }
        )
    return rows


def cost_of(answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """p50 and p95 in milliseconds of every stage that the answers time."""
    stages = dict.fromkeys(stage for answer in answers for stage in answer["timings_ms"])
    rows = []
    for stage in stages:
        times = [answer["timings_ms"][stage] for answer in answers if stage in answer["timings_ms"]]
        p50, p95 = np.quantile(times, [0.5, 0.95])
        rows.append({"stage": stage, "p50": round(float(p50), 2), "p95": round(float(p95), 2), "number": len(times)})
    return rows
