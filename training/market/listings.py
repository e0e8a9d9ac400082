"""Plans a market: which listings of each kind there are, who sells what and when, with which pictures."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from training.errors import TrainingError
from training.market.goods import GOOD_COPY, MarketBrand, Pictures, Product
from training.market.model import SPLITS, Kind, Market
from training.market.planned import Planned, complete
from training.market.sellers import Counterfeiter, Line, Sellers, Shop, make_sellers
from training.market.uploads import Album, Upload

_T = TypeVar("_T")


@dataclass(slots=True)
class Plan:
    """A whole market: the listings in the order of time, and the known fakes that brands have registered."""

    listings: list[Planned]
    known: frozenset[tuple[str, int]]
    """Product id and line of the copies that were bought and registered."""


def plan_market(market: Market, source: Pictures, listings: int, seed: int) -> Plan:
    """About so many listings (every kind at least once in every split). The same arguments give the same plan.

    Raises
    ------
    TrainingError
        when the source has nothing that a kind of listing needs
    """
    planned: list[Planned] = []
    known: set[tuple[str, int]] = set()
    start = 0.0
    for split in SPLITS:
        days = (round(start * market.days), round((start + market.splits[split]) * market.days) - 1)
        start += market.splits[split]
        part = Part.of(market, source, split, days, round(listings * market.splits[split]), seed)
        planned += part.fill()
        known |= part.known
    return Plan(planned, frozenset(known))


@dataclass(slots=True)
class Part:
    """One split while it is filled; `Part.of` begins one, `fill` plans its listings."""

    market: Market
    split: str
    days: tuple[int, int]
    counts: Mapping[str, int]
    brands: Mapping[str, MarketBrand]
    products: Mapping[str, Sequence[Product]]
    """By goods."""
    sellers: Sellers
    album: Album
    rng: np.random.Generator
    known: set[tuple[str, int]]
    own: dict[str, list[Planned]] = field(default_factory=lambda: defaultdict(list))
    """Honest listings with pictures of the seller's own, by product."""

    @classmethod
    def of(cls, market: Market, source: Pictures, split: str, days: tuple[int, int], listings: int, seed: int) -> Part:
        """A split of about so many listings on these days (first and last), with the products that are in it."""
        rng = np.random.default_rng([seed, zlib.crc32(split.encode())])
        brands = {brand.key: brand for brand in source.brands()}
        goods: dict[str, list[Product]] = {"registered": [], "unknown": []}
        for brand in brands.values():
            own = [product for product in brand.products if product.split == split]
            goods["registered" if brand.registered else "unknown"] += own
        for name in ("unbranded", "lookalike", "accessory", "unrelated"):
            goods[name] = [product for product in source.others(name) if product.split == split]
        counts = {kind.name: max(1, round(listings * kind.simulated)) for kind in market.kinds}
        by_seller: dict[str, int] = defaultdict(int)
        for kind in market.kinds:
            by_seller["private" if kind.seller == "any" else kind.seller] += counts[kind.name]
        copied = [product for product in goods["registered"] if product.fake != 0 or product.official]
        if not copied:
            raise TrainingError(f"{source.name} has no product for the split {split} that could be copied")
        registered = [key for key, brand in brands.items() if brand.registered]
        sellers = make_sellers(market, split, days, by_seller, registered, copied, rng)
        lines = sorted(
            {
                (product.id, line)
                for maker in sellers.counterfeiters
                for product, line in maker.lines
                if product.fake != 0
            }
        )
        bought = {line for line in lines if rng.random() < market.raw["brands"]["known_lines"]} or set(lines[:1])
        album = Album(market.raw["pictures"], market.raw["brands"]["line_photos"], rng)
        return cls(market, split, days, counts, brands, goods, sellers, album, rng, bought)

    def fill(self) -> list[Planned]:
        """Honest listings first: counterfeiters take pictures from them."""
        made: list[Planned] = []
        for kind in sorted(self.market.kinds, key=lambda kind: kind.counterfeit):
            for _ in range(self.counts[kind.name]):
                listing = self._counterfeit(kind) if kind.counterfeit else self._honest(kind)
                made.append(listing)
                if not kind.counterfeit and any(upload.origin == "own" for upload in listing.uploads):
                    self.own[listing.product.id].append(listing)
        return sorted(made, key=lambda listing: listing.day)

    def _honest(self, kind: Kind) -> Planned:
        rng = self.rng
        product = self._product(kind.goods, kind.pictures)
        shop = self._shop(kind, product)
        settings = self.market.raw["pictures"]
        pictures = kind.pictures
        if product.own == 0 or (
            kind.goods == "unknown" and product.official and rng.random() < settings["official_unknown"]
        ):
            pictures = "official"
        day = self._day(shop)
        earlier = [listing for listing in self.own[product.id] if listing.day <= day]
        if pictures in ("own", "mixed") and earlier and rng.random() < settings["borrowed"] + settings["relisted"]:
            source = earlier[int(rng.integers(0, len(earlier)))]
            if rng.random() * (settings["borrowed"] + settings["relisted"]) < settings["relisted"]:
                shop = source.shop
            return self._listing(kind, product, shop, self.album.copied(source.uploads, honest=True), day)
        uploads = self.album.official(product, honest=True) if pictures == "official" else self.album.own(product)
        if pictures == "mixed" and product.official and rng.random() < settings["official_too"]:
            uploads += self.album.official(product, honest=True)[:1]
        return self._listing(kind, product, shop, uploads, day)

    def _counterfeit(self, kind: Kind) -> Planned:
        maker = self._pick(self.sellers.counterfeiters)
        shop = maker.shops[int(self.rng.integers(0, len(maker.shops)))]
        if kind.pictures == "borrowed":
            # Only what was published before can be taken.
            sources = [
                x for product in self.products["registered"] for x in self.own[product.id] if x.day <= shop.days[1]
            ]
            if sources:
                source = self._pick(sources)
                day = int(self.rng.integers(max(source.day, shop.days[0]), shop.days[1] + 1))
                uploads = self.album.copied(source.uploads, honest=False)
                return self._listing(kind, source.product, shop, uploads, day)
        product, line = self._line(maker, kind)
        if kind.seller == "taken_over":
            shop = self.sellers.authorised[product.brand]
        elif kind.seller == "private":
            shop = self._pick(self.sellers.private)
        if kind.pictures in ("stolen", "borrowed") and product.official:
            uploads = self.album.official(product, honest=False)
        elif kind.pictures == "known_fake" and (product.id, line) in self.known:
            uploads = self.album.known_fake(product, line)
        else:
            uploads = self.album.fake(product, line, shop.owner)
        if kind.pictures == "covered":
            uploads = self.album.covered(uploads)
        return self._listing(kind, product, shop, uploads, self._day(shop))

    def _line(self, maker: Counterfeiter, kind: Kind) -> Line:
        """One of the maker's lines that the kind of listing needs, else any maker's, else a good copy of anything."""
        everyone = [line for other in self.sellers.counterfeiters for line in other.lines]
        anything = [(product, GOOD_COPY) for product in self.products["registered"]]
        for lines in (maker.lines, everyone, anything):
            fit = [
                (product, line)
                for product, line in lines
                if (kind.pictures != "known_fake" or (product.id, line) in self.known)
                and (kind.pictures not in ("stolen", "borrowed") or product.official)
                and (kind.pictures not in ("fake", "covered") or product.fake != 0)
            ]
            if fit:
                return self._pick(fit)
        if kind.pictures == "known_fake":  # nothing was bought of what the makers copy: they show their own
            return self._line(maker, replace(kind, pictures="fake"))
        raise TrainingError(f"no product of the split {self.split} allows {kind.name}")

    def _product(self, goods: str, pictures: str) -> Product:
        fit = [
            product
            for product in self.products[goods]
            if (product.official if pictures == "official" else product.own != 0)
        ]
        if not fit:
            fit = [product for product in self.products[goods] if product.official]
        if not fit:
            raise TrainingError(f"there are no {goods} goods with {pictures} pictures for the split {self.split}")
        return self._pick(fit)

    def _shop(self, kind: Kind, product: Product) -> Shop:
        rng = self.rng
        if kind.seller == "authorised":
            return self.sellers.authorised[product.brand]
        settings = self.market.raw["sellers"]
        if kind.seller == "any" and not product.brand and rng.random() < settings["sideline"]:
            return self._pick(self._pick(self.sellers.counterfeiters).shops)
        if kind.seller == "shop" or (kind.seller == "any" and rng.random() < settings["shops_share"]):
            return self._pick(self.sellers.shops)
        return self._pick(self.sellers.private)

    def _listing(self, kind: Kind, product: Product, shop: Shop, uploads: Sequence[Upload], day: int) -> Planned:
        about = product.brand
        if kind.goods == "accessory":
            about = self._pick([key for key, brand in self.brands.items() if brand.registered])
        return complete(
            self.market, self.rng, kind, self.split, day, product, shop, tuple(uploads), self.brands.get(about)
        )

    def _day(self, shop: Shop) -> int:
        first, last = shop.days
        return int(self.rng.integers(first, last + 1))

    def _pick(self, items: Sequence[_T]) -> _T:
        return items[int(self.rng.integers(0, len(items)))]
