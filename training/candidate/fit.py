"""Fits a judge to appraised rows: moved from what serves, calibrated to the population that the rows stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from training.errors import TrainingError
from training.judge_fit import Additive, Noise, log_loss, observed
from training.judge_refit import REPEATS, Choice, choose, held_out, refit, tempered

Floats = NDArray[np.float64]
SLOPE_SD: Final = 0.25
SHIFT_SD: Final = 0.75
"""How far the calibration is expected to move the fit: in the logarithm of the slope, and in log-odds."""


class NoChange(TrainingError):
    """No change of the judge that serves does better on appraisals that were held out."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """n rows to fit to: features (n, F), labels, weights (1 / inclusion), groups, and which were planned, all (n,)."""

    x: Floats
    y: NDArray[np.bool_]
    weight: Floats
    group: NDArray[np.str_]
    planned: NDArray[np.bool_]

    def where(self, chosen: NDArray[np.bool_]) -> Labelled:
        """Some of the rows."""
        return Labelled(self.x[chosen], self.y[chosen], self.weight[chosen], self.group[chosen], self.planned[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A judge, how it was chosen, the probabilities (n,) of the rows by judges that did not see their groups, and what
    the calibration did."""

    model: Additive
    choice: Choice
    held_out: Floats
    slope: float
    shift: float

    def record(self) -> dict[str, Any]:
        """For the judge's manifest."""
        losses: Mapping[str, Any] = {
            name: {"log loss": round(loss, 5), "gain": round(gain, 5), "standard error": round(error, 5)}
            for name, (loss, gain, error) in self.choice.losses.items()
        }
        return {"ridge": self.choice.ridge, "held out": losses, "slope": self.slope, "shift": self.shift}


def fit_appraised(
    start: Additive, rows: Labelled, *, ridge: float | None = None, noise: Noise | None = None, repeats: int = REPEATS
) -> Fit:
    """Fits with the ridge that held-out groups choose, or with a given one; `repeats` as `held_out` takes it.

    Raises
    ------
    NoChange
        where leaving the judge as it is does as well
    TrainingError
        where all labels are the same
    """
    noise = noise or Noise()
    if not rows.y.any() or rows.y.all():
        raise TrainingError("the appraised items are all of one kind: there is nothing to tell apart")
    weights = tempered(rows.weight)
    if ridge is None:
        choice = choose(start, rows.x, rows.y, weights, rows.group, noise=noise)
        if choice.ridge is None:
            gains = ", ".join(
                f"{gain:+.4f} ± {error:.4f} (ridge {name})"
                for name, (_, gain, error) in choice.losses.items()
                if name != "no change"
            )
            raise NoChange(f"{len(rows.y)} appraised items speak for no change of the judge: gains of log loss {gains}")
    else:
        choice = Choice(ridge, {})
    assert choice.ridge is not None
    model = refit(start, rows.x, rows.y, weights, ridge=choice.ridge, noise=noise)
    apart = held_out(start, rows.x, rows.y, weights, rows.group, ridge=choice.ridge, noise=noise, repeats=repeats)
    slope, shift = _calibration(np.mean(apart, axis=0), rows, noise)
    scaled = expit(slope * np.mean(apart, axis=0) + shift)
    return Fit(model.rescaled(slope, shift), choice, scaled, slope, shift)


def _calibration(z: Floats, rows: Labelled, noise: Noise) -> tuple[float, float]:
    """Slope and shift of the log-odds for the population: the planned rows with their full weights, and a prior that
    the fit is right already (1 and 0), which a few heavy rows cannot overrule (maximum a posteriori)."""
    own = rows.planned
    if not own.any():
        return 1.0, 0.0
    weight, y, z = rows.weight[own], rows.y[own], z[own]
    effective = float(weight.sum() ** 2 / np.sum(weight**2))

    def loss(p: Floats) -> float:
        prior = 0.5 * (p[0] / SLOPE_SD) ** 2 + 0.5 * (p[1] / SHIFT_SD) ** 2
        found = log_loss(observed(expit(np.exp(p[0]) * z + p[1]), noise), y, weight)
        return float(effective * found + prior)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-9, "maxiter": 2000})
    return float(np.exp(found.x[0])), float(found.x[1])
