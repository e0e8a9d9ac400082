"""Both models at work on the same listings: the test rows and the open-set suite, through the serving code, timed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from screener.bundle import Bundle, load_bundle
from screener.judging.model import Judge, load_judge
from screener.judging.policy import Policy, load_policy
from screener.release import Serving
from screener.releases.report import Models
from screener.settings import EMBEDDED_JUDGE, EMBEDDED_POLICY, embedded_bundle
from training.candidate.gates import Timing
from training.candidate.open_set import suite_id
from training.candidate.replay import Item, Replayed, Stage, encoder_id_of, items_of, open_stage
from training.frozen.model import Frozen, FrozenRefused, FrozenRow
from training.frozen.read import PROMPTED

Floats = NDArray[np.float64]
TIMED: Final = 16
"""Listings that are timed by both models in turn; of each the quickest of some rounds counts."""
ROUNDS: Final = 3
MOST_ROUNDS: Final = 9
"""Where the candidate seems slower it is timed again: on a busy machine the quickest of three is no quick one yet."""
ALIKE: Final = 1.1


@dataclass(frozen=True, slots=True)
class Side:
    """Bundle, judge and policy that are served together."""

    bundle: Path
    judge: Path
    policy: Path

    @staticmethod
    def embedded() -> Side:
        """What comes with the distribution."""
        return Side(embedded_bundle(), EMBEDDED_JUDGE, EMBEDDED_POLICY)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """The models of a side."""

    bundle: Bundle
    judge: Judge
    policy: Policy

    @classmethod
    def of(cls, side: Side) -> Loaded:
        """Loads them. Raises BundleRefused, JudgeRefused, PolicyRefused."""
        return cls(load_bundle(side.bundle), load_judge(side.judge), load_policy(side.policy))

    @property
    def ids(self) -> Models:
        """Their names."""
        return Models(self.bundle.id, self.judge.id, self.policy.id)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What serving with both sides gave: the test rows that count, each side's features (n, F), probabilities and
    prompts (n,); `answered` says which rows (n,) were screened again; the suite's prompts, and times."""

    rows: tuple[FrozenRow, ...]
    x: tuple[Floats, Floats]
    probability: tuple[Floats, Floats]
    prompted: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    answered: NDArray[np.bool_]
    suite: tuple[int, int, int]
    suite_id: str
    timing: Timing | None
    replayed: float


def measure(
    frozen: Frozen,
    serving: Side,
    candidate: Side,
    suite: Sequence[Item],
    *,
    scratch: Path,
    reading_ms: int | None = None,
    seed: int = 0,
) -> Measured:
    """Screens the test rows and the suite with both sides, and times them in turn."""
    places = frozen.places("test")
    rows = [frozen.rows[place] for place in places]
    whole = [row for row in rows if frozen.complete(row)]
    ids = (encoder_id_of(serving.bundle), encoder_id_of(candidate.bundle))
    same = ids[0] == ids[1]
    items = items_of(frozen, whole)
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(open_stage(frozen, bundle=serving.bundle, scratch=scratch, reading_ms=reading_ms))
        second = first if same else stack.enter_context(
            open_stage(frozen, bundle=candidate.bundle, scratch=scratch, reading_ms=reading_ms)
        )  # fmt: skip
        stages = (first, second)
        models = tuple(
            stage.serving(side.judge, side.policy) for stage, side in zip(stages, (serving, candidate), strict=True)
        )
        found = [stage.screen(model, items) for stage, model in zip(stages, models, strict=True)]
        strangers = [stage.screen(model, suite, "Open set") for stage, model in zip(stages, models, strict=True)]
        timing = _timing(stages, models, items, seed)
    prompts = [int(one.prompted.sum()) for one in strangers]
    replayed = sum(row.weight for row in whole) / max(sum(row.weight for row in rows), 1e-12)
    as_served = same and all(row.encoder in (None, ids[0]) for row in rows)
    kept, sides = _with_served(frozen, rows, whole, found, models, as_served)
    if not kept:
        raise FrozenRefused(f"{frozen.id}: no test row can be judged by both models: pictures are missing")
    answered = np.array([frozen.complete(row) for row in kept], dtype=bool)
    return Measured(
        rows=tuple(kept),
        x=(sides[0][0], sides[1][0]),
        probability=(sides[0][1], sides[1][1]),
        prompted=(sides[0][2], sides[1][2]),
        answered=answered,
        suite=(len(suite), prompts[0], prompts[1]),
        suite_id=suite_id(suite),
        timing=timing,
        replayed=replayed,
    )


def _with_served(
    frozen: Frozen,
    rows: Sequence[FrozenRow],
    whole: Sequence[FrozenRow],
    found: Sequence[Replayed],
    models: Sequence[Serving],
    as_served: bool,
) -> tuple[list[FrozenRow], list[tuple[Floats, Floats, NDArray[np.bool_]]]]:
    """The rows that both sides judged, in their order, and each side's features, probabilities and prompts.

    A row without its pictures has the features that were served, if `as_served` says that both may be judged by them.
    """
    place = {row.screening_id: number for number, row in enumerate(whole)}
    line = {row.screening_id: number for number, row in enumerate(frozen.rows)}
    kept = [row for row in rows if row.screening_id in place or as_served]
    sides = []
    for replayed, model in zip(found, models, strict=True):
        x, probability, prompted = [], [], []
        for row in kept:
            if (number := place.get(row.screening_id)) is not None:
                values, p, verdict = replayed.x[number], replayed.probability[number], replayed.verdicts[number]
            else:
                values = frozen.x[line[row.screening_id]]
                p = float(model.judge.judge(values.astype(np.float32)).probability)
                verdict = model.policy.verdict(p, row.category, known_fake=row.known_fake, everything_screened=True)
            x.append(values)
            probability.append(float(p))
            prompted.append(verdict in PROMPTED)
        sides.append((np.array(x).reshape(len(kept), -1), np.array(probability), np.array(prompted, dtype=bool)))
    return kept, sides


def _timing(stages: Sequence[Stage], models: Sequence[Serving], items: Sequence[Item], seed: int) -> Timing | None:
    """Times of the same listings by both in turn, nothing known of their pictures; of each the quickest round."""
    if not items:
        return None
    rng = np.random.default_rng(seed)
    chosen = [items[place] for place in rng.permutation(len(items))[:TIMED].tolist()]
    best = np.full((2, len(chosen)), np.inf)
    for each in range(MOST_ROUNDS):
        for number, item in enumerate(chosen):
            for side in (0, 1) if (each + number) % 2 == 0 else (1, 0):
                best[side, number] = min(best[side, number], 1000 * stages[side].fresh(models[side], item))
        serving, candidate = (np.round(np.quantile(best[side], [0.5, 0.95]), 2).tolist() for side in (0, 1))
        found = Timing((serving[0], serving[1]), (candidate[0], candidate[1]), len(chosen))
        if each + 1 >= ROUNDS and max(found.ratios) <= ALIKE:
            break
    return found
