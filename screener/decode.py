"""Turns the bytes of a picture into the RGB pixels that a buyer's browser would paint.

EXIF orientation applied, colour profile turned into sRGB, transparency on white, 16 bits scaled to 8; of an animation
the first, the middle and the last frame. Runs inside a decode worker, so it imports only NumPy, Pillow and simplejpeg.
"""

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, ImageOps

from screener.errors import ImageUnusable
from screener.gate import Header, Limits, inspect

Image.MAX_IMAGE_PIXELS = None  # `gate.inspect` has the limit, with a code of its own
ImageFile.LOAD_TRUNCATED_IMAGES = False

_SRGB = ImageCms.createProfile("sRGB")
_SRGB_NAMES = (b"sRGB", "sRGB".encode("utf-16-be"))  # as version 2 and version 4 profiles spell it
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    `width` and `height` are those of the file as painted (after orientation); `frames` are arrays (h, w, 3) uint8 RGB,
    one, or up to three of an animation, possibly scaled down by a power of two.
    """

    format: str
    width: int
    height: int
    frames: tuple[NDArray[np.uint8], ...]


def decode(data: bytes, limits: Limits, *, least: int | None = None) -> Picture:
    """Checks and decodes a picture.

    `least` is how many pixels the shorter side must keep: a JPEG is decoded at 1/2, 1/4 or 1/8 (the DCT's own scaling,
    which also spares the resizing) as long as it does. None decodes every pixel.

    simplejpeg (libjpeg-turbo) decodes plain JPEG with the accurate DCT and fancy upsampling, as Pillow does:
    `tests/test_decode.py` holds the two within 1 of 255.

    Raises
    ------
    ImageUnusable
        with a code of `screener.gate`
    """
    header = inspect(data, limits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which browsers ignore too
            with Image.open(io.BytesIO(data), formats=(header.format,)) as image:
                if image.size != (header.width, header.height):  # two sizes in one file: only one was checked
                    raise ValueError("container and codec disagree on the size")
                turned = image.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
                frames = tuple(_frames(data, image, header, limits, least))
    except Exception as error:  # decoders raise all sorts (SyntaxError, EOFError, struct.error) on hostile bytes
        raise ImageUnusable("The picture is damaged.", code="image_damaged") from error
    width, height = (header.height, header.width) if turned else (header.width, header.height)
    return Picture(header.format, width, height, frames)


def _frames(
    data: bytes, image: Image.Image, header: Header, limits: Limits, least: int | None
) -> Iterator[NDArray[np.uint8]]:
    count = getattr(image, "n_frames", 1)
    if header.format == "JPEG":
        count = 1  # an MPO's further pictures are never painted
        if image.mode in ("RGB", "L") and (pixels := _turbo(data, image, least)) is not None:
            yield pixels
            return
    wanted = {0, count // 2, count - 1} if count > 2 else set(range(count))
    for number in sorted(wanted)[: limits.max_frames]:
        image.seek(number)
        yield _painted(image)


def _turbo(data: bytes, image: Image.Image, least: int | None) -> NDArray[np.uint8] | None:
    """A grey or YCbCr JPEG by simplejpeg; None where it finds a fault, since browsers forgive more than it does."""
    factor = next((f for f in (8, 4, 2) if least and min(image.size) >= f * least), 1)
    width, height = (-(-side // factor) for side in image.size)
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace="RGB", min_height=height, min_width=width)
    except ValueError:
        return None
    if image.getexif().get(_EXIF_ORIENTATION, 1) == 1 and not _profile(image):
        return pixels
    decoded = Image.fromarray(pixels)
    decoded.info = image.info  # EXIF and profile
    return _painted(decoded)


def _painted(image: Image.Image) -> NDArray[np.uint8]:
    """One frame as RGB (h, w, 3): profile, bit depth, transparency, orientation, in that order."""
    image = _to_srgb(_eight_bits(image))
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image)
        background.info = image.info
        image = background.convert("RGB")
    elif image.mode != "RGB":
        image = image.convert("RGB")
    return np.asarray(ImageOps.exif_transpose(image))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pillow's own conversion of 16-bit grey clips instead of scaling."""
    if not image.mode.startswith("I"):
        return image
    grey = Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).astype(np.uint8))
    grey.info = image.info
    return grey


def _to_srgb(image: Image.Image) -> Image.Image:
    """Applies an embedded profile as browsers do: unless it is sRGB, and never when it is broken."""
    profile = _profile(image)
    if profile is None or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        output = "RGBA" if image.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode=output)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    assert converted is not None  # None only for inPlace=True
    return converted


def _profile(image: Image.Image) -> bytes | None:
    """The embedded colour profile, if there is one and it is not sRGB anyway."""
    profile: bytes | None = image.info.get("icc_profile")
    return profile if profile and not any(name in profile for name in _SRGB_NAMES) else None
