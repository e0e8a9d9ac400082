"""Commands about how long things are kept, and about what must not be deleted."""

import time
from typing import Annotated

import typer

from brands.model import HoldKind
from screener.cli_open import DataDir, actor, every, open_truth
from screener.cli_output import AsJson, print_json, print_table, progress

app = typer.Typer(help="Cases whose time is over.", no_args_is_help=True)
holds_app = typer.Typer(help="Legal holds: what must not be deleted.", no_args_is_help=True)

LEFT_BEHIND_S = 24 * 3600.0
"""Age of a stored picture from which no screening or upload can still be about to name it."""


@app.command()
def plan(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show how many cases are due to be deleted."""
    from dataclasses import asdict

    from brands.ids import utc_now

    with open_truth(data_dir) as truth:
        found = asdict(truth.retention.plan(utc_now()))
    if as_json:
        print_json(found)
    else:
        print_table(["cases", "due"], found.items(), right=["due"])


@app.command()
def run(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Delete the cases that are due, each batch with a signed receipt.

    A running service does so by itself. Pictures that no row names, left by a process that was killed, go as well.
    """
    from collections import Counter

    from brands.ids import utc_now
    from screener.retention.pictures import sweep_blobs

    counts: Counter[str] = Counter()
    with open_truth(data_dir) as truth:
        due = truth.retention.plan(utc_now())
        with progress("Deleting") as advance:
            while receipt := truth.retention.run_batch(actor=actor(), now=utc_now()):
                counts.update(receipt.counts)
                advance(counts["screenings"], due.flagged + due.clear)
        counts["blobs"] += sweep_blobs(truth.database, truth.blobs, before=time.time() - LEFT_BEHIND_S)
    if as_json:
        print_json(dict(sorted(counts.items())))
    else:
        typer.echo(f"{counts['screenings']} cases and {counts['blobs']} pictures are deleted.")


@holds_app.command()
def add(
    kind: Annotated[HoldKind, typer.Argument(help="What the id names.")],
    object_id: Annotated[str, typer.Argument(metavar="ID", help="Of the screening, the brand or the seller.")],
    reason: Annotated[str, typer.Option(help="Why: a case number, for instance.")],
    data_dir: DataDir = None,
) -> None:
    """Forbid to delete a screening, or anything of a brand or a seller."""
    from brands import holds
    from brands.ids import utc_now

    with open_truth(data_dir) as truth, truth.database.write() as connection:
        hold = holds.add(connection, kind=kind, object_id=object_id, reason=reason, actor=actor(), at=utc_now())
    typer.echo(hold.id)


@holds_app.command()
def release(
    hold_id: Annotated[str, typer.Argument(metavar="HOLD_ID", help="See `holds list`.")], data_dir: DataDir = None
) -> None:
    """End a legal hold."""
    from brands import holds
    from brands.ids import utc_now

    with open_truth(data_dir) as truth, truth.database.write() as connection:
        hold = holds.release(connection, hold_id, actor=actor(), at=utc_now())
    typer.echo(f"{hold.id} is released.")


@holds_app.command("list")
def list_holds(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List legal holds, also those that were released."""
    from brands import checks, holds
    from screener.retention.payloads import HoldOut

    with open_truth(data_dir) as truth, truth.database.read() as connection:
        found = list(every(lambda after: holds.fetch_page(connection, after=after, limit=checks.PAGE_MAX)))
    if as_json:
        print_json([HoldOut.model_validate(hold).model_dump(mode="json") for hold in found])
        return
    print_table(
        ["id", "kind", "of", "since", "released", "reason"],
        [(hold.id, hold.kind, hold.object_id, hold.created_at, hold.released_at, hold.reason) for hold in found],
    )
