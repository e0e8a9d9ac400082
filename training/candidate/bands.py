"""Bands of a policy for a judge that appraisals moved: proven by them where they can, else mapped from what serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from screener.judging.policy import Bands, Policy
from training.candidate.figures import CONFIDENCE
from training.judge_refit import gain_of
from training.market.metrics import Scored, per_ten_thousand
from training.policy_fit import OUT_OF_REACH, Fitted, Target, fit_bands

Floats = NDArray[np.float64]
LEAST: Final = 10
"""Listings above a threshold from which their share is carried over; for fewer the probability itself is."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Listings as both judges see them: probabilities `before` and `after`, `weight`, `category`, all (n,)."""

    before: Floats
    after: Floats
    weight: Floats
    category: NDArray[np.str_]


def target_of(policy: Policy) -> Target:
    """What the policy's bands were fitted for."""
    return Target(**{name: float(value) for name, value in policy.target.items()})


def bands_for(
    policy: Policy, seen: Seen, held_out: Scored, category: NDArray[np.str_], before: Floats
) -> tuple[dict[str, Fitted], str]:
    """Bands by category, those of all under the empty name, and in words how they came about.

    `held_out` are appraised listings that spot checks planned, scored by judges that did not see their groups; `before`
    (n,) is what the serving judge gave them. Where they prove the policy's target for all listings, the bands are
    fitted. Where they do not (there are mostly too few), each band of the serving policy goes to the probability from
    which the new judge has as many of the listings in it (`seen`): nobody is prompted more often, and those who are,
    are those whom the new judge finds more suspect. Either way a band is raised while the appraised honest listings
    show for sure that more of them are in it than today, and than the target allows.
    """
    mapped = {"": _mapped(policy.default, seen, None, policy)}
    mapped |= {name: _mapped(own, seen, name, policy) for name, own in policy.categories.items()}
    bands, how = mapped, "each band holds the share of listings that the serving policy's holds"
    if held_out.y.any() and not held_out.y.all():
        fitted = fit_bands(held_out, category, target_of(policy))
        if fitted[""].prompt < OUT_OF_REACH:
            rest = {name: _least(own, fitted[""]) for name, own in mapped.items() if name and name not in fitted}
            bands, how = {**fitted, **rest}, "the appraisals prove the policy's target"
    return {name: _safe(own, name, policy, held_out, category, before) for name, own in bands.items()}, how


def verdicts(policy: Policy, probability: Floats, category: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which listings a policy prompts or reviews by their probability (n,) alone."""
    limits = {name: policy.bands(name).prompt for name in set(category.tolist())}
    prompted: NDArray[np.bool_] = probability >= np.array([limits[name] for name in category.tolist()])
    return prompted


def _mapped(bands: Bands, seen: Seen, category: str | None, policy: Policy) -> Fitted:
    """The thresholds above which the new judge has the share that the serving one has above its own.

    To hold a listing back is asked more: never under the probability above which the new judge itself expects the
    target's precision for a review, and a tenth of the false prompts that the target allows. Of prompts that is not
    asked: a judge that was shrunk towards few appraisals expects less of itself than it keeps, and would prompt nobody.
    """
    own = np.ones(len(seen.before), dtype=bool)
    if category is not None:
        own = np.array([_key(name) == category for name in seen.category.tolist()], dtype=bool)
    found: dict[str, float] = {}
    least = 0.0
    for band in ("prompt", "review", "hold"):
        value: float = getattr(bands, band)
        if value < OUT_OF_REACH:
            value = _carried(value, seen, own)
        if band == "hold" and value < OUT_OF_REACH:
            value = max(value, _expected(seen, float(policy.target["review_precision"]), _part(policy, band)))
        found[band] = least = max(value, least)
    return Fitted(**found, counterfeits=0, honest=0)


def _part(policy: Policy, band: str) -> float:
    """The honest listings in 10,000 that the target allows in a band."""
    return float(policy.target["false_prompts"]) * (0.1 if band == "hold" else 1.0)


def _carried(threshold: float, seen: Seen, own: NDArray[np.bool_]) -> float:
    """The probability that as much weight reaches with the new judge as `threshold` with the old; at least `LEAST`
    listings must be above, else the threshold stays what it is."""
    before, after, weight = seen.before[own], seen.after[own], seen.weight[own]
    above = before >= threshold
    if above.sum() < LEAST:
        return threshold
    order = np.argsort(-after, kind="stable")
    reached = np.cumsum(weight[order]) <= weight[above].sum() * (1 + 1e-9)
    count = int(reached.sum())
    if count == 0:
        return threshold
    # Just under the last that is in, so that rounding to four places keeps it in and lets nobody else in.
    last = float(after[order[count - 1]])
    following = float(after[order[count]]) if count < len(order) else 0.0
    return float(np.ceil((last + following) / 2 * 1e4) / 1e4) if last - following > 2e-4 else last


def _expected(seen: Seen, precision: float, false_prompts: float) -> float:
    """The least probability above which the new judge expects this precision and no more false prompts in 10,000."""
    order = np.argsort(-seen.after, kind="stable")
    weight, after = seen.weight[order], seen.after[order]
    wrong = np.cumsum(weight * (1 - after))
    enough = np.cumsum(weight * after) >= precision * np.cumsum(weight)
    enough &= 10_000 * wrong <= false_prompts * wrong[-1]
    return float(after[np.flatnonzero(enough)[-1]]) if enough.any() else 1.0


def _safe(
    bands: Fitted, name: str, policy: Policy, held_out: Scored, category: NDArray[np.str_], before: Floats
) -> Fitted:
    """The bands raised while they surely hold more of the appraised honest listings than today's do, and more than the
    target allows.

    One honest item that stands for a hundred listings is no proof: whatever the judge, chance puts one above the
    threshold now and then, and then nobody would be caught any more (the bound is one-sided, `CONFIDENCE`, by groups).
    """
    own = np.ones(len(before), dtype=bool)
    if name:
        own = np.array([_key(one) == _key(name) for one in category.tolist()], dtype=bool)
    honest = own & ~held_out.y
    found: dict[str, float] = {}
    least = 0.0
    for band in ("prompt", "review", "hold"):
        today = before >= getattr(policy.bands(name or None), band)
        value: float = getattr(bands, band)
        for score in sorted({value, *held_out.score[honest & (held_out.score >= value)].tolist()}):
            value = score if score == getattr(bands, band) else float(np.ceil((score + 1e-4) * 1e4) / 1e4)
            then = held_out.score >= value
            allowed = per_ten_thousand(then, honest, held_out.weight) <= _part(policy, band)
            if allowed or not _surely_more(then, today, honest, held_out):
                break
        found[band] = least = max(value, least)
    return Fitted(**found, counterfeits=int((own & held_out.y).sum()), honest=int(honest.sum()))


def _surely_more(then: NDArray[np.bool_], today: NDArray[np.bool_], honest: NDArray[np.bool_], rows: Scored) -> bool:
    if not honest.any():
        return False
    more = then[honest].astype(np.float64) - today[honest]
    mean, error = gain_of(more, rows.weight[honest], rows.group[honest])
    return mean > float(norm.ppf(CONFIDENCE)) * error


def _least(bands: Fitted, common: Fitted) -> Fitted:
    """Bands that are no lower than those of all listings."""
    return Fitted(
        max(bands.prompt, common.prompt), max(bands.review, common.review), max(bands.hold, common.hold),
        bands.counterfeits, bands.honest,
    )  # fmt: skip


def _key(category: str) -> str:
    return " ".join(category.split()).casefold()


__all__ = ["Seen", "bands_for", "target_of", "verdicts"]
