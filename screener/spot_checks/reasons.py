"""Why a listing was picked: the part of each strategy in its chance, what they looked at, and both in words."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from brands.model import Strategy
from screener.spot_checks.design import Design
from screener.spot_checks.model import Population

_SAID: Final = 0.1
"""Share of a chance from which a strategy is worth a sentence."""


def reasons_of(population: Population, design: Design, picks: NDArray[np.int64]) -> list[dict[str, Any]]:
    """The reasons of each pick, as JSON; they name no seller."""
    sizes = {
        name: np.bincount(group)[group[picks]].tolist()
        for name, group in (
            ("of_brand", population.brand),
            ("of_seller", population.seller),
            ("of_category", population.category),
            ("of_looks", population.looks),
            ("near_duplicates", population.cluster),
        )
    }
    found = []
    for place, row in enumerate(picks.tolist()):
        price = float(population.price[row])
        facts = {
            "probability": round(float(population.probability[row]), 6),
            "threshold": round(float(population.threshold[row]), 6),
            "prompted": bool(population.prompted[row]),
            "dollars": None if np.isnan(price) else round(price, 2),
            "complaints": int(population.complaints[row]),
            **{name: size[place] for name, size in sizes.items()},
        }
        chances = {strategy: float(design.parts[number, row]) for number, strategy in enumerate(design.strategies)}
        found.append(
            {
                "chances": {strategy: round(chance, 9) for strategy, chance in chances.items()},
                "facts": facts,
                "words": _words(chances, facts),
                "stratum": int(design.stratum[row]),
            }
        )
    return found


def _words(chances: dict[Strategy, float], facts: dict[str, Any]) -> list[str]:
    """Sentences, the strategy with the greatest part first."""
    probability = facts["probability"]
    said: dict[Strategy, str] = {
        "random": "Drawn at random, as any listing could be.",
        "fakes": f"The judge gives it a probability of {probability:.2f} to be counterfeit.",
        "uncertain": f"Its probability {probability:.2f} is close to the threshold of a prompt, "
        f"{facts['threshold']:.2f}.",
        "diverse": f"There are few like it: {_count(facts['of_brand'])} of its brand, {facts['of_seller']} of its "
        f"seller, {facts['of_category']} of its category, {facts['of_looks']} that look alike to the judge.",
        "value": f"Much is at stake: probability {probability:.2f}"
        + (f" times about {facts['dollars']:,.0f} dollars." if facts["dollars"] is not None else ", price unknown."),
        "complaints": f"Complaints of buyers: {facts['complaints']}.",
    }
    whole = sum(chances.values())
    ranked = sorted(chances, key=lambda strategy: -chances[strategy])
    words = [said[strategy] for n, strategy in enumerate(ranked) if n == 0 or chances[strategy] >= _SAID * whole]
    if facts["near_duplicates"] > 1:
        words.append(f"It stands for {facts['near_duplicates']} near-duplicates, of which one is picked at most.")
    return words


def _count(listings: int) -> str:
    return "1 listing" if listings == 1 else f"{listings:,} listings"
