"""What the judge is compared with, to say what being additive costs: gradient boosting and logistic regression.

Both see the same appraised labels, missing values and directions as the judge where they can, and are calibrated the
same way; neither is ever served.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from screener.judging.features import FEATURES

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Peer:
    """A judge by name: features (n, F) to probabilities (n,)."""

    name: str
    probability: Callable[[Floats], Floats]


def peers(
    x: Floats,
    labels: NDArray[np.bool_],
    weights: Floats,
    held_x: Floats,
    held_labels: NDArray[np.bool_],
    held_weights: Floats,
) -> tuple[Peer, ...]:
    """The fitted peers; the held-out listings calibrate them (Platt)."""
    scale = weights / weights.mean()
    boosted = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=300, max_leaf_nodes=15, min_samples_leaf=20, l2_regularization=1.0,
        early_stopping=True, random_state=0,
    )  # fmt: skip
    monotone = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=300, max_leaf_nodes=15, min_samples_leaf=20, l2_regularization=1.0,
        early_stopping=True, random_state=0, monotonic_cst=[feature.direction for feature in FEATURES],
    )  # fmt: skip
    linear = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=0.0, add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=1.0, max_iter=5000),
    )
    boosted.fit(x, labels, sample_weight=scale)
    monotone.fit(x, labels, sample_weight=scale)
    linear.fit(x, labels, logisticregression__sample_weight=scale)
    found = {"gradient boosting": boosted, "gradient boosting, monotone": monotone, "logistic regression": linear}
    return tuple(
        _calibrated(name, model.predict_proba, held_x, held_labels, held_weights) for name, model in found.items()
    )


def _calibrated(
    name: str, raw: Callable[[Floats], Floats], x: Floats, labels: NDArray[np.bool_], weights: Floats
) -> Peer:
    def odds(values: Floats) -> Floats:
        found: Floats = logit(np.clip(raw(values)[:, 1], 1e-6, 1 - 1e-6))
        return found[:, None]

    platt = LogisticRegression(C=1e6).fit(odds(x), labels, sample_weight=weights / weights.mean())
    return Peer(name, lambda values: platt.predict_proba(odds(values))[:, 1])
