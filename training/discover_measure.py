"""Measures discovery: real photos as listings of brands that nobody registered, and how well they come together again.

Every photo of a brand is a listing of its own, at a seller of its own or one of a few. Some sellers declare the brand,
some name it in the title only, some say nothing; photos of loose fruit and vegetables are listings of no brand at all.
What was said is drawn with a seed, the pictures are what they are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from training.errors import TrainingError

if TYPE_CHECKING:
    from screener.discover_read import PictureVectors, Unknown
    from screener.encoder import Encoder

SETS = ("grocery", "logos")
DECLARED, TITLED = 0.3, 0.3
"""Shares of the listings whose seller declares the brand, and of those that name it in the title only."""
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """How groups and truth agree, over pairs of listings of brands, and of products where there are any.

    `precision` is the share of the pairs in one group that are of one brand (listings of no brand are of none),
    `recall` the share of the pairs of one brand that are in one group; `product_*` the same with products for brands:
    pictures alone cannot know that milk and yoghurt are one maker's. `branded_precision` leaves the listings of no
    brand out. `named` is the share of the groups of brands whose suggested name is the brand's.
    """

    listings: int
    groups: int
    precision: float
    branded_precision: float
    recall: float
    product_precision: float
    product_recall: float
    named: float


def discover(
    data: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Directory with the measuring sets: grocery, logos.")
    ],
    bundle: Annotated[Path | None, typer.Option(help="A bundle directory; the embedded one if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of what the sellers say.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Group real photos as listings of unknown brands, by words, by pictures and by both."""
    figures = measure_discovery(data, bundle, seed)
    if as_json:
        typer.echo(json.dumps({way: asdict(found) for way, found in figures.items()}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Listings of unknown brands, grouped")
    for column in ("by", *GroupFigures.__dataclass_fields__):
        table.add_column(column.replace("_", " "), justify="left" if column == "by" else "right", overflow="fold")
    for way, found in figures.items():
        table.add_row(
            way, *(f"{value:.3f}" if isinstance(value, float) else str(value) for value in asdict(found).values())
        )
    Console().print(table)


def measure_discovery(data: Path, bundle: Path | None = None, seed: int = 0) -> dict[str, GroupFigures]:
    """Figures for words alone, pictures alone and both. TrainingError if `data` holds none of the sets."""
    from screener.bundle import load_bundle
    from screener.encoder import Encoder
    from screener.settings import embedded_bundle

    rows = _photos(data)
    encoder = Encoder(load_bundle(bundle or embedded_bundle()), workers=2)
    try:
        vectors = _vectors(encoder, [data / row["file"] for row in rows])
        listings = _listings(rows, np.random.default_rng(seed))
        silent = [replace(listing, title="For sale", declared="") for listing in listings]
        none = replace(vectors, rows={}, matrix=vectors.matrix[:0])
        ways = {"words": (listings, none), "pictures": (silent, vectors), "both": (listings, vectors)}
        return {way: _figures(encoder, said, seen, rows) for way, (said, seen) in ways.items()}
    finally:
        encoder.close()


def pair_figures(labels: Sequence[object], truth: Sequence[object | None]) -> tuple[float, float]:
    """Pairwise precision and recall of a partition; truth None is like nothing else, not even another None."""
    joint = Counter((label, true) for label, true in zip(labels, truth, strict=True) if true is not None)
    right = _pairs(joint.values())
    said, there = _pairs(Counter(labels).values()), _pairs(Counter(true for true in truth if true is not None).values())
    return right / max(said, 1), right / max(there, 1)


def _pairs(counts: Any) -> int:
    return sum(count * (count - 1) // 2 for count in counts)


def _figures(
    encoder: Any, listings: list[Unknown], vectors: PictureVectors, rows: list[dict[str, Any]]
) -> GroupFigures:
    from screener.discover_graph import link_score
    from screener.discover_groups import group_listings
    from screener.discover_names import claim_key, claims
    from screener.discover_rank import describe
    from screener.match import thresholds

    claimed = claims(listings)
    least = link_score(encoder.bundle, thresholds(encoder.bundle)["product"], len(vectors.matrix))
    groups = group_listings(listings, claimed, vectors, least)
    labels: list[object] = [("alone", n) for n in range(len(listings))]
    for number, group in enumerate(groups):
        for member in group.members:
            labels[member] = number
    brands = [row["brand"] for row in rows]
    precision, recall = pair_figures(labels, brands)
    known = [n for n, brand in enumerate(brands) if brand is not None]
    among = pair_figures([labels[n] for n in known], [brands[n] for n in known])[0]
    by_product = pair_figures([labels[n] for n in known], [rows[n]["product"] for n in known])
    end = max(listing.at for listing in listings)
    branded = right = 0
    for group in groups:
        brand, count = Counter(brands[n] for n in group.members).most_common(1)[0]
        if brand is not None and count > len(group.members) / 2:
            (found,) = describe(listings, claimed, [group], since=_START, now=end)
            branded += 1
            right += claim_key(found.name or "") == claim_key(brand)
    rounded = (round(share, 3) for share in (precision, among, recall, *by_product, right / max(branded, 1)))
    return GroupFigures(len(listings), len(groups), *rounded)


def _photos(data: Path) -> list[dict[str, Any]]:
    found = []
    for name in SETS:
        manifest = data / name / "manifest.json"
        for row in json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else []:
            if name == "logos" or row["kind"] != "reference":  # its references are drawings, not a seller's photo
                product = row.get("product") or row["brand"]
                found.append({"file": f"{name}/{row['image']}", "brand": row["brand"], "product": product})
    if not found:
        raise TrainingError(f"{data} holds none of {', '.join(SETS)}")
    return found


def _vectors(encoder: Encoder, files: Sequence[Path]) -> PictureVectors:
    from screener.discover_read import PictureVectors, mean_vector
    from training.embedders import BundleEmbedder

    seen = BundleEmbedder(encoder).encode_pictures(files)
    means = [(n, mean) for n, row in enumerate(seen) if (mean := mean_vector(encoder.bundle, row)) is not None]
    matrix: NDArray[np.float16] = np.stack([mean for _, mean in means]).astype(np.float16)
    return PictureVectors({str(n): place for place, (n, _) in enumerate(means)}, matrix)


def _listings(rows: Sequence[Mapping[str, Any]], rng: np.random.Generator) -> list[Unknown]:
    from screener.discover_read import Unknown

    found = []
    for number, row in enumerate(rows):
        drawn = rng.random()
        words = ["photo"] if row["brand"] is None else str(row["product"]).replace(row["brand"], "").lower().split("-")
        goods = " ".join(filter(None, words)) or "goods"
        listing = Unknown(
            screening_id=f"scr_{number:032x}",
            listing_id=f"L{number}",
            seller_id=f"S{int(rng.integers(0, 1 + len(rows) // 4))}",
            at=_START + timedelta(minutes=number),
            title=goods,
            pictures=(str(number),),
        )
        if row["brand"] is not None and drawn < DECLARED:
            listing = replace(listing, declared=str(row["brand"]))
        elif row["brand"] is not None and drawn < DECLARED + TITLED:
            listing = replace(listing, title=f"{row['brand']} {goods}")
        found.append(listing)
    return found
