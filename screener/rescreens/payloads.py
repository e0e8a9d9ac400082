"""What the queue of listings to be screened again looks like over HTTP."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from brands.model import RescreenReason, RescreenState


class RescreenOut(BaseModel):
    """A listing that waits for another look, or waited."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: str
    screening_id: str
    listing_id: str
    revision: int
    seller_id: str
    reason: RescreenReason
    cause: str | None = Field(description="The seller whose confirmed counterfeit led here.")
    state: RescreenState
    result_id: str | None = Field(description="The screening that ended the wait.")
    created_at: datetime
    updated_at: datetime
