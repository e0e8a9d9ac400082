"""The classifier of buyers' texts: what it must tell apart, its figures on sentences it never saw, and its files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.errors import ClassifierRefused
from screener.signals import claims
from screener.signals.about import TextReader, brand_of, product_in
from screener.signals.classify import FOLDER, MANIFEST, WEIGHTS, classifier, load
from screener.signals.language import LANGUAGES, guess
from screener.signals.lexicon import find
from screener.signals.wording import reading_of
from screener.words import NameFinder

SUSPECTS = (
    "this is a fake",
    "not original, stitching is off, no serial number",
    "假货",
    "高仿",
    "偽物でした",
    "Es ist eine Fälschung",
    "C'est une contrefaçon",
    "es falso",
    "è un falso",
    "é falsificado",
    "это подделка",
    "to podróbka",
    "bu sahte",
    "هذا مقلد",
    "짝퉁이에요",
    "I was told it is original, but it is a fake.",
)
DOES_NOT = (
    "fake leather as described",
    "fake fur, so warm",
    "I thought it might be fake but it is 100 % genuine",
    "not fake",
    "realistic fake flowers",
    "replica model kit of a ship",
    "returned because too small",
    "不是假货",
    "偽物ではありません",
    "짝퉁 아니에요",
    "Keine Fälschung",
    "Ce n'est pas une contrefaçon",
    "no es falso",
    "non è un falso",
    "não é falsificado",
    "это не подделка",
    "to nie jest podróbka",
    "sahte değil",
    "ليس مقلد",
    "The fake tracking number was annoying",
    "",
    "👍",
)


@pytest.mark.parametrize("text", SUSPECTS)
def test_a_suspicion_is_seen(text: str) -> None:
    assert classifier().classify(text).suspected


@pytest.mark.parametrize("text", DOES_NOT)
def test_what_only_sounds_like_one_is_none(text: str) -> None:
    assert not classifier().classify(text).suspected


@pytest.mark.parametrize(
    "text",
    ["f4ke!", "this is a f a k e bag", "FAAAAKE", "fаkе", "fa\u200bke", "ｆａｋｅ", "n0t original", "counterfiet"],
)
def test_twisted_letters_hide_nothing(text: str) -> None:
    assert classifier().classify(text).suspected


@pytest.mark.parametrize("text", ["128gb 1080p", "iPhone 13 Pro", "A4 paper", "b2b 100% ok"])
def test_numbers_and_models_are_no_twisted_words(text: str) -> None:
    assert reading_of(text) == " ".join(text.lower().split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it is a fake", "fake_said"),
        ("it is not a fake", "fake_denied"),
        ("i feared a fake", "fake_feared"),
        ("some say it is fake", "fake_reported"),
        ("is this a fake?", "fake_asked"),
        ("a fake wig", "fake_aside"),
        ("it is authentic", "genuine_said"),
        ("not authentic", "genuine_denied"),
        ("i doubt that it is authentic", "genuine_doubted"),
        ("sold as authentic", "genuine_alleged"),
        ("is it authentic?", "genuine_asked"),
        ("the serial number does not exist", "mark_fails"),
        ("they said it is not one of theirs", "disowned"),
        ("假货", "fake_said"),
        ("不是假货", "fake_denied"),
        ("放长假的时候", "innocent"),
    ],
)
def test_a_claim_is_read_in_its_scope(text: str, expected: str) -> None:
    assert expected in claims.read(reading_of(text)).names


def test_what_an_innocent_phrase_holds_or_begins_says_nothing() -> None:
    assert [hit.kind for hit in find("fake leather")] == ["innocent"]
    assert "fake" not in {hit.kind for hit in find(reading_of("放长假的时候"))}
    assert "fake" in {hit.kind for hit in find(reading_of("这是假的"))}


@given(st.text(max_size=300))
def test_any_text_has_a_suspicion(text: str) -> None:
    opinion = classifier().classify(text)
    assert 0.0 <= opinion.suspicion <= 1.0
    assert opinion.suspected == (opinion.suspicion >= classifier().threshold)
    assert opinion == classifier().classify(text)


@given(st.sampled_from(SUSPECTS + DOES_NOT), st.sampled_from(["  {}  ", "{}\n", "\u200b{}", "{}\ufeff"]))
def test_space_and_what_has_no_width_change_nothing(text: str, frame: str) -> None:
    assert classifier().classify(frame.format(text)) == classifier().classify(text)


class TestFigures:
    """On sentences that neither words nor weights were made from; without cues or without letters they break."""

    def test_the_model_keeps_its_figures_on_what_it_never_saw(self) -> None:
        pytest.importorskip("sklearn")
        from training.signals.corpus import held_out
        from training.signals.measure import ALL, baseline_of, figures_of

        figures, baseline = figures_of(classifier()), baseline_of(held_out())
        assert figures[ALL]["precision"] >= 0.85
        assert figures[ALL]["recall"] >= 0.87
        assert figures[ALL]["auroc"] >= 0.88
        assert figures[ALL]["auroc_low"] > baseline[ALL]["auroc_high"]
        for language in LANGUAGES:
            assert figures[language]["number"] >= 25
            assert figures[language]["recall"] >= 0.75, language
            assert figures[language]["precision"] >= 0.80, language
        assert json.loads(json.dumps(figures)) == classifier().manifest["figures"]

    def test_a_model_without_its_cues_falls_below(self) -> None:
        pytest.importorskip("sklearn")
        from dataclasses import replace

        from training.signals.measure import ALL, figures_of

        model = classifier()
        broken = replace(model, cues=np.zeros_like(model.cues))
        assert figures_of(broken)[ALL]["auroc"] < 0.85

    def test_nothing_held_out_is_in_the_corpus(self) -> None:
        pytest.importorskip("sklearn")
        from training.signals.corpus import development, held_out, patterns

        def pieces(text: str) -> set[str]:
            folded = reading_of(text)
            return {folded[at : at + 4] for at in range(max(len(folded) - 3, 1))}

        learnt = [(pieces(one.text), one.text) for one in patterns()[0]]
        seen = {reading_of(one.text) for one in (*patterns()[0], *development())}
        for one in held_out():
            assert reading_of(one.text) not in seen
            if len(one.text) < 25:  # of a few words, the same ones are no copy
                continue
            own = pieces(one.text)
            nearest = max(learnt, key=lambda other: len(own & other[0]) / len(own | other[0]))
            assert len(own & nearest[0]) / len(own | nearest[0]) < 0.7, (one.text, nearest[1])

    def test_the_language_is_guessed(self) -> None:
        pytest.importorskip("sklearn")
        from training.signals.corpus import held_out

        known = held_out()
        assert sum(guess(one.text) == one.language for one in known) / len(known) >= 0.95
        assert (guess(""), guess("12345 !!"), guess("xzqw")) == ("und", "und", "und")


@pytest.mark.train
def test_the_command_makes_the_model_that_is_served(tmp_path: Path) -> None:
    """With the settings that were chosen: the search for them takes minutes, and the manifest names them."""
    from training.signals.fit import Settings, fit, write

    served = classifier()
    chosen = Settings(**served.manifest["settings"])
    fitted = fit(settings=chosen)
    assert fitted.settings == chosen
    np.testing.assert_allclose(fitted.cues, served.cues, atol=0.02)
    np.testing.assert_allclose(fitted.letters.astype(np.float32), served.letters, atol=0.02)
    assert abs(fitted.intercept - served.intercept) <= 0.02
    identifier = write(fitted, tmp_path, figures={})
    assert load(tmp_path).id == identifier


class TestFiles:
    """A model whose files do not fit each other, or the words it is served with, is refused."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in (MANIFEST, WEIGHTS):
            shutil.copyfile(FOLDER / name, tmp_path / name)
        return tmp_path

    def test_the_carried_one_is_small_and_whole(self, folder: Path) -> None:
        assert load(folder).id == classifier().id
        assert sum(path.stat().st_size for path in folder.iterdir()) < 2 * 2**20

    def test_damaged_weights_are_refused(self, folder: Path) -> None:
        data = bytearray((folder / WEIGHTS).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / WEIGHTS).write_bytes(bytes(data))
        with pytest.raises(ClassifierRefused):
            load(folder)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("format", 2), ("threshold", 0.1), ("intercept", 9.0), ("lexicon", "0" * 64), ("id", "sig_0")],
    )
    def test_another_manifest_is_refused(self, folder: Path, name: str, value: object) -> None:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        (folder / MANIFEST).write_text(json.dumps(manifest | {name: value}))
        with pytest.raises(ClassifierRefused):
            load(folder)

    @pytest.mark.parametrize("name", [MANIFEST, WEIGHTS])
    def test_a_missing_file_is_refused(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        with pytest.raises(ClassifierRefused):
            load(folder)


class TestAbout:
    """Which brand and goods a text is about."""

    @pytest.mark.parametrize(
        ("text", "product"),
        [
            ("the shoes are great", "shoes"),
            ("Die Uhr ist kaputt", "watch"),
            ("香水没味道", "perfume"),
            ("この財布", "wallet"),
            ("الحذاء مقلد", "shoes"),
            ("nothing named", None),
            ("wearing it", None),
        ],
    )
    def test_the_kind_of_goods_is_named(self, text: str, product: str | None) -> None:
        assert product_in(text) == product

    def test_brands_are_those_that_the_text_names(self) -> None:
        finder = NameFinder([("brd_a", "Norvokka"), ("brd_b", "Solanum Works")])
        reading = TextReader(lambda: finder).read("This Norvokka bag is a fake, unlike my Solanum Works one")
        assert set(reading.brands) == {"brd_a", "brd_b"}
        assert (reading.language, reading.product) == ("en", "bag")
        assert TextReader(lambda: None).read("Norvokka").brands == ()

    def test_the_listings_brand_comes_first(self) -> None:
        assert brand_of((), "brd_a") == "brd_a"
        assert brand_of(("brd_b", "brd_a"), "brd_a") == "brd_a"
        assert brand_of(("brd_b",), "brd_a") == "brd_b"
        assert brand_of((), None) is None
