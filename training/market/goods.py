"""What a market sells, and the one door to its pictures, wherever they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from PIL import Image

Box = tuple[float, float, float, float]
View = Literal["official", "own", "fake", "mark", "theft"]
LINES = 4
"""Ways in which copies look."""
GOOD_COPY = LINES - 1
"""The one that looks like the genuine product."""


@dataclass(frozen=True, slots=True)
class Product:
    """One product of a brand, or (`brand` empty) a thing of no brand; `id` is unique in the market.

    `noun` is its kind of thing, a key of `words.toml`. `official` is how many official pictures it has, `own` how many
    pictures sellers can take of it, `fake` how many of its copies (None: as many as wanted), `thefts` how many
    ready-made edited copies of its official pictures there are. `price` is in EUR.
    """

    id: str
    brand: str
    noun: str
    category: str
    price: float
    split: str
    official: int = 0
    own: int | None = None
    fake: int | None = None
    thefts: int = 0


@dataclass(frozen=True, slots=True)
class MarketBrand:
    """A brand; `registered` says whether the screener is told of it. `marks` is how many logo pictures it has."""

    key: str
    name: str
    aliases: tuple[str, ...]
    misspelt: str
    registered: bool
    categories: tuple[str, ...]
    price: float
    marks: int
    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """One picture, asked for by what it shows; equal asks give equal pixels.

    `official`: official picture `number` of the product. `own`: a seller's picture of the genuine thing, another for
    every `number`. `fake`: the same of the copy made by `line`. `mark`: the brand's logo `number` (`product` is then
    the brand's key). `theft`: an edited copy of an official picture. `line` 0 to 2 are ways in which a copy's looks are
    off; 3 looks like the genuine product.
    """

    view: View
    product: str
    number: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """RGB pixels, and the relative box of the mark in them where that is known."""

    image: Image.Image
    mark: Box | None = None


class Pictures(Protocol):
    """A source of goods and their pictures; it is sent to worker processes, so it must be picklable."""

    @property
    def name(self) -> str:
        """Of the source."""
        ...

    def brands(self) -> Sequence[MarketBrand]:
        """The brands with their products."""
        ...

    def others(self, goods: str) -> Sequence[Product]:
        """Things of no brand: `unbranded`, `lookalike`, `accessory` or `unrelated` goods."""
        ...

    def paint(self, ask: Ask) -> Picture:
        """The picture asked for. ValueError where the source has none such."""
        ...
