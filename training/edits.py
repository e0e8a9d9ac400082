"""Edits a copier makes to a picture (crop, border, banner, watermark, paste, ...) and what a camera does to it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

BICUBIC = Image.Resampling.BICUBIC


@dataclass(frozen=True, slots=True)
class Props:
    """What edits draw with: other pictures (RGB) to paste onto, small RGBA marks to put on top, and scalable fonts."""

    scenes: Sequence[Image.Image]
    marks: Sequence[Image.Image]
    fonts: Sequence[ImageFont.FreeTypeFont]


Edit = Callable[[Image.Image, np.random.Generator, Props], Image.Image]


def copy_of(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """An edited copy of an RGB picture: one to four edits in random order, sometimes re-compressed."""
    names = list(EDITS)
    for number in rng.choice(len(names), size=int(rng.choice([1, 2, 2, 3, 3, 4])), replace=False):
        image = EDITS[names[int(number)]](image, rng, props)
    return jpeg(image, rng, props) if rng.random() < 0.3 else image


def photograph(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """The same thing taken by another hand: light crop, tilt, light, focus, compression; it stays readable."""
    if rng.random() < 0.7:
        image = _cut(image, rng, 0.6, 1.0)
    if rng.random() < 0.4:
        image = tilt(image, rng, props)
    if rng.random() < 0.8:
        image = colour(image, rng, props)
    if rng.random() < 0.25:
        image = blur(image, rng, props) if rng.random() < 0.6 else shake(image, rng, props)
    if rng.random() < 0.15:
        image = occlude(image, rng, props)
    return jpeg(image, rng, props) if rng.random() < 0.4 else image


def crop(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """Keep 20 to 90 % of the area, of any place."""
    return _cut(image, rng, 0.2, 0.9)


def border(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """A plain frame, each side its own width."""
    sides = tuple(int(v) for v in rng.uniform(0.0, 0.25, 4) * max(image.size))
    return ImageOps.expand(image, (sides[0], sides[1], sides[2], sides[3]), fill=_paint(rng))


def banner(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """A bar with words across the top, the bottom or the middle, like a shop's offer."""
    image = image.copy()
    height = int(image.height * rng.uniform(0.1, 0.28))
    top = int(rng.choice([0, image.height - height, int(rng.integers(0, max(1, image.height - height)))]))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, top, image.width, top + height), fill=_paint(rng))
    _write(draw, (int(rng.uniform(0, 0.3) * image.width), top), max(8, int(height * 0.7)), _paint(rng), rng, props)
    return image


def watermark(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """Half-transparent words, once or tiled, or a mark in a corner."""
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    ink = (*_paint(rng), int(rng.uniform(70, 220)))
    size = max(9, int(image.height * rng.uniform(0.06, 0.25)))
    if rng.random() < 0.4:
        words = _phrase(rng)
        for x in range(0, image.width, max(20, int(size * 4))):
            for y in range(0, image.height, max(20, int(size * 2.5))):
                _write(draw, (x, y), size, ink, rng, props, words)
    else:
        _write(
            draw,
            (int(rng.uniform(0, 0.6) * image.width), int(rng.uniform(0, 0.85) * image.height)),
            size,
            ink,
            rng,
            props,
        )
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def sticker(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """One to three marks or emoji on top."""
    image = image.copy()
    for _ in range(int(rng.integers(1, 4))):
        mark = props.marks[int(rng.integers(0, len(props.marks)))]
        side = max(12, int(min(image.size) * rng.uniform(0.12, 0.4)))
        mark = mark.resize((side, max(1, side * mark.height // mark.width)), BICUBIC)
        image.paste(mark, (int(rng.uniform(-0.1, 0.9) * image.width), int(rng.uniform(-0.1, 0.9) * image.height)), mark)
    return image


def paste(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """The picture as a part (30 to 85 % of the sides) of another picture or of a plain page."""
    if rng.random() < 0.7:
        page = props.scenes[int(rng.integers(0, len(props.scenes)))].resize((288, 288), BICUBIC)
    else:
        page = Image.new("RGB", (288, 288), _paint(rng))
    share = rng.uniform(0.4, 0.85)
    scale = share * 288 / max(image.size)
    small = image.resize((max(8, int(image.width * scale)), max(8, int(image.height * scale))), BICUBIC)
    page.paste(small, (int(rng.uniform(0, 288 - small.width)), int(rng.uniform(0, 288 - small.height))))
    return page


def screenshot(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """The picture inside an app's page: bars above and below, lines of words."""
    width = int(image.width * rng.uniform(1.0, 1.15))
    above, below = (int(image.height * rng.uniform(0.05, 0.35)) for _ in range(2))
    dark = rng.random() < 0.3
    page = Image.new("RGB", (width, above + image.height + below), (24, 24, 26) if dark else (250, 250, 250))
    page.paste(image, ((width - image.width) // 2, above))
    draw = ImageDraw.Draw(page)
    line = max(8, image.height // 16)
    for y in range(above + image.height + 4, page.height - line, int(line * 1.6)):
        _write(draw, (8, y), line, (230, 230, 230) if dark else (40, 40, 40), rng, props)
    return page


def mirror(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """Left to right, rarely top to bottom."""
    return ImageOps.mirror(image) if rng.random() < 0.85 else ImageOps.flip(image)


def rotate(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """By up to 30 degrees with plain corners, or by a quarter or half turn."""
    if rng.random() < 0.3:
        turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
        return image.transpose(turns[int(rng.integers(0, 3))])
    return image.rotate(float(rng.uniform(-30, 30)), BICUBIC, expand=bool(rng.random() < 0.5), fillcolor=_paint(rng))


def tilt(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """A mild change of perspective."""
    w, h = image.size
    push = rng.uniform(-0.1, 0.1, 8) * np.array([w, h] * 4)
    quad = np.array([0, 0, 0, h, w, h, w, 0]) + push
    return image.transform((w, h), Image.Transform.QUAD, tuple(float(v) for v in quad), BICUBIC, fillcolor=_paint(rng))


def colour(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """Light, contrast, saturation and the balance of the channels; sometimes grey."""
    if rng.random() < 0.1:
        return ImageOps.grayscale(image).convert("RGB")
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = kind(image).enhance(float(rng.uniform(0.55, 1.5)))
    if rng.random() < 0.5:
        gain = rng.uniform(0.75, 1.25, 3)
        image = Image.fromarray(np.clip(np.asarray(image, dtype=np.float32) * gain, 0, 255).astype(np.uint8))
    return image


def blur(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """Out of focus."""
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 3.0))))


def small(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """A thumbnail of 40 to 110 pixels, as it looks when shown large."""
    scale = float(rng.uniform(40, 110)) / max(image.size)
    tiny = image.resize(
        (max(8, int(image.width * scale)), max(8, int(image.height * scale))), Image.Resampling.BILINEAR
    )
    return tiny.resize(image.size, Image.Resampling.BILINEAR)


def jpeg(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """Compressed at quality 8 to 60."""
    held = io.BytesIO()
    image.save(held, "JPEG", quality=int(rng.integers(8, 60)))
    with Image.open(held) as back:
        return back.convert("RGB")


def stretch(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """Another aspect ratio."""
    return image.resize(
        (max(16, int(image.width * rng.uniform(0.6, 1.0))), max(16, int(image.height * rng.uniform(0.6, 1.0)))), BICUBIC
    )


def noise(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """Sensor noise."""
    grain = rng.normal(0, rng.uniform(4, 22), (image.height, image.width, 1))
    return Image.fromarray(np.clip(np.asarray(image, dtype=np.float32) + grain, 0, 255).astype(np.uint8))


def collage(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """The picture in one cell of two to four, the others holding other pictures."""
    columns, rows = ((2, 1), (1, 2), (2, 2))[int(rng.integers(0, 3))]
    width, height = 288 // columns, 288 // rows
    page = Image.new("RGB", (width * columns, height * rows), _paint(rng))
    own, gap = int(rng.integers(0, columns * rows)), int(rng.integers(0, 6))
    for cell in range(columns * rows):
        held = image if cell == own else props.scenes[int(rng.integers(0, len(props.scenes)))]
        fitted = (
            ImageOps.fit(held, (width - gap, height - gap), Image.Resampling.BILINEAR)
            if rng.random() < 0.5
            else (held.resize((width - gap, height - gap), Image.Resampling.BILINEAR))
        )
        page.paste(fitted, (cell % columns * width + gap // 2, cell // columns * height + gap // 2))
    return page


def occlude(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """Something in front, as a hand or a neighbour on the shelf: a blob of one colour or of another picture."""
    share = rng.uniform(0.2, 0.5, 2)
    size = (max(4, int(image.width * share[0])), max(4, int(image.height * share[1])))
    if rng.random() < 0.5:
        patch = Image.new("RGB", size, _paint(rng))
    else:
        patch = props.scenes[int(rng.integers(0, len(props.scenes)))].resize(size, Image.Resampling.BILINEAR)
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *size), radius=int(rng.uniform(0.1, 0.5) * min(size)), fill=255)
    image = image.copy()
    # Around the edge rather than on it: what lies in the middle of a listing's picture is what is sold
    angle = rng.uniform(0, 2 * np.pi)
    x, y = ((0.5 + 0.45 * turn(angle)) * side for turn, side in zip((np.cos, np.sin), image.size, strict=True))
    image.paste(patch, (int(x) - size[0] // 2, int(y) - size[1] // 2), mask.rotate(float(rng.uniform(-40, 40))))
    return image


def fold(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """Printed on cloth or film that lies in waves: shifted and shaded along them."""
    pixels = np.asarray(image)
    h, w, _ = pixels.shape
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    angle, waves, phase = rng.uniform(0, np.pi), rng.uniform(1.0, 5.0), rng.uniform(0, 2 * np.pi)
    wave = 2 * np.pi * waves * (x * np.cos(angle) / w + y * np.sin(angle) / h) + phase
    push = np.sin(wave) * rng.uniform(0.005, 0.03) * min(h, w)
    rows = np.clip(y + push * np.cos(angle), 0, h - 1).astype(np.intp)
    columns = np.clip(x + push * np.sin(angle), 0, w - 1).astype(np.intp)
    light = 1 + np.cos(wave)[..., None] * np.float32(rng.uniform(0.05, 0.3))
    return Image.fromarray(np.clip(pixels[rows, columns] * light, 0, 255).astype(np.uint8))


def shake(image: Image.Image, rng: np.random.Generator, props: Props) -> Image.Image:
    """Motion blur: the mean of the picture moved along a short line."""
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.01, 0.05) * max(image.size)
    total = np.zeros((image.height, image.width, 3), dtype=np.float32)
    steps = np.linspace(-0.5, 0.5, 5)
    for step in steps:
        dx, dy = int(step * length * np.cos(angle)), int(step * length * np.sin(angle))
        total += np.asarray(ImageChops.offset(image, dx, dy), dtype=np.float32)
    return Image.fromarray((total / len(steps)).astype(np.uint8))


EDITS: dict[str, Edit] = {
    "crop": crop, "border": border, "banner": banner, "watermark": watermark, "sticker": sticker, "paste": paste,
    "screenshot": screenshot, "mirror": mirror, "rotate": rotate, "tilt": tilt, "colour": colour, "blur": blur,
    "small": small, "jpeg": jpeg, "stretch": stretch, "noise": noise, "collage": collage, "occlude": occlude,
    "fold": fold, "shake": shake,
}  # fmt: skip


def _cut(image: Image.Image, rng: np.random.Generator, least: float, most: float) -> Image.Image:
    area, aspect = rng.uniform(least, most), np.exp(rng.uniform(-0.35, 0.35))
    w = min(image.width, max(12, int(image.width * np.sqrt(area * aspect))))
    h = min(image.height, max(12, int(image.height * np.sqrt(area / aspect))))
    x, y = int(rng.integers(0, image.width - w + 1)), int(rng.integers(0, image.height - h + 1))
    return image.crop((x, y, x + w, y + h))


def _paint(rng: np.random.Generator) -> tuple[int, int, int]:
    if rng.random() < 0.5:
        return (255, 255, 255) if rng.random() < 0.6 else (0, 0, 0)
    r, g, b = (int(v) for v in rng.integers(0, 256, 3))
    return (r, g, b)


def _phrase(rng: np.random.Generator) -> str:
    letters = rng.choice(list("aabcdeeefghiiklmnooprsstuvwy   0123456789%€$!."), int(rng.integers(4, 22)))
    return "".join(letters).upper() if rng.random() < 0.5 else "".join(letters)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    size: int,
    ink: tuple[int, ...],
    rng: np.random.Generator,
    props: Props,
    words: str | None = None,
) -> None:
    font = props.fonts[int(rng.integers(0, len(props.fonts)))].font_variant(size=size)
    draw.text(at, words or _phrase(rng), fill=ink, font=font)
