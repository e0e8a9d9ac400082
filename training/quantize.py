"""Turns a tower's float32 graph into int8, in the way that suits its family.

Transformers: dynamic (weights int8 per channel, activations scaled at run time), since their activations have outliers
that one fixed scale would not fit. Convnets: static QDQ (activations uint8 with scales from calibration pictures),
since onnxruntime has no fast dynamic convolution on CPUs.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
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

from .errors import ExportRefused

CALIBRATION_BATCH = 8
_STATIC_TYPES = ["Conv", "Relu", "Clip", "Add", "MaxPool", "AveragePool", "Gemm", "MatMul"]
_SMOOTH = frozenset(["Erf", "Gelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh"])
"""What GELU, SiLU and the like are made of; ReLU and ReLU6 (Clip) fold into the convolution before them."""


def is_convnet(model: onnx.ModelProto) -> bool:
    """Whether most of a graph's weighted nodes are convolutions."""
    kinds = [node.op_type for node in model.graph.node]
    return kinds.count("Conv") > kinds.count("MatMul") + kinds.count("Gemm")


def quantize_image(source: Path, target: Path, calibration: Sequence[NDArray[np.uint8]] | None) -> str:
    """Write the int8 twin of an image tower; returns "static" or "dynamic".

    ``calibration``: prepared pictures (S, S, 3) uint8; a convnet without them is refused, since scales measured on
    anything but pictures are wrong.
    """
    model = onnx.load(source)
    if not is_convnet(model):
        _dynamic(source, target, ["MatMul"])
        return "dynamic"
    if not calibration:
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


def _static(source: Path, target: Path, calibration: Sequence[NDArray[np.uint8]]) -> None:
    with tempfile.TemporaryDirectory() as folder, _Quiet():
        prepared = _prepared(source, Path(folder))
        quantize_static(
            prepared,
            target,
            _Pictures(calibration),
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
    """Nodes that stay float: up to the first convolution, from the last weighted node on, and where int8 is slower.

    The stem sees raw pixels with few channels (little to gain, much to lose), and the last projection and the
    normalisation make the vector itself. Smooth activations have no int8 kernels: where they stand between the grouped
    convolutions of a mobile convnet, going back and forth costs more than int8 saves, so there only the dense
    convolutions become int8. With ReLU6 the whole chain stays int8 (EfficientNet-Lite0 at 224 pixels, one core with
    VNNI: 5.9 ms float, 5.5 ms dense only, 2.7 ms whole).
    """
    nodes = list(model.graph.node)
    weighted = [i for i, node in enumerate(nodes) if node.op_type in ("Conv", "Gemm", "MatMul")]
    first = next(i for i in weighted if nodes[i].op_type == "Conv")
    breaks = any(_groups(node) > 1 for node in nodes) and any(node.op_type in _SMOOTH for node in nodes)
    return [
        node.name
        for i, node in enumerate(nodes)
        if i <= first or i >= weighted[-1] or (breaks and (node.op_type != "Conv" or _groups(node) > 1))
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


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = (
            np.stack(pictures[i : i + CALIBRATION_BATCH]) for i in range(0, len(pictures), CALIBRATION_BATCH)
        )

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}


class _Quiet:
    """Keeps the quantizer's advice off the terminal; faults are exceptions and still come through."""

    def __enter__(self) -> None:
        self._disabled = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._disabled)
