"""The command `covers` of listing-screener-train: makes the network that finds hidden patches."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer

_THINGS = 900
"""Drawings and cut-outs that are learnt from, evenly from all there are: photos matter more."""


def covers(
    assets: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, help="Unpacked packages of pictures (docs/training.md)."),
    ],
    out: Annotated[Path, typer.Option(help="The .npz to write.")],
    grocery: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Grocery set whose free photos are learnt from.")
    ] = None,
    draws: Annotated[int, typer.Option(min=1024, help="Pictures to draw.")] = 12_000,
    epochs: Annotated[int, typer.Option(min=1, help="Times that each is learnt from.")] = 10,
    seed: Annotated[int, typer.Option(help="Of everything that is random.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw.")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="Threads that train.")] = 1,
) -> None:
    """Train the network that finds patches hidden by stickers, scribbles, mosaics and blur."""
    import torch

    from training.covers_train import train_covers
    from training.sources import find_sources

    torch.set_num_threads(threads)
    found = list(find_sources(assets, grocery))
    things = [source for source in found if source.kind == "thing"]
    sources = [source for source in found if source.kind in ("photo", "product")]
    sources += things[:: max(len(things) // _THINGS, 1)]
    # Mixed by name, so that every kind is among the held-out ones.
    sources.sort(key=lambda source: hashlib.sha256(source.name.encode()).digest())
    loss, share = train_covers(sources, out, draws=draws, epochs=epochs, seed=seed, workers=workers)
    typer.echo(f"{out}: loss {loss:.3f}, {share:.1%} of hidden patches found in held-out pictures")
