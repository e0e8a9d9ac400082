"""Which cells of a feature map lie in a window of the picture: how one pass gives the vectors of many windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .preprocess import Box


def pooling_weights(boxes: Sequence[Box], side: int) -> NDArray[np.float32]:
    """Weight (boxes, side, side) of every cell of a square feature map in the mean over each box; each box sums to 1.

    A cell counts by the share of its area inside the box, so a box need not follow the cells' edges. ``boxes`` are
    relative x0, y0, x1, y1, not empty.
    """
    edges = np.arange(side + 1) / side
    weights = np.empty((len(boxes), side, side), dtype=np.float32)
    for row, (x0, y0, x1, y1) in zip(weights, boxes, strict=True):
        across, down = (
            np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0.0, None)
            for low, high in ((x0, x1), (y0, y1))
        )
        covered = np.outer(down, across)
        row[...] = covered / covered.sum()
    return weights
