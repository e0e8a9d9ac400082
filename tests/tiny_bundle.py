"""Builds a real little bundle without torch, in well under a second, so that whole suites run on ONNX.

Pictures: the colour layout (8 x 8 means) and its gradients, centred, through a fixed random projection. Texts: the sum
of random vectors of their words' pieces. Nothing is trained: the same picture scores 1, others lower, and texts say
nothing about pictures. `make_tiny_bundle(..., dense=WINDOWS)` makes a dense one: the mean over a window's cells of a
random projection of each cell's 32 x 32 pixels, so that a window has the vector of the same pixels alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from screener.bundle import OperatingPoint, Part, load_bundle, write_manifest
from screener.dense import STRIDE, Dense, Window
from screener.encoder import Encoder
from screener.preprocess import ImagePreprocess
from screener.tokenizer import TextPreprocess, TextTokenizer

SIZE = 64
DIM = 64
HALF = DIM // 2
CONTEXT = 32
PARTS = (Part("semantic", 0, HALF, ("text", "product", "logo")), Part("copy", HALF, DIM, ("copy",)))
POINTS = {
    "copy": OperatingPoint(0.97, 1e-3, measured_on="made up for tests"),
    "product": OperatingPoint(0.90, 1e-3, measured_on="made up for tests"),
    "logo": OperatingPoint(0.90, 1e-3, measured_on="made up for tests"),
}
WINDOWS = Dense(
    2 * SIZE,
    (
        Window((0.0, 0.0, 0.5, 0.5), ("copy", "product", "logo")),
        Window((0.5, 0.0, 1.0, 0.5), ("logo",)),
        Window((0.25, 0.25, 0.75, 0.75), ("product", "logo")),
    ),
)
TEXTS = ("acme runner shoes", "高仿 1:1 包", "")


def make_tiny_bundle(path: Path, seed: int = 0, dense: Dense | None = None, half: int = HALF) -> Path:
    """Write the bundle at ``path`` (made if absent) and return it; the same bytes for the same seed.

    Its vectors have ``2 * half`` numbers.
    """
    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    tokenizer = _tokenizer()
    text = TextPreprocess(CONTEXT, "lower", pad_id=0, dynamic_length=True)
    image = ImagePreprocess(SIZE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "squash" if dense else "shortest")
    onnx.save(_window_model(rng, half) if dense else _image_model(rng, half), str(path / "image.onnx"))
    onnx.save(_text_model(rng, tokenizer.get_vocab_size(), half), str(path / "text.onnx"))
    tokenizer.save(str(path / "tokenizer.json"))
    settings = {"image": image.to_json(), "text": text.to_json()} | ({"dense": dense.to_json()} if dense else {})
    (path / "preprocess.json").write_text(json.dumps(settings), "utf-8")
    _write_golden(path, TextTokenizer(tokenizer.to_str(), text), half)
    _publish(path, half)
    return path


def _publish(path: Path, half: int) -> None:
    write_manifest(
        path,
        name="tiny",
        dim=2 * half,
        precision={"image": "fp32", "text": "fp32"},
        parts=(Part("semantic", 0, half, PARTS[0].uses), Part("copy", half, 2 * half, PARTS[1].uses)),
        operating_points=POINTS,
        golden_tolerance=1e-4,
        metrics={},
        source={"model": "made by tests/tiny_bundle.py", "seed": 0},
    )


def _write_golden(path: Path, tokenizer: TextTokenizer, half: int) -> None:
    """Golden outputs come from a first, unchecked load of the bundle itself."""
    inputs: dict[str, NDArray[Any]] = {"pixels": _ramps(SIZE), "tokens": tokenizer(TEXTS)}
    inputs["texts"] = np.array(TEXTS)
    np.savez(path / "golden.npz", **inputs)
    _publish(path, half)
    encoder = Encoder(load_bundle(path), workers=1)
    outputs = {
        "image_embeddings": encoder.encode_pixels(inputs["pixels"]),
        "text_embeddings": encoder.encode_texts(TEXTS),
    }
    if encoder.bundle.dense:
        inputs["large"] = _ramps(encoder.bundle.dense.size)
        outputs["window_embeddings"] = encoder.encode_windows(inputs["large"])
    encoder.close()
    np.savez(path / "golden.npz", **inputs, **outputs)


def _ramps(size: int) -> NDArray[np.uint8]:
    ramp = np.linspace(0, 255, size)
    planes = np.stack([np.add.outer(ramp, ramp) / 2, np.add.outer(ramp[::-1], ramp) / 2], -1)
    return np.concatenate([planes, planes[..., :1] ** 2 / 255], -1).astype(np.uint8)[None]


def tiny_encoder(path: Path) -> Encoder:
    """The bundle at ``path``, loaded."""
    return Encoder(load_bundle(path))


def _tokenizer() -> Tokenizer:
    """Words to UTF-8 bytes: 1 starts a row, 2 ends it, 0 pads, the bytes follow."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "<start>": 1, "<end>": 2} | {char: 3 + i for i, char in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\s+"), "removed"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    return tokenizer


def _image_model(rng: np.random.Generator, half: int) -> onnx.ModelProto:
    cells = 8
    layout = cells * cells * 3
    gradients = 2 * cells * (cells - 1) * 3
    weights: dict[str, NDArray[Any]] = {
        "semantic": _columns(rng, layout, half),
        "copy": _columns(rng, gradients, half),
        # A constant keeps an evenly coloured picture off the zero vector.
        "bias": np.full(half, 1e-3, np.float32),
        "scale": np.asarray(1 / 255, np.float32),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "last": np.array([cells - 1], np.int64),
        "end": np.array([cells], np.int64),
        "axis2": np.array([2], np.int64),
        "axis3": np.array([3], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["nchw"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("ReduceMean", ["cells"], ["mean"], axes=[2, 3], keepdims=1),
        helper.make_node("Sub", ["cells", "mean"], ["layout"]),
        helper.make_node("Flatten", ["layout"], ["layout_flat"], axis=1),
        *_difference("right", 3),
        *_difference("down", 2),
        helper.make_node("Concat", ["right_flat", "down_flat"], ["gradients"], axis=1),
        *_project("layout_flat", "semantic"),
        *_project("gradients", "copy"),
        helper.make_node("Concat", ["semantic_unit", "copy_unit"], ["both"], axis=1),
        helper.make_node("LpNormalization", ["both"], ["embedding"], axis=1, p=2),
    ]
    return _model({"pixels": (TensorProto.UINT8, ["n", SIZE, SIZE, 3])}, nodes, weights, ["n", 2 * half])


def _window_model(rng: np.random.Generator, half: int) -> onnx.ModelProto:
    kernels = rng.standard_normal((2 * half, 3, STRIDE, STRIDE)).astype(np.float32)
    weights: dict[str, NDArray[Any]] = {
        # Without their mean, so that brightness alone makes nothing alike.
        "kernels": kernels - kernels.mean(axis=(2, 3), keepdims=True),
        # A constant keeps an evenly coloured picture off the zero vector.
        "bias": np.full(2 * half, 1e-3, np.float32),
        "scale": np.asarray(1 / 255, np.float32),
        "map": np.array([0, 2 * half, -1], np.int64),
        "rows": np.array([0, -1], np.int64),
        "halves": np.array([half, half], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "kernels", "bias"], ["features"], strides=[STRIDE, STRIDE]),
        helper.make_node("Reshape", ["features", "map"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["cells"], perm=[0, 2, 1]),
        helper.make_node("Reshape", ["pooling", "rows"], ["shares"]),
        helper.make_node("MatMul", ["shares", "cells"], ["pooled"]),
        helper.make_node("Split", ["pooled", "halves"], ["semantic", "copy"], axis=2),
        helper.make_node("LpNormalization", ["semantic"], ["semantic_unit"], axis=2, p=2),
        helper.make_node("LpNormalization", ["copy"], ["copy_unit"], axis=2, p=2),
        helper.make_node("Concat", ["semantic_unit", "copy_unit"], ["both"], axis=2),
        helper.make_node("LpNormalization", ["both"], ["embedding"], axis=2, p=2),
    ]
    inputs: dict[str, tuple[int, list[str | int]]] = {
        "pixels": (TensorProto.UINT8, ["n", "height", "width", 3]),
        "pooling": (TensorProto.FLOAT, ["windows", "down", "across"]),
    }
    return _model(inputs, nodes, weights, ["n", "windows", 2 * half])


def _difference(name: str, axis: int) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Slice", ["cells", "one", "end", f"axis{axis}"], [f"{name}_next"]),
        helper.make_node("Slice", ["cells", "zero", "last", f"axis{axis}"], [f"{name}_here"]),
        helper.make_node("Sub", [f"{name}_next", f"{name}_here"], [name]),
        helper.make_node("Flatten", [name], [f"{name}_flat"], axis=1),
    ]


def _project(source: str, weight: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("MatMul", [source, weight], [f"{weight}_raw"]),
        helper.make_node("Add", [f"{weight}_raw", "bias"], [f"{weight}_moved"]),
        helper.make_node("LpNormalization", [f"{weight}_moved"], [f"{weight}_unit"], axis=1, p=2),
    ]


def _text_model(rng: np.random.Generator, vocabulary: int, half: int) -> onnx.ModelProto:
    """Sum over the row of (byte vector x vector of the byte before), zero for padding: a bag of byte pairs."""
    table = rng.standard_normal((vocabulary, 128)).astype(np.float32)
    table[0] = 0
    weights: dict[str, NDArray[Any]] = {
        "table": table,
        "semantic": _columns(rng, 128, half),
        "bias": np.full(half, 1e-3, np.float32),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "minus_one": np.array([-1], np.int64),
        "far": np.array([2**31], np.int64),
        "pads": np.array([0, 0, 0, half], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["vectors"]),
        helper.make_node("Slice", ["vectors", "zero", "minus_one", "one"], ["before"]),
        helper.make_node("Slice", ["vectors", "one", "far", "one"], ["after"]),
        helper.make_node("Mul", ["before", "after"], ["pairs"]),
        helper.make_node("ReduceSum", ["pairs", "one"], ["bag"], keepdims=0),
        *_project("bag", "semantic"),
        helper.make_node("Pad", ["semantic_unit", "pads"], ["embedding"]),
    ]
    return _model({"tokens": (TensorProto.INT64, ["n", "length"])}, nodes, weights, ["n", 2 * half])


def _columns(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    """Orthonormal columns: a projection that keeps angles as well as its width allows."""
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0].astype(np.float32)


def _model(
    inputs: dict[str, tuple[int, list[str | int]]],
    nodes: list[onnx.NodeProto],
    weights: dict[str, NDArray[Any]],
    shape: Sequence[str | int],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, kind, sides) for name, (kind, sides) in inputs.items()],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, list(shape))],
        [numpy_helper.from_array(value, key) for key, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model
