"""The market of the day: the same people under new shops, and the measure of before and after."""

from __future__ import annotations

import numpy as np
import pytest

from training.day.compare import Judged, gain, line_of
from training.day.months import COME_BACK, FIRST, SECOND, marketplace, plan_months
from training.market.listings import Plan
from training.market.model import load_market
from training.market.rendered import Rendered
from training.market.rows import Drawn, rows_of

MARKET = load_market()


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_months(marketplace(MARKET), Rendered(MARKET, 7, 8), first=1200, second=400, seed=7)


def test_counterfeiters_come_back_under_new_shops(plan: Plan) -> None:
    fakes = {month: [one for one in plan.listings if one.split == month and one.kind.counterfeit] for month in MONTHS}
    owners = {month: {one.shop.owner for one in fakes[month] if "maker" in one.shop.owner} for month in MONTHS}
    shops = {month: {one.shop.id for one in fakes[month]} for month in MONTHS}
    back = owners[FIRST] & owners[SECOND]
    assert len(back) >= 0.5 * COME_BACK * len(owners[FIRST])
    assert owners[SECOND] - owners[FIRST]
    assert not {shop for shop in shops[FIRST] & shops[SECOND] if "seller" in shop}
    uploads = {month: {upload.ask for one in fakes[month] for upload in one.uploads} for month in MONTHS}
    assert uploads[FIRST] & uploads[SECOND]  # pictures come again


def test_the_first_month_is_as_the_market_is_and_the_second_is_weighted_to_it(plan: Plan) -> None:
    drawn = {upload: Drawn("0" * 64, 1, 1, None, ("00" * 32,), 100) for one in plan.listings for upload in one.uploads}
    rows = list(rows_of(plan.listings, marketplace(MARKET), drawn))
    for month, spread in ((FIRST, 0.25), (SECOND, 0.05)):
        own = [row["truth"] for row in rows if row["truth"]["split"] == month]
        weight = np.array([truth["weight"] for truth in own])
        fake = np.array([truth["counterfeit"] for truth in own])
        assert weight[fake].sum() / weight.sum() == pytest.approx(MARKET.prevalence, rel=spread)
        assert (fake.mean() < 0.1) == (month == FIRST)
    days = {month: [one.day for one in plan.listings if one.split == month] for month in MONTHS}
    assert max(days[FIRST]) < min(days[SECOND])


def test_the_gain_is_of_the_same_draws_and_knows_who_is_better() -> None:
    rng = np.random.default_rng(0)
    fake = np.arange(600) % 4 == 0
    rows = [
        {"truth": {"counterfeit": bool(own), "weight": 1.0, "owner": f"person-{number // 3}"}}
        for number, own in enumerate(fake)
    ]
    bad = np.clip(0.3 * fake + rng.uniform(0, 0.7, 600), 0, 1)
    good = np.clip(0.7 * fake + rng.uniform(0, 0.35, 600), 0, 1)
    before, after = (Judged(name, score, score > 0.65) for name, score in (("before", bad), ("after", good)))
    point, low, high = gain(rows, before, after, 0.25, 0.95)
    assert 0.2 < low < point < high
    assert gain(rows, before, before, 0.25, 0.95) == (0.0, 0.0, 0.0)
    figures = line_of(rows, after, 0.25, draws=50).figures
    assert figures["recall@P95"] > line_of(rows, before, 0.25, draws=50).figures["recall@P95"]
    assert figures["caught by its own thresholds"] == 1.0
    assert figures["false prompts per 10,000 honest"] == 0.0


MONTHS = (FIRST, SECOND)
