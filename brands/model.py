"""What the registry holds, as frozen values: brands, references, API keys and the words for their kinds and states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from brands.spelling import name_key

BrandState = Literal["active", "withdrawn"]
ReferenceKind = Literal["authentic", "logo", "known_fake", "negative"]
ReferenceState = Literal["pending", "active", "withdrawn", "rejected", "quarantined"]
Approval = Literal["none", "person", "admin"]
Origin = Literal["upload", "complaint", "appraisal", "file", "descriptor"]
Scope = Literal["hook", "brand", "reviewer", "ml", "admin", "ops"]
Standing = Literal["new", "good", "stopped"]
ReviewState = Literal["open", "decided"]
Outcome = Literal["counterfeit", "authentic", "unsure", "not_this_brand"]
ResponseKind = Literal["edited", "withdrawn", "proof", "published_anyway"]
HoldKind = Literal["screening", "brand", "seller"]
AppraisalOutcome = Literal["counterfeit", "authentic", "inconclusive"]
AppraisalMethod = Literal["brand", "laboratory", "expert", "documents", "other"]
AppraisalSource = Literal["api", "csv", "label_studio", "cli"]
Strategy = Literal["random", "fakes", "uncertain", "diverse", "value", "complaints"]
SpotCheckState = Literal["planned", "ordered", "appraised", "cancelled"]
ReleaseState = Literal["proposed", "approved", "active", "retired", "refused"]
SwitchKind = Literal["promote", "rollback"]
SellerEventKind = Literal["violation", "complaint", "appeal", "warning"]
ActionState = Literal["recommended", "executed", "declined", "reversed"]
RescreenReason = Literal["linked_seller", "degraded"]
RescreenState = Literal["queued", "requested", "done", "failed"]
SignalKind = Literal["complaint", "return", "review"]
BurstSubject = Literal["brand", "seller", "category"]
EndpointState = Literal["active", "paused", "removed"]
DeliveryState = Literal["pending", "delivered", "failed"]

BRAND_STATES: tuple[BrandState, ...] = ("active", "withdrawn")
REFERENCE_KINDS: tuple[ReferenceKind, ...] = ("authentic", "logo", "known_fake", "negative")
REFERENCE_STATES: tuple[ReferenceState, ...] = ("pending", "active", "withdrawn", "rejected", "quarantined")
APPROVALS: tuple[Approval, ...] = ("none", "person", "admin")
ORIGINS: tuple[Origin, ...] = ("upload", "complaint", "appraisal", "file", "descriptor")
SCOPES: tuple[Scope, ...] = ("hook", "brand", "reviewer", "ml", "admin", "ops")
STANDINGS: tuple[Standing, ...] = ("new", "good", "stopped")
REVIEW_STATES: tuple[ReviewState, ...] = ("open", "decided")
OUTCOMES: tuple[Outcome, ...] = ("counterfeit", "authentic", "unsure", "not_this_brand")
RESPONSES: tuple[ResponseKind, ...] = ("edited", "withdrawn", "proof", "published_anyway")
HOLD_KINDS: tuple[HoldKind, ...] = ("screening", "brand", "seller")
APPRAISALS: tuple[AppraisalOutcome, ...] = ("counterfeit", "authentic", "inconclusive")
APPRAISAL_METHODS: tuple[AppraisalMethod, ...] = ("brand", "laboratory", "expert", "documents", "other")
APPRAISAL_SOURCES: tuple[AppraisalSource, ...] = ("api", "csv", "label_studio", "cli")
STRATEGIES: tuple[Strategy, ...] = ("random", "fakes", "uncertain", "diverse", "value", "complaints")
SPOT_CHECK_STATES: tuple[SpotCheckState, ...] = ("planned", "ordered", "appraised", "cancelled")
RELEASE_STATES: tuple[ReleaseState, ...] = ("proposed", "approved", "active", "retired", "refused")
SWITCHES: tuple[SwitchKind, ...] = ("promote", "rollback")
SELLER_EVENTS: tuple[SellerEventKind, ...] = ("violation", "complaint", "appeal", "warning")
ACTION_STATES: tuple[ActionState, ...] = ("recommended", "executed", "declined", "reversed")
RESCREEN_REASONS: tuple[RescreenReason, ...] = ("linked_seller", "degraded")
RESCREEN_STATES: tuple[RescreenState, ...] = ("queued", "requested", "done", "failed")
SIGNALS: tuple[SignalKind, ...] = ("complaint", "return", "review")
BURST_SUBJECTS: tuple[BurstSubject, ...] = ("brand", "seller", "category")
ENDPOINT_STATES: tuple[EndpointState, ...] = ("active", "paused", "removed")
DELIVERY_STATES: tuple[DeliveryState, ...] = ("pending", "delivered", "failed")

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 relative to the picture's width and height: 0 <= x0 < x1 <= 1, 0 <= y0 < y1 <= 1."""


@dataclass(frozen=True, slots=True)
class Price:
    """An amount of money: `amount` > 0 in units of `currency`, an ISO 4217 code of three upper-case letters."""

    amount: Decimal
    currency: str


class CategoryPrice(NamedTuple):
    """What a brand's goods of one category usually cost."""

    category: str
    price: Price


@dataclass(frozen=True, slots=True)
class AuthorisedSeller:
    """A seller who may sell the brand, from `valid_from` to `valid_until`, both inclusive (UTC days); None = open."""

    seller_id: str
    valid_from: date | None = None
    valid_until: date | None = None

    def on(self, day: date) -> bool:
        """Whether the seller is authorised on `day`."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )


@dataclass(frozen=True, slots=True)
class BrandDetails:
    """What a caller may say about a brand. Not checked before `brands.checks.checked_details`."""

    name: str
    aliases: tuple[str, ...] = ()
    wordmarks: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    reference_price: Price | None = None
    authorised_sellers: tuple[AuthorisedSeller, ...] = ()
    reference_prices: tuple[CategoryPrice, ...] = ()


@dataclass(frozen=True, slots=True)
class Brand:
    """A registered brand. `revision` starts at 1 and grows by one with each change.

    `reference_price` is for goods of every category that `reference_prices` has no price of its own for.
    """

    id: str
    name: str
    aliases: tuple[str, ...]
    wordmarks: tuple[str, ...]
    categories: tuple[str, ...]
    reference_price: Price | None
    authorised_sellers: tuple[AuthorisedSeller, ...]
    state: BrandState
    revision: int
    created_at: datetime
    updated_at: datetime
    reference_prices: tuple[CategoryPrice, ...] = ()

    def price_for(self, category: str | None) -> Price | None:
        """What goods of a category usually cost: its own price (by `name_key`), else the brand's, None without both."""
        key = name_key(category or "")
        own = (price for named, price in self.reference_prices if name_key(named) == key)
        return next(own, self.reference_price)

    @property
    def details(self) -> BrandDetails:
        """The part of the brand that `Registry.update_brand` replaces."""
        return BrandDetails(
            self.name,
            self.aliases,
            self.wordmarks,
            self.categories,
            self.reference_price,
            self.authorised_sellers,
            self.reference_prices,
        )


@dataclass(frozen=True, slots=True)
class NewReference:
    """A reference to be: its picture is stored already under `image_sha256`; width and height in pixels.

    `evidence` says what proves a known fake (the number of a complaint, the id of an appraisal); `expires_at` is when
    the reference stops to count by itself, None for never.
    """

    kind: ReferenceKind
    image_sha256: str
    width: int
    height: int
    box: Box | None = None
    source: str = ""
    notes: str = ""
    origin: Origin = "upload"
    evidence: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture registered for a brand. `box` is the logo's place in it, None = the whole picture.

    While it is pending, `approval` says whom it waits for: nobody (the impact check alone), a second person, or an
    admin; `approved_by` is who let it in.
    """

    id: str
    brand_id: str
    kind: ReferenceKind
    state: ReferenceState
    state_reason: str
    image_sha256: str
    box: Box | None
    width: int
    height: int
    source: str
    notes: str
    created_at: datetime
    created_by: str
    updated_at: datetime
    origin: Origin = "upload"
    evidence: str = ""
    approval: Approval = "none"
    approved_by: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What `Registry.import_brand` did: the brand as it is now, and how many references are new or were there."""

    brand: Brand
    created: bool
    updated: bool
    added: int
    present: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret.

    `brand_id` is set for the scope `brand` only; `rotated_from` is the key that this one takes over from.
    """

    id: str
    scope: Scope
    brand_id: str | None
    label: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    rotated_from: str | None = None


class AdmittedImage(Protocol):
    """What the image gate tells of a picture it let through: hash of its bytes, width and height in pixels."""

    @property
    def sha256(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


Admit = Callable[[bytes], AdmittedImage]
"""The image gate: raises an exception with `code`, `status` and `field` for a picture that cannot be used."""
