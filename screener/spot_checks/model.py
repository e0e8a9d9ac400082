"""The values of spot checks: what is asked of a plan, the plan, its picks, and the population they are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from brands.errors import Invalid
from brands.model import STRATEGIES, SpotCheckState, Strategy

BUDGET_MAX: Final = 10_000
DAYS_MAX: Final = 366
LEAST_RANDOM: Final = 0.05
"""Least share of a budget that is random: without it, one missed counterfeit could weigh as much as thousands."""
_TEXT_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Filters:
    """Which listings a plan is about: of one recognised brand, of one category (as the marketplace writes it)."""

    brand_id: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of a budget each strategy has a say in; the shares add up to 1.

    `random` gives every listing the same chance. The others give chances in proportion to: counterfeits expected
    (`fakes`), closeness to the threshold of a prompt (`uncertain`), rarity of brand, seller, category and looks
    (`diverse`), probability x price (`value`), and what buyers reported (`complaints`). The share of a strategy that
    nothing is in favour of (no complaints, say) goes to the others.
    """

    random: float = 0.25
    fakes: float = 0.35
    uncertain: float = 0.15
    diverse: float = 0.1
    value: float = 0.1
    complaints: float = 0.05

    def checked(self) -> Shares:
        """The same. Raises Invalid for shares that make no sense."""
        given = self.as_dict()
        if any(not 0 <= share <= 1 for share in given.values()) or abs(sum(given.values()) - 1) > 1e-6:
            raise Invalid("The shares must be 0 to 1 and add up to 1.", code="invalid_shares", field="shares")
        if self.random < LEAST_RANDOM:
            raise Invalid(
                f"At least {LEAST_RANDOM:.0%} of a budget is random.", code="invalid_shares", field="shares.random"
            )
        return self

    def as_dict(self) -> dict[Strategy, float]:
        """The shares by strategy."""
        return {strategy: float(getattr(self, strategy)) for strategy in STRATEGIES}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a plan: how many items, from the listings screened last in [`since`, `until`)."""

    budget: int
    since: datetime
    until: datetime
    filters: Filters = Filters()
    shares: Shares = Shares()

    def checked(self) -> Asked:
        """The same. Raises Invalid."""
        if not 1 <= self.budget <= BUDGET_MAX:
            raise Invalid(f"A budget is 1 to {BUDGET_MAX:,} items.", code="invalid_budget", field="budget")
        if not self.since < self.until:
            raise Invalid("The window ends before it begins.", code="invalid_window", field="days")
        self.shares.checked()
        for name in ("brand_id", "category"):
            text = getattr(self.filters, name)
            if text is not None and (not 1 <= len(text) <= _TEXT_MAX or "\0" in text):
                raise Invalid(f"A filter is a text of 1 to {_TEXT_MAX} characters.", field=f"filters.{name}")
        return self

    def as_json(self) -> dict[str, Any]:
        """For the database and the audit log; `narrowed` still names a filter whose brand was erased."""
        filters = asdict(self.filters)
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "filters": filters,
            "narrowed": [name for name, value in filters.items() if value is not None],
            "shares": self.shares.as_dict(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """n listings that could be bought, in the order of their screenings, as arrays (n,).

    `brand`, `seller`, `category`, `looks` and `cluster` are numbers of groups, from 0: listings of one `cluster` are
    near-duplicates, of one `looks` have features alike. `prompted` says that the seller was told or a person looks,
    `threshold` is the probability from which that happens. `price` is in rough dollars, NaN where nobody knows it;
    `complaints` counts buyers. No recognised brand is a group too, and no category.
    """

    ids: tuple[str, ...]
    probability: NDArray[np.float64]
    prompted: NDArray[np.bool_]
    threshold: NDArray[np.float64]
    brand: NDArray[np.int64]
    seller: NDArray[np.int64]
    category: NDArray[np.int64]
    looks: NDArray[np.int64]
    cluster: NDArray[np.int64]
    price: NDArray[np.float64]
    complaints: NDArray[np.int64]

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray) and value.shape != (len(self.ids),):
                raise ValueError(f"{field.name} must have shape ({len(self.ids)},)")

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Stratum:
    """A part of the population that got about equally many picks: listings alike in probability."""

    prompted: bool
    listings: int


@dataclass(frozen=True, slots=True)
class Pick:
    """A listing to buy. `inclusion` is the chance with which the whole design picks it, 0 to 1.

    `strategy` gave it the greatest part of that chance. `reasons` has the part of each strategy (`chances`), what they
    looked at (`facts`), the same in `words`, and the `stratum`.
    """

    id: str
    plan_id: str
    screening_id: str
    position: int
    strategy: Strategy
    inclusion: float
    reasons: Mapping[str, Any]
    state: SpotCheckState
    note: str
    orders: int | None
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch of items to buy: drawn with `seed` from a population of so many listings.

    `parameters` has what was asked (`Asked.as_json`), the `strata`, and the screenings left out (`taken`), because they
    were appraised or planned already. `counts` says how many picks are in which state; `picks` are in the order of
    their use, the most useful first.
    """

    id: str
    budget: int
    seed: int
    population: int
    parameters: Mapping[str, Any]
    created_at: datetime
    created_by: str
    cancelled_at: datetime | None
    counts: Mapping[SpotCheckState, int]
    picks: tuple[Pick, ...] = ()
