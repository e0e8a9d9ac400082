"""Whether a reference's picture shows anything to compare with: blank, noise, blurred, averaged, too small.

Measured on the prepared picture that the encoder sees. The limits lie outside of what 277 honest references reach (17
official product pictures, 140 marks in photos, 120 photos of clothes), but for about one in a hundred, which waits for
a person instead of being active at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from brands.model import Box
from screener.picture_facts import PictureFacts

UNUSABLE: Final = frozenset({"blank", "noise"})
"""What nobody may let in: it cannot show any brand."""
BLOCKING: Final = UNUSABLE | {"featureless", "blurred", "averaged", "patterned"}
"""What only an admin may let in. `too_small` is a hint and no more."""

_SIDE: Final = 96
"""Sides of the copy that structure is measured on, in pixels: noise and edges of a few pixels are seen, JPEG is not."""
_LEAST_SIDE: Final = 100
"""Pixels under which the shorter side is called too small: the encoder would look at an enlargement of twice that."""
_BLANK: Final = 3.0
"""Standard deviation of grey and of colour, in levels of 255. Honest ones have 9 and more."""
_FLAT: Final = 0.97
"""Share without structure. Honest ones have at most 0.93; a dot on white has 0.996."""
_SHARP: Final = 0.2
"""`PictureFacts.sharpness` under which nothing is sharp. Honest ones have 0.35 and more."""
_STEPS: Final = 0.001
_STEEP, _STEEP_MARK = 32.0, 14.0
_BY_CONTRAST, _BY_CONTRAST_MARK = 0.65, 0.35
"""The steps between neighbouring pixels that one in a thousand exceeds, in levels and by their deviation. What is
blurred, or the average of several pictures, has none that are steep (4 pictures: 31 levels; many, their contrast
stretched: 0.3). Honest pictures have 35 levels and 0.89 and more; marks are often enlarged, one in a hundred has 12."""
_ALIKE: Final = 0.25
"""Least correlation of neighbours at three scales. Honest ones have 0.32 and more, noise of up to 16 pixels 0.11."""
_COLOURS: Final = 0.5
"""Correlation of the two channels that move together most. Honest ones have 0.75 and more, coloured noise 0.1; so has a
drawing of plain shapes, which is not dense."""
_DENSE: Final = 8.0
"""Edges over their median, under which there is a step nearly everywhere: noise, and not a pattern."""


def hints(pixels: NDArray[np.uint8], facts: PictureFacts, box: Box | None) -> tuple[str, ...]:
    """The codes of what is wrong with a picture, or with the mark at `box` in it; none for a good one.

    Parameters
    ----------
    pixels : (S, S, 3), the picture or the mark as the encoder gets it
    facts : of the whole picture
    """
    found = _small(facts, box)
    levels = np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float32)
    grey = levels.mean(axis=2)
    if grey.std() < _BLANK and (levels - grey[..., None]).std(axis=(0, 1)).max() < _BLANK:
        return (*found, "blank")
    steps = np.concatenate([np.diff(levels, axis=axis).reshape(-1, 3) for axis in (0, 1)])
    heights = np.abs(steps.mean(axis=1))
    edge, median = float(np.quantile(heights, 0.995)), float(np.median(heights))
    alike, dense = _least_alike(grey), edge < _DENSE * (median + 1)
    if dense and (alike < _ALIKE or _channels(steps) < _COLOURS):
        found.append("noise")
    elif alike < _ALIKE:
        found.append("patterned")
    elif facts.sharpness < _SHARP:
        found.append("blurred")
    elif _soft(pixels, mark=box is not None):
        found.append("averaged")
    if box is None and facts.flatness > _FLAT:
        found.append("featureless")
    return tuple(found)


def hints_of_facts(facts: PictureFacts) -> tuple[str, ...]:
    """What can be told without the picture, of a reference that came as a description only."""
    found = _small(facts, None)
    if facts.flatness > _FLAT:
        found.append("featureless")
    if facts.sharpness < _SHARP:
        found.append("blurred")
    return tuple(found)


def _soft(pixels: NDArray[np.uint8], *, mark: bool) -> bool:
    """Whether no edge is steep, by itself or beside the contrast of the picture."""
    grey = pixels.astype(np.float32).mean(axis=2)
    steps = np.concatenate([np.abs(np.diff(grey, axis=axis)).ravel() for axis in (0, 1)])
    steep = float(np.quantile(steps, 1.0 - _STEPS))
    least, share = (_STEEP_MARK, _BY_CONTRAST_MARK) if mark else (_STEEP, _BY_CONTRAST)
    return steep < least or steep < share * float(grey.std())


def _small(facts: PictureFacts, box: Box | None) -> list[str]:
    x0, y0, x1, y1 = box or (0.0, 0.0, 1.0, 1.0)
    return ["too_small"] if min((x1 - x0) * facts.width, (y1 - y0) * facts.height) < _LEAST_SIDE else []


def _channels(steps: NDArray[np.float32]) -> float:
    """The best correlation of two channels' steps; 1 where no two of them move."""
    moving = steps[:, steps.std(axis=0) >= 1.0]
    if moving.shape[1] < 2:
        return 1.0
    normal = (moving - moving.mean(axis=0)) / moving.std(axis=0)
    correlations = normal.T @ normal / len(normal)
    return float(correlations[np.triu_indices(len(correlations), 1)].max())


def _least_alike(grey: NDArray[np.float32]) -> float:
    """The least correlation of neighbours, over three scales; 1 for a picture without contrast at a scale."""
    least = 1.0
    for factor in (1, 3, 6):
        side = _SIDE // factor
        small = grey.reshape(side, factor, side, factor).mean(axis=(1, 3))
        small -= small.mean()
        power = float((small * small).mean())
        if power >= 1.0:
            pairs = (small[:, 1:] * small[:, :-1]).mean() + (small[1:] * small[:-1]).mean()
            least = min(least, float(pairs) / (2 * power))
    return least
