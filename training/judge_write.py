"""Writes a judge's folder: graph, manifest and card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from screener.judging.features import NAMES, VERSION
from screener.judging.model import FORMAT, GRAPH, MANIFEST, judge_id
from training.judge_fit import Additive
from training.judge_graph import graph_of


def write_judge(
    folder: Path,
    model: Additive,
    *,
    name: str,
    calibrated_on: Literal["simulation", "appraisals"],
    prevalence: float,
    metrics: Mapping[str, Any],
    source: Mapping[str, Any],
    card: str,
) -> str:
    """Writes `judge.onnx`, `manifest.json` and `CARD.md` into `folder` and returns the judge's id."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = graph_of(model)
    manifest = {
        "format": FORMAT,
        "id": judge_id(graph),
        "name": name,
        "features_version": VERSION,
        "features": list(NAMES),
        "bias": model.bias,
        "calibrated_on": calibrated_on,
        "prevalence": prevalence,
        "metrics": dict(metrics),
        "source": dict(source),
        "sha256": hashlib.sha256(graph).hexdigest(),
    }
    (folder / GRAPH).write_bytes(graph)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")
    (folder / "CARD.md").write_text(card, encoding="utf-8")
    return str(manifest["id"])
