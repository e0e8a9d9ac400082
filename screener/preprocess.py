"""Turns an RGB picture, or a box of it, into the square of pixels that an image tower reads.

Equals the uint8 pixels of ``open_clip.transform.image_transform(..., is_train=False)`` (open_clip 3.3) bit for bit.
Imports nothing but NumPy and Pillow, because decode workers start with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ResizeMode = Literal["shortest", "squash", "longest"]
Interpolation = Literal["bicubic", "bilinear"]
Box = tuple[float, float, float, float]

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
MAX_SIZE = 1024
_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True, slots=True)
class ImagePreprocess:
    """How pictures become pixels.

    ``size`` is the side of the square in pixels; ``mean`` and ``std`` are per RGB channel on the scale 0..1 and are
    applied inside the ONNX graph, not here; ``fill_color`` (0..255, all channels) pads in the mode ``longest``.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize_mode: ResizeMode = "shortest"
    interpolation: Interpolation = "bicubic"
    fill_color: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MAX_SIZE:
            raise ValueError(f"size must be 1..{MAX_SIZE}, not {self.size}")
        if self.resize_mode not in get_args(ResizeMode):
            raise ValueError(f"unknown resize_mode {self.resize_mode!r}")
        if self.interpolation not in get_args(Interpolation):
            raise ValueError(f"unknown interpolation {self.interpolation!r}")
        if len(self.mean) != 3 or len(self.std) != 3 or not all(map(math.isfinite, self.mean + self.std)):
            raise ValueError("mean and std must be three finite numbers")
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        if not 0 <= self.fill_color <= 255:
            raise ValueError(f"fill_color must be 0..255, not {self.fill_color}")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ImagePreprocess:
        """Read the ``image`` object of ``preprocess.json``; ``ValueError`` or ``TypeError`` if it does not fit."""
        values = dict(data)
        for key in ("mean", "std"):
            values[key] = tuple(float(x) for x in values[key])
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """The ``image`` object of ``preprocess.json``."""
        return {
            "size": self.size,
            "resize_mode": self.resize_mode,
            "interpolation": self.interpolation,
            "mean": list(self.mean),
            "std": list(self.std),
            "fill_color": self.fill_color,
        }


def pixel_box(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Relative box (x0, y0, x1, y1 in 0..1) to pixels (left, top, right, bottom).

    Edges go to the nearest pixel edge (halves to even), then the box grows to at least one pixel inside the picture.
    ``ValueError`` unless 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1.
    """
    x0, y0, x1, y1 = box
    if not (0.0 <= x0 < x1 <= 1.0 and 0.0 <= y0 < y1 <= 1.0):
        raise ValueError(f"box must be within 0..1 and not empty: {box}")
    left, top = min(round(x0 * width), width - 1), min(round(y0 * height), height - 1)
    return left, top, max(round(x1 * width), left + 1), max(round(y1 * height), top + 1)


def prepare(rgb: NDArray[np.uint8], box: Box, spec: ImagePreprocess) -> NDArray[np.uint8]:
    """Cut ``box`` out of ``rgb`` (h, w, 3) and resize it to (size, size, 3) uint8 as ``spec`` says."""
    pixels: NDArray[np.uint8] = prepare_regions(rgb, [box], spec)[0]
    return pixels


def prepare_regions(rgb: NDArray[np.uint8], boxes: Sequence[Box], spec: ImagePreprocess) -> NDArray[np.uint8]:
    """`prepare` for several boxes of one picture: (len(boxes), size, size, 3) uint8.

    A box is cut before resizing: Pillow's ``resize(box=...)`` would let pixels outside the box bleed in.
    """
    height, width, _ = rgb.shape
    whole = Image.fromarray(rgb)
    prepared = np.empty((len(boxes), spec.size, spec.size, 3), dtype=np.uint8)
    for row, box in zip(prepared, boxes, strict=True):
        picture = whole if box == WHOLE else whole.crop(pixel_box(box, width, height))
        match spec.resize_mode:
            case "shortest":
                picture = _shortest(picture, spec)
            case "longest":
                picture = _longest(picture, spec)
            case "squash":
                picture = picture.resize((spec.size, spec.size), _FILTERS[spec.interpolation])
        row[...] = np.asarray(picture)
    return prepared


def _shortest(picture: Image.Image, spec: ImagePreprocess) -> Image.Image:
    """Shortest side to ``size``, then the central square (torchvision's Resize and CenterCrop, same rounding)."""
    width, height = picture.size
    size = spec.size
    if width <= height:
        width, height = size, int(size * height / width)
    else:
        width, height = int(size * width / height), size
    left, top = round((width - size) / 2.0), round((height - size) / 2.0)
    resized = picture.resize((width, height), _FILTERS[spec.interpolation])
    return resized if width == height else resized.crop((left, top, left + size, top + size))


def _longest(picture: Image.Image, spec: ImagePreprocess) -> Image.Image:
    """Longest side to ``size``, centred on ``fill_color`` (open_clip's ResizeKeepRatio and CenterCropOrPad)."""
    size = spec.size
    ratio = max(picture.size) / size
    # open_clip fails where a very narrow picture would round to no pixels; one row of it is kept here instead.
    width, height = (max(round(side / ratio), 1) for side in picture.size)
    resized = picture.resize((width, height), _FILTERS[spec.interpolation])
    canvas = Image.new("RGB", (size, size), (spec.fill_color,) * 3)
    canvas.paste(resized, ((size - width) // 2, (size - height) // 2))
    return canvas
