"""What governance looks like over HTTP."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from brands.model import Standing
from brands.payloads import ReferenceOut


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class BackgroundOut(_Out):
    """Pictures of nothing registered: how many there are, how many would match by use and in `any`, and the share."""

    size: int
    uses: Mapping[str, int]
    share: float


class RivalOut(_Out):
    """Another brand's reference that the picture is nearer to than the threshold; a very new one has no id here."""

    reference_id: str
    use: str
    score: float
    method: str


class SampleOut(_Out):
    """A screened listing that would have matched; `brand` is `own`, `other` or `none`, `picture` a small JPEG."""

    screening_id: str
    image: int
    use: str
    score: float
    prompted: bool
    brand: str
    created_at: datetime
    picture: str | None = Field(description="Base64 of a JPEG; null where the picture was not kept.")


class ImpactOut(_Out):
    """What a reference would match.

    `blocking` has the codes of what only an admin may let in, `unusable` those of what nobody may; `hints` has both and
    what is merely worth knowing. `rivals` are for reviewers and admins.
    """

    encoder_id: str
    passed: bool
    background: BackgroundOut
    recent: Mapping[str, int]
    rivals: tuple[RivalOut, ...] = ()
    duplicates: tuple[str, ...]
    hints: tuple[str, ...]
    blocking: tuple[str, ...]
    unusable: tuple[str, ...]
    samples: tuple[SampleOut, ...]
    hidden: int = Field(description="Listings taken for other brands' goods, which a brand does not see.")


class PreviewOut(_Out):
    """A picture as it was read, and what it would match."""

    width: int
    height: int
    impact: ImpactOut


class CategoryCoverageOut(_Out):
    """Screened listings of a category, and in how many a reference matched."""

    category: str
    listings: int
    matched: int


class CoverageOut(_Out):
    """How well a brand's references cover what is sold under its name: 0 to 100, with what lacks."""

    score: int
    parts: Mapping[str, float]
    kinds: Mapping[str, int]
    products: tuple[int, ...]
    categories: tuple[CategoryCoverageOut, ...]
    lacking: tuple[str, ...]


class StandingOut(_Out):
    """How far a brand is trusted, by the decisions counted since a time; `vouched` of `first` references were let in
    by a second person."""

    brand_id: str
    standing: Standing
    right: int
    wrong: int
    since: datetime
    vouched: int
    first: int


class StandingChange(_In):
    """A brand's standing, by hand."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"standing": "new", "reason": "talked to them"}]}
    )
    standing: Standing
    reason: str = Field(min_length=1, max_length=2000)


class NoticeOut(_Out):
    """Something to know; `brand_id` null is the operator's."""

    id: str
    brand_id: str | None
    code: str
    object_id: str
    details: Mapping[str, Any]
    created_at: datetime
    read_at: datetime | None


class NoticesOut(_Out):
    """Notices, newest first; ask with `before=<next>` for older ones."""

    items: list[NoticeOut]
    next: str | None
    unread: int


class NoticesRead(_In):
    """Which notices were read; null means all."""

    ids: list[str] | None = Field(default=None, max_length=500)


class ReadOut(_Out):
    """How many notices were unread before."""

    read: int


class NegativeBody(_In):
    """A picture of a screening that looks like the brand's and is not."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"screening_id": "scr_" + "0" * 32, "image": 0, "notes": "another maker's"}]},
    )
    screening_id: str
    image: int = Field(ge=0, le=100, strict=True)
    notes: str = ""


class DescriptorsIn(_In):
    """A file of descriptions (`screener.governance.descriptors`)."""

    format: int = Field(strict=True)
    encoder: str
    facts: str
    entries: list[dict[str, Any]]


class ReferencesOut(_Out):
    """References that were added."""

    items: list[ReferenceOut]


def encoded(picture: bytes | None) -> str | None:
    """A picture as base64 text."""
    return None if picture is None else base64.b64encode(picture).decode("ascii")
