"""What the route of drift answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from screener.drift.figures import Lacking, Level


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class DistanceOut(_Out):
    """A distance between two distributions."""

    value: float
    expected: Annotated[float, Field(description="What chance alone makes of it, with so many rows.")]
    chance: Annotated[float, Field(description="Of a distance as large, if nothing had moved.")]


class ShiftOut(_Out):
    """How far one thing has moved."""

    name: Annotated[str, Field(description="`score`, a feature, `verdict`, `brand_status` or `brand`.")]
    psi: Annotated[DistanceOut, Field(description="Population stability index.")]
    ks: Annotated[DistanceOut | None, Field(description="Kolmogorov-Smirnov; null for what has no order.")]
    level: Annotated[Level, Field(description="Not `none` only where the shift is large and too large for chance.")]
    missing: Annotated[tuple[float, float], Field(description="Share without a value, in the baseline and now.")]


class ShareOut(_Out):
    """A share with its 95 % interval (Wilson)."""

    number: int
    of: int
    value: Annotated[float | None, Field(description="Null of nothing.")]
    low: float
    high: float
    before: Annotated[float | None, Field(description="In the baseline, where that is known.")]


class OriginOut(_Out):
    """What was compared with."""

    source: Literal["training", "screenings"]
    rows: float
    since: str
    until: str


class ReferencesOut(_Out):
    """The active references."""

    number: int
    median_days: float | None
    old: Annotated[int, Field(description="Older than a year.")]


class DriftOut(_Out):
    """A report of drift."""

    at: datetime
    since: datetime
    until: datetime
    screenings: Annotated[int, Field(description="In the period, as far as they can be compared.")]
    rows: Annotated[int, Field(description="Of them read, spread over the period.")]
    judge: str
    baseline: OriginOut | None
    lacking: Annotated[Lacking, Field(description="Why nothing is compared; null where something is.")]
    shifts: list[ShiftOut]
    prompted: Annotated[ShareOut, Field(description="Of the listings screened; by whole UTC days.")]
    degraded: Annotated[ShareOut, Field(description="Screenings in which a picture was left out for lack of time.")]
    unknown: Annotated[ShareOut, Field(description="Screenings of a brand that nobody registered.")]
    answered: Annotated[ShareOut, Field(description="Prompts that sellers answered, of those they saw.")]
    accepted: Annotated[ShareOut, Field(description="Answered prompts after which they edited or withdrew.")]
    references: ReferencesOut
