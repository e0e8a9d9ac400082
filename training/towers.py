"""Wraps a model's two towers into the graphs that a bundle holds: raw pixels and tokens in, unit vectors out."""

from __future__ import annotations

from typing import Any, Protocol, cast, runtime_checkable

import torch
from timm.utils.model import reparameterize_model

from screener.preprocess import ImagePreprocess

from .torch_setup import open_clip

CLIP, CustomTextCLIP = open_clip.model.CLIP, open_clip.model.CustomTextCLIP


@runtime_checkable
class TwoTowers(Protocol):
    """What can be exported besides open_clip's own classes; ``encode_*`` need not normalise."""

    context_length: int
    text_dynamic: bool

    def encode_image(self, image: torch.Tensor) -> torch.Tensor:
        """Float (N, 3, S, S), mean and std applied, to (N, D)."""

    def encode_text(self, text: torch.Tensor) -> torch.Tensor:
        """Int64 (N, L) to (N, D); where ``text_dynamic``, any L, and nothing after the end token counts."""


@runtime_checkable
class DenseTowers(TwoTowers, Protocol):
    """What can be exported as a dense bundle."""

    def encode_windows(self, image: torch.Tensor, pooling: torch.Tensor) -> torch.Tensor:
        """Float (N, 3, s, s), mean and std applied, and weights (r, s / 32, s / 32) to (N, r, D).

        With equal weights it must be ``encode_image``.
        """


def text_part(model: torch.nn.Module) -> Any:
    """What holds the text tower and its ``context_length``: ``model.text`` of a CustomTextCLIP, else the model."""
    return model.text if isinstance(model, CustomTextCLIP) else model


def is_dynamic(model: torch.nn.Module) -> bool:
    """Whether cutting the padding off a row leaves its text vector as it is.

    So it is where attention is causal and the pooled place is found by the tokens themselves: nothing before the end
    token sees what follows it. Towers that attend both ways, append a class token or pool the last place need rows of
    the length they were trained with.
    """
    if not isinstance(model, CLIP | CustomTextCLIP):
        return bool(getattr(model, "text_dynamic", False))
    text = text_part(model)
    if isinstance(model, CLIP):
        return text.attn_mask is not None and text.text_pool_type in ("argmax", "eos", "first")
    plain = isinstance(text, open_clip.transformer.TextTransformer) and text.cls_emb is None
    return plain and text.attn_mask is not None and text.pool_type in ("argmax", "eos", "first")


def text_features(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """Text vectors (N, D) of an open_clip model whose tower ``is_dynamic``, from tokens (N, L) of any L it can place.

    open_clip's own ``encode_text`` adds the whole table of positions and so takes rows of the full length only.
    """
    text = text_part(model)
    length = tokens.shape[1]
    hidden = text.token_embedding(tokens) + text.positional_embedding[:length]
    hidden = text.ln_final(text.transformer(hidden, attn_mask=text.attn_mask[:length, :length]))
    pool, end = (text.text_pool_type, text.text_eos_id) if isinstance(model, CLIP) else (text.pool_type, text.eos_id)
    pooled = open_clip.transformer.text_global_pool(hidden, tokens, pool, eos_token_id=end)
    projection = text.text_projection
    if projection is None:
        return cast(torch.Tensor, pooled)
    return cast(torch.Tensor, projection(pooled) if isinstance(projection, torch.nn.Linear) else pooled @ projection)


class ImageTower(torch.nn.Module):
    """uint8 (N, S, S, 3) to unit vectors (N, D)."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: torch.nn.Module, preprocess: ImagePreprocess) -> None:
        super().__init__()
        # open_clip's encode_image is its visual tower; alone, it can be fused without copying the text tower.
        self.encode = _fused(model.visual) if isinstance(model, CLIP | CustomTextCLIP) else _ImageEncode(model)
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocess.std).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.encode(self._image(pixels)), dim=-1)

    def _image(self, pixels: torch.Tensor) -> torch.Tensor:
        return (pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std


class WindowTower(ImageTower):
    """uint8 (N, s, s, 3) and weights (r, s / 32, s / 32) to unit vectors (N, r, D)."""

    def __init__(self, model: torch.nn.Module, preprocess: ImagePreprocess) -> None:
        super().__init__(model, preprocess)
        self.encode = _WindowEncode(model)

    def forward(self, pixels: torch.Tensor, pooling: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return torch.nn.functional.normalize(self.encode(self._image(pixels), pooling), dim=-1)


class TextTower(torch.nn.Module):
    """int64 (N, L) to unit vectors (N, D)."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model
        self.any_length = is_dynamic(model) and isinstance(model, CLIP | CustomTextCLIP)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        vectors = text_features(self.model, tokens) if self.any_length else cast(Any, self.model).encode_text(tokens)
        return torch.nn.functional.normalize(vectors, dim=-1)


class _ImageEncode(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = _fused(model)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, cast(Any, self.model).encode_image(image))


class _WindowEncode(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = _fused(model)

    def forward(self, image: torch.Tensor, pooling: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, cast(Any, self.model).encode_windows(image, pooling))


def _fused(module: torch.nn.Module) -> torch.nn.Module:
    """A copy with the branches of mobile convnets merged into one convolution each, where it has any."""
    mergeable = any(hasattr(part, "reparameterize") or hasattr(part, "fuse") for part in module.modules())
    return cast(torch.nn.Module, reparameterize_model(module)) if mergeable else module
