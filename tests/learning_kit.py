"""A service on which something has happened: spot checks, appraisals, candidates, sellers, signals; for its pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from drift_kit import market, record
from release_kit import make_candidate, propose
from service_kit import ACTOR, Kit, encoded, picture

from brands.ids import new_id, utc_now
from brands.model import Brand
from brands.schema import bursts, buyer_signals, shadow_judgements
from screener.appraisals.model import NewAppraisal
from screener.appraisals.store import add as add_appraisals
from screener.spot_checks import plan as spot_checks

SELLER = "shop/7 & sons"


@dataclass(frozen=True, slots=True)
class Learned:
    """What was made: a brand, a plan of 40 items, an item with two appraisals that differ, and a candidate."""

    brand: Brand
    plan_id: str
    conflict: str
    model_id: str


def learn(kit: Kit, folder: Path, *, listings: int = 300) -> Learned:
    """Fills a service; `folder` is for the candidate's models."""
    truth, now = kit.service.truth, utc_now()
    brand = kit.add_brand("Norvokka", price="120", categories=("bags",))
    for seed, kind in enumerate(("authentic", "logo", "known_fake")):
        kit.add_reference(brand, kind, picture(seed))  # type: ignore[arg-type]  # one of the kinds
    kit.refresh()
    screened = [
        kit.screen(
            [encoded(picture(seed % 3)), encoded(picture(seed + 100))],
            listing_id=f"L-{seed}",
            title=f"Norvokka bag {seed} 高仿 <script>document.title = 'taken'</script>",
            category="bags",
            price={"amount": 30 + seed, "currency": "EUR"},
            seller={"id": SELLER},
        ).json()["id"]
        for seed in range(4)
    ]
    step = min(timedelta(minutes=20), (now - _month(now)) / (listings + 1))
    times = [now - step * (n + 1) for n in range(listings)]
    generator = np.random.default_rng(7)
    half = listings // 2
    record(truth.database, times[:half], market(generator, half), brand_id=brand.id, category="bags")
    record(truth.database, times[half:], market(generator, listings - half), verdict="prompt", category="watches")
    plan = spot_checks.plan(truth.database, budget=40, actor=ACTOR, now=now, seed=3)
    picks = [pick.screening_id for pick in plan.picks]
    with truth.database.write() as conn:
        results = [
            NewAppraisal("counterfeit" if n % 3 == 0 else "authentic", "Lab Nord", "laboratory", now.date(),
                         screening_id=screening, cost_amount=Decimal("86.40"), cost_currency="EUR",
                         evidence_uri="s3://reports/2026/1187.pdf", notes="Glue and stitching.")
            for n, screening in enumerate(picks[:30])
        ]  # fmt: skip
        other = NewAppraisal("authentic", "Expert <b>2</b>", "expert", now.date(), screening_id=picks[0])
        add_appraisals(conn, [*results, other], actor=ACTOR, now=now)
    for severe in (False, True):
        truth.ledger.violation(
            actor=ACTOR, seller_id=SELLER, note="Bought and examined.", severe=severe, brand_id=brand.id,
            screening_id=screened[0],
        )  # fmt: skip
    truth.ledger.complaint(actor=ACTOR, seller_id="shop-8", brand_id=brand.id, case="C-1")
    candidate = propose(kit, make_candidate(folder / "candidate", encoder=False))
    truth.models.shadow(candidate.id, share=0.25, actor=ACTOR)
    with truth.database.write() as conn:
        for n, screening in enumerate(screened):
            conn.execute(
                sa.insert(shadow_judgements).values(
                    screening_id=screening, release_id=candidate.id, probability=0.1 + 0.2 * n, milliseconds=3.5,
                    verdict="clear" if n < 2 else "review", brand_status="none", brand_id=None, created_at=now,
                )
            )  # fmt: skip
            conn.execute(
                sa.insert(buyer_signals).values(
                    id=new_id("sig", now + timedelta(microseconds=n)), kind="complaint", listing_id=f"L-{n}",
                    seller_id=SELLER, brand_id=brand.id, text="fake!", language="en", suspicion=0.9, suspected=True,
                    classifier="c", occurred_at=now - timedelta(minutes=1), created_at=now, created_by="x",
                )
            )  # fmt: skip
        conn.execute(
            sa.insert(bursts).values(
                id=new_id("bst", now), kind="seller", subject=SELLER, number=9, expected=1.3, chance=1e-5,
                begins_at=now - timedelta(days=2), ends_at=now + timedelta(days=2), created_at=now,
            )
        )  # fmt: skip
    return Learned(brand, plan.id, picks[0], candidate.id)


def _month(now: datetime) -> datetime:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
