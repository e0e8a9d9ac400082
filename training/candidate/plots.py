"""Draws the plots of a candidate's report: precision over recall, reliability, scores, and what slices lose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

PLOTS: Final = (
    ("precision-recall.svg", "Precision over recall of both models on the test rows"),
    ("reliability.svg", "Share of counterfeits over the probability that was given"),
    ("scores.svg", "How the scores of counterfeits and authentic items are spread, before and after"),
    ("slices.svg", "What each slice loses, with its interval and bound"),
)
"""Files, and what they show in words."""
_COLOURS: Final = {"serving": "C7", "candidate": "C0"}


def draw(figures: Mapping[str, Any], folder: Path) -> list[str]:
    """Writes those of `PLOTS` that there are figures for into `folder`, and names them."""
    drawn: list[str] = []
    log_losses = [row for row in figures["slices"] if row["figure"] == "log loss"]
    plots: tuple[tuple[tuple[str, str], Any, Callable[[Any], Figure]], ...] = (
        (PLOTS[0], figures["curves"], _curves),
        (PLOTS[1], figures["market"], _reliability),
        (PLOTS[2], figures["scores"], _scores),
        (PLOTS[3], log_losses, _slices),
    )
    for (name, _), part, plot in plots:
        if part:
            plot(part).savefig(folder / name, format="svg", metadata={"Date": None})
            drawn.append(name)
    return drawn


def _curves(curves: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        axes.step(points["recall"], points["precision"], where="post", label=name, color=_COLOURS[name])
    for precision in (0.90, 0.95):
        axes.axhline(precision, color="grey", linewidth=0.8, linestyle=":")
    axes.set(title="counterfeits found", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower left", fontsize="small")
    return figure


def _reliability(market: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(5.0, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([1e-4, 1], [1e-4, 1], color="grey", linewidth=0.8, linestyle=":")
    for name, colour in _COLOURS.items():
        table = market[name]["reliability"]
        # Bins without any counterfeit have no place on a scale of logarithms: they are drawn at its edge.
        predicted, observed = (np.maximum(table[key], 1e-4) for key in ("predicted", "observed"))
        error = market[name]["expected calibration error"]
        axes.plot(predicted, observed, marker="o", color=colour, label=f"{name}, ECE {error:.4f}")
    axes.set(
        title="reliability", xlabel="probability that was given", ylabel="share of counterfeits", xscale="log",
        yscale="log", xlim=(1e-4, 1), ylim=(1e-4, 1),
    )  # fmt: skip
    axes.legend(loc="upper left", fontsize="small")
    return figure


def _scores(scores: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2, sharex=True), ("counterfeit", "authentic"), strict=True):
        for name, colour in _COLOURS.items():
            axes.stairs(scores[f"{name} {kind}"], scores["edges"], label=name, color=colour, linewidth=1.6)
        axes.set(title=f"{kind} items", xlabel="probability", ylabel="test rows", xlim=(0, 1))
        axes.legend(loc="best", fontsize="small")
    return figure


def _slices(rows: list[Mapping[str, Any]]) -> Figure:
    figure = Figure(figsize=(6.8, 0.3 * len(rows) + 1.4), layout="constrained")
    axes = figure.subplots()
    names = [f"{row['dimension']}: {row['slice']} ({row['rows']})" for row in rows]
    places = np.arange(len(rows))
    errors = [1.96 * (row["standard error"] or 0.0) for row in rows]
    axes.errorbar([row["loss"] for row in rows], places, xerr=errors, fmt="o", color="C0", capsize=3)
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.axvline(rows[0]["bound"], color="C3", linewidth=0.8, linestyle=":", label="bound")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set(title="log loss lost (right is worse)", xlabel="nats")
    axes.legend(loc="best", fontsize="small")
    return figure
