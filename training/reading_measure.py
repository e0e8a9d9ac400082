"""Measures reading: which brand names are read on real photos, which wrong ones, and how long a picture takes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from training.errors import TrainingError

if TYPE_CHECKING:
    from screener.reading import Line, Reader
    from screener.words import NameFinder

SETS = ("logos", "grocery")


@dataclass(frozen=True, slots=True)
class ReadFigures:
    """Photos of one kind of one set: shares 0..1, and milliseconds for each picture.

    `right` is the share on which the brand's name was read, `only_wrong` that on which other brands' names only,
    `any_wrong` that on which another brand's name was among those read (a neighbour on the shelf counts).
    """

    photos: int
    right: float
    only_wrong: float
    any_wrong: float
    lines: float
    p50_ms: float
    p95_ms: float


def reading(
    data: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Directory with the measuring sets: logos, grocery.")
    ],
    side: Annotated[int | None, typer.Option(min=32, help="Longest side that is read; as served if not given.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Photos of each kind, spread evenly.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read real photos with the served reader on one core and count right and wrong brand names."""
    figures = measure_reading(data, side=side, limit=limit)
    if as_json:
        typer.echo(json.dumps({name: asdict(found) for name, found in figures.items()}, indent=1))
    else:
        print_reading(figures)


def measure_reading(data: Path, *, side: int | None = None, limit: int | None = None) -> dict[str, ReadFigures]:
    """Figures by set and kind of photo ("logos/query", ...), among the names of the set's brands.

    TrainingError without the extra `ocr`, or if `data` holds none of the sets.
    """
    from screener.reading import SIDE, open_reader
    from screener.words import NameFinder

    side = side or SIDE
    reader = open_reader(side)
    if reader is None:
        raise TrainingError("reading needs the extra ocr: pip install 'listing-screener[ocr]'")
    found: dict[str, ReadFigures] = {}
    for name in SETS:
        if not (data / name / "manifest.json").is_file():
            continue
        rows = json.loads((data / name / "manifest.json").read_text(encoding="utf-8"))
        brands = sorted({str(row["brand"]) for row in rows if row["brand"]})
        finder = NameFinder([(brand, brand) for brand in brands])
        for kind in ("query", "reference", "none"):
            items = [row for row in rows if row["kind"] == kind]
            items = [items[n * len(items) // limit] for n in range(limit)] if limit and limit < len(items) else items
            found[f"{name}/{kind}"] = _measure(data / name, items, reader, finder, side)
    if not found:
        raise TrainingError(f"{data} holds none of {', '.join(SETS)}")
    return found


def print_reading(figures: Mapping[str, ReadFigures]) -> None:
    """The figures as a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Brand names read in photos")
    columns = ("photos", "number", "right", "only wrong", "any wrong", "lines", "p50 ms", "p95 ms")
    for column in columns:
        table.add_column(column, justify="left" if column == "photos" else "right", overflow="fold")
    for name, row in figures.items():
        shares = [f"{share:.3f}" for share in (row.right, row.only_wrong, row.any_wrong)]
        more = [f"{value:.1f}" for value in (row.lines, row.p50_ms, row.p95_ms)]
        table.add_row(name, str(row.photos), *shares, *more)
    Console().print(table)


def _measure(
    folder: Path, items: Sequence[Mapping[str, Any]], reader: Reader, finder: NameFinder, side: int
) -> ReadFigures:
    from training.progress import progress

    right = only_wrong = any_wrong = lines = 0
    took = []
    for item in progress(items, f"{folder.name} {items[0]['kind'] if items else ''}"):
        pixels = _pixels(folder / str(item["image"]), side)
        started = time.perf_counter()
        read = reader.read(pixels)
        took.append((time.perf_counter() - started) * 1000)
        names = _names(finder, read)
        lines += len(read)
        right += item["brand"] in names
        only_wrong += bool(names) and item["brand"] not in names
        any_wrong += bool(names - {item["brand"]})
    count = max(len(items), 1)
    p50, p95 = (float(np.percentile(took or [0.0], share)) for share in (50, 95))
    shares = right / count, only_wrong / count, any_wrong / count, lines / count
    return ReadFigures(len(items), *shares, round(p50, 1), round(p95, 1))


def _pixels(path: Path, side: int) -> Any:
    """A photo as the decode worker hands it over: at most `side` pixels long."""
    from PIL import Image

    from training.embedders import read_rgb

    image = Image.fromarray(read_rgb(path))
    image.thumbnail((side, side), Image.Resampling.BICUBIC)
    return np.asarray(image)


def _names(finder: NameFinder, lines: Iterable[Line]) -> set[str]:
    return {name.brand_id for name in finder.read([line.text for line in lines])}
