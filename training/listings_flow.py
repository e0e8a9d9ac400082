"""The service on real photographs: every photo a listing over HTTP, answers counted.

Reads a directory with `manifest.json` (a list of `{"kind", "image", "product", "brand", "boxes"}`): `reference`
pictures become authentic references (logos where `boxes` in pixels say where the mark is), `query` photos are listings
that should be recognised, `none` photos are listings of goods that nobody registered. The title says nothing, so
recognition is by pictures alone: by their looks and, with the extra `ocr`, by the words in them.
"""

import json
import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from brands.model import BrandDetails
from screener.cli_server import running_server
from screener.client import Listing, ScreenerClient, Screening
from screener.errors import ImageUnusable
from screener.gate import Header, inspect
from screener.preprocess import Box
from screener.service import open_service
from screener.settings import Settings
from screener.truth import Truth


@dataclass(frozen=True, slots=True)
class Counts:
    """Listings of one kind, and what was said of them."""

    listings: int
    right_brand: int
    by_reading: int
    """Of the right ones, those that the words in the picture decided."""
    wrong_brand: int
    unknown: int
    right_product_first: int
    """The best evidence is a reference of the product shown."""
    prompted: int
    p50_ms: float


def screen_listings(data: Path, *, limit: int | None) -> dict[str, Counts]:
    """Counts for the kinds `query` and `none` of the manifest in `data`, at most `limit` listings of each."""
    manifest = json.loads((data / "manifest.json").read_text(encoding="utf-8"))
    folder = Path(tempfile.mkdtemp(prefix="screener-listings-"))
    with Truth(Settings(data_dir=folder)) as truth:
        products = _register(truth, data, [item for item in manifest if item["kind"] == "reference"])
        _, key = truth.keys.create(actor="cli:measure", scope="hook")
    with open_service(Settings(data_dir=folder)) as service:  # what a running server does by and by
        service.refresher.refresh()
        service.refresher.read_references()
    with running_server(folder, 0) as server, ScreenerClient(server.url, key, timeout=120) as client:
        figures = {}
        for kind in ("query", "none"):
            items = [item for item in manifest if item["kind"] == kind][:limit]
            with ThreadPoolExecutor(2) as threads:
                answers = list(threads.map(lambda item: _screen(client, data, item), items))
            figures[kind] = _count(items, answers, products)
    return figures


def _register(truth: Truth, data: Path, items: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Registers the references by brand; gives the product of each reference id."""
    by_brand = defaultdict(list)
    for item in items:
        by_brand[item["brand"]].append(item)
    products = {}
    for name, shown in sorted(by_brand.items()):
        brand = truth.registry.add_brand(actor="cli:measure", details=BrandDetails(name=name))
        for item in shown:
            content = (data / item["image"]).read_bytes()
            try:
                header = inspect(content, truth.settings.image_limits)
            except ImageUnusable:
                continue  # the service would refuse it too
            reference = truth.registry.add_reference(
                actor="cli:measure",
                brand_id=brand.id,
                kind="logo" if "boxes" in item else "authentic",
                data=content,
                width=header.width,
                height=header.height,
                box=_largest(item["boxes"], header) if "boxes" in item else None,
            )
            products[reference.id] = str(item.get("product") or name)
    return products


def _largest(boxes: list[list[int]], header: Header) -> Box:
    """The largest of some boxes in pixels (x0, y0, x1, y1), relative to the picture."""
    x0, y0, x1, y1 = max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))
    width, height = header.width, header.height
    return (x0 / width, y0 / height, min(x1 / width, 1.0), min(y1 / height, 1.0))


def _screen(client: ScreenerClient, data: Path, item: dict[str, Any]) -> Screening:
    listing = Listing(listing_id=item["image"], title="For sale", seller_id="seller")
    return client.screen(listing, [data / item["image"]], deadline_ms=60_000)


def _count(items: list[dict[str, Any]], answers: list[Screening], products: dict[str, str]) -> Counts:
    brands = Counter[str]()
    first = prompted = read = 0
    for item, answer in zip(items, answers, strict=True):
        if answer.brand.status != "recognised":
            brands["unknown"] += 1
        else:
            right = answer.brand.name == item.get("brand")
            brands["right" if right else "wrong"] += 1
            read += right and "reading" in answer.brand.recognised_by
        shown = next((products[match.reference_id] for match in answer.evidence), None)
        first += shown is not None and shown == item.get("product")
        prompted += answer.verdict in ("prompt", "review")
    return Counts(
        len(items),
        brands["right"],
        read,
        brands["wrong"],
        brands["unknown"],
        first,
        prompted,
        round(statistics.median(answer.timings_ms["total"] for answer in answers), 1),
    )


def print_listings(figures: dict[str, Counts]) -> None:
    """The counts as shares, in a table for people."""
    table = Table(title="Real photos as listings, recognised by pictures alone")
    for column in (
        "listings",
        "number",
        "right brand",
        "by reading",
        "wrong brand",
        "unknown",
        "right product",
        "prompted",
        "p50 ms",
    ):
        table.add_column(column, justify="left" if column == "listings" else "right")
    for kind, counts in figures.items():
        shares = (
            f"{value / max(counts.listings, 1):.3f}"
            for value in (
                counts.right_brand,
                counts.by_reading,
                counts.wrong_brand,
                counts.unknown,
                counts.right_product_first,
                counts.prompted,
            )
        )
        table.add_row(
            {"query": "registered", "none": "not registered"}[kind],
            str(counts.listings),
            *shares,
            str(counts.p50_ms),
        )
    Console().print(table)
