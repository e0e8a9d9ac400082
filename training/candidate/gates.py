"""The gates of a promotion: what each asks, what was measured, and in words for people whether it is passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from screener.bundle import Bundle
from screener.judging.features import FEATURES
from screener.judging.model import Judge
from screener.judging.policy import Policy
from screener.releases.report import Gate
from training.candidate.figures import Difference
from training.candidate.reviewers import Consistency, Without, carried, contradicting
from training.candidate.slices import Loss
from training.frozen.splits import Check

FP32_COSINE: Final = 0.9999
INT8_COSINE: Final = 0.90
"""Least cosines with the torch model, as `export` asks them (fp32: of every picture, int8: on average)."""
_TOLERANCE: Final = 1e-3
_NOTHING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a candidate may lose.

    `least` appraised items of each kind must be in the test rows; `worse` is how far below zero the interval of the
    gain may reach, by figure, and the gain of `decides` itself may not be below zero; `slices` the most that a slice
    may surely lose, by figure; `latency` the most that the candidate's p50 and p95 may be of what serves.
    """

    least: int = 8
    worse: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"average precision": 0.10, "log loss": 0.05})
    )
    decides: str = "log loss"
    slices: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"caught": 0.10, "false prompts": 0.05, "log loss": 0.05})
    )
    latency: float = 1.25
    pictures: float = 0.8
    """Share of the test rows' weight whose pictures must be here to judge another encoder."""


@dataclass(frozen=True, slots=True)
class Timing:
    """p50 and p95 in milliseconds of both models on the same listings, with pictures that nobody has seen."""

    serving: tuple[float, float]
    candidate: tuple[float, float]
    listings: int

    @property
    def ratios(self) -> tuple[float, float]:
        """Candidate over serving."""
        return self.candidate[0] / self.serving[0], self.candidate[1] / self.serving[1]


@dataclass(frozen=True, slots=True)
class OpenSet:
    """Listings of the suite, and how many both prompt; the same of prompts of the test rows that were overturned."""

    listings: int
    serving: int
    candidate: int
    overturned: int
    overturned_serving: int
    overturned_candidate: int


def leakage(checks: Sequence[Check], dataset: str, sources: Mapping[str, Mapping[str, Any]]) -> Gate:
    """Nothing crosses the splits, and what was trained on labels was trained on this data set's.

    `sources` are what the manifests of the candidate's judge and bundle say of their making: one that was made from
    another data set may have seen this one's test rows.
    """
    found = [f"{check.name}: {check.crossing} cross (first: {check.example})" for check in checks if check.crossing]
    for what, source in sources.items():
        named = source.get("dataset")
        if named and named != dataset:
            found.append(f"the {what} was trained on {named}, which may hold test rows of {dataset}")
    looked = sum(check.looked_at for check in checks)
    return _gate("leakage", not found, "; ".join(found) or f"nothing of {looked} things looked at is in two splits")


def parity(
    bundle: Bundle, served: bool, judge: Judge, policy: Policy, serving: Policy, x: NDArray[np.float64],
    answered: NDArray[np.float64] | None,
) -> Gate:  # fmt: skip
    """The candidate computes in serving what it was trained to.

    An encoder is held to its parity with torch (one that serves already was); a judge to adding up to its log-odds, to
    the directions of its features, and to what the serving code answered (`answered` (n,) for features `x` (n, F)).
    """
    found = [] if served else _encoder_faults(bundle)
    probability, log_odds, contributions = judge.judge_many(x.astype(np.float32))
    if len(x) and np.abs(judge.bias + contributions.sum(axis=1) - log_odds).max() > _TOLERANCE:
        found.append("the judge's contributions do not add up")
    if answered is not None and len(x) and np.abs(probability - answered).max() > _TOLERANCE:
        found.append(f"answers differ from the judge by {float(np.abs(probability - answered).max()):.4f}")
    found += _turned(judge)
    if policy.judge != judge.id:
        found.append(f"the policy was fitted to {policy.judge}, not to {judge.id}")
    for name, low in (("prompt_precision", True), ("review_precision", True), ("false_prompts", False)):
        mine, theirs = float(policy.target[name]), float(serving.target[name])
        if (mine < theirs) if low else (mine > theirs):
            found.append(f"the policy's {name} is {mine:g}, that of what serves {theirs:g}")
    encoder = "the encoder is the one that serves" if served else f"encoder {bundle.id} equals torch"
    return _gate("parity", not found, "; ".join(found) or f"{encoder}; the judge adds up on {len(x)} listings")


def latency(timing: Timing | None, bounds: Bounds) -> Gate:
    """Not much slower than what serves, in the same run on the same listings."""
    if timing is None:
        return _gate("latency", False, "not measured: no row of the data set has all its pictures")
    worst = max(timing.ratios)
    detail = (
        f"p50 {timing.candidate[0]:.1f} ms and p95 {timing.candidate[1]:.1f} ms, serving {timing.serving[0]:.1f} and "
        f"{timing.serving[1]:.1f}: at most {worst:.2f} times (bound {bounds.latency:g}), {timing.listings} listings"
    )
    return _gate("latency", worst <= bounds.latency, detail)


def evidence(
    figures: Mapping[str, Difference],
    alone: Mapping[str, Difference],
    kinds: tuple[int, int],
    pictures: float,
    served: bool,
    bounds: Bounds,
) -> Gate:
    """The rows show no loss: the gain in log loss is not below zero, and no figure's interval is or reaches far below.

    One figure decides, the one that says most with few rows. Average precision of a judge that is better is often below
    zero by chance; it has to show no harm, and not a gain. `figures` are of all rows that compare the models, `alone`
    of the test rows, which must not speak against the candidate for themselves either. `kinds` are the counterfeits and
    the authentic items of the test rows, `pictures` the share of their weight that could be screened again.
    """
    found = []
    if min(kinds) < bounds.least:
        found.append(f"{kinds[0]} counterfeits and {kinds[1]} authentic items: {bounds.least} of each are needed")
    if not served and pictures < bounds.pictures:
        found.append(f"pictures of {pictures:.0%} of the test rows are here, {bounds.pictures:.0%} are needed")
    said = []
    for name, most in bounds.worse.items():
        if name not in figures or name not in alone:
            continue
        gain, low, high = _gain(name, figures[name])
        said.append(text := _said(name, figures[name]))
        if high < -_NOTHING or (name == bounds.decides and gain < -_NOTHING):
            found.append(f"worse: {text}")
        elif low < -most:
            found.append(f"may be worse by more than {most:g}: {text}")
        elif _gain(name, alone[name])[2] < -_NOTHING:
            found.append(f"worse on the test rows alone: {_said(name, alone[name])}")
    return _gate("evidence", not found, "; ".join(found) or "; ".join(said))


def _gain(name: str, one: Difference) -> tuple[float, float, float]:
    """The gain and its interval: of log loss, less is better."""
    if name == "log loss":
        return -one.point, -one.high, -one.low
    return one.point, one.low, one.high


def _said(name: str, one: Difference) -> str:
    gain, low, high = _gain(name, one)
    return f"{name} {one.serving:.4f} to {one.candidate:.4f}, gain {gain:+.4f} ({low:+.4f} to {high:+.4f})"


def slices(losses: Sequence[Loss]) -> Gate:
    """No slice surely loses more than its bound."""
    refused = [
        f"{one.dimension} {one.slice}: {one.figure} {one.loss:+.3f} ± {one.error:.3f} (bound {one.bound:g}, "
        f"{one.rows} rows)"
        for one in losses
        if one.refused
    ]
    named = len({(one.dimension, one.slice) for one in losses})
    return _gate(
        "slices", not refused, "; ".join(refused) or f"none of {named} slices surely loses more than its bound"
    )


def open_set(found: OpenSet | None, policy: Policy) -> Gate:
    """No more false prompts than what serves gives, but for those that the policy's target allows."""
    if found is None:
        return _gate("open_set", False, "not measured")
    allowed = found.serving + int(found.listings * policy.target["false_prompts"] / 10_000)
    passed = found.candidate <= allowed and found.overturned_candidate <= found.overturned_serving
    detail = (
        f"{found.candidate} of {found.listings} listings of nothing registered are prompted, serving {found.serving}; "
        f"of {found.overturned} overturned prompts {found.overturned_candidate}, serving {found.overturned_serving}"
    )
    return _gate("open_set", passed, detail)


def leave_one_out(
    consistent: Sequence[Consistency],
    without: Sequence[Without],
    gain: tuple[float, float],
    appraisers: int,
    changed: bool,
) -> Gate:
    """No one's labels carry the gain, and no appraiser contradicts all others.

    `gain` is the candidate's on all test rows with its standard error; `changed` says that the judge is not the one
    that serves.
    """
    found = [
        f"{one.appraiser}'s {one.labels} labels contradict the others' (surprise {one.surprise:.2f} nats, others "
        f"{one.others:.2f}, p {one.p:.5f})"
        for one in contradicting(consistent)
    ]
    if changed and appraisers < 2:
        found.append("all labels are one appraiser's: nobody else vouches for the gain")
    if gain[0] > max(gain[1], _NOTHING):
        found += [
            f"without the {one.kind} {one.name} ({one.labels} labels) little of the gain of {gain[0]:.4f} is left: "
            f"{one.gain:.4f} on the others' rows"
            + ("" if one.refitted is None else f", {one.refitted:.4f} fitted without them")
            for one in carried(without, gain[0])
        ]
        fine = f"the gain of {gain[0]:.4f} ± {gain[1]:.4f} stays without any of {len(without)} appraisers and brands"
    else:
        fine = f"a gain of {gain[0]:.4f} ± {gain[1]:.4f}: none that somebody could carry"
    return _gate("leave_one_out", not found, "; ".join(found) or f"{fine}; {len(consistent)} appraisers agree")


def _encoder_faults(bundle: Bundle) -> list[str]:
    precision = str(bundle.manifest["precision"]["image"])
    measured = bundle.manifest["metrics"].get(f"parity_{precision}")
    if not measured:
        return [f"the bundle's manifest has no parity of {precision} with torch"]
    what, bound = ("min", FP32_COSINE) if precision == "fp32" else ("mean", INT8_COSINE)
    found = [
        f"{tower} cosine with torch is {measured[f'{tower}_cosine_{what}']:.5f}, below {bound:g}"
        for tower in ("image", "text", "windows")
        if f"{tower}_cosine_{what}" in measured and not measured[f"{tower}_cosine_{what}"] >= bound
    ]
    return found + [
        f"{name.replace('_', ' ')} is false" for name in ("pixels_equal", "tokens_equal") if not measured[name]
    ]


def _turned(judge: Judge) -> list[str]:
    """Features whose contribution moves against their direction somewhere."""
    found = []
    for place, feature in enumerate(FEATURES):
        grid = np.full((65, len(FEATURES)), np.nan, dtype=np.float32)
        grid[:, place] = np.linspace(feature.low, feature.high, len(grid))
        moves = np.diff(judge.judge_many(grid)[2][:, place]) * feature.direction
        if (moves < -_TOLERANCE).any():
            found.append(f"{feature.name} moves the judge against its direction")
    return found


def _gate(name: str, passed: bool, detail: str) -> Gate:
    return Gate(name, bool(passed), detail)
