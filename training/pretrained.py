"""Builds an open_clip model, its image settings and its tokenizer from a name or a config, and weights."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from screener.preprocess import ImagePreprocess

from .errors import ExportRefused, WeightsUnavailable
from .tokenizer_file import OpenClipTokenizer
from .torch_setup import open_clip

_T = TypeVar("_T")
_TAG_KEYS = ("mean", "std", "interpolation", "resize_mode", "fill_color")


@dataclass(frozen=True, slots=True)
class OpenModel:
    """An open_clip model ready to export. ``config`` is what ``open_clip_config.json`` holds, ``source`` its origin."""

    model: torch.nn.Module
    preprocess: ImagePreprocess
    tokenizer: OpenClipTokenizer
    config: Mapping[str, Any]
    source: Mapping[str, Any]


def open_model(
    name: str,
    *,
    config: Path | None = None,
    pretrained: str | None = None,
    like: str | None = None,
    tokenizer: Path | None = None,
    seed: int | None = None,
) -> OpenModel:
    """Build a model of open_clip's list, or of a config file, with weights.

    ``pretrained``: a tag of open_clip, or a local checkpoint (.safetensors, .pt, .bin; loaded without unpickling
    objects). ``like``: the tag whose picture settings and activation a local checkpoint was trained with; needed only
    where the model's tags differ in them. ``seed``: random weights instead of ``pretrained``. ``tokenizer``: a local
    tokenizer directory (or the tokenizer.json in it) in place of the one the config names.

    ``ExportRefused`` for names and options that do not fit, ``WeightsUnavailable`` where a download fails.
    """
    if (pretrained is None) == (seed is None):
        raise ExportRefused("give --pretrained TAG or PATH, or --random-weights with --seed (for tests), and not both")
    data = _config(name, config)
    checkpoint = Path(pretrained) if pretrained is not None and Path(pretrained).is_file() else None
    tag = like if checkpoint or pretrained is None else pretrained
    settings = {} if seed is not None and like is None else _tag_settings(name, tag, alone=config is not None)
    source: dict[str, Any] = {"model": name, "pretrained": pretrained, "like": tag, "seed": seed}
    if pretrained is not None and checkpoint is None:
        checkpoint = _download(name, pretrained, settings)
    if checkpoint is not None:
        source |= {"pretrained": tag or checkpoint.name, "checkpoint_sha256": _file_hash(checkpoint)}
    image = {**data.get("preprocess_cfg", {}), **{key: settings[key] for key in _TAG_KEYS if key in settings}}
    quick_gelu = bool(settings.get("quick_gelu", False))
    if seed is not None:
        torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        registered = Path(folder) / f"{name}.json"
        registered.write_text(json.dumps(data["model_cfg"]), "utf-8")
        open_clip.add_model_config(registered)
        model = open_clip.create_model(
            name, load_weights=False, pretrained_text=False, force_quick_gelu=quick_gelu, force_preprocess_cfg=image
        )
        words = _tokenizer(name, data["model_cfg"], tokenizer)
    if checkpoint is not None:
        try:
            open_clip.load_checkpoint(model, str(checkpoint), weights_only=True)
        except Exception as error:  # torch and safetensors raise many kinds for files that are not theirs
            raise ExportRefused(f"{checkpoint} does not fit {name}: {str(error)[:500]}") from error
    preprocess = image_preprocess(model)
    written = dict(data["model_cfg"]) | ({"quick_gelu": True} if quick_gelu else {})
    return OpenModel(model.eval(), preprocess, words, {"model_cfg": written, "preprocess_cfg": image}, source)


def image_preprocess(model: torch.nn.Module) -> ImagePreprocess:
    """The image settings of an open_clip model; ``ExportRefused`` where its pictures are not square RGB."""
    settings = open_clip.get_model_preprocess_cfg(model)
    size = settings["size"]
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if sides[0] != sides[1]:
        raise ExportRefused(f"pictures of {sides} pixels: only square ones are served")
    mean, std = (tuple(float(x) for x in settings[key]) for key in ("mean", "std"))
    return ImagePreprocess(
        size=int(sides[0]),
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        resize_mode=settings["resize_mode"],
        # open_clip's "random" is for training; it resizes as "bicubic" when serving.
        interpolation="bilinear" if settings["interpolation"] == "bilinear" else "bicubic",
        fill_color=int(settings["fill_color"]),
    )


def _config(name: str, file: Path | None) -> dict[str, Any]:
    """``{"model_cfg": ..., "preprocess_cfg": ...}`` of a name, or of a file with local paths made absolute."""
    if file is None:
        known = open_clip.get_model_config(name)
        if known is None:
            raise ExportRefused(
                f"open_clip {open_clip.__version__} has no model {name!r}; give --config FILE for your own"
            )
        return {"model_cfg": known}
    try:
        data = json.loads(file.read_text("utf-8"))
        data = data if "model_cfg" in data else {"model_cfg": data}
        text = data["model_cfg"]["text_cfg"]
        if not {"embed_dim", "vision_cfg"} <= set(data["model_cfg"]):
            raise KeyError("embed_dim, vision_cfg")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportRefused(f"{file} is not an open_clip config: {type(error).__name__}: {error}") from error
    for holder, key in ((text, "hf_tokenizer_name"), (text.get("tokenizer_kwargs") or {}, "bpe_path")):
        if holder.get(key) and (file.parent / holder[key]).exists():
            holder[key] = str((file.parent / holder[key]).resolve())
    return data


def _tag_settings(name: str, tag: str | None, *, alone: bool) -> dict[str, Any]:
    """What a published tag says about its weights. Without a tag: what all tags of the model agree on.

    A config of the user's own (``alone``) has no tags and carries its own settings.
    """
    published = open_clip.pretrained
    tags = [] if alone else published.list_pretrained_tags_by_model(name)
    if tag is not None:
        found = {} if alone else published.get_pretrained_cfg(name, tag)
        if not found:
            raise ExportRefused(f"{tag!r} is neither a file nor a tag of {name}; its tags: {', '.join(tags) or 'none'}")
        return dict(found)
    settings = [published.get_pretrained_cfg(name, tag) for tag in tags]
    kinds = {json.dumps({key: found.get(key) for key in (*_TAG_KEYS, "quick_gelu")}) for found in settings}
    if len(kinds) > 1:
        raise ExportRefused(f"the weights of {name} differ in settings; give --like TAG, one of {', '.join(tags)}")
    return {key: value for kind in kinds for key, value in json.loads(kind).items() if value is not None}


def _download(name: str, tag: str, settings: Mapping[str, Any]) -> Path:
    where = settings.get("hf_hub") or settings.get("url")
    advice = (
        f"Download it ({where}) where there is access, bring the checkpoint here and pass "
        f"--pretrained PATH --like {tag}."
    )
    what = f"weights {tag!r} of {name}"
    return Path(_fetched(lambda: str(open_clip.pretrained.download_pretrained(dict(settings))), what, advice))


def _tokenizer(name: str, config: Mapping[str, Any], local: Path | None) -> OpenClipTokenizer:
    text = config["text_cfg"]
    if local is not None:
        folder = local if local.is_dir() else local.parent
        if not (folder / "tokenizer.json").is_file():
            raise ExportRefused(f"{folder} has no tokenizer.json")
        options = dict(text.get("tokenizer_kwargs") or {})
        return open_clip.tokenizer.HFTokenizer(
            str(folder), context_length=text["context_length"], tokenizer_mode=text.get("tokenizer_mode"), **options
        )
    wanted = text.get("hf_tokenizer_name") or name
    advice = (
        f"Download tokenizer.json and tokenizer_config.json of {wanted!r} where there is access, and pass "
        "--tokenizer with the directory that holds them."
    )
    return _fetched(lambda: open_clip.get_tokenizer(name), f"tokenizer {wanted!r}", advice)


def _fetched(download: Callable[[], _T], what: str, advice: str) -> _T:
    """Download, or tell how to go on without a network. The hub's client tries each file six times by itself."""
    try:
        return download()
    except Exception as error:  # urllib, huggingface_hub, transformers and requests each have their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise WeightsUnavailable(f"The {what} could not be downloaded ({reason}). {advice}") from error


def _file_hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
