"""Measures the facts of pictures on real photos: hashes that find copies, covers found and imagined, blur, time."""

from __future__ import annotations

import io
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no stubs

from index.hamming import HammingIndex
from screener.picture_facts import PDQ_DISTANCE, PDQ_QUALITY, PictureFacts, picture_facts
from training.covers import COVERS, Place
from training.covers_pictures import busy_place
from training.progress import progress
from training.protocols import average_precision, recall_at_precision

_SETS = ("copies", "grocery", "logos")
_BLURS = (0, 1, 2, 4)
_SIDE = 800
_LARGEST = 0.3
"""Share of the picture from which a logo is too large to be covered like a seller would."""

Row = Mapping[str, Any]


def facts(
    data: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Folder with the sets copies, grocery and logos.")
    ],
    most: Annotated[int, typer.Option(min=1, help="Photos of each set that covers are tried on.")] = 300,
    seed: Annotated[int, typer.Option(help="Of places, colours and JPEG qualities.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What is told of pictures without an encoder: PDQ on edited copies, hidden patches, sharpness, and its time."""
    found = {
        "pdq": measure_pdq(data / "copies"),
        "covers": measure_covers(data, most=most, seed=seed),
        "sharpness": measure_sharpness(data / "copies"),
        "milliseconds": measure_time(data / "copies"),
    }
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        _print(found)


def measure_pdq(folder: Path) -> list[dict[str, Any]]:
    """uAP and R@P90 over edited copies and strangers, and what the threshold finds and imagines: with the picture's own
    hash only, and with those of its eight rotations and mirrors.
    """
    rows = _manifest(folder)
    known = {row["image"]: _facts(_picture(folder, row)) for row in progress(rows, "pdq")}
    references = [row for row in rows if row["kind"] == "reference"]
    queries = [row for row in rows if row["kind"] in ("query", "none")]
    index = HammingIndex(np.stack([known[row["image"]].pdq[0] for row in references]))
    positives = sum(row["kind"] == "query" for row in queries)
    found = []
    for ways in (1, 8):
        distances, right = [], []
        for row in queries:
            own = known[row["image"]]
            _, near, apart = index.within(own.pdq[:ways], 256)
            best = int(apart.argmin())
            distances.append(int(apart[best]))
            right.append(row["kind"] == "query" and references[int(near[best])]["id"] == row["id"])
        distance, correct = np.array(distances), np.array(right)
        clear = np.array([known[row["image"]].pdq_quality >= PDQ_QUALITY for row in queries])
        within = (distance <= PDQ_DISTANCE) & clear
        found.append(
            {
                "orientations": ways,
                "uAP": average_precision(-distance, correct, positives),
                "R@P90": recall_at_precision(-distance, correct, positives),
                "recall": float((within & correct).sum() / positives),
                "false": int((within & ~correct).sum()),
                "queries": len(queries),
                "pairs": len(queries) * len(references),
            }
        )
    return found


def measure_covers(data: Path, *, most: int, seed: int) -> dict[str, Any]:
    """The share of photos of which `covered` is at least 0.5: as they are, saved again, and with each kind of cover.

    Logos are covered where they are marked, other photos at a random place with something in it. Covered pictures are
    saved as JPEG of quality 70 to 95, as an upload would be. `placed` is the share of what was found whose box holds
    the middle of the cover.
    """
    said: dict[tuple[str, str], list[bool]] = defaultdict(list)
    placed: dict[str, list[bool]] = defaultdict(list)
    for name in _SETS:
        folder = data / name
        for number, row in enumerate(progress(_photos(folder, most), f"covers of {name}")):
            rng = np.random.default_rng([seed, number])
            image = _picture(folder, row)
            said[name, "nothing"].append(_facts(image).covered >= 0.5)
            said[name, "saved again"].append(_facts(_saved(image, rng)).covered >= 0.5)
            for kind, cover in COVERS.items():
                place = _mark(row, image.size) or busy_place(image, rng)
                if place is None:
                    continue
                own = _facts(_saved(cover(image, place, rng), rng))
                said[name, kind].append(own.covered >= 0.5)
                if own.covered >= 0.5:
                    placed[kind].append(_holds(own, place, kind, image.size))
    kinds = ("nothing", "saved again", *COVERS)
    return {
        kind: {
            **{name: float(np.mean(said[name, kind])) for name in _SETS},
            "all": float(np.mean([value for name in _SETS for value in said[name, kind]])),
            "photos": sum(len(said[name, kind]) for name in _SETS),
            **({"placed": float(np.mean(placed[kind]))} if placed[kind] else {}),
        }
        for kind in kinds
    }


def measure_sharpness(folder: Path, *, most: int = 100) -> list[dict[str, float]]:
    """Sharpness (10th percentile, median, 90th) of photos blurred by a Gaussian of so many pixels of 512."""
    found = []
    for radius in _BLURS:
        values = []
        for row in _photos(folder, most):
            image = _picture(folder, row)
            image.thumbnail((512, 512))
            values.append(_facts(image.filter(ImageFilter.GaussianBlur(radius))).sharpness)
        low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
        found.append({"blur": float(radius), "low": float(low), "median": float(middle), "high": float(high)})
    return found


def measure_time(folder: Path, *, most: int = 50) -> dict[str, float]:
    """Milliseconds of one processor for all facts of a picture of 800 x 600 pixels, without decoding it."""
    pictures = [np.asarray(_picture(folder, row).resize((_SIDE, 600))) for row in _photos(folder, most)]
    times = []
    with threadpool_limits(1):  # as decode workers run
        for pixels in (*pictures[:3], *pictures):
            started = time.thread_time()
            picture_facts(pixels, _SIDE, 600)
            times.append((time.thread_time() - started) * 1000)
    del times[:3]  # the first ones make matrices
    low, middle, high = np.quantile(times, [0.1, 0.5, 0.9])
    return {"low": float(low), "median": float(middle), "high": float(high)}


def _manifest(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return rows


def _photos(folder: Path, most: int) -> Sequence[Row]:
    """Photos of a set that nobody edited and nothing was trained on, evenly from all of it."""
    rows = [row for row in _manifest(folder) if row["kind"] != "extra" and not row.get("edits")]
    if folder.name == "copies":
        rows = [row for row in rows if row["kind"] == "reference"]
    return rows[:: max(len(rows) // most, 1)][:most]


def _picture(folder: Path, row: Row) -> Image.Image:
    with Image.open(folder / row["image"]) as image:
        return image.convert("RGB")


def _facts(image: Image.Image) -> PictureFacts:
    pixels: NDArray[np.uint8] = np.asarray(image)
    return picture_facts(pixels, *image.size)


def _saved(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=int(rng.integers(70, 96)))
    return Image.open(out).convert("RGB")


def _mark(row: Row, size: tuple[int, int]) -> Place | None:
    """Where the largest logo is, unless it is nearly the whole picture or hardly to be seen."""
    places: Iterator[Place] = (
        (max(x0, 0), max(y0, 0), min(x1, size[0]), min(y1, size[1])) for x0, y0, x1, y1 in row.get("boxes") or ()
    )
    place = max(places, key=lambda p: (p[2] - p[0]) * (p[3] - p[1]), default=None)
    if place is None or min(place[2] - place[0], place[3] - place[1]) < 16:
        return None
    area = (place[2] - place[0]) * (place[3] - place[1])
    return place if area <= _LARGEST * size[0] * size[1] else None


def _holds(own: PictureFacts, place: Place, kind: str, size: tuple[int, int]) -> bool:
    """Whether the box around what was found holds the middle of the cover."""
    assert own.covered_box is not None
    x0, y0, x1, y1 = own.covered_box
    width, height = place[2] - place[0], place[3] - place[1]
    if kind == "emoji":
        width = height = min(width, height)
    x, y = (place[0] + width / 2) / size[0], (place[1] + height / 2) / size[1]
    return x0 <= x <= x1 and y0 <= y <= y1


def _print(found: Mapping[str, Any]) -> None:
    console = Console()
    table = Table("PDQ", "uAP", "R@P90", "recall", "false", "of pairs", box=None, pad_edge=False)
    for row in found["pdq"]:
        figures = (f"{row[name]:.3f}" for name in ("uAP", "R@P90", "recall"))
        table.add_row(f"{row['orientations']} orientations", *figures, str(row["false"]), str(row["pairs"]))
    console.print(table)
    table = Table("covered >= 0.5", *_SETS, "all", "placed", "photos", box=None, pad_edge=False)
    for kind, row in found["covers"].items():
        figures = (f"{row[name]:.3f}" if name in row else "" for name in (*_SETS, "all", "placed"))
        table.add_row(kind, *figures, str(row["photos"]))
    console.print(table)
    table = Table("sharpness", "low", "median", "high", box=None, pad_edge=False)
    for row in found["sharpness"]:
        table.add_row(f"blur {row['blur']:g} px", *(f"{row[name]:.2f}" for name in ("low", "median", "high")))
    console.print(table)
    spent = found["milliseconds"]
    console.print(f"{spent['median']:.1f} ms a picture ({spent['low']:.1f} to {spent['high']:.1f})")
