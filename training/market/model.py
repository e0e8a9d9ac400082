"""Reads the documented model of the market, `market.toml`, into frozen values and checks that its shares add up."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import TrainingError

MARKET_FILE = Path(__file__).with_name("market.toml")
SPLITS = ("train", "calibrate", "test")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of listing; `share` is of the honest (or of the counterfeit) listings in the market."""

    name: str
    share: float
    simulated: float
    goods: str
    seller: str
    pictures: str
    price: str
    words: str
    counterfeit: bool = False


@dataclass(frozen=True, slots=True)
class SellerModel:
    """A kind of seller: medians and sigmas of log-normal facts, and rates; see `market.toml`."""

    age: float
    age_sigma: float
    sales: float
    sales_sigma: float
    reported: float
    complaints: float
    listings: int


@dataclass(frozen=True, slots=True)
class WordModel:
    """How often the words of a listing do what; see `market.toml`."""

    named: float
    declared: float
    disguised: float
    replica: float
    weak: float
    denies: float
    assures: float
    unbranded: float


@dataclass(frozen=True, slots=True)
class Market:
    """The whole model; `raw` has the tables of plain numbers by their names in the file."""

    version: str
    prevalence: float
    days: int
    splits: Mapping[str, float]
    kinds: tuple[Kind, ...]
    prices: Mapping[str, tuple[float, float]]
    """Median and sigma by name."""
    sellers: Mapping[str, SellerModel]
    words: Mapping[str, WordModel]
    raw: Mapping[str, Mapping[str, Any]]

    def weight(self, kind: Kind) -> float:
        """How many listings of the market one simulated listing of this kind stands for, 1 on average."""
        mass = self.prevalence if kind.counterfeit else 1.0 - self.prevalence
        return mass * kind.share / kind.simulated


def load_market(file: Path = MARKET_FILE) -> Market:
    """The model in a file. Raises TrainingError where shares do not add up to 1, or a kind names no table."""
    with file.open("rb") as stream:
        raw = tomllib.load(stream)
    simulated = sum(kind["simulated"] for kind in raw["kind"])
    kinds = tuple(Kind(**(kind | {"simulated": kind["simulated"] / simulated})) for kind in raw["kind"])
    market = Market(
        version=raw["version"],
        prevalence=raw["prevalence"],
        days=raw["days"],
        splits=raw["splits"],
        kinds=kinds,
        prices={name: (table["median"], table["sigma"]) for name, table in raw["price"].items()},
        sellers={name: SellerModel(**table) for name, table in raw["seller"].items()},
        words={name: WordModel(**table) for name, table in raw["words"].items()},
        raw=raw,
    )
    _check(market)
    return market


def _check(market: Market) -> None:
    sums = {
        "honest shares": sum(kind.share for kind in market.kinds if not kind.counterfeit),
        "counterfeit shares": sum(kind.share for kind in market.kinds if kind.counterfeit),
        "splits": sum(market.splits.values()),
        "languages": sum(market.raw["words_all"]["languages"].values()),
        "currencies": sum(market.raw["prices"]["currencies"].values()),
    }
    wrong = [
        f"{name} add up to {value:.4f}" for name, value in sums.items() if not math.isclose(value, 1, abs_tol=1e-9)
    ]
    wrong += [
        f"{kind.name} names what is no table"
        for kind in market.kinds
        if kind.price not in market.prices or kind.words not in market.words
    ]
    if wrong or tuple(market.splits) != SPLITS:
        raise TrainingError(f"market.toml: {'; '.join(wrong) or f'splits are {SPLITS}'}")
