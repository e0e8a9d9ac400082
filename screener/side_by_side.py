"""A picture for reviewers: what the listing shows beside the reference that it is alike, with the places marked."""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from screener.preprocess import WHOLE, Box, pixel_box

PANEL: Final = 620
"""Side of the square that each of the two pictures is fitted into, in pixels."""
_MARGIN = 20
_HEAD = 64
_CLOSE = 240
"""Height of the row with the marked places cut out and enlarged."""
_MOST_ENLARGED = 6.0
_QUALITY = 88

_PAPER, _FRAME, _INK, _FAINT = (246, 246, 244), (214, 214, 210), (28, 28, 30), (96, 96, 100)
_MARK, _HALO = (255, 45, 85), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two pictures.

    `pixels` (h, w, 3) uint8 RGB; `box` is the marked place, relative, None or the whole for no mark; `title` and
    `caption` are lines above it, cut where they are too long.
    """

    pixels: NDArray[np.uint8]
    box: Box | None
    title: str
    caption: str


def side_by_side(left: Side, right: Side) -> bytes:
    """Both pictures in one JPEG, about 1300 pixels wide.

    Where a place is marked in either, a row below shows both places enlarged, so that small marks can be compared.
    """
    closer = any(side.box not in (None, WHOLE) for side in (left, right))
    width = 2 * PANEL + 3 * _MARGIN
    height = _HEAD + PANEL + 2 * _MARGIN + (_CLOSE + _MARGIN if closer else 0)
    sheet = Image.new("RGB", (width, height), _PAPER)
    for number, side in enumerate((left, right)):
        x = _MARGIN + number * (PANEL + _MARGIN)
        _head(sheet, side, x)
        _picture(sheet, side, (x, _HEAD + _MARGIN // 2))
        if closer:
            _close_up(sheet, side, (x, _HEAD + PANEL + _MARGIN + _MARGIN // 2))
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=_QUALITY, subsampling=0)  # thin coloured lines smear at less
    return out.getvalue()


def _head(sheet: Image.Image, side: Side, x: int) -> None:
    draw = ImageDraw.Draw(sheet)
    for y, size, ink, text in ((12, 22, _INK, side.title), (41, 16, _FAINT, side.caption)):
        font = ImageFont.load_default(size)
        draw.text((x, y), _fitting(text, font), font=font, fill=ink)


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, cut with an ellipsis where it is wider than a panel."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    if font.getlength(shown) <= PANEL:
        return shown
    while shown and font.getlength(shown + "...") > PANEL:
        shown = shown[:-1]
    return shown + "..."


def _picture(sheet: Image.Image, side: Side, corner: tuple[int, int]) -> None:
    fitted, place = _fitted(Image.fromarray(side.pixels), (PANEL, PANEL), corner, most=2.0)
    _frame(sheet, (*corner, corner[0] + PANEL, corner[1] + PANEL))
    sheet.paste(fitted, place)
    if side.box in (None, WHOLE):
        return
    assert side.box is not None
    left, top, right, bottom = pixel_box(side.box, *fitted.size)
    marked = (place[0] + left, place[1] + top, place[0] + right - 1, place[1] + bottom - 1)
    draw = ImageDraw.Draw(sheet)
    # A light line inside and outside keeps the mark visible on a picture of any colour.
    draw.rectangle(_grown(marked, 2), outline=_HALO, width=8)
    draw.rectangle(marked, outline=_MARK, width=4)


def _close_up(sheet: Image.Image, side: Side, corner: tuple[int, int]) -> None:
    picture = Image.fromarray(side.pixels)
    cut = picture.crop(pixel_box(side.box or WHOLE, *picture.size))
    fitted, place = _fitted(cut, (PANEL, _CLOSE), corner, most=_MOST_ENLARGED)
    _frame(sheet, (*corner, corner[0] + PANEL, corner[1] + _CLOSE))
    sheet.paste(fitted, place)


def _fitted(
    picture: Image.Image, room: tuple[int, int], corner: tuple[int, int], *, most: float
) -> tuple[Image.Image, tuple[int, int]]:
    """The picture as large as the room at `corner` takes it, at most `most` times its size, and where it goes."""
    scale = min(room[0] / picture.width, room[1] / picture.height, most)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    place = (corner[0] + (room[0] - size[0]) // 2, corner[1] + (room[1] - size[1]) // 2)
    return picture.resize(size, Image.Resampling.LANCZOS), place


def _frame(sheet: Image.Image, room: tuple[int, int, int, int]) -> None:
    ImageDraw.Draw(sheet).rectangle(_grown(room, 1), fill=(255, 255, 255), outline=_FRAME)


def _grown(box: tuple[int, int, int, int], by: int) -> tuple[int, int, int, int]:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by
