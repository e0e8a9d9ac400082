"""What buyers' signals and bursts look like over HTTP: requests that refuse the unknown, answers with examples."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from brands.model import BurstSubject, SignalKind
from brands.payloads import Time
from screener.payloads import Identifier, Text
from screener.signals.store import AT_ONCE, TEXT_MAX, NewSignal


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class SignalIn(_In):
    """What a buyer wrote about one listing's item."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "return",
                    "external_id": "rma-88120",
                    "listing_id": "L-1024",
                    "text": "The serial number does not exist, this is a fake.",
                    "occurred_at": "2026-11-20T09:30:00Z",
                }
            ]
        }
    )

    kind: SignalKind = Field(description="A complaint, the reason given with a return, or a review.")
    listing_id: Identifier
    text: Annotated[Text, Field(min_length=1, max_length=TEXT_MAX)] = Field(description="The buyer's words.")
    external_id: Identifier | None = Field(
        None, description="The marketplace's own id. The same signal again is the first one; other words are refused."
    )
    seller_id: Identifier | None = Field(None, description="If left out, the seller of the listing's last screening.")
    language: Annotated[Text, Field(pattern="^[A-Za-z0-9-]{2,35}$")] | None = Field(
        None, description="BCP 47; guessed if left out."
    )
    occurred_at: Time | None = Field(None, description="When the buyer wrote; now if left out.")

    def new(self) -> NewSignal:
        """The signal, not checked yet."""
        return NewSignal(**dict(self))


class SignalsIn(_In):
    """One signal or several, stored all or none."""

    signals: list[SignalIn] = Field(min_length=1, max_length=AT_ONCE)


class SignalOut(_Out):
    """A signal as it was read. The classifier's opinion raises priorities; it is no verdict on the listing."""

    id: str = Field(examples=["sig_" + "0" * 32])
    kind: SignalKind
    external_id: str | None
    listing_id: str
    screening_id: str | None = Field(description="The listing's latest screening when the signal came.")
    seller_id: str | None
    brand_id: str | None = Field(description="That the text names, else that the listing was screened as.")
    category: str | None
    product: str | None = Field(description="The kind of goods that text or title name.", examples=["shoes"])
    text: str
    language: str = Field(description='BCP 47; "und" where nothing tells.')
    suspicion: float = Field(description="That the text suspects a counterfeit, from 0 to 1.")
    suspected: bool = Field(description="Whether that is enough to count.")
    classifier: str = Field(description="The model that read it.")
    occurred_at: datetime
    created_at: datetime
    created_by: str


class AddedOut(_Out):
    """The signals of a request, in its order."""

    items: tuple[SignalOut, ...]


class BurstOut(_Out):
    """More suspicions about one subject than chance brings."""

    id: str = Field(examples=["bst_" + "0" * 32])
    kind: BurstSubject
    subject: str = Field(description="A brand's id, a seller's id or a category.")
    number: int = Field(description="Suspected signals since `begins_at`.")
    expected: float = Field(description="How many are usual in that time.")
    chance: float = Field(description="Of so many or more, were they as frequent as usual.")
    begins_at: datetime
    ends_at: datetime = Field(description="It goes on while this is to come; every new sign of it moves it on.")
    created_at: datetime
