"""Writes a fitted judge as an ONNX graph of a dozen operators, exact to float32."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.judge_fit import Additive

OPSET: Final = 17
_IR: Final = 9
"""The oldest that has every operator here, so that older runtimes read it too."""


def graph_of(model: Additive) -> bytes:
    """The serialised graph: `features` (n, F) to `probability` (n,), `log_odds` (n,), `contributions` (n, F).

    A shape is its value at the first knot and the sum over its pieces of slope times how far the value reaches into the
    piece; shapes with fewer pieces are padded with pieces of no slope. Missing values contribute 0.
    """
    pieces = max(len(shape.knots) - 1 for shape in model.shapes)
    starts, widths, slopes = (np.zeros((len(model.shapes), pieces), dtype=np.float32) for _ in range(3))
    for row, shape in enumerate(model.shapes):
        count = len(shape.knots) - 1
        starts[row, :count] = shape.knots[:-1]
        widths[row, :count] = np.diff(shape.knots)
        slopes[row, :count] = np.diff(shape.values) / np.diff(shape.knots)
    first = np.array([shape.values[0] for shape in model.shapes], dtype=np.float32)
    constants: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {
        "starts": starts,
        "widths": widths,
        "slopes": slopes,
        "first": first,
        "bias": np.array(model.bias, dtype=np.float32),
        "zero": np.array(0.0, dtype=np.float32),
        "last": np.array([-1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "features"], ["filled"]),
        helper.make_node("Unsqueeze", ["filled", "last"], ["wide"]),
        helper.make_node("Sub", ["wide", "starts"], ["beyond"]),
        helper.make_node("Max", ["beyond", "zero"], ["entered"]),
        helper.make_node("Min", ["entered", "widths"], ["within"]),
        helper.make_node("Mul", ["within", "slopes"], ["rises"]),
        helper.make_node("ReduceSum", ["rises", "last"], ["risen"], keepdims=0),
        helper.make_node("Add", ["risen", "first"], ["shaped"]),
        helper.make_node("Where", ["missing", "zero", "shaped"], ["contributions"]),
        helper.make_node("ReduceSum", ["contributions", "last"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "bias"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], ["probability"]),
    ]
    count = len(model.shapes)
    graph = helper.make_graph(
        nodes,
        "judge",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", count])],
        [
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("log_odds", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("contributions", TensorProto.FLOAT, ["n", count]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="listing-screener")
    made.ir_version = _IR
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())
