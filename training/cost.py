"""Times image towers on one thread: one pass a picture, and a picture with all regions that are looked at in it.

Times are the process's own on the processor, which is the clock's where nothing else runs, and models take turns, so
that a busy machine slows all of them: medians, and as a model's ratio to the peer the median over rounds of the ratio
within a round. Reading, decoding and resizing pictures is not in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from screener.encoder import Encoder
from screener.regions import listing_cuts
from training.report_pages import output_width

PEER_MODEL = "ViT-B-32"
BATCHES = (1, 8)
_WARM = 1


def measure_cost(encoders: Sequence[Encoder], *, rounds: int, peer: Encoder | None = None) -> list[dict[str, Any]]:
    """A row for each encoder (the peer last), kind of pass and batch: `ms` a picture (median) with `low` and `high`
    (10th and 90th percentile), and `of_peer`, the share of the peer's time for one whole picture in the same batch.

    Encoders must have one worker.
    """
    rng = np.random.default_rng(0)
    timed = [
        (encoder, name, batch, run)
        for encoder in [*encoders, *([peer] if peer else [])]
        for name, make in (("whole", _whole), ("regions", _regions))
        for batch in BATCHES
        for run in [make(encoder, batch, rng)]
    ]
    for _, _, _, run in timed:
        for _ in range(_WARM):
            run()
    times = np.array([[_seconds(run) / batch for _, _, batch, run in timed] for _ in range(rounds)]) * 1000
    base = {
        batch: times[:, n] for n, (encoder, name, batch, _) in enumerate(timed) if encoder is peer and name == "whole"
    }
    return [
        {
            "model": encoder.bundle.name,
            "id": encoder.bundle.id,
            "precision": encoder.bundle.manifest["precision"]["image"],
            "pass": name,
            "batch": batch,
            "ms": float(np.median(taken)),
            "low": float(np.quantile(taken, 0.1)),
            "high": float(np.quantile(taken, 0.9)),
            **({"of_peer": float(np.median(taken / base[batch]))} if base else {}),
        }
        for (encoder, name, batch, _), taken in zip(timed, times.T, strict=True)
    ]


def print_cost(rows: Sequence[dict[str, Any]]) -> None:
    """The rows as a table on standard output."""
    table = Table(title="ms a picture, one thread")
    for number, column in enumerate(("model", "precision", "pass", "batch", "median", "10-90 %", "of the peer's time")):
        table.add_column(column, justify="right" if number > 2 else "left")
    for row in rows:
        share = f"{row['of_peer']:.3f}" if "of_peer" in row else ""
        spread = f"{row['low']:.1f}-{row['high']:.1f}"
        table.add_row(row["model"], row["precision"], row["pass"], str(row["batch"]), f"{row['ms']:.2f}", spread, share)
    Console(width=output_width()).print(table)


def export_peer(out: Path) -> Path:
    """ViT-B-32 as an int8 bundle at `out`, with random weights: its speed does not depend on them."""
    from training.export import export_bundle
    from training.pretrained import open_model

    opened = open_model(PEER_MODEL, seed=0)
    name = f"{PEER_MODEL.lower()}-random"
    return export_bundle(opened.model, opened.preprocess, opened.tokenizer, out, name=name, precision="int8")


def _whole(encoder: Encoder, batch: int, rng: np.random.Generator) -> Callable[[], object]:
    squares = _noise(rng, batch, encoder.bundle.preprocess.size)
    return lambda: encoder.encode_pixels(squares)


def _regions(encoder: Encoder, batch: int, rng: np.random.Generator) -> Callable[[], object]:
    dense = encoder.bundle.dense
    cuts = len(listing_cuts(1, dense=dense is not None))
    squares = _noise(rng, batch * cuts, encoder.bundle.preprocess.size)
    if dense is None:
        return lambda: encoder.encode_pixels(squares)
    large = _noise(rng, batch, dense.size)
    return lambda: (encoder.encode_pixels(squares), encoder.encode_windows(large))


def _noise(rng: np.random.Generator, count: int, side: int) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def _seconds(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started
