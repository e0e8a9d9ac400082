"""The command `benchmark registry` of listing-screener-train."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from training.measure_cli import Json


def registry(
    screenings: Annotated[int, typer.Option(min=1000, help="Screenings in the database.")] = 1_000_000,
    references: Annotated[int, typer.Option(min=1000, help="References in the database.")] = 100_000,
    brands: Annotated[int, typer.Option(min=2, help="Brands, the first the largest.")] = 1000,
    sellers: Annotated[int, typer.Option(min=1, help="Sellers.")] = 50_000,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    folder: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Where the database is for the time.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Time queue, cases, matches, trends, references and every page with a year of a marketplace in SQLite.

    A million screenings take some minutes to write and about 6 GB.
    """
    from training.registry_bench import run_registry

    figures = run_registry(
        screenings=screenings, references=references, brands=brands, sellers=sellers, seed=seed, folder=folder
    )
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    typer.echo(
        f"{figures['screenings']:,} screenings, {figures['references']:,} references of {figures['brands']:,} brands:"
        f" {figures['megabytes']:,} MB in SQLite, written in {figures['fill_seconds']:.0f} s"
    )
    _print_times(figures["milliseconds"])


def _print_times(milliseconds: Mapping[str, Mapping[str, float]]) -> None:
    typer.echo(f"{'milliseconds':34}{'first':>10}{'median':>10}{'worst':>10}")
    for name, times in milliseconds.items():
        typer.echo(f"{name:34}{times['first']:10.2f}{times['median']:10.2f}{times['worst']:10.2f}")
