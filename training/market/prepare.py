"""Makes a market on disk: pictures drawn once, brands to register, and the listings in the order of time."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from PIL import Image

from screener.pdq import SIDE, pdq
from training.errors import TrainingError
from training.market.dataset import LISTINGS
from training.market.goods import LINES, Ask, Picture, Pictures
from training.market.listings import Plan, plan_market
from training.market.model import Market
from training.market.retouch import finished
from training.market.rows import Drawn, rows_of
from training.market.splits import without_alike
from training.market.uploads import Upload
from training.progress import progress

FORMAT = 1
SETTINGS, BRANDS, PICTURES = "market.json", "brands.json", "pictures"
UNSOLD = 10**6
"""Number of a picture of a look-alike that no listing shows."""


def prepare(folder: Path, market: Market, source: Pictures, *, listings: int, seed: int) -> Mapping[str, Any]:
    """Writes market.json, brands.json, listings.jsonl and pictures/ into `folder`; gives what market.json says.

    What the same call wrote before is kept. Raises TrainingError where the folder holds another market.
    """
    settings = {
        "format": FORMAT,
        "model": market.version,
        "source": source.name,
        "listings": listings,
        "seed": seed,
        "prevalence": market.prevalence,
    }
    done = folder / SETTINGS
    if done.is_file():
        if json.loads(done.read_text(encoding="utf-8")) != settings:
            raise TrainingError(f"{folder} holds another market; name another folder")
        return settings
    write_market(folder, market, source, plan_market(market, source, listings, seed))
    _write(done, settings)
    return settings


def write_market(folder: Path, market: Market, source: Pictures, plan: Plan) -> None:
    """Draws a plan's pictures, and writes brands.json, listings.jsonl and pictures/ into `folder`."""
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    references = _references(market, source, plan)
    uploads = {upload for listing in plan.listings for upload in listing.uploads}
    uploads |= {upload for _, _, upload in references}
    drawn = _draw(source, sorted(uploads, key=_by_goods), folder / PICTURES)
    _write(folder / BRANDS, _brands(source, plan, references, drawn))
    with (folder / LISTINGS).open("w", encoding="utf-8") as stream:
        for row in without_alike(list(rows_of(plan.listings, market, drawn))):
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _references(market: Market, source: Pictures, plan: Plan) -> list[tuple[str, str, Upload]]:
    """Brand, kind and picture of every reference to register."""
    found: list[tuple[str, str, Upload]] = []
    # A look-alike of which there is one picture only is for sale, not for the registry.
    alike = [product for product in source.others("lookalike") if product.own is None]
    for number, brand in enumerate(brand for brand in source.brands() if brand.registered):
        asks = [("logo", Ask("mark", brand.key, n)) for n in range(brand.marks)]
        for product in brand.products:
            asks += [("authentic", Ask("official", product.id, n)) for n in range(product.official)]
            for line in range(LINES):
                if (product.id, line) in plan.known:
                    photos = range(market.raw["brands"]["line_photos"])
                    asks += [("known_fake", Ask("fake", product.id, n, line)) for n in photos]
        if alike and number * market.raw["brands"]["negatives"] % 1 == 0:
            asks.append(("negative", Ask("own", alike[number % len(alike)].id, UNSOLD)))
        found += [(brand.key, kind, Upload(ask, (), "official")) for kind, ask in asks]
    return found


def _brands(
    source: Pictures, plan: Plan, references: Sequence[tuple[str, str, Upload]], drawn: Mapping[Upload, Drawn]
) -> list[dict[str, Any]]:
    found = []
    splits = sorted({listing.split for listing in plan.listings})
    for brand in source.brands():
        if not brand.registered:
            continue
        prices = {
            category: sorted(p.price for p in brand.products if p.category == category) for category in brand.categories
        }
        own = [{"kind": kind, **asdict(drawn[upload])} for key, kind, upload in references if key == brand.key]
        found.append(
            {
                "key": brand.key,
                "name": brand.name,
                "aliases": brand.aliases,
                "categories": brand.categories,
                "price": brand.price,
                "prices": {category: values[len(values) // 2] for category, values in prices.items() if values},
                "sellers": [f"{split}-{brand.key}-store" for split in splits],
                "references": own,
            }
        )
    return found


def _by_goods(upload: Upload) -> tuple[Any, ...]:
    """Pictures of one thing side by side, so that what is drawn once for all of them is at hand."""
    return upload.ask.product, upload.ask.line, upload.ask.view, upload.ask.number, upload.steps


def _draw(source: Pictures, uploads: Sequence[Upload], folder: Path) -> dict[Upload, Drawn]:
    workers = os.cpu_count() or 1
    # A process for each core is enough: with threads of BLAS on top, drawing takes three times as long.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(source, folder)
    ) as pool:
        made = pool.map(_draw_one, uploads, chunksize=32)
        return dict(zip(progress(list(uploads), "Drawing"), made, strict=True))


_worker: dict[str, Any] = {}
"""A drawing process's source and folder, and the last picture it painted: what is uploaded again comes next."""


def _begin(source: Pictures, folder: Path) -> None:
    _worker.update(source=source, folder=folder)


def _draw_one(upload: Upload) -> Drawn:
    if _worker.get("ask") != upload.ask:
        _worker.update(ask=upload.ask, painted=_worker["source"].paint(upload.ask))
    painted: Picture = _worker["painted"]
    data = finished(painted, upload.steps)
    sha256 = hashlib.sha256(data).hexdigest()
    (_worker["folder"] / f"{sha256}.jpg").write_bytes(data)
    with Image.open(io.BytesIO(data)) as image:
        size = image.size
        grey = image.convert("L")
    grey.thumbnail((SIDE, SIDE))
    hashes, quality = pdq(grey)
    return Drawn(sha256, *size, painted.mark, tuple(turn.tobytes().hex() for turn in hashes), quality)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
