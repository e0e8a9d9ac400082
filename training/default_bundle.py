"""Turns a checkpoint into the default bundle: fp16 weights, int8 export, operating points, background and card."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from screener.bundle import load_bundle
from screener.dense import Dense
from screener.encoder import Encoder
from screener.preprocess import ImagePreprocess
from training.batches import BatchMaker, Plan
from training.card import card_text, notice_text
from training.edits import copy_of
from training.evaluate import evaluate_bundle
from training.export import annotate_bundle, export_bundle
from training.library import Library
from training.operating_points import RATES, SHARES, USES, Trials, held_out_trials, operating_point, whole_vectors
from training.parted import MERGES, PartedTowers, build_clip, build_tokenizer, read_parts, write_open_clip

BACKGROUND = 1024
"""Vectors of pictures of nothing registered that the bundle carries."""
CALIBRATION = 192
TRIAL_BATCHES = 24
HELD_OUT_DATA = "held-out training-side pictures"


def write_default_bundle(
    config: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    library: Library,
    out: Path,
    *,
    seed: int,
    source: Mapping[str, Any],
    precision: str = "int8",
    data: Path | None = None,
) -> dict[str, dict[str, float]]:
    """Write the bundle at `out` (must not exist) and return the protocols' figures (empty without `data`).

    Weights go to the bundle as float16 and are exported after that rounding, so the graph is exactly what
    `model.safetensors` says.
    """
    rounded = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    clip = build_clip(config)
    clip.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in rounded.items()}
    )
    towers = PartedTowers(clip.eval(), read_parts(config)).eval()
    with tempfile.TemporaryDirectory() as scratch:
        write_open_clip(config, Path(scratch))
        save_file({name: value.contiguous() for name, value in rounded.items()}, Path(scratch) / "model.safetensors")
        export_bundle(
            towers,
            image_preprocess(config),
            build_tokenizer(config, Path(scratch)),
            out,
            name=str(config["name"]),
            precision="int8" if precision == "int8" else "fp32",
            calibration=calibration_pictures(library, seed),
            parts=read_parts(config),
            dense=Dense.from_json(config["dense"]),
            source=source,
            model_config=json.loads((Path(scratch) / "open_clip_config.json").read_text(encoding="utf-8")),
            weights=Path(scratch) / "model.safetensors",
            int8_bound=0.95,
        )
        shutil.copyfile(Path(scratch) / MERGES, out / MERGES)
    encoder = Encoder(load_bundle(out), workers=1)
    background = background_vectors(encoder, library, seed)
    trials = measure_trials(encoder, library, config, seed, background)
    points = {
        use: operating_point(trials[use], RATES[use], HELD_OUT_DATA, SHARES[use]) for use in USES if use in trials
    }
    curve = {
        use: [asdict(operating_point(trials[use], rate, HELD_OUT_DATA, SHARES[use])) for rate in (1e-3, 1e-4)]
        for use in points
    }
    encoder.close()
    # What is measured is what will be served: with the background and the points in place
    annotate_bundle(out, operating_points=points, background=background)
    encoder = Encoder(load_bundle(out), workers=1)
    figures = evaluate_bundle(encoder, data) if data is not None else {}
    encoder.close()
    bundle = load_bundle(out)
    card = card_text(bundle, points, figures, library, source)
    annotate_bundle(
        out,
        metrics={"protocols": figures, "operating_curve": curve},
        card=card,
        notice=notice_text(),
    )
    return figures


def image_preprocess(config: Mapping[str, Any]) -> ImagePreprocess:
    """The serving side of the config's open_clip preprocessing."""
    settings = config["preprocess"]
    return ImagePreprocess(
        size=config["model"]["vision_cfg"]["image_size"],
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
        resize_mode=settings["resize_mode"],
        interpolation=settings["interpolation"],
    )


def calibration_pictures(library: Library, seed: int) -> list[NDArray[np.uint8]]:
    """Pictures for int8 ranges: half as they are, half edited, from the training side."""
    rng = np.random.default_rng((seed, 11))
    maker = BatchMaker(library, Plan(8, 8, 2, 2, 1), (224,), seed)
    pictures: list[NDArray[np.uint8]] = []
    for step in range(CALIBRATION // 32):
        pictures += list(maker.make(step).pixels)
    return [pictures[int(n)] for n in rng.permutation(len(pictures))[:CALIBRATION]]


def measure_trials(
    encoder: Encoder, library: Library, config: Mapping[str, Any], seed: int, background: NDArray[np.float32]
) -> dict[str, Trials]:
    """Genuine and wrong pairs of held-out pictures, marks and fonts; never of a measuring set."""
    side = config["model"]["vision_cfg"]["image_size"]
    maker = BatchMaker(library, Plan(16, 12, 8, 0, 0), (side,), seed, held_out=True)
    return held_out_trials(encoder, maker, TRIAL_BATCHES, background)


def background_vectors(encoder: Encoder, library: Library, seed: int) -> NDArray[np.float32]:
    """Vectors (BACKGROUND, D) of held-out photos, things and marks, as they are and edited."""
    rng = np.random.default_rng((seed, 13))
    maker = BatchMaker(library, Plan(4, 0, 0, 0, 0), (224,), seed, held_out=True)
    numbers = library.select("photo", "thing", "logo", held_out=True)
    images = []
    for step in range(BACKGROUND):
        image = maker.flat(int(rng.choice(numbers)), rng)
        images.append(copy_of(image, rng, maker.props(rng)) if step % 2 else image)
    return whole_vectors(encoder, images)


def checkpoint_weights(path: Path) -> tuple[int, dict[str, Tensor]]:
    """The step and the averaged weights of a run's state file."""
    held = torch.load(path, weights_only=True, map_location="cpu")
    return int(held["step"]), {**held["model"], **held["average"]}
