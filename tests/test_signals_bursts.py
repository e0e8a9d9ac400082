"""Bursts of suspicion: the tail against SciPy, what a burst is and is not, and what is written of one."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import StepClock
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from review_kit import add_brand

from brands import audit, notices
from brands.database import Database
from brands.ids import new_id
from brands.model import Brand
from brands.registry import Registry
from brands.schema import audit as audit_rows
from brands.schema import bursts, buyer_signals, outbox
from screener.signals.bursts import GUARD, HISTORY, LEAST, LEAST_DAYS, tail, unusual
from screener.signals.counts import fetch_bursts, open_bursts
from screener.signals.watch import LOOK_AGAIN, SignalWatch, look
from screener.webhooks.endpoints import Endpoints


@given(
    number=st.integers(0, 400),
    mean=st.floats(0.01, 200.0),
    spread=st.floats(1.0, 8.0),
)
def test_the_tail_is_that_of_scipy(number: int, mean: float, spread: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    if spread <= 1 + 1e-6:
        expected = stats.poisson.sf(number - 1, mean)
    else:
        size = mean / (spread - 1)
        expected = stats.nbinom.sf(number - 1, size, size / (size + mean))
    assert tail(number, mean, mean * spread) == pytest.approx(float(expected), rel=1e-6, abs=1e-300)


@given(st.floats(0.01, 50.0), st.floats(1.0, 5.0), st.integers(1, 200))
def test_more_is_less_likely_and_a_higher_rate_makes_it_likelier(mean: float, spread: float, number: int) -> None:
    assert tail(number + 1, mean, mean * spread) <= tail(number, mean, mean * spread) * (1 + 1e-9)
    assert tail(number, mean, mean * spread) <= tail(number, mean * 1.5, mean * 1.5 * spread) * (1 + 1e-9)


def quiet(seed: int, subjects: int = 30, rate: float = 0.3) -> dict[str, NDArray[np.int64]]:
    rows = np.random.default_rng(seed).poisson(rate, (subjects, HISTORY))
    return {f"shop-{number}": row for number, row in enumerate(rows)}


class TestUnusual:
    def test_a_sudden_rise_is_seen_and_the_others_are_not(self) -> None:
        counts = quiet(1)
        counts["shop-3"][-1] = 12
        (found,) = unusual(counts, since=HISTORY)
        assert (found.subject, found.days, found.number) == ("shop-3", 1, 12)
        assert found.expected < 1 and found.chance < 1e-6

    def test_a_slow_rise_is_seen_over_the_week(self) -> None:
        counts = quiet(1)
        counts["shop-3"][-7:] = [2, 3, 2, 3, 2, 3, 2]
        (found,) = unusual(counts, since=HISTORY)
        assert (found.subject, found.days, found.number) == ("shop-3", 7, 17)

    @given(st.integers(0, 10_000))
    def test_few_are_no_burst_however_rare(self, seed: int) -> None:
        counts = quiet(seed, subjects=3, rate=0.0)
        counts["shop-0"][-1] = LEAST - 1
        assert unusual(counts, since=HISTORY) == []

    def test_nothing_is_unusual_before_there_is_experience(self) -> None:
        counts = quiet(1, rate=0.0)
        counts["shop-3"][-1] = 50
        assert unusual(counts, since=LEAST_DAYS + GUARD) == []
        assert unusual(counts, since=LEAST_DAYS + GUARD + 1) != []

    def test_who_is_often_complained_of_needs_more(self) -> None:
        counts = quiet(1, rate=0.1)
        counts["busy"] = np.random.default_rng(2).poisson(10.0, HISTORY)
        for name in ("shop-3", "busy"):
            counts[name][-1] = 14
        assert [found.subject for found in unusual(counts, since=HISTORY)] == ["shop-3"]

    def test_the_days_of_an_earlier_burst_are_not_usual(self) -> None:
        counts = quiet(1)
        counts["shop-3"][20:30] = 20
        counts["shop-3"][-1] = 12
        hidden = {one.subject for one in unusual(counts, since=HISTORY)}
        left_out = np.zeros(HISTORY, np.bool_)
        left_out[20:30] = True
        seen = {one.subject for one in unusual(counts, since=HISTORY, left_out={"shop-3": left_out})}
        assert ("shop-3" in hidden, "shop-3" in seen) == (False, True)

    @given(st.integers(1, 60), st.integers(0, 100))
    def test_the_order_of_subjects_changes_nothing(self, number: int, seed: int) -> None:
        counts = quiet(seed, subjects=10)
        counts["shop-3"][-1] = number
        backwards = dict(reversed(counts.items()))
        assert unusual(counts, since=HISTORY) == unusual(backwards, since=HISTORY)

    def test_noise_alone_is_called_seldom(self) -> None:
        """The command `signals bursts` measures it over years; a watch that cries wolf fails here."""
        rows = np.random.default_rng(7).negative_binomial(0.5, 0.5, (40, HISTORY + 120))
        called = sum(
            len(unusual({n: row[day : day + HISTORY] for n, row in enumerate(rows)}, since=HISTORY))
            for day in range(120)
        )
        assert called <= 3


def suspect(
    database: Database,
    at: datetime,
    number: int,
    *,
    seller: str = "shop-1",
    brand: Brand | None = None,
    category: str | None = None,
    suspected: bool = True,
) -> None:
    with database.write() as conn:
        conn.execute(
            sa.insert(buyer_signals),
            [
                {
                    "id": new_id("sig", at + timedelta(microseconds=n)),
                    "kind": "complaint",
                    "listing_id": "L-1",
                    "seller_id": seller,
                    "brand_id": brand.id if brand else None,
                    "category": category,
                    "text": "fake",
                    "language": "en",
                    "suspicion": 0.9 if suspected else 0.1,
                    "suspected": suspected,
                    "classifier": "sig_0",
                    "occurred_at": at,
                    "created_at": at,
                    "created_by": "cli:test",
                }
                for n in range(number)
            ],
        )


class TestWatch:
    @pytest.fixture
    def usual(self, database: Database, clock: StepClock) -> datetime:
        """Forty days of one suspicion every few days, of ten shops; gives the present time."""
        now = clock()
        for day in range(40, 2, -1):
            suspect(database, now - timedelta(days=day), 1, seller=f"shop-{day % 10}")
        return now

    def test_a_burst_is_written_told_and_moved_on(
        self, database: Database, registry: Registry, usual: datetime
    ) -> None:
        brand = add_brand(registry, "Norvokka")
        Endpoints(database, b"s" * 32, private=True).add(actor="cli:test", url="http://127.0.0.1:9/")
        suspect(database, usual, 9, seller="shop-1", brand=brand, category="bags")
        found = look(database, now=usual + timedelta(seconds=1))
        assert {(burst.kind, burst.subject, burst.number) for burst in found} >= {("seller", "shop-1", 9)}
        later = usual + timedelta(hours=3)
        suspect(database, later, 4, seller="shop-1")
        assert look(database, now=later) == ()  # no second row, no second notice
        with database.read() as conn:
            (moved,) = [one for one in open_bursts(conn, later) if one.kind == "seller"]
            assert (moved.number, moved.ends_at) == (13, later + timedelta(days=1))
            assert open_bursts(conn, later + timedelta(days=2)) == ()
            assert fetch_bursts(conn, now=later, going_on=True, kind="seller") == (moved,)
            told = notices.fetch_page(conn, brand_id=None)
            assert [(one.code, one.object_id) for one in told if one.details["kind"] == "seller"] == [
                ("burst", moved.id)
            ]
            assert "shop-1" not in str([one.details for one in told])
            rows = conn.execute(sa.select(audit_rows.c.after).where(audit_rows.c.action == "burst.find")).scalars()
            assert "shop-1" not in str(list(rows))
            messages = conn.execute(sa.select(outbox.c.type, outbox.c.seller_id, outbox.c.payload)).all()
            assert ("burst.found", "shop-1") in [(row.type, row.seller_id) for row in messages]
            assert audit.verify(conn).ok

    def test_signals_that_suspect_nothing_make_none(self, database: Database, usual: datetime) -> None:
        suspect(database, usual, 50, suspected=False)
        assert look(database, now=usual + timedelta(seconds=1)) == ()

    def test_a_burst_that_comes_back_is_a_new_one(self, database: Database, usual: datetime) -> None:
        suspect(database, usual, 9)
        assert look(database, now=usual + timedelta(seconds=1))
        later = usual + timedelta(days=9)
        suspect(database, later, 9)
        assert [one.subject for one in look(database, now=later + timedelta(seconds=1)) if one.kind == "seller"] == [
            "shop-1"
        ]
        with database.read() as conn:
            rows = fetch_bursts(conn, now=later, kind="seller")
        assert len(rows) == 2 and len({one.begins_at for one in rows}) == 2

    def test_the_keepers_step_looks_when_something_came(
        self, database: Database, clock: StepClock, usual: datetime
    ) -> None:
        watch = SignalWatch(database, keep_days=30, now=clock)
        assert watch.look() == ()
        suspect(database, clock(), 9)
        assert watch.look() == ()  # a look was a moment ago
        clock.now += LOOK_AGAIN
        assert [one.kind for one in watch.look() if one.kind == "seller"] == ["seller"]
        clock.now += LOOK_AGAIN
        assert watch.look() == ()

    def test_what_is_over_is_forgotten(self, database: Database, clock: StepClock, usual: datetime) -> None:
        suspect(database, usual, 9)
        look(database, now=usual + timedelta(seconds=1))
        clock.now += timedelta(days=40)
        assert SignalWatch(database, keep_days=30, now=clock).forget() > 0
        with database.read() as conn:
            assert conn.execute(sa.select(sa.func.count()).select_from(bursts)).scalar_one() == 0
            assert audit.verify(conn).ok
            assert conn.execute(sa.select(sa.func.count()).select_from(buyer_signals)).scalar_one() == 0
