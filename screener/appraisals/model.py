"""What an appraisal is, before and after it is stored, and how a list of them is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from brands.errors import Invalid
from brands.model import AppraisalMethod, AppraisalOutcome, AppraisalSource

LISTED: Final = 50
"""Problems told of a refused list; who mends so many sees the rest with the next try."""
MOST: Final = 5_000
"""Appraisals in one list: far above any batch of purchases, and about a second for which other writers wait."""


@dataclass(frozen=True, slots=True)
class NewAppraisal:
    """What somebody says of an examined item; nothing of it is checked before `screener.appraisals.store.add`.

    The item is that of `screening_id`, or of the listing's latest screening: of its `revision`, or of any (None).
    `brand` is an id or a name, of the brand that the item is of or pretends to be of.
    """

    outcome: str
    appraiser: str
    method: str
    appraised_on: date
    screening_id: str | None = None
    listing_id: str | None = None
    revision: int | None = None
    brand: str | None = None
    confidence: float | None = None
    cost_amount: Decimal | None = None
    cost_currency: str | None = None
    evidence_hash: str | None = None
    evidence_uri: str | None = None
    bought_on: date | None = None
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Appraisal:
    """A stored appraisal. `withdrawn_at` is set for one that was a mistake and counts no more."""

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
    import_id: str | None
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    withdrawn_reason: str | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where in what was sent an appraisal stands.

    `row` is as people count it: the line of a table, whose heading is row 1, or the number of the task or of the entry.
    `path` is the same for programs (`appraisals[3]`, `rows[4]`, `tasks[0].annotations[1]`).
    """

    row: int
    path: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something cannot be stored: `column` "" for the whole row; the message never repeats what was sent."""

    place: Place
    column: str
    code: str
    message: str

    @property
    def field(self) -> str:
        """The place and the column as one."""
        return ".".join(part for part in (self.place.path, self.column) if part)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: the appraisals it stored, in order, and what it left out on purpose, by reason."""

    import_id: str
    appraisals: tuple[Appraisal, ...]
    skipped: dict[str, int]

    @property
    def added(self) -> int:
        """How many were stored."""
        return len(self.appraisals)


class AppraisalsRefused(Invalid):
    """Nothing of a list was stored; code, message and field are those of the first of its `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        ordered = sorted(problems, key=lambda problem: problem.place.row)
        first, self.total = ordered[0], len(ordered)
        self.problems = tuple(ordered[:LISTED])
        more = f" ({self.total - 1} more.)" if self.total > 1 else ""
        super().__init__(f"Row {first.place.row}: {first.message}{more}", code=first.code, field=first.field)
