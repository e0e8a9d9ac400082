"""The first half of the day: screenings, purchases planned and appraised, and what the results become."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from brands.ids import utc_now
from screener.appraisals.imports import import_csv
from screener.service import Service, open_service
from screener.settings import Settings
from screener.spot_checks.estimate import Estimate, estimate
from screener.spot_checks.plan import plan as plan_checks
from training.day.compare import Judged, judged
from training.day.marketplace import ENGINEER, appraisals_csv, copy_of, let_in_known_fakes, screen_rows
from training.day.record import Day

Rows = Sequence[Mapping[str, Any]]


def screen_and_buy(day: Day, service: Service, market: Path, month: Rows) -> Settings:
    """Screens a month, buys and appraises a part of it; gives the settings of a copy of what was before."""
    answers = screen_rows(service, market, month)
    by_screening = {answer["id"]: row for answer, row in zip(answers, month, strict=True)}
    day.step("The first month is screened", f"{len(answers)} listings")
    before = copy_of(service, day.work / "before")
    database, begun = service.truth.database, utc_now() - timedelta(days=1)
    plan = plan_checks(database, budget=day.size.budget, actor=ENGINEER, now=utc_now(), seed=day.seed)
    table = appraisals_csv(plan.picks, by_screening, day.seed)
    (day.work / "appraisals.csv").write_bytes(table)
    added = import_csv(database, table, actor=ENGINEER, now=utc_now()).added
    fakes = sum(by_screening[pick.screening_id]["truth"]["appraised"] == "counterfeit" for pick in plan.picks)
    share = sum(bool(row["truth"]["counterfeit"]) for row in month) / len(month)
    day.step("Items are planned, bought, appraised", f"{added} appraisals, {fakes} counterfeits")
    found = fakes / len(plan.picks)
    day.check(
        "the plan finds counterfeits at least 3 times as often as chance",
        found >= 3 * share,
        f"{100 * found:.1f} of 100 purchases, {100 * share:.1f} by chance",
    )
    with database.read() as connection:
        told = estimate(connection, since=begun, until=utc_now() + timedelta(days=1))
    day.check(
        "the rate of counterfeits estimated from the purchases has the true one in its interval",
        told.listings.low <= share <= told.listings.high,
        f"{_words(told.listings)}, true {share:.3f}",
    )
    day.say(f"estimated precision of prompts {_words(told.precision)}, recall {_words(told.recall)}")
    return before


def learn(day: Day, service: Service) -> None:
    """Results become references, once a second person has looked."""
    learned = service.learner.follow(None)
    let_in, held = let_in_known_fakes(service)
    day.step("Results become references", f"{learned['proposed']} proposed, {let_in} let in, {held} kept out")


def had_nothing_been_learned(day: Day, before: Settings, market: Path, next_month: Rows) -> Judged:
    """Screens the next month by the marketplace as it was before the purchases, and deletes that copy."""
    with open_service(before) as service:
        service.refresher.refresh()
        answers = screen_rows(service, market, next_month)
    shutil.rmtree(before.data_dir)
    day.step("The next month, had nothing been learned", f"{len(answers)} listings")
    return judged("before", answers)


def _words(one: Estimate) -> str:
    if one.value is None:
        return "not known"
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"
