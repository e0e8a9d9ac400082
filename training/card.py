"""Writes the default bundle's CARD.md and NOTICE: what it is for, what it was made from, how well it does."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from screener.bundle import Bundle, OperatingPoint
from training.library import Library

_ABOUT = Path(__file__).parent / "config" / "card.md"
_NOTICE = Path(__file__).parent / "config" / "notice.txt"


def card_text(
    bundle: Bundle,
    points: Mapping[str, OperatingPoint],
    figures: Mapping[str, Mapping[str, float]],
    library: Library,
    source: Mapping[str, Any],
) -> str:
    """The card: the fixed text of `config/card.md`, then figures, operating points, data and how this one was made."""
    kinds = Counter(entry.kind for entry in library.entries)
    made = [f"- {key}: `{value}`" for key, value in source.items()]
    machine = f"{os.cpu_count()}-core {platform.machine()} CPU machine, one thread; {datetime.now(UTC):%Y-%m-%d}"
    lines = [
        f"# {bundle.name} ({bundle.id})",
        "",
        _ABOUT.read_text(encoding="utf-8").strip(),
        "",
        "## Figures",
        "",
        *(_figures(figures) if figures else ["Not measured at export."]),
        "",
        "Command: `listing-screener-train evaluate encoder --bundle DIR --data DIR`. " + machine + ".",
        f"{bundle.dim} dimensions, pictures of {bundle.preprocess.size} pixels a side.",
        "",
        "## Operating points",
        "",
        "Score in the part that serves the use: the cosine, less a share of the query's level among the background.",
        "Measured with the regions that are served, on held-out pictures, marks and fonts of the training side, which"
        " are easier and more uniform than listings: expect more false matches in the field, and measure again on your"
        " own catalogue.",
        "",
        "| use | score | share of the background | false match rate (per pair) | recall | measured on |",
        "|---|---|---|---|---|---|",
        *[
            f"| {use} | {p.score:.3f} | {p.background_share:g} | {p.false_match_rate:.1e} | {p.recall or 0:.2f}"
            f" | {p.measured_on} |"
            for use, p in points.items()
        ],
        "",
        "## Training pictures",
        "",
        "| kind | pictures | held out |",
        "|---|---|---|",
        *[
            f"| {kind} | {n} | {sum(e.kind == kind and e.held_out for e in library.entries)} |"
            for kind, n in sorted(kinds.items())
        ],
        "",
        f"Fonts by script: {', '.join(f'{script} {len(files)}' for script, files in sorted(library.fonts.items()))}.",
        "",
        "## How this one was made",
        "",
        *made,
        "",
    ]
    return "\n".join(lines)


def notice_text() -> str:
    """Origins and licences of everything the weights were made from."""
    return _NOTICE.read_text(encoding="utf-8")


def _figures(figures: Mapping[str, Mapping[str, float]]) -> list[str]:
    columns = sorted(
        {key for row in figures.values() for key in row}, key=("top-1", "top-5", "acc", "uAP", "AUROC", "R@P90").index
    )
    lines = ["| protocol | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in figures.items():
        cells = [f"{row[key]:.3f}" if key in row and np.isfinite(row[key]) else "-" for key in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines
