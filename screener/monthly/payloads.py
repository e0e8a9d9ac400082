"""What the route of the monthly report answers."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from screener.drift.payloads import ShareOut


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class EstimateOut(_Out):
    """A share estimated from spot checks, with its 95 % interval."""

    value: Annotated[float | None, Field(description="Null where no result speaks of it.")]
    low: float
    high: float
    n: Annotated[int, Field(description="Results that it is a share of.")]
    effective_n: Annotated[float, Field(description="As how many equally weighted ones they count.")]
    enough: Annotated[bool, Field(description="Whether there is enough to speak of the value, not only the interval.")]


class EstimatesOut(_Out):
    """What spot checks planned in the month say of all listings."""

    listings: Annotated[EstimateOut, Field(description="Counterfeits among listings.")]
    orders: Annotated[EstimateOut, Field(description="Counterfeits among orders.")]
    precision: Annotated[EstimateOut, Field(description="Counterfeits among prompted listings.")]
    recall: Annotated[EstimateOut, Field(description="Counterfeits that were prompted at publish time.")]
    notes: Annotated[list[str], Field(description="What a reader must know.")]


class ScreenedOut(_Out):
    """Listings as they were screened."""

    screenings: int
    listings: int
    verdicts: dict[str, int]
    prompted: ShareOut
    shown: Annotated[int, Field(description="Prompts that sellers saw.")]
    degraded: int
    unknown: Annotated[int, Field(description="Of brands that nobody registered; see `/v1/discoveries`.")]
    unknown_sellers: int


class ConfirmedOut(_Out):
    """Listings whose items are counterfeit, and how they were noticed."""

    listings: int
    proactive: Annotated[ShareOut, Field(description="Prompted at publish time before any buyer complained.")]
    complained: Annotated[int, Field(description="A buyer complained first, or there was no prompt.")]
    silent: Annotated[int, Field(description="Neither prompted nor complained about.")]


class AppraisedOut(_Out):
    """What the month's appraised listings turned out to be."""

    counterfeit: int
    authentic: int
    inconclusive: int
    conflict: int
    confirmed: ConfirmedOut


class DecidedOut(_Out):
    """Decisions of people about the month's listings."""

    outcomes: dict[str, int]
    right: Annotated[ShareOut, Field(description="Counterfeits, of what people were sure about.")]
    waiting: int


class TimesOut(_Out):
    """Hours from a screening to its first decision."""

    number: int
    median: float | None
    p90: float | None


class AnswersOut(_Out):
    """What sellers did after the month's prompts."""

    kinds: dict[str, int]
    answered: ShareOut
    accepted: ShareOut
    appealed: ShareOut
    overturned: ShareOut


class LedgerOut(_Out):
    """The sellers' ledger of the month."""

    events: dict[str, int]
    points: int
    taken_back: int
    actions: dict[str, dict[str, int]]


class SignalsOut(_Out):
    """What buyers said in the month."""

    number: int
    suspected: int
    suspected_listings: int


class CostOut(_Out):
    """What the month's appraisals cost in one currency."""

    currency: str
    amount: Decimal
    appraised: int
    counterfeits: int
    each: Annotated[Decimal | None, Field(description="Per counterfeit found; null where none was.")]


class TopOut(_Out):
    """A brand or category with its prompts."""

    key: str
    name: str
    screened: int
    prompted: int


class ReportOut(_Out):
    """The report of a month."""

    month: Annotated[str, BeforeValidator(str), Field(description="YYYY-MM, in UTC.")]
    brand_id: str | None
    at: datetime
    over: Annotated[bool, Field(description="Whether the month is; appraisals come later still.")]
    screened: ScreenedOut
    estimates: EstimatesOut
    appraised: AppraisedOut
    by_people: ConfirmedOut
    decided: DecidedOut
    times: TimesOut
    answers: AnswersOut
    ledger: LedgerOut
    signals: SignalsOut
    costs: list[CostOut]
    brands: list[TopOut]
    categories: list[TopOut]


def record(report: Any) -> dict[str, Any]:
    """A report as JSON values, for the command line."""
    return ReportOut.model_validate(report).model_dump(mode="json")
