"""One progress bar for all long work, on standard error and only where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def progress(items: Sequence[T], label: str) -> Iterable[T]:
    """The items one by one, with a bar named `label` if standard error is a terminal."""
    watched = sys.stderr.isatty()
    return track(items, description=label, console=Console(stderr=True), disable=not watched, transient=True)
