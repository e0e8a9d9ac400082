"""Names in words: found however they are written, told apart by context, and at their place in the original text."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screener.words import Name, NameFinder, clean
from screener.words.letters import fold
from screener.words.registered import Registered
from screener.words.spelling import spell, spell_name

FINDER = NameFinder(
    [
        ("norvokka", "Norvokka"),
        ("vellmar", "Vellmar & Sons"),
        ("ostrevia", "Остревия"),
        ("zhuoma", "卓玛岭"),
        ("kana", "ソラナム"),
        ("zafir", "زفيرون"),
        ("apc", "A.P.C."),
        ("three", "3M"),
        ("tiki", "Tiki Loa"),
        ("cafe", "Café Noir"),
        ("apple", "Apple"),
        ("mini", "Mini"),
        ("puma", "Puma"),
        ("xiaomi", "小米"),
        ("gucci", "Gucci"),
        ("nike", "Nike"),
        ("lee", "Lee"),
        ("leecooper", "Lee Cooper"),
    ],
    {"apple": frozenset({"electronics"}), "puma": frozenset({"shoes"})},
)


def found(text: str, category: str | None = None) -> list[tuple[str, str, str, str]]:
    """Brand, how, context and the words themselves, in the order of the answer."""
    return [(n.brand_id, n.how, n.context, text[n.start : n.stop]) for n in FINDER.find(text, category=category)]


@pytest.mark.parametrize(
    ("text", "brand", "words"),
    [
        ("NORVOKKA trail shoe", "norvokka", "NORVOKKA"),
        ("shoe by Ｎｏｒｖｏｋｋａ", "norvokka", "Ｎｏｒｖｏｋｋａ"),
        ("Nórvokka", "norvokka", "Nórvokka"),
        ("No\u0301rvokka", "norvokka", "No\u0301rvokka"),
        ("new Norvokka® boots", "norvokka", "Norvokka"),
        ("Norvokkas for men", "norvokka", "Norvokka"),
        ("Norvokka's best", "norvokka", "Norvokka"),
        ("Norvokka_official", "norvokka", "Norvokka"),
        ("norvokkaoutlet", "norvokka", "norvokka"),
        ("#norvokka2024", "norvokka", "norvokka"),
        ("BuyNorvokkaShoes", "norvokka", "Norvokka"),
        ("Norvokkaschuhe Gr. 42", "norvokka", "Norvokka"),
        ("Vellmar and Sons coat", "vellmar", "Vellmar and Sons"),
        ("vellmar sons coat", "vellmar", "vellmar sons"),
        ("пальто ОСТРЕВИЯ новое", "ostrevia", "ОСТРЕВИЯ"),
        ("全新卓玛岭运动鞋", "zhuoma", "卓玛岭"),
        ("全新卓瑪嶺運動鞋", "zhuoma", "卓瑪嶺"),
        ("新品ソラナムのバッグ", "kana", "ソラナム"),
        ("新品ｿﾗﾅﾑ", "kana", "ｿﾗﾅﾑ"),
        ("عطر زفـيرون", "zafir", "زفـيرون"),
        ("A.P.C. jeans", "apc", "A.P.C"),
        ("APC jeans", "apc", "APC"),
        ("3M tape", "three", "3M"),
        ("tiki-loa board", "tiki", "tiki-loa"),
        ("TikiLoa board", "tiki", "TikiLoa"),
        ("cafe noir cup", "cafe", "cafe noir"),
        ("Lee Cooper jeans", "leecooper", "Lee Cooper"),
    ],
)
def test_plain_names(text: str, brand: str, words: str) -> None:
    assert found(text) == [(brand, "plain", "claim", words)]


@pytest.mark.parametrize(
    "words",
    [
        "N0rvokka", "N0RV0KKA", "n o r v o k k a", "N-o-r-v-o-k-k-a", "n.o.r.v.o.k.k.a", "Nоrvоkkа", "Nor\u200bvokka",
        "Nor\u00advokka", "Nor\u202cvokka", "N0r vokka", "Nor vokka", "Nοrvokka", "Norrvokka", "Norvokkkaa",
        "Norvoka", "N*rvokka", "Norv●kka", "Norv()kka", "|\\|orvokka", "Nor\\/okka", "𝐍𝐨𝐫𝐯𝐨𝐤𝐤𝐚", "🅽🅾🆁🆅🅾🅺🅺🅰",
        "ɴᴏʀᴠᴏᴋᴋᴀ", "Norv@kk@", "N̶o̶r̶v̶o̶k̶k̶a̶",
    ],
)  # fmt: skip
def test_disguised_names(words: str) -> None:
    text = f"new {words} shoe"
    if words == "Norv@kk@":
        assert found(text) == []  # "@" stands for a, not for o
        return
    assert [(brand, how, context) for brand, how, context, _ in found(text)] == [("norvokka", "disguised", "claim")]
    assert found(text)[0][3].strip("\u0336") == words.strip("\u0336")


@pytest.mark.parametrize(
    ("text", "brand", "words"),
    [
        ("кроссовки Норвокка", "norvokka", "Норвокка"),
        ("кроссовки Норвокки", "norvokka", "Норвокки"),
        ("ノルヴォッカ スニーカー", "norvokka", "ノルヴォッカ"),
        ("حذاء نورفوكا", "norvokka", "نورفوكا"),
        ("Ostrevia coat", "ostrevia", "Ostrevia"),
        ("zhuo ma ling shoes", "zhuoma", "zhuo ma ling"),
        ("Zhuomaling shoes", "zhuoma", "Zhuomaling"),
        ("Soranamu bag", "kana", "Soranamu"),
        ("Solanam bag", "kana", "Solanam"),
        ("Zafirun oud", "zafir", "Zafirun"),
    ],
)
def test_transliterated_names(text: str, brand: str, words: str) -> None:
    assert found(text) == [(brand, "transliterated", "claim", words)]


def test_chinese_signs_of_the_same_sound_are_a_disguise() -> None:
    assert found("卓马岭 外套") == [("zhuoma", "disguised", "claim", "卓马岭")]


@pytest.mark.parametrize(
    "text",
    [
        "", "novel about a shoe", "anorvokka", "3 m of tape", "size S M L XL XXL", "1:1 scale", "tiki bar",
        "part L33 shelf", "leer", "nikel plated", "gu can ci", "$$$", "\u202e", "N", "a\u200b",
    ],
)  # fmt: skip
def test_other_words(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "case for Norvokka", "Hülle passend für Norvokka", "compatible with Norvokka",
        "pouch, fits Norvokka headphones", "coque pour Norvokka", "funda para Norvokka", "чехол для Norvokka",
        "适用Norvokka鞋带", "Norvokka用 ケース", "Norvokka-style boots", "norvokkastyle boots", "not Norvokka",
        "for Gucci, Nike and Norvokka", "filtre pour aspirateur Norvokka", "كفر متوافق مع Norvokka",
        "boots like Norvokka", "Norvokka同款",
    ],
)  # fmt: skip
def test_mentions(text: str) -> None:
    contexts = {context for brand, _, context, _ in found(text)}
    assert contexts == {"mention"}


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("Apple juice 1 l", "common"),
        ("Apple iPhone 12", "claim"),
        ("by Apple", "claim"),
        ("Brand: Apple", "claim"),
        ("apple®", "claim"),
        ("Apple", "claim"),
        ("red apple", "common"),
        ("selling an Apple, boxed and charged well", "claim"),
        ("mini skirt", "common"),
        ("puma figurine", "common"),
        ("Puma suede sneakers", "claim"),
        ("小米粥", "common"),
        ("小米手机", "claim"),
        ("App1e", "claim"),
    ],
)
def test_everyday_words(text: str, context: str) -> None:
    assert [c for _, _, c, _ in found(text)] == [context]


def test_category_speaks_for_and_against_an_everyday_word() -> None:
    assert found("apple, size 7", "electronics/computers")[0][2] == "claim"
    assert found("puma", "shoes")[0][2] == "claim"
    assert found("a puma, in bronze", "garden")[0][2] == "common"


def test_best_occurrence_of_each_brand_comes_first() -> None:
    text = "strap for Nike; gucci; N1ke; Nike"
    assert found(text) == [
        ("gucci", "plain", "claim", "gucci"),
        ("nike", "plain", "claim", "Nike"),
        ("nike", "plain", "mention", "Nike"),
        ("nike", "disguised", "claim", "N1ke"),
    ]


def test_a_longer_name_covers_a_shorter_one_inside() -> None:
    assert [name.brand_id for name in FINDER.find("Lee Cooper jacket")] == ["leecooper"]


def test_reading_pictures_tolerates_one_letter() -> None:
    def read(*lines: str) -> list[str]:
        return [name.brand_id for name in FINDER.read(lines)]

    assert read("NORVQKKA") == ["norvokka"]
    assert read("N0RVOKKA") == ["norvokka"]
    assert read("NORVOKK") == ["norvokka"]
    assert read("NORVAXKA") == []
    assert read("TIKI", "LOA") == ["tiki"]
    assert read("xleex") == []
    assert read("LEE") == ["lee"]
    assert {name.how for name in FINDER.read(["N0RVQKKA NORVOKKA"])} == {"plain"}
    lines = ["SIZE 42", "NORVQKKA"]
    (name,) = FINDER.read(lines)
    assert "\n".join(lines)[name.start : name.stop] == "NORVQKKA"


def test_threads_share_a_finder() -> None:
    texts = ["Norvokka", "N0rvokka", "apple juice", "кроссовки Норвокка"] * 20
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(FINDER.find, texts)) == [FINDER.find(text) for text in texts]


@given(st.text(max_size=200))
def test_any_text_is_answered_within_itself(text: str) -> None:
    for name in (*FINDER.find(text), *FINDER.read(text.split("\n"))):
        assert isinstance(name, Name)
        assert 0 <= name.start < name.stop <= len(text)
    assert clean(clean(text)) == clean(text)


_TROUBLE = "aAeIl1!|0oOs$5@#*.-_' \n\u200b\u00ad\u202eаеоСіｱァｶﾞß™®ée\u0301𝐍ⓝ🅽苹果小米نيk&"


@given(st.text(alphabet=st.sampled_from(_TROUBLE + "norvkagucciNIKE"), max_size=80))
def test_twisted_text_is_answered_within_itself(text: str) -> None:
    for name in (*FINDER.find(text), *FINDER.read([text])):
        assert 0 <= name.start < name.stop <= len(text)
        assert text[name.start].strip() and text[name.stop - 1].strip()


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=12), st.text(max_size=20))
def test_a_registered_name_between_spaces_is_found(name: str, around: str) -> None:
    finder = NameFinder([("brand", name)])
    text = f"{around} xx {name} xx {around}"
    start = len(around) + 4
    assert (start, start + len(name)) in {(n.start, n.stop) for n in finder.find(text) if n.how == "plain"}


@given(st.data())
def test_zero_width_characters_never_hide_a_name(data: st.DataObject) -> None:
    letters = "Norvokka"
    hidden = "".join(letter + "\u200b" * data.draw(st.integers(0, 2)) for letter in letters)
    text = f"new {hidden} shoe"
    (name,) = FINDER.find(text)
    assert name.brand_id == "norvokka"
    assert name.start == 4
    assert text[name.start : name.stop].replace("\u200b", "") == letters


@given(
    st.lists(st.text(alphabet="abeil", min_size=2, max_size=5), min_size=1, max_size=6, unique=True),
    st.lists(st.text(alphabet="abeil", min_size=1, max_size=5), max_size=12),
)
def test_plain_names_are_those_of_a_slow_search(names: list[str], words: list[str]) -> None:
    """Every name that stands as a whole word, and no other, is found plain."""
    finder = NameFinder([(name, name) for name in names])
    text = " ".join(words)
    plain = {(n.brand_id, n.start) for n in finder.find(text) if n.how == "plain" and text[n.start : n.stop] == n.name}
    expected, start = set(), 0
    for word in words:
        if word in names:
            expected.add((word, start))
        start += len(word) + 1
    covered = {(name, at) for name, at in expected if (name, at) not in plain}
    spans = [(n.start, n.stop) for n in finder.find(text)]
    assert plain <= expected
    assert all(any(first <= at and at + len(name) <= last for first, last in spans) for name, at in covered)


@settings(max_examples=300)
@given(st.text(alphabet=st.one_of(st.sampled_from(_TROUBLE), st.characters()), max_size=10))
def test_spelling_one_name_is_spelling_a_text(name: str) -> None:
    assert spell_name(name) == spell(name)


@given(st.lists(st.text(max_size=8).map(lambda text: " ".join(text.split())), max_size=8))
def test_names_spelled_together_are_spelled_alone(names: list[str]) -> None:
    registered = Registered((str(at), name) for at, name in enumerate(names))
    for entry in registered.entries:
        key = spell(entry.spelling).key
        assert any(number_of(registered, number).spelling == entry.spelling for number in keyed(registered, key))


def keyed(registered: Registered, key: str) -> list[int]:
    """The entries of a whole key."""
    hits = registered.by_key.iter(key)
    return [n for start, last, value in hits if last + 1 - start == len(key) for n in registered.by_key.numbers(value)]


def number_of(registered: Registered, number: int) -> "object":
    return registered.entries[number]


@given(st.text(max_size=50))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert clean(text) == clean(clean(text))
    assert fold("").strip() == ""
