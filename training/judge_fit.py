"""Fits the judge: an additive model of piecewise-linear shapes that only move the way the world does.

Each feature's shape is linear between knots (splines of order 1: Ramsay, Monotone Regression Splines in Action, 1988);
its rises are bounded to one sign where the feature has a direction, so no fit can break the promise. The loss is the
weighted logistic one of the true state behind labels that are sometimes wrong (forward correction: Patrini et al., CVPR
2017), with a ridge on the rises, minimised by L-BFGS-B from one start: the same data give the same judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from screener.judging.features import FEATURES, Feature

KNOTS: Final = 7
"""Most knots of a shape: six pieces are enough for any bend that a few thousand listings can show."""
RIDGES: Final = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
"""Strengths of the ridge that cross-validation chooses from."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A feature's contribution to the log-odds: `values` (k,) at `knots` (k,), linear between, constant beyond."""

    knots: Floats
    values: Floats

    def at(self, x: Floats) -> Floats:
        """Contributions (n,) of values (n,); 0 where one is missing."""
        found: Floats = np.where(np.isnan(x), 0.0, np.interp(np.nan_to_num(x), self.knots, self.values))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Additive:
    """A fitted judge: log-odds are the bias and the sum of the shapes, in the order of `FEATURES`."""

    bias: float
    shapes: tuple[Shape, ...]

    def contributions(self, x: Floats) -> Floats:
        """(n, F) of features (n, F)."""
        return np.stack([shape.at(column) for shape, column in zip(self.shapes, x.T, strict=True)], axis=1)

    def log_odds(self, x: Floats) -> Floats:
        """(n,) of features (n, F)."""
        total: Floats = self.bias + self.contributions(x).sum(axis=1)
        return total

    def probability(self, x: Floats) -> Floats:
        """(n,) of features (n, F)."""
        found: Floats = expit(self.log_odds(x))
        return found

    def rescaled(self, slope: float, shift: float) -> Additive:
        """The judge whose log-odds are `slope` times these plus `shift`; still additive, and monotone for slope > 0."""
        shapes = tuple(replace(shape, values=shape.values * slope) for shape in self.shapes)
        return Additive(self.bias * slope + shift, shapes)


@dataclass(frozen=True, slots=True)
class Noise:
    """How often an appraisal is wrong: shares 0..1 of the authentic and of the counterfeit items."""

    authentic_as_counterfeit: float = 0.0
    counterfeit_as_authentic: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Design:
    """Columns (n, p) whose weighted sum is the log-odds without bias, with the bounds of their weights."""

    columns: Floats
    low: Floats
    high: Floats
    penalised: Floats
    slices: tuple[slice, ...]
    knots: tuple[Floats, ...]


def fit(
    x: Floats,
    labels: NDArray[np.bool_],
    weights: Floats,
    *,
    ridge: float,
    noise: Noise | None = None,
    features: Sequence[Feature] = FEATURES,
) -> Additive:
    """Fits shapes to features (n, F) with NaN, labels (n,) as appraised, and weights (n,) of any scale."""
    design = _design(x, weights, features)
    start = np.zeros(design.columns.shape[1] + 1)
    share = float(np.average(labels, weights=weights))
    start[0] = np.log(max(share, 1e-6) / max(1.0 - share, 1e-6))
    bounds = [(None, None), *zip(design.low, design.high, strict=True)]
    fitted = minimize(
        _loss,
        start,
        args=(design, labels.astype(np.float64), weights / weights.sum(), ridge, noise or Noise()),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 2000, "maxfun": 4000, "ftol": 1e-10, "gtol": 1e-7},
    )
    shapes = [
        _shape(feature, fitted.x[1:][place], knots)
        for feature, place, knots in zip(features, design.slices, design.knots, strict=True)
    ]
    return Additive(float(fitted.x[0]), tuple(shapes))


def choose_ridge(
    x: Floats, labels: NDArray[np.bool_], weights: Floats, groups: NDArray[np.str_], *, noise: Noise, folds: int = 4
) -> tuple[float, dict[float, float]]:
    """The ridge of `RIDGES` with the least log loss over folds that keep groups whole, and the loss of each."""
    fold = folds_of(groups, folds)
    losses = {}
    for ridge in RIDGES:
        total = 0.0
        for held in range(folds):
            out = fold == held
            model = fit(x[~out], labels[~out], weights[~out], ridge=ridge, noise=noise)
            total += (
                log_loss(observed(model.probability(x[out]), noise), labels[out], weights[out]) * weights[out].sum()
            )
        losses[ridge] = total / float(weights.sum())
    return min(losses, key=lambda ridge: losses[ridge]), losses


def folds_of(groups: NDArray[np.str_], folds: int, *, seed: int = 0) -> NDArray[np.int64]:
    """The fold (n,) of each listing, 0 to folds - 1, the same for a whole group and for every call with this seed."""
    names, numbers = np.unique(groups, return_inverse=True)
    fold: NDArray[np.int64] = np.random.default_rng(seed).permutation(len(names))[numbers] % folds
    return fold


def calibrate(model: Additive, x: Floats, labels: NDArray[np.bool_], weights: Floats, noise: Noise) -> Additive:
    """Scales and shifts the log-odds to listings that the fit did not see (Platt 1999), the scale above zero."""
    z, y, w = model.log_odds(x), labels.astype(np.float64), weights / weights.sum()

    def loss(p: Floats) -> float:
        return log_loss(observed(expit(np.exp(p[0]) * z + p[1]), noise), y.astype(bool), w)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-9, "maxiter": 2000})
    return model.rescaled(float(np.exp(found.x[0])), float(found.x[1]))


def log_loss(probability: Floats, labels: NDArray[np.bool_], weights: Floats) -> float:
    """Weighted mean of the negative log-likelihood, in nats."""
    return float(np.average(log_losses(probability, labels), weights=weights))


def log_losses(probability: Floats, labels: NDArray[np.bool_]) -> Floats:
    """The negative log-likelihood of each label (n,), in nats."""
    p = np.clip(probability, 1e-9, 1 - 1e-9)
    losses: Floats = -np.where(labels, np.log(p), np.log1p(-p))
    return losses


def observed(probability: Floats, noise: Noise) -> Floats:
    """Probability of the label, from that of the state behind it."""
    return noise.authentic_as_counterfeit + probability * (
        1.0 - noise.counterfeit_as_authentic - noise.authentic_as_counterfeit
    )


def _loss(
    parameters: Floats, design: _Design, y: Floats, w: Floats, ridge: float, noise: Noise
) -> tuple[float, Floats]:
    """Penalised loss and its gradient."""
    z = parameters[0] + design.columns @ parameters[1:]
    p = expit(z)
    q = np.clip(observed(p, noise), 1e-12, 1 - 1e-12)
    loss = -np.sum(w * (y * np.log(q) + (1 - y) * np.log1p(-q)))
    slope = w * (q - y) / (q * (1 - q)) * (1 - noise.counterfeit_as_authentic - noise.authentic_as_counterfeit)
    dz = slope * p * (1 - p)
    penalty = ridge * design.penalised * parameters[1:]
    gradient = np.concatenate([[dz.sum()], design.columns.T @ dz + penalty])
    return float(loss + 0.5 * np.sum(penalty * parameters[1:])), gradient


def _design(x: Floats, weights: Floats, features: Sequence[Feature]) -> _Design:
    columns, low, high, penalised, slices, all_knots = [], [], [], [], [], []
    start = 0
    for feature, column in zip(features, x.T, strict=True):
        knots = knots_of(column, feature)
        block = rises_of(column, knots)
        rises, free = len(knots) - 1, 0
        if feature.anchor is None:
            # One more weight: how a listing that says the value differs from one that does not.
            block, free = np.concatenate([np.ones((len(column), 1)), block], axis=1), 1
        else:
            block = block - rises_of(np.array([feature.anchor]), knots)
        block[np.isnan(column)] = 0.0
        low += [-np.inf] * free + [0.0 if feature.direction > 0 else -np.inf] * rises
        high += [np.inf] * free + [0.0 if feature.direction < 0 else np.inf] * rises
        # In units of how much the piece varies over the listings: what is rare and decisive must not be shrunk more
        # than what is common. The floor keeps a piece that nobody was in where it is.
        mean = np.average(block, axis=0, weights=weights)
        penalised += list(np.sqrt(np.average((block - mean) ** 2, axis=0, weights=weights) + 1e-4))
        columns.append(block)
        slices.append(slice(start, start + block.shape[1]))
        all_knots.append(knots)
        start += block.shape[1]
    stacked = np.concatenate(columns, axis=1)
    return _Design(stacked, np.array(low), np.array(high), np.array(penalised), tuple(slices), tuple(all_knots))


def knots_of(column: Floats, feature: Feature) -> Floats:
    """The ends of the feature's range and quantiles of what was seen between them, a 25th of the range apart."""
    seen = column[~np.isnan(column)]
    inner = seen[(seen > feature.low) & (seen < feature.high)]
    quantiles = np.quantile(inner, np.linspace(0, 1, KNOTS)[1:-1]) if len(inner) else np.zeros(0)
    kept = [feature.low]
    for knot in quantiles:
        if min(knot - kept[-1], feature.high - knot) >= 0.04 * (feature.high - feature.low):
            kept.append(float(knot))
    return np.array([*kept, feature.high])


def rises_of(column: Floats, knots: Floats) -> Floats:
    """(n, k - 1): how much of each piece between knots lies below the value, 0 to 1."""
    filled = np.nan_to_num(column)[:, None]
    shares: Floats = np.clip((filled - knots[:-1]) / np.diff(knots), 0.0, 1.0)
    return shares


def _shape(feature: Feature, weights: Floats, knots: Floats) -> Shape:
    free = 0 if feature.anchor is not None else 1
    values = np.concatenate([[0.0], np.cumsum(weights[free:])])
    if feature.anchor is None:
        return Shape(knots, values + weights[0])
    return Shape(knots, values - float(np.interp(feature.anchor, knots, values)))
