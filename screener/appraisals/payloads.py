"""What appraisals look like over HTTP: requests that refuse the unknown, answers with examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from brands.model import AppraisalMethod, AppraisalOutcome, AppraisalSource
from brands.payloads import Amount, Day
from screener.appraisals.model import LISTED, AppraisalsRefused, NewAppraisal, Place, Problem
from screener.payloads import MAX_REVISION

AT_ONCE = 1_000
"""Appraisals in one request; more come as a file."""

_NEW: dict[str, Any] = {
    "screening_id": "scr_" + "0" * 32,
    "outcome": "counterfeit",
    "brand": "Norvokka",
    "appraiser": "Lab Nord",
    "method": "laboratory",
    "confidence": 0.97,
    "cost": {"amount": "86.40", "currency": "EUR"},
    "evidence_hash": "9f" * 32,
    "evidence_uri": "s3://reports/2026/1187.pdf",
    "bought_on": "2026-11-02",
    "appraised_on": "2026-11-16",
    "notes": "Glue and stitching of the sole.",
}


def _text(value: Any) -> Any:
    """Pydantic would take numbers for texts in lax mode, and a NUL is no text."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("a text is expected")
    return value


def _share(value: Any) -> Any:
    """Neither a truth value nor a text, which pydantic would take in lax mode."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("a number is expected")
    return value


Text = Annotated[str, BeforeValidator(_text)]
Share = Annotated[float, BeforeValidator(_share, json_schema_input_type=float)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class CostBody(_In):
    """What item and appraisal cost together; the amount is a number or, to keep every digit, a text."""

    amount: Amount
    currency: Text = Field(description="ISO 4217 code.")


class AppraisalIn(_In):
    """What somebody found out about an item: by `screening_id`, or by `listing_id`, whose latest screening is meant."""

    model_config = ConfigDict(json_schema_extra={"examples": [_NEW]})
    screening_id: Text | None = None
    listing_id: Text | None = None
    revision: int | None = Field(None, strict=True, ge=0, le=MAX_REVISION, description="With `listing_id`.")
    outcome: AppraisalOutcome
    brand: Text | None = Field(None, description="Id or name of the brand that it is of, or pretends to be of.")
    appraiser: Text = Field(description="Who examined it. The same one may appraise an item once.")
    method: AppraisalMethod
    confidence: Share | None = Field(None, ge=0, le=1, description="The appraiser's own.")
    cost: CostBody | None = None
    evidence_hash: Text | None = Field(None, description="SHA-256 of the report, 64 hexadecimal digits.")
    evidence_uri: Text | None = Field(None, description="Where the report is kept. It is never fetched.")
    bought_on: Day | None = None
    appraised_on: Day
    notes: Text = ""

    def new(self) -> NewAppraisal:
        """The appraisal, not checked yet."""
        values = self.model_dump(exclude={"cost"})
        if self.cost is not None:
            values |= {"cost_amount": self.cost.amount, "cost_currency": self.cost.currency}
        return NewAppraisal(**values)


class AppraisalsIn(_In):
    """Appraisals to store, all of them or none."""

    appraisals: list[AppraisalIn] = Field(max_length=AT_ONCE)


class WithdrawIn(_In):
    """Why an appraisal was a mistake."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "the reports of two items were mixed up"}]})
    reason: Text


class CostOut(_Out):
    """An amount of money; the amount is a text, so that no digit is lost."""

    amount: Decimal
    currency: str


class AppraisalOut(_Out):
    """An appraisal as it is; one that was withdrawn counts no more."""

    id: str
    screening_id: str
    outcome: AppraisalOutcome
    brand_id: str | None
    appraiser: str
    method: AppraisalMethod
    confidence: float | None
    cost_amount: Decimal | None
    cost_currency: str | None
    evidence_hash: str | None
    evidence_uri: str | None
    bought_on: date | None
    appraised_on: date
    notes: str
    source: AppraisalSource
    import_id: str | None = Field(description="The rows of one file share it.")
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_reason: str | None
    created_at: datetime
    created_by: str


class AddedOut(_Out):
    """The appraisals that were stored, in the order sent."""

    appraisals: list[AppraisalOut]


class ImportedOut(_Out):
    """What an import did; all rows of a file were stored, but for what it `skipped` on purpose, by reason."""

    import_id: str
    added: int
    skipped: Mapping[str, int] = Field(
        description="Of Label Studio: `unlabelled` tasks; `cancelled`, `rejected`, `not_ground_truth` annotations."
    )


class ProblemOut(_Out):
    """What is wrong with one row: `row` as people count it (a table's heading is row 1), `column` empty for all."""

    row: int
    column: str
    field: str
    code: str
    message: str


class DisagreementOut(_Out):
    """An item whose appraisers decided differently; all of what they say is kept, and none of it is a label."""

    screening_id: str
    listing_id: str
    revision: int
    brand_id: str | None
    appraisals: list[AppraisalOut]


def problem_out(problem: Problem) -> ProblemOut:
    """A problem as it is told."""
    return ProblemOut(
        row=problem.place.row,
        column=problem.column,
        field=problem.field,
        code=problem.code,
        message=problem.message,
    )


def parse_list(body: Any) -> tuple[NewAppraisal, ...]:
    """The appraisals of a JSON body. Raises AppraisalsRefused with what does not fit, entry by entry."""
    try:
        return tuple(one.new() for one in AppraisalsIn.model_validate(body).appraisals)
    except ValidationError as error:
        problems = [_problem(one) for one in error.errors(include_url=False, include_input=False)[: LISTED * 4]]
        raise AppraisalsRefused(problems) from None


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema without references: the API's document has it beside a route, where its own names do not reach."""
    named = schema.get("$defs", {})

    def whole(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return whole(named[part["$ref"].rsplit("/", 1)[1]])
            return {name: whole(value) for name, value in part.items() if name != "$defs"}
        return [whole(value) for value in part] if isinstance(part, list) else part

    made: dict[str, Any] = whole(dict(schema))
    return made


def _problem(error: Mapping[str, Any]) -> Problem:
    """One of pydantic's complaints; the names of unknown fields are the caller's words, so they are left out."""
    where: Sequence[str | int] = error["loc"]
    unknown = error["type"] == "extra_forbidden"
    if unknown:
        where, message = where[:-1], "There is a field that is not known here."
    elif error["type"] in ("value_error", "assertion_error"):
        message = "The value is not allowed."
    else:
        message = str(error["msg"])
    place, column = Place(1, str(where[0]) if where else ""), ""
    if len(where) > 1 and isinstance(where[1], int):
        place = Place(where[1] + 1, f"appraisals[{where[1]}]")
        column = ".".join(str(part) for part in where[2:])
    return Problem(place, column, "invalid_request", message)
