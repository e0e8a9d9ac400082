"""How commands speak: tables or JSON on standard output, progress bars and one-line errors on standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from brands.errors import RegistryError
from index.errors import IndexRefused
from screener.errors import ScreenerError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

Advance = Callable[[int, int], None]
"""Told how much is done, and of how much."""

HINTS: Mapping[str, str] = {
    "not_found": "The `list` commands show the ids.",
    "unknown_brand": "`listing-screener brands list` shows the ids.",
    "duplicate_name": "`listing-screener brands list` shows the brands.",
    "no_brands": "A brand folder holds brand.json and folders of pictures.",
    "registry_unavailable": "Check SCREENER_DATABASE_URL, and whether another process holds the database.",
    "bundle_refused": "`listing-screener models bundles` shows what is there; SCREENER_BUNDLE names another.",
    "snapshot_refused": "`listing-screener index build` builds it anew.",
    "release_refused": "`listing-screener index build` writes it anew.",
}
"""What to do about an error, by its code."""

_WIDTH_OF_A_FILE = 240


class Failure(Exception):
    """An operation that failed, in words; exit code 1, or 2 for wrong usage."""

    def __init__(self, message: str, hint: str = "", *, exit_code: int = 1):
        super().__init__(f"{message} {hint}".rstrip())
        self.exit_code = exit_code


class Commands(TyperGroup):
    """A group whose expected errors are one line on standard error and an exit code, not a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was chosen."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            print_error(str(failure))
            raise typer.Exit(failure.exit_code) from None
        except BrokenPipeError:
            raise  # whoever reads has read enough; Typer ends quietly
        except (ScreenerError, RegistryError, IndexRefused, OSError) as error:
            print_error(explain(error))
            raise typer.Exit(1) from None


def explain(error: Exception) -> str:
    """An error in one line: what is wrong, where, and what to do."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    field = getattr(error, "field", None)
    hint = HINTS.get(getattr(error, "code", ""), "")
    return " ".join(part for part in (f"{field}:" if field else "", str(error), hint) if part)


def print_error(message: str) -> None:
    """Prints one line on standard error."""
    typer.echo(f"error: {shown(message)}", err=True)


def print_json(value: Any) -> None:
    """Prints a value as JSON, readable and with every letter as itself."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Prints rows under their columns; the names in `right` are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row))
    output().print(table)


def output() -> Console:
    """Standard output for tables; a file has no width, so there a table is as wide as its cells and no id is broken."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)


def shown(value: object) -> str:
    """A value as text that no terminal obeys: escapes, and bytes that are not UTF-8, are replaced."""
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


@contextmanager
def progress(label: str) -> Iterator[Advance]:
    """A progress bar while the block runs, if somebody sees it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
