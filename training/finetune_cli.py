"""The command `encoder finetune` of listing-screener-train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.errors import TrainingError


def finetune(
    dataset: Annotated[Path, typer.Option(help="Folder of a frozen data set (`dataset freeze`).")],
    work: Annotated[Path, typer.Option(help="Folder for the run's state and log; the same command goes on.")],
    out: Annotated[Path, typer.Option(help="Directory of the new bundle; must not exist.")],
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle to begin from, with its weights in it; the embedded one if not given.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Begin from this model of open_clip's list instead.")] = None,
    pretrained: Annotated[
        str | None, typer.Option(help="Weights of --model: a tag of open_clip, or a local checkpoint.")
    ] = None,
    like: Annotated[str | None, typer.Option(help="Tag whose settings a local checkpoint was trained with.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="Local tokenizer directory with tokenizer.json.")] = None,
    method: Annotated[
        str, typer.Option(help="What is trained: last-blocks, lora (transformers only) or full.")
    ] = "last-blocks",
    blocks: Annotated[int, typer.Option(help="Blocks of each tower that last-blocks trains.")] = 2,
    rank: Annotated[int, typer.Option(help="Rank of LoRA's adapters.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Steps, unless it stops early.")] = 150,
    side: Annotated[int, typer.Option(help="Pixels a side in training; 0: as served.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Batches so many times as large as a CPU's.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda (bf16).")] = "cpu",
    threads: Annotated[int, typer.Option(help="Torch threads.")] = 1,
    workers: Annotated[int, typer.Option(help="Threads that draw pictures.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 1,
    precision: Annotated[str, typer.Option(help="int8 or fp32.")] = "int8",
    until: Annotated[int | None, typer.Option(help="Stop after this step; the same command goes on later.")] = None,
    mlflow: Annotated[str | None, typer.Option(help="Address of MLflow to track in (extra mlflow).")] = None,
) -> None:
    """Fine-tune an encoder on a marketplace's references, known fakes and appraised listings, and write its bundle.

    Reads only the split `train`. Killed or stopped, the same command goes on to the same weights.
    """
    from screener.settings import embedded_bundle
    from training.finetune.run import Options
    from training.finetune.run import finetune as run
    from training.finetune.start import start_from_bundle, start_from_model
    from training.finetune.student import METHODS
    from training.finetune.trainer import Schedule
    from training.frozen import open_dataset

    if method not in METHODS or precision not in ("int8", "fp32"):
        raise typer.BadParameter(f"--method is one of {', '.join(METHODS)}; --precision int8 or fp32")
    if model is not None and bundle is not None:
        raise typer.BadParameter("begin from --bundle or from --model, not from both")
    if model is not None and pretrained is None:
        raise TrainingError("--model needs its weights: --pretrained TAG or CHECKPOINT")
    frozen = open_dataset(dataset)
    if model is not None:
        start = start_from_model(model, pretrained=pretrained, like=like, tokenizer=tokenizer)
    else:
        start = start_from_bundle(bundle or embedded_bundle(), tokenizer=tokenizer)
    options = Options(method=method, blocks=blocks, rank=rank, side=side, schedule=Schedule(steps=steps)).larger(batch)
    made = run(
        frozen, start, work, out, seed=seed, device=device, threads=threads, workers=workers, options=options,
        precision=precision, mlflow=mlflow, until=until,
    )  # fmt: skip
    typer.echo(f"wrote {made}" if made.is_dir() else f"stopped at step {until}; the same command goes on")


def finetuning(
    work: Annotated[Path, typer.Option(help="Folder for market, run and bundle; what is there is not made again.")],
    appraised: Annotated[int, typer.Option(min=20, help="Appraised listings to learn from, half counterfeit.")] = 200,
    steps: Annotated[int, typer.Option(min=1, help="Steps.")] = 120,
    seed: Annotated[int, typer.Option(help="Seed of everything random but the market.")] = 1,
    threads: Annotated[int, typer.Option(help="Torch threads.")] = 1,
    bundle: Annotated[Path | None, typer.Option(help="Bundle to begin from; the embedded one if not given.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Directory with the measuring sets: does general quality suffer?")
    ] = None,
) -> None:
    """What fine-tuning brings on a simulated market: known copies told from the genuine in photos nobody trained on."""
    from screener.settings import embedded_bundle
    from training.finetune.measure import measure_finetuning

    found = measure_finetuning(
        work, count=appraised, steps=steps, seed=seed, threads=threads, data=data, start=bundle or embedded_bundle()
    )
    for when, row in found.items():
        typer.echo(f"{when:8}" + "  ".join(f"{name} {value:.3f}" for name, value in row.items()))
