"""From what each feature contributed to the reasons that people read."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from screener.judging.features import FEATURES
from screener.judging.model import Judgement

LEAST: Final = 0.05
"""Log-odds under which a reason is not worth a line: together such ones are `other_details`."""
OTHER: Final = "other_details"


@dataclass(frozen=True, slots=True)
class Reason:
    """A code of the contract and what it added to the log-odds (negative speaks for the seller)."""

    code: str
    contribution: float


def reasons_of(judgement: Judgement) -> tuple[Reason, ...]:
    """The contributions by reason, strongest first; with the judge's bias they add up to the log-odds."""
    sums: dict[str, float] = defaultdict(float)
    for feature, contribution in zip(FEATURES, judgement.contributions, strict=True):
        sums[feature.against if contribution > 0 else feature.in_favour] += contribution
    small = sum(contribution for contribution in sums.values() if abs(contribution) < LEAST)
    found = [Reason(code, round(value, 3)) for code, value in sums.items() if abs(value) >= LEAST]
    if abs(small) >= 0.001:
        found.append(Reason(OTHER, round(small, 3)))
    return tuple(sorted(found, key=lambda reason: (-abs(reason.contribution), reason.code)))
