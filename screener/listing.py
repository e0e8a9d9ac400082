"""A listing as it is screened: the words and facts of the request, without its pictures."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class ListingPrice:
    """What the seller asks: `amount` >= 0 in units of the ISO 4217 `currency`."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class SellerFacts:
    """What the marketplace knows of the seller; None where it does not say.

    `registered_on` is the UTC day of the registration, `sales` how many were completed, `upheld_reports` how many
    reports of counterfeits were upheld against the seller, `linked` the seller ids that belong to the same person or
    company.
    """

    registered_on: date | None = None
    sales: int | None = None
    upheld_reports: int | None = None
    linked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """What the marketplace says of a listing; the limits are those of `screener.payloads`.

    `complaints` is how many buyers doubted that this item is genuine (None: not told).
    """

    listing_id: str
    title: str
    seller_id: str
    revision: int = 1
    description: str = ""
    brand: str | None = None
    category: str | None = None
    price: ListingPrice | None = None
    language: str = "en"
    complaints: int | None = None
    seller: SellerFacts = SellerFacts()

    def record(self) -> Mapping[str, Any]:
        """The listing as JSON, for the database and for the fingerprint of a request."""
        fields = asdict(self)
        if self.price:
            fields["price"] = {"amount": format(self.price.amount, "f"), "currency": self.price.currency}
        if self.seller.registered_on:
            fields["seller"]["registered_on"] = self.seller.registered_on.isoformat()
        fields["seller"]["linked"] = list(self.seller.linked)
        return fields

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Listing":
        """The listing that `record` was made of."""
        seller, price = record["seller"], record["price"]
        day = seller["registered_on"]
        facts = {"registered_on": day and date.fromisoformat(day), "linked": tuple(seller.get("linked", ()))}
        return cls(
            **{
                **record,
                "price": price and ListingPrice(Decimal(price["amount"]), price["currency"]),
                "seller": SellerFacts(**{**seller, **facts}),
            }
        )
