"""Commands about brands: register one, list them, import folders of them."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brands.model import AuthorisedSeller, Brand, BrandDetails, Price
from screener.cli_open import DataDir, actor, every, open_screener, open_truth
from screener.cli_output import AsJson, Failure, print_json, print_table, progress, shown

if TYPE_CHECKING:
    from brands.importer import Outcome
    from screener.truth import Truth

app = typer.Typer(help="Registered brands.", no_args_is_help=True)


def decimal(text: str) -> Decimal:
    """An amount of money from the command line."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter("an amount is written like 129.90") from None


def price_of(amount: Decimal | None, currency: str | None) -> Price | None:
    """A price of two options that belong together."""
    if (amount is None) != (currency is None):
        raise typer.BadParameter("--price and --currency go together")
    return Price(amount, currency) if amount is not None and currency is not None else None


def _seller(text: str) -> AuthorisedSeller:
    seller_id, *days = text.split(":")
    try:
        first, last = ([date.fromisoformat(day) if day else None for day in days] + [None, None])[:2]
        if len(days) > 2:
            raise ValueError
    except ValueError:
        raise typer.BadParameter("a seller is ID, ID:FROM, ID::UNTIL or ID:FROM:UNTIL, days as 2026-01-31") from None
    return AuthorisedSeller(seller_id, first, last)


def _prices(brand: Brand) -> str:
    """The brand's price, then those of its categories."""
    prices = [("", brand.reference_price)] if brand.reference_price else []
    prices += [(f"{category} ", price) for category, price in brand.reference_prices]
    return ", ".join(f"{category}{price.amount} {price.currency}" for category, price in prices)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The brand's name.")],
    alias: Annotated[list[str] | None, typer.Option(help="Another name, in any script; repeat for more.")] = None,
    wordmark: Annotated[list[str] | None, typer.Option(help="A registered word; repeat for more.")] = None,
    category: Annotated[list[str] | None, typer.Option(help="A kind of goods; repeat for more.")] = None,
    price: Annotated[
        Decimal | None, typer.Option(parser=decimal, metavar="AMOUNT", help="What the goods usually cost.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Currency of --price, such as EUR.")] = None,
    seller: Annotated[
        list[AuthorisedSeller] | None,
        typer.Option(
            parser=_seller,
            metavar="ID[:FROM[:UNTIL]]",
            help="An authorised seller, and the days between which it is; repeat for more.",
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Register a brand."""
    details = BrandDetails(
        name=name,
        aliases=tuple(alias or ()),
        wordmarks=tuple(wordmark or ()),
        categories=tuple(category or ()),
        reference_price=price_of(price, currency),
        authorised_sellers=tuple(seller or ()),
    )
    with open_truth(data_dir, existing=False) as truth:
        brand = truth.registry.add_brand(actor=actor(), details=details)
    if as_json:
        print_json(_record(brand))
    else:
        typer.echo(brand.id)


@app.command("list")
def list_brands(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the brands."""
    with open_truth(data_dir) as truth:
        brands = list(every(lambda after: truth.registry.list_brands(after=after)))
    if as_json:
        print_json([_record(brand) for brand in brands])
        return
    print_table(
        ["id", "name", "also known as", "reference price", "sellers", "state"],
        [
            (
                brand.id,
                brand.name,
                ", ".join([*brand.aliases, *brand.wordmarks]),
                _prices(brand),
                len(brand.authorised_sellers),
                brand.state,
            )
            for brand in brands
        ],
        right=["reference price", "sellers"],
    )


@app.command("import")
def import_brands(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="A brand folder, or a folder of them.")
    ],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Import brand folders.

    A brand folder holds brand.json beside authentic/, logo/, known_fake/ and negative/ with pictures. Running it again
    brings brands up to date and adds the pictures that are new. A brand with a fault is left as it was; the others are
    imported. Pictures that the impact check holds back wait for `references approve --override`.
    """
    from brands.importer import import_folder
    from screener.governance.bulk import settle_all

    with open_screener(data_dir) as service:
        with progress("pictures") as advance:
            outcomes = list(
                import_folder(
                    directory,
                    service.truth.registry,
                    service.admit,
                    actor=actor(),
                    progress=lambda _, done, total: advance(done, total),
                )
            )
        added = sum(outcome.imported.added for outcome in outcomes if outcome.imported)
        with progress("impact checks") as advance:
            settle_all(service.doors, service.refresher, lambda done: advance(done, added))
        held = _held(service.truth, outcomes)
    rows = [_outcome(outcome, held) for outcome in outcomes]
    if as_json:
        print_json(rows)
    else:
        columns = ["folder", "name", "brand_id", "outcome", "added", "present", "held"]
        print_table(
            ["folder", "brand", "id", *columns[3:], "fault"],
            [(*(row[column] for column in columns), _fault(row)) for row in rows],
            right=["added", "present", "held"],
        )
        if any(held.values()):
            typer.echo("What is held waits for an admin: see `references waiting` and `references impact`.")
    if refused := sum(outcome.imported is None for outcome in outcomes):
        raise Failure(f"{refused} of {len(outcomes)} brand folders were refused.", "Mend them and import again.")


def _held(truth: "Truth", outcomes: Sequence["Outcome"]) -> dict[str, int]:
    """How many references of each imported brand wait for people."""
    from brands import approvals

    imported = [outcome.imported.brand.id for outcome in outcomes if outcome.imported]
    with truth.database.read() as connection:
        return {brand_id: approvals.count_waiting(connection, brand_id) for brand_id in imported}


def _outcome(outcome: "Outcome", held: dict[str, int]) -> dict[str, Any]:
    imported = outcome.imported
    record: dict[str, Any] = {"folder": shown(outcome.folder), "outcome": "refused", "error": None}
    if imported is None:
        error = {"file": shown(outcome.fault), "code": outcome.code, "message": outcome.message}
        return record | {"brand_id": None, "name": None, "added": 0, "present": 0, "held": 0, "error": error}
    record["outcome"] = "created" if imported.created else "updated" if imported.updated else "unchanged"
    brand = {"brand_id": imported.brand.id, "name": imported.brand.name}
    counts = {"added": imported.added, "present": imported.present, "held": held[imported.brand.id]}
    return record | brand | counts


def _fault(row: dict[str, Any]) -> str:
    error = row["error"]
    return f"{error['file']}: {error['message']} ({error['code']})" if error else ""


def _record(brand: Brand) -> dict[str, Any]:
    from brands.payloads import BrandOut

    return BrandOut.model_validate(brand).model_dump(mode="json")
