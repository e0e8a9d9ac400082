"""The report of a candidate as a folder: report.json for `models propose`, index.html with plots for people."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from screener.releases.report import Report
from training.candidate.plots import PLOTS, draw
from training.report_pages import Sheet, output_width

TITLE: Final = "A candidate against what serves"


def write_candidate(report: Report, folder: Path) -> Path:
    """Writes report.json, the plots (SVG) and index.html into `folder`, made if absent; gives the JSON's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.json"
    path.write_text(json.dumps(report.to_json(), indent=1, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")
    drawn = draw(report.figures, folder)
    (folder / "index.html").write_text(_page(report, drawn), encoding="utf-8")
    return path


def print_candidate(report: Report) -> None:
    """Gates and figures on standard output."""
    console = Console(width=output_width())
    for sheet in sheets_of(report)[:4]:
        table = Table(title=sheet.title, title_justify="left")
        for column in sheet.columns:
            table.add_column(column)
        for row in sheet.rows:
            table.add_row(*row)
        console.print(table)


def sheets_of(report: Report) -> list[Sheet]:
    """Gates, the comparison, the market, and every breakdown."""
    figures = report.figures
    found = [
        Sheet("gates", ("gate", "passed", "what was measured"), tuple(
            (gate.name, "yes" if gate.passed else "NO", gate.detail) for gate in report.gates)),
        _differences("the same rows by both", figures["compared"]),
        _differences("test rows alone", figures["test rows alone"]),
    ]  # fmt: skip
    if figures["market"]:
        names = [name for name in figures["market"]["serving"] if name != "reliability"]
        rows = tuple(
            (name, *(_cell(figures["market"][side][name]) for side in ("serving", "candidate"))) for name in names
        )
        found.append(
            Sheet("what both would do in the market, from spot checks", ("figure", "serving", "candidate"), rows)
        )
    for name, own in figures["categories"].items():
        title = f"category {name}: {own['rows']} items, {own['counterfeits']} counterfeit"
        found.append(_differences(title, {key: value for key, value in own.items() if isinstance(value, Mapping)}))
    for title, key in (
        ("slices", "slices"), ("appraisers against the others", "appraisers"),
        ("gains without one appraiser or brand", "without"),
    ):  # fmt: skip
        if figures[key]:
            found.append(_listed(title, figures[key]))
    return found


def _differences(title: str, figures: Mapping[str, Mapping[str, Any]]) -> Sheet:
    rows = tuple(
        (name, _cell(one["serving"]), _cell(one["candidate"]), f"{one['difference']:+.4f}",
         f"{one['interval'][0]:+.4f} to {one['interval'][1]:+.4f}")
        for name, one in figures.items()
    )  # fmt: skip
    return Sheet(title, ("figure", "serving", "candidate", "difference", "interval, 95 % on each side"), rows)


def _listed(title: str, rows: Sequence[Mapping[str, Any]]) -> Sheet:
    return Sheet(title, tuple(rows[0]), tuple(tuple(_cell(value) for value in row.values()) for row in rows))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        point, low, high = value
        return f"{_cell(point)} ({_cell(low)} to {_cell(high)})"
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _about(report: Report) -> list[str]:
    figures = report.figures
    test, machine = figures["test"], figures["machine"]
    return [
        f"{report.made_at}; {machine['cpu']}, {machine['cores']} cores; {machine['system']}",
        f"Candidate: {report.candidate.encoder}, {report.candidate.judge}, {report.candidate.policy}. "
        f"Serving: {report.serving.encoder}, {report.serving.judge}, {report.serving.policy}.",
        f"Data set {report.dataset}: {test['rows']} test rows ({test['counterfeits']} counterfeit, {test['planned']} "
        f"picked by spot checks, {test['screened again']} screened again) from {test['from']} until {test['until']}, "
        f"and {test['held out of the fit']} rows of the fit, judged by judges that did not see their groups.",
        f"Open-set suite {figures['open set']['suite']}.",
        f"Intervals: 95 %, {figures['draws']} bootstrap draws of groups. Comparisons have tempered weights (root of "
        "1 / inclusion); the market's figures have full ones.",
        f"Command: {figures['command']}" if figures["command"] else "",
    ]


def _page(report: Report, plots: Sequence[str]) -> str:
    verdict = "Every gate is passed." if report.passed else (
        f"Refused: {', '.join(gate.name for gate in report.failed)}."
    )  # fmt: skip
    alts = dict(PLOTS)
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title><style>',
            "body{font:14px/1.4 sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse;margin:0 0 2em}",
            "th,td{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:left}td{vertical-align:top}",
            "img{max-width:100%}",
            "</style></head><body>",
            f"<h1>{TITLE}</h1>",
            f"<p><strong>{html.escape(verdict)}</strong></p>",
            *(f"<p>{html.escape(line)}</p>" for line in _about(report) if line),
            *(f'<img src="{plot}" alt="{html.escape(alts[plot])}">' for plot in plots),
            *(_html(sheet) for sheet in sheets_of(report)),
            "</body></html>\n",
        ]
    )


def _html(sheet: Sheet) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in sheet.columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in sheet.rows)
    return f"<h2>{html.escape(sheet.title)}</h2><table><tr>{head}</tr>{body}</table>"
