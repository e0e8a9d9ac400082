"""What screenings look like over HTTP: a request that refuses the unknown, an answer with every part named."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from screener import examples
from screener.listing import Listing, ListingPrice, SellerFacts

MAX_TITLE = 300
MAX_DESCRIPTION = 20_000
MAX_AMOUNT = Decimal(10) ** 12
MAX_LINKED = 100
MAX_COUNT = 10**9
MAX_REVISION = 2**53 - 1
"""The greatest whole number that every JSON reader keeps exactly."""


def _no_nul(value: Any) -> Any:
    # PostgreSQL cannot store NUL, and no person types it.
    if isinstance(value, str) and "\0" in value:
        raise ValueError("NUL is not text")
    return value


def _number(value: Any) -> Any:
    """Strict numbers only: no texts, no booleans; `Decimal` comes from the strict JSON reader."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("not a number")
    return Decimal(str(value)) if isinstance(value, float) else value


def _day(value: Any) -> Any:
    """ISO days only: pydantic would also take numbers of seconds."""
    if not isinstance(value, str) or len(value) != 10:
        raise ValueError("not a day")
    return date.fromisoformat(value)


Text = Annotated[str, BeforeValidator(_no_nul), Field(strict=True)]
Identifier = Annotated[Text, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(strict=True, ge=0, le=MAX_COUNT)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class PriceIn(_In):
    """The asking price."""

    amount: Annotated[Decimal, BeforeValidator(_number, json_schema_input_type=float)] = Field(
        ge=0, le=MAX_AMOUNT, decimal_places=6, description="In units of the currency."
    )
    currency: Text = Field(pattern="^[A-Z]{3}$", description="ISO 4217 code.")


class SellerIn(_In):
    """The shop that publishes, and what is known of it; what is left out counts neither for nor against."""

    id: Identifier
    registered_on: Annotated[date, BeforeValidator(_day, json_schema_input_type=str)] | None = Field(
        None, description="Day of the registration, as YYYY-MM-DD (UTC)."
    )
    sales: Count | None = Field(None, description="Completed sales.")
    upheld_reports: Count | None = Field(None, description="Reports of counterfeits that were upheld.")
    linked: list[Identifier] = Field(
        default_factory=list, max_length=MAX_LINKED, description="Other shops of the same person or company."
    )


class ImageIn(_In):
    """A picture inside JSON."""

    data: Text = Field(description="The file's bytes in base64 (RFC 4648, with padding).")


class ListingIn(_In):
    """A listing as a seller publishes it; the JSON part of a multipart request, which has its pictures as files."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [examples.LISTING]})

    listing_id: Identifier = Field(description="The marketplace's own id.")
    revision: int = Field(1, strict=True, ge=0, le=MAX_REVISION, description="Grows when the seller edits.")
    title: Text = Field(max_length=MAX_TITLE, description="In Unicode code points.")
    description: Text = Field("", max_length=MAX_DESCRIPTION)
    brand: Annotated[Text, Field(max_length=200)] | None = Field(
        None, description="The brand that the seller declares."
    )
    category: Annotated[Text, Field(max_length=200)] | None = None
    price: PriceIn | None = None
    seller: SellerIn
    complaints: Count | None = Field(None, description="Buyers who doubted that this item is genuine.")
    language: Text = Field("en", pattern="^[A-Za-z0-9-]{2,35}$", description="BCP 47, of the prompt to the seller.")
    deadline_ms: int | None = Field(
        None, strict=True, ge=50, le=60_000, description="Time for the whole answer; what did not fit is named in it."
    )

    def listing(self) -> Listing:
        """The listing inside."""
        price = ListingPrice(self.price.amount, self.price.currency) if self.price else None
        return Listing(
            listing_id=self.listing_id,
            title=self.title,
            seller_id=self.seller.id,
            revision=self.revision,
            description=self.description,
            brand=self.brand,
            category=self.category,
            price=price,
            language=self.language,
            complaints=self.complaints,
            seller=SellerFacts(
                self.seller.registered_on, self.seller.sales, self.seller.upheld_reports, tuple(self.seller.linked)
            ),
        )


class ScreeningIn(ListingIn):
    """A listing with its pictures in base64."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [examples.SCREENING]})

    images: list[ImageIn] = Field(default_factory=list, description="At most 12, in the order that buyers see.")


class BrandOut(_Out):
    """Which brand the listing shows."""

    status: Literal["recognised", "unknown", "none"] = Field(
        description="`unknown`: no registered brand; `none`: declared unbranded, and nothing speaks against it."
    )
    id: str | None
    name: str | None
    recognised_by: list[Literal["words", "pictures", "text", "reading"]] = Field(
        description="`text`: likeness of pictures and names by the text tower; `reading`: the words in the pictures."
    )
    confidence: float = Field(description="How surely, 0 to 1; 0 where no brand is recognised.")
    looks_only: bool = Field(description="Only the item's looks speak for it: no word, mark or official picture.")


class ReasonOut(_Out):
    """Something that raised or lowered the probability."""

    code: str
    contribution: float = Field(description="Added to the log-odds; negative speaks for the seller.")
    message: str


class EvidenceOut(_Out):
    """A reference that a region of a picture is alike."""

    image: int = Field(description="Position of the picture in the listing.")
    frame: int = Field(description="Frame of an animation, 0 for the first.")
    box: list[float] = Field(description="Region of the picture: x0, y0, x1, y1 as shares of its sides.")
    reference_id: str
    brand_id: str
    kind: Literal["authentic", "logo", "known_fake", "negative"]
    use: Literal["copy", "product", "logo"] = Field(description="In which way they are alike.")
    score: float = Field(description="Cosine, or what stands for it where a hash or the same file was the way.")
    method: Literal["vector", "pdq", "file"] = Field(description="How it was found.")


class WordsOut(_Out):
    """A registered name or a phrase of the copy trade in the listing's words, by its place (code points)."""

    kind: Literal["name", "replica"]
    field: Literal["brand", "title", "description"]
    start: int
    stop: int
    brand_id: str | None
    reads: str | None = Field(description="The registered spelling that it reads as.")
    how: Literal["plain", "disguised", "transliterated"] | None
    context: Literal["claim", "mention", "common"] | None = Field(
        description='Says to be of the brand, only names it ("for ..."), or is an everyday word.'
    )
    strength: Literal[1, 2] | None = Field(description="Of a phrase: 1 weak alone, 2 outright.")


class PromptOut(_Out):
    """What the seller may be shown; nothing else of the answer is for sellers."""

    language: str
    title: str
    body: str
    actions: list[str]


class PictureOut(_Out):
    """What became of a picture."""

    position: int
    status: Literal["screened", "unusable", "skipped"]
    code: str | None = Field(description="Why it was not screened.")
    sha256: str


class CheckOut(_Out):
    """A kind of examination, and whether there was time and material for it."""

    name: Literal["words", "pictures", "reading", "seller", "price"]
    status: Literal["ran", "skipped"]
    reason: str | None


class ScreeningOut(_Out):
    """The answer."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [examples.ANSWER]})

    id: str
    listing_id: str
    revision: int
    created_at: str
    verdict: Literal["clear", "unscreenable", "prompt", "review"]
    probability: float = Field(description="That the item is counterfeit, 0 to 1.")
    hint: Literal["publish", "hold"] = Field(description="Whether publishing should wait for a person.")
    calibrated_on: Literal["simulation", "appraisals"] = Field(
        description="What the probability was fitted to: a simulated market, or items that were examined."
    )
    brand: BrandOut
    base_log_odds: float = Field(
        description="Log-odds of a listing of which nothing is known; with the reasons, the sum."
    )
    reasons: list[ReasonOut]
    evidence: list[EvidenceOut]
    words: list[WordsOut]
    prompt: PromptOut | None
    images: list[PictureOut]
    checks: list[CheckOut]
    rescreen: bool = Field(description="Something was skipped for lack of time; screen the listing again.")
    release: str
    timings_ms: dict[str, float]


class ErrorDetail(_Out):
    """What went wrong."""

    code: str
    message: str
    field: str | None
    request_id: str


class ErrorOut(_Out):
    """The one shape of errors."""

    error: ErrorDetail
