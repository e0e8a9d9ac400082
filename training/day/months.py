"""Two months of one marketplace: the same goods and the same counterfeiters, who come back under new shops.

The market of the benchmark keeps its splits apart, products and people alike. Here the second month is what a
marketplace sees: most counterfeiters of the first sell on, the same copies, partly with the same pictures, under
accounts that were opened since; others are new. The first month has the listings in the proportions of the market, so
that purchases can be planned as they would be. Of the second there are more counterfeits than in the market, and more
of the honest listings that look bad: a few of these decide what recall there is at a high precision, so that a sample
in the market's proportions would tell chance. Weights make up for both.

It is not the market that the embedded judge was calibrated on: it is young and second-hand, so honest sellers are new
and cheap here; counterfeits cost more than that, and are sold by accounts with a history; and buyers speak up. Part of
what the judge knew of prices and sellers misleads it here, which is what appraisals are for. And it begins without a
known fake: the first are those that appraisals confirm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from screener.words import replica_words
from training.market.goods import Ask, MarketBrand, Picture, Pictures, Product
from training.market.listings import Part, Plan
from training.market.model import Market
from training.market.planned import Planned
from training.market.prepare import write_market
from training.market.sellers import Counterfeiter

FIRST, SECOND = "month-1", "month-2"
DAYS: Final = 30
COME_BACK: Final = 0.9
"""Counterfeiters of the first month who sell in the second; assumed."""
PRICES: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {"fake": (0.65, 0.35), "used": (0.24, 0.50), "bargain": (0.14, 0.40), "discount": (0.60, 0.25)}
)
"""Median and sigma where they differ from the benchmark's; assumed."""
SELLERS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "private": {"age": 80, "sales": 3},
        "counterfeiter": {"age": 600, "sales": 120, "complaints": 2.0},
    }
)
"""Facts of sellers where they differ from the benchmark's; assumed."""
REUSED: Final = 0.75
"""Listings of a counterfeiter that show pictures of an earlier one, more than in the benchmark; assumed."""
LARGER: Final = 3
"""Times as many honest listings are planned for the second month as it has, to choose from."""
COUNTERFEIT: Final = 0.13
"""Share of counterfeits in the second month."""
ORDINARY: Final = 1 / 4
"""Share of the honest listings planned for the second month that it has, of those that do not look bad."""
MOST_PICTURES: Final = 2
"""Most pictures of a listing: enough for the flow, and half of the drawing."""


@dataclass(frozen=True, slots=True)
class MonthOf:
    """A source of which a month sells every branded product, and things of no brand of its own."""

    source: Pictures
    month: str
    things_of: str
    """The split whose unbranded things are sold."""

    @property
    def name(self) -> str:
        """The source's."""
        return self.source.name

    def brands(self) -> Sequence[MarketBrand]:
        """All of the source's, every product in this month."""
        return [
            replace(brand, products=tuple(replace(product, split=self.month) for product in brand.products))
            for brand in self.source.brands()
        ]

    def others(self, goods: str) -> Sequence[Product]:
        """Those of one split of the source, in this month."""
        return [
            replace(product, split=self.month)
            for product in self.source.others(goods)
            if product.split == self.things_of
        ]

    def paint(self, ask: Ask) -> Picture:
        """The source's picture."""
        return self.source.paint(ask)


def write_months(folder: Path, market: Market, source: Pictures, *, first: int, second: int, seed: int) -> None:
    """Writes the listings of both months, about so many each, with their brands and pictures, into `folder`."""
    market = marketplace(market)
    write_market(folder, market, source, plan_months(market, source, first=first, second=second, seed=seed))


def plan_months(market: Market, source: Pictures, *, first: int, second: int, seed: int) -> Plan:
    """The listings of both months in the order of time; no known fake is registered."""
    days = ((0, DAYS - 1), (DAYS, 2 * DAYS - 1))
    one = Part.of(_as_sold(market), MonthOf(source, FIRST, "train"), FIRST, days[0], first, seed)
    one.known = set()
    listings = one.fill()
    two = Part.of(market, MonthOf(source, SECOND, "test"), SECOND, days[1], LARGER * second, seed)
    fakes = sum(kind.simulated for kind in market.kinds if kind.counterfeit)
    two.counts = {
        kind.name: max(1, round(second * COUNTERFEIT * kind.simulated / fakes))
        if kind.counterfeit
        else two.counts[kind.name]
        for kind in market.kinds
    }
    rng = np.random.default_rng([seed, 2])
    back = [_renewed(maker, days[1], rng) for maker in one.sellers.counterfeiters if rng.random() < COME_BACK]
    new = two.sellers.counterfeiters[: max(1, len(one.sellers.counterfeiters) - len(back))]
    two.sellers = replace(two.sellers, counterfeiters=(*back, *new))
    two.known, two.album = one.known, one.album
    names = {brand.key: brand.name for brand in source.brands()}
    return Plan([*listings, *_sampled(two.fill(), names, rng)], frozenset())


def marketplace(market: Market) -> Market:
    """The benchmark's market with what is different here."""
    raw = {name: dict(table) if isinstance(table, dict) else table for name, table in market.raw.items()}
    raw["pictures"] = {**raw["pictures"], "most": MOST_PICTURES, "reused": REUSED}
    sellers = {name: replace(model, **SELLERS.get(name, {})) for name, model in market.sellers.items()}
    # Nobody has bought a counterfeit yet: whoever would show a registered one's pictures shows others.
    kinds = tuple(replace(kind, pictures="fake") if kind.pictures == "known_fake" else kind for kind in market.kinds)
    return replace(
        market,
        raw=MappingProxyType(raw),
        kinds=kinds,
        prices=MappingProxyType({**market.prices, **PRICES}),
        sellers=MappingProxyType(sellers),
    )


def _as_sold(market: Market) -> Market:
    """The market whose simulated listings have the proportions of the real ones."""
    kinds = tuple(
        replace(kind, simulated=kind.share * (market.prevalence if kind.counterfeit else 1 - market.prevalence))
        for kind in market.kinds
    )
    return replace(market, kinds=kinds)


def _sampled(planned: Sequence[Planned], names: Mapping[str, str], rng: np.random.Generator) -> list[Planned]:
    """The counterfeits, the honest listings that look bad, and some of the others, each of which stands for several.

    `names` are the brands' by their keys.
    """
    kept = []
    for listing in planned:
        if listing.kind.counterfeit or _looks_bad(listing, names.get(listing.brand, "")):
            kept.append(listing)
        elif rng.random() < ORDINARY:
            kept.append(replace(listing, stands_for=1 / ORDINARY))
    return kept


def _looks_bad(listing: Planned, name: str) -> bool:
    """Whether words, buyers or the seller's past speak against a listing of the brand of this name ("": of none)."""
    words = f"{listing.words.title}\n{listing.words.description}"
    told = listing.told and (listing.complaints or listing.shop.reports or listing.shop.linked)
    hidden = name.casefold() not in words.casefold()
    return bool(told or hidden or listing.shop.model == "counterfeiter" or replica_words(words))


def _renewed(maker: Counterfeiter, days: tuple[int, int], rng: np.random.Generator) -> Counterfeiter:
    """The same person with new shops, linked to the old ones where those were linked to each other."""
    was_linked = any(shop.linked for shop in maker.shops)
    before = tuple(shop.id for shop in maker.shops) if was_linked else ()
    shops = tuple(
        replace(
            shop,
            id=f"{shop.id}-again",
            age=int(rng.integers(0, 60)) if shop.age < 365 else shop.age,
            sales=int(rng.integers(0, 10)) if shop.age < 365 else shop.sales,
            reports=0,
            linked=before,
            days=days,
        )
        for shop in maker.shops
    )
    return Counterfeiter(maker.id, shops, maker.lines)
