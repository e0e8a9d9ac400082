"""Spot checks over HTTP: a plan from its request to the estimates."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from service_kit import ACTOR, Kit, running
from spot_check_kit import appraise, screen_many

from brands.ids import utc_now
from screener import csv_safe


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("spot-checks"), rate_machine="100000/minute") as kit:
        yield kit


@pytest.fixture(scope="module")
def ml(kit: Kit) -> dict[str, str]:
    key, plaintext = kit.service.truth.keys.create(actor=ACTOR, scope="ml")
    return {"Authorization": f"Bearer {plaintext}", "X-Key": key.id}


def ask(kit: Kit, headers: dict[str, str], method: str, path: str, **body: Any) -> httpx.Response:
    return kit.client.request(method, f"/v1{path}", headers=headers, **body)


def test_from_a_plan_to_the_estimates(kit: Kit, ml: dict[str, str]) -> None:
    ids = screen_many(kit.service.truth.database, utc_now() - timedelta(hours=2), 30, prompted=range(10))
    shares = {"random": 0.4, "fakes": 0.6, "uncertain": 0, "diverse": 0, "value": 0, "complaints": 0}
    body = {"budget": 30, "seed": 5, "days": 1, "shares": shares}
    made = ask(kit, ml, "POST", "/spot-checks/plans", json=body)
    assert made.status_code == 201, made.text
    plan = made.json()
    assert (plan["budget"], plan["seed"], plan["population"], len(plan["picks"])) == (30, 5, 30, 30)
    assert plan["shares"] == shares and plan["left_out"] == 0 and plan["created_by"] == f"key:{ml['X-Key']}"
    assert ask(kit, ml, "GET", f"/spot-checks/plans/{plan['id']}").json() == plan

    listed = ask(kit, ml, "GET", "/spot-checks/plans?limit=1").json()
    assert listed["items"][0]["id"] == listed["next"] == plan["id"] and "picks" not in listed["items"][0]
    assert ask(kit, ml, "GET", f"/spot-checks/plans?after={plan['id']}").json() == {"items": [], "next": None}

    file = ask(kit, ml, "GET", f"/spot-checks/plans/{plan['id']}.csv")
    assert file.headers["Content-Type"].startswith("text/csv")
    assert f"spot-checks-{plan['id']}.csv" in file.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(file.text.removeprefix(csv_safe.MARK))))
    assert [row["screening_id"] for row in rows] == [pick["screening_id"] for pick in plan["picks"]]

    pick = plan["picks"][0]
    moved = ask(kit, ml, "POST", f"/spot-checks/{pick['id']}/state", json={"state": "ordered", "orders": 4})
    assert moved.json() | {"updated_at": ""} == pick | {"state": "ordered", "orders": 4, "updated_at": ""}
    nothing_left = ask(kit, ml, "POST", "/spot-checks/plans", json={"budget": 1})
    assert (nothing_left.status_code, nothing_left.json()["error"]["code"]) == (409, "nothing_to_check")

    outcomes = {name: "counterfeit" if name in ids[:9] else "authentic" for name in ids}
    appraise(kit.service.truth.database, outcomes, utc_now())
    again = ask(kit, ml, "POST", f"/spot-checks/{pick['id']}/state", json={"state": "cancelled"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "spot_check_state")
    told = ask(kit, ml, "GET", "/estimates").json()
    assert told["precision"]["value"] == pytest.approx(0.9)
    assert told["recall"]["value"] == 1.0
    assert told["listings"]["value"] == pytest.approx(9 / 30) and told["listings"]["enough"]
    assert told["told"]["results"] == 30 and set(told["categories"]) == {"goods-0", "goods-1", "goods-2"}
    part = ask(kit, ml, "GET", "/estimates?category=goods-1").json()
    assert (part["category"], part["listings"]["n"]) == ("goods-1", 10)
    later = ask(kit, ml, "GET", "/estimates?since=2999-01-01T00:00:00Z&until=2999-02-01T00:00:00Z").json()
    assert later["told"]["plans"] == 0 and later["listings"]["value"] is None

    cancelled = ask(kit, ml, "POST", f"/spot-checks/plans/{plan['id']}/cancel", json={"note": "done"})
    assert cancelled.json()["cancelled_at"] and cancelled.json()["counts"]["appraised"] == 30
    twice = ask(kit, ml, "POST", f"/spot-checks/plans/{plan['id']}/cancel", json={})
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "plan_cancelled")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"budget": 0},
        {"budget": 5.5},
        {"budget": True},
        {"budget": 5, "days": 0},
        {"budget": 5, "days": "nan"},
        {"budget": 5, "seed": -1},
        {"budget": 5, "seed": 2**63},
        {"budget": 5, "category": ""},
        {"budget": 5, "category": "a\0b"},
        {"budget": 5, "category": "x" * 201},
        {"budget": 5, "brand_id": 7},
        {"budget": 5, "extra": 1},
        {"budget": 5, "shares": {"random": 1}},
        {"budget": 5, "shares": {"random": 0, "fakes": 1, "uncertain": 0, "diverse": 0, "value": 0, "complaints": 0}},
        {"budget": 5, "shares": {"random": 2, "fakes": -1, "uncertain": 0, "diverse": 0, "value": 0, "complaints": 0}},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(kit: Kit, ml: dict[str, str], body: dict[str, Any]) -> None:
    answer = ask(kit, ml, "POST", "/spot-checks/plans", json=body)
    assert answer.status_code == 422, answer.text
    assert set(answer.json()["error"]) == {"code", "message", "field", "request_id"}


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=5",
        "since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z",
        "since=1800-01-01T00:00:00Z",
    ],
)
def test_a_time_that_makes_no_sense_is_refused(kit: Kit, ml: dict[str, str], query: str) -> None:
    assert ask(kit, ml, "GET", f"/estimates?{query}").status_code == 422


def test_what_is_not_there(kit: Kit, ml: dict[str, str]) -> None:
    nobody = "pln_" + "0" * 32
    for method, path, body in (
        ("GET", f"/spot-checks/plans/{nobody}", None),
        ("GET", f"/spot-checks/plans/{nobody}.csv", None),
        ("GET", "/spot-checks/plans/%00", None),
        ("POST", f"/spot-checks/plans/{nobody}/cancel", {}),
        ("POST", "/spot-checks/spc_1/state", {"state": "ordered"}),
    ):
        assert ask(kit, ml, method, path, json=body).status_code == 404, path
    wrong = ask(kit, ml, "POST", "/spot-checks/spc_1/state", json={"state": "bought"})
    assert wrong.status_code == 422
