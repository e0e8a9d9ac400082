"""Measures a bundle on the three protocols (product, logo, copy) through the serving code: `prepare` and `Encoder`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from screener.encoder import Encoder
from screener.preprocess import Box, prepare
from training.errors import TrainingError
from training.progress import progress
from training.protocols import auroc, average_precision, recall_at_precision, top_k

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
Encode = Callable[[Sequence[tuple[Path, Box]]], NDArray[np.float32]]
"""Pictures with the box to look at, to unit vectors (n, D)."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """One measuring set: its folder, the manifest key that names what is to be found, and the use whose part is
    compared.
    """

    name: str
    folder: str
    key: str
    windows: bool = False


PROTOCOLS = (
    Protocol("product", "grocery", "product"),
    Protocol("logo", "logos", "brand", windows=True),
    Protocol("copy", "copies", "id"),
)


def logo_windows() -> list[Box]:
    """The whole picture, 4 windows of 0.7 and 9 windows of 0.45 of its sides, evenly placed."""
    boxes = [WHOLE]
    for side, count in ((0.7, 2), (0.45, 3)):
        steps = [(1 - side) * n / (count - 1) for n in range(count)]
        boxes += [(x, y, min(1.0, x + side), min(1.0, y + side)) for y in steps for x in steps]
    return boxes


def evaluate_bundle(encoder: Encoder, data: Path) -> dict[str, dict[str, float]]:
    """The figures of every protocol whose folder is below `data`; product and logo also with the whole vector
    (`.../whole`).

    Raises TrainingError if `data` holds none of the sets.
    """
    parts = {use: encoder.bundle.part_for(use) for use in ("product", "logo", "copy")}
    found = [p for p in PROTOCOLS if (data / p.folder / "manifest.json").is_file()]
    if not found:
        raise TrainingError(
            f"{data} holds none of {', '.join(p.folder for p in PROTOCOLS)} (a folder with manifest.json each)"
        )
    results: dict[str, dict[str, float]] = {}
    for protocol in found:
        slices = {protocol.name: slice(None), f"{protocol.name}/whole": slice(None)}
        part = parts[protocol.name]
        if part is not None:
            slices[protocol.name] = slice(part.start, part.stop)
        results.update(measure(protocol, data / protocol.folder, lambda rows: _encode(encoder, rows), slices))
    return results


def measure(
    protocol: Protocol, folder: Path, encode: Encode, slices: Mapping[str, slice]
) -> dict[str, dict[str, float]]:
    """Figures of one protocol, once per named slice of the vector (each slice is normalised on its own)."""
    manifest: list[dict[str, Any]] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    references = [row for row in manifest if row["kind"] == "reference"]
    queries = [row for row in manifest if row["kind"] == "query"]
    nothing = [row for row in manifest if row["kind"] == "none"]
    boxes = logo_windows() if protocol.windows else [WHOLE]
    reference_vectors = encode([(folder / row["image"], _reference_box(folder, row)) for row in references])
    query_vectors = encode([(folder / row["image"], box) for row in queries + nothing for box in boxes])
    names = sorted({row[protocol.key] for row in references}, key=str)
    classes = np.array([names.index(row[protocol.key]) for row in references])
    truth = np.array([names.index(row[protocol.key]) for row in queries])
    figures = {}
    for label, part in slices.items():
        ours, theirs = _unit(reference_vectors[:, part]), _unit(query_vectors[:, part])
        best = (theirs @ ours.T).reshape(len(queries) + len(nothing), len(boxes), len(references)).max(axis=1)
        scores = np.stack([best[:, classes == n].max(axis=1) for n in range(len(names))], axis=1)
        figures[label] = _figures(protocol.name, scores, truth)
    return figures


def _figures(use: str, scores: NDArray[np.float32], truth: NDArray[np.int64]) -> dict[str, float]:
    known, unknown = scores[: len(truth)], scores[len(truth) :]
    best = scores.max(axis=1)
    right = np.zeros(len(scores), dtype=bool)
    right[: len(truth)] = known.argmax(axis=1) == truth
    found = recall_at_precision(best, right, len(truth))
    if use == "copy":
        return {"uAP": average_precision(best, right, len(truth)), "R@P90": found}
    first = (
        {"top-1": top_k(known, truth, 1), "top-5": top_k(known, truth, 5)}
        if use == "product"
        else {"acc": top_k(known, truth, 1)}
    )
    return {**first, "AUROC": auroc(known.max(axis=1), unknown.max(axis=1)), "R@P90": found}


def figures_table(results: Mapping[str, Mapping[str, float]]) -> str:
    """The figures as lines of text, one protocol each."""
    return "\n".join(
        f"{name:16}" + "  ".join(f"{key} {value:.3f}" for key, value in row.items()) for name, row in results.items()
    )


def _encode(encoder: Encoder, rows: Sequence[tuple[Path, Box]], batch: int = 32) -> NDArray[np.float32]:
    spec = encoder.bundle.preprocess
    vectors = []
    held: tuple[Path | None, NDArray[np.uint8]] = (None, np.zeros((1, 1, 3), dtype=np.uint8))
    for start in progress(range(0, len(rows), batch), "encode"):
        pixels = []
        for path, box in rows[start : start + batch]:
            if held[0] != path:
                with Image.open(path) as image:
                    held = (path, np.asarray(image.convert("RGB")))
            pixels.append(prepare(held[1], box, spec))
        vectors.append(encoder.encode_pixels(np.stack(pixels)))
    return np.concatenate(vectors)


def _reference_box(folder: Path, row: Mapping[str, Any]) -> Box:
    """The largest of the row's boxes (pixels), as shares of the picture's sides; the whole picture if it has none."""
    boxes = row.get("boxes")
    if not boxes:
        return WHOLE
    with Image.open(folder / row["image"]) as image:
        width, height = image.size
    x0, y0, x1, y1 = max(boxes, key=lambda b: (b[2] - b[0]) * (b[3] - b[1]))
    return (max(0.0, x0 / width), max(0.0, y0 / height), min(1.0, x1 / width), min(1.0, y1 / height))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
