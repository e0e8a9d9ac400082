"""What the client sends and gets about examined items: results one by one, and files of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from screener.client_types import Price, ScreenerAnswerInvalid

AppraisalOutcome = Literal["counterfeit", "authentic", "inconclusive"]
AppraisalMethod = Literal["brand", "laboratory", "expert", "documents", "other"]


@dataclass(frozen=True, slots=True)
class ItemAppraisal:
    """What somebody found out about an item that was bought: by `screening_id`, or by `listing_id`, whose latest
    screening (of `revision`, None: of any) is meant. `brand` is an id or a name, `cost` that of item and appraisal."""

    outcome: AppraisalOutcome
    appraiser: str
    method: AppraisalMethod
    appraised_on: date
    screening_id: str | None = None
    listing_id: str | None = None
    revision: int | None = None
    brand: str | None = None
    confidence: float | None = None
    cost: Price | None = None
    evidence_hash: str | None = None
    evidence_uri: str | None = None
    bought_on: date | None = None
    notes: str = ""

    def to_json(self) -> dict[str, Any]:
        """The entry of a request, without what is not told."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        for name in ("appraised_on", "bought_on"):
            fields[name] = fields[name] and fields[name].isoformat()
        # As a text: a binary fraction would have more digits than an amount may have.
        fields["cost"] = self.cost and {"amount": repr(self.cost.amount), "currency": self.cost.currency}
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class StoredAppraisal:
    """An appraisal as the service has it."""

    id: str
    screening_id: str
    outcome: str
    brand_id: str | None
    appraiser: str
    appraised_on: date


@dataclass(frozen=True, slots=True)
class AppraisalImport:
    """What an import did: how many rows were stored, and how many annotations were left out on purpose, by reason."""

    import_id: str
    added: int
    skipped: Mapping[str, int]


def appraisals_body(appraisals: Sequence[ItemAppraisal]) -> Mapping[str, Any]:
    """The request as httpx takes it. Raises ValueError for numbers that JSON has no word for."""
    content = json.dumps({"appraisals": [one.to_json() for one in appraisals]}, allow_nan=False).encode()
    return {"content": content, "headers": {"Content-Type": "application/json"}}


def parse_appraisals(body: bytes) -> tuple[StoredAppraisal, ...]:
    """The answer of `POST /v1/appraisals`. Raises ScreenerAnswerInvalid."""
    try:
        return tuple(
            StoredAppraisal(
                id=str(made["id"]),
                screening_id=str(made["screening_id"]),
                outcome=str(made["outcome"]),
                brand_id=made["brand_id"],
                appraiser=str(made["appraiser"]),
                appraised_on=date.fromisoformat(made["appraised_on"]),
            )
            for made in json.loads(body)["appraisals"]
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ScreenerAnswerInvalid(f"the answer is no list of appraisals: {type(error).__name__}") from error


def parse_import(body: bytes) -> AppraisalImport:
    """The answer of `POST /v1/appraisals/import`. Raises ScreenerAnswerInvalid."""
    try:
        data = json.loads(body)
        skipped = {str(reason): int(number) for reason, number in data["skipped"].items()}
        return AppraisalImport(str(data["import_id"]), int(data["added"]), skipped)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ScreenerAnswerInvalid(f"the answer is not that of an import: {type(error).__name__}") from error
