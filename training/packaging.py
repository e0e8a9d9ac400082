"""Draws packages of invented products: one design a brand, flavours that differ in colour, picture and words.

Two flavours of one brand are the hardest wrong matches on a shop's shelf, and no free set of photos has enough of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.edits import Props
from training.render import BICUBIC, tint, wordmark

FLAVOURS = (
    "Apple", "Mango", "Vanilla", "Natural", "Light", "Zero", "Strawberry", "Blueberry", "Lemon", "Ginger", "Cocoa",
    "Oat", "Whole", "Organic", "Mild", "Classic", "Orange", "Peach", "Coconut", "Almond", "Mint", "Green", "Soya",
    "Cherry",
)  # fmt: skip
_SHAPES = {"carton": (0.45, 0.7), "box": (0.7, 1.2), "bottle": (0.3, 0.42), "pouch": (0.65, 0.9), "tub": (1.1, 1.6)}
"""Width to height, from and to, by form."""


@dataclass(frozen=True, slots=True)
class Package:
    """One design: what all flavours of a product share."""

    mark: Image.Image
    font: ImageFont.FreeTypeFont
    shape: str
    size: tuple[int, int]
    ground: tuple[int, int, int]
    split: float
    mark_at: float
    round: int


def design(name: str, font: ImageFont.FreeTypeFont, rng: np.random.Generator) -> Package:
    """A package for products called `name`."""
    shape = str(rng.choice(list(_SHAPES)))
    aspect = float(rng.uniform(*_SHAPES[shape]))
    height = 240 if aspect < 1 else int(240 / aspect)
    ground = (255, 255, 255) if rng.random() < 0.3 else _colour(rng)
    return Package(
        tint(wordmark(name, font, rng), rng), font, shape, (int(height * aspect), height), ground,
        float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.08, 0.4)), int(rng.integers(0, 30)),
    )  # fmt: skip


def front(package: Package, flavour: int, picture: Image.Image | None) -> Image.Image:
    """The front of one flavour, RGBA with nothing around it; `flavour` fixes colour and words, `picture` (RGB or RGBA)
    is what is shown on it.
    """
    own = np.random.default_rng(flavour)
    w, h = package.size
    colour = _colour(own)
    page = Image.new("RGB", (w, h), package.ground)
    draw = ImageDraw.Draw(page)
    top = int(h * package.split)
    draw.rectangle((0, top, w, h), fill=colour)
    if own.random() < 0.5:
        draw.ellipse((-w // 3, top - h // 8, w + w // 3, top + h // 8), fill=colour)
    if picture is not None:
        side = int(min(w, h) * own.uniform(0.35, 0.6))
        shown = picture.resize((side, max(8, side * picture.height // picture.width)), BICUBIC)
        at = (int((w - side) * own.uniform(0.2, 0.8)), min(h - 10, top - shown.height // 3))
        page.paste(shown, at, shown if shown.mode == "RGBA" else None)
    scale = min(0.9 * w / package.mark.width, 0.25 * h / package.mark.height)
    mark = package.mark.resize(
        (max(8, int(package.mark.width * scale)), max(8, int(package.mark.height * scale))), BICUBIC
    )
    page.paste(mark, ((w - mark.width) // 2, int(h * package.mark_at)), mark)
    words = FLAVOURS[int(own.integers(0, len(FLAVOURS)))]
    small = package.font.font_variant(size=max(10, h // 14))
    ink = (255, 255, 255) if sum(colour) < 380 else (20, 20, 20)
    draw.text((int(w * 0.1), int(h * own.uniform(0.8, 0.9))), words, font=small, fill=ink)
    alpha = Image.new("L", (w, h), 0)
    if package.shape == "bottle":
        neck = int(h * 0.2)
        ImageDraw.Draw(alpha).rounded_rectangle((0, neck, w, h), radius=w // 6, fill=255)
        ImageDraw.Draw(alpha).rectangle((int(w * 0.33), 0, int(w * 0.67), neck + w // 6), fill=255)
    else:
        ImageDraw.Draw(alpha).rounded_rectangle((0, 0, w, h), radius=package.round, fill=255)
    page.putalpha(alpha)
    return page


def catalogue_view(item: Image.Image, rng: np.random.Generator) -> Image.Image:
    """As a shop's catalogue shows it: alone on a plain page, seen almost straight."""
    side = int(max(item.size) * rng.uniform(1.02, 1.4))
    page = Image.new("RGB", (side, side), (255, 255, 255) if rng.random() < 0.8 else _colour(rng))
    page.paste(item, ((side - item.width) // 2, (side - item.height) // 2), item)
    return page


def shelf_view(item: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """As a hand-held camera sees it: turned, cut off, sometimes a row of it, before something else."""
    page = props.scenes[int(rng.integers(0, len(props.scenes)))].resize((256, 256), BICUBIC)
    turned = item.rotate(float(rng.normal(0, 10)), BICUBIC, expand=True)
    w, h = turned.size
    push = rng.uniform(-0.15, 0.15, 8) * np.array([w, h] * 4)
    turned = turned.transform((w, h), Image.Transform.QUAD, tuple(np.array([0, 0, 0, h, w, h, w, 0]) + push), BICUBIC)
    scale = float(rng.uniform(0.55, 1.25)) * 256 / max(turned.size)
    turned = turned.resize((max(8, int(w * scale)), max(8, int(h * scale))), BICUBIC)
    x = int(rng.uniform(0.2, 0.8) * (256 - turned.width))
    y = int(rng.uniform(0.1, 0.9) * (256 - turned.height))
    for shift in (-1, 1) if rng.random() < 0.3 else ():
        page.paste(turned, (x + shift * int(turned.width * rng.uniform(0.8, 1.1)), y), turned)
    page.paste(turned, (x, y), turned)
    return page


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = (int(v) for v in rng.integers(0, 256, 3))
    return (r, g, b)
