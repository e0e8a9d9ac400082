"""Draws things that no brand of the market makes: vases, plates, books, lamps, toys, boards; for unrelated goods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from screener.samples.catalogue import Colour
from screener.samples.geometry import band, box, ellipse, spline, symmetric
from screener.samples.looks import tone
from screener.samples.marks import Lettering, wordmark_mask
from screener.samples.shading import FABRIC, LEATHER, MATTE, METAL, PLASTIC, Decal, Material, Part

GLAZE = Material(0.45, 24)
_TITLES = ("ATLAS", "GARDEN", "POEMS", "COOK BOOK", "HISTORY", "NOTES", "TRAINS", "BIRDS")


def vase(rng: np.random.Generator) -> list[Part]:
    """A turned pot: a profile of its own, reflected."""
    widths = np.clip(np.cumsum(rng.normal(0, 0.09, 6)) + 0.16, 0.06, 0.34)
    heights = np.linspace(0.10, 0.92, 6)
    right = [(0.5 + float(w), float(h)) for w, h in zip(widths, heights, strict=True)]
    body = spline(symmetric([(0.5, 0.08), *right, (0.5, 0.93)]))
    ring = float(rng.uniform(0.3, 0.7))
    width = float(np.interp(ring, heights, widths))
    return [
        Part(body, _paint(rng), GLAZE, form="cylinder"),
        Part(box(0.5 - width, ring, 0.5 + width, ring + 0.04), _paint(rng), MATTE, form="cylinder", lift=0.0),
    ]


def plate(rng: np.random.Generator) -> list[Part]:
    """Rings in each other, as plates, records and wheels are."""
    colour = _paint(rng)
    radii = np.sort(rng.uniform(0.05, 0.46, int(rng.integers(3, 6))))[::-1]
    return [
        Part(ellipse(0.5, 0.5, float(r), float(r)), colour if n % 2 else _paint(rng), GLAZE, 0.02)
        for n, r in enumerate(radii)
    ]


def book(rng: np.random.Generator) -> list[Part]:
    """A cover with a title and a picture on it."""
    cover, ink = _paint(rng), _paint(rng)
    width, height = float(rng.uniform(0.22, 0.38)), float(rng.uniform(0.34, 0.45))
    title = wordmark_mask(str(rng.choice(_TITLES)), Lettering(spacing=0.1), 80)
    blot = ellipse(0.5, 0.58, width * 0.5, height * float(rng.uniform(0.2, 0.5)))
    return [
        Part(box(0.5 - width, 0.5 - height, 0.5 + width, 0.5 + height, 0.01), cover, LEATHER, 0.012,
             decals=(Decal(title, ink, (0.5, 0.5 - height * 0.6), width * 1.4),)),
        Part(blot, ink, MATTE, 0.004, lift=0.0),
        Part(box(0.5 - width, 0.5 - height, 0.54 - width, 0.5 + height), tone(cover, 0.7), LEATHER, 0.01, lift=0.0),
    ]  # fmt: skip


def lamp(rng: np.random.Generator) -> list[Part]:
    """A shade on a stick with a foot."""
    top, low = float(rng.uniform(0.08, 0.24)), float(rng.uniform(0.22, 0.4))
    shade = ((0.5 - top, 0.08), (0.5 + top, 0.08), (0.5 + low, 0.45), (0.5 - low, 0.45))
    return [
        Part(band([(0.5, 0.4), (0.5, 0.9)], float(rng.uniform(0.02, 0.06))), _paint(rng), METAL, 0.01),
        Part(ellipse(0.5, 0.91, float(rng.uniform(0.12, 0.24)), 0.04), _paint(rng), METAL, 0.02),
        Part(shade, _paint(rng), FABRIC, 0.03, form="cylinder"),
    ]


def toy(rng: np.random.Generator) -> list[Part]:
    """Wheels under a body, in bright colours."""
    body = spline([(0.12, 0.62), (0.16, 0.4), (float(rng.uniform(0.25, 0.45)), float(rng.uniform(0.2, 0.35))),
                   (0.7, float(rng.uniform(0.25, 0.4))), (0.9, 0.5), (0.9, 0.66), (0.5, 0.7)])  # fmt: skip
    size = float(rng.uniform(0.08, 0.14))
    wheels = [
        Part(ellipse(float(x), 0.72, size, size), _paint(rng), PLASTIC, 0.03)
        for x in rng.uniform(0.2, 0.8, int(rng.integers(2, 4)))
    ]
    window = box(0.4, 0.35, float(rng.uniform(0.5, 0.65)), 0.48, 0.03)
    return [Part(body, _paint(rng), PLASTIC, 0.06), Part(window, _paint(rng), PLASTIC, 0.01), *wheels]


def board(rng: np.random.Generator) -> list[Part]:
    """Coloured fields side by side: rugs, games, quilts, boxes."""
    rows, columns = int(rng.integers(2, 6)), int(rng.integers(2, 6))
    colours = [_paint(rng) for _ in range(3)]
    parts = [Part(box(0.06, 0.06, 0.94, 0.94, 0.02), _paint(rng), FABRIC, 0.01)]
    for row in range(rows):
        for column in range(columns):
            x, y = 0.1 + 0.8 * column / columns, 0.1 + 0.8 * row / rows
            field = box(x, y, x + 0.76 / columns, y + 0.76 / rows)
            parts.append(Part(field, colours[int(rng.integers(0, 3))], FABRIC, 0.004, lift=0.0))
    return parts


THINGS: Mapping[str, Callable[[np.random.Generator], list[Part]]] = MappingProxyType(
    {"vase": vase, "plate": plate, "book": book, "lamp": lamp, "toy": toy, "board": board}
)


def _paint(rng: np.random.Generator) -> Colour:
    red, green, blue = (int(value) for value in rng.integers(24, 240, 3))
    return (red, green, blue)
