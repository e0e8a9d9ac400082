"""Writes the bundle of a finished run: weights, int8 towers, thresholds that keep their meaning, background, card."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from screener.bundle import load_bundle
from screener.encoder import Encoder
from training.export import annotate_bundle, export_bundle
from training.finetune.card import card_text
from training.finetune.data import rgb
from training.finetune.start import towers_of
from training.finetune.thresholds import Pairs, held_out_pairs, moved_background, moved_points
from training.finetune.views import View
from training.parted import MERGES

if TYPE_CHECKING:
    from training.finetune.run import Run

CALIBRATION: Final = 96
"""Pictures that int8 ranges are measured on: as many as suffice for the parity that is asked (192 gave the same)."""
INT8_BOUND: Final = 0.95


def write_bundle(run: Run, out: Path, *, seed: int, precision: str, settings: Mapping[str, Any]) -> dict[str, float]:
    """Exports the weights that the run's student has now as the bundle `out`; gives the figures on held-out groups.

    Weights are rounded to float16 and exported after that, so that the graphs are what `model.safetensors` says. The
    bundle is made beside `out` and renamed when it is whole.
    """
    start, trainer = run.start, run.trainer
    making = out.with_name(f".{out.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    weights = {n: v.half() if v.is_floating_point() else v for n, v in trainer.student.merged().items()}
    model = deepcopy(start.model)
    model.load_state_dict({n: v.float() if v.is_floating_point() else v for n, v in weights.items()})
    losses = _losses(run)
    source = {
        **start.source,
        "started_from": f"{start.name} {start.identity}",
        "dataset": settings["dataset"],
        "pictures_fingerprint": settings["pictures"],
        "method": settings["method"],
        "steps": trainer.best_step,
        "blend": settings["blend"],
        "seed": seed,
    }
    with tempfile.TemporaryDirectory() as scratch:
        save_file(weights, Path(scratch) / "model.safetensors")
        export_bundle(
            towers_of(start, model),
            start.preprocess,
            start.tokenizer,
            making,
            name=start.name,
            precision="int8" if precision == "int8" else "fp32",
            calibration=_calibration(run, seed),
            parts=start.parts,
            dense=start.dense,
            source=source,
            model_config=start.config,
            weights=Path(scratch) / "model.safetensors",
            int8_bound=INT8_BOUND,
        )
    if start.merges is not None:
        shutil.copyfile(start.merges, making / MERGES)
    pairs = _pairs(run, making)
    points, recalls = moved_points(pairs)
    background, kept = moved_background(pairs)
    notice = start.bundle.path / "NOTICE" if start.bundle else None
    annotate_bundle(making, operating_points=points, background=background)
    bundle = load_bundle(making)
    figures = {**losses, **recalls, **({"background_cosine": kept} if kept is not None else {})}
    annotate_bundle(
        making,
        metrics={"finetuning": figures},
        card=card_text(bundle, start, run.corpus, settings, trainer.best_step, figures),
        notice=notice.read_text("utf-8") if notice and notice.is_file() else None,
    )
    _publish(making, out)
    return figures


def _losses(run: Run) -> dict[str, float]:
    """Held-out losses of the start and of the weights in place."""
    trainer = run.trainer
    after = trainer.held_out()
    own = {name: value.detach().clone() for name, value in trainer.trained.items()}
    trainer.use(dict(run.views.teacher.model.named_parameters()))
    before = trainer.held_out()
    trainer.use(own)
    rows = {"before": before, "after": after}
    return {f"held_out_{name}_{when}": value for when, row in rows.items() for name, value in row.items()}


def _calibration(run: Run, seed: int) -> list[NDArray[np.uint8]]:
    """Pictures that are trained on, half as they are, half edited, at the size of the largest pass."""
    rng = np.random.default_rng((seed, 11))
    numbers = rng.permutation(run.corpus.of(held_out=False))[:CALIBRATION].tolist()
    return [
        rgb(run.views.picture(View(number, "copy", 20_000) if place % 2 else View(number)))
        for place, number in enumerate(numbers)
    ]


def _pairs(run: Run, made: Path) -> Pairs:
    encoders = [Encoder(load_bundle(made), workers=1)]
    if run.start.bundle is not None:
        encoders.insert(0, Encoder(run.start.bundle, workers=1))
    try:
        return held_out_pairs(run.corpus, run.relations, run.views, encoders)
    finally:
        for encoder in encoders:
            encoder.close()


def _publish(folder: Path, out: Path) -> None:
    """Everything to disk, then the name."""
    for file in [*folder.iterdir(), folder]:
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    folder.rename(out)
    handle = os.open(out.parent, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
