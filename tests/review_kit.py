"""Screenings as they are recorded, without judging anything: for tests of what people and brands do with them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from brands.database import Database
from brands.ids import new_id
from brands.model import Brand, BrandDetails, Price
from brands.registry import Registry
from screener import records
from screener.judging.features import NAMES
from screener.listing import Listing, ListingPrice
from screener.records import Repeat


def entry(brand: str, reference: str, kind: str = "authentic", **fields: Any) -> dict[str, Any]:
    """An entry of an answer's evidence."""
    return {
        "image": 0,
        "frame": 0,
        "box": [0.0, 0.0, 1.0, 1.0],
        "reference_id": reference,
        "brand_id": brand,
        "kind": kind,
        "use": "copy",
        "score": 0.9,
        "method": "vector",
    } | fields


def answer_of(
    at: datetime,
    *,
    brand: Brand | None = None,
    verdict: str = "review",
    probability: float = 0.9,
    confidence: float = 1.0,
    evidence: Sequence[Mapping[str, Any]] = (),
    words: Sequence[Mapping[str, Any]] = (),
    images: Sequence[str] = ("0" * 64,),
    listing: Listing | None = None,
    withheld: bool = False,
) -> dict[str, Any]:
    """An answer of the contract; `withheld` says that the seller is not told."""
    shown = verdict in ("prompt", "review") and not withheld
    return {
        "id": new_id("scr", at),
        "listing_id": listing.listing_id if listing else "L-1",
        "revision": listing.revision if listing else 1,
        "created_at": at.isoformat(),
        "verdict": verdict,
        "hint": "publish",
        "probability": probability,
        "calibrated_on": "simulation",
        "brand": {
            "status": "recognised" if brand else "unknown",
            "id": brand.id if brand else None,
            "name": brand.name if brand else None,
            "recognised_by": ["words"] if brand else [],
            "confidence": confidence if brand else 0.0,
            "looks_only": False,
        },
        "base_log_odds": -3.0,
        "reasons": [{"code": "replica_words", "contribution": 2.5, "message": "Describes a replica."}],
        "evidence": list(evidence),
        "words": list(words),
        "prompt": {"language": "en", "title": "T", "body": "B", "actions": []} if shown else None,
        "images": [
            {"position": n, "status": "screened", "code": None, "sha256": sha256} for n, sha256 in enumerate(images)
        ],
        "checks": [],
        "rescreen": False,
        "release": "rel_0",
        "timings_ms": {},
    }


def add_brand(registry: Registry, name: str, price: str | None = None, **details: Any) -> Brand:
    """A registered brand; the price is in EUR."""
    amount = Price(Decimal(price), "EUR") if price else None
    return registry.add_brand(actor="cli:test", details=BrandDetails(name, reference_price=amount, **details))


def screen(
    database: Database,
    at: datetime,
    *,
    brand: Brand | None = None,
    price: str | None = "100",
    currency: str = "EUR",
    known_fake: bool = False,
    listing: Listing | None = None,
    **answer: Any,
) -> str:
    """Records a screening and gives its id."""
    listing = listing or Listing("L-1", "A thing", "shop-1")
    if price is not None:
        listing = replace(listing, price=ListingPrice(Decimal(price), currency))
    made = answer_of(at, brand=brand, listing=listing, **answer)
    with database.write() as connection:
        records.save(
            connection,
            repeat=Repeat("key_0", None, "0" * 64),
            seller_id=listing.seller_id,
            encoder_id="enc_0",
            request=listing.record(),
            answer=made,
            known_fake=known_fake,
            usual_price=brand.price_for(listing.category) if brand else None,
            features=np.full(len(NAMES), np.nan, dtype=np.float32),
            new=[],
            facts={},
            at=at,
        )
    found: str = made["id"]
    return found
