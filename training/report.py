"""Runs all measures of some models and writes them down: JSON for machines, tables and plots for people."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from training.bootstrap import DRAWS, LEVEL, intervals, rank_intervals
from training.embedders import BundleEmbedder, Embedder
from training.evaluate import PROTOCOLS, Normalisation, measure_model, read_set
from training.protocols import threshold_at_precision
from training.scores import Outcome, breakdown, figures_of
from training.text_measures import Retrieval, measure_spellings, measure_titles, measure_wordmarks

REPORT_FORMAT = 1
PACKAGES = ("numpy", "onnxruntime", "pillow", "listing-screener")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured: `only` some of product, logo, copy and text (all if empty); `fonts` for wordmarks."""

    data: Path
    only: Collection[str] = ()
    normalise: Sequence[Normalisation] = ()
    fonts: Path | None = None
    draws: int = DRAWS
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """A model's outcomes by scheme and its text measures, with `skipped`: why a measure was not made."""

    model: Embedder
    outcomes: Mapping[str, Outcome]
    texts: Mapping[str, Retrieval]
    skipped: Sequence[str] = field(default=())


def measure_all(model: Embedder, asked: Asked) -> Measured:
    """Every measure that was asked and that the model and the data allow. Raises TrainingError as `measure_model`."""
    only, skipped = set(asked.only), []
    outcomes: Mapping[str, Outcome] = {}
    if not only or only - {"text"}:
        normalise = asked.normalise
        if normalise and model.background is None:
            skipped.append(f"{model.name}: no background vectors, so no normalised scores")
            normalise = ()
        outcomes = measure_model(model, asked.data, only=only - {"text"}, normalise=normalise)
    texts: Mapping[str, Retrieval] = {}
    if not only or "text" in only:
        texts, why = _texts(model, asked)
        skipped += why
    return Measured(model, outcomes, texts, skipped)


def _texts(model: Embedder, asked: Asked) -> tuple[Mapping[str, Retrieval], list[str]]:
    """The text measures, and why some were not made."""
    if not isinstance(model, BundleEmbedder) or model.encoder.bundle.part_for("text") is None:
        return {}, [f"{model.name}: no text tower, so no text measures"]
    texts = {**measure_titles(model, asked.data), "spelling": measure_spellings(model)}
    if asked.fonts is None:
        return texts, [f"{model.name}: no folder of fonts given, so no wordmarks"]
    marks = measure_wordmarks(model, asked.fonts, asked.data)
    if marks is None:
        return texts, [f"{model.name}: {asked.fonts} has no usable font, so no wordmarks"]
    return {**texts, "wordmark": marks}, []


def report_of(results: Sequence[Measured], asked: Asked, command: str) -> dict[str, Any]:
    """Everything as JSON values: where, when and with what it was measured, figures, intervals and breakdowns."""
    return {
        "format": REPORT_FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
        "seed": asked.seed,
        "draws": asked.draws,
        "level": LEVEL,
        "data": {p.folder: _counts(asked.data / p.folder) for p in PROTOCOLS if _there(asked.data / p.folder)},
        "models": [_model(result, asked) for result in results],
        "skipped": [line for result in results for line in result.skipped],
    }


def machine() -> dict[str, Any]:
    """The processor, its cores, the system and the versions of what computes."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.processor()


def _there(folder: Path) -> bool:
    return (folder / "manifest.json").is_file()


def _counts(folder: Path) -> dict[str, int]:
    return {kind: len(rows) for kind, rows in read_set(folder).items()}


def _model(result: Measured, asked: Asked) -> dict[str, Any]:
    model = result.model
    bundle = model.encoder.bundle if isinstance(model, BundleEmbedder) else None
    return {
        "name": model.name,
        "id": bundle.id if bundle else None,
        "kind": "bundle" if bundle else "anchor",
        "dim": model.dim,
        "precision": dict(bundle.manifest["precision"]) if bundle else None,
        "regions": [
            {"box": list(box), "for": sorted(uses)} for box, uses in zip(model.regions, model.uses, strict=True)
        ],
        "protocols": {
            name: {
                "figures": figures_of(outcome),
                "intervals": intervals(outcome, draws=asked.draws, seed=asked.seed),
                "threshold": threshold_at_precision(outcome.best, outcome.right, len(outcome.truth)),
                "breakdown": breakdown(outcome),
            }
            for name, outcome in result.outcomes.items()
        },
        "texts": {name: _retrieval(found, asked) for name, found in result.texts.items()},
    }


def _retrieval(found: Retrieval, asked: Asked) -> dict[str, Any]:
    return {
        "figures": found.figures,
        "intervals": rank_intervals(found.ranks, found.tops, draws=asked.draws, seed=asked.seed),
        "queries": len(found.ranks),
        "choices": found.choices,
        "breakdown": found.breakdown,
    }
