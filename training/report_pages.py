"""A report as tables for the terminal, and as a folder: report.json, plots and a page that shows them."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from training.plots import plot_curves, plot_scores
from training.report import Measured

HEADLINES = ("product", "logo", "copy")
_WIDE = 160
"""Columns of text where nobody tells how wide the output is."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: a title, the names of the columns, rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sheets_of(report: Mapping[str, Any], *, every: bool = False) -> list[Sheet]:
    """Figures of all models side by side, then breakdowns: those of the first model's headline rows, or `every` one."""
    found = []
    for use in HEADLINES:
        rows = {
            (model["name"], name): row
            for model in report["models"]
            for name, row in model["protocols"].items()
            if re.split("[/ ]", name)[0] == use
        }
        found += _figures(use, rows)
    texts = {(model["name"], name): row for model in report["models"] for name, row in model["texts"].items()}
    found += _figures("text", texts)
    for number, model in enumerate(report["models"]):
        for name, row in {**model["protocols"], **model["texts"]}.items():
            if every or (number == 0 and (name in HEADLINES or name in model["texts"])):
                found += [_breakdown(f"{model['name']}: {name}", way, table) for way, table in row["breakdown"].items()]
    return found


def print_report(report: Mapping[str, Any]) -> None:
    """The tables, and what was skipped, on standard output."""
    console = Console(width=output_width())
    for sheet in sheets_of(report):
        table = Table(title=sheet.title, title_justify="left")
        for number, column in enumerate(sheet.columns):
            table.add_column(column, justify="right" if number and column != "scheme" else "left")
        for row in sheet.rows:
            table.add_row(*row)
        console.print(table)
    for line in report["skipped"]:
        console.print(line)


def output_width() -> int | None:
    """Columns for tables on standard output: the terminal's own (None), or wide where there is none."""
    return None if sys.stdout.isatty() else _WIDE


def write_report(report: Mapping[str, Any], results: Sequence[Measured], folder: Path) -> None:
    """Write report.json, the plots (SVG) and index.html into `folder`, which is made if absent."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    plots = []
    for use in HEADLINES:
        curves = {
            f"{result.model.name} {name}": outcome
            for result in results
            for name, outcome in result.outcomes.items()
            if outcome.use == use
        }
        if curves:
            plots.append(f"{use}-precision-recall.svg")
            plot_curves(curves, use, folder / plots[-1])
        for number, result in enumerate(results):
            if use in result.outcomes:
                plots.append(f"{use}-scores-{number}.svg")
                plot_scores(result.outcomes[use], f"{use}: {result.model.name}", folder / plots[-1])
    (folder / "index.html").write_text(_page(report, plots), encoding="utf-8")


def _figures(title: str, rows: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[Sheet]:
    columns = sorted(dict.fromkeys(key for row in rows.values() for key in row["figures"]), key=_order)
    if not rows:
        return []
    cells = tuple(
        (model, name, *(_cell(row, key) for key in columns), *_sizes(row)) for (model, name), row in rows.items()
    )
    sizes = ("queries", "among") if title == "text" else ()
    return [Sheet(title, ("model", "scheme", *columns, *sizes), cells)]


def _order(figure: str) -> int:
    """top-1, top-5, top-10, then the others as they come."""
    return int(figure.removeprefix("top-")) if figure.startswith("top-") else sys.maxsize


def _sizes(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(row["queries"]), str(row["choices"])) if "choices" in row else ()


def _cell(row: Mapping[str, Any], key: str) -> str:
    if key not in row["figures"]:
        return ""
    low, high = row["intervals"][key]
    digits = 1 if key == "median rank" else 3
    return f"{row['figures'][key]:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def _breakdown(title: str, way: str, table: Mapping[str, Mapping[str, float]]) -> Sheet:
    found = dict.fromkeys(key for row in table.values() for key in row)
    # "none" pictures often belong to no group at all
    columns = [key for key in found if key != "none" or any(row[key] for row in table.values())]
    rows = tuple(
        (name, *(_number(row[key]) if key in row else "" for key in columns))
        for name, row in sorted(table.items(), key=lambda item: (-item[1]["queries"], item[0]))
    )
    return Sheet(f"{title}, by {way}", (way, *columns), rows)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _page(report: Mapping[str, Any], plots: Sequence[str]) -> str:
    machine = report["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    about = [
        f"{report['made']}; {machine['cpu']}, {machine['cores']} cores; {machine['system']}; {versions}",
        f"Command: {report['command']}",
        f"In brackets: {report['level']:.0%} intervals of {report['draws']} bootstrap draws, seed {report['seed']}.",
        *(f"{model['name']}: {model['id']}" for model in report["models"] if model["id"]),
        *report["skipped"],
    ]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Measured encoders</title><style>',
            "body{font:14px/1.4 sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse;margin:0 0 2em}",
            "th,td{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:left}img{max-width:100%}",
            "</style></head><body>",
            "<h1>Measured encoders</h1>",
            *(f"<p>{html.escape(line)}</p>" for line in about),
            *(f'<img src="{html.escape(plot)}" alt="{html.escape(plot)}">' for plot in plots),
            *(_html(sheet) for sheet in sheets_of(report, every=True)),
            "</body></html>\n",
        ]
    )


def _html(sheet: Sheet) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in sheet.columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in sheet.rows)
    return f"<h2>{html.escape(sheet.title)}</h2><table><tr>{head}</tr>{body}</table>"
