"""Opens what a fine-tuning begins from: a bundle that carries its weights, or an open_clip model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

import training.torch_setup  # noqa: F401  (before open_clip)
from screener.bundle import USES, Bundle, Part, load_bundle
from screener.dense import Dense
from screener.errors import BundleRefused
from screener.preprocess import ImagePreprocess
from training.errors import ExportRefused
from training.finetune.data import FineTuningRefused
from training.parted import MERGES, PartedTowers, build_clip, build_tokenizer
from training.pretrained import OpenModel, open_model
from training.tokenizer_file import OpenClipTokenizer

WEIGHTS, CONFIG = "model.safetensors", "open_clip_config.json"


@dataclass(frozen=True, slots=True)
class Start:
    """A model to begin from.

    `model` is open_clip's; `parts` are those of its vector, joined as `PartedTowers` does where `parted`. `bundle` is
    the one that it came out of, if any; `merges` that bundle's file of the tokenizer's merges. `identity` names the
    weights: the bundle's id, or the checkpoint's hash.
    """

    name: str
    identity: str
    model: torch.nn.Module
    tokenizer: OpenClipTokenizer
    preprocess: ImagePreprocess
    parts: tuple[Part, ...]
    parted: bool
    dense: Dense | None
    config: Mapping[str, Any]
    source: Mapping[str, Any]
    bundle: Bundle | None
    merges: Path | None

    def part(self, use: str) -> Part:
        """The part that serves a use. FineTuningRefused where none does."""
        found = next((part for part in self.parts if use in part.uses), None)
        if found is None:
            raise FineTuningRefused(f"{self.name} has no part for the use {use!r}")
        return found


def start_from_bundle(path: Path, *, tokenizer: Path | None = None) -> Start:
    """A bundle that has its weights in it.

    Raises
    ------
    FineTuningRefused
        when it has none, or they are not of its model
    BundleRefused
        when the bundle is damaged
    """
    bundle = load_bundle(path)
    files = bundle.manifest["files"]
    if WEIGHTS not in files or CONFIG not in files:
        raise FineTuningRefused(
            f"bundle {bundle.id} ({path}) does not carry the weights to start from ({WEIGHTS} and {CONFIG}): start "
            "from the checkpoint it was exported from, with --model NAME --pretrained CHECKPOINT"
        )
    config = json.loads((path / CONFIG).read_text("utf-8"))
    if len(bundle.parts) == 1:
        opened = _opened(bundle.name, config=path / CONFIG, pretrained=str(path / WEIGHTS), tokenizer=tokenizer)
        return _plain(opened, bundle.name, bundle.id, bundle)
    if bundle.dense is None or MERGES not in files:
        raise FineTuningRefused(f"bundle {bundle.id} has parts, but no windows or no {MERGES}: not a model made here")
    settings = {"model": config["model_cfg"], "preprocess": config["preprocess_cfg"]}
    try:
        weights = load_file(path / WEIGHTS)
        clip = build_clip(settings)
        clip.load_state_dict({name: v.float() if v.is_floating_point() else v for name, v in weights.items()})
    except (RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise FineTuningRefused(f"the weights of {bundle.id} do not fit its model: {str(error)[:300]}") from error
    return Start(
        bundle.name, bundle.id, clip.eval(), build_tokenizer(settings, path), bundle.preprocess, bundle.parts, True,
        bundle.dense, config, {"weights_sha256": _hash(path / WEIGHTS)}, bundle, path / MERGES,
    )  # fmt: skip


def start_from_model(
    name: str,
    *,
    pretrained: str | None = None,
    config: Path | None = None,
    like: str | None = None,
    tokenizer: Path | None = None,
    seed: int | None = None,
) -> Start:
    """An open_clip model with published or local weights, as `training.pretrained.open_model` takes them."""
    opened = _opened(name, config=config, pretrained=pretrained, like=like, tokenizer=tokenizer, seed=seed)
    identity = str(opened.source.get("checkpoint_sha256") or f"{name} seed {seed}")
    return _plain(opened, name, identity, None)


def towers_of(start: Start, model: torch.nn.Module) -> torch.nn.Module:
    """What the exporter takes of a model like the start's."""
    return PartedTowers(model, start.parts).eval() if start.parted else model.eval()


def _opened(name: str, **options: Any) -> OpenModel:
    try:
        return open_model(name, **options)
    except ExportRefused as error:
        raise FineTuningRefused(str(error)) from error


def _plain(opened: OpenModel, name: str, identity: str, bundle: Bundle | None) -> Start:
    with torch.no_grad():
        size = opened.preprocess.size
        dim = int(cast(Any, opened.model).encode_image(torch.zeros(1, 3, size, size)).shape[1])
    parts = (Part("clip", 0, dim, USES),) if bundle is None else bundle.parts
    return Start(
        name, identity, opened.model, opened.tokenizer, opened.preprocess, parts, False, None, opened.config,
        opened.source, bundle, None,
    )  # fmt: skip


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


__all__ = ["BundleRefused", "Start", "start_from_bundle", "start_from_model", "towers_of"]
