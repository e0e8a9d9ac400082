"""Fits the classifier of buyers' texts: logistic regression, its settings and figures from patterns left out."""

import hashlib
import io
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from index.durable import write_file
from screener.signals import claims, lexicon, ngrams
from screener.signals.classify import FORMAT, MANIFEST, WEIGHTS, Classifier, digest_of, identity
from screener.signals.wording import reading_of
from training.signals.corpus import Sentence, expand, patterns

SEED: Final = 20250301
EACH: Final = 6
FOLDS: Final = 5
_STRENGTHS: Final = (1.0, 3.0)
_LETTERS: Final = (0.5, 1.0)
THRESHOLD: Final = 0.5
_GRID: Final = 256.0
"""Weights are multiples of 1/256, so that the last bits of a sum do not make another model on another machine."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How strongly weights are held back (the inverse of it), and what runs of letters count beside the cues."""

    strength: float
    letters: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model, the settings that were chosen, and the log loss on patterns left out for each pair tried."""

    intercept: float
    cues: NDArray[np.float32]
    letters: NDArray[np.float16]
    settings: Settings
    losses: dict[str, float]

    def classifier(self) -> Classifier:
        """The model as it will be loaded."""
        return Classifier("", THRESHOLD, self.intercept, self.cues, self.letters.astype(np.float32), {})


def fit(extra: Sequence[Sentence] = (), *, settings: Settings | None = None) -> Fitted:
    """Fits on the corpus, and on `extra` sentences of your own. Deterministic.

    Without `settings`, those with the least loss on patterns left out are chosen.
    """
    found, items = patterns()
    plain = {one.pattern for one in found if not one.suspects and not _says_anything(one.text)}
    made = expand(found, items, plain, each=EACH, seed=SEED) + list(extra)
    x = matrix([one.text for one in made])
    y = np.array([one.suspects for one in made], np.int64)
    group = np.array([_fold(one.pattern, one.text if one in extra else "") for one in made])
    weight = _balanced(made, y)
    losses: dict[str, float] = {}
    if settings is None:
        tried = {(one, other): Settings(one, other) for one in _STRENGTHS for other in _LETTERS}
        found_losses = {pair: _loss(x, y, weight, group, pair_settings) for pair, pair_settings in tried.items()}
        settings = tried[min(found_losses, key=lambda pair: found_losses[pair])]
        losses = {f"{one:g}/{other:g}": loss for (one, other), loss in found_losses.items()}
    model = _regression(_scaled(x, settings), y, weight, settings)
    weights = np.round(model.coef_[0] * _GRID) / _GRID
    cues = len(claims.NAMES)
    return Fitted(
        float(np.round(model.intercept_[0] * _GRID) / _GRID),
        weights[:cues].astype(np.float32),
        (np.round(weights[cues:] * settings.letters * _GRID) / _GRID).astype(np.float16),
        settings,
        losses,
    )


def write(fitted: Fitted, folder: Path, *, figures: dict[str, Any]) -> str:
    """Writes `model.npz` and `model.json`, and gives the model's id."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, cues=fitted.cues, letters=fitted.letters)
    data = buffer.getvalue()
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "threshold": THRESHOLD,
        "intercept": fitted.intercept,
        "features": list(claims.NAMES),
        "lexicon": digest_of(lexicon.fingerprint()),
        "weights": hashlib.sha256(data).hexdigest(),
        "settings": {"strength": fitted.settings.strength, "letters": fitted.settings.letters},
        "figures": figures,
    }
    manifest["id"] = identity(manifest)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / WEIGHTS, data)
    write_file(folder / MANIFEST, (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode())
    return str(manifest["id"])


def matrix(texts: Sequence[str]) -> csr_matrix:
    """Cues, and runs of letters with the length that makes the row's norm one, of each text (n, features)."""
    readings = [claims.read(reading_of(text)) for text in texts]
    cues = np.array([reading.features for reading in readings])
    rows = [ngrams.buckets_of(reading.around) for reading in readings]
    values = np.concatenate([np.full(len(row), 1.0 / np.sqrt(len(row))) for row in rows])
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    letters = csr_matrix((values, np.concatenate(rows), starts), shape=(len(texts), ngrams.BUCKETS))
    return hstack([csr_matrix(cues.astype(np.float64)), letters], format="csr")


def _loss(
    x: csr_matrix, y: NDArray[np.int64], weight: NDArray[np.float64], group: NDArray[np.int64], settings: Settings
) -> float:
    """The log loss on the patterns left out, all folds together."""
    scaled = _scaled(x, settings)
    told = np.zeros(len(y))
    for fold in range(FOLDS):
        away = group == fold
        model = _regression(scaled[~away], y[~away], weight[~away], settings)
        told[away] = model.predict_proba(scaled[away])[:, 1]
    return round(float(log_loss(y, told, sample_weight=weight)), 5)


def _scaled(x: csr_matrix, settings: Settings) -> csr_matrix:
    cues = len(claims.NAMES)
    return hstack([x[:, :cues], x[:, cues:] * settings.letters], format="csr")


def _regression(
    x: csr_matrix, y: NDArray[np.int64], weight: NDArray[np.float64], settings: Settings
) -> LogisticRegression:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return LogisticRegression(C=settings.strength, max_iter=2000, tol=1e-6).fit(x, y, sample_weight=weight)


def _says_anything(text: str) -> bool:
    names = claims.read(reading_of(text)).names
    return any(name.startswith(("fake_", "genuine_", "mark_fails", "disowned")) for name in names)


def _balanced(made: Sequence[Sentence], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """Every language, and either answer within it, weighs the same; one on average."""
    keys = [(one.language, int(label)) for one, label in zip(made, y, strict=True)]
    sizes = {key: keys.count(key) for key in set(keys)}
    weight = np.array([1.0 / sizes[key] for key in keys])
    balanced: NDArray[np.float64] = weight * (len(weight) / weight.sum())
    return balanced


def _fold(pattern: int, text: str) -> int:
    return int(hashlib.sha256(f"{pattern}:{text}".encode()).hexdigest(), 16) % FOLDS
