"""The pages over HTTP: what they say in every language, whom they let in, and what they never let through."""

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
from service_kit import ACTOR, Kit, encoded, picture, running
from starlette.requests import Request

from brands.model import AuthorisedSeller, Brand
from screener.access import ROUTES
from screener.pages.details import read_sellers, write_sellers
from screener.pages.plots import HEIGHT, WIDTH, area, line
from screener.pages.rendering import CSP, asset, environment, percent
from screener.pages.texts import LANGUAGES, Texts, language_of, texts
from screener.prompts import reason_codes

TEMPLATES = sorted((Path(__file__).parent.parent / "screener" / "pages" / "templates").glob("*.html"))


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("pages"), rate_sign_in="1000/minute") as kit:
        yield kit


@pytest.fixture(autouse=True)
def nobody(kit: Kit) -> None:
    """Every test begins signed out."""
    kit.client.cookies.clear()


def sign_in(kit: Kit, scope: str, brand: Brand | None = None) -> str:
    """Signs the client in with a new key and gives the token of its forms."""
    _, key = kit.service.truth.keys.create(actor=ACTOR, scope=scope, brand_id=brand and brand.id)
    answer = kit.client.post("/app/sign-in", data={"key": key}, follow_redirects=False)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    page = kit.client.get("/app/key")
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found
    return found[1]


def forms(text: object) -> Iterator[str]:
    yield from text.values() if isinstance(text, dict) else [text]


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_language_says_everything(language: str) -> None:
    english, other = texts("en"), {name: section for name, section in texts(language).items() if name != "reasons"}
    assert {name: set(section) for name, section in other.items()} == {
        name: set(section) for name, section in english.items()
    }
    for name, section in english.items():
        for key, text in section.items():
            places = [{place for _, place, _, _ in Formatter().parse(form) if place} for form in forms(text)]
            for form in forms(other[name][key]):
                assert {place for _, place, _, _ in Formatter().parse(form) if place} in places, f"{name}.{key}"
    assert set(texts(language)["reasons"]) == set(reason_codes())


def test_templates_name_texts_that_exist_and_every_text_is_used() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES)
    named = set(re.findall(r"""\bt\(\s*["']([a-z_]+\.[a-z_]+)["']\s*[,)]""", source))
    begun = set(re.findall(r"""["']([a-z_]+\.[a-z_]*)["'](?:\s*~|\s*\) \}\})""", source))
    known = {f"{section}.{key}" for section, keys in texts("en").items() for key in keys}
    assert named <= known
    unused = {name for name in known - named if not name.startswith((*begun, "errors."))}
    assert unused == set()


@pytest.mark.parametrize(
    ("query", "cookie", "header", "language"),
    [
        ("", "", "", "en"),
        ("", "", "fr, zh-TW;q=0.8, en;q=0.5", "zh"),
        ("", "", "zh;q=0, en", "en"),
        ("", "", "zh;q=much, de", "en"),
        ("", "screener_language=zh", "en", "zh"),
        ("lang=en", "screener_language=zh", "zh", "en"),
        ("lang=xx", "", "zh", "zh"),
    ],
)
def test_language_is_the_asked_one(query: str, cookie: str, header: str, language: str) -> None:
    headers = [(b"cookie", cookie.encode()), (b"accept-language", header.encode())]
    scope = {"type": "http", "query_string": query.encode(), "headers": headers}
    assert language_of(Request(scope)) == language


def test_texts_count_and_fill() -> None:
    said = Texts("en")
    assert said("references.count", count=1) == "1 reference"
    assert said("references.count", count=1200) == "1,200 references"
    assert said.error("no_such_code", "As it is.") == "As it is."
    with pytest.raises(KeyError):
        said("references.nothing")


def test_sellers_survive_a_spreadsheet() -> None:
    sellers = (AuthorisedSeller('=HYPERLINK("x")'), AuthorisedSeller("'=quoted"), AuthorisedSeller("a, b"))
    written = write_sellers(sellers)
    assert b'\n"=' not in written and b"\n=" not in written
    assert read_sellers(written) == sellers


def test_plots_keep_inside() -> None:
    points = [tuple(map(float, point.split(","))) for point in line([0, 5, 10]).split()]
    assert points[0] == (0, HEIGHT) and points[-1][0] == WIDTH
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert area([3]).endswith(f"{WIDTH},{HEIGHT}")
    assert (percent(0), percent(0.0004), percent(0.0312), percent(1)) == ("0.0 %", "< 0.1 %", "3.1 %", "100 %")


def test_no_template_has_a_script_or_a_style_of_its_own() -> None:
    for path in TEMPLATES:
        source = path.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|\|\s*safe", source), path.name
        environment().get_template(path.name)


def test_every_page_says_what_may_be_loaded(kit: Kit) -> None:
    brand = kit.add_brand("Headers")
    sign_in(kit, "admin")
    gets = [line.removeprefix("GET ") for line in ROUTES if line.startswith("GET /app/")]
    for path in [*(path.replace("{brand_id}", brand.id) for path in gets), "/app/nothing"]:
        answer = kit.client.get(path)
        if answer.headers["content-type"].startswith("text/html"):
            assert answer.headers["content-security-policy"] == CSP, path
            assert answer.headers["cache-control"] == "private, no-store"
    assert "unsafe" not in CSP
    assert kit.client.get(asset("app.css")).headers["cache-control"].endswith("immutable")
    assert kit.client.get("/app/static/..%2Fapp.css").status_code == 404


def test_only_people_with_a_key_for_pages_come_in(kit: Kit) -> None:
    assert kit.client.get("/app/", follow_redirects=False).headers["location"] == "/app/sign-in"
    for scope, status in (("hook", 403), ("ops", 403)):
        key = kit.service.truth.keys.create(actor=ACTOR, scope=scope)[1]
        assert kit.client.post("/app/sign-in", data={"key": key}).status_code == status
    assert kit.client.post("/app/sign-in", data={"key": "lsk_wrong"}).status_code == 401
    key = kit.service.truth.keys.create(actor=ACTOR, scope="admin")[1]
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert kit.client.post("/app/sign-in", data={"key": key}, headers=elsewhere).status_code == 403
    part = kit.client.get("/app/brands", headers={"hx-request": "true"}, follow_redirects=False)
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/app/sign-in")


def test_forms_need_their_token(kit: Kit) -> None:
    token = sign_in(kit, "admin")
    assert kit.client.post("/app/brands", data={"name": "Tokenless"}).status_code == 403
    assert kit.client.post("/app/brands", data={"name": "Tokenless", "csrf": "x"}).status_code == 403
    assert kit.client.post("/app/brands", data={"name": "Tokened", "csrf": token}).status_code == 200
    names = [brand.name for brand in kit.service.truth.registry.list_brands()]
    assert "Tokened" in names and "Tokenless" not in names


def test_a_brand_sees_its_own_pages_only(kit: Kit) -> None:
    mine, other = kit.add_brand("Mine"), kit.add_brand("Not theirs to see")
    reference = kit.add_reference(other, "authentic", picture(1))
    sign_in(kit, "brand", mine)
    places = ("", "/details", "/references", "/known-fakes", "/upload", "/matches", "/matches.csv", "/coverage")
    for path in [*(f"/app/brands/{other.id}{place}" for place in places), f"/app/references/{reference.id}"]:
        answer = kit.client.get(path)
        assert answer.status_code == 404, path
        assert other.name not in answer.text
    assert kit.client.get(f"/app/references/{reference.id}/picture").status_code == 404
    assert kit.client.get(f"/app/brands/{mine.id}").status_code == 200


def test_markup_of_callers_is_text(kit: Kit) -> None:
    attack = "<script>alert(1)</script>"
    brand = kit.add_brand(f"A{attack}", sellers=(attack,), aliases=(f'"{attack}',))
    sign_in(kit, "brand", brand)
    for place in ("", "/details", "/references"):
        page = kit.client.get(f"/app/brands/{brand.id}{place}")
        assert page.status_code == 200
        assert attack not in page.text and "&lt;script&gt;" in page.text


def test_a_mistake_keeps_what_was_typed(kit: Kit) -> None:
    brand = kit.add_brand("Mistaken")
    token = sign_in(kit, "brand", brand)
    sent = {"csrf": token, "revision": "1", "name": "Mistaken", "aliases": "kept alias", "amount": "much"}
    answer = kit.client.post(f"/app/brands/{brand.id}/details", data=sent)
    assert answer.status_code == 422
    assert "kept alias" in answer.text and Texts("en").error("invalid_price", "") in answer.text
    late = kit.client.post(f"/app/brands/{brand.id}/details", data=sent | {"revision": "7", "amount": ""})
    assert late.status_code == 409


def test_files_that_are_no_list_of_sellers_are_refused(kit: Kit) -> None:
    brand = kit.add_brand("Listed", sellers=("shop-1",))
    token = sign_in(kit, "brand", brand)
    for data in (b"name\nshop-2\n", b"seller_id,surprise\nx,y\n", b"\xff\xfe", b"seller_id,valid_from\nx,tomorrow\n"):
        answer = kit.client.post(
            f"/app/brands/{brand.id}/sellers",
            data={"csrf": token, "revision": "1"},
            files={"table": ("sellers.csv", data, "text/csv")},
        )
        assert answer.status_code == 422, data
    assert kit.service.truth.registry.get_brand(brand.id).authorised_sellers == brand.authorised_sellers


def test_known_fakes_need_evidence_and_a_second_person(kit: Kit) -> None:
    brand = kit.add_brand("Faked")
    token = sign_in(kit, "brand", brand)
    sent = {"csrf": token, "kind": "known_fake", "origin": "complaint"}
    path = f"/app/brands/{brand.id}/upload"
    without = kit.client.post(path, data=sent, files={"image": ("a.png", encoded(picture(61)), "image/png")})
    assert Texts("en").error("no_evidence", "") in without.text
    with_it = {**sent, "evidence": "complaint 7", "expires": "2099-01-31"}
    kit.client.post(path, data=with_it, files={"image": ("a.png", encoded(picture(61)), "image/png")})
    (reference,) = kit.service.truth.registry.list_references(brand_id=brand.id)
    assert (reference.state, reference.approval, reference.evidence) == ("pending", "person", "complaint 7")
    assert reference.expires_at is not None
    assert kit.client.post(f"/app/references/{reference.id}/approve", data={"csrf": token}).status_code == 403
    other = sign_in(kit, "reviewer")
    kit.client.post(f"/app/references/{reference.id}/approve", data={"csrf": other})
    assert kit.service.truth.registry.get_reference(reference.id).state == "active"
    kit.client.post(f"/app/references/{reference.id}/dispute", data={"csrf": other, "reason": "shows another item"})
    assert kit.service.truth.registry.get_reference(reference.id).state == "quarantined"


def test_a_wrong_match_becomes_a_negative(kit: Kit) -> None:
    brand = kit.add_brand("Matched")
    kit.add_reference(brand, "known_fake", picture(71))
    kit.refresh()
    screened = kit.screen([encoded(picture(71))], listing_id="wrong", title="Matched 高仿").json()
    token = sign_in(kit, "brand", brand)
    page = kit.client.get(f"/app/brands/{brand.id}/matches/{screened['id']}")
    assert page.status_code == 200 and Texts("en")("matches.negative") in page.text
    added = kit.client.post(
        f"/app/brands/{brand.id}/negatives", data={"csrf": token, "screening_id": screened["id"], "image": "0"}
    )
    assert added.status_code == 200
    assert kit.service.truth.registry.list_references(brand_id=brand.id, kind="negative")
    exported = kit.client.get(f"/app/brands/{brand.id}/matches.csv")
    assert screened["id"] in exported.text
