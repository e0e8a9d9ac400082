"""Turns the flat parts of a product into a shaded cut-out: rounded by an inflated height map, lit from the top left."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from screener.samples.catalogue import Colour
from screener.samples.geometry import Outline, Point, band
from screener.samples.texture import box_blur, grain

CANVAS = 640
SHADE = 2  # light is smooth: it is computed at half the canvas' resolution
LIGHT = np.array([-0.42, -0.55, 0.72], dtype=np.float32)


class Material(NamedTuple):
    """How a surface answers light: strength and sharpness of its highlight, kind and depth of its grain."""

    gloss: float
    sharpness: float
    grain: str = "smooth"  # smooth, fabric, leather, brushed, knit
    depth: float = 0.0


MATTE = Material(0.05, 6, "smooth", 0.0)
FABRIC = Material(0.02, 4, "fabric", 0.11)
KNIT = Material(0.02, 4, "knit", 0.14)
LEATHER = Material(0.16, 14, "leather", 0.09)
RUBBER = Material(0.10, 10, "leather", 0.03)
PLASTIC = Material(0.32, 30)
METAL = Material(0.55, 24, "brushed", 0.06)
GLASS = Material(0.75, 60)


@dataclass(frozen=True, slots=True)
class Decal:
    """Ink on a part: an 8-bit mask, its centre and width on the canvas (0..1), clockwise degrees."""

    mask: Image.Image
    colour: Colour
    centre: Point
    width: float
    degrees: float = 0.0
    is_mark: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a product; later parts lie on earlier ones and throw a soft shadow of strength `lift`."""

    outline: Outline
    colour: Colour
    material: Material = MATTE
    roundness: float = 0.03
    form: str = "puff"  # puff (inflated edges) or cylinder (round about a vertical axis)
    holes: tuple[Outline, ...] = ()
    lift: float = 0.35
    decals: tuple[Decal, ...] = ()
    seams: tuple[tuple[Colour, Outline], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Cutout:
    """A product without a background: RGBA pixels (side, side, 4) and where its mark lies (0..1), if it shows one."""

    pixels: NDArray[np.uint8]
    mark_box: tuple[float, float, float, float] | None


def seam(
    points: Sequence[Point], colour: Colour, width: float = 0.003, dash: float = 0.012
) -> list[tuple[Colour, Outline]]:
    """Stitches along a line of points."""
    stitches: list[tuple[Colour, Outline]] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        length = float(np.hypot(x1 - x0, y1 - y0))
        count = max(1, round(length / dash / 1.5))
        for step in range(count):
            a, b = step / count, (step + 0.66) / count
            line = [(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t) for t in (a, b)]
            stitches.append((colour, band(line, width)))
    return stitches


def render(parts: Sequence[Part], size: int = CANVAS) -> Cutout:
    """Shade the parts in order."""
    rgb = np.zeros((size, size, 3), dtype=np.float32)
    alpha = np.zeros((size, size), dtype=np.float32)
    for part in parts:
        _lay(rgb, alpha, part, size)
    rgb /= np.maximum(alpha, 1e-4)[..., None]
    pixels = np.empty((size, size, 4), dtype=np.uint8)
    pixels[..., :3] = np.clip(rgb * 255 + 0.5, 0, 255)
    pixels[..., 3] = alpha * 255 + 0.5
    boxes = [_decal_box(decal) for part in parts for decal in part.decals if decal.is_mark]
    return Cutout(pixels, max(boxes, key=_area) if boxes else None)


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _decal_box(decal: Decal) -> tuple[float, float, float, float]:
    height = decal.width * decal.mask.height / decal.mask.width
    x, y = decal.centre
    return (x - decal.width / 2, y - height / 2, x + decal.width / 2, y + height / 2)


def _lay(rgb: NDArray[np.float32], alpha: NDArray[np.float32], part: Part, size: int) -> None:
    xs, ys = [x for x, _ in part.outline], [y for _, y in part.outline]
    pad = 12
    x0, y0 = (max(0, int(min(axis) * size) - pad) // SHADE * SHADE for axis in (xs, ys))
    x1, y1 = (min(size, (int(max(axis) * size) + pad + SHADE) // SHADE * SHADE) for axis in (xs, ys))
    if x1 - x0 < 2 * SHADE or y1 - y0 < 2 * SHADE:
        return
    mask = _mask(part, size, x0, y0, x1, y1)
    small = np.asarray(mask.reduce(SHADE), dtype=np.float32) / np.float32(255)
    diffuse, highlight = _light(small, part, size)
    coverage = (np.asarray(mask, dtype=np.float32) / 255)[..., None]
    lit = np.array(Image.fromarray(diffuse).resize(mask.size, Image.Resampling.BILINEAR))
    if part.material.depth:
        lit *= 1 + part.material.depth * grain(part.material.grain, mask.height, mask.width)
    albedo = _albedo(part, size, x0, y0, mask.size)
    gleam = np.asarray(Image.fromarray(highlight).resize(mask.size, Image.Resampling.BILINEAR))[..., None]
    albedo *= lit[..., None] + 0.4 * gleam
    albedo += 0.6 * gleam
    np.clip(albedo, 0, 1, out=albedo)
    here = rgb[y0:y1, x0:x1]
    if part.lift:
        shadow = box_blur(np.roll(small, (3, 2), axis=(0, 1)), 4) * part.lift
        here *= 1 - np.asarray(Image.fromarray(shadow).resize(mask.size, Image.Resampling.BILINEAR))[..., None]
    here += (albedo - here) * coverage
    cover = alpha[y0:y1, x0:x1]
    cover += (1 - cover) * coverage[..., 0]


def _mask(part: Part, size: int, x0: int, y0: int, x1: int, y1: int) -> Image.Image:
    scale = 2 * size
    image = Image.new("L", (2 * (x1 - x0), 2 * (y1 - y0)), 0)
    draw = ImageDraw.Draw(image)
    for outline, fill in ((part.outline, 255), *((hole, 0) for hole in part.holes)):
        draw.polygon([(x * scale - 2 * x0, y * scale - 2 * y0) for x, y in outline], fill=fill)
    return image.reduce(2)


def _light(small: NDArray[np.float32], part: Part, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Diffuse factor and highlight of a part, both (height, width) at shading resolution."""
    if part.form == "cylinder":
        nx, nz, gleam = _cylinder(small)
        ny = np.zeros_like(nx)
    else:
        radius = max(2, round(part.roundness * size / SHADE))
        height = sum(box_blur(small, max(1, radius // step)) / step for step in (1, 2, 4)) * (2.6 * radius / 1.75)
        grad_y, grad_x = np.gradient(np.asarray(height, dtype=np.float32))
        nz = 1 / np.sqrt(grad_x**2 + grad_y**2 + 1)
        nx, ny = -grad_x * nz, -grad_y * nz
        gleam = np.zeros_like(nx)
    lambert = np.clip(nx * LIGHT[0] + ny * LIGHT[1] + nz * LIGHT[2], 0, None)
    halfway = LIGHT + np.array([0, 0, 1], dtype=np.float32)
    halfway = halfway / np.linalg.norm(halfway)
    shine = np.clip(nx * halfway[0] + ny * halfway[1] + nz * halfway[2], 0, 1)
    # a broad surface facing the viewer must not glow all over, so the highlight starts above its own level
    flat = float(halfway[2]) ** part.material.sharpness
    specular = np.clip(shine**part.material.sharpness - flat, 0, None) / max(1e-3, 1 - flat)
    fall = np.linspace(1.06, 0.90, small.shape[0], dtype=np.float32)[:, None]
    diffuse = (0.40 + 0.80 * lambert) * fall
    return diffuse.astype(np.float32), (part.material.gloss * (0.6 * specular + gleam)).astype(np.float32)


def _cylinder(small: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    inside = small > 0.5
    columns = np.arange(small.shape[1], dtype=np.float32)
    filled = inside.any(axis=1)
    left = np.where(filled, inside.argmax(axis=1), 0).astype(np.float32)
    right = np.where(filled, small.shape[1] - 1 - inside[:, ::-1].argmax(axis=1), small.shape[1] - 1).astype(np.float32)
    half = np.maximum((right - left) / 2 + 1, 1)[:, None]
    across = np.clip((columns[None, :] - ((left + right) / 2)[:, None]) / half, -0.985, 0.985)
    # two soft boxes, as a product photographer sets them
    gleam = np.exp(-(((across + 0.55) / 0.13) ** 2)) * 0.75 + np.exp(-(((across - 0.74) / 0.07) ** 2)) * 0.4
    return across, np.sqrt(1 - across**2), gleam * 0.8


def _albedo(part: Part, size: int, x0: int, y0: int, extent: tuple[int, int]) -> NDArray[np.float32]:
    image = Image.new("RGB", extent, part.colour)
    for decal in part.decals:
        width = max(1, round(decal.width * size))
        height = max(1, round(width * decal.mask.height / decal.mask.width))
        stamp = decal.mask.resize((width, height), Image.Resampling.LANCZOS)
        if decal.degrees:
            stamp = stamp.rotate(-decal.degrees, Image.Resampling.BICUBIC, expand=True)
        x, y = (
            round(decal.centre[0] * size - stamp.width / 2) - x0,
            round(decal.centre[1] * size - stamp.height / 2) - y0,
        )
        image.paste(decal.colour, (x, y), stamp)
    if part.seams:
        lines = {colour: Image.new("L", (extent[0] * 2, extent[1] * 2), 0) for colour, _ in part.seams}
        for colour, outline in part.seams:
            points = [((x * size - x0) * 2, (y * size - y0) * 2) for x, y in outline]
            ImageDraw.Draw(lines[colour]).polygon(points, fill=255)
        for colour, line in lines.items():
            image.paste(colour, (0, 0), line.reduce(2))
    return np.array(image, dtype=np.float32) / np.float32(255)
