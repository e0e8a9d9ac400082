"""The queue: its order against brute force, its locks against two at once, decisions, and what sellers answer."""

import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import StepClock
from hypothesis import given, settings
from hypothesis import strategies as st
from review_kit import add_brand, entry, screen

from brands import audit
from brands.database import Database
from brands.errors import Invalid
from brands.migrate import upgrade
from brands.model import Price
from brands.registry import Registry
from brands.schema import audit as audit_rows
from brands.schema import reviews, screenings
from screener.errors import ReviewRefused, ScreeningNotFound
from screener.review import order, queue
from screener.review.decide import decide, decisions_of, list_decisions
from screener.review.order import Place
from screener.review.precision import Precision, brand_precision, interval, reference_precision
from screener.review.responses import MOST_RESPONSES, add_response, responses_of
from screener.review.trends import ALL, Day, by_week, read_trends
from screener.review.value import KNOWN_FAKE, LEAST_CONFIDENCE, MOST_UNKNOWN, dollars, expected_value

ANN, BOB = "key:ann", "key:bob"
HOUR = timedelta(hours=1)


def next_of(database: Database, actor: str, now: datetime, **asked: object) -> str | None:
    with database.write() as conn:
        case = queue.take_next(conn, actor=actor, now=now, **asked)  # type: ignore[arg-type]
    return case.screening_id if case else None


def test_only_flagged_screenings_are_queued(database: Database, registry: Registry, clock: StepClock) -> None:
    brand = add_brand(registry, "Norvell", "100")
    for verdict in ("clear", "unscreenable"):
        screen(database, clock(), brand=brand, verdict=verdict)
    prompt = screen(database, clock(), brand=brand, verdict="prompt", probability=0.6)
    review = screen(database, clock(), brand=brand)
    with database.read() as conn:
        page = queue.read_queue(conn, now=clock())
        assert [case.screening_id for case in page.items] == [review, prompt]
        assert page.next is None and queue.count_open(conn) == 2 and queue.count_open(conn, appealed=True) == 0
        case = queue.get(conn, prompt, clock.now)
        with pytest.raises(ScreeningNotFound):
            queue.get(conn, "scr_\0", clock.now)
    assert (case.listing_id, case.title, case.brand_name, case.verdict) == ("L-1", "A thing", "Norvell", "prompt")
    assert case.value == case.weight == pytest.approx(0.6 * 1.1 * 100)


def test_what_a_look_is_worth() -> None:
    def value(probability: float = 0.5, confidence: float = 0.8, usual: str | None = None, fake: bool = False,
              asked: tuple[str, str] | None = None) -> float:  # fmt: skip
        from decimal import Decimal

        answer = {"probability": probability, "brand": {"confidence": confidence}}
        price = {"amount": asked[0], "currency": asked[1]} if asked else None
        return expected_value(answer, price, Price(Decimal(usual), "USD") if usual else None, fake)

    assert value(usual="200", asked=("200", "USD")) == pytest.approx(0.5 * 0.8 * 200)
    assert value(usual="200") == value(usual="200", asked=("200", "USD"))
    assert value() == pytest.approx(0.4)
    # What the seller asks moves the case by ten times at most, whatever the currency.
    assert value(usual="200", asked=("0.01", "USD")) == pytest.approx(0.4 * 20)
    assert value(usual="200", asked=("999999999", "EUR")) == pytest.approx(0.4 * 2000)
    assert value(asked=("999999999", "EUR")) == pytest.approx(0.4 * MOST_UNKNOWN)
    assert value(asked=("9000", "JPY")) < value(asked=("900", "USD"))
    # Nothing is worth nothing, or it would wait for ever.
    assert value(confidence=0.0) == pytest.approx(0.5 * LEAST_CONFIDENCE)
    assert value(probability=0.1, fake=True) == pytest.approx(KNOWN_FAKE * 0.8)
    assert value(probability=0.0, confidence=0.0) > 0


def test_a_currency_nobody_knows_counts_as_dollars() -> None:
    from decimal import Decimal

    assert dollars(Price(Decimal(7), "XXX")) == 7.0


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 120), limit=st.integers(1, 30), first=st.integers(1, 8))
def test_the_order_is_that_of_brute_force(tmp_path_factory, seed: int, count: int, limit: int, first: int) -> None:  # type: ignore[no-untyped-def]
    now = datetime(2026, 3, 1, tzinfo=UTC)
    generator = np.random.default_rng(seed)
    # Few different values and ages, so that there are ties; a heavy tail, so that neither end alone decides.
    weights = np.round(np.exp(generator.normal(0, 2, count)), int(generator.integers(0, 3))) + 0.01
    hours = np.round(generator.exponential(20, count), int(generator.integers(0, 3)))
    cases = {
        f"scr_{n:032x}": (float(w), now - float(h) * HOUR) for n, (w, h) in enumerate(zip(weights, hours, strict=True))
    }
    expected = sorted(cases, key=lambda name: (-order.due(*cases[name], now), name))
    database = memory(tmp_path_factory)
    with database.write() as conn:
        conn.execute(sa.delete(reviews))
        rows = [
            {"screening_id": name, "state": "open", "appealed": False, "value": w, "weight": w, "queued_at": at}
            for name, (w, at) in cases.items()
        ]
        if rows:
            conn.execute(sa.insert(reviews), rows)
        found, place = [], None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(order, "_FIRST", first)
            while page := order.first_due(conn, at=now, limit=limit, where=[], after=place):
                found += [name for name, _ in page]
                place = Place.parse(str(Place(now, page[-1][1], page[-1][0])))
    assert found == expected


_DATABASES: list[Database] = []


def memory(factory: pytest.TempPathFactory) -> Database:
    """One database for all examples, without foreign keys: only the table of cases is filled."""
    if not _DATABASES:
        made = Database(f"sqlite:///{factory.mktemp('order')}/registry.db")
        made.migrate()
        sa.event.listen(made.engine, "begin", lambda conn: conn.exec_driver_sql("PRAGMA foreign_keys=OFF"))
        sa.event.listen(made.engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys=OFF"))
        made.engine.dispose()
        _DATABASES.append(made)
    return _DATABASES[0]


@pytest.mark.parametrize("text", ["", "x", "1:2", "1:x:scr_1", "9" * 40 + ":1.0:scr_1", "1:1.0:scr_1:more"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        Place.parse(text)
    assert (caught.value.code, caught.value.field) == ("invalid_cursor", "after")


def test_pages_and_filters(
    database: Database, registry: Registry, clock: StepClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "_FIRST", 2)  # the ends are read in pieces on both databases
    one, two = add_brand(registry, "Norvell"), add_brand(registry, "Other")
    ids = [screen(database, clock(), brand=(one, two)[n % 2], price=str(100 + n), probability=0.5) for n in range(7)]
    heaviest = ids[::-1]
    with database.read() as conn:
        first = queue.read_queue(conn, now=clock(), limit=3)
        clock.now += 5 * HOUR  # the pages behind it keep the first one's time
        second = queue.read_queue(conn, now=clock(), limit=3, after=first.next)
        last = queue.read_queue(conn, now=clock(), limit=3, after=second.next)
        assert [case.screening_id for page in (first, second, last) for case in page.items] == heaviest
        assert last.next is None and second.items[0].due < first.items[-1].due
        own = queue.read_queue(conn, now=clock(), brand_id=one.id)
        assert [case.screening_id for case in own.items] == heaviest[::2]
        assert queue.count_open(conn, brand_id=two.id) == 3
        for limit in (0, queue.MOST + 1):
            with pytest.raises(Invalid):
                queue.read_queue(conn, now=clock(), limit=limit)


def test_what_waits_overtakes_what_is_worth_more(database: Database, registry: Registry, clock: StepClock) -> None:
    brand = add_brand(registry, "Norvell", "100")
    old = screen(database, clock(), brand=brand, price="50")
    clock.now += HOUR
    new = screen(database, clock(), brand=brand, price="99")
    assert next_of(database, ANN, clock()) == old
    assert next_of(database, BOB, clock()) == new


def test_a_case_belongs_to_one_person_for_a_while(database: Database, registry: Registry, clock: StepClock) -> None:
    brand = add_brand(registry, "Norvell")
    best, second = (screen(database, clock(), brand=brand, price=price) for price in ("200", "100"))
    assert next_of(database, ANN, clock()) == best
    assert next_of(database, ANN, clock()) == best  # asked again: the same case
    assert next_of(database, BOB, clock()) == second
    assert next_of(database, "key:eve", clock()) is None
    with database.write() as conn:
        for refused in (queue.claim, queue.release):
            with pytest.raises(ReviewRefused) as caught:
                refused(conn, screening_id=best, actor=BOB, now=clock())
            assert (caught.value.status, caught.value.code) == (409, "review_claimed")
        with pytest.raises(ReviewRefused):
            decide(conn, screening_id=best, outcome="authentic", actor=BOB, now=clock())
    clock.now += queue.LOCK - timedelta(minutes=1)
    with database.write() as conn:  # a sign of work keeps it
        kept = queue.claim(conn, screening_id=best, actor=ANN, now=clock())
        assert kept.claimed_until == clock.now + queue.LOCK
        again = queue.claim(conn, screening_id=best, actor=ANN, now=clock())
        assert again.claimed_until == kept.claimed_until  # and the next second's sign writes nothing
    clock.now += timedelta(minutes=2)
    assert next_of(database, "key:eve", clock()) == second  # Bob's lock has ended
    with database.write() as conn:
        assert queue.release(conn, screening_id=best, actor=ANN, now=clock()).claimed_by is None
        assert queue.release(conn, screening_id=best, actor=BOB, now=clock()).claimed_by is None
    assert next_of(database, BOB, clock(), skip=[best]) is None
    assert next_of(database, BOB, clock()) == best
    with database.read() as conn:
        assert audit.verify(conn).ok


def test_the_number_of_skipped_cases_is_bounded(database: Database, clock: StepClock) -> None:
    with pytest.raises(Invalid):
        next_of(database, ANN, clock(), skip=["scr_0"] * (queue.MOST_SKIPPED + 1))


def test_two_people_never_get_the_same_case(database: Database, registry: Registry, clock: StepClock) -> None:
    brand = add_brand(registry, "Norvell")
    ids = {screen(database, clock(), brand=brand, price=str(50 + n)) for n in range(24)}
    now, taken, faults = clock(), [], []
    ready = threading.Barrier(8)

    def work(actor: str) -> None:
        ready.wait()
        try:
            while (found := next_of(database, actor, now)) is not None:
                taken.append((found, actor))
                with database.write() as conn:
                    decide(conn, screening_id=found, outcome="counterfeit", actor=actor, now=now)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(f"key:{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(taken) == len(ids) and {found for found, _ in taken} == ids
    with database.read() as conn:
        assert queue.count_open(conn) == 0 and audit.verify(conn).ok


def test_only_one_of_many_claims_of_a_case_wins(database: Database, registry: Registry, clock: StepClock) -> None:
    case, now = screen(database, clock(), brand=add_brand(registry, "Norvell")), clock()
    won: list[str] = []
    ready = threading.Barrier(6)

    def work(actor: str) -> None:
        ready.wait()
        try:
            with database.write() as conn:
                queue.claim(conn, screening_id=case, actor=actor, now=now)
        except ReviewRefused:
            return
        won.append(actor)

    threads = [threading.Thread(target=work, args=(f"key:{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_the_latest_decision_counts_and_all_are_kept(database: Database, registry: Registry, clock: StepClock) -> None:
    brand = add_brand(registry, "Norvell")
    fake = entry(brand.id, "ref_1", "known_fake")
    case = screen(database, clock(), brand=brand, evidence=[fake, entry(brand.id, "ref_2"), fake | {"image": 1}])
    with database.write() as conn:
        queue.claim(conn, screening_id=case, actor=ANN, now=clock())
        decide(conn, screening_id=case, outcome="counterfeit", actor=ANN, now=clock(), notes=" seams ")
        assert queue.get(conn, case, clock.now).claimed_by is None
        with pytest.raises(Invalid):
            decide(conn, screening_id=case, outcome="fake", actor=ANN, now=clock())
    with database.read() as conn:
        assert brand_precision(conn, brand.id) == Precision(1, 0)
        assert reference_precision(conn, ["ref_1", "ref_2", "ref_3"]) == {
            "ref_1": Precision(1, 0),
            "ref_2": Precision(1, 0),
            "ref_3": Precision(),
        }
        assert queue.count_open(conn) == 0
    with database.write() as conn:
        later = decide(conn, screening_id=case, outcome="authentic", actor=BOB, now=clock())
    with database.read() as conn:
        assert brand_precision(conn, brand.id) == Precision(0, 1)
        assert brand_precision(conn, brand.id, clock.now + HOUR) == Precision()
        assert reference_precision(conn, ["ref_1", "ref_2"]) == {"ref_1": Precision(0, 1), "ref_2": Precision(1, 0)}
        made = decisions_of(conn, [case])[case]
        assert [(decision.outcome, decision.created_by, decision.notes) for decision in made] == [
            ("counterfeit", ANN, "seams"),
            ("authentic", BOB, ""),
        ]
        row = conn.execute(sa.select(reviews).where(reviews.c.screening_id == case)).one()
        assert (row.state, row.outcome, row.decided_at) == ("decided", "authentic", later.created_at)
        kept = conn.execute(sa.select(screenings.c.last_event_at).where(screenings.c.id == case)).scalar_one()
        assert kept == later.created_at
        newest = conn.execute(sa.select(audit_rows).order_by(audit_rows.c.sequence.desc()).limit(1)).one()
        assert (newest.action, newest.object_id, newest.actor) == ("review.decide", case, BOB)
        assert newest.before["outcome"] == "counterfeit" and newest.after["outcome"] == "authentic"
        assert [decision.id for decision in list_decisions(conn)] == [decision.id for decision in made]
        assert [decision.id for decision in list_decisions(conn, after=made[0].id)] == [later.id]


def test_what_makes_which_kind_of_reference_wrong(database: Database, registry: Registry, clock: StepClock) -> None:
    brand = add_brand(registry, "Norvell")
    kinds = ("authentic", "logo", "known_fake", "negative")
    for outcome in ("counterfeit", "authentic", "unsure", "not_this_brand"):
        case = screen(database, clock(), brand=brand, evidence=[entry(brand.id, f"ref_{kind}", kind) for kind in kinds])
        with database.write() as conn:
            decide(conn, screening_id=case, outcome=outcome, actor=ANN, now=clock())
    with database.read() as conn:
        found = reference_precision(conn, [f"ref_{kind}" for kind in kinds])
        assert brand_precision(conn, brand.id) == Precision(1, 2)
    assert [found[f"ref_{kind}"] for kind in kinds] == [
        Precision(2, 1), Precision(2, 1), Precision(1, 2), Precision(1, 2)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("right", "decided", "low", "high"),
    [(0, 0, 0, 1), (10, 10, 0.7225, 1), (0, 10, 0, 0.2775), (81, 263, 0.2553, 0.3662)],
)
def test_wilsons_interval(right: int, decided: int, low: float, high: float) -> None:
    assert interval(right, decided) == pytest.approx((low, high), abs=1e-4)


def test_an_appeal_brings_a_case_back_to_somebody_else(
    database: Database, registry: Registry, clock: StepClock
) -> None:
    brand = add_brand(registry, "Norvell", "100")
    case = screen(database, clock(), brand=brand)
    other = screen(database, clock(), brand=brand, price="150")
    with database.write() as conn:
        decide(conn, screening_id=case, outcome="counterfeit", actor=ANN, now=clock())
        add_response(
            conn, screening_id=case, kind="proof", text="A receipt", images=["1" * 64], actor="key:hook", now=clock()
        )
        back = queue.get(conn, case, clock.now)
        assert (back.state, back.appealed, back.outcome, back.queued_at) == ("open", True, "counterfeit", clock.now)
        assert back.weight == 10 * back.value
        assert queue.count_open(conn, appealed=True) == 1
    assert next_of(database, ANN, clock()) == other  # who decided is not asked again
    assert next_of(database, BOB, clock(), appealed=True) == case
    with database.write() as conn:
        decide(conn, screening_id=case, outcome="authentic", actor=BOB, now=clock())
        done = queue.get(conn, case, clock.now)
    assert (done.state, done.appealed, done.outcome) == ("decided", False, "authentic")


def test_responses_change_what_a_look_is_worth(database: Database, registry: Registry, clock: StepClock) -> None:
    brand = add_brand(registry, "Norvell", "100")
    queued = clock()
    case = screen(database, queued, brand=brand)
    with database.write() as conn:
        for kind, factor in (("edited", 0.5), ("withdrawn", 0.1), ("published_anyway", 10.0)):
            add_response(conn, screening_id=case, kind=kind, actor="key:hook", now=clock())
            found = queue.get(conn, case, clock.now)
            assert found.weight == pytest.approx(found.value * factor)
            assert found.appealed is (kind == "published_anyway") and found.queued_at == queued
        assert [response.kind for response in responses_of(conn, [case])[case]] == [
            "edited",
            "withdrawn",
            "published_anyway",
        ]


def test_the_same_response_counts_once(database: Database, registry: Registry, clock: StepClock) -> None:
    case = screen(database, clock(), brand=add_brand(registry, "Norvell"))
    clear = screen(database, clock(), verdict="clear")
    untold = screen(database, clock(), withheld=True)
    proof = {"screening_id": case, "kind": "proof", "images": ["1" * 64, "2" * 64], "actor": "key:hook"}
    with database.write() as conn:
        first = add_response(conn, **proof, now=clock())  # type: ignore[arg-type]
        assert add_response(conn, **proof, now=clock()) == first  # type: ignore[arg-type]
        assert responses_of(conn, [case, clear]) == {case: (first,), clear: ()}
        for number in range(1, MOST_RESPONSES):
            add_response(conn, screening_id=case, kind="edited", text=str(number), actor="key:hook", now=clock())
        assert not queue.get(conn, untold, clock.now).shown
        for refused, code in ((case, "too_many_responses"), (clear, "not_prompted"), (untold, "not_prompted")):
            with pytest.raises(ReviewRefused) as caught:
                add_response(conn, screening_id=refused, kind="withdrawn", actor="key:hook", now=clock())
            assert caught.value.code == code
        with pytest.raises(ScreeningNotFound):
            add_response(conn, screening_id="scr_\0", kind="edited", actor="key:hook", now=clock())
        with pytest.raises(Invalid):
            add_response(conn, screening_id=case, kind="sold", actor="key:hook", now=clock())


def test_trends_are_what_a_count_of_everything_gives(database: Database, registry: Registry, clock: StepClock) -> None:
    generator = np.random.default_rng(5)
    brands = [add_brand(registry, "Norvell"), add_brand(registry, "Other"), None]
    expected: dict[tuple[str, object], dict[str, int]] = {}

    def note(brand: object, day: object, **changes: int) -> None:
        for name in (getattr(brand, "id", ""), ALL):
            counts = expected.setdefault((name, day), {})
            for field, number in changes.items():
                counts[field] = counts.get(field, 0) + number

    for _ in range(60):
        clock.now += timedelta(hours=float(generator.integers(0, 10)))
        brand = brands[generator.integers(3)]
        verdict = str(generator.choice(["clear", "prompt", "review", "unscreenable"]))
        at = clock()
        case = screen(database, at, brand=brand, verdict=verdict)
        flagged = verdict in ("prompt", "review")
        note(brand, at.date(), screened=1, prompted=int(flagged), review=int(verdict == "review"))
        if not flagged:
            continue
        outcomes = generator.choice(["counterfeit", "authentic", "unsure", "not_this_brand"], generator.integers(0, 3))
        with database.write() as conn:
            for outcome in outcomes:
                decide(conn, screening_id=case, outcome=str(outcome), actor=ANN, now=clock() + HOUR)
            for text in ("one", "two")[: generator.integers(0, 3)]:
                add_response(conn, screening_id=case, kind="proof", text=text, actor="key:hook", now=clock())
                note(brand, at.date(), appealed=int(text == "one"))
        if len(outcomes):
            note(brand, at.date(), **{str(outcomes[-1]): 1})
    today = clock.now.date()
    with database.read() as conn:
        for name in (*(brand.id for brand in brands if brand), "", ALL):
            days = read_trends(conn, name, until=today, days=40)
            assert len(days) == 40 and days[-1].day == today
            for day in days:
                assert day == Day(day.day, **expected.get((name, day.day), {}))
            weeks = by_week(days)
            assert sum(week.screened for week in weeks) == sum(day.screened for day in days)
            assert all(week.day.weekday() == 0 for week in weeks)


def test_screenings_from_before_are_queued_and_counted(empty_database_url: str) -> None:
    database, at = Database(empty_database_url), datetime(2026, 2, 1, 23, 30, tzinfo=UTC)
    with database.write() as conn:
        upgrade(conn, "r0002")
    old = sa.table(
        "screenings",
        *(sa.column(column.name, column.type) for column in screenings.c if column.name != "last_event_at"),
    )
    rows = [
        {
            "id": f"scr_{n:032x}", "listing_id": "L", "revision": 1, "key_id": "key_0", "seller_id": "s",
            "brand_id": None, "brand_status": "unknown", "known_fake": False, "verdict": verdict, "probability": 0.5,
            "release_id": "r", "fingerprint": "f", "rescreen": False, "created_at": at + n * HOUR,
            "request": {"title": "A thing", "price": {"amount": "40", "currency": "EUR"} if n else None},
            "answer": {
                "brand": {"id": None, "status": "unknown", "confidence": 0.0},
                "evidence": [entry("brd_1", "ref_1")], "prompt": {} if verdict == "prompt" else None,
            },
        }
        for n, verdict in enumerate(("prompt", "review", "clear"))
    ]  # fmt: skip
    with database.write() as conn:
        conn.execute(sa.insert(old), rows)
    database.migrate()
    with database.read() as conn:
        page = queue.read_queue(conn, now=at + 2 * HOUR)
        assert [(case.screening_id, case.shown) for case in page.items] == [
            (rows[1]["id"], False),
            (rows[0]["id"], True),
        ]
        assert [case.value for case in page.items] == pytest.approx([0.5 * 0.1 * 40, 0.5 * 0.1])
        assert [case.queued_at for case in page.items] == [at + HOUR, at]
        for name in ("", ALL):
            assert read_trends(conn, name, until=(at + HOUR).date(), days=2) == (
                Day(at.date(), screened=1, prompted=1),
                Day((at + HOUR).date(), screened=2, prompted=1, review=1),
            )
    database.close()
