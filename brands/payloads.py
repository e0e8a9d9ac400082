"""What brands, references and keys look like over HTTP: requests that refuse the unknown, answers with examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from brands import checks, examples
from brands.model import (
    Approval,
    AuthorisedSeller,
    BrandDetails,
    BrandState,
    CategoryPrice,
    Origin,
    Price,
    ReferenceKind,
    ReferenceState,
    Scope,
)

Item = TypeVar("Item")


def _example(*values: dict[str, Any]) -> dict[str, Any]:
    return {"examples": list(values)}


def _only_text(value: Any) -> Any:
    """Pydantic would take a number for a time, counting from 1970."""
    if not isinstance(value, str):
        raise ValueError("a text is expected")
    return value


def _only_day(value: Any) -> Any:
    if isinstance(value, str) and len(value) != len("2025-01-01"):
        raise ValueError("a day is YYYY-MM-DD")
    return _only_text(value)


def _only_number(value: Any) -> Any:
    """Neither a truth value nor a text so long that reading it as a number is work."""
    if isinstance(value, bool) or (isinstance(value, str) and len(value) > _NUMBER_MAX):
        raise ValueError("a number is expected")
    return value


_NUMBER_MAX = 40
Day = Annotated[date, BeforeValidator(_only_day, json_schema_input_type=date)]
Time = Annotated[AwareDatetime, BeforeValidator(_only_text, json_schema_input_type=datetime)]
Amount = Annotated[Decimal, BeforeValidator(_only_number, json_schema_input_type=Decimal)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class PriceBody(_In):
    """An amount of money; the amount is a number or, to keep every digit, a text."""

    model_config = ConfigDict(json_schema_extra=_example(examples.PRICE))
    amount: Amount
    currency: str

    def price(self) -> Price:
        """The price, not checked yet."""
        return Price(self.amount, self.currency)


class CategoryPriceBody(_In):
    """What goods of one category usually cost, where that is not the brand's `reference_price`."""

    category: str
    price: PriceBody


class SellerBody(_In):
    """Who may sell the brand, and from when until when (days in UTC, both inclusive)."""

    seller_id: str
    valid_from: Day | None = None
    valid_until: Day | None = None


class BrandBody(_In):
    """A brand to register. Names and words in any script."""

    model_config = ConfigDict(json_schema_extra=_example(examples.BRAND))
    name: str
    aliases: list[str] = Field(default=[], max_length=checks.WORDS_MAX)
    wordmarks: list[str] = Field(default=[], max_length=checks.WORDS_MAX)
    categories: list[str] = Field(default=[], max_length=checks.CATEGORIES_MAX)
    reference_price: PriceBody | None = None
    reference_prices: list[CategoryPriceBody] = Field(default=[], max_length=checks.CATEGORIES_MAX)
    authorised_sellers: list[SellerBody] = Field(default=[], max_length=checks.SELLERS_MAX)

    def details(self) -> BrandDetails:
        """The details, not checked yet."""
        return BrandDetails(
            name=self.name,
            aliases=tuple(self.aliases),
            wordmarks=tuple(self.wordmarks),
            categories=tuple(self.categories),
            reference_price=None if self.reference_price is None else self.reference_price.price(),
            reference_prices=tuple(CategoryPrice(own.category, own.price.price()) for own in self.reference_prices),
            authorised_sellers=tuple(
                AuthorisedSeller(seller.seller_id, seller.valid_from, seller.valid_until)
                for seller in self.authorised_sellers
            ),
        )


class BrandUpdate(BrandBody):
    """A brand's new details, all of them, and the revision that they replace."""

    model_config = ConfigDict(json_schema_extra=_example({**examples.BRAND, "revision": 1}))
    revision: int = Field(ge=1, strict=True)


class BrandStateChange(_In):
    """Whether a brand takes part in matching."""

    model_config = ConfigDict(json_schema_extra=_example({"state": "withdrawn"}))
    state: BrandState


class ReferenceStateChange(_In):
    """Where a reference goes, and why."""

    model_config = ConfigDict(json_schema_extra=_example({"state": "rejected", "reason": "shows another product"}))
    state: ReferenceState
    reason: str = ""


class Approve(_In):
    """A reference is let in; with `override`, in spite of the impact check and for a reason."""

    model_config = ConfigDict(json_schema_extra=_example({"override": False, "reason": ""}))
    override: bool = Field(default=False, strict=True)
    reason: str = ""


class Reason(_In):
    """Why."""

    model_config = ConfigDict(json_schema_extra=_example({"reason": "this is our own genuine product"}))
    reason: str


class Expiry(_In):
    """When a reference stops to count by itself; null for never."""

    model_config = ConfigDict(json_schema_extra=_example({"expires_at": "2027-01-31T00:00:00Z"}))
    expires_at: Time | None


class KeyBody(_In):
    """A key to make: `brand_id` for the scope `brand` only."""

    model_config = ConfigDict(json_schema_extra=_example({"scope": "hook", "label": "publish hook, production"}))
    scope: Scope
    brand_id: str | None = None
    label: str = ""
    expires_at: Time | None = None


class RotationBody(_In):
    """How many hours the old key goes on beside the new one."""

    model_config = ConfigDict(json_schema_extra=_example({"keep_hours": 24}))
    keep_hours: int = Field(default=24, ge=0, le=24 * 30, strict=True)


class PriceOut(_Out):
    """An amount of money; the amount is a text, so that no digit is lost."""

    amount: Decimal
    currency: str


class CategoryPriceOut(_Out):
    """What goods of one category usually cost."""

    category: str
    price: PriceOut


class SellerOut(_Out):
    """Who may sell the brand, and when (days in UTC, both inclusive)."""

    seller_id: str
    valid_from: date | None
    valid_until: date | None


class BrandOut(_Out):
    """A brand as it is."""

    model_config = ConfigDict(json_schema_extra=_example(examples.BRAND_OUT))
    id: str
    name: str
    aliases: tuple[str, ...]
    wordmarks: tuple[str, ...]
    categories: tuple[str, ...]
    reference_price: PriceOut | None
    reference_prices: tuple[CategoryPriceOut, ...]
    authorised_sellers: tuple[SellerOut, ...]
    state: BrandState
    revision: int
    created_at: datetime
    updated_at: datetime


class ReferenceOut(_Out):
    """A reference as it is; `box` is relative to the picture's sides, None = the whole picture.

    While it is pending, `approval` says whom it waits for: nobody but the impact check, a second person, or an admin.
    """

    model_config = ConfigDict(json_schema_extra=_example(examples.REFERENCE))
    id: str
    brand_id: str
    kind: ReferenceKind
    state: ReferenceState
    state_reason: str
    image_sha256: str
    box: tuple[float, float, float, float] | None
    width: int
    height: int
    source: str
    notes: str
    created_at: datetime
    created_by: str
    updated_at: datetime
    origin: Origin
    evidence: str
    approval: Approval
    approved_by: str | None
    expires_at: datetime | None


class KeyOut(_Out):
    """A key without its secret."""

    model_config = ConfigDict(json_schema_extra=_example(examples.KEY))
    id: str
    scope: Scope
    brand_id: str | None
    label: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    rotated_from: str | None


class NewKeyOut(_Out):
    """A new key and its plain text, which is shown this once."""

    model_config = ConfigDict(json_schema_extra=_example({"key": examples.KEY, "plaintext": "lsk_..."}))
    key: KeyOut
    plaintext: str


class PageOut(_Out, Generic[Item]):
    """A page by id; ask with `after=<next>` for the one behind it; `next` is null when there is none."""

    items: list[Item]
    next: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """What a route answers as a `PageOut`."""

    items: Sequence[Any]
    next: str | None

    @classmethod
    def of(cls, items: Sequence[Any], limit: int) -> "Page":
        """The page of `items` that were read with `limit`: only a full one has another behind it."""
        return cls(items, items[-1].id if len(items) == limit else None)
