"""Commands about references: add pictures to a brand, list them, withdraw one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brands.errors import Conflict, Invalid
from brands.model import Box, Reference, ReferenceKind, ReferenceState
from screener.cli_open import DataDir, actor, every, open_screener, open_truth, read_picture
from screener.cli_output import AsJson, Failure, explain, print_json, print_table, progress, shown
from screener.errors import ImageUnusable

if TYPE_CHECKING:
    from screener.service import Service

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
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add pictures to a brand.

    They count from the server's next refresh on. A picture that cannot be used is refused; the others are added.
    """
    outcomes = []
    with open_screener(data_dir) as service, progress("pictures") as advance:
        service.truth.registry.get_brand(brand_id)
        for done, path in enumerate(files, 1):
            outcomes.append(_add(service, brand_id, path, kind, box, source, notes))
            advance(done, len(files))
    if as_json:
        print_json(outcomes)
    else:
        print_table(
            ["file", "reference", "fault"],
            [
                (row["file"], row["reference"] and row["reference"]["id"], row["error"] and row["error"]["message"])
                for row in outcomes
            ],
        )
    if refused := sum(row["error"] is not None for row in outcomes):
        raise Failure(f"{refused} of {len(outcomes)} pictures were refused.")


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


def _add(
    service: "Service", brand_id: str, path: Path, kind: ReferenceKind, box: Box | None, source: str, notes: str
) -> dict[str, Any]:
    """What became of one picture: a reference, or an error that is the picture's own."""
    data = read_picture(path, service.truth.settings.image_bytes)
    try:
        image = service.admit(data)
        reference = service.truth.registry.add_reference(
            actor=actor(),
            brand_id=brand_id,
            kind=kind,
            data=data,
            width=image.width,
            height=image.height,
            box=box,
            source=source,
            notes=notes,
        )
    except (ImageUnusable, Conflict, Invalid) as error:
        return {"file": shown(path), "reference": None, "error": {"code": error.code, "message": explain(error)}}
    return {"file": shown(path), "reference": _record(reference), "error": None}


def _record(reference: Reference) -> dict[str, Any]:
    from brands.payloads import ReferenceOut

    return ReferenceOut.model_validate(reference).model_dump(mode="json")
