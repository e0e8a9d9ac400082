"""Odd and hostile listings get a verdict with the right codes: never an error, never a crash, never clear unseen."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_kit import Kit, encoded, picture, running

from screener.payloads import MAX_COUNT, MAX_DESCRIPTION, MAX_TITLE, ScreeningOut

PICTURE = encoded(picture(1))
OTHER = encoded(picture(60))


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with running(tmp_path_factory.mktemp("service")) as kit:
        brand = kit.add_brand("Norvell", price="100", aliases=("Норвелл", "诺维尔", "نورفيل"), categories=("shoes",))
        kit.add_reference(brand, "authentic", picture(1))
        kit.add_brand("Solanum")
        kit.refresh()
        yield kit


def screened(kit: Kit, images: list[bytes], **fields: Any) -> dict[str, Any]:
    response = kit.screen(images, **fields)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    ScreeningOut.model_validate(body)
    return body


def checks(body: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["reason"] for check in body["checks"] if check["status"] == "skipped"}


@pytest.mark.parametrize("title", ["", " ", "\u200b\u200b", "\u202e", "🙂🙂", "…", "\ufffd", "A" * MAX_TITLE])
def test_titles_that_say_nothing(kit: Kit, title: str) -> None:
    body = screened(kit, [OTHER], title=title)
    assert body["verdict"] == "clear"
    assert body["brand"]["status"] == "unknown"
    assert body["words"] == []


def test_pictures_without_words_and_words_without_pictures(kit: Kit) -> None:
    pictures = screened(kit, [PICTURE], title="")
    assert pictures["brand"]["recognised_by"] == ["pictures"]
    assert checks(pictures)["words"] == "no_words"
    words = screened(kit, [], title="Norvell shoe")
    assert words["verdict"] == "unscreenable"
    assert words["brand"]["recognised_by"] == ["words"]
    assert checks(words)["pictures"] == checks(words)["reading"] == "no_pictures"
    nothing = screened(kit, [], title="")
    assert (nothing["verdict"], nothing["brand"]["status"]) == ("unscreenable", "unknown")


@pytest.mark.parametrize(
    "filler", ["lorem ", "я", "鞋", "n0rvel ", "a.b.c.", "\u200b", "1:1 replica ", "🧿", "Norvell ", "((((", "\n"]
)
def test_descriptions_of_twenty_thousand_letters(kit: Kit, filler: str) -> None:
    description = (filler * MAX_DESCRIPTION)[: MAX_DESCRIPTION - 8] + " Norvell"
    body = screened(kit, [OTHER], description=description, deadline_ms=20_000)
    assert body["verdict"] in ("clear", "prompt", "review")
    assert len(body["words"]) <= 20
    for word in body["words"]:
        assert 0 <= word["start"] < word["stop"] <= len(description)


@pytest.mark.parametrize(
    "title",
    [
        "Nоrvell shoe",
        "\u202eshoe llevroN\u202c Norvell",
        "حذاء نورفيل جديد",
        "全新诺维尔 shoe Норвелл",
        "Norvell🙂shoe",
    ],
)
def test_mixed_scripts_and_directions_keep_the_name(kit: Kit, title: str) -> None:
    body = screened(kit, [OTHER], title=title)
    assert body["brand"]["name"] == "Norvell"
    place = next(word for word in body["words"] if word["kind"] == "name")
    assert 0 <= place["start"] < place["stop"] <= len(title)


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ({"amount": 0, "currency": "EUR"}, None),
        ({"amount": 1e9, "currency": "EUR"}, None),
        ({"amount": 0.000001, "currency": "EUR"}, None),
        ({"amount": 50, "currency": "XTS"}, "other_currency"),
        (None, "no_price"),
    ],
    ids=str,
)
def test_prices(kit: Kit, price: dict[str, Any] | None, reason: str | None) -> None:
    body = screened(kit, [PICTURE], title="Norvell", price=price)
    assert checks(body).get("price") == reason
    cheap = "price_far_below_reference" in {r["code"] for r in body["reasons"]}
    assert cheap == (price is not None and reason is None and price["amount"] < 1)


def test_a_brand_field_that_contradicts_everything(kit: Kit) -> None:
    body = screened(kit, [PICTURE], title="Norvell shoe", brand="Solanum")
    assert body["brand"]["name"] == "Norvell"
    assert "declared_brand_differs" in {reason["code"] for reason in body["reasons"]}
    for brand in ("", "\u202e", "1" * 200, "no brand", "Hortensia"):
        assert screened(kit, [PICTURE], title="Norvell shoe", brand=brand)["brand"]["name"] == "Norvell"


def test_facts_of_the_seller_at_their_ends(kit: Kit) -> None:
    for facts in (
        {"registered_on": "0001-01-01", "sales": MAX_COUNT, "upheld_reports": MAX_COUNT, "linked": ["s"] * 100},
        {"registered_on": "9999-12-31", "sales": 0, "upheld_reports": 0, "linked": ["shop-1"]},
    ):
        body = screened(kit, [PICTURE], seller={"id": "shop-1", **facts}, complaints=MAX_COUNT)
        assert 0 <= body["probability"] <= 1


@pytest.mark.parametrize(
    "facts",
    [
        {"registered_on": "yesterday"}, {"registered_on": 0}, {"registered_on": "2026-02-30"}, {"sales": -1},
        {"sales": 1.5}, {"sales": True}, {"upheld_reports": 10**10}, {"linked": [""]}, {"linked": ["s"] * 101},
    ],
)  # fmt: skip
def test_facts_that_are_none_are_refused_by_field(kit: Kit, facts: dict[str, Any]) -> None:
    response = kit.screen([], seller={"id": "s", **facts})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_listing")
    assert response.json()["error"]["field"].startswith("seller.")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=MAX_TITLE),
    description=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=500),
    brand=st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50),
)
def test_any_words_are_answered(kit: Kit, title: str, description: str, brand: str | None) -> None:
    body = screened(kit, [], title=title, description=description, brand=brand)
    assert body["verdict"] != "clear"
    texts = {"title": title, "description": description, "brand": brand or ""}
    for word in body["words"]:
        assert 0 <= word["start"] < word["stop"] <= len(texts[word["field"]])


def test_a_word_that_is_name_and_wordmark_is_shown_once(kit: Kit) -> None:
    kit.add_brand("Quillon", wordmarks=("QUILLON",))
    kit.refresh()
    words = screened(kit, [], title="Quillon pen, a Quillon")["words"]
    assert [(word["start"], word["stop"]) for word in words if word["kind"] == "name"] == [(0, 7), (15, 22)]
