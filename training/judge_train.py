"""From a screened market to a judge and a policy: fit, calibrate, compare, set the bands, write, with every figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from screener.judging.features import FEATURES, NAMES, VERSION
from training.errors import TrainingError
from training.judge_compare import Peer, peers
from training.judge_fit import Additive, Noise, calibrate, choose_ridge, fit, folds_of, log_loss
from training.judge_write import write_judge
from training.market.dataset import Dataset
from training.market.metrics import Scored, average_precision, recall_at_precision, recall_interval, reliability
from training.policy_fit import Fitted, Target, fit_bands, policy_toml

Floats = NDArray[np.float64]
PRECISIONS = (0.90, 0.95)
FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A judge with its policy's bands, and the figures of both on the test split."""

    model: Additive
    target: Target
    bands: Mapping[str, Fitted]
    ridge: float
    figures: Mapping[str, Any]


def train(datasets: Mapping[str, Dataset], *, noise: Noise, target: Target, draws: int = 500) -> Trained:
    """Trains on the `train` splits together, calibrates on `calibrate`, measures each on `test`.

    `datasets` are screened markets by name, all of the same features and prevalence. The labels are what appraisals
    say (`noise` is how often they are wrong), the figures are on the truth. The bands are set on `calibrate` and on
    `train`, there by judges that were fitted without the listing's own people.
    """
    for name, data in datasets.items():
        if data.features_version != VERSION or data.names != NAMES:
            raise TrainingError(f"{name}: screened with {data.features_version}, not {VERSION}")
    x, labels, weights, groups = _appraised(datasets, "train")
    ridge, losses = choose_ridge(x, labels, weights, groups, noise=noise)
    model = fit(x, labels, weights, ridge=ridge, noise=noise)
    held_x, held_labels, held_weights, _ = _appraised(datasets, "calibrate")
    model = calibrate(model, held_x, held_labels, held_weights, noise)
    apart = _fitted_apart(datasets, ridge, noise, (held_x, held_labels, held_weights))
    bands = fit_bands(*_joined(_pooled(datasets, "calibrate", model.probability), apart), target)
    others = peers(x, labels, weights, held_x, held_labels, held_weights)
    figures: dict[str, Any] = {
        "ridge": ridge,
        "cross-validated log loss": losses,
        "appraised": {"train": len(labels), "calibrate": len(held_labels)},
        "test": {
            name: [
                _row(_scored(data.part("test"), judge.probability), judge.name, draws)
                for judge in (Peer("this judge", model.probability), *others)
            ]
            for name, data in datasets.items()
        },
        "bands": {name: asdict(fitted) for name, fitted in bands.items()},
    }
    return Trained(model, target, bands, ridge, figures)


def write(
    trained: Trained,
    *,
    folder: Path,
    policy: Path,
    name: str,
    prevalence: float,
    noise: Noise,
    source: Mapping[str, Any],
) -> tuple[str, str]:
    """Writes judge and policy; gives the judge's id and the text of the policy."""
    judge = write_judge(
        folder,
        trained.model,
        name=name,
        calibrated_on="simulation",
        prevalence=prevalence,
        metrics=trained.figures,
        source={**source, "noise": asdict(noise)},
        card=card_of(trained, name, prevalence, source),
    )
    note = (
        "Made by `listing-screener-train judge train`: fitted to simulated listings that calibrated the judge, and\n"
        "to those it was trained on, there judged by judges that did not see the listing's own people."
    )
    text = policy_toml(name, judge, trained.target, trained.bands, note)
    policy.parent.mkdir(parents=True, exist_ok=True)
    policy.write_text(text, encoding="utf-8")
    return judge, text


def card_of(trained: Trained, name: str, prevalence: float, source: Mapping[str, Any]) -> str:
    """The judge's card: what it is for, what it was fitted to, how good it is, what each feature adds."""
    lines = [
        f"# {name}",
        "",
        "An additive, monotone judge of marketplace listings: the probability that the item is counterfeit, and what",
        "each feature adds to it. **It was trained and calibrated on a simulated market, not on appraised items**",
        f"(`calibrated_on: simulation`), at a prevalence of {prevalence:.1%}. Its probabilities order listings well;",
        "how often they are true on a marketplace is not known until appraisals replace the simulation.",
        "",
        f"Made by `{source.get('command', 'listing-screener-train judge train')}`; ridge {trained.ridge:g}.",
        "",
        "## Figures on the test split (people, products and months that training did not see)",
        "",
    ]
    for market, rows in trained.figures["test"].items():
        lines += [f"### {market}", "", "| judge | recall@P90 | recall@P95 | average precision | ECE | log loss |"]
        lines += ["|---|---|---|---|---|---|"]
        for row in rows:
            at90, at95 = (_with_interval(row, p) for p in (90, 95))
            lines += [
                f"| {row['name']} | {at90} | {at95} | {row['average precision']:.3f} | {row['ece']:.3f}"
                f" | {row['log loss']:.4f} |"
            ]
        lines.append("")
    lines += ["## What each feature can add to the log-odds", "", "| feature | unit | least | most | direction |"]
    lines += ["|---|---|---|---|---|"]
    for feature, shape in zip(FEATURES, trained.model.shapes, strict=True):
        sign = {1: "never down", -1: "never up", 0: "either way"}[feature.direction]
        lines.append(
            f"| `{feature.name}` | {feature.unit} | {shape.values.min():+.2f} | {shape.values.max():+.2f} | {sign} |"
        )
    lines += ["", f"Log-odds of a listing of which nothing is known: {trained.model.bias:+.2f}.", ""]
    return "\n".join(lines)


def _with_interval(row: Mapping[str, Any], precision: int) -> str:
    low, high = row[f"interval@P{precision}"]
    return f"{row[f'recall@P{precision}']:.3f} ({low:.3f} to {high:.3f})"


def _appraised(
    datasets: Mapping[str, Dataset], split: str
) -> tuple[Floats, NDArray[np.bool_], Floats, NDArray[np.str_]]:
    """Features, labels, weights and groups of the listings of a split whose appraisal came to a result."""
    parts = [data.part(split) for data in datasets.values()]
    parts = [part.rows_where(part.appraised >= 0) for part in parts]
    return (
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.appraised == 1 for part in parts]),
        np.concatenate([part.weight for part in parts]),
        np.concatenate([np.char.add(f"{name}/", part.group) for name, part in zip(datasets, parts, strict=True)]),
    )


def _scored(data: Dataset, probability: Any) -> Scored:
    return Scored(probability(data.x), data.y, data.weight, data.group, data.prevalence)


def _pooled(datasets: Mapping[str, Dataset], split: str, probability: Any) -> tuple[Scored, NDArray[np.str_]]:
    parts = [data.part(split) for data in datasets.values()]
    scored = [_scored(part, probability) for part in parts]
    whole = Scored(
        np.concatenate([part.score for part in scored]),
        np.concatenate([part.y for part in scored]),
        np.concatenate([part.weight for part in scored]),
        np.concatenate([np.char.add(f"{name}/", part.group) for name, part in zip(datasets, scored, strict=True)]),
        scored[0].prevalence,
    )
    return whole, np.concatenate([part.category for part in parts])


def _fitted_apart(
    datasets: Mapping[str, Dataset], ridge: float, noise: Noise, held: tuple[Floats, NDArray[np.bool_], Floats]
) -> tuple[Scored, NDArray[np.str_]]:
    """The listings of the train splits, each judged by a judge that saw nobody of the listing's group."""
    x, labels, weights, groups = _appraised(datasets, "train")
    whole, category = _pooled(datasets, "train", lambda values: np.zeros(len(values)))
    rows = np.concatenate([data.part("train").x for data in datasets.values()])
    score = np.zeros(len(rows))
    fold, own = folds_of(whole.group, FOLDS), _folds_known(groups, whole.group, FOLDS)
    for number in range(FOLDS):
        kept = own != number
        judge = fit(x[kept], labels[kept], weights[kept], ridge=ridge, noise=noise)
        judge = calibrate(judge, *held, noise)
        score[fold == number] = judge.probability(rows[fold == number])
    return replace(whole, score=score), category


def _folds_known(groups: NDArray[np.str_], known: NDArray[np.str_], folds: int) -> NDArray[np.int64]:
    """The folds that `folds_of` gives `known`, for other listings of the same groups."""
    by_group = dict(zip(known.tolist(), folds_of(known, folds).tolist(), strict=True))
    return np.array([by_group[group] for group in groups.tolist()])


def _joined(
    left: tuple[Scored, NDArray[np.str_]], right: tuple[Scored, NDArray[np.str_]]
) -> tuple[Scored, NDArray[np.str_]]:
    (a, a_category), (b, b_category) = left, right
    scored = Scored(
        np.concatenate([a.score, b.score]),
        np.concatenate([a.y, b.y]),
        np.concatenate([a.weight, b.weight]),
        np.concatenate([a.group, b.group]),
        a.prevalence,
    )
    return scored, np.concatenate([a_category, b_category])


def _row(scored: Scored, name: str, draws: int) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name}
    for precision in PRECISIONS:
        row[f"recall@P{precision * 100:.0f}"] = recall_at_precision(scored, precision)
        row[f"interval@P{precision * 100:.0f}"] = recall_interval(scored, precision, draws=draws)
    row["average precision"] = average_precision(scored)
    row["ece"] = reliability(scored).error
    row["log loss"] = log_loss(scored.score, scored.y, scored.weight)
    return row


def print_trained(trained: Trained) -> None:
    """The figures on the test splits, in tables for people."""
    for market, rows in trained.figures["test"].items():
        table = Table(title=f"Test split of {market}", title_justify="left")
        for column in ("judge", "recall@P90", "recall@P95", "average precision", "ECE", "log loss"):
            table.add_column(column, justify="left" if column == "judge" else "right")
        for row in rows:
            at90, at95 = (f"{row[f'recall@P{p}']:.3f}" for p in (90, 95))
            precision, error, loss = (f"{row[key]:.4f}" for key in ("average precision", "ece", "log loss"))
            table.add_row(row["name"], at90, at95, precision, error, loss)
        Console().print(table)
