"""Appraisals over HTTP: one or many, files, lists, conflicts, and how refusals look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_kit import ACTOR, Kit, encoded, picture, running
from test_appraisals_imports import annotation, task

from screener.appraisals.payloads import AT_ONCE, AppraisalIn, AppraisalsIn, inlined
from screener.appraisals.precision import appraised_precision
from screener.client import ItemAppraisal, Price, ScreenerAnswerInvalid, ScreenerApiError, ScreenerClient
from screener.client_appraisals import parse_appraisals, parse_import

HEAD = "listing_id,outcome,appraiser,method,appraised_on"


@dataclass(frozen=True, slots=True)
class Setting:
    kit: Kit
    ml: dict[str, str]
    brand_id: str

    def screen(self, listing_id: str) -> str:
        """A screened listing that was prompted."""
        answer = self.kit.screen([encoded(picture(2))], listing_id=listing_id)
        assert answer.status_code == 200, answer.text
        found: str = answer.json()["id"]
        return found

    def post(self, body: Any, path: str = "", **options: Any) -> Any:
        return self.kit.client.post(f"/v1/appraisals{path}", json=body, headers=self.ml, **options)

    def get(self, path: str = "", **parameters: Any) -> Any:
        answer = self.kit.client.get(f"/v1/appraisals{path}", params=parameters, headers=self.ml)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, data: bytes, kind: str, **parameters: Any) -> Any:
        headers = self.ml | {"Content-Type": kind}
        return self.kit.client.post("/v1/appraisals/import", content=data, headers=headers, params=parameters)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    with running(tmp_path_factory.mktemp("appraisals")) as kit:
        brand = kit.add_brand("Norvell", price="100")
        kit.add_reference(brand, "known_fake", picture(2))
        kit.refresh()
        token = kit.service.truth.keys.create(actor=ACTOR, scope="ml")[1]
        yield Setting(kit, {"Authorization": f"Bearer {token}"}, brand.id)


def said(screening_id: str | None, outcome: str = "authentic", **fields: Any) -> dict[str, Any]:
    told = {"outcome": outcome, "appraiser": "Lab Nord", "method": "laboratory", "appraised_on": "2025-01-20"}
    return told | ({} if screening_id is None else {"screening_id": screening_id}) | fields


def test_one_and_many(setting: Setting) -> None:
    first, second = setting.screen("R-1"), setting.screen("R-2")
    fields = {
        "brand": "norvell",
        "confidence": 0.9,
        "cost": {"amount": "86.40", "currency": "EUR"},
        "evidence_hash": "ab" * 32,
        "evidence_uri": "https://reports.example/1",
        "bought_on": "2025-01-02",
        "notes": "Glue.",
    }
    answer = setting.post({"appraisals": [said(first, **fields), said(None, listing_id="R-2", revision=1)]})
    assert answer.status_code == 201, answer.text
    one, two = answer.json()["appraisals"]
    assert (one["screening_id"], two["screening_id"]) == (first, second)
    assert (one["brand_id"], one["confidence"], one["cost_amount"]) == (setting.brand_id, 0.9, "86.40")
    assert (one["bought_on"], one["appraised_on"], one["source"]) == ("2025-01-02", "2025-01-20", "api")
    assert setting.get(f"/{one['id']}") == one
    listed = setting.get(screening_id=first)
    assert listed == {"items": [one], "next": None}
    page = setting.get(limit=1)
    assert page["next"] == page["items"][0]["id"]
    assert page["items"][0] not in setting.get(after=page["next"])["items"]
    with setting.kit.service.truth.database.read() as conn:
        assert appraised_precision(conn, setting.brand_id).wrong >= 2


def test_a_conflict_and_its_end(setting: Setting) -> None:
    item = setting.screen("R-3")
    made = setting.post({"appraisals": [said(item), said(item, "counterfeit", appraiser="Expert B")]}).json()[
        "appraisals"
    ]
    (found,) = [one for one in setting.get("/conflicts")["items"] if one["screening_id"] == item]
    assert found == {
        "screening_id": item,
        "listing_id": "R-3",
        "revision": 1,
        "brand_id": setting.brand_id,
        "appraisals": made,
    }
    path = f"/{made[1]['id']}/withdraw"
    assert setting.post({}, path).status_code == 422
    assert setting.post({"reason": " "}, path).json()["error"]["code"] == "reason_needed"
    withdrawn = setting.post({"reason": "the wrong bag"}, path).json()
    assert withdrawn["withdrawn_reason"] == "the wrong bag" and withdrawn["withdrawn_by"].startswith("key:")
    again = setting.post({"reason": "x"}, path)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "illegal_state")
    assert item not in [one["screening_id"] for one in setting.get("/conflicts")["items"]]
    assert setting.get(screening_id=item, withdrawn=True)["items"] == [withdrawn]


def test_a_refusal_has_the_one_shape_and_every_problem(setting: Setting) -> None:
    item = setting.screen("R-4")
    before = setting.get()["items"]
    answer = setting.post({"appraisals": [said(item), said(item), said("scr_x", brand="No one", appraiser="B")]})
    body = answer.json()
    assert answer.status_code == 422 and setting.get()["items"] == before
    assert body["error"] == {
        "code": "duplicate_appraisal",
        "message": body["error"]["message"],
        "field": "appraisals[1].appraiser",
        "request_id": answer.headers["X-Request-Id"],
    }
    assert body["total"] == 3
    assert [(problem["row"], problem["column"], problem["field"], problem["code"]) for problem in body["problems"]] == [
        (2, "appraiser", "appraisals[1].appraiser", "duplicate_appraisal"),
        (3, "screening_id", "appraisals[2].screening_id", "unknown_screening"),
        (3, "brand", "appraisals[2].brand", "unknown_brand"),
    ]


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (said("scr_x", "fake"), "appraisals[1].outcome"),
        (said("scr_x", confidence=2), "appraisals[1].confidence"),
        (said("scr_x", confidence="0.5"), "appraisals[1].confidence"),
        (said("scr_x", confidence=True), "appraisals[1].confidence"),
        (said("scr_x", cost={"amount": "much", "currency": "EUR"}), "appraisals[1].cost.amount"),
        (said("scr_x", cost={"amount": 1}), "appraisals[1].cost.currency"),
        (said("scr_x", appraised_on="20.01.2025"), "appraisals[1].appraised_on"),
        (said("scr_x", appraised_on=20250120), "appraisals[1].appraised_on"),
        (said("scr_x", appraiser=7), "appraisals[1].appraiser"),
        (said("scr_x", notes="\0"), "appraisals[1].notes"),
        (said(None, listing_id="x", revision="1"), "appraisals[1].revision"),
        (said("scr_x", secret_field=1), "appraisals[1]"),
        ({"outcome": "authentic"}, "appraisals[1].appraiser"),
        ("text", "appraisals[1]"),
    ],
)
def test_an_entry_that_is_none(setting: Setting, entry: Any, field: str) -> None:
    answer = setting.post({"appraisals": [said("scr_x"), entry]})
    body = answer.json()
    assert (answer.status_code, body["error"]["code"], body["error"]["field"]) == (422, "invalid_request", field)
    assert body["problems"][0]["row"] == 2 and "secret" not in answer.text


@pytest.mark.parametrize("body", [[], {}, {"appraisals": 1}, {"appraisals": [], "more": 1}, 7])
def test_a_body_that_is_none(setting: Setting, body: Any) -> None:
    answer = setting.post(body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


def test_no_body_another_type_and_too_many(setting: Setting) -> None:
    client = setting.kit.client
    empty = client.post("/v1/appraisals", headers=setting.ml | {"Content-Type": "application/json"})
    assert (empty.status_code, empty.json()["error"]["code"]) == (400, "empty_body")
    text = client.post("/v1/appraisals", content="x", headers=setting.ml | {"Content-Type": "text/plain"})
    assert (text.status_code, text.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert setting.post({"appraisals": [said("scr_x")] * (AT_ONCE + 1)}).status_code == 422


class TestImport:
    def test_a_table_raw_and_as_a_form(self, setting: Setting) -> None:
        for name in ("R-5", "R-6"):
            setting.screen(name)
        raw = setting.send(f"{HEAD}\nR-5,authentic,Lab,expert,2025-01-20\n".encode(), "text/csv; charset=utf-8")
        assert raw.status_code == 201, raw.text
        assert (raw.json()["added"], raw.json()["skipped"]) == (1, {})
        form = setting.kit.client.post(
            "/v1/appraisals/import",
            files={
                "file": ("results.csv", f"{HEAD}\nR-6,authentic,Lab,expert,2025-01-20\n", "application/vnd.ms-excel")
            },
            headers=setting.ml,
        )
        assert form.status_code == 201, form.text
        (made,) = setting.get(import_id=form.json()["import_id"])["items"]
        assert made["source"] == "csv"

    def test_an_export_raw_and_as_a_form(self, setting: Setting) -> None:
        for name in ("R-7", "R-8"):
            setting.screen(name)
        raw = setting.post([task({"listing_id": "R-7"}, annotation(), annotation(was_cancelled=True))], "/import")
        assert raw.status_code == 201, raw.text
        assert (raw.json()["added"], raw.json()["skipped"]) == (1, {"cancelled": 1})
        export = json.dumps([task({"listing_id": "R-8"}, annotation(), annotation(completed_by=2, ground_truth=True))])
        form = setting.kit.client.post(
            "/v1/appraisals/import",
            params={"ground_truth_only": True},
            files={"file": ("export.json", export, "application/json")},
            headers=setting.ml,
        )
        assert (form.json()["added"], form.json()["skipped"]) == (1, {"not_ground_truth": 1})

    def test_the_same_again_is_refused_with_its_rows(self, setting: Setting) -> None:
        setting.screen("R-9")
        table = f"{HEAD}\nR-9,authentic,Lab,expert,2025-01-20\n".encode()
        assert setting.send(table, "text/csv").status_code == 201
        body = setting.send(table, "text/csv").json()
        assert (body["error"]["code"], body["error"]["field"]) == ("duplicate_appraisal", "rows[2].appraiser")
        assert [problem["row"] for problem in body["problems"]] == [2]
        assert set(body["error"]) == {"code", "message", "field", "request_id"}

    @pytest.mark.parametrize(
        ("data", "kind", "status", "code"),
        [
            (b"x", "image/png", 415, "unsupported_media_type"),
            (b"", "text/csv", 422, "invalid_csv"),
            (b"", "application/json", 400, "empty_body"),
            (b"{}", "application/json", 422, "invalid_label_studio"),
            (b"[", "application/json", 400, "invalid_json"),
            (b"--x", "multipart/form-data; boundary=b", 400, "invalid_multipart"),
            (b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--b--\r\n",
             "multipart/form-data; boundary=b", 400, "missing_part"),
            (b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n[1\r\n--b--\r\n",
             "multipart/form-data; boundary=b", 400, "invalid_json"),
        ],
    )  # fmt: skip
    def test_what_is_no_file(self, setting: Setting, data: bytes, kind: str, status: int, code: str) -> None:
        answer = setting.send(data, kind)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def test_label_studio_is_set_up_from_here(setting: Setting) -> None:
    answer = setting.kit.client.get("/v1/appraisals/label-studio/configuration", headers=setting.ml)
    assert answer.headers["Content-Type"].startswith("text/xml") and setting.brand_id in answer.text
    assert setting.get("/label-studio/tasks") == []
    wrong = setting.kit.client.get("/v1/appraisals/label-studio/tasks?plan_id=x", headers=setting.ml)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "invalid_filter")


def test_filters_that_are_none(setting: Setting) -> None:
    for query in ("outcome=fake", "screening_id=x", "limit=0", "since=x", "after=x"):
        answer = setting.kit.client.get(f"/v1/appraisals?{query}", headers=setting.ml)
        assert answer.status_code == 422, query


def test_what_is_not_there(setting: Setting) -> None:
    for path in ("apr_" + "0" * 32, "x"):
        answer = setting.kit.client.get(f"/v1/appraisals/{path}", headers=setting.ml)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_the_example_of_the_documentation_is_accepted() -> None:
    (example,) = AppraisalIn.model_json_schema()["examples"]
    AppraisalIn.model_validate(example).new()
    schema = inlined(AppraisalsIn.model_json_schema())
    assert "$ref" not in json.dumps(schema)
    assert schema["properties"]["appraisals"]["items"]["properties"]["cost"]["anyOf"][0]["title"] == "CostBody"


def test_scopes(setting: Setting) -> None:
    answer = setting.kit.client.get("/v1/appraisals", headers=setting.kit.hook)
    assert answer.status_code == 403


class TestClient:
    """The client against the real application."""

    def client(self, setting: Setting) -> ScreenerClient:
        transport = httpx.ASGITransport(app=setting.kit.client.app)
        token = setting.ml["Authorization"].removeprefix("Bearer ")
        return ScreenerClient("http://screener", token, transport=transport)

    def test_results_one_by_one(self, setting: Setting) -> None:
        item = setting.screen("C-1")
        told = ItemAppraisal(
            "authentic", "Expert", "expert", date(2025, 1, 20), screening_id=item, brand="Norvell", confidence=0.5,
            cost=Price(86.1, "EUR"), bought_on=date(2025, 1, 2), notes="fine",
        )  # fmt: skip
        with self.client(setting) as client:
            (made,) = client.appraise([told])
            assert (made.screening_id, made.outcome, made.brand_id) == (item, "authentic", setting.brand_id)
            assert (made.appraiser, made.appraised_on) == ("Expert", date(2025, 1, 20))
            assert setting.get(f"/{made.id}")["cost_amount"] == "86.1"
            with pytest.raises(ScreenerApiError) as caught:
                client.appraise([told])
        (problem,) = caught.value.problems
        assert (problem.row, problem.column, problem.code) == (1, "appraiser", "duplicate_appraisal")

    def test_a_file(self, setting: Setting, tmp_path: Path) -> None:
        for name in ("C-2", "C-3"):
            setting.screen(name)
        table = tmp_path / "results.csv"
        table.write_text(f"{HEAD}\nC-2,authentic,Lab,expert,2025-01-20\n")
        with self.client(setting) as client:
            assert client.import_appraisals(table).added == 1
            export = json.dumps([task({"listing_id": "C-3"}, annotation(), annotation(was_cancelled=True))]).encode()
            done = client.import_appraisals(export)
            assert (done.added, done.skipped) == (1, {"cancelled": 1})
            with pytest.raises(ScreenerApiError) as caught:
                client.import_appraisals(table)
        assert [problem.row for problem in caught.value.problems] == [2]

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"appraisals": [{}]}', b'{"import_id": 1, "added": "x"}'])
    def test_answers_that_are_none(self, body: bytes) -> None:
        for parse in (parse_appraisals, parse_import):
            with pytest.raises(ScreenerAnswerInvalid):
                parse(body)
