"""What sellers do to pictures before they upload them: re-encode, crop, caption, cover the mark; all from a seed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from screener.samples.edits import EDITS
from training.market.goods import Box, Picture

Edit = Literal["encode", "camera", "crop", "mirror_and_frame", "caption", "screenshot", "cover", "blur_patch", "paint"]
STOLEN: tuple[Edit, ...] = ("crop", "mirror_and_frame", "caption", "screenshot", "paint")
HIDES: tuple[Edit, ...] = ("cover", "blur_patch")
MIDDLE: Box = (0.36, 0.36, 0.64, 0.64)
"""What is covered where nobody knows the place of the mark."""


Step = tuple[Edit, int]
"""An edit and the seed of what is random in it."""


def finished(picture: Picture, steps: Sequence[Step], most: int = 800) -> bytes:
    """A JPEG file of the picture after these steps, no side longer than `most` pixels; equal steps give equal bytes."""
    image, mark = picture.image, picture.mark
    seed = 0
    for edit, seed in steps:
        rng = np.random.default_rng(seed)
        if edit in EDITS:
            image, mark = EDITS[edit](image, rng), None
        elif edit == "camera":
            image, mark = _camera(image, rng), None
        elif edit == "paint":
            image = ImageEnhance.Color(image).enhance(float(rng.uniform(0.7, 1.4)))
            image = ImageEnhance.Contrast(image).enhance(float(rng.uniform(0.85, 1.2)))
        elif edit in HIDES:
            image = hidden(image, mark or MIDDLE, edit, rng)
    if max(image.size) > most:
        image.thumbnail((most, most), Image.Resampling.BILINEAR)
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=70 + 7 * seed % 23 if steps else 90)
    return stream.getvalue()


def hidden(image: Image.Image, mark: Box, edit: Edit, rng: np.random.Generator) -> Image.Image:
    """The mark under a plain sticker, or blurred or pixelated, a little more than all of it."""
    image = image.copy()
    grow = float(rng.uniform(0.02, 0.06))
    x0, y0 = (max(0, round((edge - grow) * side)) for edge, side in zip(mark[:2], image.size, strict=True))
    x1, y1 = (min(side, round((edge + grow) * side)) for edge, side in zip(mark[2:], image.size, strict=True))
    width, height = max(x1 - x0, 8), max(y1 - y0, 8)
    if edit == "cover":
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        draw = ImageDraw.Draw(image)
        (draw.ellipse if rng.random() < 0.4 else draw.rectangle)((x0, y0, x0 + width, y0 + height), fill=colour)
        return image
    patch = image.crop((x0, y0, x0 + width, y0 + height))
    if rng.random() < 0.5:
        cells = (max(2, width // 16), max(2, height // 16))
        patch = patch.resize(cells, Image.Resampling.BOX).resize((width, height), Image.Resampling.NEAREST)
    else:
        patch = patch.filter(ImageFilter.GaussianBlur(max(width, height) / 9))
    image.paste(patch, (x0, y0))
    return image


def _camera(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The same print or thing held to another camera: turned a little, cut, other light."""
    turned = image.rotate(float(rng.uniform(-4, 4)), Image.Resampling.BILINEAR, expand=False)
    left, top, right, bottom = rng.uniform(0.02, 0.10, 4)
    box = (left * image.width, top * image.height, (1 - right) * image.width, (1 - bottom) * image.height)
    lit = turned.crop(tuple(round(value) for value in box))
    return ImageEnhance.Brightness(lit).enhance(float(rng.uniform(0.85, 1.15)))
