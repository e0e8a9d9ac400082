"""Reads the results of plans: for each examined item what came out, and how many listings it stands for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.model import Price
from brands.schema import appraisals, screenings, spot_check_plans, spot_checks
from screener.appraisals.labels import DECIDED, Label, read_labels
from screener.records import REVIEWED
from screener.review.value import dollars
from screener.spot_checks.model import Filters, Stratum
from screener.spot_checks.sql import inside
from screener.spot_checks.weights import weights

_AT_ONCE: Final = 500
_UNCOVERED: Final = 0.01
"""Share of a plan's listings that may be without any result before the plan says nothing of all listings."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """m results, as arrays (m,); one of several plans may be there for each.

    `weight` is how many listings a result stands for, at least 1. `price` is in rough dollars, `orders` how many the
    listing had, NaN where unknown. `whole` is False for results of plans that can speak of the prompted only.
    """

    weight: NDArray[np.float64]
    counterfeit: NDArray[np.bool_]
    prompted: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    price: NDArray[np.float64]
    orders: NDArray[np.float64]
    brand: NDArray[np.str_]
    category: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.weight)

    def where(self, chosen: NDArray[np.bool_]) -> Sample:
        """The results where `chosen` (m,) is True."""
        return Sample(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Told:
    """What is behind a sample: plans, their listings, their picks, and what became of these.

    `results` are decided appraisals of picks; `missing` were cancelled, or their appraisals came to nothing; `waiting`
    are on their way. `known` are listings that were appraised, or planned, before their plan, and have a result.
    `partial` are plans without a result among those that were not prompted, or among those that were.
    """

    plans: int
    listings: int
    picks: int
    results: int
    missing: int
    waiting: int
    known: int
    partial: tuple[str, ...]


def read_sample(conn: sa.Connection, *, since: datetime, until: datetime, filters: Filters) -> tuple[Sample, Told]:
    """The results of the plans made in [`since`, `until`) that are about all that `filters` name, and of nothing else
    than that."""
    plans = [row for row in conn.execute(_plans(since, until)) if _covers(row.parameters, filters)]
    picks = list(_picks(conn, [plan.id for plan in plans]))
    taken = {plan.id: plan.parameters["taken"] for plan in plans}
    facts = _facts(conn, {pick.screening_id for pick in picks} | {one for own in taken.values() for one in own})
    parts: list[Sample] = []
    results = missing = known = listings = 0
    partial: list[str] = []
    for plan in plans:
        own = [pick for pick in picks if pick.plan_id == plan.id]
        told = [pick for pick in own if pick.screening_id in facts and facts[pick.screening_id].counterfeit is not None]
        missing += sum(pick.state in ("cancelled", "appraised") and pick not in told for pick in own)
        results += len(told)
        strata = [Stratum(**stratum) for stratum in plan.parameters["strata"]]
        known_here = [facts[name] for name in taken[plan.id] if name in facts]
        listings += plan.population + len(known_here)
        known += sum(fact.counterfeit is not None for fact in known_here)
        stratum = np.array([pick.reasons["stratum"] for pick in told], dtype=np.int64)
        weight = weights(np.array([pick.inclusion for pick in told], dtype=np.float64), stratum, strata)
        whole = _covered(strata, stratum, prompted=False)
        if not _covered(strata, stratum, prompted=True) or not whole:
            partial.append(plan.id)
        rows = [facts[pick.screening_id] for pick in told]
        parts.append(_sample(rows, weight, whole=whole))
        parts += _known(known_here, whole=whole)
    sample = _joined(parts)
    if filters.brand_id is not None:
        sample = sample.where(sample.brand == filters.brand_id)
    if filters.category is not None:
        sample = sample.where(sample.category == filters.category)
    waiting = len(picks) - results - missing
    return sample, Told(len(plans), listings, len(picks), results, missing, waiting, known, tuple(partial))


@dataclass(frozen=True, slots=True)
class _Fact:
    counterfeit: bool | None  # None: not known
    prompted: bool
    price: float
    orders: float
    brand: str
    category: str


def _plans(since: datetime, until: datetime) -> sa.Select[Any]:
    made = spot_check_plans.c.created_at
    return sa.select(spot_check_plans).where(made >= since, made < until).order_by(spot_check_plans.c.id)


def _covers(parameters: Mapping[str, Any], asked: Filters) -> bool:
    """A plan about everything says something of each part; one about a part says nothing of the rest."""
    wanted = asdict(asked)
    own = parameters["filters"]
    return all(name in own and own[name] == wanted[name] for name in parameters["narrowed"])


def _picks(conn: sa.Connection, plan_ids: Sequence[str]) -> Iterator[Any]:
    names = ("plan_id", "screening_id", "inclusion", "reasons", "state")
    for chunk in _chunks(plan_ids):
        query = sa.select(*(spot_checks.c[name] for name in names)).where(spot_checks.c.plan_id.in_(chunk))
        yield from conn.execute(query.order_by(spot_checks.c.plan_id, spot_checks.c.position))


def _facts(conn: sa.Connection, screening_ids: Collection[str]) -> dict[str, _Fact]:
    """What is known of screenings; those that were deleted are left out."""
    request = sa.type_coerce(screenings.c.request, sa.Text)
    found: dict[str, Any] = {}
    orders: dict[str, int] = {}
    for chunk in _chunks(sorted(screening_ids)):
        query = sa.select(
            *(screenings.c[name] for name in ("id", "listing_id", "verdict", "brand_id", "category")),
            inside(conn, request, "price", "amount").label("amount"),
            inside(conn, request, "price", "currency").label("currency"),
        ).where(screenings.c.id.in_(chunk))
        found |= {row.id: row for row in conn.execute(query)}
        counted = sa.select(spot_checks.c.screening_id, spot_checks.c.orders).where(
            spot_checks.c.screening_id.in_(chunk), spot_checks.c.orders.is_not(None)
        )
        orders |= {row.screening_id: row.orders for row in conn.execute(counted.order_by(spot_checks.c.updated_at))}
    outcomes = _outcomes(conn, {row.listing_id for row in found.values()})
    nan = float("nan")
    return {
        name: _Fact(
            counterfeit=outcomes.get(row.listing_id, {}).get(name, outcomes.get(row.listing_id, {}).get(None)),
            prompted=row.verdict in REVIEWED,
            price=dollars(Price(Decimal(str(row.amount)), row.currency)) if row.amount and row.currency else nan,
            orders=float(orders.get(name, nan)),
            brand=row.brand_id or "",
            category=row.category or "",
        )
        for name, row in found.items()
    }


def _outcomes(conn: sa.Connection, listing_ids: Collection[str]) -> dict[str, dict[str | None, bool]]:
    """Whether listings' items are counterfeit: by screening, and under None by the listing's latest result."""
    listing_of: dict[str, str] = {}
    for chunk in _chunks(sorted(listing_ids)):
        query = (
            sa.select(screenings.c.id, screenings.c.listing_id)
            .join(appraisals, appraisals.c.screening_id == screenings.c.id)
            .where(screenings.c.listing_id.in_(chunk), appraisals.c.withdrawn_at.is_(None))
        )
        listing_of |= dict(map(tuple, conn.execute(query.distinct())))
    labels = [own for own in read_labels(conn, screening_ids=listing_of).values() if own.outcome in DECIDED]
    found: dict[str, dict[str | None, bool]] = {}
    for label in sorted(labels, key=_when):
        counterfeit = label.outcome == "counterfeit"
        found.setdefault(listing_of[label.screening_id], {}).update(
            {label.screening_id: counterfeit, None: counterfeit}
        )
    return found


def _when(label: Label) -> tuple[Any, str]:
    return label.appraised_on, label.screening_id


def _covered(strata: Sequence[Stratum], stratum: NDArray[np.int64], *, prompted: bool) -> bool:
    """Whether results speak for the listings that were prompted, or for those that were not."""
    listings = sum(own.listings for own in strata if own.prompted == prompted)
    there = any(strata[number].prompted == prompted for number in stratum.tolist())
    return there or listings <= _UNCOVERED * sum(own.listings for own in strata)


def _known(facts: Sequence[_Fact], *, whole: bool) -> Iterator[Sample]:
    """Listings that the plan left out because they were known, or about to be, stand for themselves, and for those of
    them whose result did not come."""
    for prompted in (True, False):
        own = [fact for fact in facts if fact.prompted == prompted]
        told = [fact for fact in own if fact.counterfeit is not None]
        if told:
            yield _sample(told, np.full(len(told), len(own) / len(told)), whole=whole)


def _sample(facts: Sequence[_Fact], weight: NDArray[np.float64], *, whole: bool) -> Sample:
    return Sample(
        weight=weight,
        counterfeit=np.array([fact.counterfeit for fact in facts], dtype=bool),
        prompted=np.array([fact.prompted for fact in facts], dtype=bool),
        whole=np.full(len(facts), whole),
        price=np.array([fact.price for fact in facts], dtype=np.float64),
        orders=np.array([fact.orders for fact in facts], dtype=np.float64),
        brand=np.array([fact.brand for fact in facts], dtype=np.str_),
        category=np.array([fact.category for fact in facts], dtype=np.str_),
    )


def _joined(parts: Sequence[Sample]) -> Sample:
    parts = [*parts, _sample([], np.zeros(0), whole=True)]
    return Sample(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Sample)))


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
