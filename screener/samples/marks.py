"""Draws the marks and wordmarks of the fictional brands as antialiased masks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from PIL import Image, ImageDraw, ImageFont, ImageOps

from screener.samples.geometry import Outline, Point, band, box, ellipse, points, spline, turn

SUPERSAMPLE = 3


@dataclass(frozen=True, slots=True)
class Stroke:
    """One shape of a mark: painted, or cut out of what was painted before it."""

    outline: Outline
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Lettering:
    """How a brand sets its name; widths are shares of the letter height."""

    spacing: float = 0.06
    weight: float = 0.0
    slant: float = 0.0
    stretch: float = 1.0
    frame: str = ""  # "", "underline", "box" (letters cut out of a bar) or "rules" (a line above and below)


Mark = tuple[Stroke, ...]


def add(outline: Outline) -> Stroke:
    return Stroke(outline)


def cut(outline: Outline) -> Stroke:
    return Stroke(outline, cut=True)


def _notched_ring() -> Mark:
    return (
        add(ellipse(0.46, 0.52, 0.42, 0.42)),
        cut(ellipse(0.54, 0.46, 0.24, 0.24)),
        cut(((0.44, 0.56), (0.86, -0.02), (1.10, 0.24), (0.60, 0.68))),
        add(((0.50, 0.52), (0.80, 0.10), (0.98, 0.24), (0.58, 0.60))),
    )


def _quill() -> Mark:
    vane = spline(points("50,2 50,2 70,30 64,62 50,84 50,84 38,62 32,30"))
    barbs = [cut(turn(box(0.5, y, 0.78, y + 0.035), -38, (0.5, y))) for y in (0.40, 0.54, 0.68)]
    shapes = [add(vane), cut(box(0.487, 0.24, 0.513, 0.84)), *barbs, add(box(0.485, 0.80, 0.515, 0.98))]
    tilted = [Stroke(turn(shape.outline, 24), shape.cut) for shape in shapes]
    return (*tilted, add(box(0.10, 0.90, 0.36, 0.96)))


def _shifted_halves() -> Mark:
    return (
        add(ellipse(0.40, 0.475, 0.36, 0.36, 180, 360)),
        cut(ellipse(0.40, 0.475, 0.15, 0.15, 180, 360)),
        add(ellipse(0.60, 0.525, 0.36, 0.36, 0, 180)),
        cut(ellipse(0.60, 0.525, 0.15, 0.15, 0, 180)),
    )


def _compass_flower() -> Mark:
    strokes: list[Stroke] = []
    for step in range(8):
        reach = 0.03 if step % 2 == 0 else 0.17
        petal = spline([(0.5, reach), (0.5, reach), (0.585, 0.30), (0.5, 0.47), (0.5, 0.47), (0.415, 0.30)])
        strokes.append(add(turn(petal, 45 * step)))
    return (*strokes, cut(turn(box(0.42, 0.42, 0.58, 0.58), 45)), add(ellipse(0.5, 0.5, 0.035, 0.035)))


def _frost_hexagon() -> Mark:
    hexagon: Outline = tuple(ellipse(0.5, 0.5, 0.47, 0.47, 30, 390, steps=6))
    waves = []
    for y in (0.34, 0.52, 0.70):
        line: list[Point] = [
            (-0.02, y),
            (0.16, y - 0.05),
            (0.38, y + 0.05),
            (0.62, y - 0.05),
            (0.84, y + 0.05),
            (1.02, y),
        ]
        waves.append(cut(band(spline(line, closed=False), 0.055)))
    return (add(hexagon), *waves, cut(ellipse(0.5, 0.17, 0.05, 0.05)))


def _wind_wheel() -> Mark:
    blade = spline(points("50,46 50,46 40,26 52,4 74,10 74,10 60,16 56,28"))
    return tuple(add(turn(blade, 72 * step)) for step in range(5))


def _moon_and_diamond() -> Mark:
    return (
        add(ellipse(0.5, 0.5, 0.48, 0.48)),
        cut(ellipse(0.5, 0.5, 0.45, 0.45)),
        add(ellipse(0.5, 0.56, 0.33, 0.33)),
        cut(ellipse(0.5, 0.43, 0.30, 0.30)),
        add(((0.5, 0.22), (0.60, 0.40), (0.5, 0.58), (0.40, 0.40))),
        cut(((0.5, 0.32), (0.545, 0.40), (0.5, 0.48), (0.455, 0.40))),
    )


def _split_kite() -> Mark:
    return (
        add(((0.47, 0.04), (0.47, 0.40), (0.10, 0.40))),
        add(((0.53, 0.12), (0.93, 0.46), (0.53, 0.46))),
        add(((0.07, 0.46), (0.47, 0.46), (0.47, 0.96))),
        add(((0.53, 0.52), (0.78, 0.52), (0.53, 0.84))),
        cut(ellipse(0.47, 0.46, 0.09, 0.09)),
    )


def _plum() -> Mark:
    petals = [add(turn(ellipse(0.5, 0.27, 0.20, 0.24), 120 * step)) for step in range(3)]
    veins = [cut(turn(band([(0.5, 0.50), (0.5, 0.20)], [0.05, 0.008]), 120 * step)) for step in range(3)]
    return (*petals, *veins, cut(ellipse(0.5, 0.5, 0.10, 0.10)), add(ellipse(0.5, 0.5, 0.055, 0.055)))


def _ticking_disc() -> Mark:
    ticks = [cut(turn(box(0.484, -0.02, 0.516, 0.13), 30 * step)) for step in range(12)]
    needle: Outline = ((0.46, 0.60), (0.70, 0.15), (0.54, 0.62))
    return (
        add(ellipse(0.5, 0.5, 0.47, 0.47)),
        *ticks,
        cut(ellipse(0.5, 0.5, 0.29, 0.29)),
        add(needle),
        add(ellipse(0.5, 0.61, 0.06, 0.06)),
    )


def _fan() -> Mark:
    corner = (0.06, 0.06)
    leaf = (*ellipse(*corner, 0.80, 0.80, 0, 90), corner)
    small = (*ellipse(0.94, 0.94, 0.42, 0.42, 180, 270), (0.94, 0.94))
    ribs = [
        cut(band([corner, (0.06 + reach[0], 0.06 + reach[1])], [0.02, 0.06])) for reach in ((0.86, 0.36), (0.36, 0.86))
    ]
    return (add(leaf), *ribs, cut(ellipse(0.94, 0.94, 0.48, 0.48)), add(small), add(ellipse(0.84, 0.16, 0.09, 0.09)))


def _dusk_berries() -> Mark:
    slats = [cut(box(0.0, y, 1.0, y + height)) for y, height in ((0.24, 0.02), (0.35, 0.035), (0.46, 0.05))]
    berries = [
        add(ellipse(0.36, 0.78, 0.13, 0.13)),
        add(ellipse(0.64, 0.78, 0.13, 0.13)),
        cut(ellipse(0.40, 0.74, 0.035, 0.035)),
    ]
    return (add(ellipse(0.5, 0.56, 0.46, 0.50, 180, 360)), *slats, *berries, cut(ellipse(0.68, 0.74, 0.035, 0.035)))


def _plain_loop() -> Mark:
    return (add(ellipse(0.5, 0.5, 0.42, 0.30)), cut(ellipse(0.5, 0.5, 0.32, 0.20)), add(box(0.46, 0.1, 0.54, 0.9)))


MARKS: Mapping[str, Callable[[], Mark]] = MappingProxyType(
    {
        "notched-ring": _notched_ring,
        "quill": _quill,
        "shifted-halves": _shifted_halves,
        "compass-flower": _compass_flower,
        "frost-hexagon": _frost_hexagon,
        "wind-wheel": _wind_wheel,
        "moon-and-diamond": _moon_and_diamond,
        "split-kite": _split_kite,
        "plum": _plum,
        "ticking-disc": _ticking_disc,
        "fan": _fan,
        "dusk-berries": _dusk_berries,
        "plain-loop": _plain_loop,
    }
)


def mark_mask(name: str, size: int, *, altered: bool = False) -> Image.Image:
    """The mark as an 8-bit mask (size, size); altered by an imitator: mirrored, tilted, its last stroke lost."""
    return strokes_mask(MARKS[name](), size, altered=altered)


def strokes_mask(strokes: tuple[Stroke, ...], size: int, *, altered: bool = False) -> Image.Image:
    """The same of a mark that is given by its strokes."""
    if altered:
        strokes = tuple(Stroke(turn(stroke.outline, 14), stroke.cut) for stroke in strokes[:-1])
    large = Image.new("L", (size * SUPERSAMPLE, size * SUPERSAMPLE), 0)
    draw = ImageDraw.Draw(large)
    for stroke in strokes:
        points = [(x * large.width, y * large.height) for x, y in stroke.outline]
        draw.polygon(points, fill=0 if stroke.cut else 255)
    mask = large.reduce(SUPERSAMPLE)
    return ImageOps.mirror(mask) if altered else mask


def wordmark_mask(text: str, lettering: Lettering, height: int) -> Image.Image:
    """The name as an 8-bit mask about `height` pixels high, set in Pillow's built-in font (ASCII only)."""
    size = height * SUPERSAMPLE
    font = ImageFont.load_default(size)
    weight = round(lettering.weight * size)
    advances = [font.getlength(letter) + lettering.spacing * size + weight for letter in text]
    margin = round(0.15 * size) + weight
    image = Image.new("L", (int(sum(advances)) + 2 * margin, round(1.5 * size) + 2 * margin), 0)
    draw = ImageDraw.Draw(image)
    x = float(margin)
    for letter, advance in zip(text, advances, strict=True):
        draw.text((x, margin), letter, fill=255, font=font, stroke_width=weight)
        x += advance
    bounds = image.getbbox()
    if bounds is None:
        raise ValueError(f"nothing to draw in the wordmark {text!r}")
    image = _framed(image.crop(bounds), lettering.frame, size)
    if lettering.slant:
        extra = round(abs(lettering.slant) * image.height)
        shear = (1, lettering.slant, -extra if lettering.slant > 0 else 0, 0, 1, 0)
        image = image.transform(
            (image.width + extra, image.height), Image.Transform.AFFINE, shear, Image.Resampling.BILINEAR
        )
    scale = height / image.height
    return image.resize((max(1, round(image.width * scale * lettering.stretch)), height), Image.Resampling.LANCZOS)


def _framed(letters: Image.Image, frame: str, size: int) -> Image.Image:
    pad, line = round(0.28 * size), max(1, round(0.08 * size))
    if not frame:
        return letters
    if frame == "box":
        bar = Image.new("L", (letters.width + 2 * pad, letters.height + 2 * pad), 255)
        bar.paste(ImageOps.invert(letters), (pad, pad))
        return bar
    above = pad if frame == "rules" else 0
    framed = Image.new("L", (letters.width, letters.height + pad + above), 0)
    framed.paste(letters, (0, above))
    draw = ImageDraw.Draw(framed)
    draw.rectangle((0, framed.height - line, framed.width, framed.height), fill=255)
    if frame == "rules":
        draw.rectangle((0, 0, framed.width, line), fill=255)
    return framed
