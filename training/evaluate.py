"""Measures models on the three protocols (product, logo, copy), under several schemes of regions."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from screener.bundle import Part
from screener.cosines import part_cosines
from screener.encoder import Encoder
from screener.preprocess import WHOLE, Box
from screener.score_norm import NEAREST, background_level, normalised
from training.embedders import BundleEmbedder, Embedder
from training.errors import TrainingError
from training.scores import Outcome, figures_of


@dataclass(frozen=True, slots=True)
class Protocol:
    """One measuring set: the use it is for, its folder, the manifest key that names what is to be found, and the keys
    by which its figures are broken down.
    """

    name: str
    folder: str
    key: str
    groups: tuple[str, ...]


PROTOCOLS = (
    Protocol("product", "grocery", "product", ("product", "brand")),
    Protocol("logo", "logos", "brand", ("brand",)),
    Protocol("copy", "copies", "id", ("edits",)),
)


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Take `beta` of the mean cosine with the `nearest` of the background out of a score, on one side of a pair or on
    both, as `screener.score_norm.normalised` does. With `beta` 0 the score is the cosine.
    """

    side: str
    beta: float
    nearest: int

    def __str__(self) -> str:
        return f"{self.side} -{self.beta:g}" if self.beta else "cosine"


def logo_windows() -> list[Box]:
    """The whole picture, 4 windows of 0.7 and 9 windows of 0.45 of its sides, evenly placed."""
    boxes = [WHOLE]
    for side, count in ((0.7, 2), (0.45, 3)):
        steps = [(1 - side) * n / (count - 1) for n in range(count)]
        boxes += [(x, y, min(1.0, x + side), min(1.0, y + side)) for y in steps for x in steps]
    return boxes


def evaluate_bundle(encoder: Encoder, data: Path) -> dict[str, dict[str, float]]:
    """The figures of every scheme of every protocol whose folder is below `data`; keys as in `measure_model`.

    Raises TrainingError if `data` holds none of the sets.
    """
    outcomes = measure_model(BundleEmbedder(encoder), data)
    return {name: figures_of(outcome) for name, outcome in outcomes.items()}


def measure_model(
    model: Embedder,
    data: Path,
    *,
    only: Collection[str] = (),
    normalise: Sequence[Normalisation] = (),
) -> dict[str, Outcome]:
    """The outcome of every scheme of every protocol (of `only` these, if any are named) whose folder is below `data`.

    Keys: `USE` with the regions that the model serves with, `USE/whole` with the whole picture alone,
    `logo/14-crops` with the protocol's own windows, each in a pass of its own. Scores are what the model's operating
    point counts; where that is not the cosine, `KEY (cosine)` is added, and `KEY (query -0.5)` for every normalisation
    asked for. Raises TrainingError if `data` holds none of the sets, or if a normalisation
    is asked of a model without a background.
    """
    found = [p for p in PROTOCOLS if (data / p.folder / "manifest.json").is_file() and (not only or p.name in only)]
    if not found:
        wanted = ", ".join(p.folder for p in PROTOCOLS if not only or p.name in only)
        raise TrainingError(f"{data} holds none of {wanted} (a folder with manifest.json each)")
    if normalise and model.background is None:
        raise TrainingError(f"{model.name} has no background vectors to normalise with")
    outcomes: dict[str, Outcome] = {}
    for protocol in found:
        outcomes.update(_measure(model, protocol, data / protocol.folder, normalise))
    return outcomes


def _measure(
    model: Embedder, protocol: Protocol, folder: Path, normalise: Sequence[Normalisation]
) -> dict[str, Outcome]:
    rows = read_set(folder)
    references, queries = rows["reference"], rows["query"]
    pictures = [folder / row["image"] for row in queries + rows["none"]]
    names = sorted({row[protocol.key] for row in references}, key=str)
    part = model.part(protocol.name)
    wanted = model.encode_crops(reference_crops(folder, references))
    regions = model.encode_pictures(pictures)
    used = [number for number, uses in enumerate(model.uses) if protocol.name in uses]
    views = {protocol.name: regions[:, used], f"{protocol.name}/whole": regions[:, :1]}
    if protocol.name == "logo":
        boxes = logo_windows()
        crops = model.encode_crops([(path, box) for path in pictures for box in boxes])
        views["logo/14-crops"] = crops.reshape(len(pictures), len(boxes), -1)
    classes = np.array([names.index(row[protocol.key]) for row in references])
    truth = np.array([names.index(row[protocol.key]) for row in queries])
    groups = {key: [_names(row.get(key)) for row in queries + rows["none"]] for key in protocol.groups}
    own = Normalisation("query", model.background_share(protocol.name), NEAREST)
    plain = [Normalisation("query", 0.0, NEAREST)] if own.beta else []
    outcomes = {}
    for label, vectors in views.items():
        for norm in (own, *plain, *normalise):
            best = best_scores(part, vectors, wanted, norm, model.background)
            scores = np.stack([best[:, classes == n].max(axis=1) for n in range(len(names))], axis=1)
            outcomes[label if norm is own else f"{label} ({norm})"] = Outcome(protocol.name, scores, truth, groups)
    return outcomes


def best_scores(
    part: Part,
    views: NDArray[np.float32],
    references: NDArray[np.float32],
    norm: Normalisation,
    background: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """The best score (n, m) of any region of the pictures (n, regions, D) with the references (m, D), in one part."""
    pictures, regions, dim = views.shape
    flat = views.reshape(-1, dim)
    scores = part_cosines(part, flat, references)
    if norm.beta and background is not None:
        if norm.side in ("query", "both"):
            scores = normalised(scores, background_level(part, flat, background, norm.nearest), norm.beta)
        if norm.side in ("reference", "both"):
            scores = normalised(scores.T, background_level(part, references, background, norm.nearest), norm.beta).T
    best: NDArray[np.float32] = scores.reshape(pictures, regions, len(references)).max(axis=1)
    return best


def read_set(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of a set's manifest by kind: `reference`, `query`, `none`."""
    manifest: list[dict[str, Any]] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return {kind: [row for row in manifest if row["kind"] == kind] for kind in ("reference", "query", "none")}


def reference_crops(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Path, Box]]:
    """Each reference's file with the largest of its boxes, as shares of the sides; the whole if it has none."""
    return [(folder / row["image"], _largest_box(folder, row)) for row in rows]


def figures_table(results: Mapping[str, Mapping[str, float]]) -> str:
    """The figures as lines of text, one protocol each."""
    return "\n".join(
        f"{name:16}" + "  ".join(f"{key} {value:.3f}" for key, value in row.items()) for name, row in results.items()
    )


def _largest_box(folder: Path, row: Mapping[str, Any]) -> Box:
    boxes = row.get("boxes")
    if not boxes:
        return WHOLE
    with Image.open(folder / row["image"]) as image:
        width, height = image.size
    x0, y0, x1, y1 = max(boxes, key=lambda b: (b[2] - b[0]) * (b[3] - b[1]))
    return (max(0.0, x0 / width), max(0.0, y0 / height), min(1.0, x1 / width), min(1.0, y1 / height))


def _names(value: object) -> tuple[str, ...]:
    """The groups that a manifest's value stands for: none, one, or a list of them."""
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)
