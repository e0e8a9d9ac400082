"""The console command `listing-screener`: its groups of commands, and the server."""

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from screener import (
    cli_appraisals,
    cli_audit,
    cli_brands,
    cli_check,
    cli_demo,
    cli_discover,
    cli_erase,
    cli_governance,
    cli_index,
    cli_keys,
    cli_models,
    cli_references,
    cli_reports,
    cli_retention,
    cli_reviews,
    cli_sellers,
    cli_signals,
    cli_spot_checks,
    cli_webhooks,
)
from screener.cli_open import DataDir, settings_of
from screener.cli_output import Commands, Failure
from screener.cli_server import server_command

app = typer.Typer(
    name="listing-screener",
    help="Screen marketplace listings for counterfeits.",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help has the same text on every terminal, so the documentation can show it
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(version("listing-screener"))
        except PackageNotFoundError:  # run from a checkout that was never installed
            raise Failure("The package is not installed.", "Run `pip install -e .` in the checkout.") from None
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Screen marketplace listings for counterfeits."""


@app.command()
def serve(
    data_dir: DataDir = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default: SCREENER_HOST, or 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; default: SCREENER_PORT, or 8000.")
    ] = None,
) -> None:
    """Serve the HTTP API.

    Every other setting comes from the environment (SCREENER_...).
    """
    options = {"SCREENER_DATA_DIR": data_dir, "SCREENER_HOST": host, "SCREENER_PORT": port}
    os.environ.update({name: str(value) for name, value in options.items() if value is not None})
    settings_of(None)
    command = server_command()
    os.execv(command[0], command)  # noqa: S606  # the server takes this process's place, so signals reach it


app.command()(cli_check.check)
cli_brands.app.command()(cli_discover.discover)
cli_brands.app.command()(cli_governance.standing)
for governing in (
    cli_governance.waiting,
    cli_governance.approve,
    cli_governance.reject,
    cli_governance.dispute,
    cli_governance.expire,
    cli_governance.impact,
    cli_governance.check,
    cli_governance.export_known_fakes,
    cli_governance.import_known_fakes,
):
    cli_references.app.command()(governing)
app.add_typer(cli_brands.app, name="brands")
app.add_typer(cli_references.app, name="references")
app.add_typer(cli_reviews.app, name="reviews")
app.add_typer(cli_signals.app, name="signals")
app.add_typer(cli_appraisals.app, name="appraisals")
app.add_typer(cli_spot_checks.app, name="spot-checks")
app.add_typer(cli_reports.app, name="report")
app.add_typer(cli_index.app, name="index")
app.add_typer(cli_models.app, name="models")
app.add_typer(cli_keys.app, name="keys")
app.add_typer(cli_audit.app, name="audit")
app.add_typer(cli_retention.app, name="retention")
app.add_typer(cli_retention.holds_app, name="holds")
app.add_typer(cli_erase.app, name="erase")
app.add_typer(cli_webhooks.app, name="webhooks")
app.add_typer(cli_sellers.app, name="sellers")
app.add_typer(cli_sellers.rescreens_app, name="rescreens")
app.command()(cli_demo.samples)
app.command()(cli_demo.demo)


def main() -> None:
    """Runs the command. Exit codes: 0 done, 1 failed, 2 wrong usage or settings."""
    app()


if __name__ == "__main__":
    main()
