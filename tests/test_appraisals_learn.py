"""What becomes of appraisals, with a whole service: fakes' pictures wait as known fakes, official ones never do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import StepClock
from PIL import Image
from plain_inspector import PlainInspector
from review_kit import add_brand, entry, screen
from service_kit import ACTOR, Kit, encoded, open_tiny_service, picture

from brands import approvals
from brands.approvals import GOVERNANCE, Checked, Decider
from brands.database import Database
from brands.doors import Doors
from brands.errors import SecondPersonNeeded
from brands.ids import utc_now
from brands.model import Brand, NewReference, Reference
from brands.registry import Registry
from brands.schema import audit as audit_rows
from brands.schema import notices
from screener.appraisals.learn import AT_ONCE, DISAGREE, WITHDRAWN, Learned, Learner
from screener.appraisals.model import NewAppraisal
from screener.appraisals.store import add, withdraw
from screener.errors import Overloaded
from screener.listing import Listing
from screener.match import Matches
from screener.screening import Submission
from screener.service import Service

DAY = date(2025, 1, 20)
RECORDER = "key:key_lab"
REVIEWER = Decider("key:key_reviewer", "reviewer")
HARMLESS = {
    "background": {"size": 0, "uses": {}, "share": 0.0},
    "recent": {}, "rivals": [], "duplicates": [], "hints": [], "blocking": [], "unusable": [],
}  # fmt: skip


@dataclass
class World:
    """A service with a brand, without its keeper's thread: each step is taken by the test."""

    service: Service
    brand: Brand
    sent: int = field(default=0)

    @property
    def learner(self) -> Learner:
        return self.service.learner

    def screen(self, *images: Image.Image, seller: str = "shop-1") -> dict[str, Any]:
        """The answer to a new listing with these pictures."""
        import time

        self.sent += 1
        listing = Listing(f"L-{self.sent}", "A Norvell thing", seller)
        started = time.monotonic()
        given = tuple(encoded(image) for image in images)
        answer: dict[str, Any] = dict(
            self.service.screener.screen(Submission(listing, given, "key_0", started + 60, started, None))
        )
        assert all(image["status"] == "screened" for image in answer["images"])
        return answer

    def appraise(self, answer: dict[str, Any], outcome: str = "counterfeit", who: str = "Lab", **fields: Any) -> str:
        new = NewAppraisal(outcome, who, "laboratory", DAY, screening_id=answer["id"], **fields)
        with self.service.truth.database.write() as conn:
            (made,) = add(conn, [new], actor=RECORDER, now=utc_now())
        return made.id

    def withdraw(self, appraisal_id: str) -> None:
        with self.service.truth.database.write() as conn:
            withdraw(conn, appraisal_id, reason="mixed up", actor=RECORDER, now=utc_now())

    def follow(self) -> dict[str, int]:
        return dict(self.learner.follow(most=None).counts)

    def references(self, origin: str = "appraisal") -> list[Reference]:
        found = self.service.truth.registry.list_references(brand_id=self.brand.id, limit=500)
        return [reference for reference in found if reference.origin == origin]

    def let_in(self, reference: Reference) -> Reference:
        """Another person approves; what the impact check says of drawn shapes is not what is tested."""
        with self.service.truth.database.write() as conn:
            harmless = Checked(True, self.service.inspector.encoder_id, HARMLESS, utc_now())
            approvals.store_impact(conn, reference.id, harmless)
            found = approvals.approve(conn, reference, REVIEWER, override=False, reason="", at=utc_now())
        self.service.refresher.refresh()
        return found

    def notices(self, code: str) -> list[Any]:
        with self.service.truth.database.read() as conn:
            return list(conn.execute(sa.select(notices).where(notices.c.code == code).order_by(notices.c.id)).all())

    def official(self, image: Image.Image, kind: Any = "authentic") -> Reference:
        """A reference that counts, whoever asks."""
        found = self.service.truth.registry.add_reference(
            actor=ACTOR, brand_id=self.brand.id, kind=kind, data=encoded(image), width=image.width,
            height=image.height, state="active",
        )  # fmt: skip
        self.service.refresher.refresh()
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_tiny_service(tmp_path, keep_images="all") as service:
        kit = Kit(service, None, {}, {})  # type: ignore[arg-type]  # only the registry is asked here
        brand = kit.add_brand("Norvell", price="100")
        service.refresher.refresh()
        yield World(service, brand)


class TestConfirmedFakes:
    def test_their_pictures_wait_for_another_person_and_count_from_then_on(self, world: World) -> None:
        first = world.screen(picture(40), picture(41))
        proof = world.appraise(first)
        assert world.follow() == {"proposed": 2}
        waiting = world.references()
        assert {reference.image_sha256 for reference in waiting} == {image["sha256"] for image in first["images"]}
        for reference in waiting:
            assert (reference.kind, reference.state) == ("known_fake", "pending")
            assert reference.approval in ("person", "admin")
            assert (reference.evidence, reference.created_by) == (proof, RECORDER)
            assert "L-1" not in reference.source and "shop-1" not in reference.source + reference.notes
        world.service.doors.settle_waiting()
        world.service.refresher.refresh()
        assert world.screen(picture(40), seller="shop-2")["evidence"] == []  # nobody has let it in
        with pytest.raises(SecondPersonNeeded), world.service.truth.database.write() as conn:
            approvals.check_may_decide(conn, waiting[0], Decider(RECORDER, "admin"))
        assert world.let_in(waiting[0]).state == "active"
        again = world.screen(picture(40), seller="shop-3")
        assert [entry["reference_id"] for entry in again["evidence"] if entry["use"] == "copy"] == [waiting[0].id]
        assert again["verdict"] == "review"

    def test_nothing_is_done_twice_by_anybody(self, world: World) -> None:
        world.appraise(world.screen(picture(40)))
        assert world.follow() == {"proposed": 1}
        assert world.follow() == {}
        truth = world.service.truth
        other = Learner(truth.database, truth.blobs, world.service.doors, world.learner._see, utc_now)
        assert dict(other.follow(most=None).counts) == {"present": 1}  # a process that starts looks at everything
        world.service.doors.reject(REVIEWER, world.references()[0].id, reason="shows nothing")
        world.appraise(world.screen(picture(40), seller="shop-2"))
        assert world.follow() == {"present": 1}  # what people rejected is not brought back
        assert len(world.references()) == 1

    def test_copies_of_official_pictures_are_never_proposed(self, world: World) -> None:
        official, logo, alike = picture(1), picture(3), picture(4)
        world.official(official)
        world.official(logo, "logo")
        world.official(alike, "negative")
        answer = world.screen(official, official.resize((400, 320)), logo, alike, picture(40))
        # Evidence has a reference once: it says nothing of the second copy of the same official picture.
        assert sum(entry["kind"] == "authentic" and entry["use"] == "copy" for entry in answer["evidence"]) == 1
        world.appraise(answer)
        done = world.follow()
        assert done == {"official": 4, "proposed": 1}
        assert [reference.image_sha256 for reference in world.references()] == [answer["images"][4]["sha256"]]

    def test_official_pictures_that_were_added_after_the_screening_count_too(self, world: World) -> None:
        answer = world.screen(picture(1))
        assert answer["evidence"] == []
        world.official(picture(1))
        world.appraise(answer)
        assert world.follow() == {"official": 1}

    def test_nor_what_was_official_when_it_was_screened(self, world: World) -> None:
        reference = world.official(picture(1))
        answer = world.screen(picture(1))
        world.service.truth.registry.set_reference_state(actor=ACTOR, reference_id=reference.id, state="withdrawn")
        world.service.refresher.refresh()
        world.appraise(answer)
        assert world.follow() == {"official": 1}

    def test_nor_a_picture_that_a_genuine_items_listing_shows_too(self, world: World) -> None:
        world.appraise(world.screen(picture(40), seller="shop-2"), "authentic")
        world.appraise(world.screen(picture(40), picture(41)))
        assert world.follow() == {"shared": 1, "proposed": 1}

    def test_what_was_not_kept_and_items_of_no_brand_are_left_out(self, world: World) -> None:
        answer = world.screen(picture(40))
        world.service.truth.blobs.delete(answer["images"][0]["sha256"])
        world.appraise(answer)
        unnamed = world.screen(picture(41))
        with world.service.truth.database.write() as conn:
            conn.execute(sa.text("UPDATE screenings SET brand_id = NULL WHERE id = :id"), {"id": unnamed["id"]})
        world.appraise(unnamed)
        assert world.follow() == {"not_kept": 1, "no_brand": 1}
        world.appraise(unnamed, who="Expert", brand=world.brand.name)
        assert world.follow() == {"proposed": 1}

    def test_the_brand_is_the_appraisers(self, world: World) -> None:
        from brands.model import BrandDetails

        other = world.service.truth.registry.add_brand(actor=ACTOR, details=BrandDetails("Zephyrine"))
        answer = world.screen(picture(40))
        world.appraise(answer, brand=other.id)
        assert world.follow() == {"proposed": 1}
        assert world.references() == []
        (found,) = world.service.truth.registry.list_references(brand_id=other.id)
        assert found.origin == "appraisal"
        world.appraise(answer, who="Expert", brand=world.brand.id)  # they differ: whose fake it is, is open
        assert world.follow() == {"no_brand": 1}

    def test_what_appraisers_disagree_about_or_cannot_tell_is_no_fake(self, world: World) -> None:
        answer = world.screen(picture(40))
        world.appraise(answer)
        world.appraise(answer, "authentic", "Expert")
        world.appraise(world.screen(picture(41)), "inconclusive")
        assert world.follow() == {} and world.references() == []

    def test_a_step_does_a_few_and_the_rest_later(self, world: World) -> None:
        for n in range(AT_ONCE + 2):
            world.appraise(world.screen(picture(50 + n)))
        first, second = world.learner.follow(), world.learner.follow()
        assert (first["proposed"], first.left, second["proposed"], second.left) == (AT_ONCE, 2, 2, 0)

    def test_what_cannot_be_looked_at_now_is_looked_at_later(self, world: World) -> None:
        world.appraise(world.screen(picture(40)))
        truth, see = world.service.truth, world.learner._see
        down = True

        def sometimes(data: bytes) -> Any:
            if down:
                raise Overloaded("Nothing is served yet; try again.", code="not_ready")
            return see(data)

        learner = Learner(truth.database, truth.blobs, world.service.doors, sometimes, utc_now)
        for _ in range(2):
            with pytest.raises(Overloaded):
                learner.follow()
        down = False
        assert learner.follow()["proposed"] == 1

    def test_one_that_fails_does_not_stand_in_the_others_way(self, world: World) -> None:
        poison, sound = world.screen(picture(40)), world.screen(picture(41))
        world.appraise(poison)
        world.appraise(sound)
        truth, see = world.service.truth, world.learner._see

        def fails(data: bytes) -> Any:
            if data == encoded(picture(40)):
                raise RuntimeError("a fault of ours")
            return see(data)

        learner = Learner(truth.database, truth.blobs, world.service.doors, fails, utc_now)
        with pytest.raises(RuntimeError):
            learner.follow(most=1)
        assert learner.follow(most=1)["proposed"] == 1
        assert [one.image_sha256 for one in world.references()] == [sound["images"][0]["sha256"]]


class TestWhatNoLongerStands:
    def test_a_waiting_one_leaves_the_queue_and_comes_back(self, world: World) -> None:
        answer = world.screen(picture(40))
        proof = world.appraise(answer)
        world.follow()
        world.withdraw(proof)
        assert world.follow() == {"unqueued": 1}
        (reference,) = world.references()
        assert (reference.state, reference.state_reason) == ("withdrawn", WITHDRAWN)
        world.appraise(answer)
        assert world.follow() == {"reopened": 1}
        (reference,) = world.references()
        assert (reference.state, reference.approval) == ("pending", "person")

    def test_an_active_one_is_quarantined_with_the_reason(self, world: World) -> None:
        answer = world.screen(picture(40))
        world.appraise(answer)
        world.follow()
        reference = world.let_in(world.references()[0])
        world.appraise(answer, "authentic", "Expert")
        assert world.follow() == {"quarantined": 1}
        (found,) = world.references()
        assert (found.id, found.state, found.state_reason) == (reference.id, "quarantined", DISAGREE)
        told = world.notices("reference_disputed")
        assert {(row.brand_id, row.object_id) for row in told} == {(world.brand.id, reference.id), (None, reference.id)}
        with world.service.truth.database.read() as conn:
            query = sa.select(audit_rows.c.actor).where(audit_rows.c.action == "reference.quarantined")
            assert list(conn.execute(query).scalars()) == [GOVERNANCE]

    def test_what_a_person_lets_in_again_stays_in(self, world: World) -> None:
        answer = world.screen(picture(40))
        proof = world.appraise(answer)
        world.follow()
        reference = world.let_in(world.references()[0])
        world.withdraw(proof)
        assert world.follow() == {"quarantined": 1}
        back = world.service.doors.reopen(REVIEWER, reference.id, reason="a raid proves it")
        with world.service.truth.database.write() as conn:
            approvals.approve(
                conn, back, Decider("key:key_second", "reviewer"), override=False, reason="", at=utc_now()
            )
        truth = world.service.truth
        fresh = Learner(truth.database, truth.blobs, world.service.doors, world.learner._see, utc_now)
        assert dict(fresh.follow(most=None).counts) == {}
        assert world.references()[0].state == "active"

    def test_another_appraiser_who_says_the_same_holds_it(self, world: World) -> None:
        answer = world.screen(picture(40))
        proof = world.appraise(answer)
        world.follow()
        world.appraise(answer, who="Expert")
        world.withdraw(proof)
        assert world.follow() == {"present": 1}
        assert world.references()[0].state == "pending"

    def test_a_reference_that_a_person_uploaded_for_the_appraisal_too(self, world: World) -> None:
        proof = world.appraise(world.screen(picture(40)))
        new = NewReference("known_fake", "", 1, 1, origin="appraisal", evidence=proof)
        byhand = world.service.doors.add(Decider.operator("cli:me"), world.brand.id, new, encoded(picture(60)))
        if byhand.state == "pending":
            byhand = world.let_in(byhand)
        world.follow()
        world.withdraw(proof)
        world.follow()
        found = world.service.truth.registry.get_reference(byhand.id)
        assert (found.state, found.state_reason) == ("quarantined", WITHDRAWN)


class TestAuthenticItems:
    def test_their_pictures_are_registered_as_nothing(self, world: World) -> None:
        world.appraise(world.screen(picture(40)), "authentic")
        assert world.follow() == {}
        assert world.service.truth.registry.list_references(brand_id=world.brand.id) == ()

    def test_a_known_fake_that_matched_is_told_once_and_goes_on_counting(self, world: World) -> None:
        fake = world.official(picture(2), "known_fake")
        answer = world.screen(picture(2))
        assert answer["verdict"] == "review"
        world.appraise(answer, "authentic")
        assert world.follow() == {"doubted": 1}
        (told,) = world.notices("reference_doubted")
        assert (told.brand_id, told.object_id, told.details["screening_id"]) == (None, fake.id, answer["id"])
        assert (told.details["right"], told.details["wrong"], told.details["use"]) == (0, 1, "copy")
        assert world.service.truth.registry.get_reference(fake.id).state == "active"
        truth = world.service.truth
        fresh = Learner(truth.database, truth.blobs, world.service.doors, world.learner._see, utc_now)
        assert dict(fresh.follow(most=None).counts) == {}
        world.appraise(answer, "authentic", "Expert")
        assert world.follow() == {}
        assert len(world.notices("reference_doubted")) == 1

    def test_one_that_waits_is_told_of_too(self, world: World) -> None:
        world.appraise(world.screen(picture(40)))
        world.follow()
        (waiting,) = world.references()
        genuine = world.screen(picture(40), seller="shop-2")
        assert genuine["evidence"] == []
        world.appraise(genuine, "authentic")
        assert world.follow() == {"doubted": 1}
        (told,) = world.notices("reference_doubted")
        assert (told.object_id, told.details["score"]) == (waiting.id, 1.0)
        assert world.references()[0].state == "pending"

    def test_what_fails_on_the_way_is_done_again(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.official(picture(2), "known_fake")
        world.appraise(world.screen(picture(2)), "authentic")
        with monkeypatch.context() as patched:
            patched.setattr(Learner, "_doubt", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                world.follow()
        assert world.follow() == {"doubted": 1}

    def test_one_that_appraisals_prove_wrong_is_quarantined(self, world: World) -> None:
        fake = world.official(picture(2), "known_fake")
        for n in range(3):
            world.appraise(world.screen(picture(2), seller=f"shop-{n}"), "authentic")
            done = world.follow()
        assert done == {"quarantined": 1}
        found = world.service.truth.registry.get_reference(fake.id)
        assert (found.state, found.state_reason) == ("quarantined", "3 of 3 appraised matches were wrong")


def test_the_keeper_does_it(world: World) -> None:
    assert world.learner.follow in world.service._steps()


def test_counts_are_read_by_name() -> None:
    assert Learned()["proposed"] == 0


class TestOnBothDatabases:
    """The questions that the learner asks, where nothing is drawn or encoded."""

    def test_the_whole_way(self, registry: Registry, clock: StepClock) -> None:
        database, doors = registry.database, Doors(registry, PlainInspector(), clock)
        brand = add_brand(registry, "Norvell")
        sha256 = registry.blobs.put(b"PIC 1")
        rival = registry.add_reference(
            actor=ACTOR, brand_id=brand.id, kind="known_fake", data=b"PIC 2", width=4, height=4, state="active"
        )
        copied = entry(brand.id, rival.id, "known_fake")
        listings = [Listing(f"L-{n}", "A thing", "shop-1") for n in range(2)]
        fake = screen(database, clock(), brand=brand, images=[sha256], listing=listings[0])
        genuine = screen(database, clock(), brand=brand, images=["1" * 64], listing=listings[1], evidence=[copied])
        learner = Learner(database, registry.blobs, doors, lambda _: Matches(), clock)
        assert dict(learner.follow().counts) == {}
        proof, _ = self.add(database, clock, (fake, "counterfeit"), (genuine, "authentic"))
        assert dict(learner.follow().counts) == {"proposed": 1, "doubted": 1}
        (found,) = [one for one in registry.list_references(brand_id=brand.id) if one.origin == "appraisal"]
        assert (found.state, found.approval, found.evidence) == ("pending", "person", proof)
        doors.approve(Decider("key:key_other", "admin"), found.id)
        with database.write() as conn:
            withdraw(conn, proof, reason="mixed up", actor=RECORDER, now=clock())
        assert dict(learner.follow().counts) == {"quarantined": 1}
        assert registry.get_reference(found.id).state == "quarantined"
        fresh = Learner(database, registry.blobs, doors, lambda _: Matches(), clock)
        assert dict(fresh.follow().counts) == {}

    def test_nothing_new_is_one_question(self, registry: Registry, clock: StepClock) -> None:
        database = registry.database
        learner = Learner(database, registry.blobs, Doors(registry, PlainInspector(), clock), lambda _: None, clock)
        learner.follow()
        asked: list[str] = []
        sa.event.listen(database.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
        learner.follow()
        assert [sql for sql in asked if sql.lstrip().startswith("SELECT")] == asked[-1:]
        assert "audit_head" in asked[-1]

    def add(self, database: Database, clock: StepClock, *results: tuple[str, Any]) -> list[str]:
        news = [NewAppraisal(outcome, "Lab", "laboratory", DAY, screening_id=name) for name, outcome in results]
        with database.write() as conn:
            return [made.id for made in add(conn, news, actor=RECORDER, now=clock())]
