"""How many listings each examined item stands for.

One over the chance of its pick, times what makes the items of its stratum stand for the whole stratum, whose size is
known (post-stratification: Särndal, Swensson and Wretman, Model Assisted Survey Sampling, 1992, section 7.6). The same
factor stands in for items that could not be bought or came without a result: within a stratum, whose listings are alike
in verdict and probability, these are taken to be like the others (section 15.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from screener.spot_checks.model import Stratum

LEAST_RESULTS: Final = 5
"""Results that a stratum must have to be weighted on its own; else it joins the next one."""


def weights(
    inclusion: NDArray[np.float64], stratum: NDArray[np.int64], strata: Sequence[Stratum]
) -> NDArray[np.float64]:
    """The weights (m,), at least 1, of m results: `inclusion` (m,) are the chances of their picks, `stratum` (m,) the
    numbers of theirs among `strata`. What is prompted never stands for what is not, nor the other way round."""
    found = 1 / inclusion
    group = _groups(np.bincount(stratum, minlength=len(strata)), strata)
    sizes = np.bincount(group, weights=[own.listings for own in strata])
    of_group = group[stratum]
    told = np.bincount(of_group, weights=found, minlength=len(sizes))
    return np.asarray(np.maximum(found * (sizes / np.maximum(told, 1e-300))[of_group], 1.0))


def _groups(results: NDArray[np.int64], strata: Sequence[Stratum]) -> NDArray[np.int64]:
    """Which strata are weighted together: neighbours, until each group has `LEAST_RESULTS`."""
    group = np.zeros(len(strata), dtype=np.int64)
    number = -1
    for prompted in (True, False):
        rows = [row for row, own in enumerate(strata) if own.prompted == prompted]
        first, have = number + 1, 0
        for place, row in enumerate(rows):
            if place == 0 or have >= LEAST_RESULTS:
                number, have = number + 1, 0
            group[row] = number
            have += int(results[row])
        if rows and have < LEAST_RESULTS and number > first:  # too few at the end: to the group before
            group[group == number] = number - 1
            number -= 1
    return group
