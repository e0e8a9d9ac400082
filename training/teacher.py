"""Runs the copy-detection teacher (SSCD, arXiv:2202.10261) once over every training picture and keeps its vectors."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.errors import TrainingError
from training.library import Library
from training.progress import progress
from training.render import flatten

TEACHER_SIDE = 288
TAUGHT_KINDS = frozenset({"photo", "thing", "product"})
"""Marks are not taught: a mark on a scene is another picture than the bare mark."""


def teacher_vectors(library: Library, model: Path, work: Path, threads: int = 1) -> NDArray[np.float32]:
    """Unit vectors (pictures, D) of SSCD for the pictures of TAUGHT_KINDS (zeros for the others), cached under `work`.

    The cache is keyed by the library's fingerprint; an interrupted run goes on where it stopped. `model` is an ONNX
    file that takes uint8 (n, h, w, 3) and does its own normalisation.
    """
    import onnxruntime as ort

    cache = _cache(library, work)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    feed, result = session.get_inputs()[0].name, session.get_outputs()[0]
    vectors = np.zeros((len(library.entries), int(result.shape[1])), dtype=np.float32)
    start = 0
    if cache.is_file():
        with np.load(cache, allow_pickle=False) as held:
            vectors, start = held["vectors"], int(held["done"])
    for number in progress(range(start, len(library.entries)), "teacher"):
        if library.entries[number].kind in TAUGHT_KINDS:
            picture = flatten(library.image(number)).resize((TEACHER_SIDE, TEACHER_SIDE), Image.Resampling.BILINEAR)
            row = cast(NDArray[np.float32], session.run([result.name], {feed: np.asarray(picture)[None]})[0])[0]
            vectors[number] = row / np.linalg.norm(row)
        if number % 500 == 499 or number + 1 == len(library.entries):
            np.savez(cache, vectors=vectors, done=np.int64(number + 1))
    return vectors


def cached_vectors(library: Library, work: Path) -> NDArray[np.float32]:
    """What `teacher_vectors` left under `work`; TrainingError if it has not finished."""
    cache = _cache(library, work)
    if cache.is_file():
        with np.load(cache, allow_pickle=False) as held:
            if int(held["done"]) == len(library.entries):
                return cast(NDArray[np.float32], held["vectors"])
    raise TrainingError(f"{work} has no teacher's vectors for these pictures; run `encoder prepare` first")


def _cache(library: Library, work: Path) -> Path:
    return work / f"teacher-{library.fingerprint[:16]}.npz"


def compress(vectors: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """The `width` main directions (no centring, no whitening, so that cosines change least), unit norm: (n, width).
    Rows of zeros stay zeros.
    """
    _, axes = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    short = (vectors @ axes[:, ::-1][:, :width]).astype(np.float32)
    length = np.linalg.norm(short, axis=1, keepdims=True)
    return cast(NDArray[np.float32], short / np.where(length > 0, length, 1))
