"""Reads the sample listings (listings.toml): words, price, seller, pictures, and what to expect of the screener."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Picture:
    """Where a listing's picture comes from.

    `kind`: own (the seller photographs the genuine product), official (the brand's own picture), known_fake (a picture
    of the registered fake number `number`), fake (a new photograph of a counterfeit), other (a product that is not of
    a registered brand; `word` is written on it), lookalike, broken (a JPEG that ends too early). `number` picks the
    palette, the picture or the way of faking; `edit` what was done to the picture afterwards.
    """

    kind: str
    brand: str = ""
    product: str = ""
    number: int = 0
    edit: str = ""
    scene: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class SampleListing:
    """A listing with its pictures; `brands` are the catalogue keys that it needs.

    `request` is the listing in the shape of the request contract, `expected` the kind of case and the verdicts and
    brand statuses that a careful person would accept.
    """

    key: str
    brands: tuple[str, ...]
    request: Mapping[str, object]
    expected: Mapping[str, object]
    pictures: tuple[Picture, ...]


def load_listings() -> tuple[SampleListing, ...]:
    """Every sample listing, in the order of the file."""
    with (Path(__file__).parent / "listings.toml").open("rb") as stream:
        return tuple(_listing(entry) for entry in tomllib.load(stream)["listing"])


def _listing(entry: Mapping[str, Any]) -> SampleListing:
    request = {
        "listing_id": f"sample-{entry['key']}",
        "revision": 1,
        "title": entry["title"],
        "description": entry["description"],
        "brand": entry.get("brand"),
        "category": entry["category"],
        "price": entry["price"],
        "seller": {"id": entry["seller"], **entry.get("seller_facts", {})},
        "complaints": entry.get("complaints"),
        "language": entry["language"],
    }
    expected = {name: entry[name] for name in ("kind", "verdicts", "brand_status")}
    pictures = tuple(Picture(**picture) for picture in entry.get("pictures", []))
    return SampleListing(entry["key"], tuple(entry["brands"]), request, expected, pictures)
