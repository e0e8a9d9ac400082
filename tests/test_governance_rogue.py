"""A brand that registers honest sellers' pictures as known fakes reaches at most 20 of them before it is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fixed_judge import make_fixed_judge
from service_kit import ACTOR, Kit, encoded, picture, running

from brands import audit, notices, standings
from brands.ids import utc_now
from brands.model import Brand, Outcome
from screener.governance.exposure import REASON
from screener.governance.standing import next_standing, set_standing, unreliable
from screener.review.decide import decide
from screener.review.precision import Precision

MOST = 20


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    """A service with the policy's own limit, whose keeper the test is."""
    make_fixed_judge(tmp_path)
    text = (tmp_path / "policy.toml").read_text(encoding="utf-8")
    strict = tmp_path / "strict.toml"
    strict.write_text(text.replace("undecided = 1000000", "undecided = 10"), encoding="utf-8")
    with running(tmp_path, policy=str(strict), refresh_seconds=60) as made:
        yield made


@dataclass(slots=True)
class Flow:
    """Listings come one after the other; people decide them in turn, `behind` listings later."""

    kit: Kit
    behind: int
    outcome: Outcome
    prompted: int = 0
    withheld: int = 0
    _waiting: list[str] | None = None

    def run(self, brand: Brand, pictures: list[bytes], listings: int) -> None:
        """Every listing is another seller's, with one of the pictures; after each, one case is decided."""
        waiting = []
        for number in range(listings):
            answer = self.kit.screen(
                [pictures[number % len(pictures)]], listing_id=f"L-{number}", seller={"id": f"seller-{number}"}
            ).json()
            self.prompted += answer["prompt"] is not None
            self.withheld += REASON in {reason["code"] for reason in answer["reasons"]}
            if answer["verdict"] in ("prompt", "review"):
                waiting.append(answer["id"])
            if len(waiting) > self.behind:
                self._decide(waiting.pop(0))
            self.kit.service.trust.follow()
            self.kit.refresh()
        self._waiting = waiting

    def _decide(self, screening_id: str) -> None:
        with self.kit.service.truth.database.write() as connection:
            decide(connection, screening_id=screening_id, outcome=self.outcome, actor="key:reviewer", now=utc_now())


def _standing(kit: Kit, brand: Brand) -> str:
    with kit.service.truth.database.read() as connection:
        return standings.fetch(connection, brand.id).standing


def _rogue(kit: Kit, count: int, standing: str) -> tuple[Brand, list[bytes]]:
    """A brand whose known fakes are honest sellers' pictures, and those."""
    brand = kit.add_brand("Rogue")
    for seed in range(count):
        kit.add_reference(brand, "known_fake", picture(seed))
    if standing != "new":
        set_standing(
            kit.service.truth.database, brand.id, "good", reason="earned", actor=ACTOR, at=utc_now() - timedelta(1)
        )
    kit.refresh()
    return brand, [encoded(picture(seed)) for seed in range(count)]


@pytest.mark.parametrize("standing", ["new", "good"])
@pytest.mark.parametrize("references", [1, 12])
@pytest.mark.parametrize("behind", [0, 15, 1000])
def test_a_rogue_brand_reaches_at_most_twenty_sellers(
    kit: Kit, standing: str, references: int, behind: int, record_property: Any
) -> None:
    """Whatever it was trusted with before, however many pictures it uses, and however slow people are."""
    brand, pictures = _rogue(kit, references, standing)
    flow = Flow(kit, behind, "authentic")
    flow.run(brand, pictures, 60)
    record_property("wrong_prompts", flow.prompted)
    print(f"{standing}, {references} references, people {behind} listings behind: {flow.prompted} wrong prompts")
    assert 1 <= flow.prompted <= MOST
    if behind < 60:
        assert _standing(kit, brand) == "stopped" or not kit.service.truth.registry.list_references(state="active")
    else:
        assert flow.withheld == 60 - flow.prompted


def test_a_stopped_brand_is_not_matched_and_is_told(kit: Kit) -> None:
    brand, pictures = _rogue(kit, 4, "new")
    flow = Flow(kit, 0, "not_this_brand")
    flow.run(brand, pictures, 12)
    assert _standing(kit, brand) == "stopped"
    answer = kit.screen([pictures[0]], listing_id="L-after", seller={"id": "seller-after"}).json()
    assert (answer["verdict"], answer["evidence"], answer["brand"]["id"]) == ("clear", [], None)
    with kit.service.truth.database.read() as connection:
        for reader in (brand.id, None):
            assert "standing_stopped" in [notice.code for notice in notices.fetch_page(connection, brand_id=reader)]
        assert audit.verify(connection).ok
    upload = kit.client.post(
        f"/v1/brands/{brand.id}/references",
        headers=kit.admin,
        files={"image": ("x.png", encoded(picture(99)), "image/png")},
        data={"kind": "authentic"},
    ).json()
    assert (upload["state"], upload["approval"]) == ("pending", "admin")


def test_a_brand_that_is_right_is_not_held_up_and_earns_trust(kit: Kit) -> None:
    brand, pictures = _rogue(kit, 3, "new")
    flow = Flow(kit, 3, "counterfeit")
    flow.run(brand, pictures, 40)
    assert (flow.prompted, flow.withheld) == (40, 0)
    assert _standing(kit, brand) == "good"


def test_one_bad_reference_is_quarantined_and_the_brand_goes_on(kit: Kit) -> None:
    """Quarantine by itself, with notice; a person may let it in again, until it is wrong again."""
    brand = kit.add_brand("Careless")
    good = kit.add_reference(brand, "known_fake", picture(1))
    bad = kit.add_reference(brand, "known_fake", picture(2))
    kit.refresh()
    registry, doors = kit.service.truth.registry, kit.service.doors
    Flow(kit, 0, "counterfeit").run(brand, [encoded(picture(1))], 8)
    flow = Flow(kit, 0, "authentic")
    flow.run(brand, [encoded(picture(2))], 6)
    after = registry.get_reference(bad.id)
    assert (after.state, after.state_reason) == ("quarantined", "3 of 3 decided matches were wrong")
    assert flow.prompted == 3
    assert registry.get_reference(good.id).state == "active"
    assert _standing(kit, brand) == "new"
    with kit.service.truth.database.read() as connection:
        told = notices.fetch_page(connection, brand_id=brand.id)
    assert [(notice.code, notice.object_id) for notice in told] == [("reference_quarantined", bad.id)]
    from brands.approvals import Decider

    held = doors.approve(Decider("key:key_x", "admin"), bad.id, override=True, reason="it is one")
    assert held.state == "active"
    kit.service.trust.follow()
    assert registry.get_reference(bad.id).state == "active"


def test_the_rules_of_standing() -> None:
    for present, right, wrong, after in (
        ("new", 24, 0, "new"),
        ("new", 25, 0, "good"),
        ("new", 40, 1, "new"),
        ("new", 41, 1, "good"),
        ("new", 0, 2, "new"),
        ("new", 0, 3, "stopped"),
        ("new", 1, 5, "new"),
        ("new", 1, 6, "stopped"),
        ("new", 50, 50, "new"),
        ("good", 0, 2, "good"),
        ("good", 0, 3, "stopped"),
        ("good", 15, 4, "good"),
        ("good", 31, 3, "new"),
        ("good", 32, 3, "good"),
        ("good", 20, 0, "good"),
        ("stopped", 100, 0, "stopped"),
    ):
        # The rows above are plain texts to mypy.
        assert next_standing(present, Precision(right, wrong)) == after, (present, right, wrong)  # type: ignore[arg-type]
    assert not unreliable(Precision(0, 2))
    assert unreliable(Precision(0, 3))
    assert not unreliable(Precision(4, 4))
