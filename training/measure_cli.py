"""The commands `benchmark` and `evaluate listings` of listing-screener-train."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def benchmark(
    references: Annotated[int, typer.Option(min=1, help="References in the index.")] = 100_000,
    listings: Annotated[int, typer.Option(min=1, help="Listings at each concurrency.")] = 100,
    peer_listings: Annotated[int, typer.Option(min=1, help="Listings given to the peer.")] = 12,
    pictures: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of pictures to take; else drawn ones.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Time the service over HTTP beside eager open_clip ViT-B-32 with FAISS, in one run."""
    from training.benchmark import print_benchmark, run_benchmark

    figures = run_benchmark(references=references, listings=listings, peer_listings=peer_listings, pictures=pictures)
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
    else:
        print_benchmark(figures)


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
