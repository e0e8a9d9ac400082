"""Commands about references: add pictures to a brand, one by one or folders of them, list them, withdraw one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from brands.ids import utc_now
from brands.model import Box, NewReference, Origin, Reference, ReferenceKind, ReferenceState
from screener.cli_open import DataDir, actor, every, open_screener, open_truth
from screener.cli_output import AsJson, Failure, explain, print_json, print_table, progress, shown

app = typer.Typer(help="Pictures that listings are compared with.", no_args_is_help=True)


@app.command()
def add(
    brand_id: Annotated[str, typer.Argument(metavar="BRAND_ID", help="See `brands list`.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Pictures.")],
    kind: Annotated[ReferenceKind, typer.Option(help="What the pictures show.")],
    box: Annotated[
        Box | None,
        typer.Option(metavar="X0 Y0 X1 Y1", help="Where the mark is, as shares of the sides."),
    ] = None,
    source: Annotated[str, typer.Option(help="Where the pictures come from.")] = "",
    notes: Annotated[str, typer.Option(help="What else there is to say.")] = "",
    origin: Annotated[Origin, typer.Option(help="What they come from.")] = "file",
    evidence: Annotated[str, typer.Option(help="The complaint or appraisal that proves a known fake.")] = "",
    days: Annotated[int | None, typer.Option(min=1, help="Days after which they stop to count.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add pictures to a brand.

    They count from the server's next refresh on, once their impact check has passed. A picture that cannot be used is
    refused; the others are added.
    """
    new = NewReference(kind, "", 1, 1, box, source, notes, origin, evidence, _end(days))
    _report(data_dir, brand_id, new, files, as_json)


@app.command("import")
def import_folder(
    brand_id: Annotated[str, typer.Argument(metavar="BRAND_ID", help="See `brands list`.")],
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="A folder of pictures.")
    ],
    kind: Annotated[ReferenceKind, typer.Option(help="What the pictures show.")],
    source: Annotated[str, typer.Option(help="Where the pictures come from.")] = "",
    notes: Annotated[str, typer.Option(help="What else there is to say.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add every picture of a folder to a brand.

    Hidden files are left out. Pictures that the brand has already are refused, so running it again adds what is new.
    """
    files = sorted(path for path in directory.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise Failure("There is no picture in the folder.")
    _report(data_dir, brand_id, NewReference(kind, "", 1, 1, None, source, notes, "file"), files, as_json)


@app.command("list")
def list_references(
    brand: Annotated[str | None, typer.Option(metavar="BRAND_ID", help="Of this brand only.")] = None,
    kind: Annotated[ReferenceKind | None, typer.Option(help="Of this kind only.")] = None,
    state: Annotated[ReferenceState | None, typer.Option(help="In this state only.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the references."""
    with open_truth(data_dir) as truth:
        if brand is not None:
            truth.registry.get_brand(brand)
        found = list(
            every(lambda after: truth.registry.list_references(brand_id=brand, kind=kind, state=state, after=after))
        )
    if as_json:
        print_json([_record(reference) for reference in found])
        return
    print_table(
        ["id", "brand", "kind", "state", "pixels", "source"],
        [
            (row.id, row.brand_id, row.kind, row.state, f"{row.width} x {row.height}", row.source or row.created_by)
            for row in found
        ],
    )


@app.command()
def withdraw(
    reference_id: Annotated[str, typer.Argument(metavar="REFERENCE_ID", help="See `references list`.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the audit log.")],
    data_dir: DataDir = None,
) -> None:
    """Take a reference out of matching; nothing is deleted."""
    with open_truth(data_dir) as truth:
        reference = truth.registry.set_reference_state(
            actor=actor(), reference_id=reference_id, state="withdrawn", reason=reason
        )
    typer.echo(f"{reference.id} is withdrawn.")


def _report(data_dir: Path | None, brand_id: str, new: NewReference, files: Sequence[Path], as_json: bool) -> None:
    """Adds the files and prints what became of each. Raises Failure where some were refused."""
    from brands.approvals import Decider
    from screener.governance.bulk import Added, add_files

    outcomes: list[Added] = []
    with open_screener(data_dir) as service, progress("pictures") as advance:
        service.refresher.refresh()
        by, limit = Decider.operator(actor()), service.truth.settings.image_bytes
        for added in add_files(
            service.doors, service.inspector, by=by, brand_id=brand_id, like=new, files=files, limit=limit
        ):
            outcomes.append(added)
            advance(len(outcomes), len(files))
    rows = [
        {
            "file": shown(one.path),
            "reference": one.reference and _record(one.reference),
            "error": one.error and {"code": one.error.code, "message": explain(one.error)},
        }
        for one in sorted(outcomes, key=lambda one: files.index(one.path))
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ["file", "reference", "state", "fault"],
            [
                (
                    shown(one.path),
                    one.reference and one.reference.id,
                    one.reference and _state(one.reference),
                    one.error and explain(one.error),
                )
                for one in outcomes
            ],
        )
    if refused := sum(one.error is not None for one in outcomes):
        raise Failure(f"{refused} of {len(outcomes)} pictures were refused.")


def _state(reference: Reference) -> str:
    """The state, and whom a pending one waits for."""
    waits = reference.state == "pending" and reference.approval != "none"
    return f"{reference.state} ({reference.approval})" if waits else reference.state


def _end(days: int | None) -> datetime | None:
    return None if days is None else utc_now() + timedelta(days=days)


def _record(reference: Reference) -> dict[str, Any]:
    from brands.payloads import ReferenceOut

    return ReferenceOut.model_validate(reference).model_dump(mode="json")
