"""Entries of the ledger and recommended actions, as values."""

from dataclasses import dataclass
from datetime import datetime

from brands.model import ActionState, SellerEventKind


@dataclass(frozen=True, slots=True)
class SellerEvent:
    """An entry: a violation (a `warning` without points), an upheld complaint, or an `appeal` that takes one back.

    `counts_until` is when its points end; `source` what it follows from; `policy` the policy that gave the points;
    `reversed_by` the appeal that took it back.
    """

    id: str
    seller_id: str
    kind: SellerEventKind
    brand_id: str | None
    screening_id: str | None
    source: str | None
    severe: bool
    points: int
    policy: str
    counts_until: datetime | None
    reverses: str | None
    note: str
    occurred_at: datetime
    created_at: datetime
    created_by: str
    reversed_by: str | None = None


@dataclass(frozen=True, slots=True)
class SellerAction:
    """What the marketplace should do with a seller; `points` is the total that it follows from.

    `state`: `recommended` until the marketplace says `executed` or `declined`; `reversed` once it is due no more, and
    then the marketplace should undo it.
    """

    id: str
    seller_id: str
    event_id: str
    action: str
    points: int
    ends_at: datetime | None
    state: ActionState
    note: str
    created_at: datetime
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True, slots=True)
class SellerStanding:
    """A seller now: what counts, whether to close or restrict it, and which shops the marketplace links to it.

    `closed` and `restricted_until` are of actions that are recommended or executed, not of declined ones.
    """

    seller_id: str
    points: int
    violations: int
    warnings: int
    complaints: int
    next_decay: datetime | None
    closed: bool
    restricted_until: datetime | None
    policy: str
    linked: tuple[str, ...]
