"""Populations and screenings for the tests of spot checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from review_kit import screen

from brands.database import Database
from brands.model import Brand
from screener.appraisals.model import NewAppraisal
from screener.appraisals.store import add
from screener.listing import Listing
from screener.spot_checks.model import Population

ACTOR = "cli:test"


def population(listings: int, seed: int = 0, *, copies: float = 0.3) -> Population:
    """Listings with everything a plan looks at, a share of them near-duplicates of others."""
    rng = np.random.default_rng(seed)
    source = np.where(
        rng.random(listings) < copies, rng.integers(0, max(listings // 5, 1), listings), np.arange(listings)
    )
    probability = rng.beta(0.4, 3, listings)
    price = np.where(rng.random(listings) < 0.1, np.nan, np.exp(rng.normal(4, 1, listings)))
    return Population(
        ids=tuple(map(str, range(listings))),
        probability=probability,
        prompted=probability >= 0.5,
        threshold=np.full(listings, 0.5),
        brand=rng.integers(0, 4, listings),
        seller=rng.integers(0, max(listings // 4, 1), listings),
        category=rng.integers(0, 3, listings),
        looks=rng.integers(0, 5, listings),
        cluster=np.unique(source, return_inverse=True)[1].reshape(-1),
        price=price,
        complaints=rng.poisson(0.1, listings),
    )


def screen_many(
    database: Database,
    at: datetime,
    count: int,
    *,
    brand: Brand | None = None,
    start: int = 0,
    prompted: Sequence[int] = (),
    **fields: Any,
) -> list[str]:
    """Screens listings a second apart, each with a picture of its own; those numbered in `prompted` are prompted."""
    return [
        screen(
            database,
            at + timedelta(seconds=number),
            brand=brand,
            listing=Listing(
                f"L-{number}",
                "A thing",
                f"shop-{number % 7}",
                category=fields.get("category", f"goods-{number % 3}"),
                complaints=fields.get("complaints"),
            ),
            verdict="prompt" if number in prompted else "clear",
            probability=0.9 if number in prompted else 0.01 + number % 40 / 100,
            images=[f"{number:064x}"],
        )
        for number in range(start, start + count)
    ]


def appraise(database: Database, outcomes: Mapping[str, str], at: datetime, appraiser: str = "Lab Nord") -> None:
    """Records an appraisal of each screening."""
    news = [
        NewAppraisal(outcome, appraiser, "laboratory", date(at.year, at.month, at.day), screening_id=screening_id)
        for screening_id, outcome in outcomes.items()
    ]
    with database.write() as conn:
        add(conn, news, actor=ACTOR, now=at)
