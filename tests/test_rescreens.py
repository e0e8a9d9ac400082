"""Listings are looked at once more: those of linked shops, and those that were answered in a hurry."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import StepClock
from review_kit import answer_of, screen
from service_kit import ACTOR, Kit, encoded, picture, running

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import Invalid
from brands.schema import daily_counts, outbox, screenings, seller_links
from screener import records
from screener.errors import Overloaded
from screener.judging.features import NAMES
from screener.ledger.ledger import Ledger
from screener.ledger.policy import load_seller_policy
from screener.listing import Listing, SellerFacts
from screener.records import RESCREENED_BY, Repeat
from screener.rescreens.linked import linked_sellers
from screener.rescreens.queue import Rescreen, list_rescreens, put
from screener.rescreens.worker import LEASE, Rescreener
from screener.screening import Submission
from screener.settings import EMBEDDED_SELLER_POLICY
from screener.webhooks.endpoints import Endpoints

POLICY = load_seller_policy(EMBEDDED_SELLER_POLICY)


def listing(listing_id: str, seller: str, *linked: str) -> Listing:
    return Listing(listing_id, "A thing", seller, seller=SellerFacts(linked=linked))


def passed(database: Database, clock: StepClock, made: Listing, **answer: Any) -> str:
    return screen(database, clock(), listing=made, **{"verdict": "clear", "probability": 0.1, **answer})


def waiting(database: Database, **wanted: Any) -> list[Rescreen]:
    with database.read() as conn:
        return list(list_rescreens(conn, **wanted))


def worker(database: Database, blobs: FolderBlobs, clock: StepClock, screened: list[Submission]) -> Rescreener:
    def judge(submission: Submission) -> dict[str, Any]:
        screened.append(submission)
        return {"id": "scr_" + "f" * 32}

    return Rescreener(database=database, blobs=blobs, screen=judge, now=clock)


def test_links_are_noted_and_followed_both_ways(database: Database, clock: StepClock) -> None:
    passed(database, clock, listing("1", "a", "b", "a"))
    passed(database, clock, listing("2", "c", "b"))
    passed(database, clock, listing("3", "c", "d"))
    passed(database, clock, listing("4", "d", "e"))
    with database.read() as conn:
        pairs = sorted(
            tuple(row) for row in conn.execute(sa.select(seller_links.c.seller_id, seller_links.c.linked_id))
        )
        assert pairs == [("a", "b"), ("c", "b"), ("c", "d"), ("d", "e")]
        assert linked_sellers(conn, "a") == ("b", "c")  # two steps, no further
        assert linked_sellers(conn, "b") == ("a", "c", "d")
        assert linked_sellers(conn, "nobody") == ()
        first = conn.execute(sa.select(seller_links.c.seen_at).where(seller_links.c.seller_id == "a")).scalar_one()
    passed(database, clock, listing("1", "a", "b"))
    with database.read() as conn:
        again = conn.execute(sa.select(seller_links.c.seen_at).where(seller_links.c.seller_id == "a")).scalar_one()
    assert again > first


def test_a_violation_queues_what_passed_of_the_seller_and_of_linked_shops(database: Database, clock: StepClock) -> None:
    old = passed(database, clock, listing("old", "b"))
    clock.now += timedelta(days=91)
    confirmed = passed(database, clock, listing("fake", "a", "b"))
    passed(database, clock, listing("twice", "a"))
    own = passed(database, clock, listing("twice", "a"))  # its latest revision
    theirs = passed(database, clock, listing("theirs", "b"), verdict="unscreenable")
    passed(database, clock, listing("seen", "b"), verdict="review")  # people have it
    passed(database, clock, listing("other", "z"))
    ledger = Ledger(database, POLICY, clock)
    ledger.violation(actor=ACTOR, seller_id="a", note="tested", screening_id=confirmed)
    found = waiting(database)
    assert {(one.screening_id, one.seller_id, one.reason, one.cause, one.state) for one in found} == {
        (own, "a", "linked_seller", "a", "queued"),
        (theirs, "b", "linked_seller", "a", "queued"),
    }
    assert old not in {one.screening_id for one in found}
    # Again, nothing is queued twice.
    ledger.violation(actor=ACTOR, seller_id="b", note="tested")
    assert len(waiting(database)) == 2
    assert waiting(database, seller_id="b") == [one for one in found if one.seller_id == "b"]
    with database.read() as conn, pytest.raises(Invalid):
        list_rescreens(conn, state="lost")


def test_a_newer_screening_ends_the_wait(database: Database, clock: StepClock) -> None:
    first = passed(database, clock, listing("1", "a"))
    with database.write() as conn:
        put(conn, [(first, "1", "a")], "linked_seller", cause="b", actor=ACTOR, now=clock())
    passed(database, clock, listing("1", "z"))  # somebody else's listing with the same id
    assert [one.state for one in waiting(database)] == ["queued"]
    second = passed(database, clock, listing("1", "a"))
    assert [(one.state, one.result_id) for one in waiting(database)] == [("done", second)]


def test_what_lacks_pictures_is_asked_for(database: Database, clock: StepClock, blobs: FolderBlobs) -> None:
    Endpoints(database, b"s" * 32, clock).add(actor=ACTOR, url="https://shop.example/hooks")
    screening_id = passed(database, clock, listing("1", "a"), images=["1" * 64])
    with database.write() as conn:
        put(conn, [(screening_id, "1", "a")], "linked_seller", cause="b", actor=ACTOR, now=clock())
    screened: list[Submission] = []
    work = worker(database, blobs, clock, screened)
    assert work.run(10) == 1
    assert screened == []
    (one,) = waiting(database, state="requested")
    with database.read() as conn:
        (row,) = conn.execute(sa.select(outbox)).all()
    assert (row.type, row.seller_id, row.screening_id) == ("listing.rescreen_requested", "a", screening_id)
    assert row.payload == {
        "rescreen_id": one.id,
        "screening_id": screening_id,
        "listing_id": "1",
        "revision": 1,
        "seller_id": "a",
        "reason": "linked_seller",
    }
    answer = passed(database, clock, listing("1", "a"))
    assert [(one.state, one.result_id) for one in waiting(database)] == [("done", answer)]


def test_what_has_its_pictures_is_screened_as_it_was(database: Database, clock: StepClock, blobs: FolderBlobs) -> None:
    sha256s = [blobs.put(encoded(picture(seed))) for seed in (1, 2)]
    made = replace(listing("1", "a", "b"), title="Bag", revision=7, description="new", language="de", complaints=2)
    screening_id = passed(database, clock, made, images=sha256s)
    with database.write() as conn:
        put(conn, [(screening_id, "1", "a")], "degraded", cause=None, actor=ACTOR, now=clock())
        request = conn.execute(sa.select(screenings.c.request)).scalar_one()
    screened: list[Submission] = []
    assert worker(database, blobs, clock, screened).run(10) == 1
    (submission,) = screened
    assert submission.listing.record() == request
    assert submission.listing.seller == made.seller
    assert submission.images == tuple(encoded(picture(seed)) for seed in (1, 2))
    assert submission.key_id == RESCREENED_BY
    assert [(one.state, one.result_id) for one in waiting(database)] == [("done", "scr_" + "f" * 32)]


def test_one_that_cannot_be_screened_is_no_dead_end(database: Database, clock: StepClock, blobs: FolderBlobs) -> None:
    for number in range(3):
        screening_id = passed(database, clock, listing(str(number), "a"), images=[])
        with database.write() as conn:
            put(conn, [(screening_id, str(number), "a")], "degraded", cause=None, actor=ACTOR, now=clock())
    errors: list[Exception] = [Overloaded("starting", code="not_ready"), KeyError("price")]

    def judge(submission: Submission) -> dict[str, Any]:
        if errors:
            raise errors.pop(0)
        return {"id": "scr_" + "f" * 32}

    work = Rescreener(database=database, blobs=blobs, screen=judge, now=clock)
    assert work.run(10) == 0  # nothing is loaded: later
    assert [one.state for one in waiting(database)] == ["queued"] * 3
    clock.now += LEASE
    assert work.run(10) == 3
    assert [one.state for one in waiting(database)] == ["failed", "done", "done"]


def test_what_another_process_has_taken_is_left_to_it(database: Database, clock: StepClock, blobs: FolderBlobs) -> None:
    screening_id = passed(database, clock, listing("1", "a"), images=[])
    with database.write() as conn:
        put(conn, [(screening_id, "1", "a")], "degraded", cause=None, actor=ACTOR, now=clock())
    inner: list[bool] = []
    other = worker(database, blobs, clock, [])

    def judge(submission: Submission) -> dict[str, Any]:
        inner.append(other.run_one())
        raise KeyboardInterrupt  # killed in the middle

    with pytest.raises(KeyboardInterrupt):
        Rescreener(database=database, blobs=blobs, screen=judge, now=clock).run_one()
    assert inner == [False]
    assert not other.run_one()
    clock.now += LEASE
    assert other.run_one()


def test_in_a_whole_service(tmp_path: Path) -> None:
    """A listing that passed is caught on another look, once its picture is known to be a fake's; and counts once."""
    with running(tmp_path, keep_images="all", refresh_seconds=60) as kit:
        kit.service.rescreener.close()  # the test says when
        brand = kit.add_brand("Norvell")
        fake = encoded(picture(5))
        sold = kit.screen(
            [fake], listing_id="passed", seller={"id": "shop-2", "linked": ["shop-1"]}, deadline_ms=60_000
        ).json()
        assert sold["verdict"] == "clear"
        kit.add_reference(brand, "known_fake", picture(5))
        kit.refresh()
        before = _counts(kit)
        kit.service.truth.ledger.violation(actor=ACTOR, seller_id="shop-1", note="tested")
        page = kit.client.get("/v1/rescreens", params={"state": "queued"}, headers=kit.hook).json()
        assert [one["screening_id"] for one in page["items"]] == [sold["id"]]
        assert kit.service.rescreener.run(10) == 1
        (done,) = kit.client.get("/v1/rescreens", headers=kit.hook).json()["items"]
        assert done["state"] == "done"
        answer = kit.client.get(f"/v1/screenings/{done['result_id']}", headers=kit.hook).json()
        assert (answer["listing_id"], answer["verdict"]) == ("passed", "review")
        after = _counts(kit)
        assert after["screened"] == before["screened"]
        assert after["prompted"] == before["prompted"] + 1
        with kit.service.truth.database.read() as conn:
            query = sa.select(screenings.c.key_id).where(screenings.c.id == done["result_id"])
            assert conn.execute(query).scalar_one() == RESCREENED_BY
        queue = kit.client.get("/v1/reviews", headers=kit.admin).json()
        assert done["result_id"] in str(queue)


def test_a_hurried_answer_is_queued_once(database: Database, clock: StepClock) -> None:
    made = listing("1", "a")

    def save(key_id: str) -> None:
        answer = answer_of(clock(), verdict="unscreenable", listing=made, images=[]) | {"rescreen": True}
        with database.write() as conn:
            records.save(
                conn,
                repeat=Repeat(key_id, None, "0" * 64),
                seller_id="a",
                encoder_id="enc_0",
                request=made.record(),
                answer=answer,
                known_fake=False,
                usual_price=None,
                features=np.full(len(NAMES), np.nan, dtype=np.float32),
                new=[],
                facts={},
                at=clock(),
            )

    save("key_0")
    (one,) = waiting(database)
    assert (one.reason, one.cause, one.state) == ("degraded", None, "queued")
    save(RESCREENED_BY)  # the other look was hurried as well: it is not tried for ever
    assert [one.state for one in waiting(database)] == ["done"]


def _counts(kit: Kit) -> dict[str, int]:
    with kit.service.truth.database.read() as conn:
        row = conn.execute(sa.select(daily_counts).where(daily_counts.c.brand_id == "*")).one()
    return {"screened": row.screened, "prompted": row.prompted}
