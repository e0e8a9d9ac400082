"""Files of appraisals: tables as spreadsheets write them, Label Studio's exports, and what is told of wrong ones."""

from __future__ import annotations

import csv
import io
import itertools
import json
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from review_kit import add_brand, screen
from typer.testing import CliRunner

from brands.database import Database
from brands.errors import Invalid
from brands.ids import new_id
from brands.model import APPRAISAL_METHODS, APPRAISALS
from brands.registry import Registry
from brands.schema import appraisals, spot_check_plans, spot_checks
from screener.appraisals.cells import COLUMNS
from screener.appraisals.checking import Findings
from screener.appraisals.csv_file import parse_csv, row_of, write_csv
from screener.appraisals.imports import import_csv, import_label_studio
from screener.appraisals.label_studio_setup import MANY, configuration, tasks
from screener.appraisals.model import MOST, Appraisal, AppraisalsRefused, Imported, NewAppraisal, Problem
from screener.appraisals.picked import INFO, brand_choices, picked_items, table_row
from screener.appraisals.store import list_appraisals
from screener.cli import app
from screener.errors import BodyRefused
from screener.listing import Listing

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = date(2026, 11, 24)
ACTOR = "cli:test"
HEAD = "screening_id,outcome,appraiser,method,appraised_on"


def item(database: Database, listing_id: str = "L-1", minutes: int = 0, **fields: Any) -> str:
    """A screening of a listing of its own."""
    at = NOW - timedelta(days=30) + timedelta(minutes=minutes)
    return screen(database, at, listing=Listing(listing_id, "A bag", "shop-1"), **fields)


def load(database: Database, text: str | bytes) -> Imported:
    data = text.encode() if isinstance(text, str) else text
    return import_csv(database, data, actor=ACTOR, now=NOW)


def refused(database: Database, text: str | bytes) -> list[tuple[int, str, str]]:
    with pytest.raises(AppraisalsRefused) as caught:
        load(database, text)
    return told(caught.value.problems)


def told(problems: tuple[Problem, ...]) -> list[tuple[int, str, str]]:
    return [(problem.place.row, problem.column, problem.code) for problem in problems]


def stored(database: Database) -> tuple[Appraisal, ...]:
    with database.read() as conn:
        return list_appraisals(conn, limit=500)


def parsed(data: bytes) -> tuple[list[NewAppraisal], list[tuple[int, str, str]]]:
    findings = Findings()
    placed = parse_csv(data, today=TODAY, findings=findings)
    return [one.new for one in placed], told(tuple(findings.problems))


class TestTables:
    def test_every_column_is_read(self, registry: Registry) -> None:
        brand = add_brand(registry, "Norvell")
        database, screening = registry.database, item(registry.database)
        done = load(
            database,
            "appraised_on,screening_id,listing_id,revision,outcome,brand,appraiser,method,confidence,cost_amount,"
            "cost_currency,evidence_hash,evidence_uri,bought_on,notes\r\n"
            f"2026-11-20,{screening},,,Counterfeit,norvell,Lab Nord,laboratory,0.97,86.40,EUR,{'9F' * 32},"
            's3://reports/1.pdf,2026-11-02,"Glue, two layers\nof ""it"""\r\n',
        )
        (made,) = done.appraisals
        assert stored(database) == (made,) and (done.added, done.skipped) == (1, {})
        assert (made.screening_id, made.outcome, made.brand_id) == (screening, "counterfeit", brand.id)
        assert (made.confidence, made.cost_amount, made.cost_currency) == (0.97, Decimal("86.40"), "EUR")
        assert (made.evidence_hash, made.evidence_uri) == ("9f" * 32, "s3://reports/1.pdf")
        assert (made.bought_on, made.appraised_on) == (date(2026, 11, 2), date(2026, 11, 20))
        assert (made.notes, made.source) == ('Glue, two layers\nof "it"', "csv")
        assert made.import_id == done.import_id and made.import_id.startswith("imp_")

    def test_a_file_imported_twice_is_refused_row_by_row(self, database: Database) -> None:
        ids = [item(database, f"L-{n}", n) for n in range(3)]
        text = "\n".join([HEAD, *(f"{name},authentic,Lab,expert,2026-11-20" for name in ids)])
        assert load(database, text).added == 3
        assert refused(database, text) == [(n, "appraiser", "duplicate_appraisal") for n in (2, 3, 4)]
        assert len(stored(database)) == 3

    def test_nothing_is_stored_where_one_row_is_wrong_and_each_problem_has_its_row(self, database: Database) -> None:
        screening = item(database)
        text = "\n".join(
            [
                HEAD + ",confidence,revision,bought_on",
                f"{screening},authentic,Lab,expert,2026-11-20,,,",
                "",
                f"{screening},fake,Lab B,guess,20.11.2026,high,,2026-02-30",
                "scr_nothing,authentic,Lab,expert,2026-11-20,0.5,one,",
                f"{screening},authentic,lab,expert,2026-11-20,,,",
                f"{screening},authentic,,expert,,,,,extra",
            ]
        )
        assert refused(database, text) == [
            (4, "confidence", "invalid_number"),
            (4, "appraised_on", "invalid_day"),
            (4, "bought_on", "invalid_day"),
            (4, "outcome", "invalid_outcome"),
            (4, "method", "invalid_method"),
            (5, "revision", "invalid_number"),
            (5, "screening_id", "unknown_screening"),
            (6, "appraiser", "duplicate_appraisal"),
            (7, "", "invalid_row"),
            (7, "appraised_on", "invalid_day"),
            (7, "appraiser", "empty_text"),
        ]
        assert stored(database) == ()

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
    def test_as_spreadsheets_write_it(self, delimiter: str, encoding: str) -> None:
        fraction = "0.9" if delimiter == "," else "0,9"
        heading = ["Listing ID", "Outcome", "Appraiser", "METHOD", "Appraised on", "Confidence", "info_title", ""]
        rows = [heading, ["A-1", "authentic", "Präfer 鑑定", "expert", "2026-11-20", fraction, "x; y, z\tq", "ignored"]]
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows(rows)
        data = text.getvalue().encode(encoding)
        if encoding == "utf-16-be":
            data = b"\xfe\xff" + data
        (new,), problems = parsed(data)
        assert problems == []
        assert (new.listing_id, new.appraiser, new.confidence) == ("A-1", "Präfer 鑑定", 0.9)

    def test_a_comma_parts_cells_and_never_decimals(self) -> None:
        _, problems = parsed(f'{HEAD},confidence\nscr,authentic,Lab,expert,2026-11-20,"0,9"\n'.encode())
        assert problems == [(2, "confidence", "invalid_number")]

    @pytest.mark.parametrize(
        ("data", "code", "field"),
        [
            (b"", "invalid_csv", None),
            (b"\xef\xbb\xbf", "invalid_csv", None),
            (b"a,b\n1,2\n", "invalid_csv", None),
            (HEAD.encode() + b"\n\xff\xfe,x\n", "invalid_csv", None),
            (HEAD.encode() + b'\n"a,b\n', "invalid_csv", "rows[2]"),
            (HEAD.encode() + b'\n"a"b,c\n', "invalid_csv", "rows[2]"),
            (HEAD.encode() + b"\n" + b"x" * 200_000 + b",a\n", "invalid_csv", "rows[2]"),
        ],
    )
    def test_what_is_no_table(self, data: bytes, code: str, field: str | None) -> None:
        with pytest.raises(Invalid) as caught:
            parsed(data)
        assert (caught.value.code, caught.value.field) == (code, field)

    def test_a_table_longer_than_allowed(self) -> None:
        data = (HEAD + "\n" + "scr,authentic,Lab,expert,2026-11-20\n" * (MOST + 1)).encode()
        with pytest.raises(Invalid) as caught:
            parsed(data)
        assert caught.value.code == "too_many"

    def test_a_heading_is_told_whole(self) -> None:
        with pytest.raises(AppraisalsRefused) as caught:
            parsed(b"outcome,Outcome,secret words,appraiser,info_x\n")
        assert told(caught.value.problems) == [
            (1, "[2]", "duplicate_column"),
            (1, "[3]", "unknown_column"),
            (1, "method", "missing_column"),
            (1, "appraised_on", "missing_column"),
            (1, "screening_id", "missing_column"),
        ]
        assert "secret" not in str([problem.message for problem in caught.value.problems])

    def test_a_heading_alone_is_nothing(self, database: Database) -> None:
        assert load(database, HEAD).added == 0

    def test_in_the_callers_transaction(self, database: Database) -> None:
        screening = item(database)
        with pytest.raises(RuntimeError), database.write() as conn:
            text = f"{HEAD}\n{screening},authentic,Lab,expert,2026-11-20".encode()
            assert import_csv(conn, text, actor=ACTOR, now=NOW).added == 1
            raise RuntimeError
        assert stored(database) == ()


WORDS = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20).map(str.strip)
SAID = WORDS.filter(bool)
DAYS = st.dates(date(2020, 1, 1), date(2026, 11, 20))
NEW = st.builds(
    NewAppraisal,
    outcome=st.sampled_from(APPRAISALS),
    appraiser=SAID,
    method=st.sampled_from(APPRAISAL_METHODS),
    appraised_on=DAYS,
    listing_id=SAID,
    revision=st.none() | st.integers(0, 10**15),
    brand=st.none() | SAID,
    confidence=st.none() | st.integers(0, 1000).map(lambda n: n / 1000),
    cost_amount=st.none() | st.decimals(0, 10**9, places=4),
    cost_currency=st.none() | st.sampled_from(["EUR", "JPY"]),
    evidence_hash=st.none() | st.just("ab" * 32),
    evidence_uri=st.none() | SAID,
    bought_on=st.none() | DAYS,
    notes=WORDS,
)


class TestRoundTrip:
    @given(st.lists(NEW, min_size=1, max_size=4))
    def test_what_is_written_is_read(self, news: list[NewAppraisal]) -> None:
        data = "".join(write_csv(row_of(new) for new in news)).encode()
        assert parsed(data) == (news, [])

    @given(
        st.lists(NEW, min_size=1, max_size=3), st.sampled_from([",", ";", "\t"]), st.sampled_from(["utf-8", "utf-16"])
    )
    def test_by_other_hands(self, news: list[NewAppraisal], delimiter: str, encoding: str) -> None:
        """Python's own writer, without quotes where none are needed; apostrophes before formulas as ours has them."""
        from screener.csv_safe import safe

        out = io.StringIO()
        writer = csv.DictWriter(out, [*COLUMNS], delimiter=delimiter)
        writer.writeheader()
        writer.writerows({name: safe(value) for name, value in row_of(new).items()} for new in news)
        assert parsed(out.getvalue().encode(encoding)) == (news, [])

    @given(
        st.binary(max_size=300) | st.text(max_size=300).map(lambda text: (HEAD + "\n" + text).encode("utf-8", "ignore"))
    )
    def test_nothing_but_refusals(self, data: bytes) -> None:
        try:
            parsed(data)
        except Invalid as error:
            assert error.code in ("invalid_csv", "unknown_column", "duplicate_column", "missing_column", "too_many")


def annotation(outcome: str = "counterfeit", **fields: Any) -> dict[str, Any]:
    """An annotation as Label Studio's community edition exports it."""
    results = [choice("outcome", outcome), *fields.pop("results", [])]
    return {
        "id": 1001,
        "completed_by": {"id": 1, "email": "ana@lab.example", "first_name": "", "last_name": ""},
        "result": results,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-11-16T08:15:02.728353Z",
        "updated_at": "2026-11-17T08:15:02.728378Z",
        "draft_created_at": None,
        "lead_time": 43.2,
        "prediction": {},
        "result_count": 0,
        "unique_id": "7a0b6a0c-0000-4000-8000-000000000000",
        "import_id": None,
        "last_action": None,
        "task": 1,
        "project": 7,
        "updated_by": 1,
        "parent_prediction": None,
        "parent_annotation": None,
        "last_created_by": None,
    } | fields


def choice(name: str, *chosen: Any) -> dict[str, Any]:
    return {
        "value": {"choices": list(chosen)},
        "id": "Dx_aB91ISN",
        "from_name": name,
        "to_name": "item",
        "type": "choices",
        "origin": "manual",
    }


def answer(name: str, kind: str, value: Any) -> dict[str, Any]:
    key = "text" if kind == "textarea" else kind
    return {"value": {key: value}, "id": "x", "from_name": name, "to_name": "item", "type": kind, "origin": "manual"}


def task(data: dict[str, Any], *annotations: dict[str, Any]) -> dict[str, Any]:
    """A task as Label Studio exports it."""
    return {
        "id": 1,
        "annotations": list(annotations),
        "file_upload": "tasks.json",
        "drafts": [],
        "predictions": [{"result": [choice("outcome", "authentic")], "score": 0.9, "model_version": "m"}],
        "data": data,
        "meta": {},
        "created_at": "2026-11-10T08:00:00Z",
        "updated_at": "2026-11-17T08:15:02Z",
        "inner_id": 1,
        "total_annotations": len(annotations),
        "cancelled_annotations": 0,
        "total_predictions": 0,
        "comment_count": 0,
        "unresolved_comment_count": 0,
        "last_comment_updated_at": None,
        "project": 7,
        "updated_by": 1,
        "comment_authors": [],
    }


def label(database: Database, tasks: Any, **options: Any) -> Imported:
    return import_label_studio(database, json.dumps(tasks).encode(), actor=ACTOR, now=NOW, **options)


class TestLabelStudio:
    def test_every_control_is_read(self, registry: Registry) -> None:
        brand = add_brand(registry, "Norvell")
        database, screening = registry.database, item(registry.database)
        results = [
            choice("brand", brand.id),
            choice("method", "laboratory"),
            answer("confidence", "number", 0.95),
            answer("appraised_on", "datetime", "2026-11-15"),
            answer("evidence_uri", "textarea", ["https://reports.example/1"]),
            answer("notes", "textarea", ["Glue.", "Stitches."]),
            {"value": {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["glue"]}, "id": "r",
             "from_name": "marks", "to_name": "photo", "type": "rectanglelabels", "origin": "manual"},
            {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
        ]  # fmt: skip
        shown = {"listing_id": "shown to people", "title": "A bag"}
        paid = {"bought_on": "2026-11-02", "cost_amount": 86.4, "cost_currency": "EUR"}
        data = {"screening_id": screening, **shown, **paid}
        (made,) = label(database, [task(data, annotation(results=results))]).appraisals
        assert (made.screening_id, made.outcome, made.brand_id) == (screening, "counterfeit", brand.id)
        assert (made.appraiser, made.method, made.confidence) == ("ana@lab.example", "laboratory", 0.95)
        assert (made.bought_on, made.appraised_on) == (date(2026, 11, 2), date(2026, 11, 15))
        assert (made.cost_amount, made.cost_currency) == (Decimal("86.4"), "EUR")
        assert (made.evidence_uri, made.notes) == ("https://reports.example/1", "Glue.\nStitches.")
        assert made.source == "label_studio"

    def test_what_is_left_open_is_told_by_the_annotation(self, database: Database) -> None:
        item(database, "A-1")
        done = label(database, task({"listing_id": "A-1", "revision": 1}, annotation(completed_by=10)), method="brand")
        (made,) = done.appraisals
        assert (made.appraiser, made.method, made.appraised_on) == ("label-studio:10", "brand", date(2026, 11, 16))

    def test_some_annotations_are_left_out(self, database: Database) -> None:
        items = [item(database, f"L-{n}", n) for n in range(3)]
        exported = [
            task({"screening_id": items[0]}),
            task(
                {"screening_id": items[1]},
                annotation(was_cancelled=True, result=[]),
                annotation(reviews=[{"accepted": True}, {"accepted": False}]),
                annotation("authentic", completed_by=2, reviews=[{"accepted": False}, {"accepted": True}]),
            ),
            task({"screening_id": items[2]}, annotation(ground_truth=True)),
        ]
        done = label(database, exported)
        assert [made.outcome for made in done.appraisals] == ["authentic", "counterfeit"]
        assert done.skipped == {"unlabelled": 1, "cancelled": 1, "rejected": 1}

    def test_only_ground_truth_where_that_is_asked_for(self, database: Database) -> None:
        screening = item(database)
        exported = [
            task({"screening_id": screening}, annotation(), annotation("authentic", completed_by=2, ground_truth=True))
        ]
        done = label(database, exported, ground_truth_only=True)
        assert [made.outcome for made in done.appraisals] == ["authentic"]
        assert done.skipped == {"not_ground_truth": 1}

    def test_annotators_who_differ_are_both_kept(self, database: Database) -> None:
        screening = item(database)
        done = label(
            database, [task({"screening_id": screening}, annotation(), annotation("authentic", completed_by=2))]
        )
        assert {made.outcome for made in done.appraisals} == {"counterfeit", "authentic"}

    def test_nothing_is_stored_where_one_is_wrong(self, database: Database) -> None:
        screening = item(database)
        exported = [
            task({"screening_id": screening}, annotation()),
            task({"screening_id": "scr_unknown"}, annotation("maybe")),
            task({"title": "no item"}, annotation(completed_by=None)),
            task(
                {"screening_id": screening},
                annotation(completed_by=3, results=[choice("outcome", "authentic")]),
                annotation(completed_by=4, results=[choice("brand", "a", "b"), answer("confidence", "rating", 4)]),
            ),
            task({"screening_id": screening}, annotation(created_at="", updated_at=None, completed_by=5, result=[])),
        ]
        with pytest.raises(AppraisalsRefused) as caught:
            label(database, exported)
        assert [(problem.field, problem.code) for problem in caught.value.problems] == [
            ("tasks[1].annotations[0].outcome", "invalid_outcome"),
            ("tasks[1].annotations[0].screening_id", "unknown_screening"),
            ("tasks[2].annotations[0].appraiser", "empty_text"),
            ("tasks[2].annotations[0].screening_id", "unknown_screening"),
            ("tasks[3].annotations[0].outcome", "invalid_label_studio"),
            ("tasks[3].annotations[1].brand", "invalid_label_studio"),
            ("tasks[3].annotations[1].confidence", "invalid_label_studio"),
            ("tasks[4].annotations[0].appraised_on", "invalid_day"),
            ("tasks[4].annotations[0].outcome", "invalid_outcome"),
        ]
        assert [problem.place.row for problem in caught.value.problems] == [2, 2, 3, 3, 4, 4, 4, 5, 5]
        assert stored(database) == ()

    @pytest.mark.parametrize(
        "exported",
        [
            3,
            ["task"],
            [{"id": 1, "screening_id": "scr_1", "outcome": "authentic", "annotator": 1}],
            [{"id": 1, "data": {}, "annotations": [{"id": 1}]}],
            [{"id": 1, "data": [], "annotations": []}],
        ],
    )
    def test_other_formats_are_told_apart(self, database: Database, exported: Any) -> None:
        with pytest.raises(Invalid) as caught:
            label(database, exported)
        assert caught.value.code == "invalid_label_studio"

    @pytest.mark.parametrize("data", [b"", b"[", b'[{"data": 1, "data": 2}]', b"[" * 60 + b"]" * 60, b"[NaN]", b"\xff"])
    def test_what_is_no_json(self, database: Database, data: bytes) -> None:
        with pytest.raises(BodyRefused):
            import_label_studio(database, data, actor=ACTOR, now=NOW)

    @given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4), lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["data", "annotations", "result", "value", "type", "from_name", "choices", "completed_by"]),
            inner | st.sampled_from(["outcome", "choices", "textarea"]), max_size=5)), max_leaves=12))  # fmt: skip
    def test_any_json_is_read_or_refused(self, exported: Any) -> None:
        from screener.appraisals.label_studio import parse_tasks

        try:
            parse_tasks(exported, today=TODAY, findings=Findings())
        except Invalid as error:
            assert error.code == "invalid_label_studio"


class TestSettingLabelStudioUp:
    def test_the_configuration_has_a_control_for_each_column(self) -> None:
        view = ET.fromstring(configuration([("brd_1", 'Norvell & "Sons" <x>'), ("brd_2", "诺维")]))
        assert view.tag == "View"
        objects = {node.get("name") for node in view if (node.get("value") or "").startswith("$") and node.get("name")}
        controls = {node.get("name"): node for node in view if node.get("toName")}
        assert {node.get("toName") for node in controls.values()} == objects
        assert set(controls) <= set(COLUMNS)
        assert [node.get("alias") for node in controls["outcome"]] == list(APPRAISALS)
        assert controls["outcome"].get("required") == "true"
        assert [node.get("alias") for node in controls["method"]] == list(APPRAISAL_METHODS)
        assert [(node.get("alias"), node.get("value")) for node in controls["brand"]] == [
            ("brd_1", 'Norvell & "Sons" <x>'),
            ("brd_2", "诺维"),
        ]

    def test_many_brands_can_be_searched_and_none_are_no_question(self) -> None:
        many = ET.fromstring(configuration([(f"brd_{n}", f"B{n}") for n in range(MANY)]))
        assert many.find("Filter") is not None
        none = ET.fromstring(configuration([]))
        assert none.find("Filter") is None and "brand" not in {node.get("name") for node in none}

    def test_tasks_come_back_as_appraisals(self, registry: Registry) -> None:
        database = registry.database
        brand = add_brand(registry, "Norvell")
        screening = item(database, brand=brand)
        with database.read() as conn:
            items = picked_items(conn, screening_ids=[screening])
            assert brand_choices(conn) == ((brand.id, "Norvell"),)
        (made,) = tasks(items, base_url="https://screener.example/")
        assert "shop-1" not in json.dumps(made)
        assert f"https://screener.example/app/reviews/{screening}" in made["data"]["about"]
        view = ET.fromstring(configuration([]))
        asked = {node.get("value", "")[1:] for node in view if node.get("value", "").startswith("$")}
        assert asked <= made["data"].keys()
        done = label(database, [made | {"annotations": [annotation(results=[choice("brand", brand.id)])]}])
        assert [(one.screening_id, one.brand_id) for one in done.appraisals] == [(screening, brand.id)]


class TestPicked:
    def test_open_spot_checks_in_their_order(self, database: Database) -> None:
        items = [item(database, f"L-{n}", n) for n in range(4)]
        plan = plan_of(database, list(zip(items, ("ordered", "appraised", "planned", "cancelled"), strict=True)))
        second = plan_of(database, [(items[3], "planned"), (items[0], "planned")])
        with database.read() as conn:
            assert [one.screening_id for one in picked_items(conn, plan_id=plan)] == [items[0], items[2]]
            assert [one.screening_id for one in picked_items(conn, plan_id=second)] == [items[3], items[0]]
            assert [one.screening_id for one in picked_items(conn)] == [items[0], items[2], items[3]]
            assert picked_items(conn, screening_ids=[]) == ()
            for options in ({"plan_id": "x"}, {"screening_ids": ["scr_x"]}):
                with pytest.raises(Invalid):
                    picked_items(conn, **options)

    def test_the_table_that_people_fill_in_is_read(self, registry: Registry) -> None:
        database = registry.database
        brand = add_brand(registry, "=Norvell")
        screening = item(database, brand=brand)
        with database.read() as conn:
            rows = [table_row(one) for one in picked_items(conn, screening_ids=[screening])]
        lines = "".join(write_csv(rows, INFO))
        assert "'=Norvell" in lines
        filled = list(csv.DictReader(io.StringIO(lines.removeprefix("\ufeff"), newline="")))
        assert filled[0]["info_title"] == "A bag" and filled[0]["info_price"] == "100 EUR"
        filled[0] |= {"outcome": "authentic", "appraiser": "Lab", "method": "expert", "appraised_on": "2026-11-20"}
        out = io.StringIO()
        writer = csv.DictWriter(out, filled[0].keys(), delimiter=";")
        writer.writeheader()
        writer.writerows(filled)
        (made,) = load(database, out.getvalue()).appraisals
        assert (made.screening_id, made.brand_id) == (screening, brand.id)


LATER = (NOW + timedelta(seconds=n) for n in itertools.count())
"""Times of plans, each after the one before: their ids keep the order."""


def plan_of(database: Database, picks: list[tuple[str, str]]) -> str:
    """A plan of spot checks of these screenings in these states."""
    plan_id = new_id("spp", next(LATER))
    with database.write() as conn:
        conn.execute(
            sa.insert(spot_check_plans).values(
                id=plan_id, budget=5, seed=1, population=9, parameters={}, created_at=NOW, created_by=ACTOR
            )
        )
        for position, (screening, state) in enumerate(picks):
            conn.execute(
                sa.insert(spot_checks).values(
                    id=new_id("spc", NOW), plan_id=plan_id, screening_id=screening, position=position, state=state,
                    strategy="random", inclusion=0.5, reasons=[], note="", updated_at=NOW, updated_by=ACTOR,
                )
            )  # fmt: skip
    return plan_id


class TestCommands:
    """The command line, on a folder of its own."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        database = Database(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
        database.migrate()
        item(database, "A-1")
        item(database, "A-2", 1)
        database.close()
        return tmp_path

    def run(self, folder: Path, *arguments: str, fails: int = 0) -> str:
        done = CliRunner().invoke(app, ["appraisals", *arguments, "--data-dir", str(folder)])
        assert done.exit_code == fails, done.output
        return done.output

    def test_the_way_of_a_result(self, folder: Path) -> None:
        told = self.run(
            folder, "add", "A-1", "counterfeit", "--appraiser", "Lab Nord", "--method", "laboratory",
            "--on", "2026-11-20", "--cost", "86.40 EUR", "--json",
        )  # fmt: skip
        made = json.loads(told)
        assert (made["outcome"], made["cost_amount"], made["source"]) == ("counterfeit", "86.40", "cli")
        file = folder / "results.csv"
        file.write_text(f"{HEAD.replace('screening_id', 'listing_id')}\nA-1,authentic,Lab Süd,expert,2026-11-21\n")
        assert "1 appraisals imported" in self.run(folder, "import", str(file))
        refused = self.run(folder, "import", str(file), fails=1)
        assert "Nothing was imported" in refused and "2  appraiser" in refused
        assert made["screening_id"] in self.run(folder, "conflicts")
        assert len(json.loads(self.run(folder, "conflicts", "--json"))[0]["appraisals"]) == 2
        assert "withdrawn" in self.run(folder, "withdraw", made["id"], "--reason", "mixed up")
        assert json.loads(self.run(folder, "conflicts", "--json")) == []
        assert [one["id"] for one in json.loads(self.run(folder, "list", "--withdrawn", "--json"))] == [made["id"]]
        assert "mixed up" in self.run(folder, "show", made["id"])

    def test_label_studio_and_back(self, folder: Path) -> None:
        listed = json.loads(self.run(folder, "tasks"))
        assert listed == []
        config = folder / "config.xml"
        self.run(folder, "label-studio-config", "--output", str(config))
        assert ET.parse(config).getroot().tag == "View"
        export = folder / "export.json"
        export.write_text(json.dumps([task({"listing_id": "A-2"}, annotation()), task({"listing_id": "A-1"})]))
        assert "1 appraisals imported, 1 unlabelled" in self.run(folder, "import", str(export))

    def test_the_template_is_a_heading(self, folder: Path) -> None:
        heading = self.run(folder, "template").removeprefix("\ufeff").splitlines()
        assert heading == [",".join(f'"{name}"' for name in [*COLUMNS, *(f"info_{name}" for name in INFO)])]

    @pytest.mark.parametrize("wrong", [["--on", "soon"], ["--on", "2026-11-20", "--cost", "much"]])
    def test_wrong_usage(self, folder: Path, wrong: list[str]) -> None:
        self.run(folder, "add", "A-1", "authentic", "--appraiser", "x", "--method", "expert", *wrong, fails=2)


def test_appraisals_come_with_no_others_columns() -> None:
    """A column of a table, or of the export, is a column of the store; what is not is said by other columns."""
    told_otherwise = {"listing_id", "revision", "brand"}
    assert set(COLUMNS) - told_otherwise <= set(appraisals.c.keys())
