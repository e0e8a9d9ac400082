"""Commands about what references wait for and do: approve, reject, dispute, impact, standings, shared known fakes."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brands.model import Standing
from screener.cli_keys import parse_time
from screener.cli_open import DataDir, actor, every, open_screener, open_truth
from screener.cli_output import AsJson, Failure, explain, print_error, print_json, print_table, progress

if TYPE_CHECKING:
    from brands.model import Reference

Ids = Annotated[list[str], typer.Argument(metavar="REFERENCE_ID", help="See `references waiting`.")]


def waiting(
    brand: Annotated[str | None, typer.Option(metavar="BRAND_ID", help="Of this brand only.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the references that wait for people, and what holds them back."""
    from brands import approvals

    with open_truth(data_dir) as truth, truth.database.read() as connection:
        found = list(every(lambda after: approvals.waiting(connection, brand_id=brand, after=after)))
        checked = {one.id: approvals.impact_of(connection, one.id) for one in found}
    blocking = {name: list(one.impact["blocking"]) if one else [] for name, one in checked.items()}
    if as_json:
        print_json([_record(one) | {"blocking": blocking[one.id]} for one in found])
        return
    print_table(
        ["id", "brand", "kind", "waits for", "held back by", "uploaded by"],
        [(one.id, one.brand_id, one.kind, one.approval, ", ".join(blocking[one.id]), one.created_by) for one in found],
    )


def approve(
    reference_ids: Ids,
    override: Annotated[bool, typer.Option("--override", help="In spite of the impact check.")] = False,
    reason: Annotated[str, typer.Option(help="Why; needed to override, kept in the audit log.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Let references in: pending ones, and withdrawn or quarantined ones again."""
    from brands.approvals import Decider
    from brands.errors import RegistryError

    refused = 0
    with open_screener(data_dir) as service, progress("references") as advance:
        service.refresher.refresh()
        for done, identifier in enumerate(reference_ids, 1):
            try:
                after = service.doors.approve(Decider.operator(actor()), identifier, override=override, reason=reason)
            except RegistryError as error:
                refused += 1
                print_error(f"{identifier}: {explain(error)}")
                continue
            typer.echo(f"{after.id} is {after.state}.")
            advance(done, len(reference_ids))
    if refused:
        raise Failure(f"{refused} of {len(reference_ids)} references were not let in.")


def reject(
    reference_ids: Ids,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the audit log.")],
    data_dir: DataDir = None,
) -> None:
    """Refuse pending or quarantined references for good."""
    from brands.approvals import Decider

    with open_screener(data_dir) as service:
        for identifier in reference_ids:
            service.doors.reject(Decider.operator(actor()), identifier, reason=reason)
            typer.echo(f"{identifier} is rejected.")


def dispute(
    reference_id: Annotated[str, typer.Argument(metavar="REFERENCE_ID", help="See `references list`.")],
    reason: Annotated[str, typer.Option(help="What is wrong with it; it is kept in the audit log.")],
    data_dir: DataDir = None,
) -> None:
    """Quarantine an active reference until somebody decides (`approve` or `reject`)."""
    from brands.approvals import Decider

    with open_screener(data_dir) as service:
        service.doors.dispute(Decider.operator(actor()), reference_id, reason=reason)
    typer.echo(f"{reference_id} is quarantined.")


def expire(
    reference_id: Annotated[str, typer.Argument(metavar="REFERENCE_ID", help="See `references list`.")],
    on: Annotated[
        datetime | None,
        typer.Option(parser=parse_time, metavar="TIME", help="When (ISO 8601; UTC if not said); without it: never."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Say when a reference stops to count by itself."""
    from brands.approvals import Decider

    with open_screener(data_dir) as service:
        service.doors.end_at(Decider.operator(actor()), reference_id, on)
    typer.echo(f"{reference_id} counts until {on.isoformat() if on else 'somebody withdraws it'}.")


def impact(
    reference_id: Annotated[str, typer.Argument(metavar="REFERENCE_ID", help="See `references list`.")],
    data_dir: DataDir = None,
) -> None:
    """Show what a reference matches, or would, as JSON."""
    with open_screener(data_dir) as service:
        service.refresher.refresh()
        found = service.inspector.look_deep(service.truth.registry.get_reference(reference_id))
    print_json({"passed": found.passed, **found.impact})


def check(data_dir: DataDir = None) -> None:
    """Check what an import or a crash left pending; a running server does it by itself."""
    from screener.governance.bulk import settle_all

    with open_screener(data_dir) as service, progress("references") as advance:
        done = settle_all(service.doors, service.refresher, lambda number: advance(number, number))
    typer.echo(f"{done} references were checked.")


def export_known_fakes(
    brand_id: Annotated[str, typer.Argument(metavar="BRAND_ID", help="See `brands list`.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="JSON file to write.")],
    data_dir: DataDir = None,
) -> None:
    """Write a brand's known fakes as hashes and vectors, without pictures, for another deployment."""
    from screener.bundle import load_bundle
    from screener.governance.descriptors import export_descriptors

    with open_truth(data_dir) as truth:
        truth.registry.get_brand(brand_id)
        with truth.database.read() as connection:
            document = export_descriptors(connection, load_bundle(truth.models.served_paths().bundle), brand_id)
    file.write_text(json.dumps(document), encoding="utf-8")
    typer.echo(f"{len(document['entries'])} known fakes in {file}")


def import_known_fakes(
    brand_id: Annotated[str, typer.Argument(metavar="BRAND_ID", help="See `brands list`.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="An export.")],
    data_dir: DataDir = None,
) -> None:
    """Add known fakes from another deployment's export, made with the same encoder."""
    from brands.approvals import Decider
    from brands.ids import utc_now
    from screener.governance.descriptors import import_descriptors

    try:
        document = json.loads(file.read_bytes())
    except ValueError:
        raise Failure(f"{file} is not JSON.") from None
    with open_screener(data_dir) as service:
        service.refresher.refresh()
        added = import_descriptors(
            service.doors,
            service.inspector,
            service.encoder.bundle,
            by=Decider.operator(actor()),
            brand_id=brand_id,
            document=document,
            at=utc_now(),
        )
    held = sum(reference.state != "active" for reference in added)
    typer.echo(f"{len(added)} known fakes were added, {held} of them wait for `references approve`.")


def standing(
    brand_id: Annotated[str, typer.Argument(metavar="BRAND_ID", help="See `brands list`.")],
    to: Annotated[Standing | None, typer.Option("--set", help="Give the brand this standing.")] = None,
    reason: Annotated[str, typer.Option(help="Why; needed with --set, kept in the audit log.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show how far a brand is trusted, or set it by hand: new, good or stopped."""
    from brands import standings
    from brands.ids import utc_now
    from screener.governance.standing import set_standing

    if to is not None and not reason.strip():
        raise Failure("Say why, with --reason.", exit_code=2)
    with open_truth(data_dir) as truth:
        truth.registry.get_brand(brand_id)
        if to is not None:
            set_standing(truth.database, brand_id, to, reason=reason, actor=actor(), at=utc_now())
        with truth.database.read() as connection:
            row = standings.fetch(connection, brand_id)
    if as_json:
        print_json({"brand_id": brand_id, **standings.record(row)})
    else:
        typer.echo(f"{row.standing}: {row.right} right, {row.wrong} wrong since {row.since:%Y-%m-%d %H:%M} UTC")


def _record(reference: "Reference") -> dict[str, Any]:
    from brands.payloads import ReferenceOut

    return ReferenceOut.model_validate(reference).model_dump(mode="json")
