"""Where to look in a picture: the whole of it, and windows in which a mark is large enough to be recognised."""

from screener.preprocess import WHOLE, Box

LISTING: tuple[Box, ...] = (
    WHOLE,
    (0.25, 0.25, 0.75, 0.75),
    (0.2, 0.0, 0.8, 0.6),
    (0.2, 0.4, 0.8, 1.0),
)
"""Regions of a listing's picture, relative x0, y0, x1, y1: the whole, what sellers put in the middle, and the upper and
lower part. Chosen among twelve layouts on photos of logos and groceries: about as good as six regions with all corners,
at two thirds of the cost (`listing-screener-train evaluate listings` measures the layout that is set here).
A change makes cached vectors of the view stale, so it comes with another `LISTING_VIEW`."""
LISTING_VIEW = "listing-4"

LATER_FRAMES: tuple[Box, ...] = (WHOLE,)
"""Of the later frames of an animation only the whole is looked at."""


def listing_regions(frames: int) -> tuple[tuple[int, Box], ...]:
    """Frame number and box of every region of a picture with this many decoded frames."""
    first = tuple((0, box) for box in LISTING)
    return first + tuple((frame, box) for frame in range(1, frames) for box in LATER_FRAMES)


def reference_view(box: Box | None) -> str:
    """The name under which a reference's one vector is kept: the whole picture, or the place of the mark in it."""
    return "whole" if box is None else "box:" + ",".join(repr(float(side)) for side in box)
