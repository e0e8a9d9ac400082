"""From a frozen data set to a judge and its policy: fit, calibrate, set the bands, write, with every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brands.durable import make_folder, write_new
from screener.drift.baseline import Baseline, baseline_of, write_baseline
from screener.judging.evidence import CERTAIN
from screener.judging.features import FEATURES, NAMES
from screener.judging.model import load_judge
from screener.judging.policy import Policy, load_policy, parse_policy
from screener.settings import EMBEDDED_JUDGE, EMBEDDED_POLICY, embedded_bundle
from training.candidate.bands import Seen, bands_for, target_of
from training.candidate.fit import Fit, Labelled, fit_appraised
from training.candidate.replay import Replayed, encoder_id_of, items_of, open_stage
from training.errors import TrainingError
from training.frozen.model import Frozen, FrozenRow, labels_of
from training.frozen.population import open_population
from training.frozen.splits import telling
from training.judge_fit import Additive, Noise
from training.judge_read import read_judge
from training.judge_write import write_judge
from training.market.metrics import Scored, average_precision
from training.policy_fit import Fitted, policy_toml

Floats = NDArray[np.float64]
FITTED = ("train", "calibrate")
"""Splits that a judge is fitted to; each row is scored for calibration and bands by judges that did not see its group,
so that a few hundred rows need not be cut into two lots."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedJudge:
    """A judge and a policy on disk; `fit` and `figures` tell how they were made."""

    judge_id: str
    policy_id: str
    judge: Path
    policy: Path
    fit: Fit
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Fitting:
    """The rows that a judge may be fitted to, with features (n, F) as `encoder` makes them; `how` tells where from."""

    rows: tuple[FrozenRow, ...]
    x: Floats
    encoder: str
    how: str

    def labelled(self) -> Labelled:
        """The rows as the fit takes them."""
        return labelled(self.rows, self.x)


def train_judge(
    frozen: Frozen,
    *,
    out: Path,
    policy_out: Path,
    name: str = "judge",
    start: Path = EMBEDDED_JUDGE,
    start_policy: Path = EMBEDDED_POLICY,
    bundle: Path | None = None,
    noise: Noise | None = None,
    scratch: Path | None = None,
    reading_ms: int | None = None,
    command: str = "",
) -> TrainedJudge:
    """Fits a judge to the appraisals of a data set, beginning with the one that serves, and writes it and its policy.

    `start` and `start_policy` are what serves, `bundle` the encoder that the judge is for (the embedded one if None).
    With the encoder that screened the rows, their features are those that were served; with another one, the rows are
    screened again with it (`training.candidate.replay`; `reading_ms` as there).

    Raises
    ------
    NoChange
        where no change does better than the judge that serves on held-out appraisals; nothing is written
    TrainingError
        where the policy is not the judge's, or `out` or `policy_out` are there already
    """
    for path in (out, policy_out):
        if path.exists():
            raise TrainingError(f"{path} exists; a judge and its policy are never overwritten")
    serving, policy = load_judge(start), load_policy(start_policy)
    if policy.judge != serving.id:
        raise TrainingError(f"{start_policy} was fitted to {policy.judge}, not to {serving.id}")
    fitting = fitting_rows(frozen, bundle or embedded_bundle(), scratch=scratch, reading_ms=reading_ms)
    rows = fitting.labelled()
    fit = fit_appraised(read_judge(start), rows, noise=noise)
    before = serving.judge_many(fitting.x.astype(np.float32))[0].astype(np.float64)
    seen, baseline_of_policy = _seen(frozen, fitting, serving.judge_many, fit.model)
    own = rows.planned if rows.planned.any() else np.ones(len(rows.y), dtype=bool)
    scored = Scored(fit.held_out[own], rows.y[own], rows.weight[own], rows.group[own], frozen.prevalence)
    category = np.array([row.category for row in fitting.rows])
    bands, how = bands_for(policy, seen, scored, category[own], before[own])
    figures = {
        "rows": len(rows.y),
        "counterfeits": int(rows.y.sum()),
        "planned": int(rows.planned.sum()),
        "fit": fit.record(),
        "held out": _compared(rows, before, fit.held_out),
        "bands": {name: asdict(fitted) for name, fitted in bands.items()},
        "how the bands were set": how,
    }
    source = {
        "command": command, "dataset": frozen.id, "started_from": serving.id, "encoder": fitting.encoder,
        "features": fitting.how, "trained_until": max(row.created_at for row in fitting.rows).isoformat(),
    }  # fmt: skip
    identifier = write_judge(
        out, fit.model, name=name, calibrated_on="appraisals", prevalence=round(frozen.prevalence, 6),
        metrics=figures, source=source, card=_card(name, frozen, fit.model, figures, source),
    )  # fmt: skip
    text = _policy_text(name, identifier, policy, bands, frozen, how)
    write_baseline(out, baseline_of_policy(parse_policy(text.encode())))
    make_folder(policy_out.absolute().parent)
    write_new(policy_out, text.encode())
    return TrainedJudge(identifier, parse_policy(text.encode()).id, out, policy_out, fit, figures)


def fitting_rows(
    frozen: Frozen, bundle: Path, *, scratch: Path | None = None, reading_ms: int | None = None
) -> Fitting:
    """The rows to fit to, with features as served where this encoder served them, else screened again with it.

    Screened again, no row is compared with a reference that tells the label of any row: a judge that was fitted so
    would think that every counterfeit is a known one. Rows without all of their pictures are then left out.

    Raises
    ------
    TrainingError
        where nothing is left to fit to
    """
    encoder = encoder_id_of(bundle)
    places = frozen.places("train", "calibrate")
    rows = [frozen.rows[place] for place in places]
    if all(row.encoder in (None, encoder) for row in rows):
        return Fitting(tuple(rows), frozen.x[places], encoder, "as served")
    rows = [row for row in rows if frozen.complete(row)]
    if not rows:
        raise TrainingError(f"{frozen.id} has no row with all its pictures: another encoder cannot screen them again")
    told = telling(frozen.rows, frozen.references, frozen.hashes, ("train", "calibrate", "test"))
    with open_stage(frozen, bundle=bundle, exclude_references=told, scratch=scratch, reading_ms=reading_ms) as stage:
        serving = stage.serving(EMBEDDED_JUDGE, EMBEDDED_POLICY)
        found: Replayed = stage.screen(serving, items_of(frozen, rows), "Screening with the new encoder")
    return Fitting(tuple(rows), found.x, encoder, "screened again")


def labelled(rows: Sequence[FrozenRow], x: Floats) -> Labelled:
    """Rows and their features (n, F) as the fit takes them."""
    return Labelled(
        x=x,
        y=labels_of(rows),
        weight=np.array([row.weight for row in rows], dtype=np.float64),
        group=np.array([row.group for row in rows], dtype=np.str_),
        planned=np.array([row.planned for row in rows], dtype=bool),
    )


def _seen(frozen: Frozen, fitting: Fitting, judge: Any, model: Additive) -> tuple[Seen, Any]:
    """The listings that bands are carried over by, and what makes the baseline of a policy from them.

    The listings are the screenings of the time: both judges see what was served, also where the new judge is for
    another encoder, since the few rows that were screened again with it tell no share of one in a hundred. The baseline
    is theirs too with the encoder that served; with another one it is that of these rows, each as many times as it
    stands for, because features are what drift is looked for in.
    """
    population = open_population(frozen.folder)
    weight = np.array([row.weight for row in fitting.rows])
    category = np.array([row.category for row in fitting.rows])
    if len(population):
        before = judge(population.x.astype(np.float32))[0].astype(np.float64)
        of_all = model.probability(population.x)
        seen = Seen(before, of_all, np.ones(len(population)), population.category)
    else:
        before = judge(fitting.x.astype(np.float32))[0].astype(np.float64)
        seen = Seen(before, model.probability(fitting.x), weight, category)
    if fitting.how == "as served" and len(population):

        def of_population(policy: Policy) -> Baseline:
            found = verdicts_of(
                policy, of_all, population.category, _certain(population.x), population.verdict == "unscreenable"
            )
            return population.baseline(of_all, found)

        return seen, of_population

    def of_rows(policy: Policy) -> Baseline:
        days = [row.created_at.date().isoformat() for row in fitting.rows]
        status = ["recognised" if value > 0 else "unknown" for value in fitting.x[:, NAMES.index("brand_evidence")]]
        after = model.probability(fitting.x)
        verdicts = verdicts_of(policy, after, category, _certain(fitting.x), np.zeros(len(after), dtype=bool))
        return baseline_of(
            fitting.x, after, verdicts=verdicts, brand_status=status, source="training", since=min(days),
            until=max(days), weights=weight,
        )  # fmt: skip

    return seen, of_rows


def verdicts_of(
    policy: Policy,
    probability: Floats,
    category: NDArray[np.str_],
    known_fake: NDArray[np.bool_],
    gaps: NDArray[np.bool_],
) -> list[str]:
    """What the policy would answer; `gaps` (n,) says where not every picture was screened."""
    columns = (probability.tolist(), category.tolist(), known_fake.tolist(), gaps.tolist())
    return [
        policy.verdict(p, name, known_fake=fake, everything_screened=not gap)
        for p, name, fake, gap in zip(*columns, strict=True)
    ]


def _certain(x: Floats) -> NDArray[np.bool_]:
    """Where features (n, F) say that a known fake's picture is copied for certain, but for hashes and equal files."""
    found: NDArray[np.bool_] = x[:, NAMES.index("fake_copy")] >= CERTAIN
    return found


def _compared(rows: Labelled, before: Floats, after: Floats) -> dict[str, Any]:
    """Average precision of the serving judge and of judges that did not see the rows' groups, rows unweighted."""
    ones = np.ones(len(rows.y))
    share = float(np.clip(rows.y.mean(), 1e-4, 1 - 1e-4))
    return {
        name: {"average precision": average_precision(Scored(score, rows.y, ones, rows.group, share))}
        for name, score in (("serving", before), ("candidate", after))
    }


def _policy_text(name: str, judge: str, policy: Policy, bands: Mapping[str, Fitted], frozen: Frozen, how: str) -> str:
    note = (
        f"Made by `listing-screener-train judge train --dataset {frozen.id}`, from {policy.id}:\n{how}.\n"
        "Rows were scored by judges that did not see their groups."
    )
    return policy_toml(
        name, judge, target_of(policy), bands, note, known_fake=policy.known_fake, undecided=policy.undecided
    )


def _card(name: str, frozen: Frozen, model: Additive, figures: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    held = figures["held out"]
    lines = [
        f"# {name}",
        "",
        "An additive, monotone judge of marketplace listings: the probability that the item is counterfeit, and what",
        f"each feature adds to it. It was moved from `{source['started_from']}` towards {figures['rows']} appraised",
        f"items ({figures['counterfeits']} counterfeits, {figures['planned']} picked by spot checks) of the data set",
        f"`{frozen.id}`, and calibrated to the listings that these stand for (`calibrated_on: appraisals`), with a",
        f"prevalence of {frozen.prevalence:.2%}. Features {source['features']}, encoder `{source['encoder']}`.",
        "",
        f"Ridge {figures['fit']['ridge']:g}, chosen on held-out groups; calibrated by a slope of"
        f" {figures['fit']['slope']:.3f} and a shift of {figures['fit']['shift']:+.3f}.",
        f"Average precision on the appraised items, by judges that did not see their groups:"
        f" {held['candidate']['average precision']:.3f}, serving {held['serving']['average precision']:.3f}.",
        f"Bands: {figures['how the bands were set']}.",
        "",
        "How it compares with what served, on items that it was not fitted to: `evaluate candidate`.",
        "",
        "## What each feature can add to the log-odds",
        "",
        "| feature | unit | least | most |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{feature.name}` | {feature.unit} | {shape.values.min():+.2f} | {shape.values.max():+.2f} |"
        for feature, shape in zip(FEATURES, model.shapes, strict=True)
    ]
    return "\n".join([*lines, "", f"Log-odds of a listing of which nothing is known: {model.bias:+.2f}.", ""])
