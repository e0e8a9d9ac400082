"""The judge: an additive model in ONNX that turns features into a probability and what each of them contributed.

A judge is a folder: `judge.onnx`, `manifest.json`, `CARD.md`. The graph takes `features` (n, F) float32 with NaN for
what is not known, and gives `probability` (n,), `log_odds` (n,) and `contributions` (n, F), which add up with the bias
to the log-odds; so a reason is exact, never guessed afterwards (generalised additive models: Hastie and Tibshirani
1990; for decisions about people: Caruana et al., KDD 2015).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from screener.errors import JudgeRefused
from screener.judging.features import FEATURES, NAMES, VERSION
from screener.manifest import number, same_keys, strict_json

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
GRAPH: Final = "judge.onnx"
_TOLERANCE: Final = 1e-3
"""Log-odds by which a graph may miss its own sum: float32 over some twenty terms of up to ten."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Probability of a counterfeit in 0..1, its log-odds, and each feature's part of them, in order of `FEATURES`."""

    probability: float
    log_odds: float
    contributions: tuple[float, ...]


class Judge:
    """A loaded judge; safe to share between threads."""

    def __init__(self, session: ort.InferenceSession, manifest: Mapping[str, Any]):
        """Use `load_judge`."""
        self._session = session
        self.manifest = manifest

    @property
    def id(self) -> str:
        """`jdg_` and 16 hex digits, of the graph and the features."""
        return str(self.manifest["id"])

    @property
    def bias(self) -> float:
        """Log-odds of a listing of which nothing is known."""
        return float(self.manifest["bias"])

    @property
    def calibrated_on(self) -> str:
        """What the probability was fitted to: `simulation`, or `appraisals`."""
        return str(self.manifest["calibrated_on"])

    def judge(self, values: NDArray[np.float32]) -> Judgement:
        """Judges one listing's features, shape (F,)."""
        probability, log_odds, contributions = self.judge_many(values[None])
        return Judgement(float(probability[0]), float(log_odds[0]), tuple(contributions[0].tolist()))

    def judge_many(
        self, values: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities (n,), log-odds (n,), contributions (n, F) of features (n, F). ValueError for other shapes."""
        if values.ndim != 2 or values.shape[1] != len(NAMES):
            raise ValueError(f"features must have shape (n, {len(NAMES)}), not {values.shape}")
        outputs = self._session.run(
            ["probability", "log_odds", "contributions"], {"features": np.ascontiguousarray(values, dtype=np.float32)}
        )
        probability, log_odds, contributions = outputs
        return probability, log_odds, contributions


def load_judge(path: Path) -> Judge:
    """Loads a judge after checking every hash, its features, and that its contributions add up.

    Raises
    ------
    JudgeRefused
        naming what does not fit
    """
    try:
        manifest = strict_json((path / MANIFEST).read_bytes())
        _check(manifest)
        graph = (path / GRAPH).read_bytes()
        if hashlib.sha256(graph).hexdigest() != manifest["sha256"]:
            raise ValueError(f"{GRAPH} does not have the hash its manifest gives")
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        judge = Judge(session, MappingProxyType(manifest))
        _check_sum(judge)
    except JudgeRefused:
        raise
    except Exception as error:  # onnxruntime raises its own classes, all straight below Exception
        raise JudgeRefused(f"judge {path}: {type(error).__name__}: {error}") from error
    return judge


def judge_id(graph: bytes) -> str:
    """`jdg_` and 16 hex digits of SHA-256 over the graph and the features it is made for."""
    return "jdg_" + hashlib.sha256("\n".join((VERSION, *NAMES, "")).encode() + graph).hexdigest()[:16]


def _check(manifest: Any) -> None:
    keys = {"format", "id", "name", "features_version", "features", "bias", "calibrated_on", "prevalence", "metrics"}
    same_keys("manifest", manifest, keys | {"source", "sha256"})
    if manifest["format"] != FORMAT:
        raise ValueError(f"unknown format, this version reads {FORMAT}")
    if manifest["features_version"] != VERSION or tuple(manifest["features"]) != NAMES:
        raise ValueError(f"made for other features than {VERSION}")
    if manifest["calibrated_on"] not in ("simulation", "appraisals"):
        raise ValueError("calibrated_on must be simulation or appraisals")
    number("bias", manifest["bias"], -30.0, 30.0)
    number("prevalence", manifest["prevalence"], 0.0, 1.0)


def _check_sum(judge: Judge) -> None:
    """Bias and contributions make the log-odds, and what adds nothing adds nothing: at the anchors, and all missing."""
    anchors = [np.nan if feature.anchor is None else feature.anchor for feature in FEATURES]
    missing = [np.nan if feature.optional else feature.anchor for feature in FEATURES]
    rows = np.array([anchors, missing, [f.low for f in FEATURES], [f.high for f in FEATURES]], dtype=np.float32)
    probability, log_odds, contributions = judge.judge_many(rows)
    if np.abs(contributions[:2]).max() > _TOLERANCE:
        raise ValueError("a feature of which nothing is known contributes")
    if np.abs(judge.bias + contributions.sum(axis=1) - log_odds).max() > _TOLERANCE:
        raise ValueError("the contributions do not add up to the log-odds")
    if not np.allclose(1.0 / (1.0 + np.exp(-log_odds.astype(np.float64))), probability, atol=1e-5):
        raise ValueError("the probability is not that of the log-odds")
