"""Which brand a listing shows: words, looks, marks and words read in the pictures, together and against each other."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.listing import Listing
from screener.match import HINT, Match, Matches, Sighting
from screener.package_words import (
    EVERYDAY_NAME_READ,
    NAME_READ,
    NOTHING_READ,
    SURELY,
    WORD_READ,
    PackageWords,
    read_support,
    words_of,
)
from screener.preprocess import WHOLE
from screener.reading import Line
from screener.recognise import Recognition, Worded, recognise
from screener.words import Name, NameFinder
from screener.words.found import Context, How

LISTING = Listing("L", "A shoe", "shop")


def worded(brand: str, how: How = "plain", context: Context = "claim", field: str = "title") -> Worded:
    return Worded(Name(brand, brand, 0, 5, how, context), field)  # type: ignore[arg-type]  # a literal in every call


def sighting(brand: str, excess: float, use: str = "product", image: int = 0, margin: float = 0.1) -> Sighting:
    return Sighting(Match(image, 0, WHOLE, f"ref_{brand}", brand, "authentic", use, 0.7, margin), excess)


def said(
    *names: Worded, shown: Sequence[Sighting] = (), read: dict[str, float] | None = None, brand: str | None = None
) -> Recognition:
    listing = Listing("L", "A shoe", "shop", brand=brand)
    return recognise(listing, names, Matches((), tuple(shown)), {"reading": read or {}})


def test_words_alone_pictures_alone_and_both() -> None:
    assert said(worded("a")).recognised_by == ("words",)
    assert said(shown=[sighting("a", 0.1, "logo")]).recognised_by == ("pictures",)
    both = said(worded("a"), shown=[sighting("a", 0.1, "logo")])
    assert both.recognised_by == ("words", "pictures")
    assert both.confidence > max(said(worded("a")).confidence, said(shown=[sighting("a", 0.1, "logo")]).confidence)


def test_pictures_go_before_words_and_the_named_one_of_several_first() -> None:
    disagreeing = said(worded("b"), shown=[sighting("a", 0.1)])
    assert (disagreeing.brand_id, disagreeing.disagreement) == ("a", True)
    agreed = said(worded("b"), shown=[sighting("a", 0.3), sighting("b", 0.1, image=1)])
    assert (agreed.brand_id, agreed.disagreement) == ("b", False)


def test_a_mention_is_no_claim() -> None:
    assert said(worded("a", context="mention")).status == "unknown"
    assert said(worded("a", context="common")).status == "unknown"
    assert said(worded("a", context="common", field="brand")).status == "recognised"
    shown = said(worded("a", context="mention"), shown=[sighting("a", 0.1, "logo")])
    assert (shown.status, shown.mentioned) == ("recognised", True)


def test_disguised_only_if_nowhere_plain() -> None:
    assert said(worded("a", "disguised")).disguised
    assert not said(worded("a", "disguised"), worded("a")).disguised


@pytest.mark.parametrize(
    ("shown", "only"),
    [
        ([sighting("a", 0.1)], True),
        ([sighting("a", 0.1), sighting("a", 0.1, "logo")], False),
        ([sighting("a", 1.0, "copy", margin=0.6)], False),
        ([sighting("a", 0.0, "copy", margin=-0.1)], True),
    ],
)
def test_looks_alone(shown: list[Sighting], only: bool) -> None:
    found = said(shown=shown)
    assert found.by_looks_only is only
    assert found.open is only
    assert not said(worded("a"), shown=shown).by_looks_only


def test_looks_alone_do_not_overrule_the_maker_that_the_seller_names() -> None:
    assert said(shown=[sighting("a", 0.1)], brand="Somebody else").status == "unknown"
    assert said(shown=[sighting("a", 0.1)], brand="no brand").status == "recognised"
    mark = said(shown=[sighting("a", 0.1, "logo")], brand="Somebody else")
    assert (mark.status, mark.declared_differs) == ("recognised", True)


def test_no_brand_declared_is_none_and_anything_else_unknown() -> None:
    assert said(brand="unbranded").status == "none"
    assert said().status == "unknown"
    assert said(brand="Hortensia").status == "unknown"


def test_what_is_read_carries_a_weak_likeness_over_and_nothing_read_pushes_it_under() -> None:
    weak = [sighting("a", -0.2), sighting("b", 0.03, image=1)]
    assert said(shown=weak).brand_id == "b"
    read = said(shown=weak, read={"a": 0.3, "b": NOTHING_READ})
    assert (read.brand_id, read.recognised_by) == ("a", ("reading",))
    assert said(shown=weak, read={"b": NOTHING_READ}).status == "unknown"


def test_a_name_read_needs_no_likeness_but_package_words_do() -> None:
    assert said(read={"a": NAME_READ}).status == "recognised"
    assert said(read={"a": EVERYDAY_NAME_READ}).status == "unknown"
    assert NAME_READ > HINT > 2 * WORD_READ


def lines(*texts: str, confidence: float = 0.9) -> list[Line]:
    return [Line(text, confidence, WHOLE) for text in texts]


def test_words_on_the_goods_of_several_brands_count_for_each_the_less() -> None:
    packages = PackageWords([("a", lines("Barista oat drink")), ("b", lines("oat drink", "vanilla"))])
    assert packages.support(["barista"]) == {"a": 1.0}
    assert packages.support(["drink"]) == {"a": 0.5, "b": 0.5}
    assert packages.support(["shoe"]) == {}
    assert packages.brands == {"a", "b"}


@pytest.mark.parametrize(
    ("read", "known"),
    [("barista", True), ("barlsta", True), ("barsta", True), ("bariista", True), ("barlsts", False), ("vanil", False)],
)
def test_one_misread_letter_is_forgiven(read: str, known: bool) -> None:
    packages = PackageWords([("a", lines("Barista vanilla"))])
    assert bool(packages.support([read])) is known


def edits(word: str) -> set[str]:
    """Every word one letter away, and the word: the slow way."""
    letters = "abcdeé"
    found = {word}
    for n in range(len(word) + 1):
        found |= {word[:n] + c + word[n:] for c in letters}
        if n < len(word):
            found |= {word[:n] + word[n + 1 :]} | {word[:n] + c + word[n + 1 :] for c in letters}
    return found


@given(
    known=st.lists(st.text("abcde", min_size=4, max_size=9), min_size=1, max_size=6),
    read=st.text("abcde", min_size=4, max_size=9),
)
def test_misread_words_are_those_one_letter_away(known: list[str], read: str) -> None:
    packages = PackageWords((word, lines(word)) for word in known)
    near = {word for word in known if max(len(word), len(read)) >= 6 and read in edits(word)}
    assert set(packages.support([read])) == ({read} if read in known else near)


def test_names_read_in_pictures_and_lines_that_are_not_believed() -> None:
    names = NameFinder([("a", "Norvokka"), ("b", "Solanum")])
    packages = PackageWords([("b", lines("trail runner"))])
    support = read_support(names, packages, [lines("NORVOKKA sport")], ["a", "b"])
    assert support == {"a": NAME_READ, "b": NOTHING_READ}
    doubtful = lines("NORVOKKA sport", confidence=SURELY - 0.1)
    assert read_support(names, PackageWords(), [doubtful], ["a"]) == {}
    both = read_support(names, packages, [lines("Solanum trail runner")], ["b"])
    assert both == pytest.approx({"b": NAME_READ + 2 * WORD_READ})


def test_words_of_lines_are_clean_and_long_enough() -> None:
    assert words_of(lines("Café NOIR 2024", "a bc def")) == {"cafe", "noir"}
