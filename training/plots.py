"""Draws the plots of a report: precision-recall curves, and histograms of right, wrong and `none` scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from training.protocols import precision_recall, threshold_at_precision
from training.scores import Outcome


def plot_curves(curves: Mapping[str, Outcome], title: str, file: Path) -> None:
    """One precision-recall curve for each named outcome, as SVG, with the line of precision 0.9."""
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    for number, (name, outcome) in enumerate(curves.items()):
        precision, recall = precision_recall(outcome.best, outcome.right, len(outcome.truth))
        axes.plot(recall, precision, label=name, color=f"C{number % 10}", linestyle="-" if number < 10 else "--")
    axes.axhline(0.9, color="grey", linewidth=0.8, linestyle=":")
    axes.set(title=title, xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower left", fontsize="small")
    _save(figure, file)


def plot_scores(outcome: Outcome, title: str, file: Path) -> None:
    """Histograms (shares of each kind) of the best scores: rightly named, wrongly named and `none`, as SVG.

    The line is the threshold of R@P90, where there is one.
    """
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    best, right, queries = outcome.best, outcome.right, len(outcome.truth)
    known = np.arange(len(best)) < queries
    bins = np.linspace(float(best.min()), float(best.max()) + 1e-6, 41)
    for name, rows, colour in (
        ("right", right, "C2"),
        ("wrong", known & ~right, "C3"),
        ("none", ~known, "C7"),
    ):
        if count := int(rows.sum()):
            weights = np.full(count, 1 / count)
            axes.hist(
                best[rows], bins=bins.tolist(), weights=weights, alpha=0.55, label=f"{name} ({count})", color=colour
            )
    threshold = threshold_at_precision(best, right, queries)
    if threshold is not None:
        axes.axvline(threshold, color="black", linewidth=0.8, label=f"R@P90 from {threshold:.3f}")
    axes.set(title=title, xlabel="best score", ylabel="share of its kind")
    axes.legend(loc="upper right", fontsize="small")
    _save(figure, file)


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, format="svg", metadata={"Date": None})
