"""Measures on a simulated market what fine-tuning brings: known fakes found in other photos, and what else changes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from brands.model import BrandDetails
from screener.bundle import load_bundle
from screener.cosines import part_cosines
from screener.encoder import Encoder
from screener.preprocess import WHOLE, prepare
from screener.regions import region_uses
from training.embedders import listing_vectors
from training.finetune.data import Brand, Hash, Reference, Row, rgb
from training.market.dataset import LISTINGS, read_lines
from training.market.goods import LINES, Ask
from training.market.listings import plan_market
from training.market.model import load_market
from training.market.prepare import BRANDS, PICTURES
from training.market.prepare import prepare as draw_market
from training.market.rendered import Rendered
from training.progress import progress

LISTED, BRANDED, MARKET_SEED = 1500, 24, 7
UNSEEN: Final = 1_000
"""Numbers of photographs from which no listing of the market has one."""


@dataclass(frozen=True, slots=True)
class Appraised:
    """The market as a data set: all registered references, and some appraised listings of before its `test` split."""

    id: str
    rows: Sequence[Row]
    references: Sequence[Reference]
    brands: Sequence[Brand]
    folder: Path
    hashes: Mapping[str, Hash] = field(default_factory=dict)

    def picture(self, sha256: str) -> bytes:
        """The bytes of a picture."""
        return (self.folder / PICTURES / f"{sha256}.jpg").read_bytes()


@dataclass(frozen=True, slots=True)
class Shown:
    """A rendered picture: of which product, of which copy of it (-1: the genuine thing)."""

    product: str
    line: int
    pixels: NDArray[np.uint8]


def market_of(folder: Path) -> Rendered:
    """The market that is measured on, drawn into `folder` once."""
    model = load_market()
    source = Rendered(model, MARKET_SEED, BRANDED)
    draw_market(folder, model, source, listings=LISTED, seed=MARKET_SEED)
    return source


def appraised(folder: Path, count: int) -> Appraised:
    """`count` listings of before the split `test`, half of them counterfeit, as appraised: the rest of registered
    brands' goods or about them.
    """
    brands = json.loads((folder / BRANDS).read_text("utf-8"))
    hashes: dict[str, Any] = {}
    references, registered = [], []
    for brand in brands:
        registered.append(
            SimpleNamespace(id=brand["key"], details=BrandDetails(name=brand["name"], aliases=tuple(brand["aliases"])))
        )
        for number, found in enumerate(brand["references"]):
            box = tuple(found["mark"]) if found["mark"] and found["kind"] == "logo" else None
            references.append(
                SimpleNamespace(
                    id=f"{brand['key']}-{number:03}", brand_id=brand["key"], kind=found["kind"], sha256=found["sha256"],
                    box=box, evidence="",
                )
            )  # fmt: skip
            turns = bytes.fromhex("".join(found["pdq"]))
            hashes[found["sha256"]] = SimpleNamespace(pdq=turns, quality=found["quality"])
    before = [row for row in read_lines(folder / LISTINGS) if row["truth"]["split"] != "test" and row["pictures"]]
    fakes = [row for row in before if row["truth"]["counterfeit"]]
    honest = [row for row in before if not row["truth"]["counterfeit"] and row["truth"]["about"]]
    rng = np.random.default_rng(0)
    chosen = [kind[n] for kind in (fakes, honest) for n in rng.permutation(len(kind))[: count // 2].tolist()]
    rows = [_row(row) for row in chosen]
    for row in chosen:
        for picture in row["pictures"]:
            # Of a listing's picture only the hash as it is counts
            own = bytes.fromhex(picture["pdq"]) + bytes(7 * 32)
            hashes.setdefault(picture["sha256"], SimpleNamespace(pdq=own, quality=picture["quality"]))
    return Appraised(f"market {MARKET_SEED}, {len(rows)} appraised", rows, references, registered, folder, hashes)


def _row(row: Mapping[str, Any]) -> Any:
    truth = row["truth"]
    return SimpleNamespace(
        screening_id=row["id"],
        listing=row["listing"],
        group=truth["owner"],
        split="train",
        label="counterfeit" if truth["counterfeit"] else "authentic",
        brand_id=truth["about"] if truth["brand_status"] == "registered" else None,
        pictures=tuple(picture["sha256"] for picture in row["pictures"]),
        appraisals=(),
        overturned=False,
    )


def unseen(source: Rendered) -> tuple[list[Shown], list[Shown]]:
    """The references of all registered products and their known copies; and new photographs of the genuine products,
    and of the known copies, of the split `test`.
    """
    known = plan_market(load_market(), source, LISTED, MARKET_SEED).known
    references: list[tuple[int, Ask]] = []
    queries: list[tuple[int, Ask]] = []
    for product in (p for brand in source.brands() if brand.registered for p in brand.products):
        references += [(-1, Ask("official", product.id, n)) for n in range(product.official)]
        lines = [line for line in range(LINES) if (product.id, line) in known]
        references += [(line, Ask("fake", product.id, n, line)) for line in lines for n in range(2)]
        if product.split == "test":
            queries += [(line, Ask("fake", product.id, UNSEEN + n, line)) for line in lines for n in range(8)]
            queries += [(-1, Ask("own", product.id, UNSEEN + n)) for n in range(3)]
    return _painted(source, references), _painted(source, queries)


def measure_fakes(bundle: Path, references: Sequence[Shown], queries: Sequence[Shown]) -> dict[str, float]:
    """How a bundle tells known copies from the genuine product, in its part for products, through the serving code.

    `fake top-1`: photos of known copies whose nearest reference is of that very copy; `genuine top-1`: photos of the
    genuine product whose nearest reference is one of its official pictures; `AUROC` of how much nearer a known copy is
    than any official picture, copies against genuine; `R@5%`: copies found where 5 % of the genuine are taken for one.
    """
    encoder = Encoder(load_bundle(bundle), workers=1)
    try:
        spec = encoder.bundle.preprocess
        squares = [prepare(shown.pixels, WHOLE, spec) for shown in references]
        wholes = [encoder.encode_pixels(np.stack(squares[n : n + 32])) for n in range(0, len(squares), 32)]
        against = np.concatenate(wholes)
        vectors = np.stack([listing_vectors(encoder, shown.pixels) for shown in progress(queries, "Encoding")])
        part = encoder.bundle.part_for("product")
        served = ["product" in uses for uses in region_uses(vectors.shape[1], encoder.bundle.dense)]
    finally:
        encoder.close()
    assert part is not None
    flat = vectors[:, served].reshape(-1, vectors.shape[2])
    scores = part_cosines(part, flat, against).reshape(len(queries), -1, len(references)).max(axis=1)
    copied = np.array([shown.line >= 0 for shown in references])
    fake = np.array([shown.line >= 0 for shown in queries])
    best = [references[n] for n in scores.argmax(axis=1)]
    right = np.array([(b.product, b.line) == (q.product, q.line) for b, q in zip(best, queries, strict=True)])
    nearer = scores[:, copied].max(axis=1) - scores[:, ~copied].max(axis=1)
    limit = float(np.quantile(nearer[~fake], 0.95))
    return {
        "fake top-1": float(right[fake].mean()),
        "genuine top-1": float(right[~fake].mean()),
        "AUROC": float(roc_auc_score(fake, nearer)),
        "R@5%": float((nearer[fake] > limit).mean()),
        "photos of fakes": float(fake.sum()),
        "photos of genuine": float((~fake).sum()),
    }


def measure_finetuning(
    work: Path, *, count: int, steps: int, seed: int, threads: int, data: Path | None, start: Path
) -> dict[str, dict[str, float]]:
    """Fine-tunes `start` on `count` appraised listings of the market and measures it before and after.

    What an earlier call left in `work` is not made again. Keys: the bundles' ids; with `data`, the figures of the
    protocols (`training.evaluate`) are added.
    """
    from training.evaluate import evaluate_bundle
    from training.finetune.run import finetune

    source = market_of(work / "market")
    out = work / "bundle"
    took = 0.0
    if not out.is_dir():
        begun = time.perf_counter()
        finetune(
            appraised(work / "market", count), start, work / "run", out, steps=steps, seed=seed,
            threads=threads,
        )  # fmt: skip
        took = time.perf_counter() - begun
    references, queries = unseen(source)
    found = {}
    for when, path in (("before", start), ("after", out)):
        row = measure_fakes(path, references, queries)
        if data is not None:
            encoder = Encoder(load_bundle(path), workers=1)
            figures = evaluate_bundle(encoder, data)
            encoder.close()
            row |= {
                f"{use} {name}": value for use in ("product", "logo", "copy") for name, value in figures[use].items()
            }
        found[when] = row
    return found | ({"seconds": {"all": took}} if took else {})


def _painted(source: Rendered, asks: Sequence[tuple[int, Ask]]) -> list[Shown]:
    return [
        Shown(ask.product, line, rgb(source.paint(ask).image)) for line, ask in progress(list(asks), "Drawing photos")
    ]
