"""Reads the pictures that set the scales of an int8 convnet."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from screener.decode import decode
from screener.errors import ImageUnusable
from screener.gate import Limits

from .errors import ExportRefused

MOST = 256
_T = TypeVar("_T")
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif"}


def calibration_pictures(path: Path, most: int = MOST) -> list[NDArray[np.uint8]]:
    """RGB pictures (h, w, 3) from a directory (searched to the bottom) or the arrays of an .npz; at most ``most``.

    More than that are thinned evenly in the order of their names. ``ExportRefused`` where there is no usable one.
    """
    pictures = _from_npz(path, most) if path.suffix == ".npz" else _from_directory(path, most)
    if not pictures:
        raise ExportRefused(f"{path} holds no usable picture")
    return pictures


def _from_npz(path: Path, most: int) -> list[NDArray[np.uint8]]:
    pictures: list[NDArray[np.uint8]] = []
    try:
        with np.load(path, allow_pickle=False) as data:
            for name in sorted(data.files):
                array = data[name]
                if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3:
                    raise ValueError(f"{name} is not uint8 (n, h, w, 3)")
                pictures.extend(array)
    except (OSError, ValueError) as error:
        raise ExportRefused(f"{path} cannot be read: {error}") from error
    return _thinned(pictures, most)


def _from_directory(path: Path, most: int) -> list[NDArray[np.uint8]]:
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)
    pictures = []
    for file in _thinned(files, most):
        try:
            pictures.append(decode(file.read_bytes(), Limits()).frames[0])
        except ImageUnusable:
            continue
    return pictures


def _thinned(items: list[_T], most: int) -> list[_T]:
    return items if len(items) <= most else [items[len(items) * i // most] for i in range(most)]
