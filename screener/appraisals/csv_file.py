"""Appraisals as a table: reads CSV as spreadsheets write it, and writes the table that people fill in."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Final

from brands.errors import Invalid
from screener import csv_safe
from screener.appraisals.cells import COLUMNS, ITEM, REQUIRED, read_cells
from screener.appraisals.checking import Findings, Placed
from screener.appraisals.model import MOST, AppraisalsRefused, NewAppraisal, Place

INFO: Final = "info_"
"""Columns that begin so are for the people who fill the table in, and are not read."""
_DELIMITERS: Final = (",", ";", "\t")
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""How a file that begins so is written; what spreadsheets call "Unicode text" is UTF-16."""
_WIDEST: Final = 64


def parse_csv(data: bytes, *, today: date, findings: Findings) -> list[Placed]:
    """The appraisals of a CSV file with `COLUMNS`, in any order, named in its first line.

    Comma, semicolon and tab are told apart by that line. Rows are counted as a spreadsheet does: the heading is row 1,
    and an empty row counts. What is wrong with a row is in the findings. Raises AppraisalsRefused for a heading that
    cannot be used, Invalid (`invalid_csv`, `too_many`) for what is no table at all.
    """
    text = _decoded(data)
    delimiter = _delimiter(text)
    rows = _records(text, delimiter)
    heading = next(rows, [])
    columns = _columns(heading)
    placed: list[Placed] = []
    # Where a comma does not part cells, spreadsheets of those countries part decimals with it.
    read = partial(read_cells, findings, today=today, decimal_comma=delimiter != ",")
    for number, cells in enumerate(rows, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(placed) == MOST:
            raise Invalid(f"A table may have at most {MOST} rows.", code="too_many", field="rows")
        place = Place(number, f"rows[{number}]")
        findings.attempt(place, "", partial(_check_width, cells, heading))
        named = {column: csv_safe.plain(cells[n]) for column, n in columns.items() if n < len(cells)}
        placed.append(Placed(place, read(place, named)))
    return placed


def write_csv(rows: Iterable[Mapping[str, object]], info: Sequence[str] = ()) -> Iterator[str]:
    """The lines of a table with all columns, and behind them those for people; cells that a row lacks are empty."""
    shown = [f"{INFO}{name}" for name in info]
    names = [*COLUMNS, *shown]
    return csv_safe.lines(names, ([row.get(name) for name in names] for row in rows))


def row_of(new: NewAppraisal) -> dict[str, object]:
    """An appraisal as `write_csv` takes it; read again, it is the same."""
    return {name: _cell(value) for name, value in asdict(new).items()}


def _cell(value: object) -> object:
    """Numbers with all their digits, and without an exponent."""
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    return format(value, "f") if isinstance(value, Decimal) else value


def _decoded(data: bytes) -> str:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise Invalid("The file is not CSV in UTF-8.", code="invalid_csv") from None


def _delimiter(text: str) -> str:
    """That by which the first line has the most names of columns."""
    first = text.lstrip("\r\n").splitlines()[:1]
    if not first:
        raise Invalid("The file is empty; its first line names the columns.", code="invalid_csv")

    def known(delimiter: str) -> int:
        return sum(_name(cell) in COLUMNS for cell in first[0].replace('"', "").split(delimiter))

    best = max(_DELIMITERS, key=known)
    if not known(best):
        raise Invalid("The first line does not name the columns.", code="invalid_csv")
    return best


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise Invalid(
                f"Row {number} is not CSV: a quote is not closed, or something stands behind it.",
                code="invalid_csv",
                field=f"rows[{number}]",
            ) from None
        yield record


def _columns(heading: Sequence[str]) -> dict[str, int]:
    """Where each column stands. Raises AppraisalsRefused with all that is wrong with the heading."""
    findings, found = Findings(), dict[str, int]()
    place = Place(1, "rows[1]")
    for n, cell in enumerate(heading):
        name = _name(cell)
        if name and not name.startswith(INFO):
            findings.attempt(place, f"[{n + 1}]", partial(_check_name, name, n, found))
            found.setdefault(name, n)
    for column in REQUIRED:
        findings.attempt(place, column, partial(_check_there, (column,), found))
    findings.attempt(place, ITEM[0], partial(_check_there, ITEM, found))
    if findings.problems:
        raise AppraisalsRefused(findings.problems)
    return found


def _name(cell: str) -> str:
    return csv_safe.plain(cell.strip().strip("\ufeff")).lower().replace(" ", "_")[:_WIDEST]


def _check_name(name: str, n: int, found: Mapping[str, int]) -> None:
    if name not in COLUMNS:
        raise Invalid(f"Column {n + 1} has a name that is not known.", code="unknown_column")
    if name in found:
        raise Invalid(f"Column {n + 1} has the name of an earlier one.", code="duplicate_column")


def _check_there(names: Sequence[str], found: Mapping[str, int]) -> None:
    if not any(name in found for name in names):
        raise Invalid(f"There is no column {' or '.join(names)}.", code="missing_column")


def _check_width(cells: Sequence[str], heading: Sequence[str]) -> None:
    if any(cell.strip() for cell in cells[len(heading) :]):
        raise Invalid("The row has more cells than the heading.", code="invalid_row")
