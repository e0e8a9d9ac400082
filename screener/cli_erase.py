"""Commands that erase everything of a brand or a seller, and show the receipts."""

from pathlib import Path
from typing import Annotated

import typer

from screener.cli_open import DataDir, actor, every, open_truth
from screener.cli_output import AsJson, Failure, print_json, print_table

app = typer.Typer(help="Erase everything of a brand or a seller.", no_args_is_help=True)

Confirm = Annotated[str, typer.Option(metavar="ID", help="The same id again: what is erased does not come back.")]


@app.command()
def brand(
    brand_id: Annotated[str, typer.Argument(metavar="BRAND_ID", help="See `brands list`.")],
    confirm: Confirm,
    data_dir: DataDir = None,
) -> None:
    """Erase a brand: its details, references, pictures, vectors, keys, and the cases that are about it.

    If the command is killed, run it again: it goes on where it stopped. A SQLite file is written anew at the end, and
    nobody else writes meanwhile. A running service follows within seconds.
    """
    _erase("brand", brand_id, confirm, data_dir)


@app.command()
def seller(
    seller_id: Annotated[str, typer.Argument(metavar="SELLER_ID", help="As the marketplace names the seller.")],
    confirm: Confirm,
    data_dir: DataDir = None,
) -> None:
    """Erase a seller: the screenings of its listings with their pictures, and every mention of it.

    If the command is killed, run it again: it goes on where it stopped.
    """
    _erase("seller", seller_id, confirm, data_dir)


@app.command()
def receipts(
    of_brand: Annotated[
        str | None, typer.Option("--brand", metavar="BRAND_ID", help="Only the receipts of this brand's erasure.")
    ] = None,
    of_seller: Annotated[
        str | None, typer.Option("--seller", metavar="SELLER_ID", help="Only the receipts of this seller's erasure.")
    ] = None,
    public_key: Annotated[
        list[str] | None,
        typer.Option("--public-key", metavar="BASE64", help="A key that may have signed; default: this deployment's."),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List what was deleted, check the signatures, and name erasures that are not finished."""
    from dataclasses import asdict

    from brands import checks
    from brands import receipts as stored
    from screener.retention.erase import unfinished

    if of_brand and of_seller:
        raise Failure("Ask for a brand or for a seller.", exit_code=2)
    with open_truth(data_dir) as truth, truth.database.read() as connection:
        subject = None
        if of_brand or of_seller:
            subject = truth.signer.subject("brand" if of_brand else "seller", of_brand or of_seller or "")
        trusted = public_key or [truth.signer.public_key]
        found = list(
            every(lambda after: stored.fetch_page(connection, subject=subject, after=after, limit=checks.PAGE_MAX))
        )
        open_ones = unfinished(connection)
    genuine = {receipt.id: stored.is_genuine(receipt, trusted) for receipt in found}
    if as_json:
        print_json([asdict(receipt) | {"genuine": genuine[receipt.id]} for receipt in found])
    else:
        print_table(
            ["id", "kind", "when", "by", "signature", "deleted"],
            [
                (
                    one.id,
                    one.kind,
                    one.created_at,
                    one.created_by,
                    "fits" if genuine[one.id] else "DOES NOT FIT",
                    counts,
                )
                for one in found
                for counts in [", ".join(f"{number} {name}" for name, number in one.counts.items())]
            ],
        )
    for one in open_ones:
        typer.echo(f"not finished: the erasure of a {one['kind']}, begun {one['started_at']}; run it again", err=True)
    if not all(genuine.values()):
        raise Failure("A receipt is not what was signed.")


@app.command()
def compact(data_dir: DataDir = None) -> None:
    """Write a SQLite file anew, so that nothing deleted stays in it.

    An erasure from the command line does so itself. One that was asked of a running service leaves it for a quiet hour
    when the file is larger than 1 GiB: nobody else writes meanwhile.
    """
    with open_truth(data_dir) as truth:
        truth.database.compact()
    typer.echo("The database holds nothing that was deleted.")


def _erase(kind: str, object_id: str, confirm: str, data_dir: Path | None) -> None:
    with open_truth(data_dir) as truth:
        receipt = truth.eraser.erase(
            "brand" if kind == "brand" else "seller", object_id, confirm=confirm, actor=actor()
        ).receipt
    print_table(["erased", "count"], receipt.counts.items(), right=["count"])
    typer.echo(f"receipt {receipt.id}")
