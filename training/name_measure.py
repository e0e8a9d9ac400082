"""Measures the text tower on real photos: a brand's name among many, by the pictures alone; a name's pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from training.errors import TrainingError

if TYPE_CHECKING:
    from screener.encoder import Encoder

SETS = ("logos", "grocery")
DISTRACTORS = 1000
SEED = 990_019
"""Training draws its names with other seeds."""


@dataclass(frozen=True, slots=True)
class NameFigures:
    """Photos to names, the best of a photo's regions for marks: shares of right names at the first places.

    `chance` is the top-1 of a guess. `found` is the share of photos on which the right name reaches the bundle's
    operating point for text, `wrong` that on which another name does so and is higher; both 0 without such a point.
    """

    photos: int
    names: int
    chance: float
    top_1: float
    top_10: float
    median_rank: float
    found: float
    wrong: float


def names(
    data: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Directory with the measuring sets: logos, grocery.")
    ],
    bundle: Annotated[Path | None, typer.Option(help="A bundle directory; the embedded one if not given.")] = None,
    distractors: Annotated[int, typer.Option(min=0, help="Invented names beside the real ones.")] = DISTRACTORS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for a brand's name among many by pictures alone, with the text tower."""
    from screener.bundle import load_bundle
    from screener.encoder import Encoder
    from screener.settings import embedded_bundle

    encoder = Encoder(load_bundle(bundle or embedded_bundle()), workers=2)
    try:
        figures = measure_names(encoder, data, distractors)
    finally:
        encoder.close()
    if as_json:
        typer.echo(json.dumps({name: asdict(found) for name, found in figures.items()}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Names of brands found for photos by the text tower")
    for column in ("set", *NameFigures.__dataclass_fields__):
        table.add_column(column.replace("_", " "), justify="left" if column == "set" else "right", overflow="fold")
    for name, found in figures.items():
        table.add_row(name, *(str(cell) for cell in asdict(found).values()))
    Console().print(table)


def measure_names(encoder: Encoder, data: Path, distractors: int = DISTRACTORS) -> dict[str, NameFigures]:
    """Figures by set, over its query photos. TrainingError if `data` holds none, or the encoder has no text part."""
    found = {
        name: _measure(encoder, data / name, distractors) for name in SETS if (data / name / "manifest.json").is_file()
    }
    if not found:
        raise TrainingError(f"{data} holds none of {', '.join(SETS)}")
    return found


def _measure(encoder: Encoder, folder: Path, distractors: int) -> NameFigures:
    from screener.cosines import part_cosines
    from screener.regions import region_uses
    from training.embedders import BundleEmbedder
    from training.protocols import ranks_of

    part = encoder.bundle.part_for("text")
    if part is None:
        raise TrainingError(f"{encoder.bundle.name} has no part for text")
    rows = [row for row in json.loads((folder / "manifest.json").read_text("utf-8")) if row["kind"] == "query"]
    brands = sorted({str(row["brand"]) for row in rows})
    known = [*brands, *_invented(distractors, brands)]
    seen = BundleEmbedder(encoder).encode_pictures([folder / str(row["image"]) for row in rows])
    marks = [n for n, own in enumerate(region_uses(seen.shape[1], encoder.bundle.dense)) if "logo" in own]
    words = encoder.encode_texts(known)
    scores = np.stack([part_cosines(part, picture[marks], words).max(axis=0) for picture in seen])
    right = np.array([[name == row["brand"] for name in known] for row in rows])
    ranks = ranks_of(scores, right)
    point = encoder.bundle.operating_points.get("text")
    own, other = (np.where(mask, scores, -np.inf).max(axis=1) for mask in (right, ~right))
    least = point.score if point else np.inf
    return NameFigures(
        photos=len(rows),
        names=len(known),
        chance=round(1 / len(known), 4),
        top_1=round(float(np.mean(ranks <= 1)), 4),
        top_10=round(float(np.mean(ranks <= 10)), 4),
        median_rank=float(np.median(ranks)),
        found=round(float(np.mean((own >= least) & (own > other))), 4),
        wrong=round(float(np.mean((other >= least) & (other >= own))), 4),
    )


def _invented(count: int, taken: Sequence[str]) -> list[str]:
    """So many names of Latin letters that are not taken, always the same."""
    from training.names import invent_name

    rng = np.random.default_rng(SEED)
    lower = {name.lower() for name in taken}
    found: dict[str, None] = {}
    while len(found) < count:
        name = invent_name(rng, "latin")
        if name.lower() not in lower:
            found[name] = None
    return list(found)
