"""Draws marks: a name set in a font, and any mark printed on a scene with perspective, shading and wear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from training.names import SCRIPTS

BICUBIC = Image.Resampling.BICUBIC


def scripts_of(font: Path) -> list[str]:
    """The scripts (keys of SCRIPTS) whose letters the font can draw; an unreadable or bitmap-only font draws none."""
    try:
        face = ImageFont.truetype(str(font), 24)
        missing = _ink(face, "\U0010fffe")
        drawn = []
        for script, letters in SCRIPTS.items():
            masks = [_ink(face, letter) for letter in letters[::5]]
            if all(any(mask) and mask != missing for mask in masks) and len(set(masks)) > len(masks) // 2:
                drawn.append(script)
        return drawn
    except (OSError, ValueError):
        return []


def _ink(face: ImageFont.FreeTypeFont, letter: str) -> bytes:
    page = Image.new("L", (40, 40), 0)
    ImageDraw.Draw(page).text((4, 4), letter, font=face, fill=255)
    return page.tobytes()


def wordmark(text: str, font: ImageFont.FreeTypeFont, rng: np.random.Generator) -> Image.Image:
    """The text as a white RGBA mark on nothing (height about 64 pixels): sometimes spaced, outlined, slanted, boxed or
    stacked.
    """
    face = font.font_variant(size=56)
    if " " in text and rng.random() < 0.4:
        text = text.replace(" ", "\n")
    elif rng.random() < 0.15 and len(text) < 12 and text.isascii():
        text = " ".join(text)
    probe = ImageDraw.Draw(Image.new("L", (4, 4)))
    left, top, right, bottom = probe.multiline_textbbox((0, 0), text, font=face, align="center")
    w, h = min(1200, int(right - left)), min(300, int(bottom - top))
    pad = int(rng.integers(4, 22))
    mask = Image.new("L", (max(8, w) + 2 * pad, max(8, h) + 2 * pad), 0)
    draw = ImageDraw.Draw(mask)
    at = (pad - left, pad - top)
    if rng.random() < 0.12:
        draw.multiline_text(at, text, font=face, align="center", fill=0, stroke_width=2, stroke_fill=255)
    elif rng.random() < 0.12:
        frame = (1, 1, mask.width - 2, mask.height - 2)
        draw.rounded_rectangle(frame, radius=int(rng.integers(0, 24)), fill=255)
        draw.multiline_text(at, text, font=face, align="center", fill=0)
    else:
        draw.multiline_text(at, text, font=face, align="center", fill=255)
    if rng.random() < 0.15:
        lean = float(rng.uniform(-0.3, 0.3))
        mask = mask.transform(mask.size, Image.Transform.AFFINE, (1, lean, -lean * mask.height / 2, 0, 1, 0), BICUBIC)
    mark = Image.new("RGBA", mask.size, (255, 255, 255, 0))
    mark.putalpha(mask)
    return mark


def tint(mark: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The mark's shape in one random ink."""
    r, g, b = (int(v) for v in rng.integers(0, 256, 3))
    if rng.random() < 0.4:
        r = g = b = int(rng.choice([0, 20, 235, 255]))
    inked = Image.new("RGBA", mark.size, (r, g, b, 0))
    inked.putalpha(mark.getchannel("A"))
    return inked


def flatten(image: Image.Image, paper: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """RGB of a picture that may be transparent, on plain paper."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    page = Image.new("RGB", image.size, paper)
    page.paste(image, (0, 0), image)
    return page


def print_on(mark: Image.Image, scene: Image.Image, rng: np.random.Generator, side: int, tight: float) -> Image.Image:
    """The RGBA mark on an RGB scene, (side, side) pixels.

    With probability `tight` the picture is cropped closely around the mark, as a reference is; else the mark spans 25
    to 70 % of it.
    """
    page = scene.resize((side, side), BICUBIC)
    if rng.random() < 0.5:  # a label, a panel or a cloth of nearly one colour under the mark
        page = Image.blend(page, Image.new("RGB", page.size, _contrast(mark, rng)), float(rng.uniform(0.6, 1.0)))
    close = rng.random() < tight
    share = float(rng.uniform(0.75, 0.98)) if close else float(rng.uniform(0.25, 0.7))
    scale = share * side / max(mark.size)
    if close and mark.height < 0.6 * mark.width:
        # a close crop of a wide mark is stretched to the square by the encoder's preprocessing: do the same here
        tall = float(rng.uniform(0.55, 0.95)) * side
        size = (max(8, int(mark.width * scale)), max(8, int(tall)))
    else:
        size = (max(8, int(mark.width * scale)), max(8, int(mark.height * scale)))
    small = _bend(mark.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0), rng)
    room = (max(0, side - small.width), max(0, side - small.height))
    at = (int(rng.uniform(0.0, 1.0) * room[0]), int(rng.uniform(0.0, 1.0) * room[1]))
    layer = Image.new("RGBA", page.size, (0, 0, 0, 0))
    layer.paste(small, at)
    alpha = np.asarray(layer.getchannel("A"), dtype=np.float32)[..., None] / 255 * float(rng.uniform(0.8, 1.0))
    if rng.random() < 0.3:  # print texture: the scene's own light and dark shows through
        alpha = alpha * (0.75 + 0.25 * np.asarray(page.convert("L"), dtype=np.float32)[..., None] / 255)
    mixed = (
        np.asarray(page, dtype=np.float32) * (1 - alpha) + np.asarray(layer.convert("RGB"), dtype=np.float32) * alpha
    )
    return Image.fromarray(np.clip(mixed * _light(side, rng), 0, 255).astype(np.uint8))


def _bend(mark: Image.Image, rng: np.random.Generator) -> Image.Image:
    mark = mark.rotate(float(rng.normal(0, 8)), BICUBIC, expand=True)
    w, h = mark.size
    push = rng.uniform(-0.12, 0.12, 8) * np.array([w, h] * 4)
    quad = np.array([0, 0, 0, h, w, h, w, 0]) + np.where(rng.random() < 0.6, push, 0.0)
    mark = mark.transform((w, h), Image.Transform.QUAD, tuple(float(v) for v in quad), BICUBIC)
    return mark.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.2)))) if rng.random() < 0.3 else mark


def _light(side: int, rng: np.random.Generator) -> NDArray[np.float64]:
    ramp = np.linspace(-1, 1, side)
    angle = rng.uniform(0, 2 * np.pi)
    slope = ramp[None, :] * np.cos(angle) + ramp[:, None] * np.sin(angle)
    light: NDArray[np.float64] = float(rng.uniform(0.7, 1.15)) + float(rng.uniform(0, 0.25)) * slope
    return light[..., None]


def _contrast(mark: Image.Image, rng: np.random.Generator) -> tuple[int, int, int]:
    shape = np.asarray(mark, dtype=np.float32)
    ink = (shape[..., :3] * shape[..., 3:]).sum(axis=(0, 1)) / max(1.0, float(shape[..., 3].sum()))
    for _ in range(8):
        paper = rng.integers(0, 256, 3)
        if abs(float(paper.mean()) - float(ink.mean())) > 70:
            break
    r, g, b = (int(v) for v in paper)
    return (r, g, b)
