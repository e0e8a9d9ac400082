"""Hides a patch of a picture the ways sellers do, to measure how surely such patches are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Place = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""
Cover = Callable[[Image.Image, Place, np.random.Generator], Image.Image]


def rectangle(image: Image.Image, place: Place, rng: np.random.Generator) -> Image.Image:
    """A plain sticker with straight or round corners."""
    covered = image.copy()
    radius = int(rng.choice([0.0, 0.0, 0.15, 0.3]) * min(place[2] - place[0], place[3] - place[1]))
    ImageDraw.Draw(covered).rounded_rectangle(place, radius=radius, fill=_paint(rng))
    return covered


def ellipse(image: Image.Image, place: Place, rng: np.random.Generator) -> Image.Image:
    """A plain round sticker, edges smoothed as drawing tools do."""
    return _smooth(image, place, lambda draw, box: draw.ellipse(box, fill=_paint(rng)))


def emoji(image: Image.Image, place: Place, rng: np.random.Generator) -> Image.Image:
    """A round yellow face, shaded and outlined."""
    yellow = np.array([255, int(rng.integers(190, 225)), int(rng.integers(20, 90))])

    def face(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float]) -> None:
        x0, y0, x1, y1 = box
        width, height = x1 - x0, y1 - y0
        for ring in range(8):  # lighter towards the middle
            part = 0.02 * ring
            shade = tuple(int(c) for c in np.minimum(yellow * (0.9 + 0.015 * ring), 255))
            draw.ellipse((x0 + part * width, y0 + part * height, x1 - part * width, y1 - part * height), fill=shade)
        for eye in (0.3, 0.62):
            box = (x0 + eye * width, y0 + 0.28 * height, x0 + (eye + 0.09) * width, y0 + 0.45 * height)
            draw.ellipse(box, fill=(70, 45, 15))
        mouth = (x0 + 0.25 * width, y0 + 0.4 * height, x0 + 0.75 * width, y0 + 0.8 * height)
        draw.chord(mouth, 10, 170, fill=(110, 50, 25))

    side = min(place[2] - place[0], place[3] - place[1])
    return _smooth(image, (place[0], place[1], place[0] + side, place[1] + side), face)


def scribble(image: Image.Image, place: Place, rng: np.random.Generator) -> Image.Image:
    """A thick pen drawn to and fro."""
    count = int(rng.integers(5, 10))
    ways = np.linspace(0, 1, count)
    sides = np.where(np.arange(count) % 2, 1.0, 0.0)
    jitter = rng.uniform(-0.08, 0.08, (2, count))
    along, across = np.clip(ways + jitter[0], 0, 1), np.clip(sides + jitter[1], 0, 1)
    if rng.random() < 0.5:
        along, across = across, along
    paint, width = _paint(rng), max(int(rng.uniform(0.012, 0.03) * max(image.size)), 2)

    def strokes(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float]) -> None:
        scale = (box[2] - box[0]) / (place[2] - place[0])
        points = [
            (box[0] + x * (box[2] - box[0]), box[1] + y * (box[3] - box[1]))
            for x, y in zip(along.tolist(), across.tolist(), strict=True)
        ]
        draw.line(points, fill=paint, width=int(width * scale), joint="curve")

    return _smooth(image, place, strokes)


def mosaic(image: Image.Image, place: Place, rng: np.random.Generator) -> Image.Image:
    """Pixels made large."""
    patch = image.crop(place)
    cell = max(rng.uniform(0.015, 0.04) * max(image.size), 3.0)
    cells = (max(round(patch.width / cell), 2), max(round(patch.height / cell), 2))
    covered = image.copy()
    covered.paste(patch.resize(cells, Image.Resampling.BOX).resize(patch.size, Image.Resampling.NEAREST), place[:2])
    return covered


def blur(image: Image.Image, place: Place, rng: np.random.Generator) -> Image.Image:
    """Out of focus by drawing tool, in a rectangle or an ellipse."""
    soft = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.015, 0.04) * max(image.size)))
    mask = Image.new("L", image.size, 0)
    draw = ImageDraw.Draw(mask)
    (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(place, fill=255)
    return Image.composite(soft, image, mask)


COVERS: Mapping[str, Cover] = MappingProxyType(
    {
        "rectangle": rectangle,
        "ellipse": ellipse,
        "emoji": emoji,
        "scribble": scribble,
        "mosaic": mosaic,
        "blur": blur,
    }
)
"""By name, in the order of the report."""


def random_place(size: tuple[int, int], rng: np.random.Generator) -> Place:
    """A place for a cover: 12 to 35 % of each side, anywhere in the picture."""
    width, height = (int(side * rng.uniform(0.12, 0.35)) for side in size)
    left, top = int(rng.integers(0, size[0] - width)), int(rng.integers(0, size[1] - height))
    return left, top, left + width, top + height


def _paint(rng: np.random.Generator) -> tuple[int, int, int]:
    """White, black, a pure colour, or any."""
    kind = rng.random()
    if kind < 0.4:
        return (255, 255, 255) if kind < 0.2 else (0, 0, 0)
    colour = rng.choice([0, 255], 3) if kind < 0.6 else rng.integers(0, 256, 3)
    return int(colour[0]), int(colour[1]), int(colour[2])


def _smooth(
    image: Image.Image,
    place: Place,
    draw: Callable[[ImageDraw.ImageDraw, tuple[float, float, float, float]], None],
) -> Image.Image:
    """Draws on four times the pixels and scales down, so that edges are smooth."""
    margin = max(image.size) // 30 + 2
    left, top = max(place[0] - margin, 0), max(place[1] - margin, 0)
    right, bottom = min(place[2] + margin, image.width), min(place[3] + margin, image.height)
    size = (right - left, bottom - top)
    large = image.crop((left, top, right, bottom)).resize((4 * size[0], 4 * size[1]), Image.Resampling.NEAREST)
    x0, y0, x1, y1 = (4.0 * (side - start) for side, start in zip(place, (left, top) * 2, strict=True))
    draw(ImageDraw.Draw(large), (x0, y0, x1, y1))
    covered = image.copy()
    covered.paste(large.resize(size, Image.Resampling.BOX), (left, top))
    return covered
