"""What a look at a screening is expected to be worth: the queue's order starts from it."""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from brands.model import Price, ResponseKind

LEAST_CONFIDENCE: Final = 0.1
"""Of the brand: where none was recognised, a look is worth little and not nothing."""
KNOWN_FAKE: Final = 0.9
"""Least probability that counts where a picture copies a known fake's, whatever the words did to it."""
FAR: Final = 10.0
"""Times by which an asked price may differ from the brand's usual one and still count: the seller chooses it, and
must not choose the place in the queue with it."""
MOST_UNKNOWN: Final = 1000.0
"""What an asked price counts at most, in dollars, where the brand has no usual one."""
RESPONSES: Final[Mapping[ResponseKind, float]] = MappingProxyType(
    {"edited": 0.5, "withdrawn": 0.1, "proof": 10.0, "published_anyway": 10.0}
)
"""Times by which a seller's last response changes what a look is worth: someone waits for an answer, or nobody does."""

MOST_SIGNALLED: Final = 3.0
"""Times by which buyers' suspicions make a look worth more at most: whoever writes many must not rule the queue."""


def signalled(suspicions: int) -> float:
    """Times by which so many suspicions of buyers make a look at their listing worth more."""
    return min(1.0 + 0.5 * suspicions, MOST_SIGNALLED)


def _rates() -> Mapping[str, float]:
    parsed = tomllib.loads((Path(__file__).parent / "currencies.toml").read_text(encoding="utf-8"))
    return MappingProxyType({name: float(value) for name, value in parsed["dollars"].items()})


_DOLLARS: Final = _rates()


def expected_value(
    answer: Mapping[str, Any], asked: Mapping[str, Any] | None, usual: Price | None, fake: bool
) -> float:
    """Probability x confidence x price in rough dollars, above 0.

    `answer` is that of a screening, `asked` the price of its request, `usual` the brand's price for the category,
    `fake` says that a picture surely copies a known fake's. An unknown price is the usual one, and 1 without either.
    """
    probability = max(float(answer["probability"]), KNOWN_FAKE if fake else 0.0, 0.001)
    confidence = max(float(answer["brand"]["confidence"]), LEAST_CONFIDENCE)
    return round(probability * confidence * _price(asked, usual), 6)


def dollars(price: Price) -> float:
    """A price in dollars, right within a factor of two or so; of a currency that is not known, its amount."""
    return float(price.amount) * _DOLLARS.get(price.currency, 1.0)


def _price(asked: Mapping[str, Any] | None, usual: Price | None) -> float:
    known = dollars(Price(Decimal(asked["amount"]), asked["currency"])) if asked else None
    if usual is None:
        return 1.0 if known is None else min(max(known, 1.0), MOST_UNKNOWN)
    expected = dollars(usual)
    return expected if known is None else min(max(known, expected / FAR), expected * FAR)
