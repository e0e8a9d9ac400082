"""Noise, blur and surface grain as float32 arrays."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE = 1024


def box_blur(array: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """Two box blurs of the radius (pixels) over a 2-D array with its edges repeated."""
    blurred = array.astype(np.float32)
    for _ in range(2):
        for axis in (0, 1):
            blurred = _box(blurred, radius, axis)
    return blurred


def _box(array: NDArray[np.float32], radius: int, axis: int) -> NDArray[np.float32]:
    pad = [(0, 0), (0, 0)]
    pad[axis] = (radius + 1, radius)
    total = np.cumsum(np.pad(array, pad, mode="edge"), axis=axis, dtype=np.float32)
    width = 2 * radius + 1
    if axis == 0:
        return np.asarray((total[width:] - total[:-width]) / width, dtype=np.float32)
    return np.asarray((total[:, width:] - total[:, :-width]) / width, dtype=np.float32)


def upsample(array: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Bicubic enlargement of a 2-D array."""
    return np.asarray(Image.fromarray(array.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC))


def clouds(
    rng: np.random.Generator, height: int, width: int, *, coarse: tuple[float, float], octaves: int = 4
) -> NDArray[np.float32]:
    """Fractal noise of mean about 0 and deviation about 1; `coarse` = cells of the first octave down and across."""
    total = np.zeros((height, width), dtype=np.float32)
    weight = 0.0
    for octave in range(octaves):
        rows, columns = (
            max(2, min(round(cells * 2**octave), limit)) for cells, limit in zip(coarse, (height, width), strict=True)
        )
        share = 0.55**octave
        total += share * upsample(rng.standard_normal((rows, columns), dtype=np.float32), height, width)
        weight += share**2
    return np.asarray(total / np.sqrt(weight), dtype=np.float32)


def grain(kind: str, height: int, width: int) -> NDArray[np.float32]:
    """A material's grain from a fixed tile: values about -1..1, shape (height, width), each at most TILE."""
    return _tile(kind)[:height, :width]


def sensor_noise(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """White noise of deviation 1 (height, width), cut from one fixed sheet at a random place (drawing anew is slow)."""
    sheet = _sheet()
    y, x = (int(rng.integers(0, limit - side)) for limit, side in zip(sheet.shape, (height, width), strict=True))
    return sheet[y : y + height, x : x + width]


@cache
def _sheet() -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((1500, 1500), dtype=np.float32)


@cache
def _tile(kind: str) -> NDArray[np.float32]:
    rng = np.random.default_rng(len(kind) * 7919 + ord(kind[0]))
    y, x = np.mgrid[0:TILE, 0:TILE].astype(np.float32)
    if kind == "fabric":
        weave = np.sin(x * 1.9) * (((y // 2) % 2) * 2 - 1) * 0.4
        return np.asarray(
            weave + 0.5 * rng.standard_normal((TILE, TILE)) + 0.3 * clouds(rng, TILE, TILE, coarse=(20, 20)), np.float32
        )
    if kind == "knit":
        mesh = np.sin(x * 0.9 + np.sin(y * 0.9) * 1.2) * np.sin(y * 0.9)
        return np.asarray(mesh + 0.25 * rng.standard_normal((TILE, TILE)), np.float32)
    if kind == "leather":
        cells = clouds(rng, TILE, TILE, coarse=(150, 150), octaves=2)
        return np.asarray(np.clip(np.diff(cells, axis=0, prepend=0) * 2.2, -1.5, 1.5), np.float32)
    if kind == "brushed":
        return clouds(rng, TILE, TILE, coarse=(400, 6), octaves=2)
    return np.zeros((TILE, TILE), dtype=np.float32)
