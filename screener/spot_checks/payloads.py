"""What spot checks look like over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from brands.database import Database
from brands.errors import Invalid
from brands.model import SpotCheckState, Strategy
from screener.spot_checks.estimate import estimate
from screener.spot_checks.model import BUDGET_MAX, DAYS_MAX, Filters, Plan, Shares
from screener.spot_checks.plan import DAYS, SEED_MAX
from screener.spot_checks.store import NOTE_MAX, ORDERS_MAX


def _text(value: Any) -> Any:
    """Pydantic would take numbers for texts in lax mode, and a NUL is no text."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("a text is expected")
    return value


Text = Annotated[str, BeforeValidator(_text)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class SharesBody(_In):
    """How much of the budget each strategy has a say in; all of them, adding up to 1."""

    random: float = Field(strict=True, description="At least 0.05: the same chance for every listing.")
    fakes: float = Field(strict=True)
    uncertain: float = Field(strict=True)
    diverse: float = Field(strict=True)
    value: float = Field(strict=True)
    complaints: float = Field(strict=True)


class PlanBody(_In):
    """A plan to make: how many items to buy, out of the listings screened last in so many days."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"budget": 200, "days": 30}]})
    budget: int = Field(ge=1, le=BUDGET_MAX, strict=True)
    days: float = Field(default=DAYS, gt=0, le=DAYS_MAX, description="The window ends now.")
    seed: int | None = Field(default=None, ge=0, le=SEED_MAX, strict=True, description="Null: one is drawn.")
    brand_id: Text | None = Field(default=None, description="Of this recognised brand only.")
    category: Text | None = Field(default=None, description="Of this category only.")
    shares: SharesBody | None = Field(default=None, description="Null: the shares that the docs name.")

    def arguments(self) -> dict[str, Any]:
        """For `screener.spot_checks.plan.plan`."""
        return {
            "budget": self.budget,
            "seed": self.seed,
            "window": timedelta(days=self.days),
            "filters": Filters(self.brand_id, self.category),
            "shares": Shares(**self.shares.model_dump()) if self.shares else Shares(),
        }


class StateBody(_In):
    """What became of a pick. `cancelled` with a note for an item that cannot be bought."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "ordered", "note": "", "orders": 12}]})
    state: SpotCheckState
    note: Text | None = Field(default=None, max_length=NOTE_MAX, description="Null: the note stays.")
    orders: int | None = Field(
        default=None, ge=0, le=ORDERS_MAX, strict=True, description="How many orders the listing had; null: stays."
    )


class CancelBody(_In):
    """Why a plan is cancelled."""

    note: Text = Field(default="", max_length=NOTE_MAX)


class PickOut(_Out):
    """A listing to buy. `inclusion` is the chance with which the whole design picks it; `reasons` has the part of each
    strategy (`chances`), what they looked at (`facts`), and the same in `words`."""

    id: str
    plan_id: str
    screening_id: str
    position: int
    strategy: Strategy = Field(description="That gave the pick the greatest part of its chance.")
    inclusion: float
    reasons: dict[str, Any]
    state: SpotCheckState
    note: str
    orders: int | None
    updated_at: datetime
    updated_by: str


class PlanOut(_Out):
    """A batch of items to buy, without the items."""

    id: str
    budget: int
    seed: int
    population: int = Field(description="Listings that could have been picked.")
    since: datetime
    until: datetime
    brand_id: str | None
    category: str | None
    shares: dict[Strategy, float]
    left_out: int = Field(description="Listings of the window that were appraised or planned before.")
    counts: dict[SpotCheckState, int]
    created_at: datetime
    created_by: str
    cancelled_at: datetime | None


class WholePlanOut(PlanOut):
    """A plan with its items, the most useful first."""

    picks: list[PickOut]


def shown(plan: Plan) -> dict[str, Any]:
    """A plan as `PlanOut` or `WholePlanOut` has it."""
    names = ("id", "budget", "seed", "population", "counts", "created_at", "created_by", "cancelled_at", "picks")
    asked: Mapping[str, Any] = plan.parameters
    return {
        **{name: getattr(plan, name) for name in names},
        "since": asked["since"],
        "until": asked["until"],
        "brand_id": asked["filters"].get("brand_id"),
        "category": asked["filters"].get("category"),
        "shares": asked["shares"],
        "left_out": len(asked["taken"]),
    }


class EstimateOut(_Out):
    """A share with its 95 % interval; `value` is null where no result speaks of it."""

    value: float | None
    low: float
    high: float
    n: int = Field(description="Results that it is a share of.")
    effective_n: float = Field(description="As how many equally weighted results they count.")
    enough: bool = Field(description="False: read the interval, not the value.")


class ToldOut(_Out):
    """What the estimates are made of."""

    plans: int
    listings: int
    picks: int
    results: int
    missing: int = Field(description="Picks that were cancelled, or whose appraisals came to nothing.")
    waiting: int
    known: int = Field(description="Listings that were appraised or planned before their plan, with a result.")
    partial: tuple[str, ...] = Field(description="Plans that lack results of prompted listings, or of the others.")


class EstimatesOut(_Out):
    """What the examined items say of all listings."""

    since: datetime
    until: datetime
    brand_id: str | None
    category: str | None
    listings: EstimateOut = Field(description="Rate of counterfeits among listings.")
    orders: EstimateOut = Field(description="Among orders, as far as the marketplace told how many a listing had.")
    value: EstimateOut = Field(description="By the prices asked.")
    precision: EstimateOut = Field(description="Share of counterfeits among prompted listings.")
    recall: EstimateOut = Field(description="Share of prompted ones among counterfeits.")
    categories: dict[str, EstimateOut] = Field(description='Rate by category; "" without one.')
    brands: dict[str, EstimateOut] = Field(description='Rate by recognised brand; "" without one.')
    told: ToldOut
    notes: tuple[str, ...]


ESTIMATE_DAYS: Final = 90
"""Of plans whose results are estimated from, where no time is asked for."""


def estimates_of(database: Database, since: datetime, until: datetime, filters: Filters) -> dict[str, Any]:
    """The estimates as `EstimatesOut` has them. Raises Invalid for a time that ends before it begins."""
    if not since < until or until - since > timedelta(days=20 * DAYS_MAX):
        raise Invalid("The time ends before it begins, or is too long.", code="invalid_window", field="since")
    with database.read() as conn:
        found = estimate(conn, since=since, until=until, filters=filters)
    names = [name for name in EstimatesOut.model_fields if hasattr(found, name)]
    return {
        **{name: getattr(found, name) for name in names},
        "brand_id": filters.brand_id,
        "category": filters.category,
    }
