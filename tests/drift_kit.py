"""Screenings written straight into the database with drawn features, for tests of figures of many."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from review_kit import answer_of

from brands.database import Database
from brands.ids import new_id
from brands.schema import reviews, screenings
from screener.judging.features import FEATURES, NAMES, VERSION
from screener.listing import Listing
from screener.review import trends

REQUEST = Listing("L-1", "A thing", "shop-1").record()


def market(generator: np.random.Generator, rows: int) -> NDArray[np.float64]:
    """Features (rows, F) of a market: mostly 0, some rare, some missing, some of few values."""
    x = np.zeros((rows, len(NAMES)))
    for column, feature in enumerate(FEATURES):
        kind = column % 4
        if kind == 0:
            x[:, column] = (generator.random(rows) < 0.05) * generator.random(rows)
        elif kind == 1:
            x[:, column] = generator.normal((feature.low + feature.high) / 2, (feature.high - feature.low) / 8, rows)
        elif kind == 2:
            x[:, column] = np.log2(1 + generator.poisson(0.4, rows))
        else:
            x[:, column] = generator.random(rows) < 0.3
        x[:, column] = np.clip(x[:, column], feature.low, feature.high)
        if feature.optional:
            x[generator.random(rows) < 0.4, column] = np.nan
    return x.round(6)


def record(
    database: Database,
    times: Sequence[datetime],
    features: NDArray[np.float64] | None = None,
    *,
    brand_id: str | None = None,
    verdict: str = "clear",
    **fields: Any,
) -> list[str]:
    """Writes a screening at each time with its features (n, F; None: drawn), and counts them; their ids."""
    x = market(np.random.default_rng(0), len(times)) if features is None else features
    rows = []
    for at, values in zip(times, x, strict=True):
        identifier = new_id("scr", at)
        row = {
            "id": identifier, "listing_id": f"L-{identifier[-8:]}", "revision": 1, "key_id": "key_0",
            "seller_id": f"shop-{identifier[-4:]}", "brand_id": brand_id, "verdict": verdict, "probability": 0.1,
            "brand_status": "recognised" if brand_id else "unknown", "known_fake": False, "category": None,
            "release_id": "rel_0", "fingerprint": "0" * 64, "rescreen": False, "created_at": at, "last_event_at": at,
            "request": REQUEST,
            "answer": answer_of(at, verdict=verdict, probability=0.1, images=()) | {"id": identifier},
            "features": {"version": VERSION, "values": [None if np.isnan(v) else float(v) for v in values]},
        }  # fmt: skip
        rows.append(row | fields)
    asked = verdict in ("prompt", "review")
    with database.write() as conn:
        conn.execute(sa.insert(screenings), rows)
        if asked:
            conn.execute(
                sa.insert(reviews),
                [
                    {
                        "screening_id": row["id"], "brand_id": brand_id, "state": "open", "appealed": False,
                        "shown": True, "value": 1.0, "weight": 1.0, "queued_at": row["created_at"],
                    }
                    for row in rows
                ],
            )  # fmt: skip
        for row in rows:
            trends.count(conn, row["brand_id"], row["created_at"], screened=1, prompted=int(asked))
    return [row["id"] for row in rows]
