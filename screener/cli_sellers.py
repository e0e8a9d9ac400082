"""Commands about the sellers' ledger, and about listings that are screened again."""

from typing import Annotated

import typer

from brands.model import ActionState, RescreenState
from screener.cli_open import DataDir, actor, every, open_screener, open_truth
from screener.cli_output import AsJson, print_json, print_table

app = typer.Typer(help="The ledger of sellers: violations, complaints, appeals, actions.", no_args_is_help=True)
rescreens_app = typer.Typer(help="Listings that are screened once more.", no_args_is_help=True)

SellerId = Annotated[str, typer.Argument(metavar="SELLER_ID", help="The marketplace's id of the seller.")]
OneSeller = Annotated[str | None, typer.Option("--seller", metavar="SELLER_ID", help="Those of this seller.")]
Brand = Annotated[str | None, typer.Option("--brand", metavar="BRAND_ID", help="The brand concerned.")]
Case = Annotated[str | None, typer.Option(help="The marketplace's number of the case; it is entered once.")]
Note = Annotated[str, typer.Option(help="What is to be known about it.")]


@app.command()
def show(seller_id: SellerId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show what counts against a seller now."""
    from screener.ledger.payloads import SellerStandingOut

    with open_truth(data_dir) as truth:
        found = SellerStandingOut.model_validate(truth.ledger.standing(seller_id)).model_dump(mode="json")
    if as_json:
        print_json(found)
    else:
        print_table(
            ["of the seller", "now"],
            [
                (name, ", ".join(value) if isinstance(value, list) else "-" if value is None else value)
                for name, value in found.items()
            ],
        )


@app.command()
def events(seller: OneSeller = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List entries of the ledger."""
    from brands import checks
    from screener.ledger.payloads import SellerEventOut
    from screener.ledger.read import list_events

    with open_truth(data_dir) as truth, truth.database.read() as connection:
        found = list(every(lambda after: list_events(connection, seller_id=seller, after=after, limit=checks.PAGE_MAX)))
    if as_json:
        print_json([SellerEventOut.model_validate(one).model_dump(mode="json") for one in found])
        return
    print_table(
        ["id", "seller", "kind", "points", "counts until", "taken back by", "note"],
        [(one.id, one.seller_id, one.kind, one.points, one.counts_until, one.reversed_by, one.note) for one in found],
        right=["points"],
    )


@app.command()
def actions(
    seller: OneSeller = None,
    state: Annotated[ActionState | None, typer.Option(help="Those in this state.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List recommended actions and what the marketplace did about them."""
    from brands import checks
    from screener.ledger.payloads import SellerActionOut
    from screener.ledger.read import list_actions

    with open_truth(data_dir) as truth, truth.database.read() as connection:
        found = list(
            every(
                lambda after: list_actions(
                    connection, seller_id=seller, state=state, after=after, limit=checks.PAGE_MAX
                )
            )
        )
    if as_json:
        print_json([SellerActionOut.model_validate(one).model_dump(mode="json") for one in found])
        return
    print_table(
        ["id", "seller", "action", "points", "until", "state"],
        [(one.id, one.seller_id, one.action, one.points, one.ends_at, one.state) for one in found],
        right=["points"],
    )


@app.command()
def complaint(
    seller_id: SellerId,
    brand: Brand = None,
    case: Case = None,
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Enter a brand's complaint that was upheld."""
    with open_truth(data_dir) as truth:
        event = truth.ledger.complaint(actor=actor(), seller_id=seller_id, brand_id=brand, case=case, note=note)
    typer.echo(event.id)


@app.command()
def violation(
    seller_id: SellerId,
    note: Annotated[str, typer.Option(help="How it was confirmed.")],
    brand: Brand = None,
    case: Case = None,
    severe: Annotated[bool, typer.Option("--severe", help="Begin at the policy's later step.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Enter a counterfeit that people confirmed in another way than by an appraisal."""
    with open_truth(data_dir) as truth:
        event = truth.ledger.violation(
            actor=actor(), seller_id=seller_id, note=note, brand_id=brand, case=case, severe=severe
        )
    typer.echo(event.id)


@app.command()
def appeal(
    seller_id: SellerId,
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="The entry; see `sellers events`.")],
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Take an entry back: the seller's appeal was upheld."""
    with open_truth(data_dir) as truth:
        event = truth.ledger.appeal(actor=actor(), seller_id=seller_id, reverses=event_id, note=note)
    typer.echo(event.id)


@app.command()
def follow(data_dir: DataDir = None) -> None:
    """Bring the ledger up to date with appraisals and decisions.

    A running service does so by itself.
    """
    with open_truth(data_dir) as truth:
        count = truth.ledger.follow()
    typer.echo(f"{count} violations are new.")


@rescreens_app.command("list")
def list_waiting(
    state: Annotated[
        RescreenState | None, typer.Option(help="`requested`: the marketplace has to send these again.")
    ] = None,
    seller: OneSeller = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List listings that wait for another look, or waited."""
    from brands import checks
    from screener.rescreens.payloads import RescreenOut
    from screener.rescreens.queue import list_rescreens

    with open_truth(data_dir) as truth, truth.database.read() as connection:
        found = list(
            every(
                lambda after: list_rescreens(
                    connection, state=state, seller_id=seller, after=after, limit=checks.PAGE_MAX
                )
            )
        )
    if as_json:
        print_json([RescreenOut.model_validate(one).model_dump(mode="json") for one in found])
        return
    print_table(
        ["id", "listing", "revision", "seller", "reason", "state", "result"],
        [(one.id, one.listing_id, one.revision, one.seller_id, one.reason, one.state, one.result_id) for one in found],
        right=["revision"],
    )


@rescreens_app.command("run")
def run_waiting(
    most: Annotated[int, typer.Option(min=1, help="Most listings to work on.")] = 1_000_000,
    data_dir: DataDir = None,
) -> None:
    """Screen again what waits and has its pictures stored; ask the marketplace for the others.

    A running service does so by itself, with pauses; this does it at once.
    """
    with open_screener(data_dir) as service:
        service.refresher.refresh()
        count = service.rescreener.run(most)
    typer.echo(f"{count} listings are done.")
