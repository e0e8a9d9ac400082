"""Commands about reviews: what waits for a person, one case, and deciding it."""

from datetime import datetime
from typing import Annotated

import typer

from brands.model import Outcome
from screener.cli_open import DataDir, actor, open_truth
from screener.cli_output import AsJson, print_json, print_table

app = typer.Typer(help="Screenings that a person should look at.", no_args_is_help=True)

ScreeningId = Annotated[str, typer.Argument(metavar="SCREENING_ID", help="See `reviews list`.")]


@app.command("list")
def list_reviews(
    brand: Annotated[str | None, typer.Option(metavar="BRAND_ID", help="Of this brand only.")] = None,
    appealed: Annotated[
        bool | None, typer.Option("--appealed/--not-appealed", help="With an appeal by the seller, or without.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the open cases, those that are due most first.

    The order is probability x confidence x price x age.
    """
    from brands.ids import utc_now
    from screener.review.payloads import QueuedOut
    from screener.review.queue import count_open, read_queue

    with open_truth(data_dir) as truth, truth.database.read() as conn:
        found = read_queue(conn, now=utc_now(), brand_id=brand, appealed=appealed, limit=limit).items
        waiting = count_open(conn, brand_id=brand, appealed=appealed)
    if as_json:
        print_json([QueuedOut.model_validate(case).model_dump(mode="json") for case in found])
        return
    print_table(
        ["screening", "verdict", "brand", "title", "p", "due", "waits since", "with"],
        [
            (
                case.screening_id,
                f"{case.verdict}{', appealed' if case.appealed else ''}",
                case.brand_name,
                case.title[:60],
                f"{case.probability:.2f}",
                f"{case.due:.0f}",
                _minute(case.queued_at),
                case.claimed_by,
            )
            for case in found
        ],
        right=["p", "due"],
    )
    if waiting > len(found):
        typer.echo(f"{waiting - len(found)} more wait.", err=True)


@app.command()
def show(screening_id: ScreeningId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show a screening with all that speaks for or against it; the audit log notes who looked."""
    from brands import audit
    from brands.ids import utc_now
    from screener.review.case import read_case
    from screener.review.payloads import CaseOut

    with open_truth(data_dir) as truth:
        with truth.database.read() as conn:
            case = read_case(conn, screening_id, kept=truth.blobs.exists, now=utc_now())
        with truth.database.write() as conn:
            audit.append(
                conn,
                actor=actor(),
                action="screening.look",
                kind="screening",
                object_id=screening_id,
                before=None,
                after=None,
                at=utc_now(),
            )
    if as_json:
        print_json(CaseOut.model_validate(case).model_dump(mode="json"))
        return
    listing = case.listing
    price = listing.get("price")
    print_table(
        ["", ""],
        [
            ("listing", f"{listing['listing_id']}, revision {listing['revision']}"),
            ("title", listing["title"]),
            ("price", f"{price['amount']} {price['currency']}" if price else ""),
            ("seller", f"{case.seller.id}, {case.seller.listings} listings seen"),
            ("brand", f"{case.brand['name'] or ''} ({case.brand['status']}, {case.brand['confidence']:.2f})"),
            ("verdict", f"{case.verdict}, probability {case.probability:.2f}"),
            ("screened", _minute(case.at)),
            ("state", case.review.state if case.review else "nobody needs to look"),
        ],
    )
    for title, rows in (
        ("reasons", [(f"{reason['contribution']:+.2f}", reason["message"]) for reason in case.reasons]),
        (
            "evidence",
            [
                (
                    found.reference_id,
                    f"{found.brand_name or found.brand_id}: {found.kind}, {found.use} {found.score:.2f}",
                )
                for found in case.evidence
            ],
        ),
        ("responses", [(_minute(given.created_at), f"{given.kind} {given.text}") for given in case.responses]),
        (
            "decisions",
            [
                (_minute(made.created_at), f"{made.outcome} by {made.created_by} {made.notes}".rstrip())
                for made in case.decisions
            ],
        ),
    ):
        if rows:
            print_table([title, ""], rows)


@app.command()
def decide(
    screening_id: ScreeningId,
    outcome: Annotated[Outcome, typer.Argument(metavar="OUTCOME", help="What it is.")],
    notes: Annotated[str, typer.Option(help="What was seen.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Decide a case: counterfeit, authentic, unsure or not_this_brand.

    A case can be decided again; the latest decision counts.
    """
    from brands.ids import utc_now
    from screener.review.decide import decide as decide_case

    with open_truth(data_dir) as truth, truth.database.write() as conn:
        decide_case(conn, screening_id=screening_id, outcome=outcome, notes=notes, actor=actor(), now=utc_now())
    typer.echo(f"{screening_id} is decided: {outcome}.")


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
