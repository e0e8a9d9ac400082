"""A listing through the whole service: what is found, what is said, and what is kept."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service_kit import Kit, encoded, picture, running
from tiny_bundle import WINDOWS, make_tiny_bundle

from brands import audit
from screener.payloads import ScreeningOut


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("service")) as kit:
        brand = kit.add_brand("Norvell", price="100", sellers=("official-shop",), aliases=("Норвелл", "诺维尔"))
        kit.add_reference(brand, "authentic", picture(1))
        kit.add_reference(brand, "known_fake", picture(2))
        kit.add_reference(brand, "negative", picture(3))
        kit.add_reference(kit.add_brand("Solanum"), "authentic", picture(4))
        kit.refresh()
        yield kit


def answer(kit: Kit, images: list[bytes], **fields: Any) -> dict[str, Any]:
    response = kit.screen(images, **fields)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    ScreeningOut.model_validate(body)
    return body


def codes(body: dict[str, Any]) -> set[str]:
    return {reason["code"] for reason in body["reasons"]}


def test_a_copy_of_a_known_fake_goes_to_review(kit: Kit) -> None:
    edited = encoded(picture(2).resize((300, 240)), "JPEG", quality=60)
    body = answer(kit, [edited], title="Trainers")
    assert body["verdict"] == "review"
    assert body["calibrated_on"] == "simulation"
    assert body["hint"] == "hold"
    assert body["brand"]["status"] == "recognised"
    assert body["brand"]["recognised_by"] == ["pictures"]
    assert "known_fake_copy" in codes(body)
    (copy,) = [match for match in body["evidence"] if match["use"] == "copy"]
    assert (copy["kind"], copy["box"]) == ("known_fake", [0, 0, 1, 1])
    assert body["prompt"]["language"] == "en"


@pytest.mark.parametrize("beside", [1, 3])
def test_another_picture_does_not_hide_the_copy_of_a_known_fake(kit: Kit, beside: int) -> None:
    """Neither the official photo nor a negative in the same listing makes a fake's picture harmless."""
    fake = encoded(picture(2).resize((300, 240)), "JPEG", quality=60)
    for images in ([fake, encoded(picture(beside))], [encoded(picture(beside)), fake]):
        body = answer(kit, images, title="Trainers")
        assert "known_fake_copy" in codes(body)
        assert "negative_match" not in codes(body)
        assert body["verdict"] == "review"


@pytest.mark.parametrize("name", ["Norvell", "Solanum"])
def test_of_several_brands_in_the_pictures_the_named_one_is_taken(kit: Kit, name: str) -> None:
    body = answer(kit, [encoded(picture(4)), encoded(picture(1))], title=f"{name} shoe")
    assert body["brand"]["name"] == name
    assert body["brand"]["recognised_by"] == ["words", "pictures"]


def test_the_same_file_needs_no_cosine(kit: Kit) -> None:
    body = answer(kit, [encoded(picture(2))])
    assert body["evidence"][0]["score"] == 1.0


def test_an_honest_reseller_with_the_official_photo_is_left_alone(kit: Kit) -> None:
    body = answer(kit, [encoded(picture(1))], title="Norvell trail", price={"amount": 80, "currency": "EUR"})
    assert body["verdict"] == "clear"
    assert "official_photo" in codes(body)
    assert body["prompt"] is None


def test_an_official_photo_at_a_tenth_of_the_price_with_replica_words_is_prompted(kit: Kit) -> None:
    body = answer(kit, [encoded(picture(1))], title="Norvell 1:1", price={"amount": 10, "currency": "EUR"})
    assert body["verdict"] == "review"
    assert {"replica_words", "price_far_below_reference"} <= codes(body)
    skipped = {check["name"]: check["reason"] for check in body["checks"] if check["status"] == "skipped"}
    assert skipped == {"reading": "not_needed"}


def test_an_authorised_seller_is_clear(kit: Kit) -> None:
    body = answer(
        kit,
        [encoded(picture(1))],
        title="Norvell",
        seller={"id": "official-shop"},
        price={"amount": 10, "currency": "EUR"},
    )
    assert body["verdict"] == "clear"
    assert "seller_authorised" in codes(body)


@pytest.mark.parametrize(
    "title", ["N0rvell shoe", "N o r v e l l shoe", "Nоrvеll shoe", "Nor\u200bvell shoe", "诺维尔 运动鞋"]
)
def test_names_are_found_plain_and_disguised(kit: Kit, title: str) -> None:
    body = answer(kit, [encoded(picture(50))], title=title)
    assert body["brand"]["name"] == "Norvell"
    assert ("disguised_brand_name" in codes(body)) == ("诺" not in title)


def test_a_listing_of_no_registered_brand_is_unknown_not_the_nearest(kit: Kit) -> None:
    body = answer(kit, [encoded(picture(60))], title="Garden chair", brand="Hortensia")
    assert body["brand"] == {
        "status": "unknown", "id": None, "name": None, "recognised_by": [], "confidence": 0.0, "looks_only": False
    }  # fmt: skip
    assert "brand_unknown" in codes(body)
    assert body["verdict"] == "clear"


def test_declared_unbranded_is_none(kit: Kit) -> None:
    assert answer(kit, [encoded(picture(60))], brand="No brand")["brand"]["status"] == "none"


def test_words_and_pictures_that_name_different_brands_disagree(kit: Kit) -> None:
    body = answer(kit, [encoded(picture(4))], title="Norvell shoe")
    assert body["brand"]["name"] == "Solanum"
    assert "brand_disagreement" in codes(body)


def test_a_better_negative_match_lifts_the_suspicion(kit: Kit) -> None:
    body = answer(kit, [encoded(picture(3))])
    assert body["brand"]["status"] == "unknown"
    assert "negative_match" in codes(body)


def test_without_pictures_nothing_is_clear(kit: Kit) -> None:
    body = answer(kit, [])
    assert body["verdict"] == "unscreenable"
    assert "no_pictures" in codes(body)
    assert {"name": "pictures", "status": "skipped", "reason": "no_pictures"} in body["checks"]


def test_an_unusable_picture_gets_its_code_and_the_rest_is_screened(kit: Kit) -> None:
    body = answer(kit, [b"<svg/>", encoded(picture(61)), encoded(picture(1))[:-50]])
    assert [image["status"] for image in body["images"]] == ["unusable", "screened", "unusable"]
    assert [image["code"] for image in body["images"]] == ["image_format_unsupported", None, "image_damaged"]
    assert body["verdict"] == "unscreenable"
    assert body["rescreen"] is False
    assert answer(kit, [b"", encoded(picture(2))])["verdict"] == "review"


def test_what_did_not_fit_the_deadline_is_named(kit: Kit) -> None:
    large = encoded(picture(70).resize((3000, 3000)))
    body = answer(kit, [large] * 1 + [encoded(picture(71).resize((2500, 2500)))], deadline_ms=50)
    assert body["rescreen"] is True
    assert body["verdict"] == "unscreenable"
    assert any(image["status"] == "skipped" and image["code"] == "deadline" for image in body["images"])
    assert "picture_skipped" in codes(body)


def test_json_with_base64_gives_the_same_as_multipart(kit: Kit) -> None:
    data = encoded(picture(2))
    listing = {"listing_id": "L-1", "title": "A thing", "seller": {"id": "shop-1"}}
    body = listing | {"images": [{"data": base64.b64encode(data).decode()}]}
    response = kit.client.post("/v1/screenings", json=body, headers=kit.hook)
    other = answer(kit, [data])
    volatile = {"id", "created_at", "timings_ms"}
    assert {k: v for k, v in response.json().items() if k not in volatile} == {
        k: v for k, v in other.items() if k not in volatile
    }


@pytest.mark.parametrize("language", ["en", "zh", "es", "de", "fr", "ja"])
def test_the_prompt_speaks_the_sellers_language(kit: Kit, language: str) -> None:
    prompt = answer(kit, [encoded(picture(2))], language=language)["prompt"]
    assert prompt["language"] == language
    assert prompt["title"] and prompt["body"] and prompt["actions"]


def test_the_answer_can_be_read_again(kit: Kit) -> None:
    body = answer(kit, [encoded(picture(2))])
    assert kit.client.get(f"/v1/screenings/{body['id']}", headers=kit.hook).json() == body
    missing = kit.client.get("/v1/screenings/scr_nope", headers=kit.hook)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


def test_the_same_idempotency_key_gives_the_same_answer_whatever_the_encoding(kit: Kit) -> None:
    data = encoded(picture(80))
    header = {"Idempotency-Key": "once"}
    first = kit.screen([data], headers=header)
    listing = {"listing_id": "L-1", "title": "A thing", "seller": {"id": "shop-1"}}
    again = kit.client.post(
        "/v1/screenings",
        content=json.dumps(listing | {"images": [{"data": base64.b64encode(data).decode()}]}),
        headers=kit.hook | header | {"Content-Type": "application/json"},
    )
    assert again.json() == first.json()
    other = kit.screen([data], headers=header, title="Another thing")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")


def test_simultaneous_repeats_get_one_answer(kit: Kit) -> None:
    data = [encoded(picture(81))]
    answers: list[str] = []

    def send() -> None:
        answers.append(kit.screen(data, headers={"Idempotency-Key": "race"}).json()["id"])

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1


def test_only_pictures_of_flagged_listings_are_kept(kit: Kit) -> None:
    clear, flagged = encoded(picture(90)), encoded(picture(2).resize((150, 120)))
    hashes = [answer(kit, [data])["images"][0]["sha256"] for data in (clear, flagged)]
    assert [kit.service.truth.blobs.exists(sha256) for sha256 in hashes] == [False, True]


def test_a_known_picture_is_not_decoded_again(kit: Kit) -> None:
    data = [encoded(picture(91))]
    first, second = answer(kit, data), answer(kit, data)
    assert first["timings_ms"]["decode"] > 0 == second["timings_ms"]["decode"]
    assert first["evidence"] == second["evidence"]


def test_a_new_and_a_withdrawn_reference_count_while_requests_go_on(kit: Kit) -> None:
    data = [encoded(picture(95))]
    assert answer(kit, data)["brand"]["status"] == "unknown"
    failures: list[int] = []
    stop = threading.Event()

    def publish() -> None:
        while not stop.is_set():
            status = kit.screen(data).status_code
            if status != 200:
                failures.append(status)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        brand = kit.add_brand("Quillon")
        reference = kit.add_reference(brand, "known_fake", picture(95))
        wait_for(lambda: answer(kit, data)["brand"]["name"] == "Quillon")
        kit.service.truth.registry.set_reference_state(
            actor="cli:test", reference_id=reference.id, state="withdrawn", reason="test"
        )
        wait_for(lambda: answer(kit, data)["brand"]["status"] == "unknown")
    finally:
        stop.set()
        thread.join()
    assert failures == []


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, "the change did not count in time"


def test_every_screening_has_its_audit_row(kit: Kit) -> None:
    body = answer(kit, [encoded(picture(2))])
    with kit.service.truth.database.read() as connection:
        assert audit.verify(connection).ok
        row = connection.exec_driver_sql("select action, object_id from audit order by sequence desc limit 1").one()
    assert tuple(row) == ("screening.add", body["id"])


def test_the_service_starts_again_from_its_snapshot(tmp_path: Path) -> None:
    with running(tmp_path) as kit:
        kit.add_reference(kit.add_brand("Norvell"), "known_fake", picture(2))
        kit.refresh()
        release = kit.client.get("/readyz").json()["release"]
    with running(tmp_path) as kit:
        assert kit.client.get("/readyz").json()["release"] == release
        assert answer(kit, [encoded(picture(2))])["verdict"] == "review"
        folder = tmp_path / "var" / "index" / kit.client.get("/readyz").json()["snapshot"]
    (folder / "vectors.npy").write_bytes(b"garbage")
    with running(tmp_path) as kit:
        assert kit.client.get("/readyz").json()["release"] == release
        assert answer(kit, [encoded(picture(2))])["verdict"] == "review"


def test_a_window_finds_what_is_a_quarter_of_the_picture(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path / "bundle", dense=WINDOWS)
    with running(tmp_path) as kit:
        kit.add_reference(kit.add_brand("Norvell"), "known_fake", picture(2, (128, 128)))
        kit.refresh()
        for corner, found in (((0, 0), True), ((128, 0), False)):  # windows at the right look for marks only
            collage = picture(60, (256, 256))
            collage.paste(picture(2, (128, 128)), corner)
            for body in (answer(kit, [encoded(collage)]), answer(kit, [encoded(collage)])):  # new, then known
                assert ("known_fake_copy" in codes(body)) == found
                boxes = [match["box"] for match in body["evidence"] if match["use"] == "copy"]
                assert boxes == ([[0, 0, 0.5, 0.5]] if found else [])


def test_on_postgresql_too(empty_database_url: str, tmp_path: Path) -> None:
    with running(tmp_path, database_url=empty_database_url) as kit:
        brand = kit.add_brand("Norvell", price="100")
        kit.add_reference(brand, "known_fake", picture(2))
        kit.refresh()
        body = answer(kit, [encoded(picture(2))], headers={"Idempotency-Key": "a"})
        assert body["verdict"] == "review"
        assert answer(kit, [encoded(picture(2))], headers={"Idempotency-Key": "a"}) == body
        assert kit.client.get(f"/v1/screenings/{body['id']}", headers=kit.hook).json() == body
        with kit.service.truth.database.read() as connection:
            assert audit.verify(connection).ok
