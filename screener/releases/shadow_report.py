"""What a candidate in the shadow would have done: agreement with what was answered, disagreements to look at, cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.model import Price
from brands.schema import screenings, shadow_judgements
from screener.review.precision import interval
from screener.review.value import MOST_UNKNOWN, dollars

MOST: Final = 100_000
"""Judgements that are compared, the newest."""
TIMED: Final = 2_000
"""Answers whose times are read: they are in the whole answer."""
RANKED: Final = 1_000
"""Listings, those on which the two differ most, whose prices are read to rank them."""
_LEAST: Final = 1e-4
"""Probabilities are kept with four digits."""
_Z: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A listing on which the two differ: `difference` in log-odds (candidate less served), `value` in rough dollars."""

    screening_id: str
    listing_id: str
    served: str
    shadow: str
    served_probability: float
    shadow_probability: float
    difference: float
    value: float


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """Of one listing."""

    mean: float
    p95: float


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """`verdicts` counts listings by the verdict answered and the candidate's; the interval of the agreement is 95 %.

    `served_ms` is of whole answers, `shadow_ms` of judging alone. What cannot be told from so few is None.
    """

    release_id: str
    listings: int
    since: datetime | None
    until: datetime | None
    verdicts: Mapping[str, Mapping[str, int]]
    agreed: int
    agreement: float | None
    agreement_low: float | None
    agreement_high: float | None
    kappa: float | None
    correlation: float | None
    mean_difference: float | None
    newly_flagged: int
    no_longer_flagged: int
    other_brand: int
    served_ms: Milliseconds | None
    shadow_ms: Milliseconds | None
    disagreements: tuple[Disagreement, ...]

    def record(self) -> dict[str, Any]:
        """As JSON."""
        times = {name: at.isoformat() if (at := getattr(self, name)) else None for name in ("since", "until")}
        return {**asdict(self), **times}


def read_report(connection: sa.Connection, release_id: str, *, most: int = 50) -> ShadowReport:
    """Compares a candidate's newest judgements with the answers; `most` disagreements, the most worth a look first.

    They are ranked by the difference in log-odds times the asked price (within 1 and `MOST_UNKNOWN` dollars).
    """
    columns = (
        screenings.c.id, screenings.c.listing_id, screenings.c.verdict, screenings.c.probability,
        screenings.c.brand_id, shadow_judgements.c.verdict.label("shadow"),
        shadow_judgements.c.probability.label("shadow_probability"),
        shadow_judgements.c.brand_id.label("shadow_brand"), shadow_judgements.c.milliseconds, screenings.c.created_at,
    )  # fmt: skip
    query = (
        sa.select(*columns)
        .join(screenings, screenings.c.id == shadow_judgements.c.screening_id)
        .where(shadow_judgements.c.release_id == release_id)
        .order_by(shadow_judgements.c.created_at.desc(), screenings.c.id)
        .limit(MOST)
    )
    rows = connection.execute(query).all()
    table = Counter((row.verdict, row.shadow) for row in rows)
    agreed = sum(count for (served, shadow), count in table.items() if served == shadow)
    low, high = interval(agreed, len(rows), _Z) if rows else (None, None)
    served = _log_odds([row.probability for row in rows])
    shadow = _log_odds([row.shadow_probability for row in rows])
    flagged = ("prompt", "review")
    return ShadowReport(
        release_id=release_id,
        listings=len(rows),
        since=min((row.created_at for row in rows), default=None),
        until=max((row.created_at for row in rows), default=None),
        verdicts=_nested(table),
        agreed=agreed,
        agreement=round(agreed / len(rows), 4) if rows else None,
        agreement_low=low and round(low, 4),
        agreement_high=high and round(high, 4),
        kappa=_kappa(table),
        correlation=_correlation(served, shadow),
        mean_difference=round(float((shadow - served).mean()), 4) if rows else None,
        newly_flagged=sum(n for (a, b), n in table.items() if a not in flagged and b in flagged),
        no_longer_flagged=sum(n for (a, b), n in table.items() if a in flagged and b not in flagged),
        other_brand=sum(row.brand_id != row.shadow_brand for row in rows),
        served_ms=_spread(_answer_times(connection, [row.id for row in rows[:TIMED]])),
        shadow_ms=_spread([row.milliseconds for row in rows]),
        disagreements=_ranked(connection, rows, shadow - served, most),
    )


def _log_odds(probabilities: Sequence[float]) -> NDArray[np.float64]:
    clipped = np.clip(np.array(probabilities, dtype=np.float64), _LEAST, 1.0 - _LEAST)
    odds: NDArray[np.float64] = np.log(clipped / (1.0 - clipped))
    return odds


def _nested(table: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (served, shadow), count in sorted(table.items()):
        nested.setdefault(served, {})[shadow] = count
    return nested


def _kappa(table: Mapping[tuple[str, str], int]) -> float | None:
    """Cohen's kappa (1960): agreement beyond that of two who give each verdict as often, and no more in common."""
    total = sum(table.values())
    verdicts = {verdict for pair in table for verdict in pair}
    by_chance = sum(
        sum(n for (a, _), n in table.items() if a == verdict) * sum(n for (_, b), n in table.items() if b == verdict)
        for verdict in verdicts
    )
    if not total or by_chance == total**2:  # one verdict throughout: there is nothing to agree about
        return None
    expected = by_chance / total**2
    same = sum(n for (a, b), n in table.items() if a == b) / total
    return round((same - expected) / (1.0 - expected), 4)


def _correlation(served: NDArray[np.float64], shadow: NDArray[np.float64]) -> float | None:
    """Pearson's, of the log-odds."""
    if len(served) < 3 or not served.std() or not shadow.std():
        return None
    return round(float(np.corrcoef(served, shadow)[0, 1]), 4)


def _spread(milliseconds: Sequence[float]) -> Milliseconds | None:
    if not milliseconds:
        return None
    values = np.array(milliseconds)
    return Milliseconds(round(float(values.mean()), 3), round(float(np.percentile(values, 95)), 3))


def _answer_times(connection: sa.Connection, ids: Sequence[str]) -> list[float]:
    times = []
    for start in range(0, len(ids), 500):
        query = sa.select(screenings.c.answer).where(screenings.c.id.in_(ids[start : start + 500]))
        times += [float(answer["timings_ms"]["total"]) for answer in connection.execute(query).scalars()]
    return times


def _ranked(
    connection: sa.Connection, rows: Sequence[Any], differences: NDArray[np.float64], most: int
) -> tuple[Disagreement, ...]:
    """Those with another verdict, the most worth a look first."""
    other = [n for n, row in enumerate(rows) if row.verdict != row.shadow]
    other = sorted(other, key=lambda n: -abs(differences[n]))[:RANKED]
    values: dict[str, float] = {}
    ids = [rows[n].id for n in other]
    for start in range(0, len(ids), 500):
        query = sa.select(screenings.c.id, screenings.c.request).where(screenings.c.id.in_(ids[start : start + 500]))
        values |= {row.id: _value(row.request["price"]) for row in connection.execute(query)}
    found = [
        Disagreement(
            rows[n].id,
            rows[n].listing_id,
            rows[n].verdict,
            rows[n].shadow,
            rows[n].probability,
            round(rows[n].shadow_probability, 4),
            round(float(differences[n]), 4),
            values[rows[n].id],
        )
        for n in other
    ]
    return tuple(sorted(found, key=lambda one: (-abs(one.difference) * one.value, one.screening_id))[:most])


def _value(asked: Mapping[str, Any] | None) -> float:
    if asked is None:
        return 1.0
    return round(min(max(dollars(Price(Decimal(asked["amount"]), asked["currency"])), 1.0), MOST_UNKNOWN), 2)
