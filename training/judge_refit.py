"""Moves a judge towards appraisals: no further than they prove, because there are hundreds of them and no thousands.

The judge that serves is the centre of the ridge: what is penalised is how far a shape leaves it (a Gaussian prior
around an earlier model: Chelba and Acero, Adaptation of maximum entropy capitalizer, EMNLP 2004). One common slope may
change too, a single bend only where the listings insist. How strong the ridge is, and whether anything should
change at all, is chosen on groups that were held out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no stubs

from screener.judging.features import FEATURES, Feature
from training.judge_fit import Additive, Noise, Shape, folds_of, knots_of, log_losses, observed, rises_of

Floats = NDArray[np.float64]
STRENGTHS: Final = (10, 30)
"""Strengths of the ridge that are tried, from the weakest on, counted as the precision of a prior: against the sum of
the rows' losses, so that it weighs less the more rows there are."""
SLOPE_STRENGTH: Final = 50
"""On the common slope, counted alike: with a hundred rows, to be half as steep costs a sixteenth of a nat of each. Were
it cheap, a market in which prices mislead would make everything count half, known fakes too, of which few rows show
any."""
FOLDS: Final = 5
REPEATS: Final = 3
CLIP: Final = 5.0
"""Most that one row may weigh in the fit, in units of the lightest."""
CLEARLY: Final = 0.25
"""Standard errors by which a change has to be better than none on held-out groups."""
_KNOT_GAP: Final = 0.06
"""Share of a feature's range that a new knot keeps from the judge's own."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The ridge that was chosen (None: no change), and for each the mean loss of held-out rows and its distance from
    that of no change, with the standard error of the distance."""

    ridge: float | None
    losses: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The columns of one feature: rises between `knots` and, without an anchor, the offset of a known value first."""

    feature: Feature
    knots: Floats
    columns: Floats
    start: Floats


def tempered(weights: Floats) -> Floats:
    """Weights to fit with: the square root of 1 / inclusion, the heaviest at most `CLIP` times the lightest, mean 1.

    What was picked depends on what the judge sees, so a right model needs no weights at all; full ones would let a
    handful of random picks decide everything. The root keeps some of their guard against a wrong model.
    """
    root = np.sqrt(weights)
    clipped = np.minimum(root, CLIP * root.min())
    scaled: Floats = clipped / clipped.mean()
    return scaled


def refit(
    start: Additive, x: Floats, labels: NDArray[np.bool_], weights: Floats, *, ridge: float, noise: Noise | None = None
) -> Additive:
    """The judge that the rows make of `start`: features (n, F) with NaN, labels (n,), weights (n,) of any scale.

    Every shape keeps the direction of its feature. The same rows give the same judge.
    """
    noise = noise or Noise()
    parts = [_part(feature, shape, column) for feature, shape, column in zip(FEATURES, start.shapes, x.T, strict=True)]
    columns = np.concatenate([part.columns for part in parts], axis=1)
    centre = np.concatenate([part.start for part in parts])
    w = weights / weights.sum()
    mean = w @ columns
    scale = np.sqrt(w @ (columns - mean) ** 2 + 1e-4)
    bounds: list[tuple[float | None, float | None]] = [(None, None), (None, None)]
    for part in parts:
        free = 0 if part.feature.anchor is not None else 1
        bounds += [(None, None)] * free
        low, high = (0.0 if part.feature.direction > 0 else None), (0.0 if part.feature.direction < 0 else None)
        bounds += [(low, high)] * (len(part.knots) - 1)
    y = labels.astype(np.float64)
    steady = SLOPE_STRENGTH / len(labels)

    def loss(p: Floats) -> tuple[float, Floats]:
        bias, slope, u = p[0], p[1], p[2:]
        truth = expit(bias + columns @ u)
        q = np.clip(observed(truth, noise), 1e-12, 1 - 1e-12)
        value = -np.sum(w * (y * np.log(q) + (1 - y) * np.log1p(-q)))
        change = 1 - noise.counterfeit_as_authentic - noise.authentic_as_counterfeit
        dz = w * (q - y) / (q * (1 - q)) * change * truth * (1 - truth)
        away = u - (1 + slope) * centre
        value += 0.5 * ridge * float(np.sum(scale * away**2)) + 0.5 * steady * slope**2
        du = columns.T @ dz + ridge * scale * away
        dslope = -ridge * float(np.sum(scale * away * centre)) + steady * slope
        return float(value), np.concatenate([[dz.sum(), dslope], du])

    first = np.concatenate([[start.bias, 0.0], centre])
    found = minimize(
        loss, first, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": 500, "maxfun": 1000, "ftol": 1e-9, "gtol": 1e-6},
    )  # fmt: skip
    shapes, place = [], 2
    for part in parts:
        shapes.append(_shape(part, found.x[place : place + len(part.start)]))
        place += len(part.start)
    return Additive(float(found.x[0]), tuple(shapes))


def choose(
    start: Additive,
    x: Floats,
    labels: NDArray[np.bool_],
    weights: Floats,
    groups: NDArray[np.str_],
    *,
    noise: Noise | None = None,
) -> Choice:
    """The strongest ridge that loses no more than a standard error to the best on groups that were held out (Breiman,
    Friedman, Olshen and Stone, Classification and regression trees, 1984); no change, unless it is better by `CLEARLY`.

    Which ridge is best of all is mostly luck with a hundred rows, and a weak one can be far wrong about everybody else.
    Every fold is repeated with other folds, because a few hundred rows can be cut luckily. Proof is not asked for here:
    the error of a gain is about the gain of a right judge, and what is promoted is for the gates.
    """
    noise = noise or Noise()
    unchanged = log_losses(observed(start.probability(x), noise), labels)
    ridges = [strength / len(labels) for strength in STRENGTHS]
    own = {}
    for ridge in ridges:
        held = held_out(start, x, labels, weights, groups, ridge=ridge, noise=noise)
        own[ridge] = np.mean([log_losses(observed(expit(z), noise), labels) for z in held], axis=0)
    mean = {ridge: float(np.average(found, weights=weights)) for ridge, found in own.items()}
    gains = {ridge: gain_of(unchanged - found, weights, groups) for ridge, found in own.items()}
    best = min(mean, key=lambda ridge: mean[ridge])
    chosen = best
    for ridge in ridges[ridges.index(best) :]:
        more, error = gain_of(own[ridge] - own[best], weights, groups)
        chosen = ridge if more <= error else chosen
    gain, error = gains[chosen]
    losses = {"no change": (float(np.average(unchanged, weights=weights)), 0.0, 0.0)}
    losses |= {f"{ridge:g}": (mean[ridge], *gains[ridge]) for ridge in reversed(ridges)}
    return Choice(chosen if gain > CLEARLY * error else None, losses)


def gain_of(gains: Floats, weights: Floats, groups: NDArray[np.str_]) -> tuple[float, float]:
    """The weighted mean of rows' gains (n,), and its standard error by groups (linearised ratio: Cochran 1977)."""
    mean = float(np.average(gains, weights=weights))
    _, member = np.unique(groups, return_inverse=True)
    residuals = np.bincount(member, weights * (gains - mean))
    count = len(residuals)
    if count < 2:
        return mean, np.inf
    error = np.sqrt(count / (count - 1) * np.sum(residuals**2)) / weights.sum()
    return mean, float(error)


def held_out(
    start: Additive,
    x: Floats,
    labels: NDArray[np.bool_],
    weights: Floats,
    groups: NDArray[np.str_],
    *,
    ridge: float,
    noise: Noise | None = None,
    repeats: int = REPEATS,
) -> list[Floats]:
    """Log-odds (n,) of every row by judges that saw nobody of its group, once for each repeat."""
    found = []
    # The products are small: threads would wait for each other a hundred times as long.
    with threadpool_limits(1):
        for repeat in range(repeats):
            fold = folds_of(groups, FOLDS, seed=repeat)
            z = start.log_odds(x)
            for number in np.unique(fold):
                out = fold == number
                if labels[~out].any() and not labels[~out].all():
                    model = refit(start, x[~out], labels[~out], weights[~out], ridge=ridge, noise=noise)
                    z[out] = model.log_odds(x[out])
            found.append(z)
    return found


def _part(feature: Feature, shape: Shape, column: Floats) -> _Part:
    """The judge's own knots, and those of the rows that keep away from them: a flat shape must be able to bend."""
    own = shape.knots
    gap = _KNOT_GAP * (feature.high - feature.low)
    new = [knot for knot in knots_of(column, feature) if np.abs(own - knot).min() >= gap]
    knots = np.sort(np.concatenate([own, new]))
    block = rises_of(column, knots)
    values = np.interp(knots, own, shape.values)
    start = np.diff(values)
    if feature.anchor is None:
        block = np.concatenate([np.ones((len(column), 1)), block], axis=1)
        start = np.concatenate([values[:1], start])
    else:
        block = block - rises_of(np.array([feature.anchor]), knots)
    block[np.isnan(column)] = 0.0
    return _Part(feature, knots, block, start)


def _shape(part: _Part, weights: Floats) -> Shape:
    if part.feature.anchor is None:
        return Shape(part.knots, np.concatenate([weights[:1], weights[0] + np.cumsum(weights[1:])]))
    values = np.concatenate([[0.0], np.cumsum(weights)])
    return Shape(part.knots, values - float(np.interp(part.feature.anchor, part.knots, values)))
