"""A listing as it is screened: the words and facts of the request, without its pictures."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class ListingPrice:
    """What the seller asks: `amount` >= 0 in units of the ISO 4217 `currency`."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What the marketplace says of a listing; the limits are those of `screener.payloads`."""

    listing_id: str
    title: str
    seller_id: str
    revision: int = 1
    description: str = ""
    brand: str | None = None
    category: str | None = None
    price: ListingPrice | None = None
    language: str = "en"

    def record(self) -> Mapping[str, Any]:
        """The listing as JSON, for the database and for the fingerprint of a request."""
        fields = asdict(self)
        if self.price:
            fields["price"] = {"amount": format(self.price.amount, "f"), "currency": self.price.currency}
        return fields
