"""What the ledger of sellers looks like over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from brands import checks
from brands.model import ActionState, SellerEventKind
from brands.payloads import Time
from screener.ledger.ledger import CASE_MAX
from screener.payloads import Identifier, Text


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class SellerEventBody(_In):
    """Something that was confirmed about a seller, or taken back.

    `complaint`: a brand's complaint was upheld. `appeal`: the seller's appeal against the entry `reverses` was upheld.
    `violation`: people confirmed a counterfeit in another way than by an appraisal; `note` says how.
    """

    seller_id: Identifier
    kind: Literal["complaint", "appeal", "violation"]
    brand_id: Text | None = None
    screening_id: Text | None = None
    reverses: Text | None = Field(None, description="Of an appeal: the id of the entry.")
    severe: bool = Field(False, strict=True, description="Of a violation: begins at the policy's later step.")
    case: Annotated[Text, Field(min_length=1, max_length=CASE_MAX)] | None = Field(
        None, description="Your number of the case: the same one again makes no second entry."
    )
    occurred_at: Time | None = Field(None, description="When it was confirmed; now, if left out.")
    note: Annotated[Text, Field(max_length=checks.NOTES_MAX)] = ""

    @model_validator(mode="after")
    def _fits(self) -> "SellerEventBody":
        if (self.kind == "appeal") != (self.reverses is not None) or (self.severe and self.kind != "violation"):
            raise ValueError("the fields do not go with the kind")
        own = (self.case, self.occurred_at, self.brand_id, self.screening_id)
        if self.kind == "appeal" and any(value is not None for value in own):
            raise ValueError("the fields do not go with the kind")
        return self


class ReportBody(_In):
    """What you did about an action."""

    state: Literal["executed", "declined"]
    note: Annotated[Text, Field(max_length=checks.NOTES_MAX)] = ""


class SellerEventOut(_Out):
    """An entry of the ledger."""

    id: str
    seller_id: str
    kind: SellerEventKind = Field(description="`warning`: a violation that gives no points.")
    brand_id: str | None
    screening_id: str | None
    source: str | None = Field(description="What it follows from.")
    severe: bool
    points: int
    policy: str = Field(description="The policy that gave the points.")
    counts_until: datetime | None
    reverses: str | None
    reversed_by: str | None = Field(description="The entry that took it back.")
    note: str
    occurred_at: datetime
    created_at: datetime
    created_by: str


class SellerActionOut(_Out):
    """What you should do with a seller."""

    id: str
    seller_id: str
    event_id: str = Field(description="The entry that brings it about.")
    action: str = Field(description="A word of the policy: warning, points, restriction, closure.")
    points: int = Field(description="The seller's total with that entry.")
    ends_at: datetime | None
    state: ActionState = Field(description="`reversed`: it is due no more; if it was executed, undo it.")
    note: str
    created_at: datetime
    updated_at: datetime
    updated_by: str


class SellerStandingOut(_Out):
    """What counts against a seller now, by the present policy."""

    seller_id: str
    points: int
    violations: int = Field(description="That count, warnings included.")
    warnings: int
    complaints: int
    next_decay: datetime | None = Field(description="When the next of these counts no more.")
    closed: bool = Field(description="A closure is recommended or executed.")
    restricted_until: datetime | None
    policy: str
    linked: list[str] = Field(description="Shops that you said belong to it, or it to them.")


class SellersOut(_Out):
    """Standings by the sellers' ids; ask with `after=<next>` for those behind them."""

    items: list[SellerStandingOut]
    next: str | None
