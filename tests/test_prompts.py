"""The seller's texts: every language has every text, none tells how the next fake gets through."""

import re
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import screener.prompts as prompts
from screener.prompts import GENERIC, TOPICS, languages, negotiate, reason_codes, reason_message, seller_prompt

TEXTS = tomllib.loads((Path(prompts.__file__).parent / "prompts.toml").read_text(encoding="utf-8"))
LANGUAGES = ("en", "zh", "es", "de", "fr", "ja")
CODES = [
    "known_fake_copy",
    "known_fake_look",
    "official_photo",
    "price_far_below_reference",
    "replica_words",
    "disguised_brand_name",
    "brand_disagreement",
    "brand_unknown",
    "seller_authorised",
    "negative_match",
    "no_pictures",
    "picture_unusable",
    "picture_skipped",
    "mark_covered",
    "declared_brand_differs",
    "brand_recognised",
    "looks_only",
    "mentioned_only",
    "price_as_usual",
    "seller_new",
    "seller_established",
    "seller_upheld_reports",
    "seller_no_reports",
    "seller_known_fakes",
    "linked_sellers",
    "buyer_complaints",
    "no_complaints",
    "photos_reused",
    "photos_own",
    "few_pictures",
    "many_pictures",
    "pictures_blurred",
    "pictures_sharp",
    "trust_not_earned",
    "other_details",
]
MAIN_REASONS = [[code] for members in TOPICS.values() for code in sorted(members)] + [[]]


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield path, node
    else:
        for key, child in node.items():
            yield from leaves(child, f"{path}.{key}")


def test_every_language_has_every_text_and_the_same_placeholders() -> None:
    assert languages() == LANGUAGES
    english = dict(leaves(TEXTS["languages"]["en"]))
    assert set(TEXTS["languages"]["en"]["why"]) == {*TOPICS, GENERIC}
    for language in LANGUAGES:
        texts = dict(leaves(TEXTS["languages"][language]))
        assert texts.keys() == english.keys()
        for key, text in texts.items():
            fields = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
            assert fields == (["brand"] if key == ".body" else []), (language, key)
            assert text == text.strip() and text


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_of_the_language_s_own_letters_and_length(language: str) -> None:
    share = 3 if language in ("zh", "ja") else 1
    han = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
    for key, text in leaves(TEXTS["languages"][language]):
        if key == ".a_brand":
            continue
        assert 6 <= len(text) <= 170 // share + 20, (key, len(text))
        assert bool(han.search(text)) == (language in ("zh", "ja"))
        assert text[-1] in ("。" if language in ("zh", "ja") else ".") or key == ".title"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("verdict", ["prompt", "review"])
@pytest.mark.parametrize("reasons", MAIN_REASONS, ids=str)
def test_no_text_teaches_evasion(language: str, verdict: str, reasons: list[str]) -> None:
    prompt = seller_prompt(verdict, reasons, "Norvokka", language)
    assert prompt is not None and prompt.language == language
    whole = " ".join((prompt.title, prompt.body, *prompt.actions))
    assert not re.search(r"[0-9%{}]", whole)
    assert not any(code in whole for code in CODES)
    forbidden = (
        r"score|threshold|probab|similarit|algorithm|\bAI\b|reference|database|first (photo|picture)|keyword|"
        r"puntuaci|umbral|algoritmo|Schwell|Wahrscheinlich|Algorithm|seuil|algorithme|阈值|概率|算法|得分|スコア|閾値|確率"
    )
    assert not re.search(forbidden, whole, re.IGNORECASE)
    assert prompt.body.count("Norvokka") == 1 and len(prompt.actions) == 4
    assert len(set(prompt.actions)) == 4


def test_the_verdict_is_only_ever_a_may_be() -> None:
    words = {"en": "may be", "zh": "可能", "es": "podría", "de": "könnte", "fr": "peut-être", "ja": "可能性"}
    for language, word in words.items():
        prompt = seller_prompt("review", ["known_fake_copy"], None, language)
        assert prompt is not None and word in prompt.title


def test_only_prompt_and_review_speak_to_the_seller() -> None:
    assert seller_prompt("clear", ["seller_authorised"], "X", "en") is None
    assert seller_prompt("unscreenable", ["no_pictures"], "X", "en") is None


def test_the_gravest_reason_decides_the_text() -> None:
    why = TEXTS["languages"]["en"]["why"]
    for reasons, topic in [
        (["official_photo", "known_fake_look"], "known_fake"),
        (["price_far_below_reference", "replica_words"], "words"),
        (["official_photo", "price_far_below_reference"], "price"),
        (["official_photo", "seller_authorised"], "picture"),
        (["brand_disagreement", "official_photo"], "disagreement"),
        (["picture_unusable"], "generic"),
        (["a_code_of_the_future"], "generic"),
    ]:
        prompt = seller_prompt("prompt", reasons, "X", "en")
        assert prompt is not None and why[topic] in prompt.body


def test_review_says_that_a_person_looks() -> None:
    for language in LANGUAGES:
        alone, looked_at = (seller_prompt(verdict, [], "X", language) for verdict in ("prompt", "review"))
        assert alone is not None and looked_at is not None and alone.body != looked_at.body


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("de-CH", "de"),
        ("zh-Hans", "zh"),
        ("zh_TW", "zh"),
        ("JA", "ja"),
        ("fr-CA-x-private", "fr"),
        (" es ", "es"),
        ("pt-BR", "en"),
        ("", "en"),
        (None, "en"),
        ("deutsch", "en"),
        ("-", "en"),
    ],
)
def test_language_negotiation(asked: str | None, spoken: str) -> None:
    assert negotiate(asked) == spoken


def test_without_a_name_the_text_still_reads() -> None:
    for language in LANGUAGES:
        for nameless in (None, "", " \u200b\n"):
            prompt = seller_prompt("prompt", [], nameless, language)
            assert prompt is not None and TEXTS["languages"][language]["a_brand"] in prompt.body


def test_a_brand_s_name_is_plain_text_of_one_line() -> None:
    prompt = seller_prompt("prompt", [], "Evil\u202e {brand}\r\n<b>Name</b>\x00 " + "x" * 500, "en")
    assert prompt is not None
    assert "Evil brand bName/b xxx" in prompt.body and "…" in prompt.body
    assert len(prompt.body) < 400


@given(st.text(), st.text(), st.lists(st.text()), st.sampled_from(["prompt", "review"]))
def test_any_name_and_language_give_a_text(name: str, language: str, reasons: list[str], verdict: str) -> None:
    prompt = seller_prompt(verdict, reasons, name, language)
    assert prompt is not None
    assert prompt.body.isprintable()
    assert not set("<>{}\n\r\x00") & set(prompt.body)
    prompt.body.encode()


def test_the_record_is_that_of_the_contract() -> None:
    prompt = seller_prompt("prompt", [], "X", "en")
    assert prompt is not None
    assert list(prompt.record()) == ["language", "title", "body", "actions"]
    assert prompt.record()["actions"] == list(prompt.actions)


def test_every_reason_code_has_a_sentence() -> None:
    assert list(reason_codes()) == CODES
    for code in CODES:
        assert re.fullmatch(r"[A-Z][^.]{15,110}\.", reason_message(code))
    with pytest.raises(KeyError):
        reason_message("nonsense")
