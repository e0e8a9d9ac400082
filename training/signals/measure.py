"""Figures of a classifier of buyers' texts: by language, with intervals, and beside the vocabulary alone."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from screener.signals.classify import FOLDER, MANIFEST, Classifier, load
from screener.signals.language import LANGUAGES, guess
from screener.words import replica_words
from training.signals.corpus import Sentence, development, held_out, read

_DRAWS: Final = 1000
ALL: Final = "all"


def figures_of(model: Classifier, sentences: Sequence[Sentence] | None = None) -> dict[str, dict[str, float]]:
    """Figures by language and of all: number, precision, recall, AUROC, with 95 % bootstrap intervals of all."""
    sentences = held_out() if sentences is None else sentences
    told = [model.classify(one.text) for one in sentences]
    scores = np.array([opinion.suspicion for opinion in told])
    suspected = np.array([opinion.suspected for opinion in told])
    return _figures(sentences, scores, suspected)


def baseline_of(sentences: Sequence[Sentence]) -> dict[str, dict[str, float]]:
    """The same of the vocabulary of copies alone (`screener.words.replica_words`): any of its phrases suspects."""
    scores = np.array(
        [max((float(phrase.strength) for phrase in replica_words(one.text)), default=0.0) / 2 for one in sentences]
    )
    return _figures(sentences, scores, scores > 0)


def print_figures(folder: Path) -> None:
    """Prints the figures that a model's manifest carries."""
    _print("held out", json.loads((folder / MANIFEST).read_bytes())["figures"])


def print_measured(folder: Path | None, texts: Path | None, *, misses: bool) -> None:
    """Measures a model on the held-out sentences, on those it was developed with, or on texts of your own."""
    model = load(folder or FOLDER)
    suites: Mapping[str, Sequence[Sentence]] = (
        {texts.name: read(texts.read_text("utf-8"))[0]}
        if texts
        else {"held out": held_out(), "development": development()}
    )
    for name, sentences in suites.items():
        _print(f"{name}, {model.id}", figures_of(model, sentences))
        _print(f"{name}, the vocabulary of copies alone", baseline_of(sentences))
        known = [one for one in sentences if one.language in LANGUAGES]
        right = sum(guess(one.text) == one.language for one in known)
        if known:
            typer.echo(f"{name}, language guessed: {right}/{len(known)} = {right / len(known):.3f}")
        if misses:
            for one in sentences:
                opinion = model.classify(one.text)
                if opinion.suspected != one.suspects:
                    typer.echo(f"{'+' if one.suspects else '-'} {opinion.suspicion:.2f} [{one.language}] {one.text}")
        typer.echo(f"{name}, {_milliseconds(model, sentences):.2f} ms a text")


def _figures(
    sentences: Sequence[Sentence], scores: NDArray[np.float64], suspected: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    truth = np.array([one.suspects for one in sentences])
    language = np.array([one.language for one in sentences])
    found = {
        name: _of(truth[language == name], scores[language == name], suspected[language == name])
        for name in Counter(language.tolist())
    }
    found[ALL] = _of(truth, scores, suspected)
    generator = np.random.default_rng(0)
    drawn = [generator.integers(0, len(truth), len(truth)) for _ in range(_DRAWS)]
    draws = [_of(truth[rows], scores[rows], suspected[rows]) for rows in drawn]
    for name in ("precision", "recall", "auroc"):
        low, high = np.nanpercentile([draw[name] for draw in draws], [2.5, 97.5])
        found[ALL] |= {f"{name}_low": round(float(low), 4), f"{name}_high": round(float(high), 4)}
    return found


def _of(truth: NDArray[np.bool_], scores: NDArray[np.float64], suspected: NDArray[np.bool_]) -> dict[str, float]:
    right = int((truth & suspected).sum())
    both = 0 < truth.sum() < len(truth)
    return {
        "number": len(truth),
        "precision": round(right / max(int(suspected.sum()), 1), 4),
        "recall": round(right / max(int(truth.sum()), 1), 4),
        "auroc": round(float(roc_auc_score(truth, scores)), 4) if both else float("nan"),
    }


def _print(title: str, figures: Mapping[str, Mapping[str, Any]]) -> None:
    typer.echo(f"{title}\n{'':8}{'texts':>7}{'precision':>11}{'recall':>8}{'AUROC':>8}")
    for name, row in figures.items():
        typer.echo(
            f"{name:8}{row['number']:7}{row['precision']:11.3f}{row['recall']:8.3f}{row['auroc']:8.3f}"
            + (
                f"   95 %: {row['precision_low']:.3f}-{row['precision_high']:.3f},"
                f" {row['recall_low']:.3f}-{row['recall_high']:.3f}, {row['auroc_low']:.3f}-{row['auroc_high']:.3f}"
                if name == ALL
                else ""
            )
        )


def _milliseconds(
    model: Classifier, sentences: Sequence[Sentence], now: Callable[[], float] = time.perf_counter
) -> float:
    started = now()
    for one in sentences:
        model.classify(one.text)
    return (now() - started) * 1000 / len(sentences)
