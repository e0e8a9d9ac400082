"""The HTTP routes: who may do what, what an answer looks like, and that brands never see each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import StepClock
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from plain_inspector import PlainInspector, UnusableImage

from brands.auth import Access
from brands.doors import Doors
from brands.errors import RegistryError
from brands.keys import Keys
from brands.model import BrandDetails, Scope
from brands.registry import Registry
from brands.routes import brand_routers
from brands.sessions import Sessions
from screener.access import ROUTES

BRAND: dict[str, Any] = {
    "name": "Aurelia",
    "aliases": ["Aurélia", "オーレリア"],
    "wordmarks": ["AURELIA"],
    "categories": ["shoes"],
    "reference_price": {"amount": "129.90", "currency": "EUR"},
    "reference_prices": [{"category": "bags", "price": {"amount": "890.00", "currency": "EUR"}}],
    "authorised_sellers": [{"seller_id": "shop-1", "valid_from": "2025-01-01", "valid_until": None}],
}
UNKNOWN_BRAND, UNKNOWN_REFERENCE = "brd_" + "0" * 32, "ref_" + "0" * 32


class Api:
    """A client of the routes that sends the key of a scope."""

    def __init__(self, client: TestClient, registry: Registry, keys: Keys) -> None:
        self.client, self.registry, self.keys = client, registry, keys
        self.admin = self.new_key("admin")

    def new_key(self, scope: Scope, brand_id: str | None = None, **options: Any) -> str:
        return self.keys.create(actor="cli:test", scope=scope, brand_id=brand_id, **options)[1]

    def new_brand(self, name: str) -> tuple[str, str]:
        """The id of a new brand, and a key of it."""
        brand = self.registry.add_brand(actor="cli:test", details=BrandDetails(name))
        return brand.id, self.new_key("brand", brand.id)

    def ask(self, method: str, path: str, key: str | None, **options: Any) -> tuple[int, Any]:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        answer = self.client.request(method, path, headers=headers, **options)
        return answer.status_code, answer.json()

    def upload(self, brand_id: str, key: str, data: bytes = b"PIC 1", **form: Any) -> tuple[int, Any]:
        return self.ask(
            "POST",
            f"/v1/brands/{brand_id}/references",
            key,
            files={"image": ("x.jpg", data, "image/jpeg")},
            data={"kind": "logo"} | form,
        )


def _error(status: int, code: str, field: str | None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "field": field}}, status)


@pytest.fixture
def api(registry: Registry, keys: Keys, clock: StepClock) -> Iterator[Api]:
    app = FastAPI()
    sessions = Sessions(registry.database, b"s" * 32, keys)
    doors = Doors(registry, PlainInspector(), clock)
    for router in brand_routers(registry, Access(keys, sessions, ROUTES), doors):
        app.include_router(router)

    @app.exception_handler(RegistryError)
    @app.exception_handler(UnusableImage)
    def refused(_request: Request, error: Any) -> JSONResponse:
        answer = _error(error.status, error.code, error.field)
        answer.headers.update(getattr(error, "headers", {}))
        return answer

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return _error(422, "invalid", ".".join(str(step) for step in error.errors()[0]["loc"]))

    with TestClient(app) as client:
        yield Api(client, registry, keys)


NOT_FOUND = (404, {"error": {"code": "not_found", "field": None}})
FORBIDDEN = (403, {"error": {"code": "forbidden", "field": None}})


def test_a_brand_from_registration_to_update(api: Api) -> None:
    status, made = api.ask("POST", "/v1/brands", api.admin, json=BRAND)
    assert status == 201
    assert {name: made[name] for name in BRAND} == BRAND
    assert (made["state"], made["revision"]) == ("active", 1)
    assert made["created_at"].endswith("Z")
    assert api.ask("GET", f"/v1/brands/{made['id']}", api.admin) == (200, made)
    change = BRAND | {"aliases": [], "reference_price": {"amount": 49.9, "currency": "USD"}, "revision": 1}
    status, updated = api.ask("PUT", f"/v1/brands/{made['id']}", api.admin, json=change)
    assert status == 200
    assert (updated["aliases"], updated["revision"]) == ([], 2)
    assert updated["reference_price"] == {"amount": "49.9", "currency": "USD"}
    assert api.ask("PUT", f"/v1/brands/{made['id']}", api.admin, json=change) == (
        409,
        {"error": {"code": "revision_conflict", "field": "revision"}},
    )
    status, withdrawn = api.ask("POST", f"/v1/brands/{made['id']}/state", api.admin, json={"state": "withdrawn"})
    assert (status, withdrawn["state"]) == (200, "withdrawn")
    assert api.ask("POST", "/v1/brands", api.admin, json={"name": "AURELIA"})[0] == 409


def test_bodies_that_are_refused(api: Api) -> None:
    for change, field in (
        ({"name": None}, "body.name"),
        ({"name": 5}, "body.name"),
        ({"extra": 1}, "body.extra"),
        ({"id": UNKNOWN_BRAND}, "body.id"),
        ({"aliases": "x"}, "body.aliases"),
        ({"aliases": [1]}, "body.aliases.0"),
        ({"aliases": ["x"] * 201}, "body.aliases"),
        ({"aliases": ["a\0"]}, "aliases"),
        ({"reference_price": {"amount": True, "currency": "EUR"}}, "body.reference_price.amount"),
        ({"reference_price": {"amount": "9" * 41, "currency": "EUR"}}, "body.reference_price.amount"),
        ({"reference_price": {"amount": "NaN", "currency": "EUR"}}, "body.reference_price.amount"),
        ({"reference_price": {"amount": 0, "currency": "EUR"}}, "reference_price.amount"),
        ({"reference_price": {"amount": 1, "currency": "eur"}}, "reference_price.currency"),
        ({"reference_price": {"amount": 1}}, "body.reference_price.currency"),
        ({"reference_prices": {"bags": {"amount": 1, "currency": "EUR"}}}, "body.reference_prices"),
        ({"reference_prices": [{"category": "bags"}]}, "body.reference_prices.0.price"),
        (
            {"reference_prices": [{"category": "bags", "price": {"amount": 0, "currency": "EUR"}}]},
            "reference_prices.price.amount",
        ),
        ({"authorised_sellers": [{"seller_id": "s", "valid_from": 1}]}, "body.authorised_sellers.0.valid_from"),
        (
            {"authorised_sellers": [{"seller_id": "s", "valid_from": "2025-1-1"}]},
            "body.authorised_sellers.0.valid_from",
        ),
        (
            {"authorised_sellers": [{"seller_id": "s", "valid_from": "2025-01-01T00:00:00"}]},
            "body.authorised_sellers.0.valid_from",
        ),
    ):
        status, body = api.ask("POST", "/v1/brands", api.admin, json=BRAND | change)
        assert (status, body["error"]["field"]) == (422, field), change
    surrogate = b'{"name": "a\\ud800b"}'
    for content in (surrogate, b"", b"[]", b"{", b"null", b'"x"'):
        status, _ = api.ask("POST", "/v1/brands", api.admin, content=content)
        assert status == 422, content
    assert api.ask("GET", "/v1/brands", api.admin) == (200, {"items": [], "next": None})


def test_a_reference_from_upload_to_withdrawal(api: Api) -> None:
    brand_id, brand_key = api.new_brand("Aurelia")
    status, pending = api.upload(brand_id, brand_key, box="0.1,0.2,0.5,1", source="press kit", notes="a\nb")
    assert (status, pending["state"], pending["kind"]) == (201, "pending", "logo")
    assert pending["box"] == [0.1, 0.2, 0.5, 1.0]
    assert pending["image_sha256"] == hashlib.sha256(b"PIC 1").hexdigest()
    path = f"/v1/references/{pending['id']}"
    assert api.ask("GET", path, brand_key) == (200, pending)
    for state in ("active", "rejected", "pending"):
        assert api.ask("POST", f"{path}/state", brand_key, json={"state": state}) == FORBIDDEN
    status, active = api.ask("POST", f"{path}/state", api.admin, json={"state": "active", "reason": "checked"})
    assert (status, active["state"], active["state_reason"]) == (200, "active", "checked")
    assert api.upload(brand_id, brand_key, box="0.1,0.2,0.5,1") == (
        409,
        {"error": {"code": "duplicate_reference", "field": "image"}},
    )
    status, withdrawn = api.ask("POST", f"{path}/state", brand_key, json={"state": "withdrawn"})
    assert (status, withdrawn["state"]) == (200, "withdrawn")
    status, body = api.ask("POST", f"{path}/state", brand_key, json={"state": "withdrawn"})
    assert (status, body["error"]["code"]) == (409, "illegal_state")
    status, by_admin = api.upload(brand_id, api.admin, b"PIC 2", kind="negative")
    assert (status, by_admin["state"], by_admin["approval"], by_admin["box"]) == (201, "pending", "person", None)
    assert by_admin["created_by"].startswith("key:key_")


def test_uploads_that_are_refused_store_nothing(api: Api) -> None:
    brand_id, key = api.new_brand("Aurelia")
    path = f"/v1/brands/{brand_id}/references"
    assert api.upload(brand_id, key, b"<svg>") == (415, {"error": {"code": "image_format", "field": "image"}})
    forms: list[tuple[dict[str, Any], str]] = [
        ({"kind": "fake"}, "invalid"),
        ({"box": "0,0,1"}, "invalid_box"),
        ({"box": "a,b,c,d"}, "invalid_box"),
        ({"box": "0,0,nan,1"}, "invalid_box"),
        ({"box": "0,0,0,1"}, "invalid_box"),
        ({"source": "a\0b"}, "invalid_text"),
        ({"notes": "x" * 4001}, "too_long"),
        ({"state": "active"}, "unknown_field"),
    ]
    for form, code in forms:
        status, body = api.upload(brand_id, key, **form)
        assert (status, body["error"]["code"]) == (422, code), form
    picture = ("x.jpg", b"PIC", "image/jpeg")
    twice = [("image", picture), ("image", picture)]
    assert api.ask("POST", path, key, files=twice, data={"kind": "logo"})[1]["error"]["code"] == "duplicate_field"
    other = [("image", picture), ("mask", picture)]
    assert api.ask("POST", path, key, files=other, data={"kind": "logo"})[1]["error"]["code"] == "unknown_field"
    for options in (
        {"data": {"kind": "logo"}},
        {"data": {"kind": "logo", "image": "text"}},
        {"json": {"kind": "logo"}},
        {"files": {"image": picture}},
    ):
        assert api.ask("POST", path, key, **options)[0] == 422
    assert api.registry.list_references() == ()
    assert list(api.registry.blobs.root.glob("??")) == []


def test_brands_do_not_see_each_other(api: Api) -> None:
    """Another brand's objects answer byte for byte as unknown ones do, whatever is asked of them."""
    own, key = api.new_brand("Aurelia")
    other, other_key = api.new_brand("Borealis")
    _, reference = api.upload(other, other_key)
    _, mine = api.upload(own, key)
    update = {"json": BRAND | {"name": "Borealis", "revision": 9}}
    picture = {"files": {"image": ("x.jpg", b"PIC 1", "image/jpeg")}, "data": {"kind": "logo"}}
    unusable = {"files": {"image": ("x.jpg", b"<svg>", "image/jpeg")}, "data": {"kind": "logo", "box": "x"}}
    for method, path, options in (
        ("GET", "/v1/brands/{brand}", {}),
        ("PUT", "/v1/brands/{brand}", update),
        ("GET", "/v1/brands/{brand}/references", {}),
        ("GET", "/v1/brands/{brand}/references?state=active&kind=logo", {}),
        ("POST", "/v1/brands/{brand}/references", picture),
        ("POST", "/v1/brands/{brand}/references", unusable),
        ("GET", "/v1/references/{reference}", {}),
        ("POST", "/v1/references/{reference}/state", {"json": {"state": "withdrawn"}}),
        ("POST", "/v1/references/{reference}/state", {"json": {"state": "active"}}),
    ):
        answers = [
            api.client.request(method, path.format(**ids), headers={"Authorization": f"Bearer {key}"}, **options)
            for ids in (
                {"brand": other, "reference": reference["id"]},
                {"brand": UNKNOWN_BRAND, "reference": UNKNOWN_REFERENCE},
            )
        ]
        assert answers[0].status_code == 404, path
        assert answers[0].content == answers[1].content, path
        assert {**answers[0].headers} == {**answers[1].headers}, path
    assert [brand["id"] for brand in api.ask("GET", "/v1/brands", key)[1]["items"]] == [own]
    listed = api.ask("GET", f"/v1/brands/{own}/references", key)[1]["items"]
    assert [found["id"] for found in listed] == [mine["id"]]
    assert api.registry.get_reference(reference["id"]).state == "pending"
    assert len(api.registry.list_references()) == 2


def test_ids_that_cannot_be_are_not_found(api: Api) -> None:
    for text in ("%00", "brd_%00", "..%2f..", "%ff", "%F0%9F%98%80", "x" * 500):
        assert api.ask("GET", f"/v1/brands/{text}", api.admin)[0] == 404
        assert api.ask("GET", f"/v1/references/{text}", api.admin)[0] == 404
        assert api.ask("POST", f"/v1/keys/{text}/revoke", api.admin)[0] == 404
        assert api.ask("GET", f"/v1/brands?after={text}", api.admin)[0] == 422
        assert api.ask("GET", f"/v1/keys?after={text}", api.admin)[0] == 422


def test_pages_over_http(api: Api) -> None:
    brands = [api.new_brand(f"b{i}") for i in range(5)]
    for i in range(4):
        api.upload(brands[0][0], api.admin, f"PIC {i}".encode())
    for path, count in (("/v1/brands", 5), (f"/v1/brands/{brands[0][0]}/references", 4), ("/v1/keys", 6)):
        ids: list[str] = []
        after = ""
        while True:
            status, page = api.ask("GET", f"{path}?limit=2{after}", api.admin)
            assert status == 200
            ids += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert len(ids) == count
        assert ids == sorted(set(ids))
        for limit in ("0", "501", "x"):
            assert api.ask("GET", f"{path}?limit={limit}", api.admin)[0] == 422
    own_id, key = brands[2]
    assert api.ask("GET", f"/v1/brands?limit=1&after={own_id}", key) == (200, {"items": [], "next": None})


def test_keys_over_http(api: Api) -> None:
    brand_id, _ = api.new_brand("Aurelia")
    body = {"scope": "brand", "brand_id": brand_id, "label": "team", "expires_at": "2030-01-01T00:00:00+02:00"}
    status, made = api.ask("POST", "/v1/keys", api.admin, json=body)
    assert status == 201
    assert made["key"]["expires_at"] == "2029-12-31T22:00:00Z"
    assert api.ask("GET", f"/v1/brands/{brand_id}", made["plaintext"])[0] == 200
    listing = api.client.get("/v1/keys", headers={"Authorization": f"Bearer {api.admin}"})
    assert made["key"]["id"] in listing.text
    assert made["plaintext"] not in listing.text
    assert api.ask("POST", f"/v1/keys/{made['key']['id']}/revoke", api.admin)[0] == 200
    assert api.ask("GET", f"/v1/brands/{brand_id}", made["plaintext"])[0] == 401
    for change in (
        {"scope": "root"},
        {"scope": "hook"},
        {"expires_at": "2030-01-01T00:00:00"},
        {"expires_at": 4102444800},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"brand_id": UNKNOWN_BRAND},
        {"label": "x" * 201},
        {"plaintext": "lsk_mine"},
    ):
        assert api.ask("POST", "/v1/keys", api.admin, json=body | change)[0] == 422, change


def test_the_documentation_has_examples_that_validate(api: Api) -> None:
    """Every request body's example is accepted as it is printed."""
    schemas = api.client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["BrandBody"]["examples"]
    status, made = api.ask("POST", "/v1/brands", api.admin, json=schemas["BrandBody"]["examples"][0])
    assert status == 201
    path = f"/v1/brands/{made['id']}"
    assert api.ask("PUT", path, api.admin, json=schemas["BrandUpdate"]["examples"][0])[0] == 200
    assert api.ask("POST", f"{path}/state", api.admin, json=schemas["BrandStateChange"]["examples"][0])[0] == 200
    assert api.ask("POST", "/v1/keys", api.admin, json=schemas["KeyBody"]["examples"][0])[0] == 201
    _, reference = api.upload(made["id"], api.new_key("brand", made["id"]))
    change = schemas["ReferenceStateChange"]["examples"][0]
    assert api.ask("POST", f"/v1/references/{reference['id']}/state", api.admin, json=change)[0] == 200
    for name, value in (("BrandOut", made), ("ReferenceOut", reference)):
        assert schemas[name]["examples"][0].keys() == value.keys()
