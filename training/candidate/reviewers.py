"""Whose labels carry a gain: appraisers who contradict all others, and gains that vanish without somebody's labels.

Two questions. Does an appraiser label as others would? Each of the appraiser's rows is scored by a judge that was
fitted to the others' rows, and each of the others' by such judges that did not see its group; where the appraiser's
labels are less likely than others' at the same score, more than shuffling the appraisers would make them
(permutations within strata of the score, with Bonferroni's correction), something is wrong with them: flipped
labels, another meaning of "authentic", or items that only this appraiser gets and no feature tells. And is there a gain
for others? The candidate, and a judge fitted without the appraiser's (or the brand's) labels, must both still be better
than what serves on the test rows of everybody else. Here every label counts once, whatever its item stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from training.candidate.figures import finite, surprise
from training.candidate.fit import Labelled
from training.judge_fit import Additive
from training.judge_refit import gain_of, held_out, refit, tempered

Floats = NDArray[np.float64]
LEAST: Final = 5
"""Labels of an appraiser or brand below which leaving them out changes nothing that could be told."""
SIGNIFICANCE: Final = 0.01
"""Chance, over all appraisers, that one of them is refused without any fault."""
SHUFFLES: Final = 20_000
RETAINED: Final = 0.1
"""Share of the gain that must be left without an appraiser or a brand."""
CHANCE: Final = 0.05
"""That, over all appraisers and brands, too little is left of one by the luck of a few rows."""
_STRATA: Final = 4
_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Consistency:
    """An appraiser, the number of labels, their mean surprise and that of the others' at the same scores (nats), and
    the chance of such a distance where the appraiser is like the others."""

    appraiser: str
    labels: int
    surprise: float
    others: float
    p: float


@dataclass(frozen=True, slots=True)
class Without:
    """What is left without one appraiser or brand.

    `labels` of theirs were fitted to. `gain` is the candidate's on the rows of everybody else, `contrast` by how many
    standard errors the gain on their own rows is greater. `refitted` is the gain, on the test rows of everybody else,
    of a judge fitted without these labels, and `missed` by how many standard errors the candidate's there is greater
    (None for a candidate that was not fitted to any).
    """

    kind: str
    name: str
    labels: int
    others: int
    gain: float
    contrast: float
    refitted: float | None = None
    missed: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "kind": self.kind, "name": self.name, "labels": self.labels, "rows of others": self.others,
            "gain on others": round(self.gain, 5), "less than on their own (standard errors)": finite(self.contrast),
            "gain without them": None if self.refitted is None else round(self.refitted, 5),
            "less than with them (standard errors)": None if self.missed is None else finite(self.missed),
        }  # fmt: skip


def consistency(
    start: Additive, rows: Labelled, appraisers: Sequence[tuple[str, ...]], *, ridge: float, seed: int = 0
) -> list[Consistency]:
    """Every appraiser with labels enough, and others to be held against; `appraisers` are those of each row."""
    found = []
    for name, own in _sources(appraisers).items():
        others = ~own
        if own.sum() < LEAST or others.sum() < LEAST or rows.y[others].all() or not rows.y[others].any():
            continue
        rest = rows.where(others)
        weights = tempered(rest.weight)
        score = np.zeros(len(rows.y))
        score[own] = refit(start, rest.x, rest.y, weights, ridge=ridge).probability(rows.x[own])
        z = held_out(start, rest.x, rest.y, weights, rest.group, ridge=ridge, repeats=1)[0]
        score[others] = 1 / (1 + np.exp(-z))
        found.append(_held_against(name, own, score, rows.y, seed))
    return found


def contradicting(found: Sequence[Consistency]) -> list[Consistency]:
    """The appraisers whose labels are not like the others'."""
    return [one for one in found if one.p < SIGNIFICANCE / len(found)]


def left_out(
    start: Additive,
    fitted: Labelled,
    fitted_sources: Mapping[str, Sequence[tuple[str, ...]]],
    rows: Labelled,
    sources: Mapping[str, Sequence[tuple[str, ...]]],
    tested: NDArray[np.bool_],
    serving: Floats,
    candidate: Floats,
    *,
    ridge: float | None,
    scale: tuple[float, float] = (1.0, 0.0),
) -> list[Without]:
    """What is left without each appraiser and each brand that has labels enough.

    `fitted` are the rows that judges are fitted to, `rows` those by which the models are compared: with probabilities
    by `serving` and `candidate` (n,), and whether they are test rows (`tested`). `fitted_sources` and `sources` say by
    kind (`appraiser`, `brand`) whose each row is. With `ridge` None the candidate's judge was not fitted to labels.
    `scale` are slope and shift of the candidate's calibration, which the judges fitted here share: few rows calibrate
    one anew by luck, and that is not what is asked.
    """
    gains = surprise(serving, rows.y) - surprise(candidate, rows.y)
    found = []
    for kind, names in sources.items():
        fitted_by = _sources(fitted_sources[kind])
        for name, own in _sources(names).items():
            labels = int(fitted_by[name].sum()) if name in fitted_by else 0
            if labels < LEAST or own.all():
                continue
            one = Without(
                kind, name, labels, int((~own).sum()), float(np.mean(gains[~own])), _contrast(gains, own, rows)
            )
            others = tested & ~own
            if ridge is not None and others.any():
                model = _fitted_without(start, fitted.where(~fitted_by[name]), ridge, scale)
                without = surprise(serving, rows.y)[others] - surprise(
                    model.probability(rows.x[others]), rows.y[others]
                )
                more, error = gain_of(gains[others] - without, np.ones(int(others.sum())), rows.group[others])
                one = replace(one, refitted=float(np.mean(without)), missed=_in_errors(more, error))
            found.append(one)
    return found


def carried(found: Sequence[Without], gain: float) -> list[Without]:
    """Those without whom less than `RETAINED` of the gain is left, where that is no chance."""
    least = RETAINED * gain
    sure = float(norm.ppf(1 - CHANCE / max(len(found), 1)))
    return [
        one
        for one in found
        if (one.gain < least and one.contrast > sure)
        or (one.refitted is not None and one.refitted < least and (one.missed or 0.0) > sure)
    ]


def gain_on(serving: Floats, candidate: Floats, y: NDArray[np.bool_], group: NDArray[np.str_]) -> tuple[float, float]:
    """The candidate's gain of log loss, and its standard error; every row counts once."""
    return gain_of(surprise(serving, y) - surprise(candidate, y), np.ones(len(y)), group)


def _contrast(gains: Floats, own: NDArray[np.bool_], rows: Labelled) -> float:
    """By how many standard errors the gain on some rows is above that on the others."""
    mine, mine_error = gain_of(gains[own], np.ones(int(own.sum())), rows.group[own])
    theirs, error = gain_of(gains[~own], np.ones(int((~own).sum())), rows.group[~own])
    return _in_errors(mine - theirs, float(np.hypot(mine_error, error)))


def _in_errors(value: float, error: float) -> float:
    return value / error if error > 0 else 0.0


def _fitted_without(start: Additive, rest: Labelled, ridge: float, scale: tuple[float, float]) -> Additive:
    if rest.y.all() or not rest.y.any():
        return start
    return refit(start, rest.x, rest.y, tempered(rest.weight), ridge=ridge).rescaled(*scale)


def _held_against(name: str, own: NDArray[np.bool_], score: Floats, y: NDArray[np.bool_], seed: int) -> Consistency:
    surprises = surprise(score, y)
    # Shuffled among rows of like score: an appraiser may get the hard items, and surprise depends on how hard.
    order = np.argsort(score, kind="stable")
    strata = np.empty(len(y), dtype=np.int64)
    strata[order] = np.arange(len(y)) * _STRATA // len(y)
    rng = np.random.default_rng(seed)
    total, expected, count = float(surprises[own].sum()), 0.0, 0
    drawn = np.zeros(SHUFFLES)
    for stratum in range(_STRATA):
        rows = np.flatnonzero(strata == stratum)
        picked = int(own[rows].sum())
        if not picked:
            continue
        expected += picked * float(surprises[rows].mean())
        for start in range(0, SHUFFLES, _AT_ONCE):
            keys = rng.random((_AT_ONCE, len(rows)))
            chosen = np.argpartition(keys, picked - 1, axis=1)[:, :picked]
            drawn[start : start + _AT_ONCE] += surprises[rows][chosen].sum(axis=1)
    count = int((drawn >= total - 1e-12).sum())
    labels = int(own.sum())
    return Consistency(name, labels, total / labels, expected / labels, (count + 1) / (SHUFFLES + 1))


def _sources(names: Sequence[tuple[str, ...]]) -> dict[str, NDArray[np.bool_]]:
    """Which rows (n,) are of each source."""
    every = sorted({name for own in names for name in own})
    return {name: np.array([name in own for own in names], dtype=bool) for name in every}
