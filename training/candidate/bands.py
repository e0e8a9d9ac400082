"""Bands of a policy for a judge that appraisals moved: proven by them where they can, else mapped from what serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from screener.judging.policy import Bands, Policy
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
    are those whom the new judge finds more suspect. Either way a band is raised until no more of the appraised honest
    listings are in it than are today, or than the target allows.
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

    Never under the probability above which the new judge itself expects no more false prompts than the target allows
    (a tenth of them for `hold`), and for `review` and `hold` the target's precision too. Of prompts it is not asked: a
    judge that was shrunk towards few appraisals expects less of itself than it keeps, and nobody would be prompted.
    """
    own = np.ones(len(seen.before), dtype=bool)
    if category is not None:
        own = np.array([_key(name) == category for name in seen.category.tolist()], dtype=bool)
    review = float(policy.target["review_precision"])
    found: dict[str, float] = {}
    least = 0.0
    for band, precision, part in (("prompt", 0.0, 1.0), ("review", review, 1.0), ("hold", review, 0.1)):
        value: float = getattr(bands, band)
        if value < OUT_OF_REACH:
            expected = _expected(seen, precision, part * float(policy.target["false_prompts"]))
            value = max(_carried(value, seen, own), expected)
        found[band] = least = max(value, least)
    return Fitted(**found, counterfeits=0, honest=0)


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
    """The bands raised until they hold no more appraised honest listings than today's, or than the target allows."""
    own = np.ones(len(before), dtype=bool)
    if name:
        own = np.array([_key(one) == _key(name) for one in category.tolist()], dtype=bool)
    honest = own & ~held_out.y
    found: dict[str, float] = {}
    least = 0.0
    for band, part in (("prompt", 1.0), ("review", 1.0), ("hold", 0.1)):
        today = before >= getattr(policy.bands(name or None), band)
        allowed = max(per_ten_thousand(today, honest, held_out.weight), part * policy.target["false_prompts"])
        value: float = getattr(bands, band)
        for score in sorted({value, *held_out.score[honest & (held_out.score >= value)].tolist()}):
            value = score if score == getattr(bands, band) else float(np.ceil((score + 1e-4) * 1e4) / 1e4)
            if per_ten_thousand(held_out.score >= value, honest, held_out.weight) <= allowed:
                break
        found[band] = least = max(value, least)
    return Fitted(**found, counterfeits=int((own & held_out.y).sum()), honest=int(honest.sum()))


def _least(bands: Fitted, common: Fitted) -> Fitted:
    """Bands that are no lower than those of all listings."""
    return Fitted(
        max(bands.prompt, common.prompt), max(bands.review, common.review), max(bands.hold, common.hold),
        bands.counterfeits, bands.honest,
    )  # fmt: skip


def _key(category: str) -> str:
    return " ".join(category.split()).casefold()


__all__ = ["Seen", "bands_for", "target_of", "verdicts"]
