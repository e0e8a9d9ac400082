"""Finds a patch of a picture that was hidden on purpose: a plain sticker, an emoji, a scribble, a mosaic, a blur.

How steep, flat and coloured each of 48 x 48 cells is, goes into a convolutional network of 24,000 weights, trained by
`listing-screener-train covers` on free photos with patches hidden the ways sellers do (`training.covers`) and run by
NumPy: decode workers import nothing else. `listing-screener-train evaluate facts` measures it.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from screener.preprocess import Box

GRID: Final = 48
"""Cells a side that are looked at."""
CELL: Final = 6
"""Pixels a side of a cell."""
FEATURES: Final = 11
DILATIONS: Final = (1, 2, 4, 1)
"""Of the residual layers: what is plain or blurred shows only beside what is around it."""
WEIGHTS: Final = Path(__file__).parent / "covers.npz"
_SHOWN = 0.5
"""Share of the highest cell's certainty, as a log-odds above the threshold, from which its neighbours belong to it."""

Array = NDArray[np.float32]


def find_cover(picture: Image.Image) -> tuple[float, Box | None]:
    """How surely a patch is hidden, and the box around it (relative), None under 0.5.

    The threshold, 0.5, keeps false alarms on photos that nobody edited under 2 %. Plain stickers and emojis are mostly
    found, scribbles and mosaics seldom, blurred patches hardly ever: a low certainty says little. It is no probability,
    since how many sellers hide marks is not known here.
    """
    weights, threshold, steepness = _weights()
    cells = cover_cells(cell_features(picture), weights)
    top = float(cells.max())
    covered = round(float(1.0 / (1.0 + np.exp(-steepness * (top - threshold)))), 3)
    if covered < 0.5:
        return covered, None
    return covered, _box_around(cells, min(top, threshold + _SHOWN * (top - threshold)))


def cell_features(picture: Image.Image) -> Array:
    """What the network reads of an RGB picture: (48, 48, 11), for cells of 6 x 6 pixels once it is scaled to 288 x 288.

    Mean red, green and blue (-1..1); then across and down: logarithms of the mean step from pixel to pixel, of the
    greatest step and of the mean change of steps, and the share of pixels without a step.
    """
    side = GRID * CELL
    colours = picture.resize((GRID, GRID), Image.Resampling.BOX, reducing_gap=1.0)
    grey = np.asarray(picture.convert("L").resize((side, side), Image.Resampling.BILINEAR)).astype(np.int16)
    features = np.empty((GRID, GRID, FEATURES), dtype=np.float32)
    features[..., :3] = np.asarray(colours, dtype=np.float32) * np.float32(2 / 255) - np.float32(1)
    for number, lines in enumerate((np.ascontiguousarray(grey.T), grey)):
        step = np.diff(lines, axis=0, append=lines[-1:])
        bend = np.abs(np.diff(step, axis=0, append=step[-1:]))
        size = np.abs(step)
        mean, most, bent, still = _sums(size), _greatest(size), _sums(bend), _sums(size <= 1)
        found = (
            np.log1p(mean * np.float32(4 / CELL**2)),
            np.log1p(most.astype(np.float32)),
            np.log1p(bent * np.float32(4 / CELL**2)),
            still * np.float32(1 / CELL**2),
        )
        for place, values in enumerate(found):
            features[..., 3 + 4 * number + place] = values if number else values.T
    return features


def _sums(values: NDArray[np.int16] | NDArray[np.bool_]) -> Array:
    """Sums over cells: (288, 288) to (48, 48)."""
    bands = values.reshape(GRID, CELL, -1).sum(axis=1, dtype=np.int32)
    sums: Array = bands.reshape(GRID, GRID, CELL).sum(axis=2).astype(np.float32)
    return sums


def _greatest(values: NDArray[np.int16]) -> NDArray[np.int16]:
    """The greatest in each cell, (48, 48)."""
    bands = values.reshape(GRID, CELL, -1).max(axis=1)
    most: NDArray[np.int16] = bands.reshape(GRID, GRID, CELL).max(axis=2)
    return most


def cover_cells(features: Array, weights: Mapping[str, Array]) -> Array:
    """Log-odds (24, 24) that a cell's surroundings are hidden, of the `cell_features` of a picture."""
    layer = _convolved(features, weights["down.weight"], weights["down.bias"], stride=2)
    for number, dilation in enumerate(DILATIONS):
        layer = layer + _convolved(
            layer, weights[f"look.{number}.weight"], weights[f"look.{number}.bias"], dilation=dilation
        )
    # What is plain everywhere (a drawing, a catalogue's page) is not hidden.
    whole = np.maximum(layer.mean(axis=(0, 1)) @ weights["whole.weight"] + weights["whole.bias"], 0)
    hidden = np.maximum((layer + whole) @ weights["mix.weight"] + weights["mix.bias"], 0)
    cells: Array = (hidden @ weights["out.weight"] + weights["out.bias"])[..., 0]
    return smoothed(cells)


def smoothed(cells: Array) -> Array:
    """Means of 3 x 3 cells, fewer at the border, so that no single cell decides."""
    padded = np.pad(np.stack([cells, np.ones_like(cells)]), ((0, 0), (1, 1), (1, 1)))
    height, width = cells.shape
    parts = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    total = np.sum(parts, axis=0)
    mean: Array = total[0] / total[1]
    return mean


def _convolved(layer: Array, weight: Array, bias: Array, *, stride: int = 1, dilation: int = 1) -> Array:
    """A 3 x 3 convolution and ReLU; `weight` has shape (9 * channels, out), rows by place, then channel."""
    height, width, _ = layer.shape
    padded = np.pad(layer, ((dilation, dilation), (dilation, dilation), (0, 0)))
    seen = [
        padded[y : y + height : stride, x : x + width : stride]
        for y in (0, dilation, 2 * dilation)
        for x in (0, dilation, 2 * dilation)
    ]
    around = np.concatenate(seen, axis=-1)
    result: Array = np.maximum(around.reshape(-1, around.shape[-1]) @ weight + bias, 0)
    return result.reshape(*around.shape[:2], -1)


def _box_around(cells: Array, least: float) -> Box:
    """The box of the cells of at least `least` that hang together with the highest one."""
    wanted = cells >= least
    found = np.zeros_like(wanted)
    found[np.unravel_index(int(cells.argmax()), cells.shape)] = True
    while True:
        grown = found.copy()
        grown[1:] |= found[:-1]
        grown[:-1] |= found[1:]
        grown[:, 1:] |= found[:, :-1]
        grown[:, :-1] |= found[:, 1:]
        grown &= wanted
        if np.array_equal(grown, found):
            break
        found = grown
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    height, width = cells.shape
    x0, y0, x1, y1 = columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height
    return (round(float(x0), 4), round(float(y0), 4), round(float(x1), 4), round(float(y1), 4))


@lru_cache(maxsize=1)
def _weights() -> tuple[Mapping[str, Array], float, float]:
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        weights = {name: stored[name].astype(np.float32) for name in stored.files}
    return weights, float(weights.pop("threshold")), float(weights.pop("steepness"))
