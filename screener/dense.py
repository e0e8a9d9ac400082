"""The windows of a dense bundle: parts of a picture that share one pass over the whole of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .manifest import number, same_keys, whole
from .pooling import pooling_weights
from .preprocess import MAX_SIZE, Box, ImagePreprocess

STRIDE: Final = 32
"""Pixels a side of the picture for each cell a side of the feature map that windows are pooled from."""
MAX_WINDOWS: Final = 64
COMPARED: Final = ("product", "logo", "copy")
"""What a region of a listing's picture can be compared for."""


@dataclass(frozen=True, slots=True)
class Window:
    """A box of the picture (relative, 0..1) and the uses for which its vector is compared."""

    box: Box
    uses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dense:
    """The second look at a listing's picture: the whole of it at ``size`` pixels a side, one vector per window."""

    size: int
    windows: tuple[Window, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Dense:
        """Read the ``dense`` object of ``preprocess.json``; ``ValueError`` or ``TypeError`` if it does not fit."""
        same_keys("dense", data, {"size", "windows"})
        size = whole("size of dense", data["size"], STRIDE, MAX_SIZE)
        if size % STRIDE:
            raise ValueError(f"size of dense must be a multiple of {STRIDE}")
        if not isinstance(data["windows"], list) or not 1 <= len(data["windows"]) <= MAX_WINDOWS:
            raise ValueError(f"dense must have 1 to {MAX_WINDOWS} windows")
        return cls(size, tuple(_window(item) for item in data["windows"]))

    def to_json(self) -> dict[str, Any]:
        """The ``dense`` object of ``preprocess.json``."""
        windows = [{"box": list(window.box), "for": list(window.uses)} for window in self.windows]
        return {"size": self.size, "windows": windows}

    def check(self, spec: ImagePreprocess) -> None:
        """``ValueError`` where pictures prepared as ``spec`` says could not be looked at in windows."""
        if spec.size % STRIDE or spec.size == STRIDE:  # an exporter takes a map of one cell for a constant
            raise ValueError(
                f"a dense bundle's pictures have sides that are multiples of {STRIDE}, at least two, not {spec.size}"
            )
        if spec.resize_mode != "squash":  # what is cut off or padded would move every window
            raise ValueError("a dense bundle squashes its pictures (resize_mode)")

    def preprocess(self, spec: ImagePreprocess) -> ImagePreprocess:
        """How a picture is prepared for the windows: as ``spec`` says, but larger."""
        return replace(spec, size=self.size)

    def pooling(self, size: int | None = None) -> NDArray[np.float32]:
        """The windows' weights on a picture of ``size``, else of its own: float32 (windows, size / 32, size / 32)."""
        return pooling_weights([window.box for window in self.windows], (size or self.size) // STRIDE)


def even_pooling(size: int) -> NDArray[np.float32]:
    """The weights (1, size / 32, size / 32) of the whole picture: all cells alike."""
    cells = size // STRIDE
    return np.full((1, cells, cells), 1.0 / cells**2, dtype=np.float32)


def _window(item: Any) -> Window:
    same_keys("window", item, {"box", "for"})
    if not isinstance(item["box"], list) or len(item["box"]) != 4:
        raise ValueError("the box of a window must be four numbers")
    x0, y0, x1, y1 = (number("a side of a window", side, 0.0, 1.0) for side in item["box"])
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"the box of a window is empty: {item['box']}")
    uses = tuple(item["for"])
    if not uses or len(set(uses)) != len(uses) or not set(uses) <= set(COMPARED):
        raise ValueError(f"a window is for one or more of {COMPARED}, each once")
    return Window((x0, y0, x1, y1), uses)
