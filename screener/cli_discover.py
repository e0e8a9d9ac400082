"""The command `brands discover`: which brands nobody registered are worth registering."""

from typing import Annotated, Any

import typer

from screener.cli_open import DataDir, open_truth
from screener.cli_output import AsJson, print_json, print_table

MOST_LISTINGS = 100_000
"""Listings that are looked through, the newest; so many with three pictures each take minutes of a core and 1.1 GB."""


def discover(
    since: Annotated[int, typer.Option(min=1, max=3650, metavar="DAYS", help="Days to look back.")] = 30,
    most: Annotated[int, typer.Option(min=1, help="Brands to show.")] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Find brands that nobody registered among the listings that were screened.

    Listings of unknown brands are put together by the names they claim and by what their pictures show, and ranked by
    sellers, listings, asked value, growth, and words of the copy trade.
    """
    from brands.ids import utc_now
    from screener.bundle import load_bundle
    from screener.discover import find_discoveries

    with open_truth(data_dir) as truth:
        bundle = load_bundle(truth.models.served_paths().bundle)
        found = find_discoveries(truth.database, bundle, days=since, most_listings=MOST_LISTINGS, now=utc_now)
    record = found.record(most)
    if as_json:
        print_json(record)
        return
    print_table(
        ["score", "name", "listings", "sellers", "median price", "copies", "growth", "words", "sample"],
        [_row(item) for item in record["discoveries"]],
        right=["score", "listings", "sellers", "median price", "copies", "growth"],
    )
    if found.listings < found.unknown:
        typer.echo(f"The newest {found.listings} of {found.unknown} unknown listings were looked through.", err=True)


def _row(item: dict[str, Any]) -> list[str]:
    asked = item["asked"][0] if item["asked"] else None
    name = item["name"] or ""
    return [
        f"{item['score']:.1f}",
        name if item["named_by"] in ("declared", None) else f"{name} ({item['named_by']})",
        str(item["listings"]),
        str(item["sellers"]),
        f"{asked['median']} {asked['currency']}" if asked else "",
        f"{item['replica_share']:.0%}",
        f"{item['growth']:.1f}x",
        " ".join(item["top_words"][:4]),
        item["samples"][0]["screening_id"],
    ]
