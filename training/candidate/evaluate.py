"""A candidate held against what serves, both through the serving code, and every gate of a promotion."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from screener.judging.model import Judge
from screener.judging.policy import Policy
from screener.releases.report import Report
from training.candidate import gates
from training.candidate.figures import DRAWS, Difference, Paired, finite, market_figures, overall
from training.candidate.fit import fit_appraised
from training.candidate.gates import Bounds, OpenSet
from training.candidate.judge import Fitting, fitting_rows, labelled, verdicts_of
from training.candidate.open_set import SIZE, open_suite
from training.candidate.reviewers import consistency, gain_on, left_out
from training.candidate.screened import Loaded, Measured, Side, measure
from training.candidate.slices import dimensions, losses
from training.errors import TrainingError
from training.frozen.model import Frozen, FrozenRow, labels_of
from training.frozen.read import PROMPTED
from training.frozen.splits import leak_report
from training.judge_fit import Additive
from training.judge_read import read_judge
from training.market.metrics import curve
from training.report import machine

Floats = NDArray[np.float64]
PRECISIONS: Final = (0.90, 0.95)
RIDGE: Final = 0.1
"""Of judges that only ask who agrees with whom, where the candidate's own ridge is not known."""
_SAME: Final = 2e-3
"""Probability by which a judge fitted again may differ from the candidate on any row and still be the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The rows by which both models are compared, with the features of the candidate's encoder (n, F).

    They are the test rows and, for a judge that the data set's own labels make again of what serves, the rows it was
    fitted to, each scored by judges that did not see its group. Another encoder saw pictures of the rows for training,
    so with one only those for calibration count of them. `tested` (n,) says which are test rows.
    """

    rows: tuple[FrozenRow, ...]
    x: Floats
    paired: Paired
    tested: NDArray[np.bool_]


def evaluate_candidate(
    frozen: Frozen,
    *,
    candidate: Side,
    serving: Side | None = None,
    bounds: Bounds | None = None,
    suite: Path | None = None,
    suite_size: int = SIZE,
    scratch: Path | None = None,
    reading_ms: int | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    measured: Measured | None = None,
    command: str = "",
) -> Report:
    """The report of a candidate, with every gate; `serving` is what it would replace (None: the embedded models).

    Test rows are screened again by both sides with the references of the data set, so that nobody profits from what was
    registered later; where pictures are missing and both have the encoder that served, both judges see the features
    that were served. `suite` is the folder of the open-set suite (made if it is not there), `scratch` keeps vectors for
    the next call. `measured` stands in for the screening.

    Raises
    ------
    BundleRefused, JudgeRefused, PolicyRefused
        for models that could not be served
    FrozenRefused
        where no test row can be judged by both
    """
    serving, bounds = serving or Side.embedded(), bounds or Bounds()
    old, new = Loaded.of(serving), Loaded.of(candidate)
    with contextlib.ExitStack() as stack:
        if scratch is None:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evaluate-")))
        if measured is None:
            items = open_suite(suite or scratch / "open-set", size=suite_size)
            measured = measure(frozen, serving, candidate, items, scratch=scratch, reading_ms=reading_ms, seed=seed)
        fitting = fitting_rows(frozen, candidate.bundle, scratch=scratch, reading_ms=reading_ms)
    same, changed = old.bundle.id == new.bundle.id, old.judge.id != new.judge.id
    fitted_with, scale = _fit(new.judge)
    ridge = fitted_with if changed else None
    start = read_judge(serving.judge)
    compared = _compared(frozen, fitting, measured, start, old, new, ridge)
    paired, test = compared.paired, compared.paired.where(compared.tested)
    figures = overall(paired, PRECISIONS, draws=draws, seed=seed) if paired.both_kinds else {}
    alone = overall(test, PRECISIONS, draws=draws, seed=seed) if test.both_kinds else {}
    lost = losses(paired, dimensions(frozen, compared.rows, compared.x), bounds.slices)
    everyone = (*fitting.rows, *measured.rows)
    appraisers = [row.appraisers for row in everyone]
    labels = labelled(everyone, np.concatenate([fitting.x, measured.x[1]]))
    consistent = consistency(start, labels, appraisers, ridge=ridge or RIDGE, seed=seed)
    without = left_out(
        start, fitting.labelled(), _sources(fitting.rows), labelled(compared.rows, compared.x),
        _sources(compared.rows), compared.tested, paired.serving, paired.candidate, ridge=ridge, scale=scale,
    )  # fmt: skip
    gain = gain_on(paired.serving, paired.candidate, paired.y, paired.group)
    opened = _opened(measured)
    sources: dict[str, Mapping[str, Any]] = {"judge": new.judge.manifest["source"]} if changed else {}
    sources |= {} if same else {"encoder": new.bundle.manifest["source"]}
    kinds = (int(test.y.sum()), int((~test.y).sum()))
    found = (
        gates.leakage(leak_report(frozen.rows, frozen.references, frozen.hashes), frozen.id, sources),
        gates.parity(
            new.bundle, same, new.judge, new.policy, old.policy, measured.x[1][measured.answered],
            measured.probability[1][measured.answered],
        ),
        gates.latency(measured.timing, bounds),
        gates.evidence(figures, alone, kinds, measured.replayed, same, bounds),
        gates.slices(lost),
        gates.open_set(opened, new.policy),
        gates.leave_one_out(consistent, without, gain, len({name for own in appraisers for name in own}), changed),
    )  # fmt: skip
    # No rate is told from items that nobody drew.
    market = paired.where(np.array([row.planned for row in compared.rows], dtype=bool))
    return Report(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        candidate=new.ids,
        serving=old.ids,
        dataset=frozen.id,
        gates=found,
        figures={
            "command": command,
            "machine": machine(),
            "draws": draws,
            "seed": seed,
            "bounds": {"least": bounds.least, "worse": dict(bounds.worse), "slices": dict(bounds.slices),
                       "latency": bounds.latency, "pictures": bounds.pictures},
            "test": {"rows": len(test), "counterfeits": kinds[0], "authentic": kinds[1],
                     "planned": sum(row.planned for row in measured.rows),
                     "screened again": int(measured.answered.sum()), "held out of the fit": len(paired) - len(test),
                     "from": min(row.created_at for row in measured.rows).isoformat(),
                     "until": max(row.created_at for row in measured.rows).isoformat()},
            "prevalence": round(frozen.prevalence, 5),
            "compared": {name: one.to_json() for name, one in figures.items()},
            "test rows alone": {name: one.to_json() for name, one in alone.items()},
            "market": market_figures(market, PRECISIONS, draws=draws, seed=seed) if market.both_kinds else {},
            "categories": _by_category(paired, draws, seed),
            "slices": [one.to_json() for one in lost],
            "open set": {"suite": measured.suite_id, **asdict(opened)},
            "latency": None if measured.timing is None else asdict(measured.timing),
            "appraisers": [{**asdict(one), "p": round(one.p, 6)} for one in consistent],
            "without": [one.to_json() for one in without],
            "gain of log loss": [round(gain[0], 5), finite(gain[1])],
            "scores": _histograms(paired),
            "curves": _curves(paired),
        },
    )  # fmt: skip


def _compared(
    frozen: Frozen,
    fitting: Fitting,
    measured: Measured,
    start: Additive,
    old: Loaded,
    new: Loaded,
    ridge: float | None,
) -> Compared:
    """The test rows, and those fitted to that count too."""
    rows, x, tested = measured.rows, measured.x[1], np.ones(len(measured.rows), dtype=bool)
    paired = _paired(frozen, rows, measured.probability, measured.prompted)
    scores = _by_others(fitting, measured, start, old, new, ridge) if len(rows) else None
    if scores is None:
        return Compared(rows, x, paired, tested)
    own, as_before = _counting(frozen, fitting, old.bundle.id, new.bundle.id)
    before = old.judge.judge_many(as_before.astype(np.float32))[0].astype(np.float64)
    after = scores[own]
    held = [fitting.rows[place] for place in own]
    prompts = _prompted(old.policy, before, held), _prompted(new.policy, after, held)
    every = (*held, *rows)
    return Compared(
        every,
        np.concatenate([fitting.x[own], x]),
        _paired(
            frozen,
            every,
            (np.concatenate([before, paired.serving]), np.concatenate([after, paired.candidate])),
            (
                np.concatenate([prompts[0], paired.serving_prompts]),
                np.concatenate([prompts[1], paired.candidate_prompts]),
            ),
        ),
        np.concatenate([np.zeros(len(held), dtype=bool), tested]),
    )


def _by_others(
    fitting: Fitting, measured: Measured, start: Additive, old: Loaded, new: Loaded, ridge: float | None
) -> Floats | None:
    """What judges like the candidate's that did not see a row's group say of the rows of the fit, (n,).

    With another encoder and the judge that serves (`ridge` None) that is this judge itself. None where `ridge` does not
    make the candidate again, which may have been fitted to anything, and where only the policy is another.
    """
    if ridge is None:
        same = old.bundle.id == new.bundle.id
        return None if same else new.judge.judge_many(fitting.x.astype(np.float32))[0].astype(np.float64)
    try:
        fit = fit_appraised(start, fitting.labelled(), ridge=ridge)
    except TrainingError:
        return None
    made_again = np.abs(fit.model.probability(measured.x[1]) - measured.probability[1]).max() <= _SAME
    return fit.held_out if made_again else None


def _counting(frozen: Frozen, fitting: Fitting, serving: str, candidate: str) -> tuple[list[int], Floats]:
    """Which rows of the fit count when encoders are compared, and their features (n, F) by the serving encoder.

    Another encoder was not trained on the rows for calibration; what serves saw them when they were screened, with the
    references of that day, as the fit has them.
    """
    if serving == candidate:
        return list(range(len(fitting.rows))), fitting.x
    own = [
        place for place, row in enumerate(fitting.rows) if row.split == "calibrate" and row.encoder in (None, serving)
    ]
    line = {row.screening_id: number for number, row in enumerate(frozen.rows)}
    return own, frozen.x[[line[fitting.rows[place].screening_id] for place in own]]


def _prompted(policy: Policy, probability: Floats, rows: Sequence[FrozenRow]) -> NDArray[np.bool_]:
    category = np.array([row.category for row in rows], dtype=np.str_)
    known = np.array([row.known_fake for row in rows], dtype=bool)
    found = verdicts_of(policy, probability, category, known, np.zeros(len(category), dtype=bool))
    return np.array([verdict in PROMPTED for verdict in found], dtype=bool)


def _paired(
    frozen: Frozen,
    rows: Sequence[FrozenRow],
    scores: tuple[Floats, Floats],
    prompts: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> Paired:
    return Paired(
        serving=scores[0],
        candidate=scores[1],
        serving_prompts=prompts[0],
        candidate_prompts=prompts[1],
        y=labels_of(rows),
        weight=np.array([row.weight for row in rows], dtype=np.float64),
        group=np.array([row.group for row in rows], dtype=np.str_),
        category=np.array([row.category for row in rows], dtype=np.str_),
        prevalence=frozen.prevalence,
    )


def _opened(measured: Measured) -> OpenSet:
    overturned = np.array([row.overturned for row in measured.rows], dtype=bool)
    before, after = (int((prompted & overturned).sum()) for prompted in measured.prompted)
    return OpenSet(*measured.suite, int(overturned.sum()), before, after)


def _fit(judge: Judge) -> tuple[float, tuple[float, float]]:
    """The ridge that the judge was fitted with, and slope and shift of its calibration, where its manifest tells."""
    fit = judge.manifest["metrics"].get("fit")
    found: list[Any] = [fit.get(name) for name in ("ridge", "slope", "shift")] if isinstance(fit, Mapping) else []
    if len(found) == 3 and all(isinstance(value, int | float) for value in found):
        return float(found[0]), (float(found[1]), float(found[2]))
    return RIDGE, (1.0, 0.0)


def _sources(rows: Sequence[FrozenRow]) -> dict[str, list[tuple[str, ...]]]:
    """Whose label each row has: of which appraisers, of an item of which brand."""
    return {
        "appraiser": [row.appraisers for row in rows],
        "brand": [(row.brand_id,) if row.brand_id else () for row in rows],
    }


def _by_category(rows: Paired, draws: int, seed: int) -> dict[str, dict[str, Any]]:
    """The overall figures in each category that has counterfeits and authentic items."""
    found = {}
    for name in sorted(set(rows.category.tolist())):
        own = rows.where(rows.category == name)
        if own.both_kinds:
            figures: Mapping[str, Difference] = overall(own, PRECISIONS, draws=draws, seed=seed)
            found[name or "none"] = {"rows": len(own), "counterfeits": int(own.y.sum())} | {
                figure: one.to_json() for figure, one in figures.items()
            }
    return found


def _histograms(rows: Paired) -> dict[str, Any]:
    """Scores of counterfeits and authentic items by both, in bins of five hundredths, for the plot."""
    edges = np.linspace(0, 1, 21)
    return {
        "edges": [round(float(edge), 2) for edge in edges],
        **{
            f"{name} {kind}": np.histogram(score[chosen], edges)[0].tolist()
            for name, score in (("serving", rows.serving), ("candidate", rows.candidate))
            for kind, chosen in (("counterfeit", rows.y), ("authentic", ~rows.y))
        },
    }


def _curves(rows: Paired) -> dict[str, dict[str, list[float]]]:
    if not rows.both_kinds:
        return {}
    found = {}
    for name, score in (("serving", rows.serving), ("candidate", rows.candidate)):
        whole = curve(rows.compared(score))
        found[name] = {
            "recall": [round(float(value), 4) for value in whole.recall],
            "precision": [round(float(value), 4) for value in whole.precision],
        }
    return found
