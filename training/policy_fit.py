"""Fits the thresholds of a policy: bands with a target precision that holds with confidence, per category."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from training.market.metrics import Scored

OUT_OF_REACH: Final = 1.01
"""The threshold of a band that no listing may be in: the target is not reached anywhere."""
LEAST_CASES: Final = 30
"""Counterfeits of a category from which it has thresholds of its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the bands are fitted for: precisions 0..1 and the one-sided confidence with which they hold, and the most
    honest listings in 10,000 that may be prompted."""

    prompt_precision: float = 0.90
    review_precision: float = 0.95
    confidence: float = 0.95
    false_prompts: float = 20.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """Thresholds of one category, and how many counterfeits and honest listings they were fitted to."""

    prompt: float
    review: float
    hold: float
    counterfeits: int
    honest: int


def fit_bands(scored: Scored, category: NDArray[np.str_], target: Target) -> dict[str, Fitted]:
    """Bands by category, those of all listings under the empty name.

    A category has bands of its own where it has counterfeits enough, and either its own listings prove the target or
    they speak against the common bands; then a band that they cannot prove with confidence is where their precision
    keeps the target, and no lower than the common one, or, where it does so nowhere, the strictest common band. What
    they can neither prove nor refute is left to the common bands.

    A threshold is the lowest at which the bound keeps the target, if precision itself keeps it at every higher
    threshold that prompts `LEAST_CASES` listings or more: a lucky stretch further down is no promise.
    """
    bands = {"": _bands(scored, target)}
    for name in sorted(set(category.tolist()) - {""}):
        own = scored.where(category == name)
        if own.y.sum() < LEAST_CASES or own.y.all():
            continue
        fitted = _bands(own, target)
        if fitted.prompt < OUT_OF_REACH or _precision(own, bands[""].prompt) < target.prompt_precision:
            bands[name] = _completed(fitted, _bands(own, replace(target, confidence=0.5)), bands[""])
    return bands


def _completed(proven: Fitted, likely: Fitted, common: Fitted) -> Fitted:
    """Bands that were not proven, from what is likely and common to all."""
    found: dict[str, float] = {}
    least = 0.0
    for band in ("prompt", "review", "hold"):
        value: float = getattr(proven, band)
        if value >= OUT_OF_REACH:
            value = max(getattr(likely, band), getattr(common, band))
        if value >= OUT_OF_REACH:
            value = common.hold
        found[band] = least = max(value, least)
    return Fitted(**found, counterfeits=proven.counterfeits, honest=proven.honest)


def _precision(scored: Scored, threshold: float) -> float:
    """Weighted precision from a threshold on; 1 where nothing is above it."""
    above = scored.score >= threshold
    caught = scored.weight[above & scored.y].sum() / scored.weight[scored.y].sum() * scored.prevalence
    wrong = scored.weight[above & ~scored.y].sum() / scored.weight[~scored.y].sum() * (1 - scored.prevalence)
    return float(caught / (caught + wrong)) if above.any() else 1.0


def precision_bound(true_mass: float, false_mass: float, effective: float, confidence: float) -> float:
    """One-sided lower bound of a precision (Clopper and Pearson 1934) on `effective` listings of weighted evidence."""
    total = true_mass + false_mass
    if total <= 0 or effective <= 0:
        return 0.0
    hits = effective * true_mass / total
    return float(beta.ppf(1 - confidence, hits, effective - hits + 1)) if hits > 0 else 0.0


def policy_toml(
    name: str,
    judge: str,
    target: Target,
    bands: Mapping[str, Fitted],
    note: str,
    *,
    known_fake: str = "review",
    undecided: int | None = None,
) -> str:
    """The policy's file (`screener.judging.policy`); without `undecided` it says nothing of unproven brands."""
    lines = [*(f"# {line}" for line in note.splitlines()), "format = 1", f"name = {json.dumps(name)}"]
    lines += [f"judge = {json.dumps(judge)}", "", "[target]", f"prompt_precision = {target.prompt_precision}"]
    lines += [f"review_precision = {target.review_precision}", f"confidence = {target.confidence}"]
    lines += [f"false_prompts = {target.false_prompts}", "", "[floor]", f'known_fake = "{known_fake}"']
    lines += ["", "[exposure]", f"undecided = {undecided}"] if undecided is not None else []
    for category, fitted in bands.items():
        lines += ["", "[default]" if not category else f"[category.{json.dumps(category)}]"]
        lines += [f"# fitted to {fitted.counterfeits} counterfeits and {fitted.honest} honest listings"]
        lines += [f"{band} = {getattr(fitted, band):.4f}" for band in ("prompt", "review", "hold")]
    return "\n".join(lines) + "\n"


def _bands(scored: Scored, target: Target) -> Fitted:
    prompt = _threshold(scored, target.prompt_precision, target.confidence, target.false_prompts)
    review = max(prompt, _threshold(scored, target.review_precision, target.confidence, target.false_prompts))
    # Holding back what is honest costs a seller a sale: a tenth of the prompts that may be wrong may hold.
    hold = max(review, _threshold(scored, target.review_precision, target.confidence, target.false_prompts / 10))
    return Fitted(prompt, review, hold, int(scored.y.sum()), int((~scored.y).sum()))


def _threshold(scored: Scored, precision: float, confidence: float, false_prompts: float) -> float:
    order = np.argsort(-scored.score, kind="stable")
    score, y = scored.score[order], scored.y[order]
    share_true = scored.prevalence * scored.weight[order] * y / max(scored.weight[scored.y].sum(), 1e-12)
    share_false = (1 - scored.prevalence) * scored.weight[order] * ~y / max(scored.weight[~scored.y].sum(), 1e-12)
    caught, wrong = np.cumsum(share_true), np.cumsum(share_false)
    mass = np.cumsum((share_true + share_false) ** 2)
    per_honest = 10_000 * wrong / (1 - scored.prevalence)
    last = np.append(score[1:] != score[:-1], True)
    found = OUT_OF_REACH
    for place in np.flatnonzero(last):
        if place + 1 < LEAST_CASES:
            continue
        effective = (caught[place] + wrong[place]) ** 2 / mass[place]
        if caught[place] < precision * (caught[place] + wrong[place]) or per_honest[place] > false_prompts:
            break
        if precision_bound(float(caught[place]), float(wrong[place]), float(effective), confidence) >= precision:
            found = float(score[place])
    return found
