"""Figures of two models on the same listings, and of their difference, with intervals that draw groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.judge_fit import log_losses
from training.judge_refit import tempered
from training.market.metrics import LEVEL, Curve, Scored, curve, group_draws, reliability

Floats = NDArray[np.float64]
DRAWS: Final = 1000
CONFIDENCE: Final = 0.95
"""One-sided, of differences: what is asked is whether the candidate may be worse."""
SURE: Final = 0.02
"""Probabilities are taken for no nearer to 0 and 1 than this where log loss compares two models: else one surprise
would stand for a hundred listings."""
_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class Paired:
    """n appraised listings scored by both: probabilities and prompts (n,) of `serving` and `candidate`.

    `weight` is how many listings each stands for; `group`, `category` are texts, all (n,). `prevalence` is that of the
    market.
    """

    serving: Floats
    candidate: Floats
    serving_prompts: NDArray[np.bool_]
    candidate_prompts: NDArray[np.bool_]
    y: NDArray[np.bool_]
    weight: Floats
    group: NDArray[np.str_]
    category: NDArray[np.str_]
    prevalence: float

    def __len__(self) -> int:
        return len(self.y)

    def where(self, chosen: NDArray[np.bool_]) -> Paired:
        """Some of the listings."""
        return replace(
            self,
            serving=self.serving[chosen],
            candidate=self.candidate[chosen],
            serving_prompts=self.serving_prompts[chosen],
            candidate_prompts=self.candidate_prompts[chosen],
            y=self.y[chosen],
            weight=self.weight[chosen],
            group=self.group[chosen],
            category=self.category[chosen],
        )

    def scored(self, score: Floats) -> Scored:
        """The listings with the weights of the market, for its figures."""
        return Scored(score, self.y, self.weight, self.group, self.prevalence)

    def compared(self, score: Floats) -> Scored:
        """The listings with tempered weights, to tell which of two models is better.

        Half of the weight of a spot check's sample lies in a few random picks; a comparison with full weights would be
        one of these picks. Precision is then that among the appraised items, weighted so.
        """
        weight = tempered(self.weight)
        share = float(np.clip(np.average(self.y, weights=weight), 1e-4, 1 - 1e-4))
        return Scored(score, self.y, weight, self.group, share)

    @property
    def both_kinds(self) -> bool:
        """Whether there are counterfeits and honest listings."""
        return bool(self.y.any() and not self.y.all())


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of both models, candidate minus serving, and the interval of that (`CONFIDENCE` on each side)."""

    serving: float
    candidate: float
    low: float
    high: float

    @property
    def point(self) -> float:
        """Candidate minus serving."""
        return self.candidate - self.serving

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "serving": round(self.serving, 5),
            "candidate": round(self.candidate, 5),
            "difference": round(self.point, 5),
            "interval": [round(self.low, 5), round(self.high, 5)],
        }


def recall_at(precision: float) -> Callable[[Curve], Floats]:
    """The highest recall of a curve with this precision."""
    return lambda found: found.best(precision)[0]


def area(found: Curve) -> Floats:
    """Average precision of curves (..., m)."""
    recall = np.concatenate([np.zeros((*found.recall.shape[:-1], 1)), found.recall], axis=-1)
    total: Floats = np.sum(np.diff(recall, axis=-1) * found.precision, axis=-1)
    return total


def difference(
    serving: Scored, candidate: Scored, figure: Callable[[Curve], Floats], *, draws: int = DRAWS, seed: int = 0
) -> Difference:
    """A figure of curves, and its difference in the same draws of groups."""
    times = _usable(group_draws(serving.group, draws, seed), serving.y)
    values = [
        np.concatenate(
            [figure(curve(scored, times[start : start + _AT_ONCE])) for start in range(0, len(times), _AT_ONCE)]
        )
        for scored in (serving, candidate)
    ]
    points = [float(figure(curve(scored))) for scored in (serving, candidate)]
    low, high = np.quantile(values[1] - values[0], [1 - CONFIDENCE, CONFIDENCE])
    return Difference(points[0], points[1], float(low), float(high))


def mean_difference(
    serving: Floats, candidate: Floats, weight: Floats, group: NDArray[np.str_], *, draws: int = DRAWS, seed: int = 0
) -> Difference:
    """Weighted means of values (n,), and the interval of their difference."""
    times = group_draws(group, draws, seed) * weight
    totals = np.maximum(times.sum(axis=1), 1e-12)
    drawn = (times @ (candidate - serving)) / totals
    low, high = np.quantile(drawn, [1 - CONFIDENCE, CONFIDENCE])
    points = [float(np.average(values, weights=weight)) for values in (serving, candidate)]
    return Difference(points[0], points[1], float(low), float(high))


def overall(rows: Paired, precisions: Sequence[float], *, draws: int = DRAWS, seed: int = 0) -> dict[str, Difference]:
    """The figures by which one model is better than the other; of log loss, less is better."""
    both = rows.compared(rows.serving), rows.compared(rows.candidate)
    found = {"average precision": difference(*both, area, draws=draws, seed=seed)}
    for precision in precisions:
        name = f"recall at precision {precision:g}"
        found[name] = difference(*both, recall_at(precision), draws=draws, seed=seed)
    losses = (surprise(rows.serving, rows.y), surprise(rows.candidate, rows.y))
    found["log loss"] = mean_difference(*losses, both[0].weight, rows.group, draws=draws, seed=seed)
    return found


def market_figures(
    rows: Paired, precisions: Sequence[float], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """What both would do in the market, with the full weights of the spot checks: honest, and wide."""
    times = _usable(group_draws(rows.group, draws, seed), rows.y)
    starts = range(0, len(times), _AT_ONCE)
    found: dict[str, dict[str, Any]] = {}
    for name, score, prompts in (
        ("serving", rows.serving, rows.serving_prompts),
        ("candidate", rows.candidate, rows.candidate_prompts),
    ):
        scored = rows.scored(score)
        table = reliability(scored)
        own: dict[str, Any] = {"expected calibration error": round(table.error, 5)}
        for precision in precisions:
            point = float(curve(scored).best(precision)[0])
            values = [curve(scored, times[start : start + _AT_ONCE]).best(precision)[0] for start in starts]
            low, high = np.quantile(np.concatenate(values), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
            own[f"recall at precision {precision:g}"] = [round(point, 4), round(low, 4), round(high, 4)]
        caught = rows.weight[rows.y & prompts].sum() / rows.weight[rows.y].sum()
        wrong = rows.weight[~rows.y & prompts].sum() / rows.weight[~rows.y].sum()
        own["caught by the policy"] = round(float(caught), 4)
        own["false prompts per 10,000"] = round(float(10_000 * wrong), 1)
        own["reliability"] = {
            "predicted": [round(float(v), 5) for v in table.predicted],
            "observed": [round(float(v), 5) for v in table.observed],
        }
        found[name] = own
    return found


def surprise(probability: Floats, y: NDArray[np.bool_]) -> Floats:
    """Log loss of each label (n,), with probabilities that are never too sure (`SURE`)."""
    return log_losses(np.clip(probability, SURE, 1 - SURE), y)


def finite(value: float) -> float | None:
    """A number for JSON; None for what is not known."""
    return round(value, 5) if np.isfinite(value) else None


def _usable(times: Floats, y: NDArray[np.bool_]) -> Floats:
    """The draws (d, n) with counterfeits and honest listings: without either there is no curve. At least one."""
    found: Floats = times[(times[:, y].sum(axis=1) > 0) & (times[:, ~y].sum(axis=1) > 0)]
    return found if len(found) else np.ones((1, len(y)))
