"""Commands about the audit log."""

import typer

from screener.cli_open import DataDir, open_truth
from screener.cli_output import AsJson, Failure, print_json

app = typer.Typer(help="The log of every change.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The log of every change."""


@app.command()
def verify(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check the chain of the audit log.

    Every row is hashed with the one before it, up to the head. Keep a copy of the head elsewhere and compare: whoever
    can rewrite the whole database can forge a whole chain.
    """
    from dataclasses import asdict

    from brands import audit

    with open_truth(data_dir) as truth, truth.database.read() as connection:
        report = audit.verify(connection)
    if as_json:
        print_json(asdict(report))
    if not report.ok:
        raise Failure(f"The audit log is not what was written from row {report.first_bad} on; {report.rows} rows fit.")
    if not as_json:
        typer.echo(f"{report.rows} rows fit; head {report.head}")
