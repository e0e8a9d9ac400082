"""The record of a day: its size, the time of each step, the table of figures, and what had to be proven."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from training.day.compare import Line
from training.market.model import Market, load_market


@dataclass(frozen=True, slots=True)
class Size:
    """How large a day is. `shadow` listings more are screened while the candidate looks on."""

    first: int = 5000
    second: int = 3500
    shadow: int = 150
    brands: int = 20
    budget: int = 200
    steps: int = 60


@dataclass(frozen=True, slots=True)
class Check:
    """Something that the day has to prove, and what was found."""

    what: str
    passed: bool
    found: str


@dataclass(slots=True)
class Day:
    """A day under way, and its record."""

    work: Path
    size: Size
    seed: int
    market: Market = field(default_factory=load_market)
    console: Console = field(default_factory=Console)
    seconds: dict[str, float] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    gained: tuple[float, float, float] = (0.0, 0.0, 0.0)
    _begun: float = field(default_factory=time.monotonic)

    @property
    def passed(self) -> bool:
        """Whether everything was proven."""
        return all(check.passed for check in self.checks)

    def step(self, name: str, said: str = "") -> None:
        """Ends a step: its time since the last one ended, and what came of it."""
        now = time.monotonic()
        self.seconds[name] = round(now - self._begun, 1)
        self._begun = now
        self.console.print(f"[bold]{name}[/bold] ({self.seconds[name]:.0f} s) {said}", highlight=False, soft_wrap=True)

    def say(self, said: str) -> None:
        """A line below a step."""
        self.console.print(f"  {said}", highlight=False, markup=False, soft_wrap=True)

    def check(self, what: str, passed: bool, found: str) -> None:
        """Notes something that had to be proven."""
        self.checks.append(Check(what, passed, found))
        self.console.print(
            f"  {'ok' if passed else 'NOT SO'}: {what}: {found}", highlight=False, markup=False, soft_wrap=True
        )

    def record(self) -> dict[str, Any]:
        """Everything as JSON."""
        return {
            "size": asdict(self.size), "seed": self.seed, "seconds": self.seconds, "total": sum(self.seconds.values()),
            "lines": [{"name": line.name, **line.figures} for line in self.lines],
            "gain of recall@P95": list(self.gained), "checks": [asdict(check) for check in self.checks],
        }  # fmt: skip

    def show(self) -> None:
        """The table before and after, and the time of every step, on standard output."""
        table = Table(title="The next month, before and after", title_justify="left")
        names = [name for name in self.lines[0].figures if not name.endswith("interval")]
        for number, name in enumerate(("figure", *(line.name for line in self.lines))):
            table.add_column(name, justify="right" if number else "left")
        for name in names:
            table.add_row(name, *(_cell(line, name) for line in self.lines))
        self.console.print(table)
        point, low, high = self.gained
        self.console.print(f"Gain of recall@P95: {point:+.3f} ({low:+.3f} to {high:+.3f})", highlight=False)
        total = sum(self.seconds.values())
        failed = [check.what for check in self.checks if not check.passed]
        said = "everything was proven" if not failed else f"not proven: {'; '.join(failed)}"
        self.console.print(
            f"{total / 60:.1f} minutes; {len(self.checks)} checks: {said}.", highlight=False, soft_wrap=True
        )


def _cell(line: Line, name: str) -> str:
    value = line.figures[name]
    text = f"{value:.1f}" if "10,000" in name else f"{value:.3f}"
    interval = line.figures.get(f"{name} interval")
    return text if interval is None else f"{text} ({interval[0]:.3f}-{interval[1]:.3f})"
