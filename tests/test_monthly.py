"""The monthly report: every figure against what was put in, nothing of other months or brands, no unproven value."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from drift_kit import market, record
from hypothesis import given
from hypothesis import strategies as st
from service_kit import ACTOR, Kit, running
from typer.testing import CliRunner

from brands.database import Database
from brands.errors import Invalid
from brands.ids import new_id
from brands.registry import Registry
from brands.schema import (
    appraisals,
    buyer_signals,
    decisions,
    responses,
    reviews,
    seller_actions,
    seller_events,
)
from screener.appraisals.model import NewAppraisal
from screener.appraisals.store import add as add_appraisals
from screener.cli import app
from screener.drift.baseline import baseline_of, read_baseline, write_baseline
from screener.monthly.caught import confirmed
from screener.monthly.lines import COLUMNS, TOO_FEW, lines, write_csv
from screener.monthly.month import Month
from screener.monthly.report import Report, read_report
from screener.records import RESCREENED_BY
from screener.spot_checks import plan as spot_checks

JUNE = Month(2026, 6)
DAY = datetime(2026, 6, 10, 12, tzinfo=UTC)
LATER = datetime(2026, 7, 20, tzinfo=UTC)


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def report(database: Database, brand_id: str | None = None, month: Month = JUNE) -> Report:
    with database.read() as conn:
        return read_report(conn, month, at=LATER, brand_id=brand_id)


def insert(database: Database, table: sa.Table, *rows: dict[str, Any]) -> None:
    with database.write() as conn:
        conn.execute(sa.insert(table), list(rows))


def appraised(database: Database, screening_id: str, outcome: str, **fields: Any) -> None:
    row = {
        "id": new_id("apr", LATER), "screening_id": screening_id, "outcome": outcome, "appraiser": "Lab", "notes": "",
        "method": "expert", "appraised_on": date(2026, 6, 28), "source": "api", "created_at": LATER, "created_by": "x",
    }  # fmt: skip
    insert(database, appraisals, row | fields)


def decided(database: Database, screening_id: str, outcome: str, when: datetime) -> None:
    row = {"screening_id": screening_id, "outcome": outcome, "notes": "", "created_by": "x", "created_at": when}
    insert(database, decisions, row | {"id": new_id("dec", when)})
    with database.write() as conn:
        own = reviews.c.screening_id == screening_id
        conn.execute(sa.update(reviews).where(own).values(state="decided", outcome=outcome, decided_at=when))


def answered(database: Database, screening_id: str, kind: str, when: datetime) -> None:
    row = {"screening_id": screening_id, "kind": kind, "text": "", "created_at": when, "created_by": "x"}
    insert(database, responses, row | {"id": new_id("rsp", when)})


def signal(database: Database, listing_id: str, when: datetime, *, suspected: bool = True, **fields: Any) -> None:
    row = {
        "id": new_id("sig", when), "kind": "complaint", "listing_id": listing_id, "text": "fake!", "language": "en",
        "suspicion": 0.9, "suspected": suspected, "classifier": "c", "occurred_at": when, "created_at": when,
        "created_by": "x",
    }  # fmt: skip
    insert(database, buyer_signals, row | fields)


# Months


@given(st.integers(2000, 2098), st.integers(1, 12))
def test_months_follow_one_another(year: int, number: int) -> None:
    month = Month(year, number)
    assert Month.named(str(month)) == month == month.next.previous == month.previous.next
    assert month.begin < month.end == month.next.begin
    assert Month.of(month.begin.date()) == Month.of((month.end - timedelta(seconds=1)).date()) == month
    assert month.previous < month < month.next


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "26-01", "2026-1", "2026-011", "２０２６-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Month.named(text)


# What is counted


def test_listings_of_the_month_are_counted_once_and_by_brand(database: Database, registry: Registry) -> None:
    from review_kit import add_brand

    brand = add_brand(registry, "Norvokka")
    record(database, [at(n) for n in range(6)], brand_id=brand.id, verdict="prompt", category="bags")
    record(database, [at(n) for n in range(10)], category="=bags")
    record(database, [at(n) for n in range(3)], verdict="unscreenable", rescreen=True, listing_id="same")
    record(database, [at(1)], verdict="review", key_id=RESCREENED_BY)
    record(database, [JUNE.begin - timedelta(seconds=1), JUNE.end], brand_id=brand.id, verdict="prompt")
    whole, own = report(database), report(database, brand.id)
    assert whole.screened.verdicts == {"prompt": 6, "clear": 10, "unscreenable": 3}
    assert (whole.screened.screenings, whole.screened.listings, whole.screened.shown) == (19, 17, 6)
    assert (whole.screened.prompted.number, whole.screened.prompted.of, whole.screened.degraded) == (6, 19, 3)
    assert (whole.screened.unknown, whole.screened.unknown_sellers) == (13, 13)
    assert [(one.key, one.name, one.screened, one.prompted) for one in whole.brands] == [(brand.id, "Norvokka", 6, 6)]
    assert [(one.name, one.screened, one.prompted) for one in whole.categories] == [("bags", 6, 6), ("=bags", 10, 0)]
    assert (own.screened.screenings, own.screened.unknown, own.brands) == (6, 0, ())
    assert [one.name for one in own.categories] == ["bags"]
    assert report(database, month=JUNE.previous.previous).screened.screenings == 0


def test_prompted_first_or_complained_about_first(database: Database) -> None:
    def one(name: str, verdict: str = "prompt", complaints: int | None = None) -> str:
        request = {"title": "A thing", "price": None, "complaints": complaints}
        return record(database, [at(0)], verdict=verdict, listing_id=name, request=request)[0]

    ids = [one("quiet"), one("later"), one("earlier"), one("told", complaints=2), one("missed", "clear"),
           one("silent", "clear"), one("told and missed", "clear", complaints=1)]  # fmt: skip
    again = record(database, [at(5)], verdict="prompt", listing_id="silent")
    signal(database, "later", at(3))
    signal(database, "earlier", at(-3))
    signal(database, "quiet", at(-3), suspected=False)
    signal(database, "missed", at(3))
    with database.read() as conn:
        found = confirmed(conn, ids)
        prompted_later = confirmed(conn, [*ids, *again])
        nothing = confirmed(conn, [])
    assert (found.listings, found.proactive.number, found.complained, found.silent) == (7, 2, 4, 1)
    assert (prompted_later.listings, prompted_later.proactive.number, prompted_later.silent) == (7, 3, 0)
    assert (nothing.listings, nothing.proactive.value) == (0, None)


def test_appraisals_and_decisions_are_never_added_up(database: Database) -> None:
    ids = record(database, [at(n) for n in range(8)], verdict="prompt")
    for n, outcome in enumerate(["counterfeit", "counterfeit", "authentic", "inconclusive"]):
        appraised(database, ids[n], outcome, cost_amount=Decimal("40.50"), cost_currency="EUR")
    appraised(database, ids[0], "authentic", appraiser="Other", cost_amount=Decimal(9), cost_currency="USD")
    appraised(database, ids[7], "counterfeit", withdrawn_at=LATER, withdrawn_by="x", withdrawn_reason="mixed up")
    for n, outcome in ((1, "counterfeit"), (4, "counterfeit"), (5, "authentic"), (6, "unsure")):
        decided(database, ids[n], outcome, at(24))
    found = report(database)
    assert (found.appraised.counterfeit, found.appraised.authentic) == (1, 1)
    assert (found.appraised.inconclusive, found.appraised.conflict) == (1, 1)
    assert (found.appraised.confirmed.listings, found.by_people.listings) == (1, 2)
    assert found.decided.outcomes == {"counterfeit": 2, "authentic": 1, "unsure": 1}
    assert (found.decided.right.number, found.decided.right.of, found.decided.waiting) == (2, 3, 4)
    euro, dollar = found.costs
    assert (euro.amount, euro.appraised, euro.counterfeits, euro.each) == (Decimal("162.00"), 4, 1, Decimal("162.00"))
    assert (dollar.currency, dollar.counterfeits, dollar.each) == ("USD", 0, None)


def test_times_are_of_first_decisions_made_in_the_month(database: Database) -> None:
    ids = record(database, [at(0)] * 12, verdict="prompt")
    hours = [0.5, 1, 2, 3, 5, 8, 13, 21, 34, 55]
    for identifier, spent in zip(ids, hours, strict=False):
        decided(database, identifier, "authentic", at(spent))
        decided(database, identifier, "counterfeit", at(spent + 100))
    decided(database, ids[10], "authentic", JUNE.end + timedelta(hours=1))
    found = report(database).times
    assert found.number == len(hours)
    assert found.median == pytest.approx(np.median(hours))
    assert found.p90 == pytest.approx(np.percentile(hours, 90))
    july = report(database, month=JUNE.next).times
    assert (july.number, july.median) == (1, july.p90)


def test_sellers_answers_and_appeals(database: Database) -> None:
    ids = record(database, [at(n / 10) for n in range(10)], verdict="prompt")
    with database.write() as conn:
        conn.execute(sa.update(reviews).where(reviews.c.screening_id == ids[9]).values(shown=False))
    answered(database, ids[0], "proof", at(10))
    decided(database, ids[0], "authentic", at(20))  # overturned
    decided(database, ids[1], "counterfeit", at(5))
    answered(database, ids[1], "published_anyway", at(10))  # appealed after the decision: not decided since
    answered(database, ids[2], "published_anyway", at(10))
    decided(database, ids[2], "counterfeit", at(20))  # upheld
    answered(database, ids[3], "proof", at(10))
    answered(database, ids[3], "withdrawn", at(11))  # the last answer counts, the appeal was made all the same
    answered(database, ids[4], "edited", at(10))
    found = report(database).answers
    assert found.kinds == {"edited": 1, "withdrawn": 1, "proof": 1, "published_anyway": 2}
    assert (found.answered.number, found.answered.of) == (5, 9)
    assert (found.accepted.number, found.accepted.of) == (2, 5)
    assert (found.appealed.number, found.appealed.of) == (4, 9)
    assert (found.overturned.number, found.overturned.of) == (1, 2)


def test_ledger_and_signals_of_the_month(database: Database, registry: Registry) -> None:
    from review_kit import add_brand

    brand = add_brand(registry, "Norvokka")

    def event(when: datetime, kind: str, points: int, **fields: Any) -> dict[str, Any]:
        return {
            "id": new_id("sev", when), "seller_id": "shop-1", "kind": kind, "points": points, "policy": "spo_0",
            "note": "", "occurred_at": when, "created_at": when, "created_by": "x", "brand_id": None,
            "reverses": None, "severe": False,
        } | fields  # fmt: skip

    first = event(at(0), "violation", 24, brand_id=brand.id)
    insert(
        database, seller_events, first, event(at(1), "violation", 2),
        event(at(2), "appeal", -24, reverses=first["id"], brand_id=brand.id),
        event(JUNE.end, "violation", 48),
    )  # fmt: skip
    for n, (state, action) in enumerate((("reversed", "restriction"), ("executed", "closure"))):
        insert(
            database, seller_actions,
            {
                "id": new_id("act", at(n)), "seller_id": "shop-1", "event_id": first["id"], "action": action,
                "points": 24, "state": state, "note": "", "created_at": at(n), "updated_at": at(n), "updated_by": "x",
            },
        )  # fmt: skip
    signal(database, "L-1", at(0), brand_id=brand.id)
    signal(database, "L-1", at(1))
    signal(database, "L-2", at(2), suspected=False)
    signal(database, "L-3", JUNE.end)
    whole, own = report(database), report(database, brand.id)
    assert whole.ledger.events == {"violation": 2, "appeal": 1}
    assert (whole.ledger.points, whole.ledger.taken_back) == (26, 1)
    assert whole.ledger.actions == own.ledger.actions == {"restriction": {"reversed": 1}, "closure": {"executed": 1}}
    assert (own.ledger.events, own.ledger.points) == ({"violation": 1, "appeal": 1}, 24)
    assert (whole.signals.number, whole.signals.suspected, whole.signals.suspected_listings) == (3, 2, 1)
    assert (own.signals.number, own.signals.suspected) == (1, 1)


def test_without_enough_appraisals_there_is_no_value(database: Database) -> None:
    record(database, [at(n / 60) for n in range(60)])
    plan = spot_checks.plan(database, budget=5, actor="x", now=at(10))
    with database.write() as conn:
        new = [NewAppraisal("authentic", "Lab", "expert", DAY.date(), screening_id=p.screening_id) for p in plan.picks]
        add_appraisals(conn, new, actor="x", now=LATER)
    found = report(database)
    assert found.estimates.told.results == 5
    told = {line.figure: line for line in lines(found) if line.section == "estimates"}
    rate = told["counterfeits_per_10000_listings"]
    assert (rate.value, rate.note, rate.low) == (None, TOO_FEW, 0.0)
    assert rate.high is not None and rate.high > 1000
    assert report(database, month=JUNE.previous).estimates.told.plans == 0


def test_with_enough_appraisals_the_rate_is_near_the_truth(database: Database) -> None:
    ids = record(database, [at(n / 60) for n in range(300)])
    fakes = set(ids[::5])
    plan = spot_checks.plan(database, budget=100, actor="x", now=at(10))
    with database.write() as conn:
        new = [
            NewAppraisal("counterfeit" if p.screening_id in fakes else "authentic", "Lab", "expert", DAY.date(),
                         screening_id=p.screening_id)
            for p in plan.picks
        ]  # fmt: skip
        add_appraisals(conn, new, actor="x", now=LATER)
    (rate,) = (line for line in lines(report(database)) if line.figure == "counterfeits_per_10000_listings")
    assert isinstance(rate.value, float) and rate.low is not None and rate.high is not None
    assert rate.low < 2000 < rate.high
    assert rate.low < rate.value < rate.high


def test_the_file_is_no_formula(database: Database) -> None:
    record(database, [at(0)], verdict="prompt", category='=HYPERLINK("x")')
    text = write_csv(report(database)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    assert {row["month"] for row in rows} == {"2026-06"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@"))]
    assert any("HYPERLINK" in row["figure"] for row in rows)


# Over HTTP and on the command line


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("monthly")) as kit:
        yield kit


def key(kit: Kit, scope: str, brand_id: str | None = None) -> dict[str, str]:
    token = kit.service.truth.keys.create(actor=ACTOR, scope=scope, brand_id=brand_id)[1]  # type: ignore[arg-type]
    return {"Authorization": f"Bearer {token}"}


def test_a_brand_sees_its_own_report_only(kit: Kit) -> None:
    own, other = kit.add_brand("Ours"), kit.add_brand("Theirs")
    database = kit.service.truth.database
    record(database, [at(n) for n in range(3)], brand_id=own.id, verdict="prompt", category="bags")
    record(database, [at(n) for n in range(5)], brand_id=other.id, category="secret goods")
    path, asked = "/v1/reports/monthly", {"month": "2026-06"}
    mine = kit.client.get(path, params=asked, headers=key(kit, "brand", own.id))
    assert mine.status_code == 200
    assert (mine.json()["brand_id"], mine.json()["screened"]["screenings"]) == (own.id, 3)
    assert "secret goods" not in mine.text and other.name not in mine.text
    named = kit.client.get(path, params=asked | {"brand_id": other.id}, headers=key(kit, "brand", own.id))
    nothing = kit.client.get(path, params=asked | {"brand_id": "brd_" + "0" * 32}, headers=key(kit, "brand", own.id))
    assert (named.status_code, nothing.status_code) == (404, 404)
    assert {**named.json()["error"], "request_id": ""} == {**nothing.json()["error"], "request_id": ""}
    whole = kit.client.get(path, params=asked, headers=key(kit, "ops"))
    assert whole.json()["screened"]["screenings"] == 8
    assert kit.client.get(path, params=asked | {"brand_id": "brd_\0"}, headers=kit.admin).status_code == 404
    refused = kit.client.get(path, params={"month": "2026-13"}, headers=kit.admin)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "month")


def test_drift_is_answered_and_measured(kit: Kit) -> None:
    answer = kit.client.get("/v1/drift", headers=key(kit, "ml"))
    assert answer.status_code == 200
    assert answer.json()["lacking"] == "no_baseline"
    assert answer.json()["judge"] == kit.service.refresher.opened.judge.id
    assert "screener_drift_screenings" in kit.client.get("/metrics").text


def test_the_command_line_reports(kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = kit.service.truth.settings
    for name in ("bundle", "judge", "policy"):
        monkeypatch.setenv(f"SCREENER_{name.upper()}", getattr(settings, name))
    at_folder = ["--data-dir", str(settings.data_dir)]
    run = CliRunner().invoke
    table = run(app, ["report", "monthly", "--month", "2026-06", *at_folder])
    assert table.exit_code == 0 and "share_caught" in table.output and TOO_FEW in table.output
    as_json = run(app, ["report", "monthly", "--month", "2026-06", "--json", *at_folder])
    assert json.loads(as_json.output)["month"] == "2026-06"
    as_csv = run(app, ["report", "monthly", "--month", "2026-06", "--csv", *at_folder])
    assert as_csv.output.splitlines()[0].endswith('"note"')
    file = tmp_path / "report.html"
    assert run(app, ["report", "monthly", "--month", "2026-06", "--html", str(file), *at_folder]).exit_code == 0
    page = file.read_text(encoding="utf-8")
    assert "not enough appraisals" in page and "http://" not in page and "<script" not in page
    assert run(app, ["report", "monthly", "--month", "2026", *at_folder]).exit_code == 1
    drift = run(app, ["report", "drift", *at_folder])
    assert drift.exit_code == 1 and "nothing to compare with" in drift.output
    assert run(app, ["report", "drift", "--html", str(file), *at_folder]).exit_code == 0
    assert "nothing to compare with" in file.read_text(encoding="utf-8")
    assert json.loads(run(app, ["report", "drift", "--json", *at_folder]).output)["shifts"] == []


def test_a_stored_judge_keeps_the_baseline_that_it_brought(kit: Kit) -> None:
    """A promotion copies the judge; what it was made for goes with it, and drift is held against that."""
    truth, served = kit.service.truth, kit.service.refresher.opened.judge
    x = market(np.random.default_rng(1), 400)
    scores = served.judge_many(x.astype(np.float32))[0]
    told = baseline_of(
        x, scores, verdicts=["clear"] * 400, brand_status=["none"] * 400, source="training", since="2026-01-01",
        until="2026-01-31",
    )  # fmt: skip
    folder = write_baseline(truth.models.store.configured.judge, told)
    truth.models.store.add(truth.models.store.configured)
    assert read_baseline(truth.settings.data_dir / "judges" / served.id) is not None
    found = kit.service.drift.compute()
    assert found is not None and found.baseline is not None
    assert (found.baseline.source, found.baseline.rows) == ("training", 400)
    folder.unlink()


def test_a_report_of_a_month_that_goes_on_says_so(database: Database) -> None:
    with database.read() as conn:
        found = read_report(conn, JUNE, at=at(0))
    assert found.over is False
