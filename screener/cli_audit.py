"""Commands about the audit log."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from screener.cli_keys import parse_time
from screener.cli_open import DataDir, open_truth
from screener.cli_output import AsJson, Failure, print_json

if TYPE_CHECKING:
    from brands.checkpoints import Checkpoint

app = typer.Typer(help="The log of every change.", no_args_is_help=True)

_TIME = "Rows {} this time (ISO 8601; UTC if not said)."
PublicKey = Annotated[
    list[str] | None,
    typer.Option("--public-key", metavar="BASE64", help="A key that may have signed; default: this deployment's."),
]


@app.callback()
def _group() -> None:
    """The log of every change."""


@app.command()
def verify(
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="An export to check instead of the database.")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="A copy of a checkpoint that was kept elsewhere."),
    ] = None,
    public_key: PublicKey = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Check the chain of the audit log and its signed checkpoints.

    Every row is hashed with the one before it, up to the head. Whoever can rewrite the whole database can forge a whole
    chain, and whoever has the signing key its checkpoints: copies of checkpoints and of the public key that were kept
    elsewhere show that too. With --file and --public-key, no data folder is needed.
    """
    copies = [copy for path in checkpoint or () for copy in _copies(path)]
    if file is not None:
        _verify_file(file, copies, public_key, data_dir, as_json)
        return
    from dataclasses import asdict

    from brands import checkpoints

    with open_truth(data_dir) as truth, truth.database.read() as connection:
        found = checkpoints.verify(connection, public_key or [truth.signer.public_key], copies)
    report = found.chain
    if as_json:
        rest = {"checkpoints": found.checkpoints, "covered": found.covered, "problems": list(found.problems)}
        print_json(asdict(report) | rest | {"ok": found.ok})
    if not report.ok:
        raise Failure(f"The audit log is not what was written from row {report.first_bad} on; {report.rows} rows fit.")
    if found.problems:
        raise Failure(f"The audit log is not what was signed: {'; '.join(found.problems)}.")
    if not as_json:
        typer.echo(f"{report.rows} rows fit; head {report.head}")
        typer.echo(f"{found.checkpoints} checkpoints fit; signed up to row {found.covered}")


@app.command()
def export(
    actor: Annotated[str | None, typer.Option(help="Rows of this actor only, such as key:<id>.")] = None,
    action: Annotated[str | None, typer.Option(help="Rows of this action only, such as reference.add.")] = None,
    kind: Annotated[str | None, typer.Option(help="Rows about this kind of object only.")] = None,
    object_id: Annotated[
        str | None, typer.Option("--object", metavar="ID", help="Rows about this object only.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(parser=parse_time, metavar="TIME", help=_TIME.format("from"))
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=parse_time, metavar="TIME", help=_TIME.format("before"))
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Print the audit log as JSON Lines, which `audit verify --file` can check.

    Without filters the file proves that it is whole.
    """
    from brands.audit_export import Filter, lines
    from brands.ids import utc_now

    wanted = Filter(actor, action, kind, object_id, since, until)
    with open_truth(data_dir) as truth, truth.database.read() as connection:
        for line in lines(connection, truth.signer, wanted, at=utc_now()):
            sys.stdout.write(line + "\n")


@app.command()
def checkpoint(data_dir: DataDir = None) -> None:
    """Sign the last row of the audit log now and print the checkpoint: keep it elsewhere.

    The service signs by itself every SCREENER_AUDIT_CHECKPOINT_EVERY rows.
    """
    from brands import checkpoints
    from brands.ids import utc_now

    with open_truth(data_dir) as truth, truth.database.write() as connection:
        made = checkpoints.make(connection, truth.signer, at=utc_now())
    if made is None:
        raise Failure("The audit log is empty.")
    print_json(checkpoints.record(made))


def _verify_file(
    file: Path, copies: "list[Checkpoint]", keys: list[str] | None, data_dir: Path | None, as_json: bool
) -> None:
    from dataclasses import asdict

    from brands.audit_export import verify_lines

    if not keys:
        with open_truth(data_dir) as truth:
            keys = [truth.signer.public_key]
    try:
        with file.open(encoding="utf-8") as text:
            report = verify_lines(text, keys, copies)
    except ValueError as error:
        raise Failure(f"{file}: {error}.") from None
    if as_json:
        print_json(asdict(report) | {"problems": list(report.problems), "ok": not report.problems})
    if report.problems:
        raise Failure(f"{file}: {'; '.join(report.problems)}.")
    if not as_json:
        typer.echo(f"{report.rows} rows fit; {'the whole log' if report.whole else 'a part of the log'}")
        typer.echo(f"{report.checkpoints} checkpoints fit; signed up to row {report.covered}")


def _copies(path: Path) -> "list[Checkpoint]":
    """The checkpoints in a file: one JSON object, or a list of them."""
    from brands import checkpoints

    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return [checkpoints.parsed(one) for one in (value if isinstance(value, list) else [value])]
    except (ValueError, TypeError):
        raise Failure(f"{path}: not a checkpoint of an audit log.") from None
