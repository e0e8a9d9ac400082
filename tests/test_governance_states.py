"""Who may let a reference in: the two-person rule, standings, overrides, disputes, and that nothing goes round them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from conftest import StepClock
from plain_inspector import PlainInspector, UnusableImage

from brands import approvals, audit, notices, references, standings
from brands.approvals import FIRST, Decider
from brands.database import Database
from brands.doors import Doors
from brands.errors import Conflict, Forbidden, Invalid, NotFound, SecondPersonNeeded
from brands.keys import Keys
from brands.model import BrandDetails, NewReference, Reference, ReferenceKind, Standing
from brands.registry import Registry
from brands.schema import reference_impacts
from screener.governance.standing import Trust, set_standing

ADMIN, OTHER_ADMIN = Decider("key:key_a", "admin"), Decider("key:key_b", "admin")
REVIEWER = Decider("key:key_r", "reviewer")
OPERATOR = Decider.operator("cli:test")


class World:
    """A brand, its people, and the doors."""

    def __init__(self, registry: Registry, clock: StepClock) -> None:
        self.registry, self.clock = registry, clock
        self.doors = Doors(registry, PlainInspector(), clock)
        self.brand = registry.add_brand(actor="cli:test", details=BrandDetails("Aurelia")).id
        self.one = Decider("key:key_1", "brand", self.brand)
        self.two = Decider("key:key_2", "brand", self.brand)
        self._count = 0

    def add(self, by: Decider, kind: ReferenceKind = "authentic", data: bytes = b"", **options: str) -> Reference:
        self._count += 1
        picture = b"PIC %d " % self._count + data
        # The options are texts, of which mypy cannot tell the fields.
        return self.doors.add(by, self.brand, NewReference(kind, "", 1, 1, **options), picture)  # type: ignore[arg-type]

    def vouch(self) -> None:
        """Lets the first references in, as a second person."""
        for _ in range(FIRST):
            assert self.doors.approve(REVIEWER, self.add(self.one).id).state == "active"

    def stand(self, standing: Standing) -> None:
        set_standing(self.registry.database, self.brand, standing, reason="a test", actor="cli:test", at=self.clock())

    def codes(self, brand_id: str | None) -> list[str]:
        with self.registry.database.read() as connection:
            return [notice.code for notice in notices.fetch_page(connection, brand_id=brand_id)]


@pytest.fixture
def world(registry: Registry, clock: StepClock) -> World:
    return World(registry, clock)


def test_whom_a_new_reference_waits_for(world: World) -> None:
    """The whole rule, before and after the first references were vouched for, by uploader, standing and kind."""
    uploaders = {"brand": world.one, "reviewer": REVIEWER, "admin": ADMIN, "operator": OPERATOR}

    def needed(kind: ReferenceKind) -> dict[str, str]:
        with world.registry.database.read() as connection:
            return {name: approvals.needed(connection, world.brand, kind, by) for name, by in uploaders.items()}

    everybody = {"brand": "person", "reviewer": "person", "admin": "person", "operator": "none"}
    for kind in ("authentic", "logo", "negative", "known_fake"):
        assert needed(kind) == everybody
    world.vouch()
    for kind in ("authentic", "logo", "negative"):
        assert needed(kind) == {"brand": "person", "reviewer": "none", "admin": "none", "operator": "none"}
    assert needed("known_fake") == everybody
    world.stand("good")
    assert needed("logo") == dict.fromkeys(uploaders, "none")
    assert needed("known_fake") == everybody
    world.stand("stopped")
    for kind in ("logo", "known_fake"):
        assert needed(kind) == {"brand": "admin", "reviewer": "admin", "admin": "admin", "operator": "none"}


def test_the_first_references_need_a_second_person(world: World) -> None:
    mine = world.add(ADMIN)
    assert (mine.state, mine.approval, mine.approved_by) == ("pending", "person", None)
    with pytest.raises(SecondPersonNeeded):
        world.doors.approve(ADMIN, mine.id)
    assert world.doors.approve(OTHER_ADMIN, mine.id).approved_by == OTHER_ADMIN.actor
    for _ in range(FIRST - 1):
        world.doors.approve(REVIEWER, world.add(world.one).id)
    assert world.add(ADMIN).state == "active"
    assert world.add(world.one).state == "pending"
    world.stand("good")
    assert world.add(world.one).state == "active"
    fake = world.add(world.one, "known_fake")
    assert (fake.state, fake.approval) == ("pending", "person")


def test_what_was_withdrawn_does_not_count_as_vouched(world: World) -> None:
    world.vouch()
    first = world.registry.list_references(brand_id=world.brand)[0]
    world.doors.withdraw(world.one, first.id)
    assert world.add(ADMIN).state == "pending"


def test_who_may_approve(world: World) -> None:
    reference = world.add(world.one)
    stranger = Decider("key:key_s", "brand", "brd_" + "0" * 32)
    with pytest.raises(NotFound):
        world.doors.approve(stranger, reference.id)
    for by in (world.one, world.two):
        with pytest.raises(Forbidden):
            world.doors.approve(by, reference.id)
    world.stand("good")
    with pytest.raises(SecondPersonNeeded):
        world.doors.approve(world.one, reference.id)
    for scope in ("hook", "ml", "ops"):
        with pytest.raises(Forbidden):
            world.doors.approve(Decider("key:key_x", scope), reference.id)  # type: ignore[arg-type]
    assert world.doors.approve(world.two, reference.id).state == "active"
    with pytest.raises(Conflict) as again:
        world.doors.approve(REVIEWER, reference.id)
    assert again.value.code == "illegal_state"
    assert world.codes(world.brand)[0] == "reference_active"


def test_a_rotated_key_is_the_same_person(world: World, keys: Keys) -> None:
    old, _ = keys.create(actor="cli:test", scope="admin")
    new, _ = keys.rotate(actor="cli:test", key_id=old.id, keep=timedelta(days=1))
    third, _ = keys.rotate(actor="cli:test", key_id=new.id, keep=timedelta(days=1))
    mine = world.add(Decider.of(old))
    for key in (old, new, third):
        with pytest.raises(SecondPersonNeeded):
            world.doors.approve(Decider.of(key), mine.id)
    theirs = world.add(Decider.of(third))
    with pytest.raises(SecondPersonNeeded):
        world.doors.approve(Decider.of(old), theirs.id)
    other, _ = keys.create(actor="cli:test", scope="admin")
    assert world.doors.approve(Decider.of(other), mine.id).state == "active"


def test_what_the_check_holds_back_is_an_admins(world: World) -> None:
    world.vouch()
    world.stand("good")
    held = world.add(world.one, data=b"HOLD", source="HOLD")
    assert (held.state, held.approval) == ("pending", "admin")
    assert world.codes(world.brand)[0] == world.codes(None)[0] == "reference_held"
    for by in (world.two, REVIEWER):
        with pytest.raises(Forbidden):
            world.doors.approve(by, held.id, override=True, reason="please")
    with pytest.raises(Conflict) as failed:
        world.doors.approve(ADMIN, held.id)
    assert failed.value.code == "impact_failed"
    with pytest.raises(Invalid) as silent:
        world.doors.approve(ADMIN, held.id, override=True, reason="  ")
    assert silent.value.code == "reason_needed"
    active = world.doors.approve(ADMIN, held.id, override=True, reason="their own other brand")
    assert (active.state, active.state_reason) == ("active", "their own other brand")
    with world.registry.database.read() as connection:
        found = connection.execute(
            sa.text("SELECT action, actor FROM audit WHERE object_id = :id ORDER BY sequence"), {"id": held.id}
        ).all()
        assert audit.verify(connection).ok
    assert [tuple(row) for row in found] == [
        ("reference.add", world.one.actor),
        ("reference.held", approvals.GOVERNANCE),
        ("reference.override", ADMIN.actor),
        ("reference.active", ADMIN.actor),
    ]


def test_what_shows_nothing_is_let_in_by_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    blank = world.add(OPERATOR, data=b"BLANK")
    assert (blank.state, blank.approval) == ("pending", "admin")
    look = PlainInspector()._found("0" * 64, b"BLANK")
    monkeypatch.setattr(PlainInspector, "look_again", lambda _self, stored: [look for _ in stored])
    for by in (ADMIN, OPERATOR):
        with pytest.raises(Conflict) as refused:
            world.doors.approve(by, blank.id, override=True, reason="I insist")
        assert refused.value.code == "never_served"


def test_an_import_passes_the_check_too(world: World) -> None:
    put = world.registry.blobs.put
    pictures = [
        NewReference("authentic", put(b"PIC import %d" % n), 40, 30, source="HOLD" if n == 2 else "") for n in range(4)
    ]
    brand = world.registry.import_brand(actor="cli:test", details=BrandDetails("Borealis"), pictures=pictures).brand
    assert {one.state for one in world.registry.list_references(brand_id=brand.id)} == {"pending"}
    assert world.doors.settle_waiting(most=3) == 3
    assert world.doors.settle_waiting(most=3) == 1
    assert world.doors.settle_waiting() == 0
    found = {one.source: (one.state, one.approval) for one in world.registry.list_references(brand_id=brand.id)}
    assert found == {"": ("active", "none"), "HOLD": ("pending", "admin")}
    with world.registry.database.read() as connection:
        assert approvals.vouched(connection, brand.id) == 3  # the operator's word is a second person's


def test_another_encoder_checks_what_waits_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = world.add(world.one)
    assert world.doors.settle_waiting() == 0
    monkeypatch.setattr(PlainInspector, "encoder_id", "enc_other")
    assert world.doors.settle_waiting() == 1
    with world.registry.database.read() as connection:
        checked = approvals.impact_of(connection, waiting.id)
    assert checked is not None
    assert checked.encoder_id == "enc_other"
    assert world.registry.get_reference(waiting.id).state == "pending"


def test_taking_back_goes_through_people_again(world: World) -> None:
    reference = world.doors.approve(REVIEWER, world.add(world.one).id)
    world.doors.withdraw(world.one, reference.id, reason="old packaging")
    again = world.doors.reopen(world.one, reference.id)
    assert (again.state, again.approval, again.approved_by) == ("pending", "person", None)
    assert world.doors.approve(REVIEWER, reference.id).state == "active"


def test_a_dispute_quarantines_until_somebody_decides(world: World) -> None:
    fake = world.doors.approve(REVIEWER, world.add(world.one, "known_fake").id)
    with pytest.raises(Invalid):
        world.doors.dispute(world.one, fake.id, reason=" ")
    disputed = world.doors.dispute(world.one, fake.id, reason="this is ours")
    assert (disputed.state, disputed.state_reason) == ("quarantined", "this is ours")
    assert world.codes(world.brand)[0] == world.codes(None)[0] == "reference_disputed"
    for step in (world.doors.reopen, world.doors.withdraw):
        with pytest.raises(Forbidden):
            step(world.one, fake.id)
    with pytest.raises(Conflict):  # nor does it come back by another upload
        world.doors.add(
            world.one, world.brand, NewReference("known_fake", "", 1, 1), world.registry.blobs.get(fake.image_sha256)
        )
    assert world.doors.approve(REVIEWER, fake.id).state == "active"
    world.doors.dispute(world.one, fake.id, reason="still ours")
    assert world.doors.reject(REVIEWER, fake.id, reason="it is").state == "rejected"
    with pytest.raises(Forbidden):
        world.doors.reject(world.one, world.add(world.one).id)
    world.stand("good")
    picture = world.registry.blobs.get(fake.image_sha256)
    again = world.doors.add(world.one, world.brand, NewReference("authentic", "", 1, 1), picture)
    assert again.approval == "admin"  # what was rejected once is looked at by somebody who can say why


def test_known_fakes_say_what_proves_them(world: World) -> None:
    for origin in ("complaint", "appraisal"):
        with pytest.raises(Invalid) as silent:
            world.add(world.one, "known_fake", origin=origin)
        assert silent.value.code == "no_evidence"
        with pytest.raises(Invalid) as odd:
            world.add(world.one, "logo", origin=origin, evidence="C-17")
        assert odd.value.code == "invalid_origin"
        added = world.add(world.one, "known_fake", origin=origin, evidence="C-17")
        assert (added.origin, added.evidence) == (origin, "C-17")


def test_what_reaches_its_end_is_withdrawn_with_notice(world: World, database: Database, clock: StepClock) -> None:
    end = clock.now + timedelta(days=30)
    new = NewReference("known_fake", "", 1, 1, expires_at=end)
    fake = world.doors.approve(REVIEWER, world.doors.add(world.one, world.brand, new, b"PIC ends").id)
    trust = Trust(database, clock)
    assert trust.expire() == 0
    clock.now = end
    assert trust.expire() == 1
    after = world.registry.get_reference(fake.id)
    assert (after.state, after.state_reason) == ("withdrawn", "expired")
    assert world.codes(world.brand)[0] == "reference_expired"
    assert trust.expire() == 0


def test_nothing_is_stored_of_what_is_refused(world: World) -> None:
    for data, box, error in ((b"<svg>", None, UnusableImage), (b"PIC", (0.0, 0.0, 2.0, 1.0), Invalid)):
        with pytest.raises(error):
            world.doors.add(world.one, world.brand, NewReference("logo", "", 1, 1, box), data)
    world.doors.preview(world.brand, "logo", b"PIC preview")
    assert world.registry.list_references() == ()
    assert list(world.registry.blobs.root.glob("??")) == []
    with world.registry.database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(reference_impacts)).scalar_one() == 0


def test_a_stopped_brand_is_let_on_by_hand_and_counts_anew(world: World, database: Database) -> None:
    version = world.registry.version()
    world.stand("stopped")
    assert world.registry.version() == version + 1
    with database.read() as connection:
        assert standings.stopped(connection) == {world.brand}
    waiting = world.add(ADMIN)
    assert waiting.approval == "admin"
    with pytest.raises(Forbidden):
        world.doors.approve(REVIEWER, waiting.id)
    world.stand("new")
    assert world.codes(world.brand)[:2] == ["standing_new", "standing_stopped"]
    with database.read() as connection:
        row = standings.fetch(connection, world.brand)
    assert (row.standing, row.right, row.wrong) == ("new", 0, 0)
    with pytest.raises(Invalid):
        world.stand("best")  # type: ignore[arg-type]


def test_notices_are_read_once(world: World, database: Database, clock: StepClock) -> None:
    world.stand("stopped")
    world.stand("new")
    with database.read() as connection:
        newest, oldest = notices.fetch_page(connection, brand_id=world.brand)
        assert notices.fetch_page(connection, brand_id=world.brand, before=newest.id) == (oldest,)
        assert notices.count_unread(connection, world.brand) == 2
    for ids, read, left in (([newest.id], 1, 1), ([newest.id], 0, 1), (None, 1, 0)):
        with database.write() as connection:
            found = notices.mark_read(connection, brand_id=world.brand, ids=ids, actor="key:key_1", at=clock())
            assert (found, notices.count_unread(connection, world.brand)) == (read, left)
    with database.read() as connection:
        assert notices.fetch_page(connection, brand_id=world.brand, unread=True) == ()
        assert notices.count_unread(connection, None) == 2  # the operator's are their own


def test_every_step_is_in_the_chain(world: World, database: Database) -> None:
    reference = world.doors.approve(REVIEWER, world.add(world.one).id)
    with database.read() as connection:
        before = audit.verify(connection)
    world.doors.dispute(REVIEWER, reference.id, reason="doubt")
    with database.read() as connection:
        after = audit.verify(connection)
        stored = references.fetch(connection, reference.id)
    assert (after.ok, after.rows) == (True, before.rows + 1)
    assert stored is not None
    assert stored.state == "quarantined"


def test_the_end_of_a_reference_can_be_set_and_taken_away(world: World) -> None:
    fake = world.doors.approve(REVIEWER, world.add(world.one, "known_fake").id)
    ends = world.clock.now + timedelta(days=30)
    assert world.doors.end_at(world.one, fake.id, ends).expires_at == ends
    trust = Trust(world.registry.database, world.clock)
    assert trust.expire() == 0
    world.clock.now = ends
    assert trust.expire() == 1
    assert world.registry.get_reference(fake.id).state == "withdrawn"
    with pytest.raises(Conflict):
        world.doors.end_at(world.one, fake.id, ends + timedelta(days=1))
    other = world.add(world.one)
    for wrong in (world.clock.now, datetime(2999, 1, 1)):
        with pytest.raises(Invalid):
            world.doors.end_at(world.one, other.id, wrong)
    world.doors.end_at(world.one, other.id, ends + timedelta(days=1))
    assert world.doors.end_at(world.one, other.id, None).expires_at is None
