"""What must not get in: every bad request has one exact status and code, and leaves nothing behind."""

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from service_kit import ACTOR, Kit, encoded, picture, running
from test_decode import many_scans, png_header, saved, scene

from screener import strict_json
from screener.errors import BodyRefused
from screener.screening import Submission

LISTING = {"listing_id": "L-1", "title": "A thing", "seller": {"id": "shop-1"}}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("edge"), body_bytes=3_000_000) as kit:
        yield kit


def rows(kit: Kit) -> int:
    with kit.service.truth.database.read() as connection:
        return int(connection.exec_driver_sql("select count(*) from audit").scalar_one())


def post(kit: Kit, body: bytes | Iterator[bytes], headers: dict[str, str] | None = None) -> httpx.Response:
    return kit.client.post("/v1/screenings", content=body, headers=kit.hook | JSON | (headers or {}))


def refused(response: httpx.Response, status: int, code: str, field: str | None = None) -> None:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"code", "message", "field", "request_id"}
    assert (error["code"], error["field"]) == (code, field)
    assert response.headers["x-request-id"] == error["request_id"]


def body(**changes: Any) -> bytes:
    return json.dumps(LISTING | changes).encode()


def deep(levels: int) -> bytes:
    return b'{"listing_id":' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize(
    ("data", "status", "code", "field"),
    [
        (b"", 400, "empty_body", None),
        (b"{", 400, "invalid_json", None),
        (b"\xef\xbb\xbf{}", 400, "invalid_json", None),
        (json.dumps(LISTING).encode("utf-16"), 400, "invalid_encoding", None),
        (json.dumps(LISTING).encode("utf-16-le"), 400, "invalid_json", None),
        (body(price={"amount": float("nan"), "currency": "EUR"}), 400, "invalid_json", None),
        (body(price={"amount": float("inf"), "currency": "EUR"}), 400, "invalid_json", None),
        (b'{"listing_id": "a", "price": {"amount": 1e999999999}}', 400, "invalid_json", None),
        (b'{"listing_id": ' + b"9" * 10_000 + b"}", 400, "invalid_json", None),
        (b'{"listing_id": "a", "listing_id": "b"}', 400, "duplicate_key", None),
        (b'{"seller": {"id": "a", "id": "b"}}', 400, "duplicate_key", None),
        (b'{"title": "\\ud800"}', 400, "invalid_encoding", None),
        (b'{"\\udfff": 1}', 400, "invalid_encoding", None),
        (deep(21), 400, "too_deep", None),
        (deep(100_000), 400, "too_deep", None),
        (b"[]", 422, "invalid_listing", None),
        (b"null", 422, "invalid_listing", None),
        (b"{}", 422, "invalid_listing", "listing_id"),
        (body(title="x" * 301), 422, "invalid_listing", "title"),
        (body(title=7), 422, "invalid_listing", "title"),
        (body(title="a\0b"), 422, "invalid_listing", "title"),
        (body(description="x" * 20_001), 422, "invalid_listing", "description"),
        (body(seller={"id": ""}), 422, "invalid_listing", "seller.id"),
        (body(price={"amount": -1, "currency": "EUR"}), 422, "invalid_listing", "price.amount"),
        (body(price={"amount": "12", "currency": "EUR"}), 422, "invalid_listing", "price.amount"),
        (body(price={"amount": True, "currency": "EUR"}), 422, "invalid_listing", "price.amount"),
        (body(price={"amount": 1, "currency": "euro"}), 422, "invalid_listing", "price.currency"),
        (body(revision=-1), 422, "invalid_listing", "revision"),
        (body(revision=1.5), 422, "invalid_listing", "revision"),
        (body(revision=2**70), 422, "invalid_listing", "revision"),
        (body(language="<script>"), 422, "invalid_listing", "language"),
        (body(deadline_ms=1), 422, "invalid_listing", "deadline_ms"),
        (body(secret_field_name=1), 422, "invalid_listing", None),
        (body(images=[{"data": "***"}]), 422, "invalid_base64", "images.0.data"),
        (body(images=[{"data": "YQ"}]), 422, "invalid_base64", "images.0.data"),
        (body(images=[{"url": "http://127.0.0.1/x.jpg"}]), 422, "invalid_listing", "images.0.data"),
        (body(images=[{"data": "YQ=="}] * 13), 422, "too_many_images", "images"),
    ],
)
def test_bad_json_is_refused_exactly(kit: Kit, data: bytes, status: int, code: str, field: str | None) -> None:
    before = rows(kit)
    response = post(kit, data)
    refused(response, status, code, field)
    assert "secret_field_name" not in response.text
    assert rows(kit) == before


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("text/plain", 415, "unsupported_media_type"),
        ("application/xml", 415, "unsupported_media_type"),
        ("application/json; charset=utf-16", 415, "unsupported_media_type"),
        ("", 415, "unsupported_media_type"),
        ("multipart/form-data", 400, "invalid_multipart"),
        ("multipart/form-data; boundary=x", 400, "invalid_multipart"),
    ],
)
def test_other_content_types_are_refused(kit: Kit, kind: str, status: int, code: str) -> None:
    response = post(kit, body(), {"Content-Type": kind})
    refused(response, status, code)


def test_multipart_parts_are_checked(kit: Kit) -> None:
    url, headers = "/v1/screenings", kit.hook
    listing = ("listing", (None, json.dumps(LISTING), "application/json"))
    pixel = ("image", ("a.png", encoded(picture(1)), "image/png"))
    refused(kit.client.post(url, files=[pixel], headers=headers), 400, "missing_part", "listing")
    refused(kit.client.post(url, files=[listing, listing], headers=headers), 400, "missing_part", "listing")
    refused(kit.client.post(url, files=[listing, ("other", ("x", b"x"))], headers=headers), 400, "unknown_part")
    refused(kit.client.post(url, files=[listing] + [pixel] * 13, headers=headers), 422, "too_many_images", "images")
    refused(kit.client.post(url, files=[listing] + [pixel] * 70, headers=headers), 400, "invalid_multipart")
    wrong = ("listing", (None, b"\xff\xfe{}", "application/json"))
    refused(kit.client.post(url, files=[wrong], headers=headers), 400, "invalid_json")
    half = kit.client.post(
        url, content=b'--x\r\nContent-Disposition: form-data; name="listing"\r\n\r\n{', headers=headers | {
            "Content-Type": "multipart/form-data; boundary=x"}
    )  # fmt: skip
    refused(half, 400, "missing_part", "listing")


def test_bodies_over_the_cap_are_refused_with_and_without_a_length(kit: Kit) -> None:
    big = body(description="x" * 3_000_000)
    refused(post(kit, big), 413, "body_too_large")
    refused(post(kit, iter([big[:1_000_000]] * 4)), 413, "body_too_large")


def test_oversized_urls_and_headers_are_refused(kit: Kit) -> None:
    refused(kit.client.get("/v1/screenings/" + "a" * 2048, headers=kit.hook), 414, "url_too_long")
    refused(kit.client.get("/v1/brands", headers=kit.hook | {"X-Big": "a" * 70_000}), 431, "headers_too_large")


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 201])
def test_bad_idempotency_keys_are_refused(kit: Kit, key: str) -> None:
    headers = [*httpx.Headers(kit.hook | JSON).raw, (b"idempotency-key", key.encode())]
    response = kit.client.post("/v1/screenings", content=body(), headers=headers)
    refused(response, 422, "invalid_idempotency_key", "Idempotency-Key")


def test_keys_missing_wrong_revoked_and_of_another_scope(kit: Kit) -> None:
    keys = kit.service.truth.keys
    url = "/v1/screenings"
    refused(kit.client.post(url, content=body(), headers=JSON), 401, "unauthenticated")
    refused(
        kit.client.post(url, content=body(), headers=JSON | {"Authorization": "Basic eDp5"}), 401, "unauthenticated"
    )
    refused(kit.client.post(url, content=body(), headers=JSON | {"Authorization": "Bearer lsk_x"}), 401, "invalid_key")
    key, token = keys.create(actor=ACTOR, scope="hook")
    revoked = JSON | {"Authorization": f"Bearer {token}"}
    assert kit.client.post(url, content=body(), headers=revoked).status_code == 200
    keys.revoke(actor=ACTOR, key_id=key.id)
    refused(kit.client.post(url, content=body(), headers=revoked), 401, "invalid_key")
    brand = kit.add_brand("Scoped")
    _, token = keys.create(actor=ACTOR, scope="brand", brand_id=brand.id)
    scoped = {"Authorization": f"Bearer {token}"}
    refused(kit.client.post(url, content=body(), headers=JSON | scoped), 403, "forbidden")
    refused(kit.client.get("/v1/keys", headers=scoped), 403, "forbidden")
    refused(kit.client.get("/v1/brands", headers=kit.hook), 403, "forbidden")


def test_anothers_brand_answers_like_an_unknown_one(kit: Kit) -> None:
    mine, theirs = kit.add_brand("Mine"), kit.add_brand("Theirs")
    reference = kit.add_reference(theirs, "authentic", picture(9))
    _, token = kit.service.truth.keys.create(actor=ACTOR, scope="brand", brand_id=mine.id)
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "same"}
    for path, other, unknown in [
        ("/v1/brands/{}", theirs.id, "brd_unknown"),
        ("/v1/brands/{}/references", theirs.id, "brd_unknown"),
        ("/v1/references/{}", reference.id, "ref_unknown"),
    ]:
        answers = [kit.client.get(path.format(identifier), headers=headers) for identifier in (other, unknown)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content
        refused(answers[0], 404, "not_found")
    files = {"image": ("a.png", encoded(picture(9)))}
    uploads = [
        kit.client.post(f"/v1/brands/{brand}/references", files=files, data={"kind": "logo"}, headers=headers)
        for brand in (theirs.id, "brd_unknown")
    ]
    assert uploads[0].status_code == 404
    assert uploads[0].content == uploads[1].content


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "image_empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image_format_unsupported"),
        (encoded(picture(1))[:-40], "image_damaged"),
        (encoded(picture(1, (16, 16))), "image_too_small"),
    ],
)
def test_an_unusable_upload_is_refused_and_nothing_is_stored(kit: Kit, data: bytes, code: str) -> None:
    brand = kit.add_brand(f"Upload {code}")
    before, stored = rows(kit), sorted(kit.service.truth.blobs.root.rglob("*"))
    response = kit.client.post(
        f"/v1/brands/{brand.id}/references",
        files={"image": ("photo.jpg", data, "image/jpeg")},
        data={"kind": "authentic"},
        headers=kit.admin,
    )
    refused(response, 422, code)
    assert rows(kit) == before
    assert sorted(kit.service.truth.blobs.root.rglob("*")) == stored


def test_every_unusable_picture_of_a_listing_gets_its_exact_code(kit: Kit) -> None:
    pictures = {
        "image_empty": b"",
        "image_format_unsupported": b"<!doctype html><title>photo.jpg</title>",
        "image_damaged": saved(scene(), "JPEG")[:-200],
        "image_too_small": encoded(Image.new("RGB", (1, 1))),
        "image_side_too_long": png_header(30_000, 30_000),
        "image_too_many_pixels": png_header(16_000, 16_000),
        "image_aspect_extreme": encoded(Image.new("RGB", (32, 700))),
        "image_too_many_scans": many_scans(2_000),
    }
    response = kit.screen(list(pictures.values()))
    assert response.status_code == 200
    assert [image["code"] for image in response.json()["images"]] == list(pictures)
    assert response.json()["verdict"] == "unscreenable"
    svg = kit.screen([b"<svg xmlns='http://www.w3.org/2000/svg'/>", encoded(Image.new("RGB", (1, 20_000)))])
    codes = [image["code"] for image in svg.json()["images"]]
    assert codes == ["image_format_unsupported", "image_side_too_long"]


def test_unknown_paths_and_methods_have_the_error_shape(kit: Kit) -> None:
    refused(kit.client.get("/nope"), 404, "not_found")
    refused(kit.client.delete("/v1/screenings", headers=kit.hook), 405, "method_not_allowed")
    refused(kit.client.get("/v1/nope", headers=kit.hook), 404, "not_found")


def test_a_request_id_is_taken_over_only_when_it_is_harmless(kit: Kit) -> None:
    assert kit.client.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert kit.client.get("/healthz", headers={"X-Request-Id": "a b\t"}).headers["x-request-id"].startswith("req_")


def test_too_many_waiting_are_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path, max_waiting=1) as kit:
        entered, released = threading.Event(), threading.Event()
        screen = kit.service.screener.screen

        def slow(submission: Submission) -> Any:
            entered.set()
            released.wait(30)
            return screen(submission)

        monkeypatch.setattr(kit.service.screener, "screen", slow)
        statuses: list[int] = []
        first = threading.Thread(target=lambda: statuses.append(post(kit, body()).status_code))
        first.start()
        assert entered.wait(30)
        refused(post(kit, body()), 503, "overloaded")
        released.set()
        first.join()
        assert statuses == [200]
        assert post(kit, body()).status_code == 200


def test_an_unexpected_failure_is_told_without_its_words(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("private words")

    monkeypatch.setattr(kit.service.screener, "screen", fail)
    response = post(kit, body())
    refused(response, 500, "internal_error")
    assert "private" not in response.text


def test_state_and_documentation_need_no_key(kit: Kit) -> None:
    assert kit.client.get("/healthz").json() == {"status": "ok"}
    ready = kit.client.get("/readyz").json()
    assert ready["status"] == "ready"
    assert kit.client.get("/docs").status_code == 200
    metrics = kit.client.get("/metrics").text
    assert "screener_http_requests_total" in metrics and "screener_index_age_seconds" in metrics


def test_not_ready_when_the_index_is_too_old(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(kit.service.live), "age", property(lambda _: 1000.0))
    response = kit.client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "stale")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_no_bytes_are_answered_with_a_server_error(kit: Kit, data: bytes) -> None:
    assert 400 <= post(kit, data).status_code < 500


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(
        st.sampled_from(["listing_id", "title", "seller", "price", "brand", "images", "revision", "language"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_no_json_is_answered_with_a_server_error(kit: Kit, changes: dict[str, Any]) -> None:
    assert post(kit, json.dumps(LISTING | changes).encode()).status_code < 500


@given(st.binary(max_size=200))
def test_strict_json_agrees_with_json_where_it_accepts(data: bytes) -> None:
    try:
        value = strict_json.loads(data, max_depth=20)
    except BodyRefused:
        return
    assert value == json.loads(data)


def test_the_pixel_of_the_documentation_is_a_picture(kit: Kit) -> None:
    from screener import examples
    from screener.payloads import ScreeningIn, ScreeningOut

    ScreeningIn.model_validate(examples.SCREENING)
    ScreeningOut.model_validate(examples.ANSWER)
    response = post(kit, json.dumps(examples.SCREENING).encode())
    assert response.status_code == 200
    assert set(response.json()) == set(examples.ANSWER)
    assert response.json()["images"][0]["status"] == "screened"
    assert base64.b64decode(examples.PIXEL)
