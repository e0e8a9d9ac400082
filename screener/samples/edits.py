"""What a seller does to somebody else's picture before uploading it again."""

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps


def crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cut off a tenth to a sixth of each side and scale down."""
    left, top, right, bottom = rng.uniform(0.04, 0.12, 4)
    box = (left * image.width, top * image.height, (1 - right) * image.width, (1 - bottom) * image.height)
    return image.crop(tuple(round(value) for value in box)).resize((640, 640 * image.height // image.width))


def mirror_and_frame(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Mirror it and put a coloured border around it."""
    colour = tuple(int(value) for value in rng.integers(20, 235, 3))
    return ImageOps.expand(ImageOps.mirror(image), border=34, fill=colour)


def caption(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Write a sales line over it, brighten it."""
    edited = ImageEnhance.Brightness(image).enhance(float(rng.uniform(1.05, 1.15)))
    draw = ImageDraw.Draw(edited)
    height = edited.height // 11
    draw.rectangle((0, edited.height - height, edited.width, edited.height), fill=(206, 32, 44))
    font = ImageFont.load_default(height * 0.62)
    draw.text((edited.width / 2, edited.height - height / 2), "HOT SALE  -  LAST PIECES", "white", font, anchor="mm")
    return edited


def screenshot(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A telephone's screenshot of it: bars above and below, saved at a low quality on the way."""
    worn = io.BytesIO()
    image.resize((480, 480 * image.height // image.width)).save(worn, "JPEG", quality=int(rng.integers(40, 55)))
    shown = Image.open(worn).convert("RGB").resize((720, 720 * image.height // image.width), Image.Resampling.BICUBIC)
    screen = Image.new("RGB", (720, shown.height + 150), (18, 18, 20))
    screen.paste(shown, (0, 70))
    draw = ImageDraw.Draw(screen)
    draw.text((30, 18), "12:47", "white", ImageFont.load_default(30))
    for x in (180, 360, 540):
        draw.ellipse((x - 14, screen.height - 54, x + 14, screen.height - 26), outline="white", width=3)
    return screen


EDITS: Mapping[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = MappingProxyType(
    {"crop": crop, "mirror_and_frame": mirror_and_frame, "caption": caption, "screenshot": screenshot}
)


def jpeg(image: Image.Image, quality: int = 88) -> bytes:
    """The picture as a JPEG file."""
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=quality)
    return stream.getvalue()
