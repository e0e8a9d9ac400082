"""What webhook endpoints and messages look like over HTTP."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from brands.model import DeliveryState, EndpointState
from brands.payloads import Time
from screener.payloads import Text
from screener.webhooks.addresses import URL_MAX
from screener.webhooks.endpoints import DESCRIPTION_MAX
from screener.webhooks.types import TYPES, MessageType


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class EndpointBody(_In):
    """An endpoint to make. It gets the messages of these types that are written from now on."""

    url: Annotated[Text, Field(max_length=URL_MAX)] = Field(
        description="Begins with https:// and leads to a public address.", examples=["https://shop.example/hooks"]
    )
    types: list[MessageType] = Field(default=list(TYPES), min_length=1, description="Which messages; all if left out.")
    description: Annotated[Text, Field(max_length=DESCRIPTION_MAX)] = ""


class ReasonBody(_In):
    """Why, for the audit log."""

    reason: Annotated[Text, Field(max_length=2_000)] = ""


class SecretBody(_In):
    """How many hours the old secret signs beside the new one."""

    keep_hours: int = Field(24, ge=0, le=24 * 30, strict=True)


class ReplayBody(_In):
    """To which endpoint; null: to all that the message went to."""

    endpoint_id: Text | None = None


class ReplaySinceBody(_In):
    """From when on, and whether only what failed for good."""

    since: Time
    only_failed: bool = Field(True, strict=True)


class EndpointOut(_Out):
    """An endpoint without its secret."""

    id: str
    url: str
    description: str
    types: list[str]
    state: EndpointState = Field(description="`paused`: its messages wait until it is resumed.")
    secret_number: int = Field(description="How many secrets it has had.")
    previous_until: datetime | None = Field(description="Until then, the secret before signs as well.")
    created_at: datetime
    created_by: str


class NewEndpointOut(_Out):
    """An endpoint and its secret, which is shown this once."""

    endpoint: EndpointOut
    secret: str = Field(examples=["whsec_..."])


class DeliveryOut(_Out):
    """What became of a message at one endpoint."""

    endpoint_id: str
    state: DeliveryState
    attempts: int
    next_at: datetime | None = Field(description="When it is tried next; while an attempt runs, when that is given up.")
    status: int | None = Field(description="HTTP status of the last answer.")
    error: str | None
    updated_at: datetime


class MessageOut(_Out):
    """A message, and what became of it."""

    id: str = Field(description="The header `webhook-id`.")
    type: str
    created_at: datetime
    payload: dict[str, Any] = Field(description="What is sent as `data`.")
    deliveries: list[DeliveryOut]


class TestOut(_Out):
    """The message that was written; `GET /v1/webhooks/messages/{message_id}` says whether it arrived."""

    message_id: str


class ReplayedOut(_Out):
    """How many messages are sent again."""

    messages: int
