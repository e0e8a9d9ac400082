"""The source that needs no data: the samples' brands and invented ones, rendered; every picture from the seed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from PIL import Image

from screener.samples.catalogue import BRANDS, Colour, Palette
from screener.samples.looks import Look, plain, tone
from screener.samples.marks import MARKS, strokes_mask, wordmark_mask
from screener.samples.photo import Shot, take, telephone
from screener.samples.products import PRODUCTS
from screener.samples.shading import Cutout, render
from training.market.goods import GOOD_COPY, Ask, MarketBrand, Picture, Product
from training.market.invent import Identity, invent
from training.market.model import SPLITS, Market
from training.market.things import THINGS

PALETTES = 3
WHITE: Colour = (255, 255, 255)
PHONE_SHARE = 0.65
"""Sides of a seller's photo as a share of those of the samples: 416 x 520 pixels are as good as what is looked at, and
quicker to draw."""
_SHIFTS = ((14, -8, -20), (-22, 10, 12), (18, 14, -26))

NOUNS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "sneaker": ("shoes", 110.0), "tshirt": ("clothing", 40.0), "cap": ("clothing", 32.0),
        "handbag": ("bags", 380.0), "backpack": ("bags", 95.0), "watch": ("watches", 420.0),
        "headphones": ("electronics", 170.0), "flask": ("home", 34.0), "mug": ("home", 26.0),
        "jar": ("cosmetics", 48.0), "phone_case": ("electronics", 35.0),
    }
)  # fmt: skip
"""Category and middle price in EUR (assumed) by kind of product."""
OTHERS: Mapping[str, int] = MappingProxyType({"unbranded": 60, "lookalike": 60, "accessory": 30, "unrelated": 150})
"""How many things of no brand each split has."""


@dataclass(frozen=True, slots=True)
class _Made:
    """How a product is drawn: whose identity, which palette."""

    noun: str
    identity: Identity
    palette: Palette


class Rendered:
    """Rendered goods of `count` brands; the same seed and model give the same market and the same pixels."""

    name = "rendered"

    def __init__(self, market: Market, seed: int, count: int | None = None):
        """`count` brands instead of the model's, for small markets (at least 2)."""
        self._seed = seed
        settings = market.raw["brands"]
        self._price_sigma: tuple[float, float] = tuple(settings["price_sigma"])
        total = count or int(settings["count"])
        registered = max(1, min(round(total * settings["registered"]), total - 1))
        self._made: dict[str, _Made] = {}
        self._identities: dict[str, Identity] = {}
        self._last: tuple[str, Cutout] | None = None
        self._brands = tuple(
            self._brand(number, number < registered, int(settings["products"])) for number in range(total)
        )
        self._others = {goods: self._nobodys(goods, number) for goods, number in OTHERS.items()}

    def brands(self) -> Sequence[MarketBrand]:
        """The catalogue's brands first, then invented ones; the last of them are registered nowhere."""
        return self._brands

    def others(self, goods: str) -> Sequence[Product]:
        """Things of no brand, as many for each split."""
        return self._others[goods]

    def paint(self, ask: Ask) -> Picture:
        """Draws it; nothing is kept but cut-outs."""
        if ask.view == "mark":
            return self._mark(ask)
        rng = self._rng("photo", ask.view, ask.product, str(ask.number), str(ask.line))
        cutout = self._cutout(ask.product, ask.line if ask.view == "fake" else GOOD_COPY)
        if ask.view == "official":
            palette = self._made[ask.product].palette
            tinted = Shot(colour=tone(palette.second, 3.2), skew=0.02)
            shot = (Shot(), Shot(close=True), tinted)[ask.number % 3]
        else:
            shot = telephone(rng)
            width, height = shot.size
            shot = replace(shot, size=(round(width * PHONE_SHARE), round(height * PHONE_SHARE)))
        photo = take(cutout, shot, rng)
        return Picture(photo.image, photo.mark_box)

    def _brand(self, number: int, registered: bool, products: int) -> MarketBrand:
        rng = self._rng("brand", str(number))
        identity, nouns, key = self._identity(number, rng)
        self._identities[key] = identity
        level, spread = self._price_sigma
        tier = float(np.exp(rng.normal(0, level)))
        order = _spread(products)
        goods = []
        for place in range(products):
            noun = nouns[place % len(nouns)]
            category, middle = NOUNS[noun]
            product = Product(
                id=f"{key}/{noun}-{place}",
                brand=key,
                noun=noun,
                category=category,
                price=round(middle * tier * float(np.exp(rng.normal(0, spread))), 0),
                split=order[place],
                official=2 + place % 2,
            )
            self._made[product.id] = _Made(noun, identity, identity.palettes[(place // len(nouns)) % PALETTES])
            goods.append(product)
        return MarketBrand(
            key=key,
            name=identity.name,
            aliases=identity.aliases,
            misspelt=identity.misspelt,
            registered=registered,
            categories=tuple(sorted({product.category for product in goods})),
            price=round(float(np.median([product.price for product in goods])), 0),
            marks=2,
            products=tuple(goods),
        )

    def _identity(self, number: int, rng: np.random.Generator) -> tuple[Identity, tuple[str, ...], str]:
        if number >= len(BRANDS):
            nouns = tuple(str(noun) for noun in rng.choice(list(NOUNS), 2, replace=False))
            return invent(rng, PALETTES), nouns, f"brand-{number}"
        sample = BRANDS[number]
        extra = invent(rng, 1).palettes
        identity = Identity(
            sample.name, sample.aliases, sample.drawn, sample.misspelt, sample.lettering, MARKS[sample.mark](),
            (*sample.palettes, *extra), sample.pattern,
        )  # fmt: skip
        return identity, sample.products, sample.key

    def _nobodys(self, goods: str, each: int) -> tuple[Product, ...]:
        found = []
        for split in SPLITS:
            for number in range(each):
                rng = self._rng(goods, split, str(number))
                noun = str(rng.choice(list(THINGS if goods == "unrelated" else NOUNS)))
                category, price = NOUNS.get(noun, ("home", 20.0))
                found.append(Product(f"{goods}/{split}-{number}", "", noun, category, price, split))
        return tuple(found)

    def _mark(self, ask: Ask) -> Picture:
        """The mark above the wordmark: on white, or on the house colour."""
        identity = self._identities[ask.product]
        look = _look(identity, identity.palettes[0])
        ground = (WHITE, look.palette.base)[ask.number % 2]
        assert look.mark is not None and look.wordmark is not None
        canvas = Image.new("RGB", (560, 560), ground)
        ink = look.ink_on(ground)
        mark = look.mark.resize((300, 300), Image.Resampling.LANCZOS)
        height = min(90, round(440 * look.wordmark.height / look.wordmark.width))
        word = look.wordmark.resize((round(height * look.wordmark.width / look.wordmark.height), height))
        canvas.paste(ink, (130, 70), mark)
        canvas.paste(ink, ((560 - word.width) // 2, 400), word)
        return Picture(canvas, (130 / 560, 70 / 560, 430 / 560, 370 / 560))

    def _cutout(self, product: str, line: int) -> Cutout:
        goods, _, rest = product.partition("/")
        made = self._made.get(product)
        if made is not None:
            return _cutout(made.noun, made.identity, made.palette, line)
        if self._last is None or self._last[0] != product:
            self._last = product, self._nobodys_cutout(goods, rest)
        return self._last[1]

    def _nobodys_cutout(self, goods: str, rest: str) -> Cutout:
        split, _, number = rest.rpartition("-")
        rng = self._rng(goods, split, number)
        noun = str(rng.choice(list(THINGS if goods == "unrelated" else NOUNS)))
        if goods == "unrelated":
            return render(THINGS[noun](rng))
        identity = invent(rng, 1)
        if goods != "lookalike":
            word = identity.drawn if rng.random() < 0.15 else None
            return render(PRODUCTS[noun](plain(identity.palettes[0], word=word)))
        copied = self._identities[str(rng.choice(sorted(self._identities)))]
        look = Look(
            copied.palettes[int(rng.integers(0, len(copied.palettes)))],
            strokes_mask(identity.mark, 220) if rng.random() < 0.6 else None,
            None,
            copied.pattern if rng.random() < 0.5 else "plain",
        )
        return render(PRODUCTS[noun](look))

    def _rng(self, *names: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, *(zlib.crc32(name.encode()) for name in names)])


@lru_cache(maxsize=48)
def _cutout(noun: str, identity: Identity, palette: Palette, line: int) -> Cutout:
    look = _look(identity, palette) if line == GOOD_COPY else _copied(identity, palette, line)
    return render(PRODUCTS[noun](look))


def _look(identity: Identity, palette: Palette) -> Look:
    return Look(
        palette,
        strokes_mask(identity.mark, 220),
        wordmark_mask(identity.drawn, identity.lettering, 96),
        identity.pattern,
    )


def _copied(identity: Identity, palette: Palette, line: int) -> Look:
    """0 misspelt name, 1 distorted mark, 2 both, each in colours that are a little off."""
    off = replace(palette, base=_shifted(palette.base, _SHIFTS[line]), second=_shifted(palette.second, _SHIFTS[line]))
    lettering = identity.lettering
    clumsy = replace(lettering, spacing=lettering.spacing * 0.5, weight=lettering.weight + 0.02)
    return Look(
        off,
        strokes_mask(identity.mark, 220, altered=line != 0),
        wordmark_mask(identity.drawn if line == 1 else identity.misspelt, clumsy, 96),
        identity.pattern,
    )


def _shifted(colour: Colour, shift: tuple[int, int, int]) -> Colour:
    red, green, blue = (min(255, max(0, value + change)) for value, change in zip(colour, shift, strict=True))
    return (red, green, blue)


def _spread(products: int) -> list[str]:
    """Which split each product of a brand is in: half of them measured on, at least one in each of three."""
    pattern = ("test", "train", "calibrate", "test", "train", "test")
    return [pattern[place % len(pattern)] for place in range(products)]
