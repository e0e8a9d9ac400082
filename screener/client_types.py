"""What the client sends and what it gets: listings, screenings, outcomes and errors as frozen dataclasses."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

Picture = bytes | Path
JsonObject = Mapping[str, Any]


class ScreenerClientError(Exception):
    """Anything that keeps a listing from being screened."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row of a list or of a file cannot be stored; `row` is as people count it, a table's heading is row 1."""

    row: int
    column: str
    code: str
    message: str


class ScreenerApiError(ScreenerClientError):
    """The service refused the request, or failed while answering it. Of a refused list, `problems` has every row's."""

    problems: tuple[RowProblem, ...] = ()

    def __init__(self, code: str, status: int, message: str, field: str | None, request_id: str | None) -> None:
        super().__init__(f"{status} {code}: {message}" + (f" ({field})" if field else ""))
        self.code = code
        self.status = status
        self.message = message
        self.field = field
        self.request_id = request_id


class ScreenerUnreachable(ScreenerClientError):
    """No answer in time: `reason` is "timeout" or "unreachable"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ScreenerAnswerInvalid(ScreenerClientError):
    """The answer is not what the contract promises."""


@dataclass(frozen=True, slots=True)
class Price:
    """An amount in a currency (ISO 4217)."""

    amount: float
    currency: str


@dataclass(frozen=True, slots=True)
class SellerFacts:
    """What the marketplace knows of the seller; what is None counts neither for nor against. `linked` are other shops
    of the same person or company."""

    registered_on: date | None = None
    sales: int | None = None
    upheld_reports: int | None = None
    linked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing as a seller publishes it; only the first three are required."""

    listing_id: str
    title: str
    seller_id: str
    revision: int = 1
    description: str | None = None
    brand: str | None = None
    category: str | None = None
    price: Price | None = None
    language: str | None = None
    complaints: int | None = None
    seller: SellerFacts = SellerFacts()

    def to_json(self, *, deadline_ms: int | None = None, language: str | None = None) -> dict[str, Any]:
        """The request's listing; what is not set is left out. `language` is that of the seller's text."""
        fields = {
            "listing_id": self.listing_id,
            "revision": self.revision,
            "title": self.title,
            "description": self.description,
            "brand": self.brand,
            "category": self.category,
            "price": {"amount": self.price.amount, "currency": self.price.currency} if self.price else None,
            "seller": {"id": self.seller_id, **_told(self.seller)},
            "complaints": self.complaints,
            "language": language or self.language,
            "deadline_ms": deadline_ms,
        }
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_json(cls, data: JsonObject) -> "Listing":
        """The listing from the shape of the request contract (the inverse of `to_json`)."""
        price, seller = data.get("price"), data["seller"]
        return cls(
            listing_id=data["listing_id"],
            title=data["title"],
            seller_id=seller["id"],
            revision=data.get("revision", 1),
            description=data.get("description"),
            brand=data.get("brand"),
            category=data.get("category"),
            price=Price(price["amount"], price["currency"]) if price else None,
            language=data.get("language"),
            complaints=data.get("complaints"),
            seller=SellerFacts(
                registered_on=date.fromisoformat(day) if (day := seller.get("registered_on")) else None,
                sales=seller.get("sales"),
                upheld_reports=seller.get("upheld_reports"),
                linked=tuple(seller.get("linked", ())),
            ),
        )


def _told(facts: SellerFacts) -> dict[str, Any]:
    """What is known of the seller, as the request has it."""
    fields = {
        "registered_on": facts.registered_on.isoformat() if facts.registered_on else None,
        "sales": facts.sales,
        "upheld_reports": facts.upheld_reports,
        "linked": list(facts.linked) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ScreenedBrand:
    """The brand that the listing shows; status is recognised, unknown or none, `confidence` 0 to 1.

    `looks_only` says that only the item's looks speak for it.
    """

    status: str
    id: str | None
    name: str | None
    recognised_by: tuple[str, ...]
    confidence: float = 0.0
    looks_only: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of the verdict and what it contributed to it."""

    code: str
    contribution: float
    message: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A picture of the listing that is near a reference; `box` is the part of the picture, relative x0, y0, x1, y1."""

    image: int
    reference_id: str
    kind: str
    brand_id: str | None
    use: str
    score: float
    box: tuple[float, float, float, float] | None
    method: str = ""


@dataclass(frozen=True, slots=True)
class FoundWords:
    """A registered name (`kind` "name") or a phrase of the copy trade ("replica") at code points of a field."""

    kind: str
    field: str
    start: int
    stop: int
    brand_id: str | None
    reads: str | None
    how: str | None
    context: str | None
    strength: int | None


@dataclass(frozen=True, slots=True)
class SellerText:
    """What to show to the seller."""

    language: str
    title: str
    body: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScreenedImage:
    """What became of a picture: screened, unusable (with a code) or skipped."""

    position: int
    status: str
    code: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """A part of the screening that ran or was skipped (with a reason)."""

    name: str
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Screening:
    """The service's answer about one listing revision; the verdict is clear, unscreenable, prompt or review.

    `hint` is publish or hold (wait for a person); `calibrated_on` says what the probability was fitted to.
    """

    id: str
    listing_id: str
    revision: int
    created_at: datetime
    verdict: str
    probability: float | None
    hint: str
    calibrated_on: str
    brand: ScreenedBrand
    reasons: tuple[Reason, ...]
    evidence: tuple[Evidence, ...]
    words: tuple[FoundWords, ...]
    prompt: SellerText | None
    images: tuple[ScreenedImage, ...]
    checks: tuple[Check, ...]
    rescreen: bool
    release: str | None
    timings_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a publish hook acts on: `allowed` is true whenever nothing speaks against publishing at once.

    `screened` is false when the service gave no answer; then `reason` says why, and the listing is to be screened later
    (`rescreen`). `marked` says whether it was handed over for that; false if there is nobody to hand it to.
    """

    allowed: bool
    screened: bool
    rescreen: bool
    marked: bool
    reason: str | None
    screening: Screening | None


OnRescreen = Callable[[Listing, Sequence[Picture], str], object]


def parse_screening(body: bytes) -> Screening:
    """The answer of `POST /v1/screenings`; unknown fields are ignored. Raises ScreenerAnswerInvalid."""
    try:
        return _screening(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ScreenerAnswerInvalid(f"the answer is not a screening: {type(error).__name__}") from error


def parse_error(status: int, body: bytes) -> ScreenerApiError:
    """The error of an answer that is not a success, whatever its body."""
    try:
        data = json.loads(body)
        error = data["error"]
        refused = ScreenerApiError(
            str(error["code"]), status, str(error["message"]), error.get("field"), error.get("request_id")
        )
        refused.problems = tuple(
            RowProblem(int(one["row"]), str(one["column"]), str(one["code"]), str(one["message"]))
            for one in data.get("problems", ())
        )
        return refused
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ScreenerApiError("http_error", status, "the service answered without an error body", None, None)


def _screening(data: JsonObject) -> Screening:
    brand, prompt = data["brand"], data.get("prompt")
    probability = data.get("probability")
    return Screening(
        id=str(data["id"]),
        listing_id=str(data["listing_id"]),
        revision=int(data["revision"]),
        created_at=datetime.fromisoformat(data["created_at"]),
        verdict=str(data["verdict"]),
        probability=None if probability is None else float(probability),
        hint=str(data.get("hint", "publish")),
        calibrated_on=str(data.get("calibrated_on", "")),
        brand=ScreenedBrand(
            str(brand["status"]),
            brand.get("id"),
            brand.get("name"),
            tuple(brand.get("recognised_by") or ()),
            float(brand.get("confidence") or 0.0),
            bool(brand.get("looks_only", False)),
        ),
        reasons=tuple(
            Reason(str(reason["code"]), float(reason.get("contribution") or 0.0), str(reason.get("message", "")))
            for reason in data.get("reasons", ())
        ),
        evidence=tuple(_evidence(evidence) for evidence in data.get("evidence", ())),
        words=tuple(_words(words) for words in data.get("words", ())),
        prompt=prompt and SellerText(prompt["language"], prompt["title"], prompt["body"], tuple(prompt["actions"])),
        images=tuple(
            ScreenedImage(int(image["position"]), str(image["status"]), image.get("code"), image.get("sha256"))
            for image in data.get("images", ())
        ),
        checks=tuple(
            Check(str(check["name"]), str(check["status"]), check.get("reason")) for check in data.get("checks", ())
        ),
        rescreen=bool(data.get("rescreen", False)),
        release=data.get("release"),
        timings_ms={str(name): float(value) for name, value in (data.get("timings_ms") or {}).items()},
    )


def _evidence(data: JsonObject) -> Evidence:
    box = data.get("box")
    corners = None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
    return Evidence(
        image=int(data["image"]),
        reference_id=str(data["reference_id"]),
        kind=str(data["kind"]),
        brand_id=data.get("brand_id"),
        use=str(data.get("use", "")),
        score=float(data["score"]),
        box=corners,
        method=str(data.get("method", "")),
    )


def _words(data: JsonObject) -> FoundWords:
    return FoundWords(
        kind=str(data["kind"]),
        field=str(data["field"]),
        start=int(data["start"]),
        stop=int(data["stop"]),
        brand_id=data.get("brand_id"),
        reads=data.get("reads"),
        how=data.get("how"),
        context=data.get("context"),
        strength=data.get("strength"),
    )
