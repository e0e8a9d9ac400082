"""Governance over HTTP: previews among recent listings, negatives, coverage, standings, notices, shared known fakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from service_kit import ACTOR, Kit, encoded, picture, running

from brands.ids import utc_now
from brands.model import Brand
from screener.governance.recent import SETTLED

Headers = dict[str, str]


@pytest.fixture
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("governance"), keep_images="all", refresh_seconds=60) as made:
        yield made


def key(kit: Kit, scope: Any, brand: Brand | None = None) -> Headers:
    made = kit.service.truth.keys.create(actor=ACTOR, scope=scope, brand_id=brand.id if brand else None)
    return {"Authorization": f"Bearer {made[1]}"}


def upload(kit: Kit, brand: Brand, headers: Headers, seed: int, path: str = "", **form: str) -> Any:
    files = {"image": ("x.png", encoded(picture(seed)), "image/png")}
    data = {"kind": "authentic"} | form
    return kit.client.post(f"/v1/brands/{brand.id}/references{path}", headers=headers, files=files, data=data)


def test_a_preview_shows_the_listings_that_would_match(kit: Kit) -> None:
    brand, other = kit.add_brand("Aurelia"), kit.add_brand("Borealis")
    kit.add_reference(other, "known_fake", picture(1))
    kit.refresh()
    first = kit.screen([encoded(picture(9)), encoded(picture(1))], listing_id="L-1").json()
    second = kit.screen([encoded(picture(2))], listing_id="L-2").json()
    kit.service.recent.append_new(utc_now() + 2 * SETTLED)
    mine = key(kit, "brand", brand)
    shown = upload(kit, brand, mine, 2, "/preview").json()
    assert (shown["width"], shown["height"]) == (200, 160)
    impact = shown["impact"]
    assert impact["passed"]
    assert impact["recent"] == {"pictures": 3, "matched": 1, "prompted": 0, "own": 0, "other": 0, "none": 1}
    (sample,) = impact["samples"]
    assert (sample["screening_id"], sample["image"], sample["score"]) == (second["id"], 0, 1.0)
    assert sample["picture"].startswith("/9j/")  # a JPEG, made anew
    impact = upload(kit, brand, mine, 1, "/preview").json()["impact"]
    assert (impact["passed"], impact["blocking"], impact["rivals"]) == (False, ["other_brand"], [])
    assert (impact["samples"], impact["hidden"], impact["recent"]["other"]) == ([], 1, 1)
    assert other.id not in json.dumps(impact)
    (sample,) = upload(kit, brand, key(kit, "reviewer"), 1, "/preview").json()["impact"]["samples"]
    assert (sample["screening_id"], sample["image"], sample["brand"]) == (first["id"], 1, "other")
    assert sample["prompted"]
    assert kit.service.truth.registry.list_references(brand_id=brand.id) == ()


def test_an_impact_is_looked_at_again_and_the_look_is_logged(kit: Kit) -> None:
    brand = kit.add_brand("Aurelia")
    mine, reviewer = key(kit, "brand", brand), key(kit, "reviewer")
    reference = upload(kit, brand, mine, 2).json()
    assert (reference["state"], reference["approval"]) == ("pending", "person")
    path = f"/v1/references/{reference['id']}"
    assert kit.client.get(f"{path}/impact", headers=mine).json()["recent"]["matched"] == 0
    kit.screen([encoded(picture(2))])
    kit.service.recent.append_new(utc_now() + 2 * SETTLED)
    impact = kit.client.get(f"{path}/impact", headers=reviewer).json()
    assert impact["recent"]["matched"] == 1
    with kit.service.truth.database.read() as connection:
        import sqlalchemy as sa

        rows = connection.execute(sa.text("SELECT actor FROM audit WHERE action = 'reference.impact'")).scalars()
        assert len(set(rows)) == 2
    waiting = kit.client.get("/v1/approvals", headers=reviewer).json()["items"]
    assert [one["id"] for one in waiting] == [reference["id"]]
    assert kit.client.post(f"{path}/approve", headers=reviewer, json={}).json()["state"] == "active"
    kit.refresh()
    assert kit.screen([encoded(picture(2))], listing_id="L-2").json()["evidence"][0]["reference_id"] == reference["id"]
    again = kit.client.post(f"{path}/approve", headers=reviewer, json={})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "illegal_state")


def test_a_new_reference_knows_of_one_that_is_not_served_yet(kit: Kit) -> None:
    """Two brands upload alike pictures before the index was built again."""
    brand, other = kit.add_brand("Aurelia"), kit.add_brand("Borealis")
    first = upload(kit, brand, key(kit, "brand", brand), 3).json()
    assert first["approval"] == "person"
    image = picture(3)
    image.putpixel((0, 0), (1, 2, 3))  # another file
    files = {"image": ("x.png", encoded(image), "image/png")}
    second = kit.client.post(
        f"/v1/brands/{other.id}/references",
        headers=key(kit, "brand", other),
        files=files,
        data={"kind": "authentic"},
    ).json()
    assert second["approval"] == "admin"


def test_a_wrong_match_becomes_a_negative_in_one_call(kit: Kit) -> None:
    brand, other = kit.add_brand("Aurelia"), kit.add_brand("Borealis")
    kit.add_reference(brand, "known_fake", picture(4))
    kit.refresh()
    answer = kit.screen([encoded(picture(4))]).json()
    assert answer["brand"]["id"] == brand.id
    body = {"screening_id": answer["id"], "image": 0, "notes": "another maker's"}
    path = f"/v1/brands/{brand.id}/negatives"
    made = kit.client.post(path, headers=key(kit, "brand", brand), json=body)
    assert made.status_code == 201
    negative = made.json()
    assert (negative["kind"], negative["state"], negative["approval"]) == ("negative", "pending", "person")
    assert negative["evidence"] == answer["id"]
    hidden = kit.client.post(f"/v1/brands/{other.id}/negatives", headers=key(kit, "brand", other), json=body)
    assert (hidden.status_code, hidden.json()["error"]["code"]) == (404, "not_found")
    odd = kit.client.post(path, headers=kit.admin, json=body | {"image": 5})
    assert (odd.status_code, odd.json()["error"]["code"]) == (422, "no_such_picture")
    kit.client.post(f"/v1/references/{negative['id']}/approve", headers=kit.admin, json={})
    kit.refresh()
    after = kit.screen([encoded(picture(4))], listing_id="L-2").json()
    assert "negative" in {entry["kind"] for entry in after["evidence"]}
    assert after["probability"] < answer["probability"]


def test_coverage_tells_what_lacks(kit: Kit) -> None:
    brand = kit.add_brand("Aurelia", categories=("shoes", "bags"))
    mine = key(kit, "brand", brand)
    path = f"/v1/brands/{brand.id}/coverage"
    empty = kit.client.get(path, headers=mine).json()
    assert (empty["score"], empty["lacking"]) == (0, ["kind:authentic", "kind:logo", "kind:known_fake"])
    for seed in (1, 2):
        kit.add_reference(brand, "authentic", picture(seed))
    kit.add_reference(brand, "logo", picture(3))
    kit.refresh()
    for number in range(6):
        kit.screen([encoded(picture(1))], listing_id=f"S-{number}", title="Aurelia", category="shoes")
        kit.screen([encoded(picture(50 + number))], listing_id=f"B-{number}", title="Aurelia", category="bags")
    found = kit.client.get(path, headers=mine).json()
    assert found["kinds"] == {"authentic": 2, "logo": 1}
    assert sum(found["products"]) == 2
    assert found["parts"]["kinds"] == 0.8
    categories = {one["category"]: (one["listings"], one["matched"]) for one in found["categories"]}
    assert categories["shoes"] == (6, 6)
    assert categories["bags"][0] == 6
    assert {"kind:known_fake", "angles"} <= set(found["lacking"])
    assert ("category:bags" in found["lacking"]) == (categories["bags"][1] < 3)
    assert 0 < found["score"] < 100


def test_standings_and_notices(kit: Kit) -> None:
    brand = kit.add_brand("Aurelia")
    mine, reviewer = key(kit, "brand", brand), key(kit, "reviewer")
    path = f"/v1/brands/{brand.id}"
    assert kit.client.get(f"{path}/standing", headers=mine).json()["standing"] == "new"
    change = {"standing": "stopped", "reason": "complaints"}
    for headers in (mine, reviewer):
        assert kit.client.post(f"{path}/standing", headers=headers, json=change).status_code == 403
    assert kit.client.post(f"{path}/standing", headers=kit.admin, json=change).json()["standing"] == "stopped"
    told = kit.client.get(f"{path}/notices", headers=mine).json()
    assert (told["unread"], [one["code"] for one in told["items"]]) == (1, ["standing_stopped"])
    assert told["items"][0]["details"]["reason"] == "complaints"
    assert kit.client.post(f"{path}/notices/read", headers=mine, json={}).json() == {"read": 1}
    assert kit.client.get(f"{path}/notices?unread=true", headers=mine).json()["items"] == []
    own = kit.client.get("/v1/notices", headers=reviewer).json()
    assert [one["code"] for one in own["items"]] == ["standing_stopped"]
    assert kit.client.post("/v1/notices/read", headers=kit.admin, json={"ids": [own["items"][0]["id"]]}).json() == {
        "read": 1
    }
    stranger = key(kit, "brand", kit.add_brand("Borealis"))
    for hidden in ("standing", "notices", "coverage"):
        assert kit.client.get(f"{path}/{hidden}", headers=stranger).status_code == 404


def test_known_fakes_travel_as_descriptions(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> None:
    """They match in another deployment, by vector and by hash, without their picture ever being there."""
    brand = kit.add_brand("Aurelia")
    for seed in (1, 2):
        kit.add_reference(brand, "known_fake", picture(seed, (400, 320)))
    kit.refresh()
    export = kit.client.get(f"/v1/brands/{brand.id}/known-fakes/descriptors", headers=kit.admin)
    document = export.json()
    assert len(document["entries"]) == 2
    assert "image" not in document["entries"][0]
    with running(tmp_path_factory.mktemp("elsewhere"), refresh_seconds=60) as there:
        twin = there.add_brand("Aurelia")
        path = f"/v1/brands/{twin.id}/known-fakes/descriptors"
        added = there.client.post(path, headers=there.admin, json=document)
        assert added.status_code == 201
        items = added.json()["items"]
        assert {(one["state"], one["approval"], one["origin"]) for one in items} == {
            ("pending", "person", "descriptor")
        }
        assert there.client.post(path, headers=there.admin, json=document).json() == {"items": []}
        for one in items:
            mine = there.client.post(f"/v1/references/{one['id']}/approve", headers=there.admin, json={})
            assert (mine.status_code, mine.json()["error"]["code"]) == (403, "second_person_needed")
            approve = {"headers": key(there, "reviewer"), "json": {}}
            assert there.client.post(f"/v1/references/{one['id']}/approve", **approve).json()["state"] == "active"
        there.refresh()
        assert list(there.service.truth.blobs.root.glob("??")) == []
        seen = there.screen([encoded(picture(1, (400, 320)), "JPEG", quality=80)]).json()
        assert seen["verdict"] == "review"
        assert {entry["method"] for entry in seen["evidence"]} <= {"vector", "pdq"}
        assert seen["evidence"][0]["reference_id"] in {one["id"] for one in items}
        again = there.client.get(path, headers=there.admin).json()
        assert again["entries"] == document["entries"]
        for change, code in (
            ({"encoder": "enc_other"}, "encoder_differs"),
            ({"format": 2}, "invalid_descriptors"),
            ({"entries": [{}]}, "invalid_descriptors"),
            ({"entries": [document["entries"][0] | {"whole": "AAAA"}]}, "invalid_descriptors"),
            ({"entries": [document["entries"][0] | {"pdq": "AAAA"}]}, "invalid_descriptors"),
            ({"entries": [document["entries"][0] | {"sha256": "x"}]}, "invalid_descriptors"),
        ):
            refused = there.client.post(path, headers=there.admin, json=document | change)
            assert (refused.status_code, refused.json()["error"]["code"]) == (422, code), change


def test_a_complaint_a_file_and_an_end(kit: Kit) -> None:
    brand = kit.add_brand("Aurelia")
    mine, reviewer = key(kit, "brand", brand), key(kit, "reviewer")
    end = (utc_now() + timedelta(days=90)).isoformat()
    added = upload(kit, brand, mine, 5, kind="known_fake", origin="complaint", evidence="C-17", expires_at=end).json()
    assert (added["origin"], added["evidence"], added["approval"]) == ("complaint", "C-17", "person")
    assert added["expires_at"].startswith(end[:10])
    for form, code in (
        ({"origin": "complaint"}, "no_evidence"),
        ({"origin": "descriptor"}, "invalid_origin"),
        ({"expires_at": "tomorrow"}, "invalid_period"),
        ({"expires_at": "2030-01-01T00:00:00"}, "invalid_period"),
    ):
        refused = upload(kit, brand, mine, 6, **({"kind": "known_fake"} | form))
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, code), form
    path = f"/v1/references/{added['id']}"
    assert kit.client.post(f"{path}/approve", headers=reviewer, json={}).json()["state"] == "active"
    assert kit.client.post(f"{path}/dispute", headers=mine, json={"reason": "ours"}).json()["state"] == "quarantined"
    assert kit.client.post(f"{path}/state", headers=mine, json={"state": "active"}).status_code == 403
    body = {"state": "rejected", "reason": "it is"}
    assert kit.client.post(f"{path}/state", headers=reviewer, json=body).json()["state"] == "rejected"
