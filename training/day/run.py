"""The day from beginning to end, every step as an engineer takes it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no stubs

from training.day import models, purchases
from training.day.compare import judged
from training.day.marketplace import open_marketplace, screen_rows
from training.day.months import FIRST, SECOND, write_months
from training.day.record import Day, Size
from training.market.dataset import LISTINGS, read_lines
from training.market.rendered import Rendered

MADE_AGAIN = ("data", "before", "datasets", "encoder", "models", "scratch", "reports")


def run_day(work: Path, *, size: Size | None = None, seed: int = 7, fine_tune: bool = True) -> Day:
    """Runs the whole day in `work`: what an earlier run drew is kept, everything else is made again.

    The record is in `reports/day.json`, beside the candidates' reports; `fine_tune` also makes an encoder.
    """
    day = Day(work, size or Size(), seed)
    for name in MADE_AGAIN:
        shutil.rmtree(work / name, ignore_errors=True)
    market = work / "market"
    if not (market / LISTINGS).is_file():
        source, first = Rendered(day.market, seed, day.size.brands), day.size.first + day.size.shadow
        write_months(market, day.market, source, first=first, second=day.size.second, seed=seed)
    rows = read_lines(market / LISTINGS)
    whole = [row for row in rows if row["truth"]["split"] == FIRST]
    month, last_days = whole[: -day.size.shadow], whole[-day.size.shadow :]
    next_month = [row for row in rows if row["truth"]["split"] == SECOND]
    day.step("A marketplace is drawn", f"{len(rows)} listings of {day.size.brands} brands")
    # As the server has it: idle threads of BLAS spin on the cores that encode.
    with threadpool_limits(1), open_marketplace(work / "data", market) as service:
        copy = purchases.screen_and_buy(day, service, market, month)
        purchases.learn(day, service)
        before = purchases.had_nothing_been_learned(day, copy, market, next_month)
        frozen, candidates = models.freeze_and_train(day, service, fine_tune=fine_tune)
        models.promote_the_better(day, service, frozen, candidates, market, last_days)
        models.compare(day, next_month, before, judged("after", screen_rows(service, market, next_month)))
        models.refuse_a_bad_one(day, service, frozen)
        models.go_back(day, service, market, last_days)
    (work / "reports").mkdir(exist_ok=True)
    (work / "reports" / "day.json").write_text(json.dumps(day.record(), indent=1) + "\n", encoding="utf-8")
    return day
