"""The trunk's batch norms: which of them learn from batches, and statistics for weights no batch ever went through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor


def trained_norms(trunk: Any, frozen_stages: int) -> Iterator[torch.nn.BatchNorm2d]:
    """The batch norms of an EfficientNet after its first `frozen_stages` stages."""
    for module in (*list(trunk.blocks)[frozen_stages:], trunk.bn2):
        for norm in module.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                yield norm


def settle_batch_norms(trunk: Any, frozen_stages: int, images: Iterable[Tensor]) -> None:
    """Replace the running statistics of the trained norms by those of `images`, normalised batches (n, 3, s, s), each
    counting alike: averaged weights never saw any (arXiv:1803.05407, section 3.2).
    """
    norms = list(trained_norms(trunk, frozen_stages))
    momenta = [norm.momentum for norm in norms]
    trunk.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    with torch.no_grad():
        for image in images:
            trunk.forward_features(image)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
