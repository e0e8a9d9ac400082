"""What can be told of a picture without any encoder: its PDQ hashes, sharpness, flat parts, and what covers it.

Computed inside the decode worker from the first frame, for listings and references alike, so it imports only NumPy and
Pillow and has a budget of a few milliseconds. Hashes are of a copy of at most 512 pixels a side, everything else is
measured on smaller ones: a fact means the same for a phone's photo and for the thumbnail of it.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from screener.covers import find_cover
from screener.pdq import SIDE, pdq
from screener.preprocess import Box

FACTS_VERSION: Final = "facts-1"
"""Names this way of measuring, `covers.npz` included; stored facts of another version are measured again."""
PDQ_DISTANCE: Final = 31
"""Most bits of 256 in which the hashes of copies of one picture differ (the PDQ paper's threshold)."""
PDQ_QUALITY: Final = 50
"""Least quality of a hash that is compared (the same paper)."""

SMALL: Final = 256
"""The longest side of the copy that sharpness and flat parts are measured on, in pixels."""

_TILE = 8
_STRUCTURE = 8
"""Least range of grey levels in a tile that is not flat: JPEG and a phone's sensor leave less on a bare wall."""
_SPAN = 4
_STEP = 24
"""Least step of an edge, in grey levels, that sharpness is judged by."""
_CLEAN = 0.65
"""Share of a clean edge's step that one pixel makes once the picture is scaled to this size."""
_EDGES = 0.02
"""Share of the places with such a step that count as the picture's strongest edges."""


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """The facts of one picture.

    `width` and `height` in pixels as painted; `pdq` (8, 32) uint8, the hashes of the picture as it is (row 0) and
    turned and mirrored (`screener.pdq`), with their `pdq_quality` 0 to 100; `sharpness` of its strongest edges, 0
    (blurred, or without any edge) to 1; `flatness`, the share of it without structure; `covered`, 0 to 1, how surely a
    patch was hidden on purpose, and the place of that patch (`screener.covers`).
    """

    width: int
    height: int
    pdq: NDArray[np.uint8]
    pdq_quality: int
    sharpness: float
    flatness: float
    covered: float
    covered_box: Box | None

    def to_json(self) -> dict[str, Any]:
        """Everything but the hashes."""
        return {
            "width": self.width,
            "height": self.height,
            "pdq_quality": self.pdq_quality,
            "sharpness": self.sharpness,
            "flatness": self.flatness,
            "covered": self.covered,
            "covered_box": self.covered_box and list(self.covered_box),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], pdq: bytes) -> "PictureFacts":
        """The facts again, with the 8 hashes of 32 bytes one after the other."""
        box = data["covered_box"]
        return cls(
            width=int(data["width"]),
            height=int(data["height"]),
            pdq=np.frombuffer(pdq, dtype=np.uint8).reshape(8, 32),
            pdq_quality=int(data["pdq_quality"]),
            sharpness=float(data["sharpness"]),
            flatness=float(data["flatness"]),
            covered=float(data["covered"]),
            covered_box=None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        )


def picture_facts(rgb: NDArray[np.uint8], width: int, height: int) -> PictureFacts:
    """Measures a picture.

    Parameters
    ----------
    rgb : the decoded first frame, (h, w, 3), at whatever scale it was decoded
    width, height : of the picture as painted, in pixels
    """
    picture = Image.fromarray(rgb)
    if (times := -(-max(picture.size) // SIDE)) > 1:
        picture = picture.reduce(times)  # whole pixels only: a third of the time of any other scaling
    grey = picture.convert("L")
    hashes, quality = pdq(grey)
    luminance = np.asarray(_within(grey, SMALL))
    covered, box = find_cover(picture)
    return PictureFacts(
        width=width,
        height=height,
        pdq=hashes,
        pdq_quality=quality,
        sharpness=round(_sharpness(luminance), 3),
        flatness=round(_flatness(luminance), 3),
        covered=covered,
        covered_box=box,
    )


def shrunk(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture (h, w, 3) whose longest side is at most `side` pixels; a smaller one stays as it is."""
    return np.asarray(_within(Image.fromarray(rgb), side))


def _within(picture: Image.Image, side: int) -> Image.Image:
    scale = side / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(round(length * scale), 1) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)


def _sharpness(luminance: NDArray[np.uint8]) -> float:
    """How much of a step its steepest pixel makes, in the strongest edges: 1 for a clean edge, 0 for a ramp.

    The width of edges instead of the energy of fine detail, so that a sharp photo of a plain thing is sharp.
    """
    levels = luminance.astype(np.int16)
    found = []
    for lines in (levels, np.ascontiguousarray(levels.T)):
        step = np.abs(lines[_SPAN:] - lines[:-_SPAN])
        single = np.abs(np.diff(lines, axis=0))
        steepest = single[: len(step)]
        for shift in range(1, _SPAN):
            steepest = np.maximum(steepest, single[shift : shift + len(step)])
        strong = step >= _STEP
        found.append(np.stack([step[strong], steepest[strong]]))
    steps, steepest = np.concatenate(found, axis=1).astype(np.float32)
    if not len(steps):
        return 0.0
    kept = max(int(_EDGES * len(steps)), 1)
    strongest = np.argpartition(steps, -kept)[-kept:]
    share = float(np.median(steepest[strongest] / steps[strongest]))
    return min(max((share - 1 / _SPAN) / (_CLEAN - 1 / _SPAN), 0.0), 1.0)


def _flatness(luminance: NDArray[np.uint8]) -> float:
    """The share of tiles without structure."""
    height, width = (length - length % _TILE for length in luminance.shape)
    if not height or not width:
        return 0.0
    bands = luminance[:height, :width].reshape(height // _TILE, _TILE, width)
    highest, lowest = (
        band.reshape(height // _TILE, width // _TILE, _TILE) for band in (bands.max(axis=1), bands.min(axis=1))
    )
    return float(np.mean(highest.max(axis=2) - lowest.min(axis=2) < _STRUCTURE))
