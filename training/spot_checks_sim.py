"""Measures spot checks on populations whose truth is known: counterfeits found, and how often intervals hold it.

Every run draws a plan with the design that serves, and estimates with the code that serves.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from screener.spot_checks.design import Design, draw, make_design
from screener.spot_checks.estimate import Estimate, precision, rate, recall
from screener.spot_checks.model import Population, Shares
from screener.spot_checks.sample import Sample
from screener.spot_checks.weights import weights
from training.market.dataset import load
from training.spot_checks_population import SCENES, Scene, Truth, invented, of_market

POPULATIONS = 10
"""That the runs of a scene are spread over: what is lucky in one is not in the others."""
FIGURES: dict[str, Callable[[Sample], Estimate]] = {"rate": rate, "precision": precision, "recall": recall}


def spot_checks(
    runs: Annotated[int, typer.Option(min=10, help="Plans drawn in each scene.")] = 500,
    budget: Annotated[int, typer.Option(min=10, help="Items of a plan.")] = 200,
    listings: Annotated[int, typer.Option(min=500, help="Listings of a population.")] = 20_000,
    market: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="A screened market to draw from as well.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of populations and draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count counterfeits found per 100 purchases beside random ones, and how often 95 % intervals hold the truth."""
    found = [run_scene(scene, runs=runs, budget=budget, listings=listings, seed=seed) for scene in SCENES]
    if market:
        rng, listed = np.random.default_rng(seed), load(market)
        found.append(measure("market", lambda: of_market(listed, rng), runs=runs, budget=budget, rng=rng))
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        print_figures(found, runs, budget, listings)


def run_scene(scene: Scene, *, runs: int, budget: int, listings: int, seed: int) -> dict[str, Any]:
    """The figures of one scene."""
    rng = np.random.default_rng([seed, SCENES.index(scene) if scene in SCENES else 99])
    figures = measure(
        scene.name, lambda: invented(scene, listings, rng), runs=runs, budget=budget, rng=rng, lost=scene.lost
    )
    return figures | {"assumed": asdict(scene)}


def measure(
    name: str,
    make: Callable[[], tuple[Population, Truth]],
    *,
    runs: int,
    budget: int,
    rng: np.random.Generator,
    lost: float = 0.0,
) -> dict[str, Any]:
    """Figures over `runs` plans from populations that `make` gives: per 100 purchases `found` by the design and
    `random` by chance; for each share the mean truth, mean and root mean square error of the estimates (and the error
    from as many items bought at random), the share of intervals that hold the truth, their median width, and how often
    the usual intervals (`usual_interval`) hold it."""
    started = time.perf_counter()
    found, by_chance = list[float](), list[float]()
    rows: dict[str, list[tuple[float, ...]]] = {figure: [] for figure in FIGURES}
    populations = min(POPULATIONS, runs)
    for number in range(populations):
        population, fake = make()
        design = make_design(population, budget=budget, shares=Shares())
        truth = {
            "rate": float(fake.mean()),
            "precision": float(fake[population.prompted].mean()) if population.prompted.any() else float("nan"),
            "recall": float(population.prompted[fake].mean()),
        }
        for _ in range(runs // populations + (number < runs % populations)):
            picks = draw(design, rng)
            chosen = np.sort(rng.choice(len(fake), len(picks), replace=False))
            found.append(float(fake[picks].mean()))
            by_chance.append(float(fake[chosen].mean()))
            sample = sample_of(population, design, picks[rng.random(len(picks)) >= lost], fake)
            simple = _sample(population, chosen, np.full(len(chosen), len(fake) / len(chosen)), fake)
            for figure, make_estimate in FIGURES.items():
                own, other = make_estimate(sample), make_estimate(simple)
                if own.value is not None and np.isfinite(truth[figure]):
                    usual = usual_interval(sample, figure)
                    by_random = np.nan if other.value is None else other.value
                    rows[figure].append((truth[figure], own.value, own.low, own.high, by_random, *usual))
    return {
        "name": name,
        "found_per_100": 100 * float(np.mean(found)),
        "random_per_100": 100 * float(np.mean(by_chance)),
        "times_random": float(np.mean(found) / np.mean(by_chance)),
        "runs": len(found),
        "shares": {figure: _summary(own) for figure, own in rows.items() if own},
        "seconds": round(time.perf_counter() - started, 1),
    }


def sample_of(population: Population, design: Design, told: NDArray[np.int64], fake: Truth) -> Sample:
    """The sample of the picks with a result (their numbers), as `screener.spot_checks.sample` would read it."""
    return _sample(population, told, weights(design.inclusion[told], design.stratum[told], design.strata), fake)


def usual_interval(sample: Sample, figure: str) -> tuple[float, float]:
    """What a survey package would print: the weighted mean and 1.96 standard errors by linearisation."""
    success = sample.prompted if figure == "recall" else sample.counterfeit
    among = {"rate": np.ones(len(sample), bool), "precision": sample.prompted, "recall": sample.counterfeit}[figure]
    weight, hit = sample.weight[among], success[among]
    share = float((weight * hit).sum() / weight.sum())
    error = 1.96 * float(np.sqrt((weight**2 * (1 - 1 / weight) * (hit - share) ** 2).sum()) / weight.sum())
    return share - error, share + error


def _sample(population: Population, told: NDArray[np.int64], weight: NDArray[np.float64], fake: Truth) -> Sample:
    return Sample(
        weight=weight,
        counterfeit=fake[told],
        prompted=population.prompted[told],
        whole=np.ones(len(told), dtype=bool),
        price=population.price[told],
        orders=np.full(len(told), np.nan),
        brand=population.brand[told].astype(np.str_),
        category=population.category[told].astype(np.str_),
    )


def _summary(rows: list[tuple[float, ...]]) -> dict[str, float]:
    truth, value, low, high, simple, usual_low, usual_high = np.array(rows).T
    with_value = ~np.isnan(simple)
    apart = (simple - truth)[with_value]
    return {
        "truth": float(truth.mean()),
        "mean": float(value.mean()),
        "error": float(np.sqrt(np.mean((value - truth) ** 2))),
        "random_error": float(np.sqrt(np.mean(apart**2))) if len(apart) else float("nan"),
        "covered": float(np.mean((low <= truth) & (truth <= high))),
        "usual_covered": float(np.mean((usual_low <= truth) & (truth <= usual_high))),
        "width": float(np.median(high - low)),
        "estimated": len(rows),
    }


def print_figures(found: list[dict[str, Any]], runs: int, budget: int, listings: int) -> None:
    """The figures as two tables."""
    console = Console(width=160)
    table = Table(title=f"Counterfeits per 100 purchases, {runs} plans of {budget} out of {listings:,} listings")
    for column in ("", "found", "at random", "times"):
        table.add_column(column, justify="left" if not column else "right")
    for own in found:
        numbers = (own[name] for name in ("found_per_100", "random_per_100", "times_random"))
        table.add_row(own["name"], *(f"{number:.1f}" for number in numbers))
    console.print(table)
    table = Table(title="What the same plans say of all listings")
    columns = ("truth", "estimated", "error", "error at random", "held by 95 % intervals", "width", "by usual ones")
    for column in ("", "", *columns):
        table.add_column(column, justify="right" if column else "left")
    for own in found:
        for figure, row in own["shares"].items():
            numbers = (row[name] for name in ("truth", "mean", "error", "random_error"))
            table.add_row(
                own["name"],
                figure,
                *(f"{number:.3f}" for number in numbers),
                f"{row['covered']:.1%}",
                f"{row['width']:.3f}",
                f"{row['usual_covered']:.1%}",
            )
    console.print(table)
