"""A tiny market to fine-tune on, in memory, and tiny models to begin from."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from training_library import drawn

from brands.model import BrandDetails

SIDE = 64


@dataclass(frozen=True, slots=True)
class Ref:
    id: str
    brand_id: str
    kind: Any
    sha256: str
    box: Any = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    screening_id: str
    listing: Mapping[str, Any]
    group: str
    split: str
    label: str
    brand_id: str | None
    pictures: tuple[str, ...]
    appraisals: tuple[str, ...] = ()
    overturned: bool = False


@dataclass(frozen=True, slots=True)
class Brand:
    id: str
    details: BrandDetails


@dataclass
class Market:
    """A source of training; a picture named in `forbidden` must not be asked for."""

    id: str = "dst_tiny"
    rows: list[Row] = field(default_factory=list)
    references: list[Ref] = field(default_factory=list)
    brands: list[Brand] = field(default_factory=list)
    hashes: dict[str, Any] = field(default_factory=dict)
    bytes: dict[str, bytes] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)

    def picture(self, sha256: str) -> bytes:
        assert sha256 not in self.forbidden, "a picture that may not be learned from was read"
        return self.bytes[sha256]

    def add(self, image: Image.Image) -> str:
        stream = io.BytesIO()
        image.convert("RGB").save(stream, "PNG")
        sha256 = hashlib.sha256(stream.getvalue()).hexdigest()
        self.bytes[sha256] = stream.getvalue()
        return sha256


def shot(seed: int, number: int, *, fake: bool = False) -> Image.Image:
    """Photo `number` of thing `seed`: moved and lit otherwise; a copy of it has a bar in another colour."""
    rng = np.random.default_rng((seed, number, int(fake)))
    image = drawn(seed)
    if fake:
        ImageDraw.Draw(image).rectangle((20, 30, 76, 40), fill=(255, 0, 200))
    page = Image.new("RGB", image.size, tuple(rng.integers(0, 256, 3).tolist()))
    width = int(rng.integers(70, 96))
    page.paste(image.resize((width, width * 3 // 4)), tuple(rng.integers(0, 8, 2).tolist()))
    return Image.fromarray(np.clip(np.asarray(page) * rng.uniform(0.8, 1.2), 0, 255).astype(np.uint8))


def market() -> Market:
    """Four brands with two products each, a known fake, marks; listings of ten groups, some kept from training."""
    made = Market()
    for number in range(4):
        brand = f"brd_{number}"
        made.brands.append(Brand(brand, BrandDetails(name=f"Norv{'aeio'[number]}kka", aliases=())))
        for product in range(2):
            thing = 10 * number + product
            made.references.append(Ref(f"ref_{thing}_a", brand, "authentic", made.add(shot(thing, 0))))
            made.references.append(Ref(f"ref_{thing}_b", brand, "authentic", made.add(shot(thing, 1))))
        made.references.append(Ref(f"ref_{number}_f", brand, "known_fake", made.add(shot(10 * number, 0, fake=True))))
        made.references.append(
            Ref(f"ref_{number}_m", brand, "logo", made.add(drawn(500 + number)), (0.1, 0.1, 0.8, 0.9))
        )
        made.references.append(Ref(f"ref_{number}_n", brand, "negative", made.add(shot(900 + number, 0))))
    for number in range(30):
        brand, fake = number % 4, number % 3 == 0
        thing = 10 * brand + (0 if fake else number % 2)
        split = "test" if number >= 26 else "calibrate" if number >= 24 else "train"
        pictures = tuple(made.add(shot(thing, 100 + 10 * number + n, fake=fake)) for n in range(2))
        made.rows.append(
            Row(
                f"scr_{number}", {"title": f"Norv{'aeio'[brand]}kka {number}"}, f"group-{number % 12}-{split}", split,
                "counterfeit" if fake else "authentic", f"brd_{brand}", pictures, (f"app_{number}",), number % 7 == 1,
            )
        )  # fmt: skip
    made.forbidden = {sha for row in made.rows if row.split != "train" for sha in row.pictures}
    return made


def tiny_config() -> dict[str, Any]:
    """The default encoder's shape with timm's smallest convnet and a text tower of one layer."""
    from training.parted import read_config

    config = read_config()
    config["name"] = "tiny-lite"
    config["model"]["vision_cfg"].update(timm_model_name="test_efficientnet", image_size=SIDE)
    config["dense"]["size"] = 96
    config["model"]["text_cfg"].update(width=32, heads=2, layers=2, context_length=40)
    return config


def write_start(out: Path) -> Path:
    """A bundle of that shape with random weights, which it carries."""
    import shutil
    import tempfile

    import torch
    from safetensors.torch import save_file

    from screener.bundle import OperatingPoint
    from screener.dense import Dense
    from training.default_bundle import image_preprocess
    from training.export import annotate_bundle, export_bundle
    from training.parted import MERGES, PartedTowers, build_clip, build_tokenizer, read_parts, write_open_clip

    config = tiny_config()
    torch.manual_seed(0)
    clip = build_clip(config).eval()
    for part in read_parts(config):
        if "text" not in part.uses:
            clip.text_projection.data[:, part.start : part.stop] = 0
    rounded = {n: v.half() if v.is_floating_point() else v for n, v in clip.state_dict().items()}
    clip.load_state_dict({n: v.float() if v.is_floating_point() else v for n, v in rounded.items()})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_open_clip(config, folder)
        save_file({n: v.contiguous() for n, v in rounded.items()}, folder / "model.safetensors")
        export_bundle(
            PartedTowers(clip, read_parts(config)).eval(),
            image_preprocess(config),
            build_tokenizer(config, folder),
            out,
            name=config["name"],
            parts=read_parts(config),
            dense=Dense.from_json(config["dense"]),
            model_config=json.loads((folder / "open_clip_config.json").read_text("utf-8")),
            weights=folder / "model.safetensors",
        )
        shutil.copyfile(folder / MERGES, out / MERGES)
    rng = np.random.default_rng(0)
    background = rng.normal(size=(24, 512)).astype(np.float32)
    points = {
        use: OperatingPoint(score, 1e-3, None, "drawn", share)
        for use, score, share in (("copy", 0.97, 0.0), ("product", 0.9, 0.0), ("logo", 0.8, 0.5), ("text", 0.5, 0.0))
    }
    annotate_bundle(
        out, operating_points=points, background=background / np.linalg.norm(background, axis=1, keepdims=True)
    )
    return out


def tiny_vit(folder: Path) -> Path:
    """An open_clip config of a small transformer with the usual tokenizer."""
    config = {
        "model_cfg": {
            "embed_dim": 32,
            "vision_cfg": {"image_size": SIDE, "layers": 2, "width": 64, "head_width": 16, "patch_size": 16},
            "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
        },
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"},
    }
    file = folder / "tiny_vit.json"
    file.write_text(json.dumps(config), "utf-8")
    return file
