"""Draws the plots of a market report: precision over recall, reliability, what is caught of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

PLOTS = ("precision-recall.svg", "reliability.svg", "kinds.svg")


def draw(report: Mapping[str, Any], folder: Path) -> None:
    """Writes the files `PLOTS` into `folder`."""
    _curves(report["curves"], folder / PLOTS[0])
    _reliability(report["calibration"], folder / PLOTS[1])
    _kinds(report["kinds"], folder / PLOTS[2])


def _curves(curves: Mapping[str, Any], file: Path) -> None:
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    for number, (name, points) in enumerate(curves.items()):
        axes.plot(points["recall"], points["precision"], label=name, color=f"C{number}")
    for precision in (0.90, 0.95):
        axes.axhline(precision, color="grey", linewidth=0.8, linestyle=":")
    axes.set(title="counterfeits found", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower left", fontsize="small")
    _save(figure, file)


def _reliability(calibration: Mapping[str, Any], file: Path) -> None:
    figure = Figure(figsize=(5.0, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([1e-4, 1], [1e-4, 1], color="grey", linewidth=0.8, linestyle=":")
    # Bins without any counterfeit have no place on a scale of logarithms: they are drawn at its edge.
    observed = [max(value, 1e-4) for value in calibration["observed"]]
    predicted = [max(value, 1e-4) for value in calibration["predicted"]]
    axes.plot(predicted, observed, marker="o")
    axes.set(
        title=f"reliability, ECE {calibration['ECE']:.4f}",
        xlabel="probability that was given",
        ylabel="share of counterfeits",
        xscale="log",
        yscale="log",
        xlim=(1e-4, 1),
        ylim=(1e-4, 1),
    )
    _save(figure, file)


def _kinds(kinds: list[Mapping[str, Any]], file: Path) -> None:
    figure = Figure(figsize=(6.4, 0.28 * len(kinds) + 1.2), layout="constrained")
    axes = figure.subplots()
    names = [row["kind"] for row in kinds]
    colours = ["C3" if row["counterfeit"] else "C2" for row in kinds]
    axes.barh(names, [row["above P95"] for row in kinds], color=colours)
    axes.invert_yaxis()
    axes.set(title="above the threshold of precision 0.95", xlabel="share of the kind", xlim=(0, 1))
    _save(figure, file)


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, format="svg", metadata={"Date": None})
