"""The shops of a market and the people behind them; a counterfeiter has several, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.market.goods import GOOD_COPY, Product
from training.market.model import Market, SellerModel

Line = tuple[Product, int]
"""What a counterfeiter copies, and in which way its looks are off (`training.market.goods.Ask.line`)."""


@dataclass(frozen=True, slots=True)
class Shop:
    """One account; `age` in days when its split begins, `days` are the first and the last that it sells on."""

    id: str
    owner: str
    model: str
    age: int
    sales: int
    reports: int
    linked: tuple[str, ...]
    days: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Counterfeiter:
    """Somebody who sells copies."""

    id: str
    shops: tuple[Shop, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Sellers:
    """Everybody who sells in one split; `authorised` by brand key."""

    private: tuple[Shop, ...]
    shops: tuple[Shop, ...]
    authorised: Mapping[str, Shop]
    counterfeiters: tuple[Counterfeiter, ...]


def make_sellers(
    market: Market,
    split: str,
    days: tuple[int, int],
    counts: Mapping[str, int],
    brands: Sequence[str],
    products: Sequence[Product],
    rng: np.random.Generator,
) -> Sellers:
    """Sellers for so many listings by seller kind (`private`, `shop`, `counterfeiter`) in the days of a split.

    `brands` have an authorised seller each; `products` are what counterfeiters choose their lines from.
    """
    known: dict[str, tuple[Shop, ...]] = {}
    for kind in ("private", "shop"):
        number = max(3, round(counts[kind] / market.sellers[kind].listings))
        known[kind] = tuple(_honest(market, f"{split}-{kind}-{n}", kind, days, rng) for n in range(number))
    authorised = {brand: _honest(market, f"{split}-{brand}-store", "authorised", days, rng) for brand in brands}
    number = max(2, round(counts["counterfeiter"] / market.sellers["counterfeiter"].listings / 2))
    makers = tuple(_counterfeiter(market, f"{split}-maker-{n}", days, products, rng) for n in range(number))
    return Sellers(known["private"], known["shop"], authorised, makers)


def _honest(market: Market, name: str, kind: str, days: tuple[int, int], rng: np.random.Generator) -> Shop:
    second = rng.random() < market.raw["sellers"]["linked_honest"]
    facts = _facts(market.sellers[kind], market.raw["sellers"]["more_reports"], rng)
    return Shop(name, name, kind, **facts, linked=(f"{name}-b",) if second else (), days=days)


def _counterfeiter(
    market: Market, name: str, days: tuple[int, int], products: Sequence[Product], rng: np.random.Generator
) -> Counterfeiter:
    settings = market.raw["sellers"]
    low, high = settings["shops"]
    count = int(rng.integers(low, high + 1))
    edges = np.linspace(days[0], days[1] + 1, count + 1).astype(int)
    linked = rng.random() < settings["linked"]
    shops: list[Shop] = []
    for place in range(count):
        model = "private" if rng.random() < settings["bought"] else "counterfeiter"
        before = tuple(shop.id for shop in shops) if linked else ()
        # Accounts are named like anybody's: a name must not tell who is behind it.
        shop = Shop(
            id=f"{name.replace('maker', 'seller')}-{place}",
            owner=name,
            model="counterfeiter",
            **_facts(market.sellers[model], settings["more_reports"], rng),
            linked=before,
            days=(int(edges[place]), int(max(edges[place], edges[place + 1] - 1))),
        )
        shops.append(shop)
    low, high = settings["lines"]
    chosen = rng.choice(len(products), min(int(rng.integers(low, high + 1)), len(products)), replace=False)
    good = market.raw["pictures"]["good_copy"]
    lines = tuple(
        (products[int(n)], GOOD_COPY if rng.random() < good else int(rng.integers(0, GOOD_COPY))) for n in chosen
    )
    return Counterfeiter(name, tuple(shops), lines)


def _facts(model: SellerModel, more_reports: float, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "age": int(min(model.age * np.exp(rng.normal(0, model.age_sigma)), 9000)),
        "sales": int(min(model.sales * np.exp(rng.normal(0, model.sales_sigma)), 500_000)),
        "reports": int(1 + rng.poisson(more_reports)) if rng.random() < model.reported else 0,
    }
