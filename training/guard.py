"""Refuses pictures that are kept for measuring: a protected picture never enters training, whatever its file name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FREE_KINDS = frozenset({"extra"})
"""Manifest kinds that a measuring set gives away for training; every other kind is protected."""


class ProtectedPicture(ValueError):
    """A picture of a protected set was offered as training input."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The SHA-256 of every protected file and of its decoded pixels (so a re-encoded lossless copy is refused too)."""

    files: frozenset[str]
    pixels: frozenset[str]

    @classmethod
    def over(cls, folders: Iterable[Path]) -> Guard:
        """Read `manifest.json` of each folder (a list of `{"kind", "image", ...}`); OSError if a named picture is
        missing.
        """
        files: set[str] = set()
        pixels: set[str] = set()
        for folder in folders:
            for row in json.loads((folder / "manifest.json").read_text(encoding="utf-8")):
                if row["kind"] not in FREE_KINDS:
                    data = (folder / row["image"]).read_bytes()
                    files.add(hashlib.sha256(data).hexdigest())
                    with Image.open(folder / row["image"]) as image:
                        pixels.add(pixel_hash(np.asarray(image.convert("RGB"))))
        return cls(frozenset(files), frozenset(pixels))

    def check(self, name: str, data: bytes, rgb: NDArray[np.uint8]) -> None:
        """Raise ProtectedPicture if the bytes, or the decoded pixels (h, w, 3), belong to a protected picture."""
        if hashlib.sha256(data).hexdigest() in self.files or pixel_hash(rgb) in self.pixels:
            raise ProtectedPicture(f"{name} is kept for measuring and must not be trained on")


def pixel_hash(rgb: NDArray[np.uint8]) -> str:
    """SHA-256 over the shape and the bytes of an (h, w, 3) array."""
    digest = hashlib.sha256(repr(rgb.shape).encode())
    digest.update(np.ascontiguousarray(rgb).tobytes())
    return digest.hexdigest()
