"""Registers a market's brands and screens its listings in the order of time, by the code that serves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from brands.model import AuthorisedSeller, BrandDetails, CategoryPrice, Price
from brands.schema import screenings
from screener.judging.features import NAMES
from screener.judging.features import VERSION as FEATURES_VERSION
from screener.listing import Listing, ListingPrice, SellerFacts
from screener.screening import Submission
from screener.service import Service, open_service
from screener.settings import Settings
from training.errors import TrainingError
from training.market.dataset import ANSWERS, FEATURES, LISTINGS, read_lines
from training.market.prepare import BRANDS, PICTURES
from training.progress import progress

ACTOR = "cli:market"
DEADLINE = 120.0
"""Seconds for a listing: nothing is left out for lack of time."""
AT_ONCE = 2
"""Listings screened side by side, as many as the service has decoders and encoders by default; neighbours in time may
so not see each other in the seller's history."""


def open_market(folder: Path, data_dir: Path, bundle: str = "") -> Service:
    """A service in the new folder `data_dir` that knows the market's brands; the caller closes it."""
    service = open_service(Settings(data_dir=data_dir, bundle=bundle))
    try:
        for brand in json.loads((folder / BRANDS).read_text(encoding="utf-8")):
            register_brand(service, folder, brand)
        service.refresher.refresh()
        service.refresher.read_references()  # what a running server does by and by
    except BaseException:
        service.close()
        raise
    return service


def screen_market(folder: Path, service: Service) -> None:
    """Screens every listing of the folder and writes answers.jsonl and features.npz beside them.

    Raises
    ------
    TrainingError
        when a listing's features were not recorded
    """
    rows = read_lines(folder / LISTINGS)
    today = datetime.now(UTC).date()
    answers = screen_all(service, rows, lambda row: submission_of(row, folder, today))
    _write_features(folder, service, [row["id"] for row in rows])
    with (folder / ANSWERS).open("w", encoding="utf-8") as stream:
        for answer in answers:
            stream.write(json.dumps(answer, ensure_ascii=False) + "\n")


def screen_all(
    service: Service, rows: Sequence[Mapping[str, Any]], request: Callable[[Mapping[str, Any]], Submission]
) -> list[Mapping[str, Any]]:
    """The answers to what `request` makes of each row, in the order of the rows."""

    def answer(row: Mapping[str, Any]) -> Mapping[str, Any]:
        started = time.monotonic()
        return service.screener.screen(replace(request(row), deadline=started + DEADLINE, started=started))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = threads.map(answer, rows)
        return [found for _, found in zip(progress(rows, "Screening"), answers, strict=True)]


def submission_of(row: Mapping[str, Any], folder: Path, today: date) -> Submission:
    """A line of listings.jsonl as a request of which `screen_all` sets the time; its pictures are read here."""
    fields = row["listing"]
    facts = fields["seller"]
    price = fields["price"]
    age = facts.get("age_days")
    listing = Listing(
        listing_id=row["id"],
        title=fields["title"],
        seller_id=fields["seller_id"],
        description=fields["description"],
        brand=fields["brand"],
        category=fields["category"],
        price=ListingPrice(Decimal(str(price["amount"])), price["currency"]) if price else None,
        language=fields["language"],
        complaints=fields["complaints"],
        seller=SellerFacts(
            registered_on=today - timedelta(days=age) if age is not None else None,
            sales=facts.get("sales"),
            upheld_reports=facts.get("upheld_reports"),
            linked=tuple(facts["linked"]),
        ),
    )
    files = tuple((folder / PICTURES / f"{picture['sha256']}.jpg").read_bytes() for picture in row["pictures"])
    return Submission(listing, files, ACTOR, deadline=0.0, started=0.0)


def register_brand(service: Service, folder: Path, brand: Mapping[str, Any]) -> None:
    """Registers a brand of brands.json with its references, whose pictures are in `folder`."""
    registry = service.truth.registry
    details = BrandDetails(
        name=brand["name"],
        aliases=tuple(brand["aliases"]),
        categories=tuple(brand["categories"]),
        reference_price=Price(Decimal(str(brand["price"])), "EUR"),
        authorised_sellers=tuple(AuthorisedSeller(seller) for seller in brand["sellers"]),
        reference_prices=tuple(
            CategoryPrice(category, Price(Decimal(str(price)), "EUR")) for category, price in brand["prices"].items()
        ),
    )
    known = registry.add_brand(actor=ACTOR, details=details)
    for reference in brand["references"]:
        mark = reference["mark"]
        registry.add_reference(
            actor=ACTOR,
            brand_id=known.id,
            kind=reference["kind"],
            data=(folder / PICTURES / f"{reference['sha256']}.jpg").read_bytes(),
            width=reference["width"],
            height=reference["height"],
            box=tuple(mark) if mark and reference["kind"] != "negative" else None,
        )


def _write_features(folder: Path, service: Service, ids: Sequence[str]) -> None:
    with service.truth.database.read() as connection:
        query = sa.select(screenings.c.listing_id, screenings.c.features).where(screenings.c.features.is_not(None))
        found = {row.listing_id: row.features for row in connection.execute(query)}
    lost = [name for name in ids if name not in found or found[name]["version"] != FEATURES_VERSION]
    if lost:
        raise TrainingError(f"{len(lost)} screenings have no features of {FEATURES_VERSION}, first {lost[0]}")
    values = np.array(
        [[np.nan if value is None else value for value in found[name]["values"]] for name in ids], dtype=np.float64
    )
    np.savez_compressed(
        folder / FEATURES, ids=np.array(ids), values=values, names=np.array(NAMES), version=np.array(FEATURES_VERSION)
    )
