"""Titles written for the purpose: precision and recall stay above a floor, in every language and for every trick."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from screener.words.tables import table
from training.errors import TrainingError
from training.words_measure import WordFigures, load_titles, measure_words, words
from training.words_speed import measure_speed

TITLES = Path(__file__).parent / "titles"
LANGUAGES = {"en", "zh", "es", "de", "fr", "ja", "ru", "ar"}


@pytest.fixture(scope="module")
def figures() -> WordFigures:
    return measure_words(TITLES)


def test_the_set_is_as_large_as_promised() -> None:
    titles = load_titles(TITLES)
    for kind, least in (("innocent", 300), ("disguised", 300), ("plain", 100)):
        of_kind = [title for title in titles if title.kind == kind]
        assert len(of_kind) >= least
        assert {title.language for title in of_kind} == LANGUAGES
        held_out = sum(title.held_out for title in of_kind)
        assert held_out * 5 >= len(of_kind) * 2
    assert len({title.text for title in titles}) == len(titles)


def test_floor_of_the_tuned_half(figures: WordFigures) -> None:
    assert figures.tuned.all.precision is not None and figures.tuned.all.precision >= 0.97
    assert figures.tuned.all.recall is not None and figures.tuned.all.recall >= 0.97


def test_floor_of_the_held_out_half(figures: WordFigures) -> None:
    assert figures.held_out.all.precision is not None and figures.held_out.all.precision >= 0.90
    assert figures.held_out.all.recall is not None and figures.held_out.all.recall >= 0.94
    assert figures.held_out.by_kind["plain"].recall == 1.0
    assert figures.held_out.by_kind["innocent"].wrong <= 0.12 * figures.held_out.by_kind["innocent"].titles


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_floor_of_every_language(figures: WordFigures, language: str) -> None:
    for half in (figures.tuned, figures.held_out):
        quality = half.by_language[language]
        assert quality.precision is not None and quality.precision >= 0.82
        assert quality.recall is not None and quality.recall >= 0.84


def test_floor_of_every_trick(figures: WordFigures) -> None:
    for key, quality in figures.held_out.by_trick.items():
        if quality.expected >= 10 and key != "disguised/translit":
            assert quality.recall is not None and quality.recall >= 0.88, key


def test_cost_is_measured() -> None:
    speed = measure_speed(200, seed=1)
    assert speed.aliases == 200
    assert min(speed.build_s, speed.listing_ms_p50, speed.long_ms, speed.read_ms) > 0


def test_the_command_prints_figures() -> None:
    import typer

    app = typer.Typer()
    app.command()(words)
    printed = CliRunner().invoke(app, ["--titles", str(TITLES), "--json"])
    assert printed.exit_code == 0, printed.output
    figures = json.loads(printed.output)
    assert figures["speed"] is None
    assert figures["held_out"]["all"]["expected"] > 200
    shown = CliRunner().invoke(app, ["--titles", str(TITLES)])
    assert shown.exit_code == 0
    assert "held out" in shown.output


def test_a_folder_without_titles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"registry\.toml"):
        measure_words(tmp_path)


def test_everyday_words_refer_to_classes_that_exist() -> None:
    everyday = table("everyday")
    for word, entry in everyday["word"].items():
        assert set(entry) <= {"classes", "company", "goods", "rare"}, word
        assert set(entry.get("classes", ())) <= set(everyday["class"]), word
