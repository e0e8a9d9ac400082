"""Where to look in a picture: the whole of it, and windows in which a mark is large enough to be recognised."""

from screener.preprocess import WHOLE, Box

WINDOW = 0.6
"""Side of a window as a share of the picture's: corners overlap, so a mark on a seam is whole in one of them."""
CENTRE = 0.5
"""The central window is closer, because sellers put what they sell in the middle."""

LISTING: tuple[Box, ...] = (
    WHOLE,
    (0.0, 0.0, WINDOW, WINDOW),
    (1.0 - WINDOW, 0.0, 1.0, WINDOW),
    (0.0, 1.0 - WINDOW, WINDOW, 1.0),
    (1.0 - WINDOW, 1.0 - WINDOW, 1.0, 1.0),
    (0.5 - CENTRE / 2, 0.5 - CENTRE / 2, 0.5 + CENTRE / 2, 0.5 + CENTRE / 2),
)
"""Regions of a listing's picture, relative x0, y0, x1, y1. A change makes cached vectors of the view stale, so it comes
with another `LISTING_VIEW`."""
LISTING_VIEW = "listing-6"

LATER_FRAMES: tuple[Box, ...] = (WHOLE,)
"""Of the later frames of an animation only the whole is looked at."""


def listing_regions(frames: int) -> tuple[tuple[int, Box], ...]:
    """Frame number and box of every region of a picture with this many decoded frames."""
    first = tuple((0, box) for box in LISTING)
    return first + tuple((frame, box) for frame in range(1, frames) for box in LATER_FRAMES)


def reference_view(box: Box | None) -> str:
    """The name under which a reference's one vector is kept: the whole picture, or the place of the mark in it."""
    return "whole" if box is None else "box:" + ",".join(repr(float(side)) for side in box)
