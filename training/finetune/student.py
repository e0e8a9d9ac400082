"""The model under training: what of it is trained, what is frozen, and its vectors before any normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from itertools import pairwise
from typing import Any, Final, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from screener.pooling import pooling_weights
from screener.preprocess import WHOLE, Box
from training.finetune.data import FineTuningRefused
from training.finetune.lora import add_adapters, merged_state
from training.finetune.start import Start
from training.towers import is_dynamic, text_features, text_part
from training.trunk import FrozenStem

Method = Literal["last-blocks", "lora", "full"]
METHODS: Final[tuple[Method, ...]] = ("last-blocks", "lora", "full")
WINDOWS: Final[tuple[Box, ...]] = (
    (0.0, 0.0, 0.7, 0.7), (0.3, 0.0, 1.0, 0.7), (0.0, 0.3, 0.7, 1.0), (0.3, 0.3, 1.0, 1.0),
    (0.0, 0.0, 0.5, 0.5), (0.5, 0.0, 1.0, 0.5), (0.0, 0.5, 0.5, 1.0), (0.5, 0.5, 1.0, 1.0), (0.25, 0.25, 0.75, 0.75),
)  # fmt: skip
"""Windows that are pooled from a dense model's feature map beside the whole picture: those that are served and larger
ones, as the default encoder was trained with."""
_NORMS = (nn.modules.batchnorm._NormBase,)


class Student:
    """A start's copy on a device.

    `frozen` gives what the trained part is fed: the feature map before the first trained stage where that can be told,
    the picture itself elsewhere; it never changes, so it may be kept. Dropout and statistics of batch norms are off.
    """

    def __init__(
        self, start: Start, *, method: Method, blocks: int, rank: int, seed: int, device: torch.device
    ) -> None:
        """`blocks` are the last ones of each tower that `last-blocks` trains, `rank` is that of LoRA's adapters."""
        self.start, self.method, self.device = start, method, device
        self.model = cast(Any, deepcopy(start.model).to(device).eval())
        self.boxes: tuple[Box, ...] = (WHOLE, *WINDOWS) if start.parted else (WHOLE,)
        self.bf16 = device.type == "cuda"  # needs no loss scaling
        self._mean = torch.tensor(start.preprocess.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(start.preprocess.std, device=device).view(1, 3, 1, 1)
        self._dynamic = is_dynamic(self.model)
        self._first = 0
        self._stem: FrozenStem | None = None
        self._choose(method, blocks, rank, seed)
        self.model.visual.to(memory_format=torch.channels_last)

    def _choose(self, method: Method, blocks: int, rank: int, seed: int) -> None:
        image, text = image_blocks(self.model), text_blocks(self.model)
        for value in self.model.parameters():
            value.requires_grad_(method == "full")
        if method == "lora":
            add_adapters([*image, *text], rank=rank, alpha=2.0 * rank, seed=seed)
        elif method == "last-blocks":
            if not image:
                raise FineTuningRefused("the blocks of this image tower are not known: use --method lora or full")
            if not 1 <= blocks <= len(image):
                raise FineTuningRefused(f"--blocks must be 1 to {len(image)} for this image tower")
            for module in (*image[-blocks:], *text[-blocks:]):
                module.requires_grad_(True)
            for value in _heads(self.model, [*image, *text]):
                value.requires_grad_(True)
        for module in self.model.modules():
            if isinstance(module, _NORMS):
                module.requires_grad_(False)
        self.model.logit_scale.requires_grad_(False)
        if method == "last-blocks" and self.start.parted:
            self._first = len(image) - blocks
            self._stem = FrozenStem(self.model.visual.trunk, self._first).to(self.device)

    def trainable(self) -> dict[str, nn.Parameter]:
        """What is trained, by name."""
        return {name: value for name, value in self.model.named_parameters() if value.requires_grad}

    def rate_of(self, name: str) -> Literal["trunk", "heads", "text"]:
        """Which learning rate a parameter has."""
        if not name.startswith("visual."):
            return "text"
        return "heads" if any(word in name for word in ("classifier", "visual.head", "visual.proj")) else "trunk"

    def merged(self) -> dict[str, Tensor]:
        """The model's plain weights, adapters merged."""
        return merged_state(self.model)

    def autocast(self) -> AbstractContextManager[Any]:
        """bf16 on a GPU."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    @torch.no_grad()
    def frozen(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Prepared pictures (n, s, s, 3) to what the trained part is fed, as float16 (or uint8) on the CPU."""
        if self._stem is None:
            return torch.from_numpy(np.ascontiguousarray(pixels))
        features: Tensor = self._stem(self._image(torch.from_numpy(pixels)))
        return features.half().cpu()

    def windows(self, held: Tensor) -> Tensor:
        """What `frozen` gave, (n, ...), to vectors (n, windows, d), the whole picture first, not normalised."""
        held = held.to(self.device)
        with self.autocast():
            if not self.start.parted:
                return torch.as_tensor(self.model.encode_image(self._image(held))).float()[:, None]
            trunk = self.model.visual.trunk
            if self._stem is None:
                features = trunk.bn1(trunk.conv_stem(self._image(held)))
            else:
                features = held.float().contiguous(memory_format=torch.channels_last)
            for stage in list(trunk.blocks)[self._first :]:
                features = stage(features)
            features = trunk.bn2(trunk.conv_head(features))
            weights = torch.from_numpy(pooling_weights(self.boxes, features.shape[-1])).flatten(1).to(features)
            pooled = torch.einsum("ncp,kp->nkc", features.flatten(2), weights)
            return torch.as_tensor(trunk.classifier(pooled)).float()

    def words(self, texts: Sequence[str]) -> Tensor:
        """Text vectors (n, d), not normalised."""
        tokens = self.start.tokenizer(list(texts)).to(self.device)
        with self.autocast():
            if not self._dynamic:
                return torch.as_tensor(self.model.encode_text(tokens)).float()
            # Rows of like length together and cut to it: most names are short, the context is long
            lengths = _lengths(tokens, self.model)
            rows, vectors = [], []
            for low, high in pairwise([0, 12, 20, 36, tokens.shape[1]]):
                chosen = ((lengths > low) & (lengths <= high)).nonzero()[:, 0]
                if len(chosen):
                    rows.append(chosen)
                    vectors.append(text_features(self.model, tokens[chosen, : int(lengths[chosen].max())]))
            return torch.cat(vectors)[torch.cat(rows).argsort()].float()

    def part(self, vectors: Tensor, use: str) -> Tensor:
        """The unit vectors (..., d') of the part that serves a use."""
        part = self.start.part(use)
        return F.normalize(vectors[..., part.start : part.stop], dim=-1)

    def keep_text_in_its_part(self) -> None:
        """Words have no length in the parts that they do not reach."""
        if self.start.parted:
            for part in self.start.parts:
                if "text" not in part.uses:
                    self.model.text_projection.data[:, part.start : part.stop] = 0

    def _image(self, pixels: Tensor) -> Tensor:
        image = pixels.to(self.device).permute(0, 3, 1, 2).float() / 255
        return ((image - self._mean) / self._std).contiguous(memory_format=torch.channels_last)


def image_blocks(model: nn.Module) -> list[nn.Module]:
    """The blocks of an image tower in order: of open_clip's transformers and ResNets, of timm's trunks."""
    visual: Any = model.visual
    trunk = getattr(visual, "trunk", visual)
    for holder, name in ((getattr(trunk, "transformer", None), "resblocks"), (trunk, "blocks"), (trunk, "stages")):
        if holder is not None and hasattr(holder, name):
            return list(getattr(holder, name))
    return [getattr(trunk, f"layer{n}") for n in range(1, 5) if hasattr(trunk, f"layer{n}")]


def text_blocks(model: nn.Module) -> list[nn.Module]:
    """The blocks of a text tower in order; none where it is not open_clip's own."""
    blocks = getattr(getattr(text_part(model), "transformer", None), "resblocks", None)
    return [] if blocks is None else list(blocks)


def _heads(model: nn.Module, blocks: Sequence[nn.Module]) -> list[nn.Parameter]:
    """Projections, and what else comes after the last block of a tower."""
    inside = {id(value) for block in blocks for value in block.parameters()}
    names = ("conv_head", "classifier", "head", "ln_post", "ln_final", "proj", "text_projection", "attnpool", "norm")
    return [
        value
        for name, value in model.named_parameters()
        if id(value) not in inside and any(word in name.split(".") for word in names)
    ]


def _lengths(tokens: Tensor, model: nn.Module) -> Tensor:
    """Tokens of each row up to its end token, (n,)."""
    text = text_part(model)
    pool = getattr(text, "text_pool_type", None) or getattr(text, "pool_type", "argmax")
    if pool == "argmax":
        return torch.argmax(tokens, dim=1) + 1
    if pool == "eos":
        end = getattr(text, "text_eos_id", None) or getattr(text, "eos_id", None)
        return torch.eq(tokens, cast(int, end)).int().argmax(dim=1) + 1
    return torch.full((len(tokens),), tokens.shape[1], device=tokens.device)
