"""Reads, checks and writes the manifest of a bundle: the directory that holds one encoder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .dense import Dense
from .errors import BundleRefused
from .manifest import number, same_keys, strict_json, whole
from .preprocess import ImagePreprocess
from .tokenizer import TextPreprocess

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
ENCODING_FILES: Final = ("image.onnx", "text.onnx", "tokenizer.json", "preprocess.json")
REQUIRED_FILES: Final = (*ENCODING_FILES, "golden.npz")
OPTIONAL_FILES: Final = (
    "background.npz",
    "CARD.md",
    "NOTICE",
    "model.safetensors",
    "open_clip_config.json",
    "merges.txt.gz",
)
USES: Final = ("text", "product", "logo", "copy")
PRECISIONS: Final = ("fp32", "int8")
MAX_DIM: Final = 8192


@dataclass(frozen=True, slots=True)
class Part:
    """A slice [start, stop) of the vector with its own uses (``text``, ``product``, ``logo``, ``copy``)."""

    name: str
    start: int
    stop: int
    uses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The score in a part from which a pair counts as a match, and what was measured there.

    ``false_match_rate`` and ``recall`` are shares 0..1 on the data named by ``measured_on``. The score is the cosine,
    normalised with ``background_share`` of the query's background level (``screener.score_norm``; 0: as it is).
    """

    score: float
    false_match_rate: float
    recall: float | None = None
    measured_on: str = ""
    background_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle.

    ``background`` is float32 (B, D), vectors of pictures of nothing registered, or None; ``dense`` the windows of a
    bundle whose image tower pools several from one pass (`screener.encoder.Encoder.encode_windows`), or None.
    """

    path: Path
    id: str
    name: str
    dim: int
    parts: tuple[Part, ...]
    preprocess: ImagePreprocess
    text: TextPreprocess
    operating_points: Mapping[str, OperatingPoint]
    golden_tolerance: float
    manifest: Mapping[str, Any]
    background: NDArray[np.float32] | None
    dense: Dense | None

    def part_for(self, use: str) -> Part | None:
        """The part that serves ``use``, or None where the encoder has none for it."""
        return next((part for part in self.parts if use in part.uses), None)

    def read(self, name: str) -> bytes:
        """The bytes of a listed file, checked again so that what is loaded is what was hashed; ``BundleRefused``."""
        return _read(self.path, name, self.manifest["files"])


def load_bundle(path: Path) -> Bundle:
    """Read a bundle and check its format, its manifest and every hash. ``BundleRefused`` names what does not fit."""
    try:
        manifest = strict_json(_bytes(path / MANIFEST))
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise ValueError(f"unknown format, this version reads {FORMAT}")
        return _checked(path, manifest)
    except BundleRefused:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BundleRefused(f"bundle {path}: {type(error).__name__}: {error}") from error


def _checked(path: Path, manifest: dict[str, Any]) -> Bundle:
    fields = {"format", "name", "id", "dim", "precision", "parts", "operating_points", "golden_tolerance", "metrics"}
    same_keys("manifest", manifest, fields | {"source", "files"})
    files = manifest["files"]
    if unknown := set(files) - {*REQUIRED_FILES, *OPTIONAL_FILES}:
        raise ValueError(f"files lists what no bundle has: {sorted(unknown)}")
    if missing := set(REQUIRED_FILES) - set(files):
        raise ValueError(f"files lacks {sorted(missing)}")
    if manifest["id"] != bundle_id({name: files[name]["sha256"] for name in ENCODING_FILES}):
        raise ValueError("id does not follow from the hashes")
    # Everything is hashed, the weights a training starts from too: a bundle is whole or refused.
    contents = {name: _read(path, name, files) for name in files if name not in ("image.onnx", "text.onnx")}
    for name in ("image.onnx", "text.onnx"):
        _read(path, name, files)
    if not isinstance(manifest["name"], str) or not manifest["name"]:
        raise ValueError("name must be a non-empty string")
    if set(manifest["precision"]) != {"image", "text"} or not set(manifest["precision"].values()) <= set(PRECISIONS):
        raise ValueError(f"precision must give image and text, each one of {PRECISIONS}")
    if not all(isinstance(manifest[key], dict) for key in ("metrics", "source")):
        raise ValueError("metrics and source must be objects")
    dim = whole("dim", manifest["dim"], 1, MAX_DIM)
    preprocess = strict_json(contents["preprocess.json"])
    same_keys("preprocess.json", preprocess, {"image", "text"} | ({"dense"} & set(preprocess)))
    image = ImagePreprocess.from_json(preprocess["image"])
    dense = Dense.from_json(preprocess["dense"]) if "dense" in preprocess else None
    if dense:
        dense.check(image)
    return Bundle(
        path=path,
        id=manifest["id"],
        name=manifest["name"],
        dim=dim,
        parts=_parts(manifest["parts"], dim),
        preprocess=image,
        text=TextPreprocess.from_json(preprocess["text"]),
        operating_points=_operating_points(manifest["operating_points"]),
        golden_tolerance=number("golden_tolerance", manifest["golden_tolerance"], 0.0, 0.1),
        manifest=manifest,
        background=_background(path / "background.npz", dim) if "background.npz" in files else None,
        dense=dense,
    )


def write_manifest(
    path: Path,
    *,
    name: str,
    dim: int,
    precision: Mapping[str, str],
    parts: Sequence[Part],
    operating_points: Mapping[str, OperatingPoint],
    golden_tolerance: float,
    metrics: Mapping[str, Any],
    source: Mapping[str, Any],
) -> str:
    """Hash the bundle files present in ``path``, write ``manifest.json`` beside them and return the bundle's id."""
    present = [name for name in (*REQUIRED_FILES, *OPTIONAL_FILES) if (path / name).is_file()]
    contents = {name: (path / name).read_bytes() for name in present}
    files = {name: {"sha256": _sha256(data), "bytes": len(data)} for name, data in contents.items()}
    identity = bundle_id({name: _sha256(contents[name]) for name in ENCODING_FILES})
    manifest = {
        "format": FORMAT,
        "name": name,
        "id": identity,
        "dim": dim,
        "precision": dict(precision),
        "parts": [{"name": p.name, "start": p.start, "stop": p.stop, "for": list(p.uses)} for p in parts],
        "operating_points": {use: asdict(point) for use, point in operating_points.items()},
        "golden_tolerance": golden_tolerance,
        "metrics": dict(metrics),
        "source": dict(source),
        "files": files,
    }
    (path / MANIFEST).write_text(json.dumps(manifest, indent=1, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")
    return identity


def bundle_id(hashes: Mapping[str, str]) -> str:
    """ "enc_" and 16 hex digits of SHA-256 over the canonical JSON of {file: sha256} of what changes a vector."""
    canonical = json.dumps(dict(hashes), sort_keys=True, separators=(",", ":"))
    return "enc_" + _sha256(canonical.encode())[:16]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _bytes(file: Path) -> bytes:
    try:
        if file.is_symlink():
            raise BundleRefused(f"{file} is a link; a bundle holds its own files")
        return file.read_bytes()
    except OSError as error:
        raise BundleRefused(f"{file} cannot be read: {os.strerror(error.errno or 0)}") from error


def _read(path: Path, name: str, files: Mapping[str, Any]) -> bytes:
    data = _bytes(path / name)
    same_keys(name, files[name], {"sha256", "bytes"})
    if len(data) != files[name]["bytes"] or _sha256(data) != files[name]["sha256"]:
        raise BundleRefused(f"{path / name} does not have the hash its manifest gives")
    return data


def _parts(data: Any, dim: int) -> tuple[Part, ...]:
    """Parts in order, end to end over the whole vector, every use served by one part at most."""
    parts: list[Part] = []
    for item in data:
        same_keys("part", item, {"name", "start", "stop", "for"})
        start = whole("start", item["start"], 0, dim)
        parts.append(Part(str(item["name"]), start, whole("stop", item["stop"], start + 1, dim), tuple(item["for"])))
    edges = [0, *(part.stop for part in parts)]
    if not parts or [part.start for part in parts] != edges[:-1] or edges[-1] != dim:
        raise ValueError("parts must cover the vector end to end")
    uses = [use for part in parts for use in part.uses]
    if len(set(uses)) != len(uses) or not set(uses) <= set(USES):
        raise ValueError(f"a part is for one or more of {USES}, and each use has one part")
    return tuple(parts)


def _operating_points(data: Mapping[str, Any]) -> dict[str, OperatingPoint]:
    if unknown := set(data) - set(USES):
        raise ValueError(f"operating_points for unknown uses {sorted(unknown)}")
    points = {use: OperatingPoint(**point) for use, point in data.items()}
    for use, point in points.items():
        number(f"score of {use}", point.score, -1.0, 1.0)
        number(f"false_match_rate of {use}", point.false_match_rate, 0.0, 1.0)
        number(f"background_share of {use}", point.background_share, 0.0, 1.0)
        if point.recall is not None:
            number(f"recall of {use}", point.recall, 0.0, 1.0)
    return points


def _background(file: Path, dim: int) -> NDArray[np.float32]:
    with np.load(file, allow_pickle=False) as data:
        vectors: NDArray[np.float32] = data["vectors"].astype(np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dim or not np.isfinite(vectors).all():
        raise ValueError("background.npz must hold finite vectors (B, dim)")
    return vectors
