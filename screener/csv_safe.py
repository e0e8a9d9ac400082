"""CSV that spreadsheets show and do not run: a text that they would take for a formula gets an apostrophe before it.

OWASP, CSV Injection; the full-width forms are what spreadsheets with East Asian input also take.
"""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
_BEFORE: Final = " \u00a0\u200b\ufeff\u3000'"
MARK: Final = "\ufeff"
"""First in a file, or spreadsheets read UTF-8 as something else."""


def safe(value: object) -> str:
    """A value as a harmless cell: numbers as they are, times as ISO 8601, nothing for None, texts disarmed."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    text = str(value)
    if isinstance(value, int | float):
        return text
    return f"'{text}" if _starts_formula(text) else text


def plain(text: str) -> str:
    """The text that `safe` disarmed, as it was."""
    return text[1:] if text.startswith("'") and _starts_formula(text[1:]) else text


def lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A CSV file (RFC 4180) line by line: the names of the columns, then the rows."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    yield MARK
    for row in itertools.chain([columns], rows):
        writer.writerow([safe(value) for value in row])
        yield _taken(buffer)


def _starts_formula(text: str) -> bool:
    # An apostrophe that was there before counts as a blank: so `plain` can tell it from one of `safe`.
    return text.lstrip(_BEFORE).startswith(_STARTS)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
