"""The demo: screens the sample listings over HTTP and prints the verdicts beside what a person would expect."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from screener.client import Listing, ScreenerClient, ScreenerClientError, Screening

STYLES: Mapping[str, str] = {"clear": "green", "unscreenable": "cyan", "prompt": "yellow", "review": "red"}
PAGES = (("API docs", "/docs"), ("health", "/healthz"), ("metrics", "/metrics"))
DEADLINE_MS = 10_000  # generous: the demo is to show verdicts, also on a slow machine that has just started


@dataclass(frozen=True, slots=True)
class DemoCase:
    """A sample listing, its pictures, and the verdicts and brand statuses that a person would accept."""

    name: str
    listing: Listing
    images: tuple[Path, ...]
    kind: str
    verdicts: tuple[str, ...]
    brand_status: tuple[str, ...]


def run_demo(
    base_url: str,
    api_key: str,
    samples_dir: Path,
    console: Console,
    *,
    client: ScreenerClient | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """Screen every listing under `samples_dir`/listings with a running service; 0 if every call was answered, else 1.

    `client` and `clock` (seconds) are for tests.
    """
    cases = load_cases(samples_dir)
    if not cases:
        console.print(f"[red]no sample listings under {escape(str(samples_dir))}[/red]")
        return 1
    answers: list[tuple[DemoCase, Screening | ScreenerClientError, float]] = []
    with client or ScreenerClient(base_url, api_key, timeout=30.0) as caller:
        for case in cases:
            start = clock()
            answers.append((case, _screen(caller, case), (clock() - start) * 1000))
    console.print(_table(answers))
    failed = sum(isinstance(answer, ScreenerClientError) for _, answer, _ in answers)
    console.print(_summary(answers, failed))
    for label, path in PAGES:
        console.print(f"{label:>8}  {escape(base_url.rstrip('/') + path)}", soft_wrap=True)
    return 1 if failed else 0


def load_cases(samples_dir: Path) -> tuple[DemoCase, ...]:
    """The sample listings in the order of their folders' names."""
    return tuple(_case(path.parent) for path in sorted((samples_dir / "listings").glob("*/listing.json")))


def _case(folder: Path) -> DemoCase:
    request: dict[str, Any] = json.loads((folder / "listing.json").read_text(encoding="utf-8"))
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return DemoCase(
        name=folder.name,
        listing=Listing.from_json(request),
        images=tuple(sorted(folder.glob("*.jpg"))),
        kind=expected["kind"],
        verdicts=tuple(expected["verdicts"]),
        brand_status=tuple(expected["brand_status"]),
    )


def _screen(client: ScreenerClient, case: DemoCase) -> Screening | ScreenerClientError:
    try:
        return client.screen(case.listing, case.images, deadline_ms=DEADLINE_MS)
    except ScreenerClientError as error:
        return error


def _as_expected(case: DemoCase, answer: Screening) -> bool:
    return answer.verdict in case.verdicts and answer.brand.status in case.brand_status


def _table(answers: list[tuple[DemoCase, Screening | ScreenerClientError, float]]) -> Table:
    table = Table(title="Sample listings", title_justify="left", pad_edge=False)
    for name in ("listing", "verdict", "expected", "brand"):
        table.add_column(name, overflow="fold")
    table.add_column("probability", justify="right")
    table.add_column("reasons", overflow="fold")
    table.add_column("ms", justify="right")
    for case, answer, milliseconds in answers:
        expected = " or ".join(case.verdicts)
        if isinstance(answer, ScreenerClientError):
            table.add_row(case.name, "[red]no answer[/red]", expected, "", "", escape(str(answer)), "")
            continue
        style = STYLES.get(answer.verdict, "")
        tick = "[green]✓[/green]" if _as_expected(case, answer) else "[red]✗[/red]"
        table.add_row(
            case.name,
            f"[{style}]{escape(answer.verdict)}[/{style}]" if style else escape(answer.verdict),
            f"{tick} {expected}",
            escape(answer.brand.name or answer.brand.status),
            "" if answer.probability is None else f"{answer.probability:.2f}",
            escape(", ".join(reason.code for reason in answer.reasons)),
            f"{milliseconds:.0f}",
        )
    return table


def _summary(answers: list[tuple[DemoCase, Screening | ScreenerClientError, float]], failed: int) -> str:
    screened = [(case, answer) for case, answer, _ in answers if isinstance(answer, Screening)]
    matching = sum(_as_expected(case, answer) for case, answer in screened)
    verdicts = Counter(answer.verdict for _, answer in screened)
    counted = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    line = f"{matching} of {len(answers)} as a person would expect"
    if counted:
        line += f" ({counted})"
    return line + (f"; [red]{failed} without an answer[/red]" if failed else "")
