"""Prepares torch and hands out ``open_clip``: `from training.torch_setup import open_clip`, nowhere else.

A CPU build of torch beside PyPI's torchvision (built for CUDA) lacks torchvision's compiled operators, and importing
torchvision then fails on two that it only describes. Nothing here uses them, so declaring them is enough.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

# Read when the library is first used; the parallel tokenizer of a forked loader would deadlock.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch


def use_threads(count: int) -> None:
    """Let torch use ``count`` threads inside an operator."""
    torch.set_num_threads(count)


def _declare_missing_operators() -> torch.library.Library | None:
    """Import torchvision; where its operators are missing, declare them. The library must stay referenced."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    else:
        return None
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        library.define(  # type: ignore[no-untyped-call]
            f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
    importlib.import_module("torchvision")
    return library


_LIBRARY = _declare_missing_operators()
open_clip: ModuleType = importlib.import_module("open_clip")
