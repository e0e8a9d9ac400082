"""The source of real photographs: grocery brands and logos as brands, copies as official photos and their thieves."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from training.errors import TrainingError
from training.market.goods import Ask, Box, MarketBrand, Picture, Product
from training.market.invent import invent
from training.market.model import Market

SETS = ("grocery", "logos", "copies")
PER_BRAND = 25
"""Official photos (ids of `copies`) of one invented brand; assumed."""
LINE_PHOTOS = 2
"""Photos of each product that are kept for registered counterfeits, as `line_photos` of the model."""
_GOODS: dict[str, tuple[str, str, float]] = {
    "grocery": ("drink", "food", 3.0),
    "logos": ("sign", "home", 45.0),
    "copies": ("garment", "clothing", 60.0),
}
"""Noun, category and price in EUR (assumed) of each set's goods."""
_NOTHING: Mapping[str, tuple[str, str, float]] = _GOODS | {"grocery": ("food", "food", 3.0)}
_TURNS = ("test", "train", "test", "calibrate", "test", "train")
"""Half of everything is measured on."""


@dataclass(frozen=True, slots=True)
class _Shots:
    """Files of one product: official pictures, sellers' own, photos that stand for those of its copies, thefts."""

    official: tuple[Path, ...]
    own: tuple[Path, ...]
    fake: tuple[Path, ...]
    theft: tuple[Path, ...]


class Photos:
    """Real photos as a market's pictures.

    grocery: each product is one, its catalogue picture is official, shoppers' photos are the sellers'. logos: the
    pictures with boxes are registered marks, each query is a photo of a product of its own. copies: 25 photos make an
    invented brand, each one the official photo of a product; its edited copies are what thieves upload. No real picture
    shows a counterfeit, so photos of genuine goods, others than honest sellers show, stand for the copies' own: looks
    tell nothing of them, only copying, words, price and sellers do. `none` pictures are unrelated goods.
    """

    name = "photos"

    def __init__(self, market: Market, seed: int, data: Path):
        """Reads the manifests of `data`. Raises TrainingError where one is missing."""
        self._seed = seed
        self._shots: dict[str, _Shots] = {}
        self._marks: dict[str, list[tuple[Path, list[list[int]]]]] = defaultdict(list)
        self._unrelated: dict[str, Path] = {}
        rows = {name: _manifest(data / name) for name in SETS}
        share = float(market.raw["brands"]["registered"])
        brands = [
            *self._grocery(data / "grocery", rows["grocery"]),
            *self._logos(data / "logos", rows["logos"]),
            *self._copies(data / "copies", rows["copies"], share),
        ]
        self._brands = tuple(brands)
        self._nothing = tuple(self._none(data, rows))

    def brands(self) -> Sequence[MarketBrand]:
        """The real brands, all registered, then the invented ones of `copies`."""
        return self._brands

    def others(self, goods: str) -> Sequence[Product]:
        """`none` pictures, whatever goods are asked for: each of them is in one kind of goods only."""
        kinds = ("unrelated", "unrelated", "unbranded", "lookalike", "unrelated", "accessory")
        return [product for n, product in enumerate(self._nothing) if kinds[n // len(_TURNS) % len(kinds)] == goods]

    def paint(self, ask: Ask) -> Picture:
        """Reads the file; a mark's box comes with it."""
        if ask.view == "mark":
            path, boxes = self._marks[ask.product][ask.number]
            image = _read(path)
            return Picture(image, _largest(boxes, image.size))
        if ask.product in self._unrelated:
            return Picture(_read(self._unrelated[ask.product]))
        files = getattr(self._shots[ask.product], ask.view)
        if not files:
            raise ValueError(f"{ask.product} has no {ask.view} picture")
        return Picture(_read(files[ask.number % len(files)]))

    def _grocery(self, folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[MarketBrand]:
        products: dict[str, list[Product]] = defaultdict(list)
        for n, row in enumerate(row for row in rows if row["kind"] == "reference"):
            taken = [folder / q["image"] for q in rows if q["kind"] == "query" and q["product"] == row["product"]]
            shots = _shared([folder / row["image"]], taken)
            products[row["brand"]].append(self._product(row["brand"], row["product"], n, "grocery", shots))
        return [self._brand(name, name, (), goods, 0, registered=True) for name, goods in sorted(products.items())]

    def _logos(self, folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[MarketBrand]:
        products: dict[str, list[Product]] = defaultdict(list)
        for row in rows:
            if row["kind"] == "reference":
                self._marks[row["brand"]].append((folder / row["image"], row["boxes"]))
        for n, row in enumerate(row for row in rows if row["kind"] == "query"):
            name = Path(row["image"]).stem
            shots = _Shots((), (folder / row["image"],), (), ())
            products[row["brand"]].append(self._product(row["brand"], name, n, "logos", shots))
        return [
            self._brand(name, name, (), goods, len(self._marks[name]), registered=True)
            for name, goods in sorted(products.items())
        ]

    def _copies(self, folder: Path, rows: Sequence[Mapping[str, Any]], share: float) -> list[MarketBrand]:
        edited: dict[int, list[Path]] = defaultdict(list)
        for row in rows:
            if row["kind"] == "query":
                edited[row["id"]].append(folder / row["image"])
        official = [row for row in rows if row["kind"] == "reference"]
        groups = [official[start : start + PER_BRAND] for start in range(0, len(official), PER_BRAND)]
        brands = []
        for number, group in enumerate(groups):
            identity = invent(np.random.default_rng([self._seed, zlib.crc32(b"copies"), number]), 1)
            key = f"copies-{number}"
            goods = [
                self._product(
                    key, str(row["id"]), n, "copies", _Shots((folder / row["image"],), (), (), tuple(edited[row["id"]]))
                )
                for n, row in enumerate(group)
            ]
            registered = number < min(round(share * len(groups)), len(groups) - 1)
            brands.append(self._brand(key, identity.name, identity.aliases, goods, 0, registered=registered))
        return brands

    def _product(self, brand: str, name: str, number: int, data: str, shots: _Shots) -> Product:
        noun, category, price = _GOODS[data]
        product = Product(
            id=f"{brand}/{name}",
            brand=brand,
            noun=noun,
            category=category,
            price=price,
            split=_TURNS[number % len(_TURNS)],
            official=len(shots.official),
            own=len(shots.own),
            fake=len(shots.fake),
            thefts=len(shots.theft),
        )
        self._shots[product.id] = shots
        return product

    def _brand(
        self, key: str, name: str, aliases: tuple[str, ...], goods: Sequence[Product], marks: int, *, registered: bool
    ) -> MarketBrand:
        return MarketBrand(
            key=key,
            name=name,
            aliases=aliases,
            misspelt=name,
            registered=registered,
            categories=tuple(sorted({product.category for product in goods})),
            price=float(np.median([product.price for product in goods])),
            marks=marks,
            products=tuple(goods),
        )

    def _none(self, data: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Product]:
        found = []
        for name in SETS:
            noun, category, price = _NOTHING[name]
            for n, row in enumerate(row for row in rows[name] if row["kind"] == "none"):
                product = Product(f"none/{name}-{n}", "", noun, category, price, _TURNS[n % len(_TURNS)], own=1)
                self._unrelated[product.id] = data / name / row["image"]
                found.append(product)
        return found


def _shared(official: Sequence[Path], taken: Sequence[Path]) -> _Shots:
    """Every second photo is left to counterfeiters, where there are enough for them and for what is registered."""
    fakes = taken[1::2] if len(taken) > 2 * LINE_PHOTOS + 1 else []
    return _Shots(tuple(official), tuple(taken[::2] if fakes else taken), tuple(fakes), ())


def _manifest(folder: Path) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrainingError(f"{folder} has no manifest.json; the market of photos needs {', '.join(SETS)}") from None
    return rows


def _read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _largest(boxes: Sequence[Sequence[int]], size: tuple[int, int]) -> Box:
    x0, y0, x1, y1 = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
    width, height = size
    return x0 / width, y0 / height, min(x1 / width, 1.0), min(y1 / height, 1.0)
