"""Measures governance: how long a preview takes, how fast references are added, and how many honest ones are held."""

from __future__ import annotations

import io
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

from brands.approvals import Decider
from brands.ids import utc_now
from brands.model import Box, BrandDetails, NewReference, ReferenceKind
from screener.errors import ImageUnusable
from screener.governance.bulk import add_files
from screener.preprocess import WHOLE
from screener.service import Service, open_service
from screener.settings import Settings
from training.bench_truth import drawn_vectors, fill

PREVIEWS = 20
_ROWS = 10_000
_SIDE = 800


@dataclass(frozen=True, slots=True)
class Official:
    """An honest reference of a set of photographs: file, brand, kind, and the mark's place (relative)."""

    path: Path
    brand: str
    kind: ReferenceKind
    box: Box | None


def impact(
    listings: Annotated[
        int, typer.Option(min=1000, help="Listings of two pictures that a preview looks at.")
    ] = 100_000,
    references: Annotated[int, typer.Option(min=1, help="References of 50 brands in the index.")] = 10_000,
    pictures: Annotated[int, typer.Option(min=8, help="Pictures that are drawn and added.")] = 200,
    data: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder with sets of photographs (manifest.json).")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="References taken of each set.")] = 150,
) -> None:
    """Time previews and the adding of many references; with photographs, count the honest ones that are held back."""
    figures: dict[str, Any] = {"listings": listings, "references": references}
    with tempfile.TemporaryDirectory(prefix="screener-impact-") as folder:
        with open_service(Settings(data_dir=Path(folder) / "speed")) as service:
            figures |= _speed(service, Path(folder), listings, references, pictures)
        if data is not None:
            with open_service(Settings(data_dir=Path(folder) / "honest")) as service:
                figures["honest"] = [_honest(service, found, most) for found in sorted(data.glob("*/manifest.json"))]
    typer.echo(json.dumps(figures, indent=1))


def _speed(service: Service, folder: Path, listings: int, references: int, pictures: int) -> dict[str, Any]:
    truth, bundle = service.truth, service.encoder.bundle
    fill(truth.database, truth.registry, bundle, references=references, brands=50, seed=0)
    service.refresher.refresh()
    for start in range(0, 2 * listings, _ROWS):
        vectors = drawn_vectors(bundle, min(_ROWS, 2 * listings - start), seed=start + 1)
        service.recent.add([(f"scr_{(start + n) // 2:032x}", n % 2, vector) for n, vector in enumerate(vectors)])
    files = [_drawn(folder / "pictures", seed) for seed in range(pictures)]
    brand = truth.registry.add_brand(actor="cli:benchmark", details=BrandDetails("Measured")).id
    took = []
    for path in files[:PREVIEWS]:
        started = time.perf_counter()
        service.doors.preview(brand, "authentic", path.read_bytes())
        took.append(1000 * (time.perf_counter() - started))
    started = time.perf_counter()
    for path in files:
        service.encoder.encode_pixels(service.pool.decode(path.read_bytes(), [WHOLE]).pixels)
    alone = len(files) / (time.perf_counter() - started)
    started = time.perf_counter()
    by, like = Decider.operator("cli:benchmark"), NewReference("authentic", "", 1, 1)
    limit = truth.settings.image_bytes
    added = list(
        add_files(service.doors, service.inspector, by=by, brand_id=brand, like=like, files=files, limit=limit)
    )
    rate = len(added) / (time.perf_counter() - started)
    return {
        "preview_ms": {"median": round(statistics.median(took)), "worst": round(max(took))},
        "pictures_looked_at": len(service.recent),
        "embedding_alone_per_s": round(alone, 1),
        "added_per_s": round(rate, 1),
        "share_of_embedding_alone": round(rate / alone, 2),
    }


def _honest(service: Service, manifest: Path, most: int) -> dict[str, Any]:
    """Registers a set's references as its brands would that earned trust, and counts what an admin has to look at."""
    brands: dict[str, str] = {}
    outcome: Counter[str] = Counter()
    total = 0
    for official in list(_officials(manifest))[:most]:
        if official.brand not in brands:
            details = BrandDetails(f"{manifest.parent.name} {official.brand}")
            brands[official.brand] = service.truth.registry.add_brand(actor="cli:benchmark", details=details).id
        new = NewReference(official.kind, "", 1, 1, official.box)
        brand = brands[official.brand]
        try:
            found = service.inspector.look(brand, official.kind, official.path.read_bytes(), official.box, deep=False)
        except ImageUnusable:
            continue
        total += 1
        outcome.update(found.impact["blocking"] or ["active"])
        by = Decider.operator("cli:benchmark")
        service.doors.add(by, brand, new, official.path.read_bytes())
        if total % 20 == 0:
            service.refresher.refresh()
    service.refresher.refresh()
    return {
        "set": manifest.parent.name,
        "references": total,
        "outcome": dict(outcome.most_common()),
        "at": utc_now().date().isoformat(),
    }


def _officials(manifest: Path) -> Iterator[Official]:
    """The set's references, mixed: marks where it has boxes, else whole pictures; without brands each is its own."""
    entries = [entry for entry in json.loads(manifest.read_text(encoding="utf-8")) if entry["kind"] == "reference"]
    for number in np.random.default_rng(0).permutation(len(entries)):
        entry = entries[number]
        path, box = manifest.parent / entry["image"], None
        if entry.get("boxes"):
            with Image.open(path) as image:
                width, height = image.size
            x0, y0, x1, y1 = max(entry["boxes"], key=lambda place: (place[2] - place[0]) * (place[3] - place[1]))
            box = (max(x0 / width, 0.0), max(y0 / height, 0.0), min(x1 / width, 1.0), min(y1 / height, 1.0))
        yield Official(path, entry.get("brand", "one"), "logo" if box else "authentic", box)


def _drawn(folder: Path, seed: int) -> Path:
    """A picture of coloured boxes that no other seed gives."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    path = folder / f"{seed}.jpg"
    path.write_bytes(buffer.getvalue())
    return path
