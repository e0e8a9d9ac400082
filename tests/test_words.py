"""Names in words: found plain, found disguised, and not found where they are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.words import Name, WordMatcher, clean, is_unbranded, replica_words

MATCHER = WordMatcher(
    [
        ("norvell", "Norvell"),
        ("norvell", "Норвелл"),
        ("norvell", "诺维尔"),
        ("apc", "A.P.C."),
        ("three", "3M"),
        ("tiki", "Tiki Loa"),
        ("cafe", "Café Noir"),
        ("kana", "ソラナム"),
    ]
)


@pytest.mark.parametrize(
    ("text", "brand"),
    [
        ("NORVELL trail shoe", "norvell"),
        ("shoe by Ｎｏｒｖｅｌｌ", "norvell"),
        ("Nórvell", "norvell"),
        ("кроссовки НОРВЕЛЛ новые", "norvell"),
        ("全新诺维尔运动鞋", "norvell"),
        ("A.P.C. jeans", "apc"),
        ("3M tape", "three"),
        ("tiki-loa board", "tiki"),
        ("cafe noir cup", "cafe"),
        ("新品ソラナムのバッグ", "kana"),
    ],
)
def test_plain_names(text: str, brand: str) -> None:
    assert MATCHER.find(text) == (Name(brand, disguised=False),)


@pytest.mark.parametrize(
    "text",
    [
        "N0rvell", "N0RVE11", "n o r v e l l", "N-o-r-v-e-l-l", "n.o.r.v.e.l.l", "Nоrvеll", "Nor\u200bvell",
        "Nor\u00advell", "\u202eNor\u202cvell", "Norve!l", "N0r vell", "Nοrvell",
    ],
)  # fmt: skip
def test_disguised_names(text: str) -> None:
    assert MATCHER.find(f"new {text} shoe") == (Name("norvell", disguised=True),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "novel about a shoe",
        "norvells",
        "anorvell",
        "3 m of tape",
        "size S M L XL XXL",
        "1:1 scale",
        "tiki bar",
        "pouch, fits Norvell headphones",
        "case for Norvell",
        "Hülle passend für Norvell",
        "compatible with Norvell",
    ],
)
def test_innocent_words(text: str) -> None:
    assert MATCHER.find(text) == ()


@pytest.mark.parametrize(
    "text",
    ["Norvell replica", "1:1 quality", "1 : 1", "AAA+ bag", "高仿包", "Réplica exacta", "スーパーコピー", "knock-off"],
)
def test_replica_vocabulary(text: str) -> None:
    assert replica_words(text) is (text != "1 : 1")


@pytest.mark.parametrize("text", ["replication", "aaab", "11:12 bus", "AA battery", "initiation"])
def test_innocent_vocabulary(text: str) -> None:
    assert not replica_words(text)


@pytest.mark.parametrize("text", ["No Brand", "unbranded", "NO-BRAND", "ノーブランド", " generic "])
def test_declared_unbranded(text: str) -> None:
    assert is_unbranded(text)
    assert not is_unbranded(f"{text} Norvell")


@given(st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    assert {name.brand_id for name in MATCHER.find(text)} <= {"norvell", "apc", "three", "tiki", "cafe", "kana"}
    assert clean(text) == clean(text).casefold().strip()


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=12), st.text(max_size=20))
def test_a_registered_name_is_found_as_it_stands(name: str, around: str) -> None:
    matcher = WordMatcher([("brand", name)])
    assert Name("brand", disguised=False) in matcher.find(f"x {name} x")
    matcher.find(f"{around}{name}{around}")
