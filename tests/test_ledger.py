"""The ledger follows what is confirmed, recommends, tells the marketplace, and takes back as if it had never been."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import StepClock
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from review_kit import add_brand, screen
from service_kit import Kit, running

from brands import audit
from brands.database import Database
from brands.errors import Conflict, Invalid, NotFound
from brands.registry import Registry
from brands.schema import audit as audit_table
from brands.schema import outbox
from screener.appraisals.model import NewAppraisal
from screener.appraisals.store import add as add_appraisals
from screener.appraisals.store import withdraw
from screener.ledger.ledger import Ledger
from screener.ledger.model import SellerAction, SellerEvent
from screener.ledger.policy import load_seller_policy, parse_seller_policy
from screener.ledger.read import actions_of, entries_of
from screener.listing import Listing
from screener.review.decide import decide
from screener.review.responses import add_response
from screener.settings import EMBEDDED_SELLER_POLICY
from screener.webhooks.endpoints import Endpoints

ACTOR = "cli:test"
POLICY = load_seller_policy(EMBEDDED_SELLER_POLICY)
BY_DECISION = parse_seller_policy(
    EMBEDDED_SELLER_POLICY.read_bytes().replace(b'decision = "none"', b'decision = "violation"')
)


@pytest.fixture
def ledger(database: Database, clock: StepClock) -> Ledger:
    return Ledger(database, POLICY, clock)


def listed(clock: StepClock, database: Database, number: int, seller: str = "shop-1", **options: Any) -> str:
    return screen(database, clock(), listing=Listing(f"L-{number}", "A thing", seller), **options)


def appraise(
    database: Database, clock: StepClock, screening_id: str, outcome: Any, appraiser: str = "Lab Nord", **options: Any
) -> str:
    new = NewAppraisal(outcome, appraiser, "laboratory", clock.now.date(), screening_id=screening_id, **options)
    with database.write() as conn:
        (made,) = add_appraisals(conn, [new], actor=ACTOR, now=clock())
    return made.id


def take_back(database: Database, clock: StepClock, appraisal_id: str) -> None:
    with database.write() as conn:
        withdraw(conn, appraisal_id, reason="mixed up", actor=ACTOR, now=clock())


def events(database: Database, seller: str = "shop-1") -> tuple[SellerEvent, ...]:
    with database.read() as conn:
        return entries_of(conn, seller)


def actions(database: Database, seller: str = "shop-1") -> tuple[SellerAction, ...]:
    with database.read() as conn:
        return actions_of(conn, seller)


def told(database: Database) -> list[tuple[str, str]]:
    with database.read() as conn:
        rows = conn.execute(sa.select(outbox.c.type, outbox.c.payload).order_by(outbox.c.id))
        return [(row.type, row.payload["action"]) for row in rows if row.type.startswith("seller.")]


def test_confirmed_counterfeits_climb_the_steps(
    database: Database, clock: StepClock, ledger: Ledger, registry: Registry
) -> None:
    brand = add_brand(registry, "Norvell")
    Endpoints(database, b"s" * 32, clock).add(actor=ACTOR, url="https://shop.example/hooks")
    for number in range(4):
        screening_id = listed(clock, database, number, brand=brand)
        appraise(database, clock, screening_id, "counterfeit")
        assert ledger.follow() == 1
        assert ledger.follow() == 0
        clock.now += timedelta(days=1)
    assert [(one.kind, one.points, one.brand_id) for one in events(database)] == [
        ("warning", 0, brand.id),
        ("violation", 2, brand.id),
        ("violation", 24, brand.id),
        ("violation", 24, brand.id),
    ]
    assert told(database) == [
        ("seller.action_recommended", "warning"),
        ("seller.action_recommended", "points"),
        ("seller.action_recommended", "restriction"),
        ("seller.action_recommended", "closure"),
    ]
    standing = ledger.standing("shop-1")
    assert (standing.points, standing.violations, standing.warnings, standing.closed) == (50, 4, 1, True)
    assert standing.restricted_until is not None
    assert ledger.standings() == [standing]
    assert ledger.standings(after="shop-1") == []
    nobody = ledger.standing("shop-2")
    assert (nobody.points, nobody.closed, nobody.restricted_until) == (0, False, None)


def test_the_message_says_what_the_marketplace_needs(database: Database, clock: StepClock, ledger: Ledger) -> None:
    Endpoints(database, b"s" * 32, clock).add(actor=ACTOR, url="https://shop.example/hooks")
    screening_id = listed(clock, database, 7, known_fake=True)
    appraise(database, clock, screening_id, "counterfeit")
    ledger.follow()
    (action,), (event,) = actions(database), events(database)
    with database.read() as conn:
        row = conn.execute(sa.select(outbox).where(outbox.c.type == "seller.action_recommended")).one()
    assert row.payload == {
        "action_id": action.id,
        "seller_id": "shop-1",
        "action": "restriction",
        "points": 24,
        "ends_at": (event.created_at + timedelta(days=21)).isoformat(),
        "policy": POLICY.id,
        "event": {
            "event_id": event.id,
            "kind": "violation",
            "points": 24,
            "severe": True,
            "occurred_at": event.occurred_at.isoformat(),
            "brand_id": None,
            "screening_id": screening_id,
            "listing_id": "L-7",
        },
    }
    assert (row.seller_id, row.screening_id) == ("shop-1", screening_id)


def test_a_false_proof_is_severe(database: Database, clock: StepClock, ledger: Ledger) -> None:
    screening_id = listed(clock, database, 1)
    with database.write() as conn:
        add_response(conn, screening_id=screening_id, kind="proof", actor=ACTOR, now=clock(), text="invoice")
    appraise(database, clock, screening_id, "counterfeit")
    ledger.follow()
    assert [(one.severe, one.points) for one in events(database)] == [(True, 24)]


def test_only_labels_count(database: Database, clock: StepClock, ledger: Ledger) -> None:
    """Not a conflict, not what nobody could tell, not a reviewer's look; and two appraisers who agree are one item."""
    conflict, unclear, decided, agreed = (listed(clock, database, number) for number in range(4))
    appraise(database, clock, conflict, "counterfeit", "Lab Nord")
    appraise(database, clock, conflict, "authentic", "Lab South")
    appraise(database, clock, unclear, "inconclusive")
    appraise(database, clock, agreed, "counterfeit", "Lab Nord")
    appraise(database, clock, agreed, "counterfeit", "Lab South")
    with database.write() as conn:
        decide(conn, screening_id=decided, outcome="counterfeit", actor=ACTOR, now=clock())
    assert ledger.follow() == 1
    assert [one.screening_id for one in events(database)] == [agreed]


def test_revisions_of_a_listing_count_once(database: Database, clock: StepClock, ledger: Ledger) -> None:
    first, second = listed(clock, database, 1), listed(clock, database, 1)
    other = listed(clock, database, 1, seller="shop-2")
    appraisal = appraise(database, clock, first, "counterfeit")
    for screening_id in (second, other):
        appraise(database, clock, screening_id, "counterfeit")
    assert ledger.follow() == 2
    assert [one.screening_id for one in events(database)] == [first]
    assert [one.screening_id for one in events(database, "shop-2")] == [other]
    # Once the first is no more, the second one counts.
    take_back(database, clock, appraisal)
    assert ledger.follow() == 1
    assert [one.screening_id for one in events(database) if one.kind == "warning" and not one.reversed_by] == [second]


@pytest.mark.parametrize("how", ["withdrawn", "contradicted"])
def test_what_is_no_longer_confirmed_is_taken_back(
    database: Database, clock: StepClock, ledger: Ledger, how: str
) -> None:
    Endpoints(database, b"s" * 32, clock).add(actor=ACTOR, url="https://shop.example/hooks")
    first, second = listed(clock, database, 1), listed(clock, database, 2)
    appraisal = appraise(database, clock, first, "counterfeit")
    ledger.follow()
    appraise(database, clock, second, "counterfeit")
    ledger.follow()
    assert ledger.standing("shop-1").points == 2
    if how == "withdrawn":
        take_back(database, clock, appraisal)
    else:
        appraise(database, clock, first, "authentic", "Lab South")
    assert ledger.follow() == 0
    warning, later, appeal = events(database)
    assert (warning.reversed_by, appeal.reverses) == (appeal.id, warning.id)
    assert (later.kind, later.points) == ("warning", 0)  # it is the first one now
    assert [(one.action, one.state) for one in actions(database)] == [
        ("warning", "reversed"),
        ("points", "reversed"),
        ("warning", "recommended"),
    ]
    assert told(database)[2:] == [
        ("seller.action_reversed", "warning"),
        ("seller.action_reversed", "points"),
        ("seller.action_recommended", "warning"),
    ]
    # Confirmed after all: it counts again, as an entry of its own.
    if how == "withdrawn":
        appraise(database, clock, first, "counterfeit")
        assert ledger.follow() == 1
        assert [(one.kind, one.points) for one in events(database)][-1] == ("violation", 2)


def test_what_people_took_back_is_not_entered_again(database: Database, clock: StepClock, ledger: Ledger) -> None:
    screening_id = listed(clock, database, 1)
    appraise(database, clock, screening_id, "counterfeit")
    ledger.follow()
    (event,) = events(database)
    ledger.appeal(actor=ACTOR, seller_id="shop-1", reverses=event.id, note="an invoice of the brand's")
    appraise(database, clock, screening_id, "counterfeit", "Lab South")
    assert Ledger(database, POLICY, clock).follow() == 0
    assert ledger.standing("shop-1").violations == 0
    with pytest.raises(Conflict):
        ledger.appeal(actor=ACTOR, seller_id="shop-1", reverses=event.id)
    with pytest.raises(NotFound):
        ledger.appeal(actor=ACTOR, seller_id="shop-2", reverses=event.id)
    with pytest.raises(Conflict):
        ledger.appeal(actor=ACTOR, seller_id="shop-1", reverses=events(database)[1].id)


def test_decisions_count_where_the_policy_says_so(database: Database, clock: StepClock) -> None:
    ledger = Ledger(database, BY_DECISION, clock)
    first, second = listed(clock, database, 1), listed(clock, database, 2)

    def decided(screening_id: str, outcome: str) -> int:
        with database.write() as conn:
            decide(conn, screening_id=screening_id, outcome=outcome, actor=ACTOR, now=clock())
        return ledger.follow()

    assert (decided(first, "counterfeit"), decided(second, "counterfeit")) == (1, 1)
    assert [one.note for one in events(database)] == ["decision", "decision"]
    assert decided(first, "authentic") == 0
    assert ledger.standing("shop-1").violations == 1
    # Who examined the item knows better than who looked at pictures.
    appraise(database, clock, second, "authentic")
    assert ledger.follow() == 0
    assert ledger.standing("shop-1").violations == 0
    assert decided(second, "counterfeit") == 0
    assert ledger.standing("shop-1").violations == 0
    # By the other policy decisions enter nothing, and take nothing back.
    third = listed(clock, database, 3)
    assert decided(third, "counterfeit") == 1
    assert Ledger(database, POLICY, clock).follow() == 0
    assert ledger.standing("shop-1").violations == 1


def test_complaints(database: Database, clock: StepClock, ledger: Ledger, registry: Registry) -> None:
    brand = add_brand(registry, "Norvell")
    first = ledger.complaint(actor=ACTOR, seller_id="shop-1", brand_id=brand.id, case="C 1")
    assert ledger.complaint(actor=ACTOR, seller_id="shop-1", brand_id=brand.id, case="C 1") == first
    ledger.complaint(actor=ACTOR, seller_id="shop-1")
    assert actions(database) == ()
    ledger.complaint(actor=ACTOR, seller_id="shop-1")
    ledger.complaint(actor=ACTOR, seller_id="shop-1")
    (closure,) = actions(database)
    assert (closure.action, closure.state) == ("closure", "recommended")
    ledger.report(actor=ACTOR, action_id=closure.id, state="executed", note="closed on Monday")
    # With one appeal three are left, so it stays closed; with another one it does not.
    ledger.appeal(actor=ACTOR, seller_id="shop-1", reverses=first.id)
    (moved,) = actions(database)
    assert (moved.id, moved.state, moved.event_id != closure.event_id) == (closure.id, "executed", True)
    assert ledger.standing("shop-1").closed
    ledger.appeal(actor=ACTOR, seller_id="shop-1", reverses=moved.event_id)
    assert [one.state for one in actions(database)] == ["reversed"]
    assert not ledger.standing("shop-1").closed
    with pytest.raises(Conflict):
        ledger.report(actor=ACTOR, action_id=closure.id, state="executed")


def test_what_the_marketplace_declined_is_not_recommended_again(
    database: Database, clock: StepClock, ledger: Ledger
) -> None:
    first = ledger.violation(actor=ACTOR, seller_id="shop-1", note="seized by customs", severe=True)
    (action,) = actions(database)
    assert ledger.standing("shop-1").restricted_until == action.ends_at
    declined = ledger.report(actor=ACTOR, action_id=action.id, state="declined", note="a first order")
    assert (declined.state, declined.note) == ("declined", "a first order")
    assert ledger.standing("shop-1").restricted_until is None
    ledger.complaint(actor=ACTOR, seller_id="shop-1")
    assert [one.id for one in actions(database)] == [action.id]
    assert ledger.report(actor=ACTOR, action_id=action.id, state="executed").state == "executed"
    ledger.appeal(actor=ACTOR, seller_id="shop-1", reverses=first.id)
    assert [one.state for one in actions(database)] == ["reversed"]
    with pytest.raises(Invalid):
        ledger.report(actor=ACTOR, action_id=action.id, state="reversed")
    with pytest.raises(NotFound):
        ledger.report(actor=ACTOR, action_id="sac_" + "0" * 32, state="executed")


def test_what_is_entered_by_hand_is_checked(database: Database, clock: StepClock, ledger: Ledger) -> None:
    screening_id = listed(clock, database, 1, seller="shop-2")
    for fields in (
        {"note": " "},
        {"note": "x", "brand_id": "brd_" + "0" * 32},
        {"note": "x", "screening_id": screening_id},
        {"note": "x", "screening_id": "nothing"},
        {"note": "x", "occurred_at": clock.now + timedelta(days=1)},
        {"note": "x", "occurred_at": clock.now - timedelta(days=4_000)},
        {"note": "x", "seller_id": "\0"},
    ):
        with pytest.raises(Invalid):
            ledger.violation(**{"actor": ACTOR, "seller_id": "shop-1", **fields})  # type: ignore[arg-type]  # many types
    assert events(database) == ()
    # What people entered, people take back: an authentic item elsewhere in the stock says nothing of this one.
    ledger.violation(actor=ACTOR, seller_id="shop-2", note="bought and tested by the brand", screening_id=screening_id)
    appraise(database, clock, screening_id, "authentic")
    ledger.follow()
    assert ledger.standing("shop-2").violations == 1


def test_a_changed_policy_changes_nothing_that_was_given(database: Database, clock: StepClock, ledger: Ledger) -> None:
    first = ledger.violation(actor=ACTOR, seller_id="shop-1", note="one")
    second = ledger.violation(actor=ACTOR, seller_id="shop-1", note="two")
    text = EMBEDDED_SELLER_POLICY.read_bytes()
    harsh = Ledger(database, parse_seller_policy(text.replace(b"points = 2\n", b"points = 20\n")), clock)
    assert harsh.standing("shop-1").points == 2
    harsh.complaint(actor=ACTOR, seller_id="shop-1")
    assert [one.points for one in events(database)] == [0, 2, 0]
    strict = Ledger(database, parse_seller_policy(text.replace(b"points = 48", b"points = 1")), clock)
    strict.appeal(actor=ACTOR, seller_id="shop-1", reverses=events(database)[2].id)
    assert [(one.action, one.state) for one in actions(database)] == [
        ("warning", "recommended"),
        ("points", "recommended"),
    ]  # an appeal closes nobody
    strict.appeal(actor=ACTOR, seller_id="shop-1", reverses=first.id)
    again = next(one for one in events(database) if one.id == second.id)
    assert (again.kind, again.points, again.policy) == ("warning", 0, strict.policy.id)


def test_everything_is_in_the_audit_log(database: Database, clock: StepClock, ledger: Ledger) -> None:
    first = ledger.violation(actor=ACTOR, seller_id="shop-1", note="one")
    ledger.violation(actor=ACTOR, seller_id="shop-1", note="two")
    ledger.appeal(actor=ACTOR, seller_id="shop-1", reverses=first.id)
    with database.read() as conn:
        found = list(conn.execute(sa.select(audit_table.c.action).order_by(audit_table.c.sequence)).scalars())
        assert audit.verify(conn).ok
    assert found == [
        "seller.warning",
        "seller_action.recommend",
        "seller.violation",
        "seller_action.recommend",
        "seller.appeal",
        "seller.assess_again",
        "seller_action.reverse",
        "seller_action.reverse",
        "seller_action.recommend",
    ]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database that many examples use, each with sellers of its own."""
    found = Database(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'registry.db'}")
    found.migrate()
    yield found
    found.close()


STEPS = st.lists(
    st.tuples(st.sampled_from(["violation", "severe", "complaint", "appeal"]), st.integers(0, 90), st.integers(0, 20)),
    max_size=10,
)
_numbers = iter(range(10**9))


@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])  # each example writes to a disk: no shrinking
@given(STEPS)
def test_taken_back_is_as_if_it_had_never_been(shared: Database, entries: list[tuple[str, int, int]]) -> None:
    """Whatever was entered and taken back in whatever order, what stands is what a seller has who had only that."""
    number, clock = next(_numbers), StepClock()
    ledger = Ledger(shared, POLICY, clock)
    made: list[tuple[str, str, datetime]] = []
    for kind, days, choice in entries:
        clock.now += timedelta(days=days)
        _enter(ledger, f"all-{number}", kind, choice, made, clock)
    with shared.read() as conn:
        left = [one for one in entries_of(conn, f"all-{number}") if one.kind != "appeal" and not one.reversed_by]
    alone = StepClock()
    other = Ledger(shared, POLICY, alone)
    for event in left:
        alone.now = event.created_at - timedelta(microseconds=1)
        kind = "complaint" if event.kind == "complaint" else "severe" if event.severe else "violation"
        _enter(other, f"only-{number}", kind, 0, [], alone)
    with shared.read() as conn:
        again = entries_of(conn, f"only-{number}")
        due = [
            sorted((one.action, one.points, one.ends_at) for one in actions_of(conn, seller) if one.state != "reversed")
            for seller in (f"all-{number}", f"only-{number}")
        ]
    assert [(one.kind, one.points, one.counts_until) for one in left] == [
        (one.kind, one.points, one.counts_until) for one in again
    ]
    assert [(action, points) for action, points, _ in due[0]] == [(action, points) for action, points, _ in due[1]]


def _enter(
    ledger: Ledger, seller: str, kind: str, choice: int, made: list[tuple[str, str, datetime]], clock: StepClock
) -> None:
    if kind == "appeal":
        if made:
            event_id, *_ = made.pop(choice % len(made))
            ledger.appeal(actor=ACTOR, seller_id=seller, reverses=event_id)
        return
    if kind == "complaint":
        event = ledger.complaint(actor=ACTOR, seller_id=seller)
    else:
        event = ledger.violation(actor=ACTOR, seller_id=seller, note="x", severe=kind == "severe")
    made.append((event.id, kind, event.created_at))


def test_over_http(tmp_path: Path) -> None:
    with running(tmp_path, refresh_seconds=60) as kit:
        reviewer = _reviewer(kit)
        seller = "a/b?c=d ü"
        answer = kit.client.post(
            "/v1/seller-events",
            json={"seller_id": seller, "kind": "violation", "note": "seized", "severe": True, "case": "12"},
            headers=reviewer,
        )
        assert answer.status_code == 201, answer.text
        event = answer.json()
        assert (event["seller_id"], event["kind"], event["points"]) == (seller, "violation", 24)
        shown = kit.client.get("/v1/sellers", params={"seller_id": seller}, headers=kit.hook).json()["items"]
        assert [(one["seller_id"], one["points"]) for one in shown] == [(seller, 24)]
        assert kit.client.get("/v1/sellers", headers=kit.hook).json() == {"items": shown, "next": None}
        page = kit.client.get(
            "/v1/seller-actions", params={"seller_id": seller, "state": "recommended"}, headers=kit.hook
        ).json()
        (action,) = page["items"]
        done = kit.client.post(f"/v1/seller-actions/{action['id']}/state", json={"state": "executed"}, headers=kit.hook)
        assert done.json()["state"] == "executed"
        back = kit.client.post(
            "/v1/seller-events",
            json={"seller_id": seller, "kind": "appeal", "reverses": event["id"], "note": "customs were wrong"},
            headers=reviewer,
        )
        assert back.status_code == 201, back.text
        listed = kit.client.get("/v1/seller-events", params={"seller_id": seller}, headers=kit.hook).json()["items"]
        assert [one["kind"] for one in listed] == ["violation", "appeal"]
        assert listed[0]["reversed_by"] == listed[1]["id"]
        for wrong in (
            {"kind": "appeal"},
            {"kind": "complaint", "severe": True},
            {"kind": "complaint", "reverses": event["id"]},
            {"kind": "appeal", "reverses": event["id"], "case": "1"},
            {"kind": "violation"},
            {"kind": "praise"},
        ):
            refused = kit.client.post("/v1/seller-events", json={"seller_id": seller, **wrong}, headers=reviewer)
            assert refused.status_code == 422, wrong
        for path in ("/v1/sellers", "/v1/seller-events", "/v1/seller-actions", "/v1/rescreens"):
            assert kit.client.get(path, params={"seller_id": "\0"}, headers=kit.hook).status_code == 422, path
        assert kit.client.get("/v1/seller-actions?state=lost", headers=kit.hook).status_code == 422


def _reviewer(kit: Kit) -> dict[str, str]:
    return {"Authorization": f"Bearer {kit.service.truth.keys.create(actor=ACTOR, scope='reviewer')[1]}"}
