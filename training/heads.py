"""First values of the image head in closed form, so that training starts from something useful."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from screener.bundle import Part
from training.batches import BatchMaker
from training.library import Library

BATCHES = 24
RIDGE = 0.3
"""Ridge penalty as a share of the features' mean variance."""
WEIGHT_SCALE = 0.05
TURNED = 640
"""About so many pictures tell how the head must be turned."""


def fit_heads(
    trunk: Any,
    maker: BatchMaker,
    teacher: Tensor,
    parts: Mapping[str, Part],
    normalise: Callable[[NDArray[np.uint8]], Tensor],
) -> None:
    """Set the rows of `trunk.classifier`: copy by ridge regression to the teacher, semantic by the features' main axes.

    `teacher` has shape (pictures, width of the copy part); features come from edited views that `maker` draws.
    """
    device = teacher.device
    views, targets, everything = [], [], []
    with torch.no_grad():
        for number in range(BATCHES):
            batch = maker.make(number)
            pooled = trunk.forward_head(trunk.forward_features(normalise(batch.pixels)), pre_logits=True)
            base = torch.from_numpy(batch.base).to(device)
            views.append(pooled[base >= 0])
            targets.append(teacher[base[base >= 0]])
            everything.append(pooled)
        head, copy, semantic = trunk.classifier, parts["copy"], parts["semantic"]
        weight, bias = _ridge(torch.cat(views), torch.cat(targets))
        head.weight[copy.start : copy.stop], head.bias[copy.start : copy.stop] = weight, bias
        weight, bias = _main_axes(torch.cat(everything), semantic.stop - semantic.start)
        head.weight[semantic.start : semantic.stop], head.bias[semantic.start : semantic.stop] = weight, bias
        for part in parts.values():
            # The parts are normalised later, so their scale is free: that of the trunk's weights suits Adam's steps
            scale = WEIGHT_SCALE / head.weight[part.start : part.stop].std()
            head.weight[part.start : part.stop] *= scale
            head.bias[part.start : part.stop] *= scale


def turn_copy_head(
    trunk: Any, library: Library, teacher: Tensor, part: Part, normalise: Callable[[NDArray[np.uint8]], Tensor]
) -> None:
    """Turn the copy rows of `trunk.classifier` as a whole (orthogonal Procrustes) to where the teacher's axes lie now.

    The teacher's main directions have no signs of their own, and close ones no order: another machine finds others. A
    turned head gives the same cosines as before.
    """
    numbers = library.select("photo", "product", held_out=False)
    numbers = numbers[:: max(1, len(numbers) // TURNED)]
    with torch.no_grad():
        own = []
        for start in range(0, len(numbers), 32):
            squares = [library.image(n).convert("RGB").resize((192, 192)) for n in numbers[start : start + 32]]
            vectors = trunk(normalise(np.stack([np.asarray(square) for square in squares])))
            own.append(torch.nn.functional.normalize(vectors[:, part.start : part.stop], dim=-1))
        left, _, right = torch.linalg.svd(torch.cat(own).T @ teacher[numbers])
        turn = (left @ right).T
        head = trunk.classifier
        head.weight[part.start : part.stop] = turn @ head.weight[part.start : part.stop]
        head.bias[part.start : part.stop] = turn @ head.bias[part.start : part.stop]


def _ridge(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    centre = x.mean(0)
    penalty = RIDGE * (x - centre).pow(2).mean() * torch.eye(x.shape[1], device=x.device)
    gram = (x - centre).T @ (x - centre) / len(x) + penalty
    weight = torch.linalg.solve(gram, (x - centre).T @ (y - y.mean(0)) / len(x)).T
    return weight, y.mean(0) - weight @ centre


def _main_axes(x: Tensor, width: int) -> tuple[Tensor, Tensor]:
    centre = x.mean(0)
    values, axes = torch.linalg.eigh((x - centre).T @ (x - centre) / len(x))
    # Half-way to whitening: the strongest axes of ImageNet features are light and background
    weight = (axes[:, -width:] / (values[-width:].clamp(min=1e-6) + values.mean()).pow(0.25)).T
    return weight, -weight @ centre
