"""Appraisals as rows: what may be stored, what is refused, what follows in the same transaction, and the labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from review_kit import add_brand, screen

from brands import audit
from brands.database import Database
from brands.errors import Conflict, Invalid, NotFound
from brands.ids import new_id
from brands.model import Brand
from brands.registry import Registry
from brands.schema import appraisals, outbox, screenings, spot_check_plans, spot_checks, webhook_endpoints
from brands.schema import audit as audit_rows
from screener.appraisals.checking import Findings, check_named, checked, last_day
from screener.appraisals.labels import ALL_FROM, Label, list_conflicts, read_labels
from screener.appraisals.model import MOST, AppraisalsRefused, NewAppraisal, Place
from screener.appraisals.negatives import Negatives, count_negatives, hard_negatives
from screener.appraisals.precision import appraised_precision, appraised_reference_precision
from screener.appraisals.resolve import AT_ONCE
from screener.appraisals.store import add, appraisals_of, get, list_appraisals, withdraw
from screener.listing import Listing
from screener.review.precision import Precision

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = date(2026, 11, 20)
ACTOR = "cli:test"


@dataclass
class World:
    """A database with two brands, and the short ways to screen and to appraise."""

    database: Database
    brand: Brand
    other: Brand

    def screen(self, listing_id: str = "L-1", *, revision: int = 1, minutes: int = 0, **fields: Any) -> str:
        listing = Listing(listing_id, "A thing", "shop-1", revision)
        at = NOW - timedelta(days=30) + timedelta(minutes=minutes)
        return screen(self.database, at, listing=listing, **({"brand": self.brand} | fields))

    def add(self, *news: NewAppraisal, now: datetime = NOW) -> tuple[str, ...]:
        with self.database.write() as conn:
            return tuple(made.id for made in add(conn, news, actor=ACTOR, now=now))

    def refused(self, *news: NewAppraisal) -> list[tuple[str, str]]:
        with pytest.raises(AppraisalsRefused) as caught:
            self.add(*news)
        return [(problem.field, problem.code) for problem in caught.value.problems]

    def labels(self, **fields: Any) -> dict[str, Label]:
        with self.database.read() as conn:
            return read_labels(conn, **fields)

    def count(self, table: sa.Table) -> int:
        with self.database.read() as conn:
            return int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


@pytest.fixture
def world(registry: Registry) -> World:
    return World(registry.database, add_brand(registry, "Norvell"), add_brand(registry, "Zephyrine"))


def says(
    screening_id: str | None, outcome: str = "counterfeit", appraiser: str = "Lab Nord", **more: Any
) -> NewAppraisal:
    return NewAppraisal(outcome, appraiser, "laboratory", more.pop("on", DAY), screening_id=screening_id, **more)


def test_everything_that_was_said_is_kept(world: World) -> None:
    screening = world.screen()
    new = says(
        screening,
        brand="  NORVELL ".strip(),
        confidence=0.97,
        cost_amount=Decimal("86.4000"),
        cost_currency="EUR",
        evidence_hash="9F" * 32,
        evidence_uri="s3://reports/2026/1187.pdf",
        bought_on=date(2026, 11, 2),
        notes="Glue of the sole.\nTwo layers.",
    )
    (identifier,) = world.add(new)
    with world.database.read() as conn:
        made = get(conn, identifier)
        assert appraisals_of(conn, [screening, "scr_x"]) == {screening: (made,), "scr_x": ()}
    assert (made.screening_id, made.outcome, made.brand_id) == (screening, "counterfeit", world.brand.id)
    assert (made.cost_amount, made.cost_currency, made.confidence) == (Decimal("86.4000"), "EUR", 0.97)
    assert (made.evidence_hash, made.evidence_uri) == ("9f" * 32, "s3://reports/2026/1187.pdf")
    assert (made.bought_on, made.appraised_on, made.notes) == (new.bought_on, DAY, new.notes)
    assert (made.source, made.import_id, made.withdrawn_at) == ("api", None, None)
    assert (made.created_at, made.created_by) == (NOW, ACTOR)


def test_the_change_is_in_the_audit_log_and_keeps_the_case(world: World) -> None:
    screening = world.screen()
    (identifier,) = world.add(says(screening, cost_amount=Decimal(5), cost_currency="EUR"))
    with world.database.read() as conn:
        row = conn.execute(sa.select(audit_rows).where(audit_rows.c.object_id == identifier)).one()
        touched = conn.execute(sa.select(screenings.c.last_event_at)).scalar_one()
        assert audit.verify(conn).ok
    assert (row.actor, row.action, row.kind, row.before) == (ACTOR, "appraisal.add", "appraisal", None)
    assert (row.after["outcome"], row.after["cost_amount"], row.after["appraised_on"]) == (
        "counterfeit",
        "5",
        "2026-11-20",
    )
    assert touched == NOW


def test_a_listing_means_its_latest_screening(world: World) -> None:
    first, second = world.screen(), world.screen(minutes=1)
    newer = world.screen(revision=3, minutes=2)
    again = world.screen(revision=1, minutes=3)
    world.screen("L-2", minutes=4)
    for revision, expected in ((None, again), (1, again), (3, newer)):
        (made,) = world.add(says(None, appraiser=f"Lab {revision}", listing_id="L-1", revision=revision))
        with world.database.read() as conn:
            assert get(conn, made).screening_id == expected
    assert len({first, second, newer, again}) == 4
    assert world.refused(says(None, listing_id="L-1", revision=2)) == [
        ("appraisals[0].listing_id", "unknown_screening")
    ]


def test_all_or_nothing_and_every_problem_is_told(world: World) -> None:
    known = world.screen()
    found = world.refused(
        says(known),
        says("scr_" + "0" * 32, "fake", brand="Nobody"),
        says(None),
        says(known, appraiser=" lab  NORD "),
        says(known, appraiser="\0"),
        replace(says(known, appraiser="B"), listing_id="L-1"),
        says(None, appraiser="C", listing_id="L\0"),
        says(None, appraiser="E", listing_id="\udc80", brand="\udc80"),
        says("scr'; --", appraiser="D", brand="\0"),
    )
    assert found == [
        ("appraisals[1].outcome", "invalid_outcome"),
        ("appraisals[1].screening_id", "unknown_screening"),
        ("appraisals[1].brand", "unknown_brand"),
        ("appraisals[2].screening_id", "unknown_screening"),
        ("appraisals[3].appraiser", "duplicate_appraisal"),
        ("appraisals[4].appraiser", "invalid_text"),
        ("appraisals[5].screening_id", "unknown_screening"),
        ("appraisals[6].listing_id", "unknown_screening"),
        ("appraisals[7].listing_id", "unknown_screening"),
        ("appraisals[7].brand", "unknown_brand"),
        ("appraisals[8].screening_id", "unknown_screening"),
        ("appraisals[8].brand", "unknown_brand"),
    ]
    assert world.count(appraisals) == 0
    with world.database.read() as conn:
        assert not conn.execute(sa.select(audit_rows).where(audit_rows.c.kind == "appraisal")).all()


def test_no_more_than_fifty_problems_are_listed_and_all_are_counted(world: World) -> None:
    with pytest.raises(AppraisalsRefused) as caught:
        world.add(*[says(None, appraiser=str(n)) for n in range(60)])
    assert (len(caught.value.problems), caught.value.total, caught.value.status) == (50, 60, 422)
    assert (caught.value.code, caught.value.field) == ("unknown_screening", "appraisals[0].screening_id")
    assert "59 more" in caught.value.message


def test_a_list_longer_than_allowed_is_refused_before_it_is_looked_at(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        world.add(*[says(None)] * (MOST + 1))
    assert caught.value.code == "too_many"


def test_an_empty_list_is_nothing(world: World) -> None:
    assert world.add() == ()


def test_the_same_appraiser_appraises_an_item_once(world: World) -> None:
    screening = world.screen()
    (first,) = world.add(says(screening))
    assert world.refused(says(screening, "authentic", "LAB nord")) == [
        ("appraisals[0].appraiser", "duplicate_appraisal")
    ]
    with world.database.write() as conn:
        withdraw(conn, first, reason="two reports were mixed up", actor=ACTOR, now=NOW)
    (second,) = world.add(says(screening, "authentic"))
    assert second != first
    assert world.labels()[screening].outcome == "authentic"


def test_the_database_holds_to_it_too(world: World) -> None:
    screening = world.screen()
    world.add(says(screening))
    with pytest.raises(sa.exc.IntegrityError), world.database.write() as conn:
        row = dict(conn.execute(sa.select(appraisals)).one()._mapping)
        conn.execute(sa.insert(appraisals).values(**row | {"id": new_id("apr", NOW)}))


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("outcome", "unsure", "invalid_outcome"),
        ("outcome", "Counterfeit", "invalid_outcome"),
        ("method", "guess", "invalid_method"),
        ("appraiser", " ", "empty_text"),
        ("appraiser", "x" * 201, "too_long"),
        ("confidence", -0.01, "invalid_confidence"),
        ("confidence", 1.01, "invalid_confidence"),
        ("confidence", float("nan"), "invalid_confidence"),
        ("evidence_hash", "9f" * 31, "invalid_evidence"),
        ("evidence_hash", "zz" * 32, "invalid_evidence"),
        ("evidence_uri", "javascript://x/%0aalert(1)", "invalid_evidence"),
        ("evidence_uri", "http://reports/1", "invalid_evidence"),
        ("evidence_uri", "https://", "invalid_evidence"),
        ("evidence_uri", "https://[", "invalid_evidence"),
        ("evidence_uri", "https://user:word@reports/1", "invalid_evidence"),
        ("evidence_uri", "https://reports/a b", "invalid_evidence"),
        ("evidence_uri", "reports/1.pdf", "invalid_evidence"),
        ("evidence_uri", "https://reports/" + "x" * 2048, "invalid_evidence"),
        ("appraised_on", date(2026, 11, 25), "invalid_day"),
        ("appraised_on", date(1989, 12, 31), "invalid_day"),
        ("bought_on", date(2026, 11, 21), "invalid_period"),
        ("notes", "x" * 4001, "too_long"),
        ("notes", "\0", "invalid_text"),
    ],
)
def test_rules_of_a_column(column: str, value: object, code: str) -> None:
    findings = Findings()
    checked(findings, replace(says("scr"), **{column: value}), Place(3, "rows[3]"), NOW)
    assert [(problem.column, problem.code, problem.field) for problem in findings.problems] == [
        (column, code, f"rows[3].{column}")
    ]


@pytest.mark.parametrize(
    ("amount", "currency", "problem"),
    [
        ("0", "EUR", None),
        ("999999999999.9999", "JPY", None),
        ("-1", "EUR", ("cost_amount", "invalid_cost")),
        ("1e12", "EUR", ("cost_amount", "invalid_cost")),
        ("0.00001", "EUR", ("cost_amount", "invalid_cost")),
        ("NaN", "EUR", ("cost_amount", "invalid_cost")),
        ("Infinity", "EUR", ("cost_amount", "invalid_cost")),
        ("1", "eur", ("cost_currency", "invalid_currency")),
        ("1", "EURO", ("cost_currency", "invalid_currency")),
        ("1", None, ("cost_currency", "invalid_cost")),
        (None, "EUR", ("cost_amount", "invalid_cost")),
    ],
)
def test_costs(amount: str | None, currency: str | None, problem: tuple[str, str] | None) -> None:
    findings = Findings()
    new = replace(says("scr"), cost_amount=None if amount is None else Decimal(amount), cost_currency=currency)
    values = checked(findings, new, Place(1, "rows[1]"), NOW)
    assert [(found.column, found.code) for found in findings.problems] == ([] if problem is None else [problem])
    if problem is None:
        assert values["cost_amount"] == Decimal(str(amount))


def test_the_day_is_that_of_the_place_where_it_is_latest() -> None:
    assert last_day(datetime(2026, 11, 23, 9, 59, tzinfo=UTC)) == date(2026, 11, 23)
    assert last_day(datetime(2026, 11, 23, 10, tzinfo=UTC)) == date(2026, 11, 24)


@pytest.mark.parametrize("fields", [{}, {"screening_id": "a", "listing_id": "b"}, {"screening_id": "a", "revision": 1}])
def test_an_item_is_named_in_one_way(fields: Mapping[str, Any]) -> None:
    with pytest.raises(Invalid):
        check_named(NewAppraisal("counterfeit", "a", "other", DAY, **fields))


class TestWithdrawing:
    def test_the_row_stays_and_counts_no_more(self, world: World) -> None:
        screening = world.screen()
        (identifier,) = world.add(says(screening))
        with world.database.write() as conn:
            after = withdraw(conn, identifier, reason=" mixed up ", actor="cli:other", now=NOW + timedelta(days=1))
        assert (after.withdrawn_reason, after.withdrawn_by) == ("mixed up", "cli:other")
        assert after.withdrawn_at == NOW + timedelta(days=1)
        assert world.labels() == {} and world.count(appraisals) == 1
        with world.database.read() as conn:
            (row,) = conn.execute(sa.select(audit_rows).where(audit_rows.c.action == "appraisal.withdraw")).all()
            assert (row.before["withdrawn_at"], row.after["withdrawn_reason"]) == (None, "mixed up")
            assert conn.execute(sa.select(screenings.c.last_event_at)).scalar_one() == NOW + timedelta(days=1)

    def test_it_is_refused_without_a_reason_twice_and_for_what_is_not_there(self, world: World) -> None:
        (identifier,) = world.add(says(world.screen()))
        for kind, name, reason in (
            (Invalid, identifier, " "),
            (NotFound, "apr_" + "0" * 32, "x"),
            (NotFound, "x", "x"),
        ):
            with pytest.raises(kind), world.database.write() as conn:
                withdraw(conn, name, reason=reason, actor=ACTOR, now=NOW)
        with world.database.write() as conn:
            withdraw(conn, identifier, reason="x", actor=ACTOR, now=NOW)
        with pytest.raises(Conflict), world.database.write() as conn:
            withdraw(conn, identifier, reason="x", actor=ACTOR, now=NOW)


class TestSpotChecks:
    def plan(self, world: World, *picks: tuple[str, str]) -> list[str]:
        """Spot checks of these screenings in these states."""
        plan_id = new_id("spp", NOW)
        rows = [
            {
                "id": new_id("spc", NOW), "plan_id": plan_id, "screening_id": screening, "position": n,
                "strategy": "random", "inclusion": 0.5, "reasons": [], "state": state, "note": "", "updated_at": NOW,
                "updated_by": ACTOR,
            }
            for n, (screening, state) in enumerate(picks)
        ]  # fmt: skip
        with world.database.write() as conn:
            conn.execute(
                sa.insert(spot_check_plans).values(
                    id=plan_id, budget=5, seed=1, population=9, parameters={}, created_at=NOW, created_by=ACTOR
                )
            )
            conn.execute(sa.insert(spot_checks), rows)
        return [str(row["id"]) for row in rows]

    def states(self, world: World) -> list[str]:
        with world.database.read() as conn:
            query = sa.select(spot_checks.c.state).order_by(spot_checks.c.plan_id, spot_checks.c.position)
            return list(conn.execute(query).scalars())

    def test_open_ones_of_the_item_are_appraised_with_it(self, world: World) -> None:
        items = [world.screen(f"L-{n}", minutes=n) for n in range(4)]
        ids = self.plan(world, *zip(items, ("planned", "ordered", "cancelled", "planned"), strict=True))
        world.add(*[says(item) for item in items[:3]])
        assert self.states(world) == ["appraised", "appraised", "cancelled", "planned"]
        with world.database.read() as conn:
            rows = conn.execute(sa.select(audit_rows).where(audit_rows.c.kind == "spot_check")).all()
        assert {(row.object_id, row.action, row.before["state"]) for row in rows} == {
            (ids[0], "spot_check.appraised", "planned"),
            (ids[1], "spot_check.appraised", "ordered"),
        }

    def test_what_was_withdrawn_is_waited_for_again(self, world: World) -> None:
        item = world.screen()
        self.plan(world, (item, "ordered"))
        first, second = world.add(says(item), says(item, appraiser="B"))
        for identifier, expected in ((first, "appraised"), (second, "ordered")):
            with world.database.write() as conn:
                withdraw(conn, identifier, reason="x", actor=ACTOR, now=NOW)
            assert self.states(world) == [expected]

    def test_a_refused_list_leaves_them_waiting(self, world: World) -> None:
        item = world.screen()
        self.plan(world, (item, "ordered"))
        world.refused(says(item), says(None))
        assert self.states(world) == ["ordered"]


def test_marketplaces_that_want_to_know_are_told(world: World) -> None:
    with world.database.write() as conn:
        conn.execute(
            sa.insert(webhook_endpoints).values(
                id=new_id("whe", NOW), url="https://shop.example/hook", types=["appraisal.recorded"], state="active",
                secret_number=1, description="", created_at=NOW, created_by=ACTOR,
            )
        )  # fmt: skip
    item = world.screen()
    (identifier,) = world.add(says(item))
    with world.database.write() as conn:
        withdraw(conn, identifier, reason="x", actor=ACTOR, now=NOW + timedelta(seconds=1))
    with world.database.read() as conn:
        told = conn.execute(sa.select(outbox).order_by(outbox.c.id)).all()
    assert [(row.type, row.payload["withdrawn"]) for row in told] == [
        ("appraisal.recorded", False),
        ("appraisal.recorded", True),
    ]
    assert (told[0].seller_id, told[0].brand_id, told[0].screening_id) == ("shop-1", world.brand.id, item)
    assert told[0].payload["appraisal_id"] == identifier and told[0].payload["listing_id"] == "L-1"


class TestLists:
    def test_filters_and_pages(self, world: World) -> None:
        a, b = world.screen("L-1"), world.screen("L-2", minutes=1)
        ids = world.add(
            says(a, on=date(2026, 11, 1)),
            says(a, "inconclusive", "B", on=date(2026, 11, 2), brand=world.other.id),
            says(b, "authentic", on=date(2026, 11, 3)),
        )
        assert list(ids) == sorted(ids)
        with world.database.write() as conn:
            withdraw(conn, ids[2], reason="x", actor=ACTOR, now=NOW)
        cases: list[tuple[dict[str, Any], list[int]]] = [
            ({}, [0, 1, 2]),
            ({"screening_id": a}, [0, 1]),
            ({"listing_id": "L-2"}, [2]),
            ({"brand_id": world.other.id}, [1]),
            ({"outcome": "authentic"}, [2]),
            ({"appraiser": "Lab Nord"}, [0, 2]),
            ({"since": date(2026, 11, 2)}, [1, 2]),
            ({"until": date(2026, 11, 2)}, [0, 1]),
            ({"withdrawn": True}, [2]),
            ({"withdrawn": False}, [0, 1]),
            ({"limit": 1}, [0]),
            ({"after": ids[0]}, [1, 2]),
            ({"import_id": "imp_" + "0" * 32}, []),
        ]
        with world.database.read() as conn:
            for asked, expected in cases:
                assert [one.id for one in list_appraisals(conn, **asked)] == [ids[n] for n in expected], asked

    @pytest.mark.parametrize(
        "asked",
        [
            {"outcome": "fake"},
            {"screening_id": "\0"},
            {"listing_id": "\0"},
            {"appraiser": "\0"},
            {"after": "x"},
            {"limit": 0},
        ],
    )
    def test_filters_that_are_none(self, world: World, asked: dict[str, Any]) -> None:
        with pytest.raises(Invalid), world.database.read() as conn:
            list_appraisals(conn, **asked)


OUTCOMES = st.sampled_from(["counterfeit", "authentic", "inconclusive"])


def plain_label(rows: list[tuple[str, str | None, str, date]]) -> Label:
    """The label by the words of the contract, one rule after the other."""
    decided = [row for row in rows if row[0] != "inconclusive"]
    said = {row[0] for row in decided}
    outcome: Any = "inconclusive"
    if len(said) == 1:
        outcome = decided[0][0]
    if len(said) == 2:
        outcome = "conflict"
    named = {row[1] for row in (decided or rows)} - {None}
    return Label(
        "", outcome, min(named) if len(named) == 1 else None, tuple(sorted(r[2] for r in rows)), max(r[3] for r in rows)
    )  # type: ignore[type-var]  # None was taken out


class TestLabels:
    def test_two_who_differ_are_both_kept_and_are_no_label(self, world: World) -> None:
        a, b = world.screen("L-1"), world.screen("L-2", minutes=1)
        world.add(says(a), says(a, "authentic", "Expert B"), says(b), says(b, "inconclusive", "Expert B"))
        labels = world.labels()
        assert (labels[a].outcome, labels[a].appraisers) == ("conflict", ("Expert B", "Lab Nord"))
        assert labels[b].outcome == "counterfeit"
        with world.database.read() as conn:
            (found,) = list_conflicts(conn)
            assert list_conflicts(conn, brand_id=world.brand.id) == (found,)
            assert list_conflicts(conn, brand_id=world.other.id) == ()
            assert list_conflicts(conn, after=found.id) == ()
            with pytest.raises(Invalid):
                list_conflicts(conn, brand_id="\0")
        assert (found.screening_id, found.listing_id, found.brand_id) == (a, "L-1", world.brand.id)
        assert [one.outcome for one in found.appraisals] == ["counterfeit", "authentic"]
        with world.database.write() as conn:
            withdraw(conn, found.appraisals[1].id, reason="the wrong bag", actor=ACTOR, now=NOW)
        with world.database.read() as conn:
            assert list_conflicts(conn) == ()
        assert world.labels()[a] == Label(a, "counterfeit", None, ("Lab Nord",), DAY)

    @given(
        st.lists(
            st.tuples(OUTCOMES, st.sampled_from([None, "brd_a", "brd_b"]), st.integers(0, 5)), min_size=1, max_size=5
        )
    )
    def test_it_is_what_the_contract_says(self, rows: list[tuple[str, str | None, int]]) -> None:
        from screener.appraisals.labels import _label

        made = [(outcome, brand, f"a{n}", DAY + timedelta(days=days)) for n, (outcome, brand, days) in enumerate(rows)]
        assert _label("", [("", *row) for row in made]) == plain_label(made)

    def test_bounds_choose_labels_and_never_half_of_one(self, world: World) -> None:
        item = world.screen()
        world.add(says(item, on=date(2026, 11, 1)), says(item, "authentic", "B", on=date(2026, 11, 10)))
        for since, until, there in (
            (None, date(2026, 11, 9), False),
            (date(2026, 11, 10), None, True),
            (date(2026, 11, 11), None, False),
            (date(2026, 11, 10), date(2026, 11, 10), True),
        ):
            found = world.labels(since=since, until=until)
            assert [label.outcome for label in found.values()] == (["conflict"] if there else []), (since, until)

    def test_few_and_many_wanted_are_the_same(self, world: World) -> None:
        items = [world.screen(f"L-{n}", minutes=n) for n in range(4)]
        world.add(*[says(item, "authentic" if n % 2 else "counterfeit") for n, item in enumerate(items[:3])])
        few = world.labels(screening_ids=items[1:])
        many = world.labels(screening_ids=[*items[1:], *(f"scr_{n}" for n in range(ALL_FROM))])
        between = world.labels(screening_ids=[*items[1:], *(f"scr_{n}" for n in range(AT_ONCE))])
        assert few == many == between and list(few) == items[1:3]
        assert world.labels(screening_ids=[]) == {}


class TestWhatIsCounted:
    def test_precision_by_appraisal_is_apart_from_decisions(self, world: World) -> None:
        outcomes = ["counterfeit", "counterfeit", "authentic", "inconclusive"]
        items = [world.screen(f"L-{n}", minutes=n) for n in range(6)]
        clear = world.screen("L-9", minutes=9, verdict="clear")
        world.add(
            *[says(item, outcome) for item, outcome in zip(items, outcomes, strict=False)],
            says(items[4], "counterfeit", brand=world.other.id),
            says(items[5]),
            says(items[5], "authentic", "B"),
            says(clear),
        )
        with world.database.read() as conn:
            assert appraised_precision(conn, world.brand.id) == Precision(2, 2)
            assert appraised_precision(conn, world.other.id) == Precision()
            assert appraised_precision(conn, world.brand.id, since=DAY + timedelta(days=1)) == Precision()

    def test_references_by_appraisal(self, world: World) -> None:
        def entry(reference: str, kind: str) -> dict[str, Any]:
            return {
                "image": 0, "frame": 0, "box": [0, 0, 1, 1], "reference_id": reference, "brand_id": world.brand.id,
                "kind": kind, "use": "copy", "score": 0.9, "method": "vector",
            }  # fmt: skip

        evidence = [entry("ref_f", "known_fake"), entry("ref_o", "authentic"), entry("ref_n", "negative")]
        items = [world.screen(f"L-{n}", minutes=n, evidence=evidence) for n in range(3)]
        world.add(
            says(items[0]), says(items[1], "authentic", brand=world.brand.id), says(items[2], brand=world.other.id)
        )
        with world.database.read() as conn:
            found = appraised_reference_precision(conn, ["ref_f", "ref_o", "ref_n", "ref_x"])
            assert appraised_reference_precision(conn) == {name: found[name] for name in ("ref_f", "ref_o")}
        assert found == {
            "ref_f": Precision(1, 2),
            "ref_o": Precision(1, 1),
            "ref_n": Precision(),
            "ref_x": Precision(),
        }

    def test_overturned_prompts_are_hard_negatives(self, world: World) -> None:
        fake = {
            "image": 0, "frame": 0, "box": [0, 0, 1, 1], "reference_id": "ref_f", "brand_id": world.brand.id,
            "kind": "known_fake", "use": "product", "score": 0.9, "method": "vector",
        }  # fmt: skip
        prompted = world.screen("L-1", evidence=[fake, fake | {"use": "copy"}], probability=0.7)
        clear = world.screen("L-2", minutes=1, verdict="clear")
        right = world.screen("L-3", minutes=2)
        world.add(says(prompted, "authentic"), says(clear, "authentic"), says(right))
        with world.database.read() as conn:
            (found,) = hard_negatives(conn)
            assert count_negatives(conn) == Negatives(authentic=2, overturned=1)
            assert hard_negatives(conn, since=DAY + timedelta(days=1)) == ()
        assert (found.screening_id, found.brand_id, found.verdict) == (prompted, world.brand.id, "review")
        assert (found.probability, found.appraised_on, found.known_fakes) == (0.7, DAY, ("ref_f",))


def test_problems_do_not_repeat_what_was_sent(world: World) -> None:
    marker = "Qzx7"
    with pytest.raises(AppraisalsRefused) as caught:
        world.add(says(f"scr_{marker}", marker, marker + "\0", brand=marker, evidence_uri=marker, evidence_hash=marker))
    assert len(caught.value.problems) == 6
    assert marker not in json.dumps([(p.message, p.field, p.code) for p in caught.value.problems]) + str(caught.value)
