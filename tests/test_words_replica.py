"""Vocabulary of copies: said outright, hinted at, or innocent; and brands declared as none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.words import clean, is_unbranded, replica_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Norvokka 1:1 replica", "1:1 replica"),
        ("1 : 1", ""),
        ("bag, mirror quality", "mirror quality"),
        ("AAA+ bag", "AAA+"),
        ("knock-off shoes", "knock-off"),
        ("SUPER CLONE 40mm", "SUPER CLONE"),
        ("Réplica exacta", "Réplica exacta"),
        ("Top Kopie, Spiegelqualität", "Top Kopie"),
        ("réplique parfaite", "réplique parfaite"),
        ("люкс копия", "люкс копия"),
        ("高仿包", "高仿"),
        ("超A货", "超A货"),
        ("スーパーコピー", "スーパーコピー"),
        ("Ｎ級品", "Ｎ級品"),
        ("حقيبة هاي كوبي", "هاي كوبي"),
        ("레플리카", "레플리카"),
        ("high\u200b copy", "high\u200b copy"),
    ],
)
def test_said_outright(text: str, words: str) -> None:
    outright = [phrase for phrase in replica_words(text) if phrase.strength == 2]
    assert [phrase.text for phrase in outright][:1] == ([words] if words else [])
    assert all(text[phrase.start : phrase.stop] == phrase.text for phrase in outright)


@pytest.mark.parametrize(
    "text",
    ["inspired by Norvokka", "Norvokka replica", "imitación", "копия сумки", "大牌平替", "レプリカ", "Duftzwilling"],
)
def test_weak_alone(text: str) -> None:
    assert [phrase.strength for phrase in replica_words(text)] in ([1], [2])


@pytest.mark.parametrize(
    "text",
    [
        "", "replication", "aaab", "11:12 bus", "AA battery", "initiation", "AAA batteries, pack of 8",
        "4 x AAA", "uses 2 AAA (not included)", "1:1 scale model", "1:1 Maßstab", "life size bust 1:1",
        "等身大 1:1", "wall mirror with frame", "car mirror cover", "rearview mirror",
        "Replica of a Viking helmet", "Roman sword replica", "imitation leather sofa",
        "fake plants for the office", "inspired by nature", "signed copy of the book", "A4 copy paper",
        "not a replica", "no replicas, all original", "kein Imitat", "ce n'est pas une contrefaçon",
        "копия ключа", "зеркало настенное", "зеркальный фотоаппарат", "仿真花", "仿皮草", "拒绝高仿", "ミラーレス一眼",
        "コピー用紙",
        "pirate: disfraz pirata niño",
        "3 sets x 12 reps", "Gel 1:11", "AAA级 景区 门票",
    ],
)  # fmt: skip
def test_innocent_vocabulary(text: str) -> None:
    assert replica_words(text) == ()


def test_innocent_words_do_not_excuse_the_rest() -> None:
    assert [phrase.strength for phrase in replica_words("wall mirror and 1:1 replica bag")] == [2]
    assert replica_words("not authentic")[0].strength == 2


@pytest.mark.parametrize(
    "text",
    [
        "No Brand", "unbranded", "NO-BRAND", "ノーブランド", " generic ", "N/A", "ohne Marke", "sin marca",
        "sans marque", "без бренда", "无品牌", "無品牌", "بدون ماركة", "-",
    ],
)  # fmt: skip
def test_declared_unbranded(text: str) -> None:
    assert is_unbranded(text)
    assert not is_unbranded(f"{text} Norvokka")


def test_a_brand_is_not_unbranded() -> None:
    assert not is_unbranded("")
    assert not is_unbranded("Norvokka")


@given(st.text(max_size=200))
def test_any_text_is_answered(text: str) -> None:
    for phrase in replica_words(text):
        assert 0 <= phrase.start < phrase.stop <= len(text)
        assert text[phrase.start : phrase.stop] == phrase.text
    is_unbranded(text)
    assert clean(text) == clean(text).strip()
