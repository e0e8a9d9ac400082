"""A database of screenings with features drawn from a simple world, spot checks and appraisals, for training's tests.

In this world half of the fakes are of a kind that the embedded judge was never trained on: fairly priced, from shops of
some age, with photos of others. A judge that learns it is better; nothing else about the world is true anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.ids import new_id
from brands.model import BrandDetails
from brands.schema import appraisals, screening_images, screenings, seller_links, spot_check_plans, spot_checks
from screener.judging.features import FEATURES, NAMES, VERSION
from screener.judging.model import load_judge
from screener.judging.policy import load_policy
from screener.settings import EMBEDDED_JUDGE, EMBEDDED_POLICY, Settings
from screener.truth import Truth
from training.candidate.gates import Timing
from training.candidate.screened import Measured, Side
from training.frozen import Frozen

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORIES = ("shoes", "bags", "watches")
APPRAISERS = ("lab-a", "lab-b", "lab-c", "expert-d", "expert-e")
Floats = NDArray[np.float64]
Labeller = Callable[[int, str, bool], bool]
"""The place of a pick, its appraiser and the truth, to what the appraiser says: True for a counterfeit."""


@dataclass(frozen=True, slots=True)
class World:
    """What was written: features (n, F), truth (n,), the picked places, and the ids of all screenings in order."""

    truth: Truth
    x: Floats
    y: NDArray[np.bool_]
    picked: NDArray[np.int64]
    ids: tuple[str, ...]


def drawn(n: int, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Features (n, F) and truth (n,) of listings of this world, 6 % of them fakes."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, len(FEATURES)))
    y = rng.random(n) < 0.06
    new = y & (rng.random(n) < 0.5)
    old = y & ~new
    official = np.where(rng.random(n) < np.where(new, 0.7, 0.25), rng.uniform(0.3, 1, n), 0)
    values = {
        "fake_look": np.where((old & (rng.random(n) < 0.5)) | (rng.random(n) < 0.03), rng.uniform(0.5, 1, n), 0),
        "official_copy": official,
        "official_share": np.where(official > 0, rng.uniform(0.3, 1, n), 0),
        "brand_evidence": np.where(rng.random(n) < 0.8, rng.uniform(0.6, 1, n), 0),
        "price_ratio": np.clip(rng.normal(np.where(old, -2, np.where(new, -1, -0.2)), 0.8), -6, 3),
        "seller_age": np.clip(rng.normal(np.where(old, 1.8, 2.8), 0.7), 0, 4),
        "seller_sales": np.clip(rng.normal(np.where(old, 1.2, 2.2), 0.8), 0, 6),
        "complaints": np.where(rng.random(n) < np.where(y, 0.3, 0.05), 1.0, 0.0),
        "photo_reuse": np.where(rng.random(n) < np.where(new, 0.7, 0.1), rng.uniform(0.3, 1, n), 0),
        "pictures": rng.uniform(1, 3.2, n),
        "sharpness": np.clip(rng.normal(np.where(new, 0.45, 0.7), 0.15), 0, 1),
    }
    for name, column in values.items():
        x[:, NAMES.index(name)] = column
    return x, y


def chances(probability: Floats, budget: int, rng: np.random.Generator) -> Floats:
    """The chance of each listing to be picked: a quarter at random, the rest where fakes are expected."""
    useful = 0.25 / len(probability) + 0.55 * probability / probability.sum()
    useful += 0.2 * (spread := rng.random(len(probability)) ** 3) / spread.sum()
    return np.minimum(budget * useful, 1.0)


def make_world(
    folder: Path,
    *,
    n: int = 2500,
    budget: int = 320,
    seed: int = 0,
    says: Labeller = lambda _place, _name, counterfeit: counterfeit,
    titles: Sequence[str] = ("Trail sneaker", "Кроссовки", "运动鞋", "スニーカー"),
) -> World:
    """A database in `folder` with `n` screenings, one every ten minutes, and appraisals of about `budget` of them."""
    rng = np.random.default_rng(seed)
    x, y = drawn(n, seed + 1)
    judge, policy = load_judge(EMBEDDED_JUDGE), load_policy(EMBEDDED_POLICY)
    probability = judge.judge_many(x.astype(np.float32))[0].astype(np.float64)
    truth = Truth(Settings(data_dir=folder / "var", database_url=""))
    brands = [truth.registry.add_brand(actor="cli:test", details=BrandDetails(name=name)) for name in ("Acme", "Bolt")]
    rows: list[dict[str, Any]] = []
    for place in range(n):
        at = BEGIN + timedelta(minutes=10 * place)
        category, seller = CATEGORIES[place % 3], f"shop-{place}"
        verdict = policy.verdict(probability[place], category, known_fake=False, everything_screened=True)
        request = {
            "listing_id": f"L-{place}", "title": titles[place % len(titles)], "seller_id": seller, "revision": 1,
            "description": "", "brand": None, "category": category, "price": None, "language": "en",
            "complaints": None,
            "seller": {"registered_on": None, "sales": None, "upheld_reports": None, "linked": []},
        }  # fmt: skip
        rows.append(
            {
                "id": new_id("scr", at), "listing_id": f"L-{place}", "revision": 1, "key_id": "cli:test",
                "seller_id": seller, "brand_id": brands[place % 2].id, "brand_status": "recognised",
                "known_fake": False, "category": category, "verdict": verdict, "probability": float(probability[place]),
                "release_id": "rel_0000000000000000", "fingerprint": "0" * 64, "request": request, "answer": {},
                "features": {"version": VERSION, "values": [float(value) for value in x[place]]}, "rescreen": False,
                "created_at": at, "last_event_at": at,
            }
        )  # fmt: skip
    inclusion = chances(probability, budget, rng)
    picked = np.flatnonzero(rng.random(n) < inclusion)
    with truth.database.write() as conn:
        conn.execute(sa.insert(screenings), rows)
        pictures = [
            {"screening_id": row["id"], "position": 0, "sha256": f"{n:064x}", "status": "screened", "code": None}
            for n, row in enumerate(rows)
        ]
        conn.execute(sa.insert(screening_images), pictures)
        _plan(conn, [(rows[place]["id"], float(inclusion[place])) for place in picked.tolist()], n)
        for number, place in enumerate(picked.tolist()):
            name = APPRAISERS[number % len(APPRAISERS)]
            add_appraisal(conn, rows[place]["id"], counterfeit=says(number, name, bool(y[place])), appraiser=name)
    return World(truth, x, y, picked, tuple(row["id"] for row in rows))


def _plan(conn: sa.Connection, picks: Sequence[tuple[str, float]], population: int) -> None:
    plan = new_id("pln", BEGIN)
    conn.execute(
        sa.insert(spot_check_plans).values(
            id=plan, budget=len(picks), seed=1, population=population, parameters={}, created_at=BEGIN,
            created_by="cli:test",
        )
    )  # fmt: skip
    conn.execute(
        sa.insert(spot_checks),
        [
            {
                "id": new_id("spc", BEGIN), "plan_id": plan, "screening_id": identifier, "position": place,
                "strategy": "random", "inclusion": chance, "reasons": {}, "state": "appraised", "note": "",
                "updated_at": BEGIN, "updated_by": "cli:test",
            }
            for place, (identifier, chance) in enumerate(picks)
        ],
    )  # fmt: skip


def add_appraisal(
    conn: sa.Connection, screening_id: str, *, counterfeit: bool | None, appraiser: str = "lab-a", **values: Any
) -> str:
    """One more appraisal; None for an inconclusive one. Its id."""
    outcome = "inconclusive" if counterfeit is None else "counterfeit" if counterfeit else "authentic"
    identifier = new_id("apr", BEGIN)
    conn.execute(
        sa.insert(appraisals).values(
            {
                "id": identifier, "screening_id": screening_id, "outcome": outcome, "appraiser": appraiser,
                "method": "laboratory", "appraised_on": BEGIN.date(), "notes": "", "source": "api",
                "created_at": BEGIN, "created_by": "cli:test", **values,
            }
        )
    )  # fmt: skip
    return identifier


def link_sellers(conn: sa.Connection, one: str, two: str) -> None:
    """Says that two shops belong together."""
    conn.execute(sa.insert(seller_links).values(seller_id=one, linked_id=two, seen_at=BEGIN))


def measured_by(frozen: Frozen, serving: Side, candidate: Side) -> Measured:
    """What both judges make of the test rows' features as served, without screening anything."""
    places = frozen.places("test")
    rows = tuple(frozen.rows[place] for place in places)
    x = frozen.x[places]
    sides = []
    for side in (serving, candidate):
        judge, policy = load_judge(side.judge), load_policy(side.policy)
        probability = judge.judge_many(x.astype(np.float32))[0].astype(np.float64)
        verdicts = [
            policy.verdict(p, row.category, known_fake=row.known_fake, everything_screened=True)
            for p, row in zip(probability.tolist(), rows, strict=True)
        ]
        sides.append((probability, np.array([verdict in ("prompt", "review") for verdict in verdicts])))
    return Measured(
        rows=rows, x=(x, x), probability=(sides[0][0], sides[1][0]), prompted=(sides[0][1], sides[1][1]),
        answered=np.ones(len(rows), dtype=bool), suite=(240, 0, 0), suite_id="ost_0000000000000000",
        timing=Timing((20.0, 30.0), (21.0, 31.0), 16), replayed=1.0,
    )  # fmt: skip
