"""What a picture must be before anything decodes it: an allowed format, by its bytes, within the limits.

Codes (`ImageUnusable.code`):

```
image_empty                 no bytes
image_too_large             more bytes than the limit
image_format_unsupported    not JPEG, PNG, WebP or GIF by its first bytes, whatever its name says
image_damaged               a header that no decoder could follow, or pixels that end early
image_too_small             a side under 32 pixels
image_side_too_long         a side over 16,384 pixels
image_too_many_pixels       over 40 megapixels
image_aspect_extreme        one side more than 20 times the other
image_too_many_scans        a progressive JPEG of more than 64 scans (each is a pass over the whole picture)
image_timeout               decoding took longer than allowed; the decoder was killed
```
"""

import re
import struct
from dataclasses import dataclass

from screener.errors import ImageUnusable

_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""A JPEG marker among entropy-coded bytes: 0xFF, and neither a stuffed zero nor a restart marker (T.81, B.1.1.2)."""
_SIZE_MARKERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # SOF0..SOF15 without DHT, JPG, DAC


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may be; pixels, bytes and counts."""

    max_bytes: int = 10 * 1024 * 1024
    max_pixels: int = 40_000_000
    min_side: int = 32
    max_side: int = 16_384
    max_aspect: float = 20.0
    max_scans: int = 64
    max_frames: int = 3


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of a picture promise."""

    format: str
    width: int
    height: int


def inspect(data: bytes, limits: Limits) -> Header:
    """Reads format and size from the bytes and holds them against the limits, without decoding a pixel.

    Raises
    ------
    ImageUnusable
        with one of the codes of this module
    """
    if not data:
        raise ImageUnusable("The picture is empty.", code="image_empty")
    if len(data) > limits.max_bytes:
        raise ImageUnusable(f"The picture is larger than {limits.max_bytes} bytes.", code="image_too_large")
    header = _read_header(data, limits)
    width, height = header.width, header.height
    if max(width, height) > limits.max_side:
        raise ImageUnusable(f"A side is longer than {limits.max_side} pixels.", code="image_side_too_long")
    if width * height > limits.max_pixels:
        raise ImageUnusable(f"The picture has more than {limits.max_pixels} pixels.", code="image_too_many_pixels")
    if min(width, height) < limits.min_side:
        raise ImageUnusable(f"A side is shorter than {limits.min_side} pixels.", code="image_too_small")
    if max(width, height) > limits.max_aspect * min(width, height):
        raise ImageUnusable(
            f"One side is more than {limits.max_aspect:g} times the other.", code="image_aspect_extreme"
        )
    return header


def _read_header(data: bytes, limits: Limits) -> Header:
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data, limits)
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            return Header("PNG", *struct.unpack_from(">II", data, 16))
        if data[:6] in (b"GIF87a", b"GIF89a"):
            return Header("GIF", *struct.unpack_from("<HH", data, 6))
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError) as error:
        raise _damaged() from error
    raise ImageUnusable("The picture is not JPEG, PNG, WebP or GIF.", code="image_format_unsupported")


def _jpeg(data: bytes, limits: Limits) -> Header:
    """Walks the segments (T.81, annex B): sizes from the frame header, and every start of scan counted."""
    size: tuple[int, int] | None = None
    scans, position = 0, 2
    while marker := _MARKER.search(data, position):
        code, position = marker[1][0], marker.end()
        if code == 0xD9:
            break
        if code in (0x01, 0xD8):  # the markers without a length
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if code in _SIZE_MARKERS and size is None:
            height, width = struct.unpack_from(">HH", data, position + 3)
            size = width, height
        elif code == 0xDA:
            scans += 1
            if scans > limits.max_scans:
                raise ImageUnusable(f"The JPEG has more than {limits.max_scans} scans.", code="image_too_many_scans")
            if size and data.count(b"\xff\xda", position) <= limits.max_scans - scans:
                break  # even if each of these were a scan; walking the coded bytes takes most of the time
        position += length
    if size is None or not scans:
        raise _damaged()
    return Header("JPEG", *size)


def _webp(data: bytes) -> Header:
    """The three kinds of WebP (RFC 9649): extended, lossy (VP8) and lossless (VP8L)."""
    kind = data[12:16]
    if kind == b"VP8X":
        return Header("WEBP", 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return Header("WEBP", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return Header("WEBP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    raise _damaged()


def _damaged() -> ImageUnusable:
    return ImageUnusable("The picture is damaged.", code="image_damaged")
