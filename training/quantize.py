"""Turns a tower's float32 graph into int8, in the way that suits its family.

Transformers: dynamic (weights int8 per channel, activations scaled at run time), since their activations have outliers
that one fixed scale would not fit. Convnets: static QDQ (activations uint8 with scales from calibration pictures),
since onnxruntime has no fast dynamic convolution on CPUs.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from screener.dense import Dense, even_pooling
from screener.preprocess import WHOLE, ImagePreprocess, prepare

from .errors import ExportRefused

CALIBRATION_BATCH = 8
Feed = Mapping[str, NDArray[Any]]
"""A graph's inputs by name."""

_STATIC_TYPES = ["Conv", "Relu", "Clip", "Add", "MaxPool", "AveragePool", "Gemm", "MatMul"]
_SMOOTH = frozenset(["Erf", "Gelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh"])
"""What GELU, SiLU and the like are made of; ReLU and ReLU6 (Clip) fold into the convolution before them."""


def is_convnet(model: onnx.ModelProto) -> bool:
    """Whether most of a graph's weighted nodes are convolutions."""
    kinds = [node.op_type for node in model.graph.node]
    return kinds.count("Conv") > kinds.count("MatMul") + kinds.count("Gemm")


def calibration_feeds(
    pictures: Sequence[NDArray[np.uint8]], spec: ImagePreprocess, dense: Dense | None
) -> Iterator[Feed]:
    """Batches of whole pictures (h, w, 3) of any size as the image tower is served them: prepared as ``spec`` says, and
    for a dense bundle at the size of its windows too.
    """
    for start in range(0, len(pictures), CALIBRATION_BATCH):
        batch = pictures[start : start + CALIBRATION_BATCH]
        small = {"pixels": np.stack([prepare(rgb, WHOLE, spec) for rgb in batch])}
        if dense is None:
            yield small
        else:
            yield small | {"pooling": even_pooling(spec.size)}
            large = dense.preprocess(spec)
            yield {"pixels": np.stack([prepare(rgb, WHOLE, large) for rgb in batch]), "pooling": dense.pooling()}


def quantize_image(source: Path, target: Path, calibration: Iterator[Feed] | None) -> str:
    """Write the int8 twin of an image tower; returns "static" or "dynamic".

    ``calibration``: inputs made of pictures; a convnet without them is refused, since scales measured on anything else
    are wrong.
    """
    model = onnx.load(source)
    if not is_convnet(model):
        _dynamic(source, target, ["MatMul"])
        return "dynamic"
    if calibration is None:
        raise ExportRefused("int8 of a convolutional image tower needs calibration pictures (--calibration)")
    _static(source, target, calibration)
    return "static"


def quantize_text(source: Path, target: Path) -> str:
    """Write the int8 twin of a text tower (dynamic; the table of token vectors too, it is most of the file)."""
    _dynamic(source, target, ["MatMul", "Gather"])
    return "dynamic"


def _dynamic(source: Path, target: Path, kinds: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, _Quiet():
        prepared = _prepared(source, Path(folder))
        quantize_dynamic(
            prepared,
            target,
            op_types_to_quantize=kinds,
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )


def _static(source: Path, target: Path, calibration: Iterator[Feed]) -> None:
    with tempfile.TemporaryDirectory() as folder, _Quiet():
        prepared = _prepared(source, Path(folder))
        quantize_static(
            prepared,
            target,
            _Feeds(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=_STATIC_TYPES,
            nodes_to_exclude=_kept_float(onnx.load(prepared)),
            extra_options={"CalibMovingAverage": True, "DedicatedQDQPair": False},
        )


def _kept_float(model: onnx.ModelProto) -> list[str]:
    """Nodes that stay float: up to the first convolution, from the last weighted node on (in a dense bundle from the
    product that pools the windows), and where int8 is slower.

    The stem sees raw pixels with few channels (little to gain, much to lose), and the last projection and the
    normalisation make the vector itself. Smooth activations have no int8 kernels: where they stand between the grouped
    convolutions of a mobile convnet, going back and forth costs more than int8 saves, so there only the dense
    convolutions become int8. With ReLU6 the whole chain stays int8 (EfficientNet-Lite0 at 224 pixels, one core with
    VNNI: 5.9 ms float, 5.5 ms dense only, 2.7 ms whole).
    """
    nodes = list(model.graph.node)
    weighted = [i for i, node in enumerate(nodes) if node.op_type in ("Conv", "Gemm", "MatMul")]
    first = next(i for i in weighted if nodes[i].op_type == "Conv")
    last = weighted[-1]
    if any(graph_input.name == "pooling" for graph_input in model.graph.input):
        last = next(i for i in weighted if all(nodes[j].op_type != "Conv" for j in weighted if j >= i))
    breaks = any(_groups(node) > 1 for node in nodes) and any(node.op_type in _SMOOTH for node in nodes)
    return [
        node.name
        for i, node in enumerate(nodes)
        if i <= first or i >= last or (breaks and (node.op_type != "Conv" or _groups(node) > 1))
    ]


def _groups(node: onnx.NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "group"), 1)


def _prepared(source: Path, folder: Path) -> Path:
    """Shapes inferred and constants folded, and every node named, as the quantizer wants it."""
    prepared = folder / "prepared.onnx"
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    model = onnx.load(prepared)
    for i, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{i}"
    onnx.save(model, prepared)
    return prepared


class _Feeds(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, feeds: Iterator[Feed]) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, Any] | None:
        feed = next(self._feeds, None)
        return None if feed is None else dict(feed)


class _Quiet:
    """Keeps the quantizer's advice off the terminal; faults are exceptions and still come through."""

    def __enter__(self) -> None:
        self._disabled = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._disabled)
