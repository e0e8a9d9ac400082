"""The audit log by filters: pages for people, and JSON Lines that can be checked without the database.

A file begins with a signed line that says what was asked for, how many rows that is and what the log's head was; then
come the checkpoints, then the rows with their salts and hashes. Of a file without filters the whole chain is checked,
of another each row, their number, and those that follow each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands import audit, checkpoints
from brands.columns import canonical_json
from brands.schema import audit as rows
from brands.schema import audit_head
from brands.signing import Signer, is_signed

FORMAT = 1
_TYPE = "audit export"
_SIGNED = ("format", "count", "head", "at", "filter", "rows")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are wanted, None = any: equal fields, `since` <= time < `until`."""

    actor: str | None = None
    action: str | None = None
    kind: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def record(self) -> dict[str, str]:
        """What is asked for as JSON, without what is not."""
        times = {name: getattr(self, name) and audit.iso(getattr(self, name)) for name in ("since", "until")}
        return {name: value for name, value in {**asdict(self), **times}.items() if value is not None}

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """The same for the database. The times are text of one form, so text compares as they do."""
        asked = self.record()
        since, until = asked.pop("since", None), asked.pop("until", None)
        found = [rows.c[name] == value for name, value in asked.items()]
        if since is not None:
            found.append(rows.c["at"] >= since)
        if until is not None:
            found.append(rows.c["at"] < until)
        return found


@dataclass(frozen=True, slots=True)
class FileReport:
    """What `verify_lines` found: rows and checkpoints that fit, whether the file is the `whole` log, what is wrong."""

    rows: int
    checkpoints: int
    whole: bool
    covered: int
    head: str
    problems: tuple[str, ...]


def fetch_page(conn: Connection, wanted: Filter, *, after: int, limit: int) -> list[dict[str, Any]]:
    """Up to `limit` rows by number, those behind `after` only, without salts."""
    columns = [column for column in rows.c if column.name not in ("salt", "before_hash", "after_hash")]
    query = sa.select(*columns).where(rows.c.sequence > after, *wanted.conditions()).order_by(rows.c.sequence)
    return [dict(row._mapping) for row in conn.execute(query.limit(limit))]


def lines(conn: Connection, signer: Signer, wanted: Filter, *, at: datetime) -> Iterator[str]:
    """The lines of a file, in constant memory; `conn` must be a `Database.read()`, which sees one state throughout."""
    count, head = conn.execute(sa.select(audit_head.c.count, audit_head.c.hash)).one()
    number = conn.execute(sa.select(sa.func.count()).select_from(rows).where(*wanted.conditions())).scalar_one()
    first = {"format": FORMAT, "count": count, "head": head, "at": audit.iso(at), "filter": wanted.record()}
    first["rows"] = number
    signature = signer.sign(_TYPE, first)
    yield canonical_json({"type": _TYPE, **first, "public_key": signer.public_key, "signature": signature})
    after = 0
    while page := checkpoints.fetch_page(conn, after=after, limit=1000):
        after = page[-1].sequence
        yield from (canonical_json({"type": "checkpoint", **checkpoints.record(found)}) for found in page)
    for row in audit.read_rows(conn, *wanted.conditions()):
        said = {name: row[name] and json.loads(row[name]) for name in ("before", "after")}
        yield canonical_json({"type": "row", **row, **said})


def verify_lines(
    text: Iterable[str], trusted: Sequence[str], copies: Sequence[checkpoints.Checkpoint] = ()
) -> FileReport:
    """Checks a file of `lines` by itself. Raises ValueError for what is no such file."""
    iterator = iter(text)
    first = _parsed(next(iterator, ""))
    if first.get("type") != _TYPE or first.get("format") != FORMAT or not isinstance(first.get("filter"), dict):
        raise ValueError("not an export of an audit log")
    problems: list[str] = []
    if first.get("public_key") not in trusted:
        problems.append("the file is signed by a key that is not trusted")
    signed = {name: first.get(name) for name in _SIGNED}
    if not is_signed(str(first.get("public_key")), _TYPE, signed, str(first.get("signature"))):
        problems.append("the signature of the file does not fit")
    found, last, previous = 0, 0, audit.GENESIS
    marks: list[checkpoints.Checkpoint] = []
    hashes: dict[int, str | None] = {copy.sequence: None for copy in copies}
    for number, line in enumerate(iterator, 2):
        value = _parsed(line)
        if value.get("type") == "checkpoint":
            marks.append(checkpoints.parsed(value))
            hashes[marks[-1].sequence] = None
            continue
        row = _as_text(value)
        if row is None or row["sequence"] <= last or not audit.row_fits(row):
            problems.append(f"line {number}: not a row as it was written")
            break
        if row["sequence"] == last + 1 and row["previous_hash"] != previous:
            problems.append(f"line {number}: does not follow the row before")
            break
        if not first["filter"] and row["sequence"] != last + 1:
            problems.append(f"line {number}: row {last + 1} is missing")
            break
        found, last, previous = found + 1, row["sequence"], row["hash"]
        if last in hashes:
            hashes[last] = previous
    if not problems and found != first.get("rows"):
        problems.append(f"the file has {found} rows, not the {first.get('rows')} that it names")
    whole = not first["filter"]
    if whole and not problems and (last, previous) != (first["count"], first["head"]):
        problems.append(f"the file ends at row {last}, the log at row {first['count']}")
    fitting, covered = 0, 0
    for mark, name in [*((mark, "") for mark in marks), *((copy, "copy of ") for copy in copies)]:
        digest = hashes[mark.sequence]
        # A row that the filter left out cannot be compared; its checkpoint must be signed all the same.
        compared = mark.hash if digest is None and not whole else digest
        if problem := checkpoints.problem_of(mark, compared, trusted):
            problems.append(name + problem)
        else:
            fitting, covered = fitting + (not name), max(covered, mark.sequence)
    return FileReport(found, fitting, whole and not problems, covered, previous, tuple(problems))


def _parsed(line: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not an export of an audit log: a line is not JSON") from None
    if not isinstance(value, dict):
        raise ValueError("not an export of an audit log: a line is not an object")
    return value


def _as_text(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """The row as the database has it; None for what is no row."""
    names = [column.name for column in rows.c]
    if value.get("type") != "row" or set(value) != {"type", *names} or type(value["sequence"]) is not int:
        return None
    texts = [value[name] for name in names if name not in ("sequence", "before", "after")]
    if not all(text is None or isinstance(text, str) for text in texts):
        return None
    said = {name: None if value[name] is None else canonical_json(value[name]) for name in ("before", "after")}
    return {name: value[name] for name in names} | said
