"""The commands `dataset freeze|show|verify` of listing-screener-train."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from screener.cli_open import DataDir
from training.errors import TrainingError

if TYPE_CHECKING:
    from training.frozen.model import Frozen

dataset_app = typer.Typer(no_args_is_help=True, help="Freeze appraised screenings, and look at what was frozen.")
Folder = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of a data set, dst_...")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataset_app.command()
def freeze(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder below which the data set is written.")],
    since: Day = None,
    until: Day = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Freeze what was screened in [--since, --until) and appraised until now, of the database of this folder."""
    from screener.cli_open import open_truth
    from screener.cli_output import Failure
    from training.frozen import freeze as frozen_of

    try:
        with open_truth(data_dir) as truth:
            found = frozen_of(truth, out, since=_utc(since), until=_utc(until))
    except Failure as failure:
        raise TrainingError(str(failure)) from failure
    _show(found, as_json)


@dataset_app.command()
def show(folder: Folder, as_json: AsJson = False) -> None:
    """What is in a data set, and what was left out of it; it is checked first."""
    from training.frozen import open_dataset

    _show(open_dataset(folder), as_json)


@dataset_app.command()
def verify(folder: Folder) -> None:
    """Check every hash of a data set, and that nothing crosses its splits."""
    from training.frozen import open_dataset
    from training.frozen.splits import leak_report

    found = open_dataset(folder)
    typer.echo(f"{found.id}: every hash fits, {len(found.rows)} rows, {len(found.kept)} pictures")
    for check in leak_report(found.rows, found.references, found.hashes):
        typer.echo(f"  {check.name}: {check.looked_at} looked at, {check.crossing} cross")


def _show(found: Frozen, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**found.manifest, "folder": str(found.folder)}, indent=1))
        return
    content = found.manifest["content"]
    typer.echo(f"{found.folder}: {len(found.rows)} rows, prevalence {found.prevalence:.2%}")
    for split, counts in content["counts"].items():
        parts = ", ".join(f"{count} {name}" for name, count in counts.items() if name != "rows")
        typer.echo(f"  {split}: {counts['rows']} rows ({parts})")
    pictures, population = content["pictures"], content["population"]
    without = pictures["rows without all"]
    told = len(content["references_left_out"])
    typer.echo(f"  pictures: {pictures['named']} named, {pictures['missing']} not kept; {without} rows lack some")
    typer.echo(f"  references: {len(found.references)}, {told} left out because they tell a label")
    typer.echo(f"  of {population['screenings']} screenings in all, {population['kept']} kept to compare with")
    if content["left_out"]:
        typer.echo(f"  left out: {', '.join(f'{count} {why}' for why, count in content['left_out'].items())}")


def _utc(at: datetime | None) -> datetime | None:
    return at and at.replace(tzinfo=UTC)
