"""Plans of spot checks in the database: who can be picked, what is stored, how picks move, and what results say."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import StepClock
from review_kit import add_brand, screen
from spot_check_kit import ACTOR, appraise, screen_many
from typer.testing import CliRunner

from brands import audit
from brands.database import Database
from brands.errors import Conflict, Invalid, NotFound
from brands.registry import Registry
from brands.schema import audit as audit_rows
from brands.schema import buyer_signals, picture_facts, screenings, spot_check_plans, spot_checks
from screener import cli, csv_safe
from screener.listing import Listing
from screener.picture_facts import FACTS_VERSION
from screener.retention.scrub import without
from screener.settings import Settings
from screener.spot_checks import plan as planning
from screener.spot_checks.estimate import estimate
from screener.spot_checks.export import COLUMNS, write_plan
from screener.spot_checks.model import Filters, Plan, Shares
from screener.spot_checks.payloads import shown
from screener.spot_checks.plan import plan
from screener.spot_checks.population import read_population
from screener.spot_checks.store import cancel_plan, list_plans, read_plan, set_state
from screener.truth import Truth

HALF = Shares(0.5, 0.5, 0, 0, 0, 0)


def made(database: Database, clock: StepClock, budget: int = 5, **asked: Any) -> Plan:
    return plan(database, budget=budget, actor=ACTOR, now=clock(), **({"seed": 1} | asked))


def picked(found: Plan) -> list[str]:
    return [pick.screening_id for pick in found.picks]


def at_start(clock: StepClock) -> Any:
    """A day before now."""
    return clock.now - timedelta(days=1)


class TestPlans:
    """Who can be picked, and what is stored."""

    def test_what_is_stored_is_what_was_drawn(self, database: Database, clock: StepClock) -> None:
        ids = screen_many(database, at_start(clock), 30, prompted=range(5))
        found = made(database, clock, 8, shares=HALF)
        assert (found.budget, found.seed, found.population, len(found.picks)) == (8, 1, 30, 8)
        assert set(picked(found)) <= set(ids)
        assert [pick.position for pick in found.picks] == list(range(8))
        assert {pick.state for pick in found.picks} == {"planned"}
        for pick in found.picks:
            assert sum(pick.reasons["chances"].values()) == pytest.approx(pick.inclusion, abs=1e-6)
            assert pick.strategy == max(pick.reasons["chances"], key=lambda name: pick.reasons["chances"][name])
            assert 8 * 0.5 / 30 <= pick.inclusion <= 1
        useful = [pick.inclusion - pick.reasons["chances"]["random"] for pick in found.picks]
        assert useful == sorted(useful, reverse=True)
        assert sum(own["listings"] for own in found.parameters["strata"]) == 30
        with database.read() as conn:
            assert read_plan(conn, found.id) == found
            assert audit.verify(conn).ok
            row = conn.execute(sa.select(audit_rows).where(audit_rows.c.object_id == found.id)).one()
        assert (row.action, row.actor, row.after["picks"]) == ("spot_check_plan.add", ACTOR, 8)

    def test_the_same_seed_picks_the_same(self, database: Database, clock: StepClock) -> None:
        screen_many(database, at_start(clock), 30)
        first = made(database, clock, seed=3)
        with database.write() as conn:
            cancel_plan(conn, first.id, actor=ACTOR, at=clock())
        again = made(database, clock, seed=3)
        assert picked(again) == picked(first)
        assert [pick.inclusion for pick in again.picks] == [pick.inclusion for pick in first.picks]
        with database.write() as conn:
            cancel_plan(conn, again.id, actor=ACTOR, at=clock())
        assert picked(made(database, clock, seed=4)) != picked(first)
        assert 0 <= made(database, clock, seed=None).seed <= planning.SEED_MAX

    def test_only_the_last_screening_of_a_listing_in_the_window_counts(
        self, database: Database, clock: StepClock
    ) -> None:
        start = at_start(clock)
        old = screen(database, start - timedelta(days=3), listing=Listing("L-old", "A thing", "s"))
        screen(database, start, listing=Listing("L-new", "A thing", "s", revision=1))
        new = screen(database, start + timedelta(hours=1), listing=Listing("L-new", "A thing", "s", revision=2))
        late = screen(database, clock.now + timedelta(hours=1), listing=Listing("L-new", "A thing", "s", revision=3))
        found = made(database, clock, window=timedelta(days=2), seed=1)
        assert picked(found) == [new]
        assert late not in picked(found) and old not in picked(found)

    def test_filters(self, database: Database, registry: Registry, clock: StepClock) -> None:
        brand, other = add_brand(registry, "Norvell"), add_brand(registry, "Quiron")
        start = at_start(clock)
        own = screen_many(database, start, 4, brand=brand, category="shoes")
        screen_many(database, start, 4, brand=other, category="shoes", start=4)
        screen_many(database, start, 4, brand=brand, category="bags", start=8)
        found = made(database, clock, 100, filters=Filters(brand.id, "shoes"))
        assert sorted(picked(found)) == sorted(own)
        assert found.parameters["filters"] == {"brand_id": brand.id, "category": "shoes"}
        with pytest.raises(Conflict) as refused:
            made(database, clock, filters=Filters(category="hats"))
        assert refused.value.code == "nothing_to_check"

    def test_a_listing_is_never_in_two_open_plans(self, database: Database, clock: StepClock) -> None:
        screen_many(database, at_start(clock), 12)
        first, second = made(database, clock, 5), made(database, clock, 5)
        assert not set(picked(first)) & set(picked(second))
        assert second.population == 7
        assert second.parameters["taken"] == sorted(picked(first))
        again = screen(database, clock(), listing=Listing("L-0", "A thing", "shop-0", revision=2))
        third = made(database, clock, 12)
        taken = {*picked(first), *picked(second)}
        assert len(third.picks) + len(taken) == 12
        with database.read() as conn:
            names = sa.select(screenings.c.id).where(screenings.c.listing_id == "L-0")
            first_of_zero = conn.execute(names.order_by(screenings.c.id)).scalars().first()
        assert (again in picked(third)) == (first_of_zero not in taken)

    def test_two_who_plan_at_once_get_different_items(self, database: Database, clock: StepClock) -> None:
        screen_many(database, at_start(clock), 20)
        found: list[Plan] = []

        def work(seed: int) -> None:
            found.append(plan(database, budget=6, actor=ACTOR, now=now, seed=seed))

        now = clock()
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 3
        assert max(Counter(name for own in found for name in picked(own)).values()) == 1

    def test_what_changes_while_a_plan_is_drawn_is_noticed(
        self, database: Database, clock: StepClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = screen_many(database, at_start(clock), 6)
        real, times = planning.read_population, []

        def slow(conn: sa.Connection, asked: Any) -> Any:
            found = real(conn, asked)
            if not times:
                appraise(database, {ids[2]: "authentic"}, clock())
            times.append(1)
            return found

        monkeypatch.setattr(planning, "read_population", slow)
        found = made(database, clock, 6)
        assert len(times) == 2
        assert ids[2] not in picked(found) and len(found.picks) == 5

    def test_who_always_comes_too_late_is_told(
        self, database: Database, clock: StepClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        screen_many(database, at_start(clock), 3)
        monkeypatch.setattr(planning, "_still_free", lambda *_: False)
        with pytest.raises(Conflict) as refused:
            made(database, clock)
        assert refused.value.code == "plans_collide"

    def test_appraised_listings_are_left_out_until_the_appraisal_is_withdrawn(
        self, database: Database, clock: StepClock
    ) -> None:
        ids = screen_many(database, at_start(clock), 6)
        appraise(database, {ids[0]: "counterfeit", ids[1]: "inconclusive"}, clock())
        found = made(database, clock, 6)
        assert set(picked(found)) == set(ids[2:])
        assert found.parameters["taken"] == sorted(ids[:2])

    def test_near_duplicates_are_picked_once(self, database: Database, clock: StepClock) -> None:
        start = at_start(clock)
        same = [
            screen(database, start, listing=Listing(f"L-{n}", "A thing", f"s-{n}"), images=["a" * 64]) for n in range(3)
        ]
        copies = [
            screen(database, start, listing=Listing(f"L-{n}", "A thing", f"s-{n}"), images=[f"{n:064x}"])
            for n in (10, 11)
        ]
        screen(database, start, listing=Listing("L-20", "A thing", "s-20"), images=[])
        with database.write() as conn:
            for n, bits in ((10, b"\x0f" * 32), (11, b"\x0f" * 29 + b"\x00" * 3)):  # 12 bits apart
                conn.execute(
                    sa.insert(picture_facts).values(
                        image_sha256=f"{n:064x}",
                        version=FACTS_VERSION,
                        facts={"pdq_quality": 90},
                        pdq=bits * 8,
                        created_at=start,
                    )
                )
        found = made(database, clock, 100)
        assert len(found.picks) == 3
        assert len(set(picked(found)) & set(same)) == len(set(picked(found)) & set(copies)) == 1
        duplicates = [pick for pick in found.picks if pick.screening_id in same]
        assert [pick.reasons["facts"]["near_duplicates"] for pick in duplicates] == [3]
        assert duplicates[0].inclusion == pytest.approx(1 / 3)

    def test_complaints_of_the_marketplace_and_of_buyers_count(self, database: Database, clock: StepClock) -> None:
        start = at_start(clock)
        ids = screen_many(database, start, 4)
        told = screen_many(database, start, 1, start=4, complaints=2)
        row = {
            "kind": "review", "listing_id": "L-1", "screening_id": ids[1], "seller_id": None, "text": "fake!",
            "language": "en", "suspicion": 0.9, "classifier": "c", "occurred_at": start, "created_at": start,
            "created_by": ACTOR,
        }  # fmt: skip
        with database.write() as conn:
            rows = [row | {"id": f"sig_{n}", "suspected": suspected} for n, suspected in enumerate((True, True, False))]
            conn.execute(sa.insert(buyer_signals), rows)
        found = made(database, clock, 5)
        complaints = {pick.screening_id: pick.reasons["facts"]["complaints"] for pick in found.picks}
        assert complaints == {ids[0]: 0, ids[1]: 2, ids[2]: 0, ids[3]: 0, told[0]: 2}

    def test_the_population_has_what_was_screened(
        self, database: Database, registry: Registry, clock: StepClock
    ) -> None:
        brand = add_brand(registry, "Norvell")
        start = at_start(clock)
        first = screen(
            database, start, brand=brand, price="250.50", listing=Listing("L-1", "A", "s-1", category="shoes"),
            probability=0.7,
        )  # fmt: skip
        second = screen(
            database, start, price=None, listing=Listing("L-2", "B", "s-2"), probability=0.1, verdict="clear"
        )
        with database.read() as conn:
            people, taken = read_population(
                conn, planning.Asked(5, start - timedelta(days=1), start + timedelta(days=1)).checked()
            )
        place = {name: people.ids.index(name) for name in (first, second)}
        assert sorted(people.ids) == sorted([first, second]) and taken == ()
        assert [people.prompted[place[name]] for name in (first, second)] == [True, False]
        for groups in (people.brand, people.category, people.seller):
            assert groups[place[first]] != groups[place[second]]
        assert people.price[place[first]] == pytest.approx(250.5 * 1.1, rel=0.2)
        assert people.price[place[second]] != people.price[place[second]]
        assert people.threshold.tolist() == pytest.approx([0.4, 0.4])

    def test_what_makes_no_sense_is_refused(self, database: Database, clock: StepClock) -> None:
        wrong: list[dict[str, Any]] = [
            {"budget": 0},
            {"budget": 10**6},
            {"seed": -1},
            {"window": timedelta(0)},
            {"shares": Shares(random=0.9)},
            {"filters": Filters(category="")},
            {"filters": Filters(brand_id="\0")},
        ]
        for asked in wrong:
            with pytest.raises(Invalid):
                made(database, clock, **({"budget": 5} | asked))


class TestStates:
    """Picks move between states, and plans are listed and cancelled."""

    def test_steps(self, database: Database, clock: StepClock) -> None:
        screen_many(database, at_start(clock), 3)
        pick, other, _ = made(database, clock, 3).picks

        def move(state: Any, pick_id: str = pick.id, **said: Any) -> Any:
            with database.write() as conn:
                return set_state(conn, pick_id, state, actor=ACTOR, at=clock(), **said)

        assert move("ordered", orders=7).orders == 7
        assert move("ordered", note="by post").note == "by post"
        assert (move("planned").state, move("ordered").orders) == ("planned", 7)
        appraise(database, {pick.screening_id: "authentic"}, clock())
        for state in ("planned", "ordered", "cancelled"):
            with pytest.raises(Conflict) as refused:
                move(state)
            assert refused.value.code == "spot_check_state"
        assert move("cancelled", other.id, note="sold out").note == "sold out"
        with pytest.raises(Conflict):
            move("ordered", other.id)
        with pytest.raises(Conflict):
            move("appraised", made(database, clock, 1).picks[0].id)
        for wrong in ({"note": "x" * 2001}, {"note": "\0"}, {"orders": -1}):
            with pytest.raises(Invalid):
                move("cancelled", other.id, **wrong)
        with pytest.raises(NotFound):
            move("ordered", "spc_" + "0" * 32)
        with database.read() as conn:
            assert audit.verify(conn).ok
            actions = conn.execute(sa.select(audit_rows.c.action).where(audit_rows.c.object_id == pick.id)).scalars()
            assert list(actions) == [f"spot_check.{state}" for state in
                                     ("ordered", "ordered", "planned", "ordered", "appraised")]  # fmt: skip

    def test_a_sold_item_can_be_planned_again(self, database: Database, clock: StepClock) -> None:
        (only,) = screen_many(database, at_start(clock), 1)
        pick = made(database, clock).picks[0]
        with pytest.raises(Conflict):
            made(database, clock)
        with database.write() as conn:
            set_state(conn, pick.id, "cancelled", note="sold out", actor=ACTOR, at=clock())
        assert picked(made(database, clock)) == [only]

    def test_a_cancelled_plan_lets_go_what_is_not_ordered(self, database: Database, clock: StepClock) -> None:
        screen_many(database, at_start(clock), 4)
        found = made(database, clock, 4)
        with database.write() as conn:
            set_state(conn, found.picks[0].id, "ordered", actor=ACTOR, at=clock())
            after = cancel_plan(conn, found.id, note="no budget", actor=ACTOR, at=clock())
        assert after.cancelled_at is not None
        assert after.counts == {"planned": 0, "ordered": 1, "appraised": 0, "cancelled": 3}
        assert {pick.note for pick in after.picks if pick.state == "cancelled"} == {"no budget"}
        assert found.picks[0].screening_id not in picked(made(database, clock, 4))
        with pytest.raises(Conflict), database.write() as conn:
            cancel_plan(conn, found.id, actor=ACTOR, at=clock())
        with pytest.raises(NotFound), database.write() as conn:
            cancel_plan(conn, "pln_" + "0" * 32, actor=ACTOR, at=clock())

    def test_plans_are_listed_the_latest_first(self, database: Database, clock: StepClock) -> None:
        screen_many(database, at_start(clock), 9)
        plans = [made(database, clock, 2) for _ in range(3)]
        with database.read() as conn:
            first = list_plans(conn, limit=2)
            rest = list_plans(conn, after=first[-1].id)
        assert [own.id for own in (*first, *rest)] == [own.id for own in reversed(plans)]
        assert first[0].counts["planned"] == 2 and first[0].picks == ()

    def test_a_plan_as_csv(self, database: Database, registry: Registry, clock: StepClock) -> None:
        brand = add_brand(registry, "Norvell")
        listing = Listing("=1+1", "@SUM(A1)", "shop-1", category="shoes")
        screening = screen(database, at_start(clock), brand=brand, listing=listing)
        found = made(database, clock)
        with database.write() as conn:
            set_state(conn, found.picks[0].id, "ordered", note="-2", orders=3, actor=ACTOR, at=clock())
        text = "".join(write_plan(database, found.id, actor=ACTOR, now=clock()))
        (row,) = csv.DictReader(io.StringIO(text.removeprefix(csv_safe.MARK)))
        assert tuple(row) == COLUMNS
        assert (row["listing_id"], row["title"], row["note"]) == ("'=1+1", "'@SUM(A1)", "'-2")
        assert (row["screening_id"], row["brand"], row["orders"], row["price"]) == (
            screening, "Norvell", "3", "100 EUR",
        )  # fmt: skip
        assert float(row["inclusion"]) == found.picks[0].inclusion == 1.0
        with database.read() as conn:
            actions = conn.execute(sa.select(audit_rows.c.action).where(audit_rows.c.object_id == found.id)).scalars()
            assert list(actions)[-1] == "spot_check_plan.export"
        with pytest.raises(NotFound):
            write_plan(database, "pln_" + "0" * 32, actor=ACTOR, now=clock())


class TestEstimates:
    """What results say of all listings."""

    def estimates(self, database: Database, clock: StepClock, filters: Filters | None = None) -> Any:
        with database.read() as conn:
            return estimate(
                conn, since=clock.now - timedelta(days=9), until=clock.now + timedelta(days=9), filters=filters
            )

    def test_when_everything_was_bought_the_truth_is_known(self, database: Database, clock: StepClock) -> None:
        ids = screen_many(database, at_start(clock), 60, prompted=range(10))
        found = made(database, clock, 60)
        assert {pick.inclusion for pick in found.picks} == {1.0}
        fakes = {*ids[:8], *ids[50:54]}
        appraise(database, {name: "counterfeit" if name in fakes else "authentic" for name in ids}, clock())
        told = self.estimates(database, clock)
        for own, truth in ((told.listings, 12 / 60), (told.precision, 8 / 10), (told.recall, 8 / 12)):
            assert own.value == pytest.approx(truth)
            assert own.low == pytest.approx(truth, abs=0.01) and own.high == pytest.approx(truth, abs=0.01)
        assert told.listings.effective_n == pytest.approx(60)
        assert told.value.value == pytest.approx(12 / 60)  # all cost the same
        by_category = {name: own.value for name, own in told.categories.items()}
        expected = Counter(int(n) % 3 for n in (*range(8), *range(50, 54)))
        assert by_category == pytest.approx({f"goods-{n}": expected[n] / 20 for n in range(3)})
        assert told.told.results == 60 and told.told.waiting == told.told.missing == 0
        assert told.orders.value is None and any("orders" in note for note in told.notes)
        assert not any("Too little for rate" in note for note in told.notes)

    def test_nothing_is_said_without_results(self, database: Database, clock: StepClock) -> None:
        empty = self.estimates(database, clock)
        assert (empty.listings.value, empty.listings.low, empty.listings.high) == (None, 0.0, 1.0)
        assert empty.notes == ("No plan was made in this time.",)
        screen_many(database, at_start(clock), 30)
        made(database, clock)
        waiting = self.estimates(database, clock)
        assert waiting.told.waiting == 5
        assert any("Too little" in note for note in waiting.notes)
        assert any("No result" in note for note in waiting.notes)

    def test_few_results_are_said_to_be_few(self, database: Database, clock: StepClock) -> None:
        screen_many(database, at_start(clock), 300)
        found = made(database, clock, 10)
        appraise(database, dict.fromkeys(picked(found), "authentic"), clock())
        told = self.estimates(database, clock)
        assert told.listings.value == 0.0 and not told.listings.enough
        assert told.listings.high > 0.25  # of ten, none is no proof of less
        assert any("Too little for rate, precision, recall" in note for note in told.notes)

    def test_items_that_gave_no_result_are_told_and_stood_for(self, database: Database, clock: StepClock) -> None:
        screen_many(database, at_start(clock), 30)
        found = made(database, clock, 30)
        names = picked(found)
        with database.write() as conn:
            set_state(conn, found.picks[0].id, "cancelled", note="sold", actor=ACTOR, at=clock())
        results = {name: "counterfeit" if n % 2 else "authentic" for n, name in enumerate(names[4:])}
        appraise(database, {**results, names[1]: "inconclusive", names[2]: "authentic"}, clock())
        appraise(database, {names[2]: "counterfeit"}, clock(), appraiser="Brand")  # they differ
        told = self.estimates(database, clock)
        assert (told.told.results, told.told.missing, told.told.waiting) == (26, 3, 1)
        assert told.listings.value == pytest.approx(0.5)
        assert told.listings.effective_n == pytest.approx(26)
        assert told.listings.high - told.listings.low > 0.05  # 4 of 30 are not known

    def test_listings_known_before_a_plan_stand_for_themselves(self, database: Database, clock: StepClock) -> None:
        ids = screen_many(database, at_start(clock), 40)
        appraise(database, dict.fromkeys(ids[:10], "counterfeit"), clock())
        found = made(database, clock, 30)
        assert found.population == 30
        appraise(database, dict.fromkeys(picked(found), "authentic"), clock())
        told = self.estimates(database, clock)
        assert told.listings.value == pytest.approx(10 / 40)
        assert (told.told.known, told.told.listings) == (10, 40)

    def test_plans_are_pooled_and_those_of_a_part_speak_of_that_part_only(
        self, database: Database, clock: StepClock
    ) -> None:
        ids = screen_many(database, at_start(clock), 30)
        shoes = screen_many(database, at_start(clock), 10, start=30, category="shoes")
        first = made(database, clock, 40)
        appraise(
            database, {name: "counterfeit" if name in shoes[:2] else "authentic" for name in picked(first)}, clock()
        )
        hats = screen_many(database, at_start(clock), 20, start=40, category="hats")
        part = made(database, clock, 20, filters=Filters(category="hats"))
        appraise(database, dict.fromkeys(picked(part), "counterfeit"), clock())
        everything = self.estimates(database, clock)
        assert everything.listings.value == pytest.approx(2 / 40)
        assert everything.told.plans == 1 and len(ids) == 30
        assert self.estimates(database, clock, Filters(category="shoes")).listings.value == pytest.approx(2 / 10)
        of_hats = self.estimates(database, clock, Filters(category="hats"))
        assert of_hats.listings.value == 1.0 and of_hats.told.plans == 2
        second = (
            made(database, clock, 20, window=timedelta(days=9))
            if screen_many(database, at_start(clock), 10, start=60)
            else None
        )
        assert second is not None and second.population == 10 and len(hats) == 20
        appraise(database, dict.fromkeys(picked(second), "authentic"), clock())
        pooled = self.estimates(database, clock)
        # 2 of 40, and of the 70 of the second plan's window 2 + 20 that were known by then.
        assert pooled.listings.value == pytest.approx((2 + 22) / (40 + 70))

    def test_a_plan_about_an_erased_brand_speaks_of_nothing_else(
        self, database: Database, registry: Registry, clock: StepClock
    ) -> None:
        brand = add_brand(registry, "Norvell")
        screen_many(database, at_start(clock), 25, brand=brand)
        found = made(database, clock, 25, filters=Filters(brand_id=brand.id))
        appraise(database, dict.fromkeys(picked(found), "counterfeit"), clock())
        assert self.estimates(database, clock, Filters(brand_id=brand.id)).listings.value == 1.0
        scrubbed = without(found.parameters, lambda value: value == brand.id)
        with database.write() as conn:
            conn.execute(sa.update(spot_check_plans).values(parameters=scrubbed))
        assert self.estimates(database, clock).told.plans == 0
        with database.read() as conn:
            assert shown(read_plan(conn, found.id))["brand_id"] is None

    def test_a_plan_without_results_on_one_side_is_left_out(self, database: Database, clock: StepClock) -> None:
        ids = screen_many(database, at_start(clock), 40, prompted=range(20))
        made(database, clock, 40)
        appraise(database, dict.fromkeys(ids[:20], "counterfeit"), clock())
        told = self.estimates(database, clock)
        assert told.precision.value == 1.0
        assert told.listings.value is None and told.recall.value is None
        assert len(told.told.partial) == 1
        assert any("lack results" in note for note in told.notes)

    def test_orders_weigh_where_they_are_told(self, database: Database, clock: StepClock) -> None:
        screen_many(database, at_start(clock), 30)
        found = made(database, clock, 30)
        with database.write() as conn:
            for n, pick in enumerate(found.picks[:20]):
                set_state(conn, pick.id, "ordered", orders=9 if n < 10 else 1, actor=ACTOR, at=clock())
        fakes = {name: "counterfeit" if n < 10 else "authentic" for n, name in enumerate(picked(found))}
        appraise(database, fakes, clock())
        told = self.estimates(database, clock)
        assert told.listings.value == pytest.approx(1 / 3)
        assert told.orders.value == pytest.approx(0.9)
        assert told.orders.n == 20

    def test_an_appraisal_of_another_revision_is_of_the_same_item(self, database: Database, clock: StepClock) -> None:
        screen_many(database, at_start(clock), 25)
        made(database, clock, 25)
        newer = screen(
            database, clock(), listing=Listing("L-3", "A thing", "shop-3", revision=2), images=["f" * 64],
            verdict="clear",
        )  # fmt: skip
        appraise(database, {newer: "counterfeit"}, clock())
        assert self.estimates(database, clock).told.results == 1

    def test_a_deleted_screening_takes_its_pick_with_it(self, database: Database, clock: StepClock) -> None:
        screen_many(database, at_start(clock), 25)
        found = made(database, clock, 25)
        names = picked(found)
        appraise(database, dict.fromkeys(names[1:], "authentic"), clock())
        with database.write() as conn:
            conn.execute(sa.delete(spot_checks).where(spot_checks.c.screening_id == names[0]))
        told = self.estimates(database, clock)
        assert (told.told.picks, told.told.results) == (24, 24)
        assert told.listings.value == 0.0


def test_the_commands(tmp_path: Path, clock: StepClock) -> None:
    """From a plan to an estimate at the shell."""
    from brands.ids import utc_now

    with Truth(Settings(data_dir=tmp_path)) as truth:
        ids = screen_many(truth.database, utc_now() - timedelta(hours=1), 25, prompted=range(8))

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(cli.app, ["spot-checks", *arguments, "--data-dir", str(tmp_path)])
        assert result.exit_code == code, (result.output, result.exc_info)
        return result.stdout

    shares = ["--share", "random=0.5", "--share", "fakes=0.5"]
    found = json.loads(run("plan", "--budget", "25", "--seed", "4", *shares, "--json"))
    assert (found["seed"], found["population"], len(found["picks"])) == (4, 25, 25)
    assert found["shares"]["fakes"] == 0.5
    plan_id, pick_id = found["id"], found["picks"][0]["id"]
    assert plan_id in run("list")
    assert json.loads(run("list", "--json"))[0]["counts"]["planned"] == 25
    assert pick_id in run("show", plan_id)
    assert "is ordered" in run("order", pick_id, "--orders", "12")
    assert json.loads(run("show", plan_id, "--json"))["picks"][0]["orders"] == 12
    run("cancel", found["picks"][1]["id"], "--note", "sold out")
    for name in ("plan.csv", "plan.json"):
        run("export", plan_id, "--out", str(tmp_path / name))
    assert json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))["counts"]["cancelled"] == 1
    assert (tmp_path / "plan.csv").read_text(encoding="utf-8").count("\n") == 26
    run("export", plan_id, "--out", str(tmp_path / "plan.csv"), code=1)  # never overwritten
    run("export", plan_id, "--out", str(tmp_path / "plan.txt"), code=2)
    with Truth(Settings(data_dir=tmp_path)) as truth:
        appraise(truth.database, {name: "counterfeit" if name in ids[:6] else "authentic" for name in ids}, utc_now())
    told = json.loads(run("estimate", "--json"))
    assert told["precision"]["value"] == pytest.approx(6 / 8)
    assert told["listings"]["enough"] and not told["precision"]["enough"]
    table = run("estimate")
    assert "precision of prompts" in table and "75.0%" in table and "too little" in table
    run("plan", "--budget", "5", "--share", "fakes=half", code=2)
    run("plan", "--budget", "5", "--share", "fakes=1", code=1)
    run("plan", "--budget", "5", code=1)  # nothing is left
    screened = tmp_path / "other"
    with Truth(Settings(data_dir=screened)) as truth:
        screen_many(truth.database, utc_now() - timedelta(hours=1), 3)
    result = CliRunner().invoke(cli.app, ["spot-checks", "plan", "--budget", "2", "--data-dir", str(screened)])
    assert result.exit_code == 0, result.output
    with Truth(Settings(data_dir=screened)) as truth, truth.database.read() as conn:
        (own,) = list_plans(conn)
    result = CliRunner().invoke(cli.app, ["spot-checks", "cancel", own.id, "--data-dir", str(screened)])
    assert "is cancelled" in result.output
