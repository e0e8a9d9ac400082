"""The console command ``listing-screener-train``."""

from __future__ import annotations

import logging
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from .candidate_cli import candidate
from .covers_cli import covers
from .day.cli import day
from .discover_measure import discover
from .encoder_cli import encoder_app, evaluate_app
from .errors import ExportRefused, TrainingError
from .facts_measure import facts
from .finetune_cli import finetuning
from .frozen_cli import dataset_app
from .impact_measure import impact
from .judge_cli import train as train_judge
from .market.cli import market
from .measure_cli import benchmark, listings, uploads
from .name_measure import names
from .reading_measure import reading
from .registry_cli import registry
from .signals.cli import app as signals_app
from .spot_checks_sim import spot_checks
from .words_measure import words

app = typer.Typer(
    name="listing-screener-train",
    help="Make and measure the models that the listing screener serves.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


app.add_typer(encoder_app, name="encoder")
app.add_typer(evaluate_app, name="evaluate")
for measure in (candidate, listings, market, words, names, reading, facts, discover):
    evaluate_app.command(measure.__name__)(measure)
benchmark_app = typer.Typer(invoke_without_command=True)
benchmark_app.callback()(benchmark)
benchmark_app.command("registry")(registry)
benchmark_app.command("impact")(impact)
benchmark_app.command("uploads")(uploads)
benchmark_app.command("finetuning")(finetuning)
benchmark_app.command("spot-checks")(spot_checks)
app.add_typer(benchmark_app, name="benchmark")
app.command("covers")(covers)
app.add_typer(signals_app, name="signals")
app.command("day")(day)
judge_app = typer.Typer(help="Judges and policies.", no_args_is_help=True)
judge_app.command("train")(train_judge)
app.add_typer(judge_app, name="judge")
app.add_typer(dataset_app, name="dataset")


@judge_app.callback()
def _judge() -> None:
    """Judges and policies."""


@app.callback()
def _root() -> None:
    """Make and measure the models that the listing screener serves."""


class _Precision(StrEnum):
    fp32 = "fp32"
    int8 = "int8"


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="Directory of the new bundle; must not exist.")],
    model: Annotated[str, typer.Option(help="Model of open_clip's list, or the name of the one in --config.")],
    pretrained: Annotated[str | None, typer.Option(help="Tag of open_clip, or a local checkpoint.")] = None,
    like: Annotated[str | None, typer.Option(help="Tag whose settings a local checkpoint was trained with.")] = None,
    config: Annotated[Path | None, typer.Option(help="An open_clip_config.json of your own model.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="Local tokenizer directory with tokenizer.json.")] = None,
    precision: Annotated[_Precision, typer.Option(help="Numbers inside the towers.")] = _Precision.fp32,
    calibration: Annotated[
        Path | None, typer.Option(help="Pictures for int8 of convnets: a directory, or an .npz of uint8 (n, h, w, 3).")
    ] = None,
    int8_bound: Annotated[float, typer.Option(help="Least mean cosine of int8 with the torch model.")] = 0.90,
    name: Annotated[str | None, typer.Option(help="The bundle's name; the model's if not given.")] = None,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="No weights, for tests; give --seed.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of --random-weights.")] = 0,
) -> None:
    """Export an open_clip model as a bundle that the service can load."""
    # Imported here: torch takes seconds, and --help needs none of it.
    from .calibration import calibration_pictures
    from .export import export_bundle
    from .pretrained import open_model

    if out.exists():
        raise ExportRefused(f"{out} exists; a bundle is never overwritten")
    pictures: list[NDArray[np.uint8]] | None = calibration_pictures(calibration) if calibration else None
    opened = open_model(
        model,
        config=config,
        pretrained=pretrained,
        like=like,
        tokenizer=tokenizer,
        seed=seed if random_weights else None,
    )
    export_bundle(
        opened.model,
        opened.preprocess,
        opened.tokenizer,
        out,
        name=name or model,
        precision=precision.value,
        calibration=pictures,
        source={**opened.source, "command": shlex.join(["listing-screener-train", *sys.argv[1:]])},
        model_config=opened.config,
        int8_bound=int8_bound,
    )
    typer.echo(f"{out}: {describe(out)}")


def describe(path: Path) -> str:
    """One line about a bundle: id, size, precision and parity."""
    from screener.bundle import load_bundle

    bundle = load_bundle(path)
    megabytes = sum(file["bytes"] for file in bundle.manifest["files"].values()) / 1e6
    precision = bundle.manifest["precision"]["image"]
    parity = bundle.manifest["metrics"][f"parity_{precision}"]
    return (
        f"{bundle.id}, {bundle.dim} dimensions, {megabytes:.1f} MB, {precision}, cosine with torch: "
        f"pictures {parity['image_cosine_mean']:.6f} (least {parity['image_cosine_min']:.6f}), "
        f"texts {parity['text_cosine_mean']:.6f} (least {parity['text_cosine_min']:.6f})"
    )


def main() -> None:
    """Run the command. Exit codes: 0 done, 1 refused, 2 wrong usage."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(1) from None
