"""Buyers' signals over HTTP, in the database and from files: taken once, never a verdict, forgotten in time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import StepClock
from review_kit import add_brand, screen
from service_kit import ACTOR, Kit, encoded, picture, running
from typer.testing import CliRunner

from brands import audit, holds
from brands.database import Database
from brands.errors import Invalid
from brands.registry import Registry
from brands.schema import audit as audit_rows
from brands.schema import buyer_signals, reviews
from screener.cli import app
from screener.client import AsyncScreenerClient, ScreenerApiError, ScreenerClient
from screener.errors import IdempotencyMismatch
from screener.listing import Listing
from screener.review.responses import add_response
from screener.review.value import MOST_SIGNALLED, signalled
from screener.signals.about import TextReader
from screener.signals.counts import suspicions
from screener.signals.store import NewSignal, Signal, add, checked, fetch_page, forget, read_all

FAKE = "This is a fake, the serial number does not exist."
FINE = "Too small, sent it back."


def take(database: Database, now: datetime, *news: NewSignal) -> tuple[Signal, ...]:
    ready = [checked(new, now) for new in news]
    readings = read_all(TextReader(lambda: None), ready)
    with database.write() as conn:
        return add(conn, ready, readings, actor=ACTOR, now=now)


def weight(database: Database, screening_id: str) -> float:
    with database.read() as conn:
        query = sa.select(reviews.c.weight).where(reviews.c.screening_id == screening_id)
        return float(conn.execute(query).scalar_one())


class TestStore:
    def test_a_signal_is_tied_to_the_listings_latest_screening(
        self, database: Database, registry: Registry, clock: StepClock
    ) -> None:
        brand = add_brand(registry, "Norvokka")
        listing = Listing("L-1", "A leather bag", "shop-1", category="bags")
        screen(database, clock(), listing=listing)
        latest = screen(
            database, clock(), listing=Listing("L-1", "A bag", "shop-1", category="bags", revision=2), brand=brand
        )
        (signal,) = take(database, clock(), NewSignal("complaint", "L-1", FAKE))
        assert (signal.screening_id, signal.seller_id, signal.brand_id) == (latest, "shop-1", brand.id)
        assert (signal.category, signal.product, signal.language) == ("bags", "bag", "en")
        assert signal.suspected
        (other,) = take(database, clock(), NewSignal("review", "L-1", FAKE, seller_id="shop-2"))
        assert (other.screening_id, other.seller_id, other.brand_id) == (None, "shop-2", None)
        (unknown,) = take(database, clock(), NewSignal("return", "L-none", FINE))
        assert (unknown.screening_id, unknown.seller_id, unknown.suspected) == (None, None, False)

    def test_the_same_signal_is_taken_once(self, database: Database, clock: StepClock) -> None:
        first = NewSignal("return", "L-1", FAKE, external_id="rma-1")
        (one,) = take(database, clock(), first)
        (again,) = take(database, clock(), first)
        assert again == one
        # What was left out was filled in; to say it now is no other signal.
        (said,) = take(database, clock(), NewSignal("return", "L-1", FAKE, "rma-1", None, "en", one.occurred_at))
        assert said == one
        assert len(take(database, clock(), first, first)) == 2
        with database.read() as conn:
            assert len(fetch_page(conn)) == 1
            added = sa.select(sa.func.count()).where(audit_rows.c.action == "signal.add")
            assert conn.execute(added).scalar_one() == 1

    @pytest.mark.parametrize(
        "other",
        [
            NewSignal("return", "L-1", "other words", "rma-1"),
            NewSignal("return", "L-2", FAKE, "rma-1"),
            NewSignal("review", "L-1", FAKE, "rma-1"),
            NewSignal("return", "L-1", FAKE, "rma-1", "shop-9"),
            NewSignal("return", "L-1", FAKE, "rma-1", None, "de"),
            NewSignal("return", "L-1", FAKE, "rma-1", None, None, datetime(2025, 2, 1, tzinfo=UTC)),
        ],
    )
    def test_another_signal_with_the_same_id_is_refused_with_its_whole_batch(
        self, database: Database, clock: StepClock, other: NewSignal
    ) -> None:
        take(database, clock(), NewSignal("return", "L-1", FAKE, external_id="rma-1"))
        with pytest.raises(IdempotencyMismatch):
            take(database, clock(), NewSignal("review", "L-3", FINE), other)
        with database.read() as conn:
            assert [signal.listing_id for signal in fetch_page(conn)] == ["L-1"]

    @pytest.mark.parametrize(
        ("new", "field"),
        [
            (NewSignal("gossip", "L-1", FAKE), "kind"),
            (NewSignal("review", "L-1", " \n "), "text"),
            (NewSignal("review", "L-1", "x" * 5001), "text"),
            (NewSignal("review", "L-1", "a\0b"), "text"),
            (NewSignal("review", " ", FAKE), "listing_id"),
            (NewSignal("review", "L-1", FAKE, "x" * 201), "external_id"),
            (NewSignal("review", "L-1", FAKE, occurred_at=datetime(2025, 3, 3, tzinfo=UTC)), "occurred_at"),
            (NewSignal("review", "L-1", FAKE, occurred_at=datetime(1990, 1, 1, tzinfo=UTC)), "occurred_at"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, clock: StepClock, new: NewSignal, field: str) -> None:
        with pytest.raises(Invalid) as refused:
            checked(new, clock())
        assert refused.value.field == field

    def test_the_audit_log_has_no_words_of_the_buyer(self, database: Database, clock: StepClock) -> None:
        take(database, clock(), NewSignal("complaint", "L-1", "Zanzibar fake"))
        with database.read() as conn:
            rows = conn.execute(sa.select(audit_rows.c.after).where(audit_rows.c.action == "signal.add")).scalars()
            assert "Zanzibar" not in json.dumps(list(rows))
            assert audit.verify(conn).ok

    def test_pages_filter_and_follow(self, database: Database, clock: StepClock) -> None:
        for number in range(5):
            take(database, clock(), NewSignal("review", f"L-{number % 2}", FAKE if number % 2 else FINE))
        with database.read() as conn:
            first = fetch_page(conn, limit=2)
            rest = fetch_page(conn, after=first[-1].id)
            assert len(first) + len(rest) == 5
            assert {one.listing_id for one in fetch_page(conn, suspected=True)} == {"L-1"}
            assert len(fetch_page(conn, listing_id="L-0", kind="review")) == 3
            assert (
                fetch_page(conn, kind="return") == fetch_page(conn, seller_id="a\0") == fetch_page(conn, brand_id="x")
            )
            assert fetch_page(conn, since=clock() + timedelta(hours=1)) == ()
            assert len(fetch_page(conn, until=clock())) == 5

    def test_suspicions_are_counted_by_listing(self, database: Database, clock: StepClock) -> None:
        old = screen(database, clock(), listing=Listing("L-1", "A", "shop-1"))
        new = screen(database, clock(), listing=Listing("L-1", "A", "shop-1", revision=2))
        other = screen(database, clock(), listing=Listing("L-2", "A", "shop-1"))
        take(database, clock(), NewSignal("review", "L-1", FAKE), NewSignal("review", "L-1", FINE))
        take(database, clock(), NewSignal("complaint", "L-1", FAKE))
        with database.read() as conn:
            assert suspicions(conn, [old, new, other]) == {old: 2, new: 2, other: 0}
            assert suspicions(conn, []) == {}
            assert suspicions(conn, [old], since=clock()) == {old: 0}


class TestQueue:
    """Suspicions bring a case forward, up to a bound, and nothing else."""

    def test_an_open_case_becomes_due_earlier(self, database: Database, clock: StepClock) -> None:
        case = screen(database, clock(), listing=Listing("L-1", "A", "shop-1"))
        other = screen(database, clock(), listing=Listing("L-2", "A", "shop-1"))
        before = weight(database, case)
        take(database, clock(), NewSignal("review", "L-1", FINE))
        assert weight(database, case) == before
        for number in range(1, 8):
            take(database, clock(), NewSignal("review", "L-1", FAKE))
            assert weight(database, case) == pytest.approx(before * signalled(number))
        assert weight(database, case) == pytest.approx(before * MOST_SIGNALLED)
        assert weight(database, other) == pytest.approx(before)

    def test_a_later_case_of_the_listing_and_an_appeal_count_them_too(
        self, database: Database, clock: StepClock
    ) -> None:
        plain = weight(database, screen(database, clock(), listing=Listing("L-0", "A", "shop-1")))
        take(database, clock(), NewSignal("review", "L-1", FAKE))
        case = screen(database, clock(), listing=Listing("L-1", "A", "shop-1"))
        assert weight(database, case) == pytest.approx(plain * signalled(1))
        with database.write() as conn:
            add_response(conn, screening_id=case, kind="proof", actor=ACTOR, now=clock())
        assert weight(database, case) == pytest.approx(plain * 10 * signalled(1))


class TestForgetting:
    def test_signals_without_a_screening_go_in_time(self, database: Database, clock: StepClock) -> None:
        screen(database, clock(), listing=Listing("L-1", "A", "shop-1"))
        kept, loose, held = (
            take(database, clock(), NewSignal("review", listing, FAKE, seller_id=seller))[0]
            for listing, seller in (("L-1", "shop-1"), ("L-2", "shop-2"), ("L-3", "shop-3"))
        )
        with database.write() as conn:
            holds.add(conn, kind="seller", object_id="shop-3", reason="a case", actor=ACTOR, at=clock())
        clock.now += timedelta(days=10)
        with database.write() as conn:
            assert forget(conn, before=clock() - timedelta(days=11), actor=ACTOR, now=clock()) == 0
            assert forget(conn, before=clock() - timedelta(days=9), actor=ACTOR, now=clock()) == 1
            assert {one.id for one in fetch_page(conn)} == {kept.id, held.id}
            told = sa.select(audit_rows.c.after).where(
                audit_rows.c.object_id == loose.id, audit_rows.c.action == "signal.add"
            )
            assert conn.execute(told).scalar_one() is None
        with database.read() as conn:
            assert audit.verify(conn).ok


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("signals")) as found:
        yield found


class TestHttp:
    def post(self, kit: Kit, *signals: dict[str, object], code: int = 201) -> dict[str, object]:
        answer = kit.client.post("/v1/signals", json={"signals": list(signals)}, headers=kit.hook)
        assert answer.status_code == code, answer.text
        found: dict[str, object] = answer.json()
        return found

    def test_the_same_listing_gets_the_same_answer_whatever_buyers_said(self, kit: Kit) -> None:
        image = encoded(picture(11))

        def judged(listing: str) -> dict[str, object]:
            answer = kit.screen([image], listing_id=listing, seller={"id": "shop-same"}).json()
            return {
                name: value
                for name, value in answer.items()
                if name not in ("id", "listing_id", "created_at", "timings_ms")
            }

        before = judged("L-same-1")
        for number in range(12):
            self.post(
                kit, {"kind": "complaint", "listing_id": "L-same-1", "text": FAKE, "external_id": f"same-{number}"}
            )
        assert judged("L-same-1") == judged("L-same-2") == before

    def test_a_batch_is_read_and_listed(self, kit: Kit) -> None:
        brand = kit.add_brand("Velloway")
        kit.refresh()
        found = self.post(
            kit,
            {"kind": "return", "listing_id": "L-a", "text": "Velloway 的假货", "seller_id": "shop-a"},
            {"kind": "review", "listing_id": "L-a", "text": "Alles gut", "occurred_at": "2025-01-01T00:00:00Z"},
        )["items"]
        assert isinstance(found, list)
        assert [one["id"] for one in found] == sorted(one["id"] for one in found)
        assert [(one["suspected"], one["language"]) for one in found] == [(True, "zh"), (False, "de")]
        assert found[0]["brand_id"] == brand.id
        listed = kit.client.get("/v1/signals?suspected=true&seller_id=shop-a", headers=kit.admin).json()
        assert listed["items"] == [found[0]]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"signals": []}, 422),
            ({"signals": [{"kind": "review", "listing_id": "L"}]}, 422),
            ({"signals": [{"kind": "review", "listing_id": "L", "text": "x", "verdict": "fake"}]}, 422),
            ({"signals": [{"kind": "review", "listing_id": "L", "text": 7}]}, 422),
            (
                {"signals": [{"kind": "review", "listing_id": "L", "text": "x", "occurred_at": "2025-01-01T00:00:00"}]},
                422,
            ),
            ({"signals": [{"kind": "review", "listing_id": "L", "text": "x"}] * 101}, 422),
        ],
    )
    def test_what_is_no_signal_is_refused(self, kit: Kit, body: dict[str, object], code: int) -> None:
        answer = kit.client.post("/v1/signals", json=body, headers=kit.hook)
        assert answer.status_code == code
        assert answer.json()["error"]["field"].startswith("signals")

    def test_another_signal_with_a_known_id_names_its_place(self, kit: Kit) -> None:
        one = {"kind": "review", "listing_id": "L-b", "text": FINE, "external_id": "b-1"}
        self.post(kit, one)
        refused = self.post(kit, {**one, "external_id": "b-2"}, {**one, "text": "other"}, code=422)
        assert refused["error"] == refused["error"] | {  # type: ignore[operator]
            "code": "idempotency_mismatch",
            "field": "signals.1.external_id",
        }

    def test_the_client_tells_what_it_got(self, kit: Kit) -> None:
        import httpx

        async def passed_on(request: httpx.Request) -> httpx.Response:
            answer = kit.client.request(
                request.method, request.url.path, content=await request.aread(), headers=dict(request.headers)
            )
            return httpx.Response(answer.status_code, content=answer.content)

        key = kit.hook["Authorization"].removeprefix("Bearer ")
        with ScreenerClient("http://testserver", key, transport=httpx.MockTransport(passed_on)) as client:
            first = client.signal(
                "complaint", "L-c", FAKE, external_id="c-1", occurred_at=datetime(2025, 1, 1, tzinfo=UTC)
            )
            assert first == client.signal("complaint", "L-c", FAKE, external_id="c-1")
            assert (first.suspected, first.listing_id) == (True, "L-c")
            with pytest.raises(ScreenerApiError):
                client.signal("complaint", "L-c", "other words", external_id="c-1")
            with pytest.raises(ValueError, match="aware"):
                client.signal("complaint", "L-c", FAKE, occurred_at=datetime(2025, 1, 1))
        assert AsyncScreenerClient.signal.__doc__


class TestCommands:
    def run(self, folder: Path, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["signals", *arguments, "--data-dir", str(folder)])
        assert done.exit_code == code, done.output
        return done.output

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        database = Database(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
        database.migrate()
        database.close()
        return tmp_path

    def test_add_list_and_classify(self, folder: Path) -> None:
        assert "suspected" in self.run(folder, "add", "return", "L-1", FAKE, "--external-id", "r-1")
        assert "suspected" not in self.run(folder, "add", "review", "L-1", FINE)
        listed = json.loads(self.run(folder, "list", "--suspected", "--json"))
        assert [(one["external_id"], one["kind"]) for one in listed] == [("r-1", "return")]
        assert "L-1" in self.run(folder, "list")
        done = CliRunner().invoke(app, ["signals", "classify", "假货", "--json"])
        assert (json.loads(done.output)["suspected"], json.loads(done.output)["language"]) == (True, "zh")

    def test_a_file_is_taken_whole_or_not_at_all(self, folder: Path, tmp_path: Path) -> None:
        file = tmp_path / "signals.csv"
        file.write_text(
            "kind,listing_id,text,external_id,occurred_at\n"
            f'review,L-1,"{FAKE}",x-1,2025-01-01T00:00:00Z\n'
            "gossip,L-2,hm,x-2,\n"
            "review,L-3,fine,x-3,yesterday\n"
        )
        refused = self.run(folder, "import", str(file), code=1)
        assert "line 3: kind" in refused and "line 4: occurred_at" in refused
        assert json.loads(self.run(folder, "list", "--json")) == []
        file.write_text(f'kind,listing_id,text,external_id\nreview,L-1,"{FAKE}",x-1\nreview,L-2,fine,x-2\n')
        assert "2 signals, 1 of them" in self.run(folder, "import", str(file))
        self.run(folder, "import", str(file))
        assert len(json.loads(self.run(folder, "list", "--json"))) == 2
        file.write_text("kind,text\nreview,fine\n")
        assert "columns" in self.run(folder, "import", str(file), code=1)

    def test_bursts_are_listed(self, folder: Path) -> None:
        assert json.loads(self.run(folder, "bursts", "--look", "--json")) == []
        assert "subject" in self.run(folder, "bursts", "--over")


def test_a_signal_goes_with_its_screening_and_its_seller(database: Database, clock: StepClock) -> None:
    """What erasure and retention find (`screener.retention`): the rows are tied as they expect."""
    case = screen(database, clock(), listing=Listing("L-1", "A", "shop-1"))
    take(database, clock(), NewSignal("review", "L-1", FAKE))
    with database.read() as conn:
        row = conn.execute(sa.select(buyer_signals.c.screening_id, buyer_signals.c.seller_id)).one()
    assert tuple(row) == (case, "shop-1")
