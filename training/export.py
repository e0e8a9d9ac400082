"""Writes a bundle from a torch model: export, int8, parity gate, manifest, rename into place."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from screener.bundle import USES, Bundle, OperatingPoint, Part, load_bundle, write_manifest
from screener.dense import Dense, even_pooling
from screener.encoder import Encoder
from screener.preprocess import WHOLE, ImagePreprocess, prepare

from .errors import ExportRefused
from .graph import export_graph, strip
from .parity import TEXTS, Parity, faults, measure, picture, reference
from .quantize import Feed, calibration_feeds, quantize_image, quantize_text
from .tokenizer_file import OpenClipTokenizer, tokenizer_file
from .towers import DenseTowers, ImageTower, TextTower, WindowTower, is_dynamic, text_part

Precision = Literal["fp32", "int8"]

# 1 - cosine that a bundle may drift between machines; screener.encoder.Encoder.check_golden tells why.
GOLDEN_TOLERANCE: Mapping[Precision, float] = {"fp32": 1e-4, "int8": 1e-2}
GOLDEN_TEXTS = 6


def export_bundle(
    model: torch.nn.Module,
    preprocess: ImagePreprocess,
    tokenizer: OpenClipTokenizer,
    out: Path,
    *,
    name: str,
    precision: Precision = "fp32",
    calibration: Sequence[NDArray[np.uint8]] | None = None,
    parts: Sequence[Part] | None = None,
    dense: Dense | None = None,
    operating_points: Mapping[str, OperatingPoint] | None = None,
    metrics: Mapping[str, Any] | None = None,
    source: Mapping[str, Any] | None = None,
    background: NDArray[np.float32] | None = None,
    model_config: Mapping[str, Any] | None = None,
    weights: Path | None = None,
    card: str = "",
    notice: str = "",
    int8_bound: float = 0.90,
) -> Path:
    """Export, quantise, check parity and publish a bundle at ``out``, which must not exist; returns ``out``.

    Parameters
    ----------
    model
        open_clip's CLIP or CustomTextCLIP, or a ``training.towers.TwoTowers``. The exported graph L2-normalises the
        outputs as a whole; the weights of parts against each other are the model's own.
    calibration
        For an int8 convnet: RGB pictures (h, w, 3) uint8 of any size.
    parts
        None means one part "clip" for all uses.
    dense
        The windows of a dense bundle, for a ``training.towers.DenseTowers``.
    background
        Vectors (B, D) of pictures of nothing registered.
    model_config, weights
        Kept in the bundle as open_clip_config.json and model.safetensors, for the next training.
    int8_bound
        Least mean cosine of each int8 tower with the float32 torch model.

    Raises
    ------
    ExportRefused
        When ``out`` exists, the model does not fit, or parity fails; then nothing is left behind.
    """
    if out.exists():
        raise ExportRefused(f"{out} exists; a bundle is never overwritten")
    if dense and not isinstance(model, DenseTowers):
        raise ExportRefused("this model cannot pool windows (encode_windows)")
    try:
        if dense:
            dense.check(preprocess)
    except ValueError as error:
        raise ExportRefused(str(error)) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    model = model.eval()
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        length = int(cast(Any, text_part(model)).context_length)
        dynamic = is_dynamic(model)
        file, text = tokenizer_file(tokenizer, length, dynamic)
        wanted = reference(model, preprocess, tokenizer, length, dense)
        (folder / "tokenizer.json").write_text(file, "utf-8")
        settings = {"image": preprocess.to_json(), "text": text.to_json()}
        if dense:
            settings["dense"] = dense.to_json()
        (folder / "preprocess.json").write_text(json.dumps(settings, indent=1) + "\n", "utf-8")
        _export_image(model, preprocess, dense, folder / "image.onnx")
        rows = torch.from_numpy(wanted.tokens[:2, : min(9, length) if dynamic else length].copy())
        free = {"tokens": (0, 1) if dynamic else (0,)}
        export_graph(TextTower(model), folder / "text.onnx", {"tokens": rows}, free=free)
        manifest: dict[str, Any] = {
            "name": name,
            "dim": int(wanted.images.shape[1]),
            "parts": list(parts or [Part("clip", 0, int(wanted.images.shape[1]), USES)]),
            "operating_points": dict(operating_points or {}),
            "source": dict(source or {}),
        }
        checks = {}
        checks["parity_fp32"] = _checked(folder, "fp32", manifest, wanted, int8_bound)
        if precision == "int8":
            _quantize(folder, calibration_feeds(calibration, preprocess, dense) if calibration else None)
            checks["parity_int8"] = _checked(folder, "int8", manifest, wanted, int8_bound)
        if background is not None:
            np.savez_compressed(folder / "background.npz", vectors=background.astype(np.float16))
        for extra, content in (("CARD.md", card), ("NOTICE", notice)):
            if content:
                (folder / extra).write_text(content, "utf-8")
        if model_config is not None:
            (folder / "open_clip_config.json").write_text(json.dumps(dict(model_config), indent=1) + "\n", "utf-8")
        if weights is not None:
            shutil.copyfile(weights, folder / "model.safetensors")
        _manifest(folder, precision, manifest, {**(metrics or {}), **checks})
        _loaded(folder).close()
        _publish(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return out


def annotate_bundle(
    path: Path,
    *,
    operating_points: Mapping[str, OperatingPoint] | None = None,
    metrics: Mapping[str, Any] | None = None,
    background: NDArray[np.float32] | None = None,
    card: str | None = None,
    notice: str | None = None,
) -> Bundle:
    """Add what can only be measured with the finished bundle, and write its manifest anew; the id stays as it is.

    For use before the bundle is handed on. ``metrics`` are added to those of the export, the rest replaces.
    """
    bundle = load_bundle(path)
    if background is not None:
        np.savez_compressed(path / "background.npz", vectors=background.astype(np.float16))
    for extra, content in (("CARD.md", card), ("NOTICE", notice)):
        if content is not None:
            (path / extra).write_text(content, "utf-8")
    write_manifest(
        path,
        name=bundle.name,
        dim=bundle.dim,
        precision=bundle.manifest["precision"],
        parts=bundle.parts,
        operating_points=bundle.operating_points if operating_points is None else operating_points,
        golden_tolerance=bundle.golden_tolerance,
        metrics={**bundle.manifest["metrics"], **(metrics or {})},
        source=bundle.manifest["source"],
    )
    return load_bundle(path)


def _export_image(model: torch.nn.Module, preprocess: ImagePreprocess, dense: Dense | None, file: Path) -> None:
    size = preprocess.size
    pixels = {"pixels": torch.zeros((2, size, size, 3), dtype=torch.uint8)}
    if dense is None:
        export_graph(ImageTower(model, preprocess), file, pixels, free={"pixels": (0,)})
        return
    # Two rows, since a length of one would be taken for a constant.
    pooling = {"pooling": torch.from_numpy(even_pooling(size)).repeat(2, 1, 1)}
    free = {"pixels": (0, 1, 2), "pooling": (0, 1, 2)}
    export_graph(WindowTower(model, preprocess), file, pixels | pooling, free=free)


def _checked(folder: Path, precision: Precision, manifest: Mapping[str, Any], wanted: Any, bound: float) -> Any:
    """Write golden outputs, load the bundle as the service would and hold it against the reference."""
    _write_golden(folder, precision, manifest)
    encoder = _loaded(folder)
    try:
        parity: Parity = measure(wanted, encoder)
    finally:
        encoder.close()
    if found := faults(parity, fp32=precision == "fp32", int8_bound=bound):
        raise ExportRefused(f"parity of the {precision} bundle failed: {'; '.join(found)}")
    return parity.to_json()


def _quantize(folder: Path, calibration: Iterator[Feed] | None) -> None:
    small = folder / "int8.onnx"
    quantize_image(folder / "image.onnx", small, calibration)
    small.replace(folder / "image.onnx")
    quantize_text(folder / "text.onnx", small)
    small.replace(folder / "text.onnx")
    for tower in ("image.onnx", "text.onnx"):
        strip(folder / tower)


def _write_golden(folder: Path, precision: Precision, manifest: Mapping[str, Any]) -> None:
    """Golden outputs come from the bundle itself: it is loaded once with blank ones to make them."""
    blank = np.zeros((0, manifest["dim"]), np.float32)
    np.savez_compressed(folder / "golden.npz", image_embeddings=blank, text_embeddings=blank)
    bundle = _manifest(folder, precision, manifest, {})
    encoder = Encoder(bundle, workers=1)
    try:
        spec = bundle.preprocess
        pictures = [np.asarray(picture(seed, spec.size, spec.size)) for seed in (1, 2)]
        pixels = np.stack([prepare(rgb, WHOLE, spec) for rgb in pictures])
        texts = TEXTS[:GOLDEN_TEXTS]
        tokens, images, words = encoder.tokenize(texts), encoder.encode_pixels(pixels), encoder.encode_texts(texts)
        windows: dict[str, Any] = {}
        if bundle.dense:
            large = prepare(pictures[0], WHOLE, bundle.dense.preprocess(spec))[None]
            windows = {"large": large, "window_embeddings": encoder.encode_windows(large)}
    finally:
        encoder.close()
    np.savez_compressed(
        folder / "golden.npz",
        pixels=pixels,
        tokens=tokens,
        texts=np.array(texts),
        image_embeddings=images,
        text_embeddings=words,
        **windows,
    )
    _manifest(folder, precision, manifest, {})


def _manifest(folder: Path, precision: Precision, manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> Bundle:
    write_manifest(
        folder,
        precision={"image": precision, "text": precision},
        golden_tolerance=GOLDEN_TOLERANCE[precision],
        metrics=metrics,
        **manifest,
    )
    return load_bundle(folder)


def _loaded(folder: Path) -> Encoder:
    encoder = Encoder(load_bundle(folder))
    encoder.check_golden()
    return encoder


def _publish(folder: Path, out: Path) -> None:
    """Everything to disk, then the name: a bundle is there whole or not at all."""
    for file in [*folder.iterdir(), folder]:
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    folder.chmod(0o755)
    folder.rename(out)
    handle = os.open(out.parent, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
