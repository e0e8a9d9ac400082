"""What releases look like over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from brands.model import ReleaseState, SwitchKind
from screener.releases.registry import NOTE_MAX
from screener.releases.rows import ModelRelease

_ID = "mod_4f2a9c01d7e3b586"
_WHO = "key:key_01931e4f3c2a7b8d9e0f1a2b3c4d5e6f"


class _Out(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reason(_In):
    """Why; it is kept in the audit log."""

    reason: str = Field(min_length=1, max_length=NOTE_MAX, examples=["Recall of shoes rose by 6 points."])


class Share(_In):
    """How many live listings the candidate judges without effect."""

    share: float = Field(ge=0, le=1, description="Of live listings; 0 ends it.", examples=[0.1])


class IdsOut(_Out):
    """The models of a release."""

    encoder: str = Field(examples=["enc_9b1d0c4f7a2e6358"])
    judge: str = Field(examples=["jdg_9b1d0c4f7a2e6358"])
    policy: str = Field(examples=["pol_9b1d0c4f7a2e6358"])


class GateOut(_Out):
    """One condition of a promotion."""

    name: str
    passed: bool
    detail: str


class ModelOut(_Out):
    """A release: models that are served together, and what was decided about them."""

    id: str = Field(examples=[_ID])
    models: IdsOut
    state: ReleaseState
    here: bool = Field(description="Whether this server has its models.")
    gates: list[GateOut] = Field(description="Of its report; none for what was served before the first promotion.")
    dataset: str | None = Field(description="The frozen data set on which it was measured.")
    shadow_share: float
    note: str
    proposed_at: datetime
    proposed_by: str = Field(examples=[_WHO])
    approved_at: datetime | None
    approved_by: str | None


class ModelDetailsOut(ModelOut):
    """A release with its whole report."""

    report: dict[str, Any] | None


class SwitchOut(_Out):
    """A change of what is served."""

    id: str
    release_id: str = Field(examples=[_ID])
    previous_id: str | None = Field(description="What a rollback from here goes back to.")
    kind: SwitchKind
    reason: str
    created_at: datetime
    created_by: str = Field(examples=[_WHO])


class PreparationOut(_Out):
    """A promotion that this server was asked for: how many references are embedded, of how many."""

    release_id: str
    state: Literal["preparing", "done", "failed"]
    done: int
    total: int
    fault: str | None


class ModelsOut(_Out):
    """What this server serves, and every release."""

    served: str = Field(examples=[_ID])
    models: IdsOut
    fault: str | None = Field(description="Why this server does not serve the release that was promoted last.")
    shadow: str | None = Field(description="The release that judges in the shadow on this server.")
    promotion: PreparationOut | None
    items: list[ModelOut]
    switches: list[SwitchOut]


class DifferenceOut(_Out):
    """One value that differs; null where a release has no such thing."""

    where: str
    first: Any
    second: Any


class DiffOut(_Out):
    """What differs between two releases."""

    first: IdsOut
    second: IdsOut
    encoder: list[DifferenceOut]
    judge: list[DifferenceOut]
    policy: list[DifferenceOut]


class MillisecondsOut(_Out):
    """Of one listing."""

    mean: float
    p95: float


class DisagreementOut(_Out):
    """A listing on which the two differ."""

    screening_id: str
    listing_id: str
    served: str
    shadow: str
    served_probability: float
    shadow_probability: float
    difference: float = Field(description="In log-odds, the candidate's less the served one's.")
    value: float = Field(description="Asked price in rough dollars, 1 to 1,000.")


class ShadowOut(_Out):
    """What a candidate in the shadow would have done."""

    release_id: str
    listings: int
    dropped: int = Field(description="Listings of its share that this server had no time for since it started.")
    since: datetime | None
    until: datetime | None
    verdicts: Mapping[str, Mapping[str, int]] = Field(description="Listings by the answered and its own verdict.")
    agreed: int
    agreement: float | None
    agreement_low: float | None = Field(description="Of the 95 % interval.")
    agreement_high: float | None
    kappa: float | None
    correlation: float | None = Field(description="Of the log-odds.")
    mean_difference: float | None = Field(description="In log-odds, the candidate's less the served one's.")
    newly_flagged: int
    no_longer_flagged: int
    other_brand: int
    served_ms: MillisecondsOut | None = Field(description="Of whole answers.")
    shadow_ms: MillisecondsOut | None = Field(description="Of judging alone.")
    disagreements: list[DisagreementOut]


def model_out(release: ModelRelease, *, here: bool) -> ModelOut:
    """A release without the figures of its report."""
    return ModelOut(**_fields(release, here))


def details_out(release: ModelRelease, *, here: bool) -> ModelDetailsOut:
    """A release with its report."""
    return ModelDetailsOut(**_fields(release, here), report=None if release.report is None else dict(release.report))


def _fields(release: ModelRelease, here: bool) -> dict[str, Any]:
    report = release.report
    return {
        "id": release.id,
        "models": IdsOut.model_validate(release.models),
        "state": release.state,
        "here": here,
        "gates": [GateOut(**gate) for gate in report["gates"]] if report else [],
        "dataset": report["dataset"] if report else None,
        "shadow_share": release.shadow_share,
        "note": release.note,
        "proposed_at": release.proposed_at,
        "proposed_by": release.proposed_by,
        "approved_at": release.approved_at,
        "approved_by": release.approved_by,
    }
