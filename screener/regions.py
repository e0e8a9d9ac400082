"""Where to look in a picture: the whole of it, and windows in which a mark is large enough to be recognised."""

from collections.abc import Sequence

from screener.dense import COMPARED, Dense
from screener.preprocess import WHOLE, Box

Region = tuple[int, Box]
"""Frame number and relative box."""

LISTING: tuple[Box, ...] = (
    WHOLE,
    (0.25, 0.25, 0.75, 0.75),
    (0.2, 0.0, 0.8, 0.6),
    (0.2, 0.4, 0.8, 1.0),
)
"""Regions of a listing's picture, relative x0, y0, x1, y1: the whole, what sellers put in the middle, and the upper and
lower part. Chosen among twelve layouts on photos of logos and groceries: about as good as six regions with all corners,
at two thirds of the cost (`listing-screener-train evaluate listings` measures the layout that is set here).
A dense bundle has windows of its own instead, and only the whole is cut (`DENSE`).
A change makes cached vectors of the view stale, so it comes with another name in `listing_view`."""

DENSE: tuple[Box, ...] = (WHOLE,)
LATER_FRAMES: tuple[Box, ...] = (WHOLE,)
"""Of the later frames of an animation only the whole is looked at."""


def listing_view(dense: Dense | None) -> str:
    """The name under which a listing's picture is kept; the windows are part of the bundle's id."""
    return "listing-dense" if dense else "listing-4"


def listing_cuts(frames: int, *, dense: bool) -> tuple[Region, ...]:
    """What is cut out and resized, each for one vector, of a picture with this many decoded frames."""
    first = tuple((0, box) for box in (DENSE if dense else LISTING))
    return first + tuple((frame, box) for frame in range(1, frames) for box in LATER_FRAMES)


def listing_regions(cuts: Sequence[Region], dense: Dense | None) -> tuple[Region, ...]:
    """The region of every vector of a listing's picture: what was cut, then the windows of the first frame."""
    return (*cuts, *((0, window.box) for window in dense.windows)) if dense else tuple(cuts)


def region_uses(count: int, dense: Dense | None) -> list[tuple[str, ...]]:
    """What each of `count` regions of a listing's picture is compared for, in the order of `listing_regions`."""
    windows = dense.windows if dense else ()
    return [COMPARED] * (count - len(windows)) + [window.uses for window in windows]


def reference_view(box: Box | None, *, described: bool = False) -> str:
    """The name under which a reference's one vector is kept: the whole picture, or the place of the mark in it.

    A vector that came with a description (`described`), and not from a picture here, stands beside what is computed.
    """
    view = "whole" if box is None else "box:" + ",".join(repr(float(side)) for side in box)
    return f"described-{view}" if described else view
