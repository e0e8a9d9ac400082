"""Reviews, responses, matches and pictures over HTTP: the whole way of a prompt, and what a brand never sees."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image
from service_kit import ACTOR, Kit, encoded, picture, running

from brands.ids import utc_now
from brands.model import Brand
from brands.schema import audit as audit_rows
from screener.review import queue

Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Setting:
    """A service with two brands, a reviewer, and a listing that shows both."""

    kit: Kit
    brand: Brand
    other: Brand
    own: Headers
    foreign: Headers
    reviewer: Headers


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    with running(tmp_path_factory.mktemp("service"), keep_images="flagged") as kit:
        brand = kit.add_brand("Norvell", price="100")
        other = kit.add_brand("Zephyrine")
        kit.add_reference(brand, "known_fake", picture(2))
        kit.add_reference(brand, "authentic", picture(1))
        kit.add_reference(other, "authentic", picture(30))
        kit.refresh()
        keys = kit.service.truth.keys

        def key(**options: Any) -> Headers:
            return {"Authorization": f"Bearer {keys.create(actor=ACTOR, **options)[1]}"}

        yield Setting(
            kit,
            brand,
            other,
            key(scope="brand", brand_id=brand.id),
            key(scope="brand", brand_id=other.id),
            key(scope="reviewer"),
        )


def flagged(setting: Setting, listing: str, *more: bytes, title: str = "A Norvell bag") -> dict[str, Any]:
    answer: dict[str, Any] = setting.kit.screen(
        [encoded(picture(2), "JPEG", quality=80), *more],
        listing_id=listing,
        title=title,
        price={"amount": 20, "currency": "EUR"},
    ).json()
    assert answer["verdict"] == "review", answer
    assert answer["brand"]["id"] == setting.brand.id
    return answer


def actions(kit: Kit, object_id: str) -> list[str]:
    query = sa.select(audit_rows.c.action).where(audit_rows.c.object_id == object_id).order_by(audit_rows.c.sequence)
    with kit.service.truth.database.read() as conn:
        return list(conn.execute(query).scalars())


def test_the_way_of_a_prompt(setting: Setting) -> None:
    kit, client = setting.kit, setting.kit.client
    answer = flagged(setting, "way-1")
    case, path = answer["id"], f"/v1/reviews/{answer['id']}"
    listed = client.get("/v1/reviews", headers=setting.reviewer).json()["items"]
    assert case in {item["screening_id"] for item in listed}
    taken = client.post("/v1/reviews/next", json={"skip": []}, headers=setting.reviewer).json()["case"]
    assert taken["claimed_by"].startswith("key:")
    assert client.post(f"/v1/reviews/{taken['screening_id']}/claim", headers=kit.admin).status_code == 409
    assert client.post(f"/v1/reviews/{taken['screening_id']}/release", headers=setting.reviewer).status_code == 200

    shown = client.get(path, headers=setting.reviewer).json()
    assert shown["listing"]["title"] == "A Norvell bag" and shown["review"]["state"] == "open"
    title = next(text for text in shown["texts"] if text["field"] == "title")
    assert "".join(piece["text"] for piece in title["pieces"]) == "A Norvell bag"
    assert [piece["text"] for piece in title["pieces"] if piece["found"]] == ["Norvell"]
    assert [(image["position"], image["kept"]) for image in shown["pictures"]] == [(0, True)]
    assert shown["evidence"][0]["brand_name"] == "Norvell" and shown["evidence"][0]["reference_kept"]
    assert shown["evidence"][0]["precision"] == {
        "right": 0, "wrong": 0, "share": None, "lower": 0.0, "upper": 1.0
    }  # fmt: skip
    assert {feature["name"] for feature in shown["features"]} >= {"price_ratio", "fake_copy"}
    assert shown["reasons"] == answer["reasons"] and shown["seller"]["id"] == "shop-1"

    decided = client.post(
        f"{path}/decisions", json={"outcome": "counterfeit", "notes": "seams"}, headers=setting.reviewer
    )
    assert (decided.status_code, decided.json()["outcome"]) == (201, "counterfeit")
    state = client.get(f"/v1/screenings/{case}/review", headers=kit.hook).json()
    assert (state["state"], state["outcome"], state["appealed"], state["responses"]) == (
        "decided", "counterfeit", False, []
    )  # fmt: skip

    proof = client.post(
        f"/v1/screenings/{case}/responses",
        data={"kind": "proof", "text": "My receipt"},
        files=[("image", ("../../etc/passwd", encoded(picture(77)), "image/png"))],
        headers=kit.hook,
    )
    assert proof.status_code == 201, proof.text
    appeals = client.get("/v1/reviews", params={"appealed": True}, headers=setting.reviewer).json()["items"]
    assert [item["screening_id"] for item in appeals] == [case]
    attached = f"/v1/responses/{proof.json()['id']}/pictures/0"
    assert client.get(attached, headers=setting.reviewer).headers["content-type"] == "image/jpeg"
    assert client.get(attached, headers=setting.own).status_code == 403
    assert client.get(attached.replace("/0", "/1"), headers=setting.reviewer).status_code == 404

    again = client.post(f"{path}/decisions", json={"outcome": "authentic"}, headers=kit.admin)
    assert again.status_code == 201
    state = client.get(f"/v1/screenings/{case}/review", headers=kit.hook).json()
    assert (state["state"], state["outcome"]) == ("decided", "authentic")
    assert [given["kind"] for given in state["responses"]] == ["proof"]
    followed = client.get("/v1/decisions", headers=kit.hook).json()["items"]
    assert [made["outcome"] for made in followed if made["screening_id"] == case] == ["counterfeit", "authentic"]
    assert not {"notes", "created_by"} & followed[0].keys()
    fake = shown["evidence"][0]["reference_id"]
    assert client.get(f"/v1/references/{fake}/precision", headers=setting.own).json()["wrong"] == 1
    assert client.get(f"/v1/references/{fake}/precision", headers=setting.foreign).status_code == 404
    trends = client.get(f"/v1/brands/{setting.brand.id}/trends?days=2", headers=setting.own).json()
    assert trends["days"][-1]["wrong"] >= 1 and trends["precision"]["wrong"] >= 1
    assert client.get("/v1/trends", headers=setting.reviewer).json()["days"][-1]["screened"] >= 1
    assert actions(kit, case) == [
        "screening.add", "screening.look", "review.decide", "response.add", "response.picture", "review.decide"
    ] or set(actions(kit, case)) >= {"review.claim", "review.release"}  # fmt: skip


def test_bad_responses_store_nothing(setting: Setting) -> None:
    kit, client = setting.kit, setting.kit.client
    case = flagged(setting, "bad-1")["id"]
    clear = kit.screen([encoded(picture(500))], listing_id="bad-2", seller={"id": "shop-clear"}).json()["id"]
    path = f"/v1/screenings/{case}/responses"
    broken = [("image", ("a.png", encoded(picture(77))[:200], "image/png"))]
    many = [("image", ("a.png", encoded(picture(n)), "image/png")) for n in range(13)]
    for data, files, status, code in (
        ({"kind": "sold"}, None, 422, "invalid_request"),
        ({}, None, 422, "invalid_request"),
        ({"kind": "proof", "who": "me"}, None, 422, "unknown_field"),
        ({"kind": "proof", "text": "a\0b"}, None, 422, "invalid_text"),
        ({"kind": "proof"}, broken, 422, "image_damaged"),
        ({"kind": "proof"}, many, 422, "too_many_images"),
    ):
        response = client.post(path, data=data, files=files, headers=kit.hook)
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    for screening, status in ((clear, 409), ("scr_0", 404), ("scr_" + "0" * 32, 404)):
        response = client.post(f"/v1/screenings/{screening}/responses", data={"kind": "edited"}, headers=kit.hook)
        assert response.status_code == status
    assert client.get(f"/v1/screenings/{case}/review", headers=kit.hook).json()["responses"] == []
    assert client.get(f"/v1/screenings/{clear}/review", headers=kit.hook).json()["state"] is None


def test_a_brand_sees_its_matches_and_nothing_of_another(setting: Setting) -> None:
    client = setting.kit.client
    answer = flagged(setting, "both-1", encoded(picture(30)), title="A Norvell bag, better than Zephyrine")
    assert {entry["brand_id"] for entry in answer["evidence"]} == {setting.brand.id, setting.other.id}
    case = answer["id"]

    def match(headers: Headers, brand: Brand) -> Any:
        found = client.get(f"/v1/brands/{brand.id}/matches/{case}", headers=headers)
        listed = client.get(f"/v1/brands/{brand.id}/matches", headers=headers)
        assert found.status_code == listed.status_code == 200
        assert found.json() in listed.json()["items"]
        return found

    own, foreign = match(setting.own, setting.brand), match(setting.foreign, setting.other)
    body = own.json()
    assert body["recognised"] and body["probability"] == answer["probability"]
    assert len(body["pictures"]) == 2 and body["evidence"]
    assert setting.other.id not in own.text
    assert all(entry["reference_id"] not in own.text for entry in answer["evidence"]
               if entry["brand_id"] == setting.other.id)  # fmt: skip
    marked = {piece["text"] for text in body["texts"] for piece in text["pieces"] if piece["found"]}
    assert marked == {"Norvell"}
    body = foreign.json()
    assert not body["recognised"] and body["probability"] is None and body["reasons"] == []
    assert [image["position"] for image in body["pictures"]] == [1]
    assert setting.brand.id not in foreign.text
    for listed, headers in (("matches", setting.own), (f"matches/{case}", setting.own), ("matches.csv", setting.own)):
        refused = client.get(f"/v1/brands/{setting.other.id}/{listed}", headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")

    def shown(path: str, headers: Headers) -> int:
        return client.get(f"/v1/screenings/{case}/{path}", headers=headers).status_code

    for position, seen_by_other in ((0, 404), (1, 200), (2, 404)):
        assert shown(f"pictures/{position}", setting.foreign) == seen_by_other
        assert shown(f"pictures/{position}", setting.own) == (200 if position < 2 else 404)
    for number, entry in enumerate(answer["evidence"]):
        mine = entry["brand_id"] == setting.brand.id
        assert shown(f"evidence/{number}", setting.own) == (200 if mine else 404)
        assert shown(f"evidence/{number}", setting.foreign) == (404 if mine else 200)
        assert shown(f"evidence/{number}", setting.reviewer) == 200
    plain = flagged(setting, "both-2")["id"]
    for path in ("pictures/0", "evidence/0"):
        assert client.get(f"/v1/screenings/{plain}/{path}", headers=setting.foreign).status_code == 404
    assert client.get(f"/v1/brands/{setting.other.id}/matches/{plain}", headers=setting.foreign).status_code == 404


def test_pictures_are_encoded_anew(setting: Setting) -> None:
    client = setting.kit.client
    exif = Image.Exif()
    exif[0x010E] = "where the seller lives"
    data = encoded(picture(2).resize((900, 720)), "JPEG", quality=90, exif=exif, comment=b"a comment")
    case = setting.kit.screen([data], listing_id="exif-1", title="A Norvell bag").json()
    assert case["verdict"] == "review"
    path = f"/v1/screenings/{case['id']}/pictures/0"
    small = client.get(path, params={"side": 320}, headers=setting.own)
    assert small.headers["cache-control"] == "private, no-store"
    assert small.headers["x-content-type-options"] == "nosniff"
    image = Image.open(io.BytesIO(small.content))
    assert image.format == "JPEG" and image.size == (320, 256) and not image.getexif()
    assert b"seller lives" not in small.content and b"a comment" not in small.content
    for side in (63, 1601):
        assert client.get(path, params={"side": side}, headers=setting.own).status_code == 422
    assert actions(setting.kit, case["id"]).count("screening.picture") == 1
    client.get(path, headers=setting.own)  # again within the hour: the same look
    client.get(path, headers=setting.reviewer)  # somebody else's is another
    assert actions(setting.kit, case["id"]).count("screening.picture") == 2


def test_references_are_shown_to_their_brand(setting: Setting) -> None:
    client, kit = setting.kit.client, setting.kit
    reference = kit.service.truth.registry.list_references(brand_id=setting.other.id)[0]
    path = f"/v1/references/{reference.id}/picture"
    for headers, status in (
        (setting.foreign, 200), (setting.own, 404), (setting.reviewer, 200), (kit.admin, 200), (kit.hook, 403)
    ):  # fmt: skip
        assert client.get(path, headers=headers).status_code == status
    shown = client.get(path, params={"side": 64}, headers=kit.admin)
    assert Image.open(io.BytesIO(shown.content)).size == (64, 51)
    assert client.get("/v1/references/ref_0/picture", headers=kit.admin).status_code == 404
    blob = kit.service.truth.blobs.path(reference.image_sha256)
    kept = blob.read_bytes()
    blob.unlink()
    try:
        gone = client.get(path, headers=kit.admin)
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "picture_not_kept")
    finally:
        blob.write_bytes(kept)


def test_matches_are_filtered_paged_and_exported(setting: Setting) -> None:
    kit, client = setting.kit, setting.kit.client
    base = f"/v1/brands/{setting.brand.id}/matches"
    before = utc_now()
    made = [flagged(setting, f"page-{n}", title=title) for n, title in enumerate(('=HYPERLINK("x")', "-1", "Plain"))]
    clear = kit.screen(
        [encoded(picture(1))], listing_id="page-clear", title="A Norvell bag", seller={"id": "shop-clear"}
    ).json()
    assert clear["verdict"] == "clear"

    def ids(**asked: Any) -> list[str]:
        found = client.get(base, params={"since": before.isoformat(), **asked}, headers=setting.own)
        assert found.status_code == 200, found.text
        return [item["screening_id"] for item in found.json()["items"]]

    newest = [clear["id"], *(answer["id"] for answer in reversed(made))]
    assert ids() == newest
    first = client.get(base, params={"limit": 2}, headers=setting.own).json()
    assert [item["screening_id"] for item in first["items"]] == newest[:2] and first["next"] == newest[1]
    assert ids(limit=2, after=first["next"]) == newest[2:]
    assert ids(verdict="clear") == newest[:1] and ids(verdict="review") == newest[1:]
    assert ids(verdict="prompt") == [] and ids(until=before.isoformat()) == []
    assert ids(until="1960-01-01T00:00:00Z") == [] and ids(since="1960-01-01T00:00:00+01:00")[:4] == newest
    fake = next(entry for entry in made[0]["evidence"] if entry["kind"] == "known_fake")
    assert ids(reference_id=fake["reference_id"]) == newest[1:] and ids(kind="known_fake") == newest[1:]
    assert ids(kind="logo") == [] and ids(reference_id="ref_" + "0" * 32) == []
    client.post(f"/v1/reviews/{newest[1]}/decisions", json={"outcome": "unsure"}, headers=setting.reviewer)
    assert ids(outcome="unsure") == [newest[1]] and ids(outcome="unsure", verdict="prompt") == []
    assert ids(outcome="unsure", kind="known_fake", reference_id=fake["reference_id"]) == [newest[1]]
    for wrong in ({"verdict": "bad"}, {"since": "2026"}, {"limit": 0}, {"after": "x"}, {"reference_id": "\0"}):
        assert client.get(base, params=wrong, headers=setting.own).status_code == 422

    exported = client.get(f"{base}.csv", params={"since": before.isoformat()}, headers=setting.own)
    assert exported.headers["content-disposition"] == f'attachment; filename="matches-{setting.brand.id}.csv"'
    rows = list(csv.DictReader(io.StringIO(exported.content.decode("utf-8-sig"), newline="")))
    assert [row["screening_id"] for row in rows] == newest
    assert [row["title"] for row in rows[1:]] == ["Plain", "'-1", '\'=HYPERLINK("x")']
    assert (rows[1]["amount"], rows[1]["outcome"], rows[1]["recognised"]) == ("20", "unsure", "yes")
    assert actions(kit, setting.brand.id)[-1] == "matches.export"


def test_what_is_no_case_is_not_found(setting: Setting) -> None:
    client, kit = setting.kit.client, setting.kit
    clear = kit.screen([encoded(picture(501))], listing_id="none-1", seller={"id": "shop-clear"}).json()["id"]
    assert client.get(f"/v1/reviews/{clear}", headers=setting.reviewer).json()["review"] is None
    for screening in (clear, "scr_" + "0" * 32, "x"):
        for path, body in (("claim", None), ("release", None), ("decisions", {"outcome": "unsure"})):
            refused = client.post(f"/v1/reviews/{screening}/{path}", json=body, headers=setting.reviewer)
            assert refused.status_code == 404, refused.text
    for body in ({"outcome": "fake"}, {"outcome": "unsure", "notes": 1}, {"outcome": "unsure", "x": 1}, {}):
        refused = client.post(f"/v1/reviews/{clear}/decisions", json=body, headers=setting.reviewer)
        assert refused.status_code == 422


def test_what_no_database_takes_is_refused_or_finds_nothing(setting: Setting) -> None:
    client = setting.kit.client
    for strange in ("a\0b", "\ud800", "x" * 3000, "'; drop table reviews"):
        body = {"brand_id": strange, "skip": [strange]}
        taken = client.post(
            "/v1/reviews/next",
            content=json.dumps(body),
            headers=setting.reviewer | {"Content-Type": "application/json"},
        )
        assert taken.status_code in (400, 422) or taken.json() == {"case": None}
        case = flagged(setting, "odd-1")["id"]
        decided = client.post(
            f"/v1/reviews/{case}/decisions",
            content=json.dumps({"outcome": "unsure", "notes": strange}),
            headers=setting.reviewer | {"Content-Type": "application/json"},
        )
        assert decided.status_code in ((201,) if strange.isprintable() else (400, 422))
    for query in ("brand_id=%00", "brand_id=%ff", "after=%00", "after=1:nan:x", "limit=99999999999999999999"):
        assert client.get(f"/v1/reviews?{query}", headers=setting.reviewer).status_code in (200, 422)
    for path in ("/v1/reviews/%00", "/v1/screenings/%00/review", "/v1/screenings/%00/pictures/0",
                 "/v1/responses/%00/pictures/0", "/v1/references/%00/picture", "/v1/references/%00/precision",
                 "/v1/brands/%00/matches", f"/v1/brands/{setting.brand.id}/matches/%00"):  # fmt: skip
        assert client.get(path, headers=setting.kit.admin).status_code == 404, path


def test_sellers_have_a_history(setting: Setting) -> None:
    client, kit = setting.kit.client, setting.kit
    ids = [
        kit.screen(
            [encoded(picture(2), "JPEG", quality=80)],
            listing_id=f"hist-{n // 2}", revision=n, title="A Norvell bag", seller={"id": "shop-h", "sales": n},
        ).json()["id"]
        for n in range(4)
    ]  # fmt: skip
    client.post(f"/v1/reviews/{ids[0]}/decisions", json={"outcome": "counterfeit"}, headers=setting.reviewer)
    shown = client.get(f"/v1/reviews/{ids[3]}", headers=setting.reviewer).json()
    seller = shown["seller"]
    assert (seller["listings"], seller["known_fakes"], seller["verdicts"]) == (2, 2, {"review": 4})
    assert seller["outcomes"] == {"counterfeit": 1} and seller["facts"]["sales"] == 3
    assert [other["screening_id"] for other in seller["recent"]] == [ids[2], ids[1], ids[0]]
    assert [other["screening_id"] for other in shown["same_listing"]] == [ids[2]]


def test_the_queue_is_taken_in_turn(setting: Setting) -> None:
    client, kit = setting.kit.client, setting.kit
    flagged(setting, "turn-1")
    flagged(setting, "turn-2")
    first = client.post("/v1/reviews/next", json={}, headers=setting.reviewer).json()["case"]["screening_id"]
    second = client.post("/v1/reviews/next", json={}, headers=kit.admin).json()["case"]["screening_id"]
    third = client.post("/v1/reviews/next", json={"skip": [first]}, headers=setting.reviewer).json()["case"]
    assert len({first, second, third["screening_id"]}) == 3
    until = datetime.fromisoformat(third["claimed_until"])
    assert timedelta() < until - datetime.now(UTC) <= queue.LOCK
    none = client.post("/v1/reviews/next", json={"brand_id": setting.other.id}, headers=setting.reviewer)
    assert none.json() == {"case": None}


def test_reviews_from_the_command_line(setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from screener.cli import app

    case = flagged(setting, "cli-1")["id"]
    monkeypatch.setenv("SCREENER_DATA_DIR", str(setting.kit.service.truth.settings.data_dir))
    monkeypatch.delenv("SCREENER_DATABASE_URL", raising=False)

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["reviews", *arguments])
        assert done.exit_code == code, done.output
        return done.output

    assert case in {item["screening_id"] for item in json.loads(run("list", "--json", "--limit", "200"))}
    assert "A Norvell bag" in run("list", "--not-appealed")
    assert json.loads(run("show", case, "--json"))["screening_id"] == case
    assert "A Norvell bag" in run("show", case)
    assert "is decided" in run("decide", case, "authentic", "--notes", "own photos")
    assert "own photos" in run("show", case)
    run("decide", case, "fake", code=2)
    assert "error:" in run("show", "scr_0", code=1)
