"""Commands that report: how a month went, and how far the listings have moved from what the judge was made for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from screener.cli_open import DataDir, open_truth
from screener.cli_output import AsJson, Failure, print_json, print_table

if TYPE_CHECKING:
    from screener.drift.figures import Figures

app = typer.Typer(help="Report on a month, and on drift.", no_args_is_help=True)

Html = Annotated[
    Path | None, typer.Option("--html", dir_okay=False, metavar="FILE", help="Write a page that needs no server.")
]


@app.command()
def monthly(
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="Default: the present month, in UTC.")] = None,
    brand: Annotated[str | None, typer.Option(metavar="BRAND_ID", help="Of this brand's listings only.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    html: Html = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what a month brought: what was caught when it was published, prompts, decisions, sellers, costs."""
    from brands.ids import utc_now
    from screener.monthly.lines import lines, write_csv
    from screener.monthly.month import Month
    from screener.monthly.payloads import record
    from screener.monthly.report import read_report

    wanted = Month.named(month) if month else Month.of(utc_now().date())
    with open_truth(data_dir) as truth:
        if brand is not None:
            truth.registry.get_brand(brand)
        with truth.database.read() as connection:
            report = read_report(connection, wanted, at=utc_now(), brand_id=brand)
    if html is not None:
        from screener.pages.standalone import standalone

        html.write_text(standalone(f"Monthly report {wanted}", "report_part.html", report=report), encoding="utf-8")
        typer.echo(f"The report is in {html}.")
    elif as_json:
        print_json(record(report))
    elif csv:
        typer.echo(write_csv(report).decode(), nl=False)
    else:
        print_table(
            ["section", "figure", "value", "low", "high", "of", "note"],
            [(one.section, one.figure, one.value, one.low, one.high, one.of, one.note) for one in lines(report)],
            right=["value", "low", "high", "of"],
        )


@app.command()
def drift(
    days: Annotated[int | None, typer.Option(min=1, max=366, help="Default: SCREENER_DRIFT_DAYS.")] = None,
    html: Html = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show how far the last days' listings lie from what the judge was made for.

    A thing has moved only where its shift is both large and too large for chance; see docs/drift.md.
    """
    from screener.drift.payloads import DriftOut
    from screener.drift.watch import look

    with open_truth(data_dir) as truth:
        found = look(truth, days)
    if html is not None:
        from screener.pages.standalone import standalone

        html.write_text(standalone("Drift", "drift_part.html", drift=found), encoding="utf-8")
        typer.echo(f"The report is in {html}.")
    elif as_json:
        print_json(DriftOut.model_validate(found).model_dump(mode="json"))
    else:
        _print(found)


def _print(found: "Figures") -> None:
    print_table(
        ["what", "level", "psi", "by chance", "ks", "missing before", "missing now"],
        [
            (
                one.name,
                one.level,
                f"{one.psi.value:.3f}",
                f"{one.psi.expected:.3f}",
                "" if one.ks is None else f"{one.ks.value:.3f}",
                f"{one.missing[0]:.1%}",
                f"{one.missing[1]:.1%}",
            )
            for one in sorted(found.shifts, key=lambda one: -one.psi.value)
        ],
        right=["psi", "by chance", "ks", "missing before", "missing now"],
    )
    for name in ("prompted", "unknown", "degraded", "answered", "accepted"):
        share = getattr(found, name)
        told = f"{share.value:.2%} ({share.low:.2%} to {share.high:.2%})" if share.of else "nothing yet"
        before = "" if share.before is None else f", {share.before:.2%} in the baseline"
        typer.echo(f"{name}: {told}{before}")
    if found.references.median_days is not None:
        typer.echo(f"references: {found.references.number}, half of them {found.references.median_days:.0f} days old")
    if found.lacking == "no_baseline":
        raise Failure(
            "There is nothing to compare with yet.",
            "A judge trained on appraisals brings a baseline; else its first week here becomes one.",
        )
    if found.lacking is not None:
        raise Failure(f"Only {found.rows} screenings can be compared; it takes 200.")
