"""PDQ, the perceptual hash that platforms exchange: 256 bits of a picture, in all its rotations and mirrors.

After Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm" (2019), and its reference
implementation: the hash that it gives to the picture scaled to 512 x 512 pixels, its own bound. Smaller pictures are
scaled up here, because its filters sit elsewhere at every size: the same photo at 256 and at 512 pixels differs by 13
of 256 bits there on average, by 1.5 here. Scaling and filters are linear and separable, so that a picture is two small
matrix products (`tests/test_pdq.py` compares them with the reference's hashes).
Imports nothing but NumPy and Pillow, because decode workers start with it.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE: Final = 512
"""The sides that a picture is scaled to, in pixels."""
_CELLS = 64
_BITS = 16


def pdq(picture: Image.Image) -> tuple[NDArray[np.uint8], int]:
    """Hashes of the eight ways to turn and mirror a picture, and how much structure they stand on.

    Parameters
    ----------
    picture : grey (mode "L"), of any size; best at most `SIDE` pixels a side, since every pixel costs

    Returns
    -------
    hashes : (8, 32) uint8: as it is; turned by 90, 180, 270 degrees anticlockwise; mirrored top to bottom; left to
        right; along the main diagonal; along the other. The bytes in hexadecimal are the text form of the standard.
    quality : 0 to 100; under 50 a hash says nothing (the paper's advice)
    """
    luminance = np.asarray(picture, dtype=np.float32)
    rows, columns = _filter(luminance.shape[0]), _filter(luminance.shape[1])
    cells = (rows @ luminance @ columns.T).astype(np.float32, copy=False)
    waves = _dct() @ cells.astype(np.float64) @ _dct().T
    # Mirroring turns the sign of every second wave, counted from 1; turning is mirroring and transposing.
    sign = np.where(np.arange(_BITS) % 2, 1.0, -1.0)
    down, right = sign[:, None], sign[None, :]
    turned = waves.T
    ways = (
        waves,
        turned * down,
        waves * down * right,
        turned * right,
        waves * down,
        waves * right,
        turned,
        turned * down * right,
    )
    return np.stack([_bits(way) for way in ways]), _quality(cells)


def _bits(waves: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The 128 waves above the median, as 32 bytes, the last wave's bit first (the standard's hexadecimal)."""
    flat = waves.reshape(-1)
    median = np.partition(flat, flat.size // 2 - 1)[flat.size // 2 - 1]
    return np.packbits(flat[::-1] > median)


def _quality(cells: NDArray[np.float32]) -> int:
    """The reference's measure: steps between neighbouring cells in whole percent, added up, 90 to a point."""
    down, right = np.diff(cells, axis=0), np.diff(cells, axis=1)
    steps = sum(int(np.abs(np.trunc(step * (100.0 / 255.0))).sum()) for step in (down, right))
    return min(steps // 90, 100)


@lru_cache(maxsize=128)
def _filter(length: int) -> NDArray[np.float32]:
    """Scaling of a side of `length` pixels to `SIDE` and the filter along it, as one matrix (64, length)."""
    # What Pillow makes of each unit vector is the matrix of its scaling.
    units = Image.fromarray(np.eye(length, dtype=np.float32))
    scaling = np.asarray(units.resize((length, SIDE), Image.Resampling.BILINEAR))
    matrix: NDArray[np.float32] = (_cells() @ scaling).astype(np.float32)
    return matrix


@lru_cache(maxsize=1)
def _cells() -> NDArray[np.float64]:
    """Two box filters along a side of `SIDE` pixels and a sample for each cell, (64, 512)."""
    window = SIDE // (2 * _CELLS)
    half = (window + 2) // 2
    place = np.arange(SIDE)
    first, stop = np.maximum(place - (window - half), 0), np.minimum(place + half, SIDE)
    box = ((place >= first[:, None]) & (place < stop[:, None])) / (stop - first)[:, None]
    matrix: NDArray[np.float64] = box[(2 * np.arange(_CELLS) + 1) * SIDE // (2 * _CELLS)] @ box
    return matrix


@lru_cache(maxsize=1)
def _dct() -> NDArray[np.float64]:
    """The waves 1 to 16 of a discrete cosine transform over 64 cells, (16, 64)."""
    wave, cell = np.arange(1, _BITS + 1)[:, None], np.arange(_CELLS)[None, :]
    matrix: NDArray[np.float64] = np.sqrt(2.0 / _CELLS) * np.cos(np.pi / (2 * _CELLS) * wave * (2 * cell + 1))
    return matrix
