"""Exports a torch module to an ONNX file that holds nothing but the graph and its weights."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import torch

from .errors import ExportRefused

MAX_BYTES = 2**31 - 1
"""What one protobuf file can hold; onnxruntime reads a bundle's graphs as one piece each."""


def export_graph(
    tower: torch.nn.Module, file: Path, examples: Mapping[str, torch.Tensor], *, free: Mapping[str, Sequence[int]]
) -> None:
    """Write ``tower`` as ``file`` with the inputs named in ``examples``, in order, and the output "embedding".

    ``free`` are the dimensions of each input whose length may vary. ``ExportRefused`` where a tower does not fit into
    one file of 2 GiB or torch cannot trace it.
    """
    dimensions = tuple(dict.fromkeys(free[name], torch.export.Dim.DYNAMIC) for name in examples)
    loggers = [logging.getLogger(part) for part in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # torch's own deprecation notes about its own calls.
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                tower.eval(),
                tuple(examples.values()),
                dynamo=True,
                verbose=False,
                input_names=list(examples),
                dynamic_shapes=dimensions,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportRefused(f"torch cannot export this tower: {str(error)[:1000]}") from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    if program is None or _weight_bytes(program) > MAX_BYTES:
        raise ExportRefused("this tower is larger than 2 GiB, the most one ONNX file can hold")
    for node in program.model.graph:
        for value in node.outputs:
            # torch names a table's rows "embedding" too, and a name must be unique.
            if value.name == "embedding":
                value.name = "embedding_rows"
    program.model.graph.outputs[0].name = "embedding"
    program.save(str(file), external_data=False)
    strip(file)


def strip(file: Path) -> None:
    """Remove what exporters note beside the graph (stack traces with local paths, shapes of inner values)."""
    model = onnx.load(file)
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    onnx.save(model, file)


def _weight_bytes(program: torch.onnx.ONNXProgram) -> int:
    tensors = (value.const_value for value in program.model.graph.initializers.values())
    return sum(tensor.nbytes for tensor in tensors if tensor is not None)
