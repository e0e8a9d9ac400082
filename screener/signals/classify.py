"""Tells how likely a buyer's short text suspects a counterfeit: cue words in their scope, and runs of letters.

A logistic model over `screener.signals.claims` and `screener.signals.ngrams`, made by `listing-screener-train signals
train` and carried beside this file: plain numbers, never unpickled.
"""

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from screener.errors import ClassifierRefused
from screener.signals import claims, lexicon, ngrams
from screener.signals.wording import reading_of

FORMAT: Final = 1
FOLDER: Final = Path(__file__).parent
MANIFEST: Final = "model.json"
WEIGHTS: Final = "model.npz"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the classifier thinks of a text: `suspicion` from 0 to 1, and whether that is enough to count."""

    suspicion: float
    suspected: bool


@dataclass(frozen=True, slots=True)
class Classifier:
    """A loaded model. `cues` (len(claims.NAMES),) and `letters` (ngrams.BUCKETS,) are weights of log odds."""

    id: str
    threshold: float
    intercept: float
    cues: NDArray[np.float32]
    letters: NDArray[np.float32]
    manifest: Mapping[str, Any]

    def classify(self, text: str) -> Opinion:
        """Reads one text, of any length and in any language; the first 2,000 code points count."""
        reading = reading_of(text)
        if not reading:
            return Opinion(0.0, False)
        read = claims.read(reading)
        found = ngrams.buckets_of(read.around)
        odds = self.intercept + float(read.features @ self.cues)
        odds += float(self.letters[found].sum()) / math.sqrt(len(found))
        suspicion = round(1.0 / (1.0 + math.exp(-max(min(odds, 30.0), -30.0))), 4)
        return Opinion(suspicion, suspicion >= self.threshold)


@cache
def classifier() -> Classifier:
    """The model that comes with the distribution. Raises ClassifierRefused."""
    return load(FOLDER)


def load(folder: Path) -> Classifier:
    """A model from `model.json` and `model.npz`.

    Raises
    ------
    ClassifierRefused
        when a file is missing, damaged, of another format, or of other words than those it would be served with
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        data = (folder / WEIGHTS).read_bytes()
        fits = (
            manifest["format"] == FORMAT
            and manifest["weights"] == hashlib.sha256(data).hexdigest()
            and manifest["id"] == identity(manifest)
            and manifest["features"] == list(claims.NAMES)
            and manifest["lexicon"] == digest_of(lexicon.fingerprint())
        )
        if not fits:
            raise ClassifierRefused("The classifier's files do not fit each other, or the words it is served with.")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            cues = arrays["cues"].astype(np.float32)
            letters = arrays["letters"].astype(np.float32)
        if cues.shape != (len(claims.NAMES),) or letters.shape != (ngrams.BUCKETS,):
            raise ClassifierRefused("The classifier has another number of weights.")
        return Classifier(
            manifest["id"], float(manifest["threshold"]), float(manifest["intercept"]), cues, letters, manifest
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClassifierRefused("The classifier's files are missing or damaged.") from error


def identity(manifest: Mapping[str, Any]) -> str:
    """`sig_` and 16 hex digits of SHA-256 over what a model is; the figures it was measured at are no part of it."""
    what = {name: value for name, value in manifest.items() if name not in ("id", "figures")}
    return f"sig_{digest_of(json.dumps(what, sort_keys=True))[:16]}"


def digest_of(text: str) -> str:
    """SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
