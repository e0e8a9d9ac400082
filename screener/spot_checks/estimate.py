"""What examined items say of all listings: rates of counterfeits, and precision and recall of the screener.

Each result counts for the listings that it stands for (`weights`, Horvitz and Thompson, JASA 1952; ratios of weighted
sums: Hájek 1971); the intervals are those of `intervals`. Assumed is that the appraisals are right, that an item that
could not be bought is like the others of its stratum, and that a listing is what its bought item is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from screener.spot_checks.intervals import one_more, share_interval, weighed
from screener.spot_checks.model import Filters
from screener.spot_checks.sample import Sample, Told, read_sample

LEAST_RESULTS: Final = 20
LEAST_EFFECTIVE: Final = 5.0
MOST_GROUPS: Final = 100
"""Brands, and categories, that are estimated: those with the most results."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its 95 % interval; `value` is None where no result speaks of it.

    `n` are the results that it is a share of, `effective_n` as how many equally weighted ones they count (Kish, Survey
    Sampling, 1965).
    """

    value: float | None
    low: float
    high: float
    n: int
    effective_n: float

    @property
    def enough(self) -> bool:
        """Whether there is enough to speak of a value: at least 20 results, and effectively 5."""
        return self.value is not None and self.n >= LEAST_RESULTS and self.effective_n >= LEAST_EFFECTIVE


@dataclass(frozen=True, slots=True)
class Estimates:
    """All estimates of a time, `told` what they are made of, and `notes` for people.

    `listings` is the rate of counterfeits among listings, `orders` among orders (where the marketplace told how many
    a listing had), `value` by the prices asked. `precision` is the share of counterfeits among prompted listings,
    `recall` the share of prompted ones among counterfeits. `categories` and `brands` are rates among the listings of
    each; "" is for those without.
    """

    since: datetime
    until: datetime
    filters: Filters
    listings: Estimate
    orders: Estimate
    value: Estimate
    precision: Estimate
    recall: Estimate
    categories: Mapping[str, Estimate]
    brands: Mapping[str, Estimate]
    told: Told
    notes: tuple[str, ...]


def estimate(conn: sa.Connection, *, since: datetime, until: datetime, filters: Filters | None = None) -> Estimates:
    """The estimates from the plans made in [`since`, `until`), pooled, for all listings or those that `filters` name.

    A listing that several plans could have picked counts once for each of them.
    """
    filters = filters or Filters()
    sample, told = read_sample(conn, since=since, until=until, filters=filters)
    whole = sample.where(sample.whole)
    found = Estimates(
        since=since,
        until=until,
        filters=filters,
        listings=rate(whole),
        orders=rate(whole, whole.orders),
        value=rate(whole, whole.price),
        precision=precision(sample),
        recall=recall(whole),
        categories=_by(whole, whole.category),
        brands=_by(whole, whole.brand),
        told=told,
        notes=(),
    )
    return _with_notes(found, whole)


def rate(sample: Sample, sizes: NDArray[np.float64] | None = None) -> Estimate:
    """The share of counterfeits; each listing counts `sizes` (m,), 1 if not given. Those of unknown size are left
    out."""
    if sizes is None:
        sizes = np.ones(len(sample))
    known = ~np.isnan(sizes)
    sample, sizes = sample.where(known), sizes[known]
    return _share(sample.weight, sizes, sample.counterfeit, np.ones(len(sample), bool), np.ones(len(sample), bool))


def precision(sample: Sample) -> Estimate:
    """The share of counterfeits among the prompted."""
    return rate(sample.where(sample.prompted))


def recall(sample: Sample) -> Estimate:
    """The share of the prompted among the counterfeits; what one more would weigh is told by all that was examined."""
    return _share(
        sample.weight, np.ones(len(sample)), sample.prompted, sample.prompted, ~sample.prompted, sample.counterfeit
    )


def _share(
    weight: NDArray[np.float64],
    sizes: NDArray[np.float64],
    success: NDArray[np.bool_],
    could_succeed: NDArray[np.bool_],
    could_fail: NDArray[np.bool_],
    among: NDArray[np.bool_] | None = None,
) -> Estimate:
    """The share of `success` in the sizes of the listings `among` which it is asked for."""
    among = np.ones(len(weight), dtype=bool) if among is None else among
    parts = []
    for chosen, could in ((success & among, could_succeed), (~success & among, could_fail)):
        like = could if could.any() else np.ones(len(weight), dtype=bool)
        parts.append((weighed(weight[chosen], sizes[chosen]), one_more(weight[like], sizes[like])))
    (won, more_won), (lost, more_lost) = parts
    low, high = share_interval(won, lost, more_success=more_won, more_failure=more_lost)
    counted = (weight * sizes)[among]
    total = float(counted.sum())
    return Estimate(
        value=won.total / total if total > 0 else None,
        low=low,
        high=high,
        n=int(among.sum()),
        effective_n=total**2 / float((counted**2).sum()) if total > 0 else 0.0,
    )


def _by(sample: Sample, group: NDArray[np.str_]) -> dict[str, Estimate]:
    names, counts = np.unique(group, return_counts=True)
    most = np.lexsort((names, -counts))[:MOST_GROUPS]
    return {str(name): rate(sample.where(group == name)) for name in names[most]}


def _with_notes(found: Estimates, whole: Sample) -> Estimates:
    """The same with what a reader must know."""
    told, notes = found.told, list[str]()
    if not told.plans:
        notes.append("No plan was made in this time.")
    elif not told.results + told.known:
        notes.append("No result has come in yet.")
    named = (("rate", found.listings), ("precision", found.precision), ("recall", found.recall))
    too_little = [name for name, own in named if not own.enough]
    if too_little and told.plans:
        notes.append(f"Too little for {', '.join(too_little)}: read the interval, not the value.")
    if told.partial:
        notes.append(
            f"{len(told.partial)} of {told.plans} plans lack results, either of prompted listings or of the others, and"
            " are left out where both are needed."
        )
    if told.waiting:
        notes.append(f"{told.waiting} of {told.picks} picks wait for a result; the others of their stratum stand in.")
    if told.missing:
        notes.append(
            f"{told.missing} of {told.picks} picks gave no result (sold out, inconclusive, or two appraisers differ);"
            " they are taken to be like the others of their stratum."
        )
    unknown = int(np.isnan(whole.orders).sum())
    if len(whole) and unknown:
        notes.append(
            f"The rate among orders is from {len(whole) - unknown} of {len(whole)} results: the others' orders"
            " are not known."
        )
    unknown = int(np.isnan(whole.price).sum())
    if unknown:
        notes.append(f"The rate by value leaves out {unknown} results without a price.")
    return Estimates(**{**{name: getattr(found, name) for name in Estimates.__slots__}, "notes": tuple(notes)})
