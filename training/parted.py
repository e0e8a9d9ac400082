"""A CLIP whose vector has named parts: builds it from a config file and normalises each part on its own."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor
from torch.nn import functional as F

import training.torch_setup  # noqa: F401  (before open_clip)
from screener.bundle import Part
from training.towers import text_features

DEFAULT_CONFIG = Path(__file__).parent / "config" / "default.json"
MERGES = "merges.txt.gz"


def read_config(path: Path = DEFAULT_CONFIG) -> dict[str, Any]:
    """The config: open_clip's model config under `model`, its preprocessing, parts, windows and the training plan.

    A config with `extends` names another beside it and holds only what differs: objects are merged, the rest replaced.
    """
    own = cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
    base = own.pop("extends", None)
    return own if base is None else _merged(read_config(path.parent / base), own)


def _merged(base: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in own.items():
        base[key] = _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return base


def read_parts(config: Mapping[str, Any]) -> list[Part]:
    """The parts in vector order."""
    return [Part(p["name"], p["start"], p["stop"], tuple(p["for"])) for p in config["parts"]]


def build_clip(config: Mapping[str, Any]) -> CLIP:
    """open_clip's own CLIP class with the config's towers, randomly initialised."""
    model = deepcopy(config["model"])
    return CLIP(model["embed_dim"], vision_cfg=model["vision_cfg"], text_cfg=model["text_cfg"])


def write_open_clip(config: Mapping[str, Any], folder: Path) -> None:
    """Write `open_clip_config.json` and the merges file, so that open_clip's `local-dir:` schema finds the model.

    The merges file has a header and no merges: the vocabulary is the 256 bytes, each as a letter inside a word and as a
    word's last, and the two marks of start and end. The tokenizer therefore knows every script and every odd spelling.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(folder / MERGES, "wb", mtime=0) as file:
        file.write(b"#version: 0.2")
    text = {"model_cfg": config["model"], "preprocess_cfg": config["preprocess"]}
    (folder / "open_clip_config.json").write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")


def build_tokenizer(config: Mapping[str, Any], folder: Path) -> SimpleTokenizer:
    """open_clip's tokenizer over the merges file in `folder`."""
    text = config["model"]["text_cfg"]
    clean = text["tokenizer_kwargs"]["clean"]
    return SimpleTokenizer(bpe_path=str(folder / MERGES), context_length=text["context_length"], clean=clean)


class PartedTowers(torch.nn.Module):
    """The two towers with each part brought to its share of the unit norm: sqrt(1 / parts) for pictures.

    Text vectors are zero outside the parts that serve "text". What the exporter calls `TwoTowers`.
    """

    def __init__(self, clip: CLIP, parts: Sequence[Part]) -> None:
        super().__init__()
        self.clip = clip
        self.parts = list(parts)
        self.context_length = int(clip.context_length)
        self.text_dynamic = True

    def encode_image(self, image: Tensor) -> Tensor:
        """(n, 3, s, s) to unit vectors (n, d)."""
        return join_parts(self.clip.encode_image(image), self.parts)

    def encode_windows(self, image: Tensor, pooling: Tensor) -> Tensor:
        """(n, 3, s, s) and the windows' weights of the feature map's cells (r, h, w) to unit vectors (n, r, d).

        With equal weights that sum to 1 this is `encode_image`, whose trunk takes the mean over all cells.
        """
        trunk = cast(Any, self.clip.visual).trunk
        cells = trunk.forward_features(image).flatten(2).transpose(1, 2)
        return join_parts(trunk.get_classifier()(pooling.flatten(1) @ cells), self.parts)

    def encode_text(self, text: Tensor) -> Tensor:
        """(n, length) to unit vectors (n, d) with zeros in the parts that words do not reach."""
        vectors = text_features(self.clip, text)
        kept = [
            F.normalize(vectors[:, p.start : p.stop], dim=-1) if "text" in p.uses else vectors[:, p.start : p.stop] * 0
            for p in self.parts
        ]
        return torch.cat(kept, dim=-1)


def join_parts(vectors: Tensor, parts: Sequence[Part]) -> Tensor:
    """Each part normalised and scaled so that the whole (..., d) has unit norm."""
    share = 1.0 / math.sqrt(len(parts))
    return torch.cat([F.normalize(vectors[..., p.start : p.stop], dim=-1) * share for p in parts], dim=-1)
