"""All screenings of the time of a data set: a sample of their features and scores, and the baseline that drift is held
against."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.schema import screenings
from screener.drift.baseline import Baseline, baseline_of
from screener.judging.features import NAMES, VERSION
from screener.records import RESCREENED_BY

FILE: Final = "population.npz"
MOST: Final = 20_000
"""Screenings that are kept of: enough for a share of one in a thousand to be told within a quarter of itself."""
_TAIL: Final = 4
"""Hex digits of an identifier that are random, by which screenings are chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """m of the `total` screenings: features (m, F); probability as served, verdict, brand status and category (m,)."""

    total: int
    x: NDArray[np.float64]
    probability: NDArray[np.float64]
    verdict: NDArray[np.str_]
    brand_status: NDArray[np.str_]
    category: NDArray[np.str_]
    since: str
    until: str

    def __len__(self) -> int:
        return len(self.probability)

    def baseline(self, probability: NDArray[np.float64] | None = None, verdict: Sequence[str] = ()) -> Baseline:
        """What drift is held against; of a judge that did not serve, with its probabilities (m,) and verdicts."""
        return baseline_of(
            self.x,
            self.probability if probability is None else probability,
            verdicts=list(verdict) or self.verdict.tolist(),
            brand_status=self.brand_status.tolist(),
            source="training",
            since=self.since,
            until=self.until,
        )

    def to_bytes(self) -> bytes:
        """An .npz of numbers and texts."""
        stream = io.BytesIO()
        np.savez_compressed(
            stream, total=np.array(self.total), x=self.x, probability=self.probability, verdict=self.verdict,
            brand_status=self.brand_status, category=self.category, window=np.array([self.since, self.until]),
        )  # fmt: skip
        return stream.getvalue()


def read_population(
    conn: sa.Connection, since: datetime | None, until: datetime | None, *, most: int = MOST
) -> Population:
    """The screenings made since a time and before another one, or about `most` that chance chose.

    An identifier ends in random digits, so those below a bound are a fair sample, and the same one every time. What the
    service screened again by itself is left out, as are features of another version.
    """
    made = screenings.c.created_at
    bounds = [screenings.c.features.is_not(None), screenings.c.key_id != RESCREENED_BY]
    bounds += [made >= since] if since else []
    bounds += [made < until] if until else []
    total, first, last = conn.execute(
        sa.select(sa.func.count(), sa.func.min(made), sa.func.max(made)).where(*bounds)
    ).one()
    if total > most:
        tail = sa.func.substr(screenings.c.id, sa.func.length(screenings.c.id) - _TAIL + 1)
        bounds.append(tail < f"{round(most / total * 16**_TAIL):0{_TAIL}x}")
    columns = ("features", "probability", "verdict", "brand_status", "category")
    query = sa.select(*(screenings.c[name] for name in columns)).where(*bounds).order_by(screenings.c.id)
    rows: list[Any] = [row for row in conn.execute(query) if row.features["version"] == VERSION]
    x = np.array([[np.nan if value is None else value for value in row.features["values"]] for row in rows])
    return Population(
        total=int(total),
        x=x.reshape(len(rows), len(NAMES)).astype(np.float64),
        probability=np.array([row.probability for row in rows], dtype=np.float64),
        verdict=np.array([row.verdict for row in rows], dtype=np.str_),
        brand_status=np.array([row.brand_status for row in rows], dtype=np.str_),
        category=np.array([row.category or "" for row in rows], dtype=np.str_),
        since=_day(first),
        until=_day(last),
    )


def open_population(folder: Path) -> Population:
    """The population of a data set that was opened, so that its hashes are known to fit."""
    with np.load(folder / FILE, allow_pickle=False) as kept:
        since, until = kept["window"].tolist()
        return Population(
            total=int(kept["total"]),
            x=kept["x"],
            probability=kept["probability"],
            verdict=kept["verdict"],
            brand_status=kept["brand_status"],
            category=kept["category"],
            since=since,
            until=until,
        )


def _day(at: datetime | str | None) -> str:
    return "" if at is None else str(at)[:10]
