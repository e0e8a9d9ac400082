"""Commands about appraisals: adding and importing results, lists, conflicts, tables and tasks to fill in."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from brands.model import AppraisalMethod, AppraisalOutcome
from screener.cli_open import DataDir, actor, open_truth
from screener.cli_output import AsJson, Failure, print_json, print_table

app = typer.Typer(help="Results of examined items: the only labels there are.", no_args_is_help=True)

AppraisalId = Annotated[str, typer.Argument(metavar="APPRAISAL_ID", help="See `appraisals list`.")]
BrandId = Annotated[str | None, typer.Option("--brand", metavar="BRAND_ID", help="Of this brand only.")]
Limit = Annotated[int, typer.Option(min=1, max=500, help="How many.")]
Plan = Annotated[
    str | None, typer.Option(metavar="PLAN_ID", help="Of this plan of spot checks; else of all that are open.")
]
Screenings = Annotated[
    list[str] | None, typer.Option("--screening", metavar="SCREENING_ID", help="Of this screening; may be repeated.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", dir_okay=False, help="File to write; else printed.")]


@app.command()
def add(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Id of a screening, or of a listing: its latest.")],
    outcome: Annotated[AppraisalOutcome, typer.Argument(metavar="OUTCOME", help="What the item is.")],
    appraiser: Annotated[str, typer.Option(help="Who examined it.")],
    method: Annotated[AppraisalMethod, typer.Option(help="How it was found out.")],
    appraised_on: Annotated[str, typer.Option("--on", metavar="YYYY-MM-DD", help="When.")],
    brand: Annotated[str | None, typer.Option(help="Id or name of the brand it is of or pretends to be of.")] = None,
    revision: Annotated[int | None, typer.Option(min=0, help="Of the listing.")] = None,
    confidence: Annotated[float | None, typer.Option(min=0, max=1, help="The appraiser's own.")] = None,
    cost: Annotated[str | None, typer.Option(metavar="AMOUNT CURRENCY", help="Such as '86.40 EUR'.")] = None,
    evidence_hash: Annotated[str | None, typer.Option(metavar="SHA256", help="Of the report.")] = None,
    evidence_uri: Annotated[str | None, typer.Option(help="Where the report is kept.")] = None,
    bought_on: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="When the item was bought.")] = None,
    notes: Annotated[str, typer.Option(help="Anything else.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Store one result: counterfeit, authentic or inconclusive."""
    from brands.ids import is_id, utc_now
    from screener.appraisals.model import NewAppraisal
    from screener.appraisals.payloads import AppraisalOut
    from screener.appraisals.store import add as store

    amount, currency = _cost(cost)
    screened = is_id(item) and item.startswith("scr_")
    new = NewAppraisal(
        outcome=outcome,
        appraiser=appraiser,
        method=method,
        appraised_on=_day(appraised_on, "--on"),
        screening_id=item if screened else None,
        listing_id=None if screened else item,
        revision=revision,
        brand=brand,
        confidence=confidence,
        cost_amount=amount,
        cost_currency=currency,
        evidence_hash=evidence_hash,
        evidence_uri=evidence_uri,
        bought_on=None if bought_on is None else _day(bought_on, "--bought-on"),
        notes=notes,
    )
    with open_truth(data_dir) as truth, truth.database.write() as conn:
        (made,) = store(conn, [new], actor=actor(), now=utc_now(), source="cli")
    if as_json:
        print_json(AppraisalOut.model_validate(made).model_dump(mode="json"))
        return
    typer.echo(f"{made.id}: {made.screening_id} is {made.outcome}.")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="CSV, or JSON.")],
    method: Annotated[AppraisalMethod, typer.Option(help="Of Label Studio's annotations that name none.")] = "expert",
    ground_truth_only: Annotated[
        bool, typer.Option("--ground-truth-only", help="Of Label Studio's annotations, only those marked so.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Import a file, whole or not at all: CSV, or what Label Studio exports as JSON.

    Every problem is told with its row. A file that was imported before is refused.
    """
    from brands.ids import utc_now
    from screener.appraisals.imports import import_csv, import_label_studio
    from screener.appraisals.routes import imported_out, looks_like_json

    data = file.read_bytes()
    with open_truth(data_dir) as truth, _told(as_json):
        if looks_like_json(data):
            done = import_label_studio(
                truth.database,
                data,
                actor=actor(),
                now=utc_now(),
                method=method,
                ground_truth_only=ground_truth_only,
            )
        else:
            done = import_csv(truth.database, data, actor=actor(), now=utc_now())
    if as_json:
        print_json(imported_out(done).model_dump(mode="json"))
        return
    left = "".join(f", {number} {reason.replace('_', ' ')}" for reason, number in sorted(done.skipped.items()))
    typer.echo(f"{done.added} appraisals imported{left} ({done.import_id}).")


@app.command("list")
def list_stored(
    brand: BrandId = None,
    screening: Annotated[str | None, typer.Option(metavar="SCREENING_ID", help="Of this screening only.")] = None,
    listing: Annotated[str | None, typer.Option(metavar="LISTING_ID", help="Of this listing only.")] = None,
    outcome: Annotated[AppraisalOutcome | None, typer.Option(help="With this outcome only.")] = None,
    appraiser: Annotated[str | None, typer.Option(help="Of this appraiser only.")] = None,
    import_id: Annotated[str | None, typer.Option("--import", metavar="IMPORT_ID", help="Of this import only.")] = None,
    withdrawn: Annotated[bool | None, typer.Option("--withdrawn/--standing", help="Those that count no more.")] = None,
    after: Annotated[str | None, typer.Option(metavar="APPRAISAL_ID", help="Those behind this one.")] = None,
    limit: Limit = 100,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List appraisals in the order in which they came in."""
    from screener.appraisals.payloads import AppraisalOut
    from screener.appraisals.store import list_appraisals

    with open_truth(data_dir) as truth, truth.database.read() as conn:
        found = list_appraisals(
            conn,
            screening_id=screening,
            listing_id=listing,
            brand_id=brand,
            outcome=outcome,
            appraiser=appraiser,
            import_id=import_id,
            withdrawn=withdrawn,
            after=after,
            limit=limit,
        )
    if as_json:
        print_json([AppraisalOut.model_validate(one).model_dump(mode="json") for one in found])
        return
    print_table(
        ["appraisal", "screening", "outcome", "appraiser", "method", "on", ""],
        [
            (
                one.id,
                one.screening_id,
                one.outcome,
                one.appraiser,
                one.method,
                one.appraised_on,
                "withdrawn" if one.withdrawn_at else "",
            )
            for one in found
        ],
    )


@app.command()
def show(appraisal_id: AppraisalId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show one appraisal."""
    from screener.appraisals.payloads import AppraisalOut
    from screener.appraisals.store import get

    with open_truth(data_dir) as truth, truth.database.read() as conn:
        found = AppraisalOut.model_validate(get(conn, appraisal_id)).model_dump(mode="json")
    if as_json:
        print_json(found)
        return
    print_table(["", ""], [(name.replace("_", " "), value) for name, value in found.items() if value is not None])


@app.command()
def withdraw(
    appraisal_id: AppraisalId,
    reason: Annotated[str, typer.Option(help="What was wrong with it.")],
    data_dir: DataDir = None,
) -> None:
    """Withdraw a mistaken appraisal: it stays and counts no more."""
    from brands.ids import utc_now
    from screener.appraisals.store import withdraw as take_back

    with open_truth(data_dir) as truth, truth.database.write() as conn:
        take_back(conn, appraisal_id, reason=reason, actor=actor(), now=utc_now())
    typer.echo(f"{appraisal_id} is withdrawn.")


@app.command()
def conflicts(
    brand: BrandId = None,
    after: Annotated[str | None, typer.Option(metavar="SCREENING_ID", help="Those behind this one.")] = None,
    limit: Limit = 100,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List items whose appraisers decided differently."""
    from screener.appraisals.labels import list_conflicts
    from screener.appraisals.payloads import DisagreementOut

    with open_truth(data_dir) as truth, truth.database.read() as conn:
        found = list_conflicts(conn, brand_id=brand, after=after, limit=limit)
    if as_json:
        print_json([DisagreementOut.model_validate(one).model_dump(mode="json") for one in found])
        return
    print_table(
        ["screening", "listing", "outcome", "appraiser", "method", "on", "appraisal"],
        [
            (item.screening_id, item.listing_id, one.outcome, one.appraiser, one.method, one.appraised_on, one.id)
            for item in found
            for one in item.appraisals
        ],
    )


@app.command()
def template(plan: Plan = None, screening: Screenings = None, output: Output = None, data_dir: DataDir = None) -> None:
    """Write the table to fill in: a row for each item that waits for its appraisal, or only the heading.

    Columns that begin with `info_` are for people and are not read.
    """
    from screener.appraisals.csv_file import write_csv
    from screener.appraisals.picked import INFO, picked_items, table_row

    with open_truth(data_dir) as truth, truth.database.read() as conn:
        items = picked_items(conn, plan_id=plan, screening_ids=screening)
    _write("".join(write_csv([table_row(item) for item in items], INFO)), output)


@app.command("label-studio-config")
def label_studio_config(output: Output = None, data_dir: DataDir = None) -> None:
    """Write the labelling configuration of a Label Studio project whose exports can be imported."""
    from screener.appraisals.label_studio_setup import configuration
    from screener.appraisals.picked import brand_choices

    with open_truth(data_dir) as truth, truth.database.read() as conn:
        _write(configuration(brand_choices(conn)), output)


@app.command()
def tasks(
    plan: Plan = None,
    screening: Screenings = None,
    base_url: Annotated[str, typer.Option(help="Address of the service, for links to the cases.")] = "",
    output: Output = None,
    data_dir: DataDir = None,
) -> None:
    """Write the items that wait for their appraisal as tasks for Label Studio."""
    import json

    from screener.appraisals.label_studio_setup import tasks as made
    from screener.appraisals.picked import picked_items

    with open_truth(data_dir) as truth, truth.database.read() as conn:
        items = picked_items(conn, plan_id=plan, screening_ids=screening)
    _write(json.dumps(made(items, base_url=base_url), ensure_ascii=False, indent=1) + "\n", output)


@contextmanager
def _told(as_json: bool) -> Iterator[None]:
    """Shows every problem of a refused list, then fails."""
    from screener.appraisals.model import AppraisalsRefused
    from screener.appraisals.payloads import problem_out

    try:
        yield
    except AppraisalsRefused as refused:
        if as_json:
            print_json([problem_out(problem).model_dump() for problem in refused.problems])
        else:
            rows = [(problem.place.row, problem.column, problem.message) for problem in refused.problems]
            print_table(["row", "column", "problem"], rows, right=["row"])
        raise Failure(f"Nothing was imported: {refused.total} problems.") from None


def _day(text: str, option: str) -> Any:
    from datetime import date

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Failure(f"{option} takes a day, YYYY-MM-DD.", exit_code=2) from None


def _cost(text: str | None) -> tuple[Decimal | None, str | None]:
    if text is None:
        return None, None
    amount, _, currency = text.strip().partition(" ")
    try:
        return Decimal(amount), currency.strip()
    except ArithmeticError:
        raise Failure("--cost takes an amount and a currency, such as '86.40 EUR'.", exit_code=2) from None


def _write(text: str, output: Path | None) -> None:
    """Writes a file, or to standard output as it is: a table's line ends are not the terminal's."""
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_bytes(text.encode())
