"""A market report as tables for the terminal, and as a folder: report.json, plots and a page that shows them."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from training.market.figures import PLOTS, draw
from training.report_pages import Sheet, output_width

TITLE = "The listing benchmark"
_TABLES = ("kinds", "categories", "open set", "recognition", "ablation", "cost")


def print_market(report: Mapping[str, Any]) -> None:
    """The tables on standard output."""
    console = Console(width=output_width())
    console.print(f"ECE {report['calibration']['ECE']:.4f}; {_about(report)[1]}")
    for sheet in sheets_of(report):
        table = Table(title=sheet.title, title_justify="left")
        for number, column in enumerate(sheet.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in sheet.rows:
            table.add_row(*row)
        console.print(table)


def write_market(report: Mapping[str, Any], folder: Path) -> None:
    """Writes report.json, the plots (SVG) and index.html into `folder`, which is made if absent."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    draw(report, folder)
    (folder / "index.html").write_text(_page(report), encoding="utf-8")


def sheets_of(report: Mapping[str, Any]) -> list[Sheet]:
    """The judges side by side, then every breakdown that has rows."""
    sheets = [_judges(report["judges"])]
    for name in _TABLES:
        rows: Sequence[Mapping[str, Any]] = report[name]
        if rows:
            cells = tuple(tuple(_cell(value) for value in row.values()) for row in rows)
            sheets.append(Sheet(name, tuple(rows[0]), cells))
    return sheets


def _judges(judges: Sequence[Mapping[str, Any]]) -> Sheet:
    columns = ("judge", "R@P90", "R@P95", "average precision", "recall", "precision", "false per 10,000")
    rows = tuple((row["name"], *(_with_interval(row, column) for column in columns[1:])) for row in judges)
    return Sheet("judges, and what they prompt by their own thresholds", columns, rows)


def _with_interval(row: Mapping[str, Any], column: str) -> str:
    value = _cell(row[column])
    if f"{column} interval" not in row:
        return value
    low, high = row[f"{column} interval"]
    return f"{value} ({_cell(low)}-{_cell(high)})"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _about(report: Mapping[str, Any]) -> list[str]:
    machine, market = report["machine"], report["market"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    test = report["counts"]["test"]
    return [
        f"{report['made']}; {machine['cpu']}, {machine['cores']} cores; {machine['system']}; {versions}",
        f"{market['source']} pictures, {market['listings']} listings, seed {market['seed']}, {market['model']}; "
        f"tested on {test['listings']} listings of {test['people']} people, {test['counterfeits']} of them fakes; "
        f"figures are weighted to {market['prevalence']:.1%} counterfeits",
        f"Command: {report['command']}",
        f"In brackets: {report['level']:.0%} intervals of {report['draws']} bootstrap draws of people.",
        f"Judge: {report['judge']}. Features: {report['features']}; screened by: {', '.join(report['releases'])}.",
    ]


def _page(report: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title><style>',
            "body{font:14px/1.4 sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse;margin:0 0 2em}",
            "th,td{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:left}img{max-width:100%}",
            "</style></head><body>",
            f"<h1>{TITLE}</h1>",
            *(f"<p>{html.escape(line)}</p>" for line in _about(report)),
            *(f'<img src="{plot}" alt="{plot}">' for plot in PLOTS),
            *(_html(sheet) for sheet in sheets_of(report)),
            "</body></html>\n",
        ]
    )


def _html(sheet: Sheet) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in sheet.columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in sheet.rows)
    return f"<h2>{html.escape(sheet.title)}</h2><table><tr>{head}</tr>{body}</table>"
