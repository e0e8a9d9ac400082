"""Low-rank adapters on the linear maps of a transformer's blocks, merged into plain weights at the end.

LoRA (arXiv:2106.09685) as a parametrisation of the weight: W + (alpha / rank) B A, B beginning at zero, so that the
adapted model begins as the model it adapts. torch's own parametrisations do the bookkeeping; so attention's packed
`in_proj_weight`, which is no Linear, is adapted too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from training.finetune.data import FineTuningRefused


class LowRank(nn.Module):
    """Adds a scaled product of two thin matrices to a weight (out, in)."""

    def __init__(self, weight: Tensor, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        rank = min(rank, *weight.shape)
        self.down = nn.Parameter(torch.empty(rank, weight.shape[1]))
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank))
        self.scale = alpha / rank
        bound = math.sqrt(3.0 / weight.shape[1])  # Kaiming's uniform with a gain of 1
        self.down.data.uniform_(-bound, bound, generator=generator)

    def forward(self, weight: Tensor) -> Tensor:
        """The adapted weight."""
        return weight + self.scale * (self.up @ self.down)


def add_adapters(blocks: Sequence[nn.Module], *, rank: int, alpha: float, seed: int) -> list[nn.Parameter]:
    """Adapters on every attention and MLP weight of the blocks; gives what is to be trained.

    FineTuningRefused where the blocks have no linear maps, as those of convnets.
    """
    generator = torch.Generator().manual_seed(seed)
    found: list[nn.Parameter] = []
    for module, name in (pair for block in blocks for pair in _weights(block)):
        weight = getattr(module, name)
        adapter = LowRank(weight, rank, alpha, generator).to(weight.device)
        # unsafe: a parametrisation without an inverse
        parametrize.register_parametrization(module, name, adapter, unsafe=True)
        getattr(module.parametrizations, name).original.requires_grad_(False)
        found += [adapter.down, adapter.up]
    if not found:
        raise FineTuningRefused("this model's blocks have no linear maps for LoRA: use --method last-blocks or full")
    return found


def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """The weights of the plain model, every adapter added to its own.

    The model stays adapted: torch removes a parametrisation from the class that copies of a module share, so taking it
    off a copy would break the original.
    """
    found = {name: value for name, value in model.state_dict().items() if "parametrizations." not in name}
    for path, module in model.named_modules():
        if parametrize.is_parametrized(module):
            for name in module.parametrizations:
                found[f"{path}.{name}"] = getattr(module, name)
    return {name: value.detach().cpu().contiguous() for name, value in found.items()}


def _weights(block: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for module in block.modules():
        if isinstance(module, nn.MultiheadAttention):
            # Packed, or one for each of queries, keys and values where these differ in width
            names = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
            yield from ((module, name) for name in names if getattr(module, name) is not None)
        elif isinstance(module, nn.Linear):
            yield module, "weight"
