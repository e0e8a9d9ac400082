"""The command `day` of listing-screener-train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def day(
    work: Annotated[Path, typer.Option(help="Folder of the day; what was drawn there is kept.")] = Path("var/day"),
    listings: Annotated[int, typer.Option(min=200, help="Listings of the first month.")] = 5000,
    next_month: Annotated[int, typer.Option(min=100, help="Listings of the month that is measured on.")] = 3500,
    brands: Annotated[int, typer.Option(min=2, max=200, help="Brands, three in four of them registered.")] = 20,
    budget: Annotated[int, typer.Option(min=20, help="Items to buy and have appraised.")] = 200,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the encoder's fine-tuning.")] = 60,
    encoder: Annotated[bool, typer.Option(help="Fine-tune the encoder too; else the judge alone is trained.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything.")] = 7,
) -> None:
    """Run an ML engineer's day on a simulated marketplace, from screenings to a better model and back.

    Screens a month, plans and appraises purchases, freezes a data set, trains judge and encoder, evaluates, tries the
    gates, judges in the shadow, promotes, measures the next month, refuses a bad candidate, rolls back. Prints the
    table before and after; exit code 1 where something was not proven.
    """
    # Imported here: torch takes seconds, and --help needs none of it.
    from training.day.record import Size
    from training.day.run import run_day

    size = Size(first=listings, second=next_month, brands=brands, budget=budget, steps=steps)
    done = run_day(work, size=size, seed=seed, fine_tune=encoder)
    done.show()
    if not done.passed:
        raise typer.Exit(1)
