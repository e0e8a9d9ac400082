"""Everything that the benchmark reports of a screened market, as JSON values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.judging.evidence import CERTAIN
from screener.judging.features import FEATURES, STAGES
from screener.judging.model import Judge
from screener.judging.policy import Policy
from training.market.baselines import baselines
from training.market.breakdowns import PRECISIONS, by_category, by_kind, cost_of, open_set, scored_of
from training.market.dataset import SPLITS, Dataset
from training.market.metrics import (
    LEVEL,
    Scored,
    average_precision,
    curve,
    per_ten_thousand,
    rate_interval,
    recall_at_precision,
    recall_interval,
    reliability,
    threshold_at_precision,
)
from training.market.recognition import recognition_table
from training.report import machine

Scorer = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Features (n, F) in the order of `Dataset.names`, NaN where missing, to probabilities (n,)."""


@dataclass(frozen=True, slots=True)
class Decider:
    """A judge with its policy: `scorer` gives probabilities (n,), `prompts` says from these, the categories (n,) of the
    marketplace and whether a known fake's picture is copied for certain (n,) who is prompted. `name` is for the report.
    """

    name: str
    scorer: Scorer
    prompts: Callable[[NDArray[np.float64], NDArray[np.str_], NDArray[np.bool_]], NDArray[np.bool_]]


def decider_of(judge: Judge, policy: Policy) -> Decider:
    """The judge and the policy as they serve; as if every picture had been screened."""

    def scorer(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return judge.judge_many(x.astype(np.float32))[0].astype(np.float64)

    def prompts(
        probability: NDArray[np.float64], category: NDArray[np.str_], certain: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        rows = zip(probability.tolist(), category.tolist(), certain.tolist(), strict=True)
        verdicts = [policy.verdict(p, c, known_fake=fake, everything_screened=True) for p, c, fake in rows]
        return np.array([verdict in PROMPTED for verdict in verdicts], dtype=bool)

    return Decider(f"{judge.id} with {policy.id}", scorer, prompts)


REPORT_FORMAT = 1
PROMPTED = ("prompt", "review")


def evaluate(
    dataset: Dataset,
    folder: Path,
    settings: Mapping[str, Any],
    *,
    command: str,
    decider: Decider | None = None,
    draws: int = 500,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures of the test split; `folder` is that of `dataset`.

    A `decider` judges the recorded features again, and is what the ablation asks; without one, what was answered
    counts.
    """
    test = dataset.part("test")
    answered = np.array([answer["probability"] for answer in test.answers], dtype=np.float64)
    prompted = np.array([answer["verdict"] in PROMPTED for answer in test.answers], dtype=bool)
    score = answered
    if decider:
        score = decider.scorer(test.x)
        prompted = decider.prompts(score, test.category, test.column("fake_copy") >= CERTAIN)
    scored = scored_of(test, score)
    judges = [("screener", score, prompted)]
    judges += [(baseline.name, baseline.score, baseline.prompts) for baseline in baselines(test, folder)]
    status = np.array([row["truth"]["brand_status"] for row in test.rows])
    limit = threshold_at_precision(scored, 0.95)
    above = score >= limit if limit is not None else np.zeros(len(score), dtype=bool)
    return {
        "format": REPORT_FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
        "market": dict(settings),
        "features": dataset.features_version,
        "judge": decider.name if decider else "as answered",
        "releases": sorted({answer["release"] for answer in test.answers}),
        "draws": draws,
        "level": LEVEL,
        "counts": _counts(dataset),
        "judges": [{"name": name, **_row(scored_of(test, own), prompts, draws, seed)} for name, own, prompts in judges],
        "curves": {name: _thinned(scored_of(test, own)) for name, own, _ in judges},
        "threshold P95": limit,
        "kinds": by_kind(test, above, prompted),
        "categories": by_category(test, score, above, prompted),
        "open set": open_set(test, status, above, prompted),
        "calibration": _calibration(scored),
        "recognition": recognition_table(folder, test.rows),
        "ablation": _ablation(test, decider.scorer) if decider else [],
        "cost": cost_of(test.answers),
    }


def without_stage(x: NDArray[np.float64], names: Sequence[str], stage: str) -> NDArray[np.float64]:
    """Features with those of a stage at what says nothing: missing, or the anchor where a value may not be missing."""
    changed = x.copy()
    for feature in FEATURES:
        if feature.stage == stage and feature.name in names:
            changed[:, names.index(feature.name)] = np.nan if feature.optional else feature.anchor
    return changed


def _row(scored: Scored, prompts: NDArray[np.bool_], draws: int, seed: int) -> dict[str, Any]:
    """Figures of one judge: by its score at any threshold, and by its own prompts."""
    found: dict[str, Any] = {"average precision": average_precision(scored)}
    for precision in PRECISIONS:
        name = f"R@P{precision * 100:.0f}"
        found[name] = recall_at_precision(scored, precision)
        found[f"{name} interval"] = recall_interval(scored, precision, draws=draws, seed=seed)
    recall = float(scored.weight[scored.y & prompts].sum() / scored.weight[scored.y].sum())
    false = per_ten_thousand(prompts, ~scored.y, scored.weight)
    mass, wrong = scored.prevalence * recall, (1 - scored.prevalence) * false / 10_000
    return found | {
        "recall": recall,
        "precision": mass / (mass + wrong) if mass + wrong else None,
        "false per 10,000": false,
        "false per 10,000 interval": rate_interval(prompts, scored, draws=draws, seed=seed),
    }


def _counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    return {
        split: {
            "listings": int((dataset.split == split).sum()),
            "counterfeits": int((dataset.y & (dataset.split == split)).sum()),
            "people": len(set(dataset.group[dataset.split == split].tolist())),
        }
        for split in SPLITS
    }


def _calibration(scored: Scored) -> dict[str, Any]:
    found = reliability(scored)
    table = {name: [round(float(v), 6) for v in values] for name, values in asdict(found).items()}
    return {"ECE": found.error, "bins": len(found.mass), **table}


def _ablation(test: Dataset, scorer: Scorer) -> list[dict[str, Any]]:
    rows = []
    for stage in (None, *STAGES):
        x = test.x if stage is None else without_stage(test.x, test.names, stage)
        scored = scored_of(test, scorer(x))
        figures = {f"R@P{precision * 100:.0f}": recall_at_precision(scored, precision) for precision in PRECISIONS}
        rows.append({"without": stage or "nothing", "average precision": average_precision(scored), **figures})
    return rows


def _thinned(scored: Scored, most: int = 400) -> dict[str, list[float]]:
    """Recall and precision at up to `most` thresholds, for the plot."""
    whole = curve(scored)
    keep = np.unique(np.linspace(0, len(whole.score) - 1, min(most, len(whole.score))).astype(int))
    return {
        "recall": [round(float(value), 5) for value in whole.recall[keep]],
        "precision": [round(float(value), 5) for value in whole.precision[keep]],
    }
