"""What trace, retention and erasure look like over HTTP."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from brands.holds import OBJECT_MAX
from brands.model import HoldKind
from brands.receipts import ReceiptKind
from screener.payloads import Text
from screener.retention.erase import ErasureKind

ObjectId = Annotated[Text, Field(min_length=1, max_length=OBJECT_MAX)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class AuditRowOut(_Out):
    """A change. `before` and `after` are null where there was nothing, and where the words were erased."""

    sequence: int
    at: str
    actor: str = Field(description="`key:<id>`, `cli:<user>` or `service:<part>`.")
    action: str
    kind: str = Field(description="What kind of thing `object_id` names.")
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    previous_hash: str
    hash: str


class CheckpointOut(_Out):
    """The hash of a row of the audit log, signed with Ed25519; key and signature in base64."""

    sequence: int
    hash: str
    at: str
    public_key: str
    signature: str


class ReceiptOut(_Out):
    """What was deleted: how much of what, and of whom as an HMAC; signed with Ed25519, in base64."""

    id: str
    kind: ReceiptKind
    subject: str
    counts: dict[str, int]
    created_at: str
    created_by: str
    public_key: str
    signature: str


class HoldBody(_In):
    """What must not be deleted, and why."""

    kind: HoldKind
    object_id: ObjectId = Field(description="Id of the screening or brand, or the marketplace's id of the seller.")
    reason: Text


class HoldOut(_Out):
    """A legal hold; released ones forbid nothing."""

    id: str
    kind: HoldKind
    object_id: str
    reason: str
    created_at: datetime
    created_by: str
    released_at: datetime | None
    released_by: str | None


class PlanOut(_Out):
    """Screenings that are due to be deleted, and those that would be but for a hold."""

    flagged: int
    clear: int
    held: int


class BatchOut(_Out):
    """The receipt of the cases that were deleted, null when none was due."""

    receipt: ReceiptOut | None


class ErasureBody(_In):
    """Whose data is to be erased; `confirm` repeats `object_id`."""

    kind: ErasureKind
    object_id: ObjectId
    confirm: Text


class ErasedOut(_Out):
    """The receipt. `compacted` false: the file still holds deleted rows; run `listing-screener erase compact`."""

    receipt: ReceiptOut
    compacted: bool


class UnfinishedOut(_Out):
    """An erasure that stopped half-way: of what kind, and what was deleted so far."""

    subject: str
    kind: ErasureKind
    counts: dict[str, int]
    started_at: datetime
    started_by: str
