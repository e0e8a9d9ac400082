"""A planned listing as a line of listings.jsonl: the request, its pictures, and the truth about it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.market.model import Market
from training.market.planned import Planned
from training.market.sellers import Shop
from training.market.uploads import Upload


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture that was written: hash of its bytes, sides in pixels, place of the mark, and PDQ.

    `pdq` are the hashes of its eight rotations and mirrors in hexadecimal, as it is first; `quality` is 0 to 100.
    """

    sha256: str
    width: int
    height: int
    mark: tuple[float, float, float, float] | None
    pdq: tuple[str, ...]
    quality: int


def rows_of(planned: Sequence[Planned], market: Market, drawn: Mapping[Upload, Drawn]) -> Iterable[dict[str, Any]]:
    """The lines of listings.jsonl, in the order of `planned`; the weights of each split have the mean 1."""
    counts: dict[tuple[str, str], float] = defaultdict(float)
    for listing in planned:
        counts[listing.split, listing.kind.name] += listing.stands_for
    sizes = Counter(listing.split for listing in planned)
    for number, listing in enumerate(planned):
        kind = listing.kind
        mass = kind.share * (market.prevalence if kind.counterfeit else 1 - market.prevalence)
        status = "none"
        if listing.brand:
            status = "unknown" if kind.goods == "unknown" else "registered"
        yield {
            "id": f"listing-{number:06d}",
            "listing": _request(listing),
            "pictures": [{"origin": upload.origin, **_picture(drawn[upload])} for upload in listing.uploads],
            "truth": {
                "kind": kind.name,
                "counterfeit": kind.counterfeit,
                "split": listing.split,
                "day": listing.day,
                "brand": listing.brand or None,
                "brand_status": status,
                "about": listing.about or None,
                "product": listing.product.id,
                "owner": listing.shop.owner,
                "weight": listing.stands_for * mass * sizes[listing.split] / counts[listing.split, kind.name],
                "appraised": listing.appraised,
            },
        }


def _request(listing: Planned) -> dict[str, Any]:
    price = None
    if listing.amount is not None:
        price = {"amount": listing.amount, "currency": listing.currency}
    return {
        "title": listing.words.title,
        "description": listing.words.description,
        "brand": listing.words.brand,
        "category": listing.product.category,
        "price": price,
        "language": listing.language,
        "complaints": listing.complaints,
        "seller_id": listing.shop.id,
        "seller": _facts(listing.shop, listing) if listing.told else {"linked": []},
    }


def _facts(shop: Shop, listing: Planned) -> dict[str, Any]:
    return {
        "age_days": shop.age + listing.day - shop.days[0],
        "sales": shop.sales,
        "upheld_reports": shop.reports,
        "linked": list(shop.linked),
    }


def _picture(drawn: Drawn) -> dict[str, Any]:
    return {"sha256": drawn.sha256, "pdq": drawn.pdq[0], "quality": drawn.quality}
