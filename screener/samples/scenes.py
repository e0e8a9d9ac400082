"""Backgrounds that products are photographed on: float32 pictures (height, width, 3) of 0..1."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from screener.samples.catalogue import Colour
from screener.samples.texture import clouds

Pixels = NDArray[np.float32]
Size = tuple[int, int]  # width, height


def _tinted(colour: Colour, light: Pixels) -> Pixels:
    lit = np.empty((*light.shape, 3), dtype=np.float32)
    for channel, value in enumerate(colour):
        np.clip(light * (value / 255), 0, 1, out=lit[..., channel])
    return lit


def studio(rng: np.random.Generator, size: Size, colour: Colour) -> Pixels:
    """A seamless paper sweep: floor and wall run into each other, brightest behind the product."""
    width, height = size
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    horizon = float(rng.uniform(0.66, 0.78))
    glow = np.exp(-(((x - 0.5) / 0.6) ** 2)) * np.exp(-(((y - 0.45) / 0.55) ** 2))
    floor = 1 / (1 + np.exp(-(y - horizon) * 30))
    return _tinted(colour, 0.82 + 0.20 * glow - 0.07 * floor)


def wood(rng: np.random.Generator, size: Size, colour: Colour) -> Pixels:
    """A table top of planks."""
    width, height = size
    y = np.arange(height, dtype=np.float32)[:, None]
    planks = int(rng.integers(3, 6))
    plank = np.floor(y / height * planks).astype(np.int64)
    wander = clouds(rng, height, width, coarse=(4 * planks, 2), octaves=2) * 5
    rings = np.sin(
        (y + wander * 4) * 0.16 + rng.uniform(0, 9, planks)[np.clip(plank, 0, planks - 1)].astype(np.float32) * 7
    )
    fibres = clouds(rng, height, width, coarse=(height / 3, 5), octaves=2)
    shade = rng.uniform(0.82, 1.08, planks).astype(np.float32)[np.clip(plank, 0, planks - 1)]
    gap = np.abs((y / height * planks) % 1 - 0.5) > 0.5 - 1.8 * planks / height
    light = (0.86 + 0.07 * rings + 0.06 * fibres) * shade * np.where(gap, 0.45, 1)
    return _tinted(colour, light.astype(np.float32))


def cloth(rng: np.random.Generator, size: Size, colour: Colour) -> Pixels:
    """A bed sheet or a sofa: woven, with soft folds."""
    width, height = size
    folds = clouds(rng, height, width, coarse=(2, 3), octaves=2)
    slope_y, slope_x = np.gradient(folds)
    weave = rng.standard_normal((height, width), dtype=np.float32) * 0.035
    light = np.clip(0.86 + (slope_x * 0.8 + slope_y) * 9, 0.5, 1.1) + weave
    return _tinted(colour, light.astype(np.float32))


def stone(rng: np.random.Generator, size: Size, colour: Colour) -> Pixels:
    """Concrete, a worktop or asphalt: mottled, with speckles."""
    width, height = size
    mottle = clouds(rng, height, width, coarse=(5, 5), octaves=5)
    speckle = np.clip(clouds(rng, height, width, coarse=(height / 4, width / 4), octaves=2) - 1.6, 0, 1)
    return _tinted(colour, (0.86 + 0.055 * mottle - 0.5 * speckle).astype(np.float32))


def tiles(rng: np.random.Generator, size: Size, colour: Colour) -> Pixels:
    """A tiled floor, slightly turned."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, side = float(rng.uniform(-0.3, 0.3)), float(rng.uniform(150, 240))
    u, v = (x * np.cos(angle) + y * np.sin(angle)) / side + 90, (y * np.cos(angle) - x * np.sin(angle)) / side + 90
    joint = np.maximum(np.abs(u % 1 - 0.5), np.abs(v % 1 - 0.5)) > 0.485
    shades = rng.uniform(0.86, 1.0, (97,)).astype(np.float32)
    each = shades[(np.floor(u).astype(np.int64) * 31 + np.floor(v).astype(np.int64) * 17) % 97]
    light = np.where(joint, 0.6, each + 0.03 * clouds(rng, height, width, coarse=(6, 6)))
    return _tinted(colour, light.astype(np.float32))


def bokeh(rng: np.random.Generator, size: Size, colour: Colour) -> Pixels:
    """Outdoors, out of focus: foliage or street lights above, a ledge below."""
    width, height = size
    image = Image.new("RGB", (width // 4, height // 4), tuple(round(value * 0.55) for value in colour))
    draw = ImageDraw.Draw(image, "RGBA")
    for _ in range(70):
        x, y = (int(rng.integers(0, limit)) for limit in image.size)
        radius = int(rng.integers(4, 20))
        tint = tuple(int(min(255, value * rng.uniform(0.5, 1.5) + rng.uniform(0, 50))) for value in colour)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*tint, int(rng.integers(40, 130))))
    far = (
        np.asarray(image.filter(ImageFilter.GaussianBlur(2)).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
        / 255
    )
    ledge = stone(rng, (width, height), (150, 142, 130))
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    edge = 1 / (1 + np.exp(-(down - 0.70) * 90))
    return np.asarray(far * (1 - edge) + ledge * edge, dtype=np.float32)


def shelf(rng: np.random.Generator, size: Size, colour: Colour) -> Pixels:
    """A cupboard with boxes, jars and books, a little out of focus, and a board to stand things on."""
    width, height = size
    small = (width // 2, height // 2)
    image = Image.new("RGB", small, tuple(round(value * 0.5) for value in colour))
    draw = ImageDraw.Draw(image)
    board = max(6, small[1] // 34)
    floors = (round(small[1] * 0.34), round(small[1] * 0.76))
    for floor in floors:
        x = int(rng.integers(-10, 10))
        while x < small[0]:
            wide, tall = int(rng.integers(12, 52)), int(rng.integers(small[1] // 9, small[1] // 4))
            paint = tuple(int(value) for value in rng.integers(60, 225, 3) * 0.6 + np.array(colour) * 0.3)
            dark = tuple(round(value * 0.7) for value in paint)
            if wide > 30 and rng.random() < 0.4:
                draw.rounded_rectangle((x, floor - tall, x + wide, floor), wide // 4, fill=paint)
                draw.rectangle((x + wide // 5, floor - tall - 6, x + wide - wide // 5, floor - tall + 4), fill=dark)
            else:
                draw.rectangle((x, floor - tall, x + wide, floor), fill=paint)
                draw.rectangle((x + wide * 2 // 3, floor - tall, x + wide, floor), fill=dark)
            draw.rectangle(
                (x + 3, floor - tall // 2, x + wide - 4, floor - tall // 2 + tall // 6), fill=(235, 230, 220)
            )
            x += wide + int(rng.integers(1, 16))
        draw.rectangle((0, floor, small[0], floor + board), fill=colour)
        draw.rectangle((0, floor + board, small[0], floor + board + 3), fill=tuple(value // 3 for value in colour))
    draw.rectangle((0, floors[1], small[0], small[1]), fill=colour)
    blurred = image.filter(ImageFilter.GaussianBlur(2.2)).resize(size, Image.Resampling.BICUBIC)
    light = 0.93 + 0.05 * clouds(rng, height, width, coarse=(3, 3), octaves=2)
    return np.asarray(np.asarray(blurred, dtype=np.float32) / 255 * light[..., None], dtype=np.float32)


SCENES: Mapping[str, Callable[[np.random.Generator, Size, Colour], Pixels]] = MappingProxyType(
    {"studio": studio, "wood": wood, "cloth": cloth, "stone": stone, "tiles": tiles, "bokeh": bokeh, "shelf": shelf}
)
STANDING = frozenset({"studio", "bokeh", "shelf"})  # seen from the front: the product stands; on the others it lies

SCENE_COLOURS: Mapping[str, tuple[Colour, ...]] = MappingProxyType(
    {
        "studio": ((244, 244, 243), (236, 232, 226), (226, 232, 238), (240, 228, 222)),
        "wood": ((172, 126, 84), (206, 170, 124), (112, 76, 52), (150, 132, 112)),
        "cloth": ((206, 204, 210), (150, 168, 190), (196, 172, 150), (94, 104, 112)),
        "stone": ((168, 166, 162), (214, 210, 204), (104, 106, 110)),
        "tiles": ((214, 208, 198), (176, 182, 184), (196, 150, 118)),
        "bokeh": ((92, 136, 84), (168, 140, 96), (90, 116, 152)),
        "shelf": ((176, 136, 98), (220, 214, 204), (124, 110, 100)),
    }
)
