"""What matches, precision and trends look like over HTTP."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from brands.model import Outcome, ReferenceKind, ResponseKind, ReviewState
from screener.payloads import ReasonOut
from screener.review.payloads import BoxOut, CasePictureOut, Out, PrecisionOut, TextOut, Verdict


class MatchedOut(Out):
    """A reference of the brand in the evidence; `/v1/screenings/{id}/evidence/{number}` shows both side by side."""

    number: int
    reference_id: str
    kind: ReferenceKind
    use: Literal["copy", "product", "logo"]
    score: float
    method: str
    image: int
    frame: int
    box: BoxOut


class MatchOut(Out):
    """A screening that names or shows the brand, without anything of other brands."""

    screening_id: str
    at: datetime
    listing_id: str
    revision: int
    seller_id: str
    title: str
    texts: list[TextOut]
    category: str | None
    amount: str | None
    currency: str | None
    verdict: Verdict
    recognised: bool = Field(description="The listing is taken for the brand's goods.")
    probability: float | None = Field(description="Null where it is taken for another's.")
    reasons: list[ReasonOut]
    evidence: list[MatchedOut]
    pictures: list[CasePictureOut]
    state: ReviewState | None
    appealed: bool
    outcome: Outcome | None
    decided_at: datetime | None
    responses: list[ResponseKind]


class ReferencePrecisionOut(PrecisionOut):
    """How often a reference was right."""

    reference_id: str


class DayOut(Out):
    """Screenings of a UTC day, and what became of those until now."""

    day: date
    screened: int
    prompted: int
    review: int
    appealed: int
    counterfeit: int
    authentic: int
    unsure: int
    not_this_brand: int
    reviewed: int
    right: int
    wrong: int


class TrendsOut(Out):
    """A day after the other, the oldest first, and the precision of the prompts decided in that time."""

    days: list[DayOut]
    precision: PrecisionOut | None = Field(description="Of a brand; null for all.")
