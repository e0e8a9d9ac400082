"""One listing as it is planned: words, price and what the marketplace tells of it; nothing is drawn yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.market.goods import MarketBrand, Product
from training.market.model import Kind, Market
from training.market.sellers import Shop
from training.market.uploads import Upload
from training.market.wording import Wording, write_words


@dataclass(frozen=True, slots=True)
class Planned:
    """One listing before its pictures are made.

    `brand` is the key of the brand that the goods are of, or that they copy; `about` of the one the words are about
    ("" where there is none). `amount` is in units of `currency`, None where no price is given. `told` says whether the
    marketplace tells anything of the seller and of complaints. `appraised` is what an appraisal would say. `stands_for`
    is how many listings like it were planned, where others were left out.
    """

    kind: Kind
    split: str
    day: int
    product: Product
    brand: str
    about: str
    shop: Shop
    uploads: tuple[Upload, ...]
    words: Wording
    language: str
    amount: float | None
    currency: str
    told: bool
    complaints: int | None
    appraised: str
    stands_for: float = 1.0


def complete(
    market: Market,
    rng: np.random.Generator,
    kind: Kind,
    split: str,
    day: int,
    product: Product,
    shop: Shop,
    uploads: tuple[Upload, ...],
    about: MarketBrand | None,
) -> Planned:
    """Draws the words (about the brand `about`), the price and the facts of a listing."""
    raw = market.raw
    language = _drawn(rng, raw["words_all"]["languages"])
    words = write_words(
        rng,
        language,
        product.noun,
        market.words[kind.words],
        brand=about,
        style=kind.words,
        rates=raw["words_all"],
    )
    median, sigma = market.prices[kind.price]
    scale = 1.0 if kind.price == "cheap" else product.price
    euros = scale * median * float(np.exp(rng.normal(0, sigma)))
    currency = _drawn(rng, raw["prices"]["currencies"])
    priced = rng.random() >= raw["prices"]["missing"]
    told = bool(rng.random() >= raw["sellers"]["unknown"])
    return Planned(
        kind=kind,
        split=split,
        day=day,
        product=product,
        brand=product.brand,
        about=about.key if about else "",
        shop=shop,
        uploads=() if rng.random() < raw["pictures"]["none"] else uploads,
        words=words,
        language=language,
        amount=round(euros * raw["prices"]["per_euro"][currency], 2) if priced else None,
        currency=currency,
        told=told,
        complaints=int(rng.poisson(_doubts(market, kind, shop))) if told else None,
        appraised=_appraised(rng, kind.counterfeit, raw["appraisal"]),
    )


def _doubts(market: Market, kind: Kind, shop: Shop) -> float:
    """Mean number of doubting buyers: of the thing that is sold, whoever sells it."""
    if kind.counterfeit:
        return market.sellers["counterfeiter"].complaints
    return market.sellers["private" if shop.model == "counterfeiter" else shop.model].complaints


def _appraised(rng: np.random.Generator, counterfeit: bool, rates: Mapping[str, float]) -> str:
    chance = rng.random()
    if chance < rates["inconclusive"]:
        return "inconclusive"
    wrong = rates["counterfeit_as_authentic" if counterfeit else "authentic_as_counterfeit"]
    return "counterfeit" if counterfeit != (chance < rates["inconclusive"] + wrong) else "authentic"


def _drawn(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    return str(rng.choice(list(shares), p=list(shares.values())))
