"""What queue, cases, decisions and responses look like over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from brands.model import Outcome, ReferenceKind, ReferenceState, ResponseKind, ReviewState
from screener.payloads import CheckOut, PromptOut, ReasonOut, WordsOut

Verdict = Literal["clear", "unscreenable", "prompt", "review"]
BoxOut = tuple[float, float, float, float]


def _text(value: Any) -> Any:
    """Pydantic would take numbers for texts in lax mode, and a NUL is no text."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("a text is expected")
    return value


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Out(BaseModel):
    """An answer, made from an object with the same names."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class NextIn(_In):
    """Which case is wanted; all of it may be left out."""

    brand_id: Annotated[str, BeforeValidator(_text)] | None = None
    appealed: bool | None = Field(None, strict=True, description="With an appeal, or without; null: both.")
    skip: list[Annotated[str, BeforeValidator(_text)]] = Field([], description="Screenings to leave out.")


class DecisionIn(_In):
    """What a person found; the latest decision about a screening counts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "counterfeit", "notes": "stitching"}]})
    outcome: Outcome = Field(
        description="`not_this_brand`: whatever it is, it is no item of the recognised brand, genuine or not."
    )
    notes: Annotated[str, BeforeValidator(_text)] = ""


class QueuedOut(Out):
    """A case in the queue."""

    screening_id: str
    listing_id: str
    revision: int
    title: str
    seller_id: str
    category: str | None
    verdict: Verdict
    probability: float
    brand_id: str | None
    brand_name: str | None
    state: ReviewState
    appealed: bool = Field(description="The seller attached a proof, or published anyway, and nobody looked since.")
    shown: bool = Field(description="The seller was told; not before people know enough of the brand's references.")
    value: float = Field(description="Probability x confidence x price in rough dollars.")
    weight: float = Field(description="The value, times what the seller's last response makes of it.")
    due: float = Field(description="The weight, times one plus the hours of waiting: the order of the queue.")
    queued_at: datetime
    claimed_by: str | None
    claimed_until: datetime | None
    outcome: Outcome | None
    decided_at: datetime | None


class QueueOut(Out):
    """A part of the queue; ask with `after=<next>` for the one behind it."""

    items: list[QueuedOut]
    next: str | None


class NextOut(Out):
    """The case that was taken; null when none is free."""

    case: QueuedOut | None


class PieceOut(Out):
    """A piece of a text, and the words of the answer that it is part of."""

    text: str
    found: list[WordsOut]


class TextOut(Out):
    """A field of the listing, in pieces."""

    field: Literal["brand", "title", "description"]
    pieces: list[PieceOut]


class CasePictureOut(Out):
    """A picture of the listing; `/v1/screenings/{id}/pictures/{position}` shows a `kept` one."""

    position: int
    status: Literal["screened", "unusable", "skipped"]
    code: str | None
    sha256: str
    kept: bool


class PrecisionOut(Out):
    """In how many decided screenings it was right and wrong, and the 95 % interval of the share."""

    right: int
    wrong: int
    share: float | None
    lower: float
    upper: float


class FoundOut(Out):
    """An entry of the evidence, and what its reference is now."""

    number: int
    image: int
    frame: int
    box: BoxOut
    reference_id: str
    brand_id: str
    brand_name: str | None
    kind: ReferenceKind
    use: Literal["copy", "product", "logo"]
    score: float
    method: str
    reference_state: ReferenceState | None = Field(description="Null for a reference that was erased.")
    reference_box: BoxOut | None
    reference_kept: bool
    reference_notes: str
    reference_source: str
    precision: PrecisionOut


class FeatureOut(Out):
    """What the judge was told; null for what was not known."""

    name: str
    unit: str
    value: float | None
    meaning: str


class OtherOut(Out):
    """Another screening, in a line."""

    screening_id: str
    listing_id: str
    revision: int
    at: datetime
    verdict: Verdict
    probability: float
    brand_id: str | None
    known_fake: bool
    outcome: Outcome | None


class CaseSellerOut(Out):
    """The seller: what the marketplace told, and what came of the latest screenings."""

    id: str
    facts: dict[str, Any]
    listings: int
    verdicts: dict[str, int]
    outcomes: dict[str, int]
    known_fakes: int
    first_seen: datetime | None
    authorised_by: list[str]
    recent: list[OtherOut]


class DecisionOut(Out):
    """A decision, who made it and what they noted."""

    id: str
    screening_id: str
    outcome: Outcome
    notes: str
    created_at: datetime
    created_by: str


class ResponseOut(Out):
    """What the seller did after the prompt; `images` are SHA-256."""

    id: str
    screening_id: str
    kind: ResponseKind
    text: str
    images: list[str]
    created_at: datetime


class CaseOut(Out):
    """A screening with all that speaks for or against it."""

    screening_id: str
    at: datetime
    release: str
    verdict: Verdict
    hint: str
    probability: float
    calibrated_on: str
    known_fake: bool
    brand: dict[str, Any]
    listing: dict[str, Any]
    texts: list[TextOut]
    pictures: list[CasePictureOut]
    evidence: list[FoundOut]
    base_log_odds: float
    reasons: list[ReasonOut]
    features: list[FeatureOut]
    checks: list[CheckOut]
    prompt: PromptOut | None
    seller: CaseSellerOut
    same_listing: list[OtherOut]
    review: QueuedOut | None
    decisions: list[DecisionOut]
    responses: list[ResponseOut]


class StateOut(Out):
    """What became of a prompt, for the marketplace."""

    screening_id: str
    state: ReviewState | None = Field(description="Null where the seller was not prompted.")
    appealed: bool
    outcome: Outcome | None
    decided_at: datetime | None
    responses: list[ResponseOut]


class ListedDecisionOut(Out):
    """A decision, as marketplaces follow them."""

    id: str
    screening_id: str
    listing_id: str
    revision: int
    seller_id: str
    outcome: Outcome
    created_at: datetime
