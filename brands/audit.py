"""The audit log: one hash-chained row for each change, written in the transaction of the change.

A row's hash is SHA-256 over the canonical JSON of its contents and of the hash before it, so a changed, removed,
inserted or moved row breaks the chain. A head row keeps the count and the last hash, so a shortened tail shows too.
Someone who can rewrite every row and the head can forge a whole chain: compare `AuditReport.head` with a copy kept
elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands.columns import canonical_json
from brands.schema import audit, audit_head

GENESIS = "0" * 64
"""The hash before the first row."""

_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `verify` found: how many `rows` fit, the sequence of the `first_bad` one (None if `ok`) and the
    hash of the last row that fits."""

    rows: int
    ok: bool
    first_bad: int | None
    head: str


@dataclass(frozen=True, slots=True)
class Change:
    """Who did what to which object, and what it was `before` and `after` (JSON objects, or None)."""

    actor: str
    action: str
    kind: str
    object_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    at: datetime


def lock(conn: Connection) -> tuple[int, str]:
    """Waits for the right to write audit rows until the transaction ends; gives the count of rows and the last hash.

    Every mutation takes it first, so they run one after the other on PostgreSQL too, and what they check stays true.
    """
    count, digest = conn.execute(sa.select(audit_head.c.count, audit_head.c.hash).with_for_update()).one()
    return count, digest


def append(
    conn: Connection,
    *,
    actor: str,
    action: str,
    kind: str,
    object_id: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    at: datetime,
) -> int:
    """Writes one row at the end of the chain and gives its sequence (1, 2, 3, ... without gaps).

    `before` and `after` are JSON objects, None where there is nothing. The row stays or goes with `conn`'s transaction.
    """
    return append_all(conn, [Change(actor, action, kind, object_id, before, after, at)])


def append_all(conn: Connection, changes: Sequence[Change]) -> int:
    """Writes a row for each change, in their order, and gives the last sequence."""
    count, previous = lock(conn)
    rows = []
    for change in changes:
        count += 1
        at = change.at.astimezone(UTC).isoformat(timespec="microseconds")
        row = {"sequence": count, **asdict(change), "at": at}
        digest = _digest(row, previous)
        rows.append({**row, "previous_hash": previous, "hash": digest})
        previous = digest
    if rows:
        conn.execute(sa.insert(audit), rows)
        conn.execute(sa.update(audit_head).values(count=count, hash=previous))
    return count


def verify(conn: Connection) -> AuditReport:
    """Walks the whole chain in constant memory; `conn` must be a `Database.read()`, which sees one state throughout.

    `first_bad` is the first sequence at which the log is not what was written: a row that does not fit, a gap, the
    place of the first row cut off the tail, or the first row beyond the head.
    """
    count, head = conn.execute(sa.select(audit_head.c.count, audit_head.c.hash)).one()
    rows, previous = 0, GENESIS
    # The JSON is read as text: rows that somebody damaged must not stop the walk.
    raw = [sa.type_coerce(column, sa.Text) if column.name in ("before", "after") else column for column in audit.c]
    query = sa.select(*raw).order_by(audit.c.sequence)
    with conn.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE}) as stream:
        for sequence, *contents, previous_hash, digest in stream:
            if sequence != rows + 1 or rows == count or previous_hash != previous:
                return AuditReport(rows, False, rows + 1, previous)
            if digest != _digest_of_text(sequence, contents, previous):
                return AuditReport(rows, False, rows + 1, previous)
            rows, previous = rows + 1, digest
    if rows != count:
        return AuditReport(rows, False, rows + 1, previous)
    if previous != head:
        return AuditReport(rows, False, max(rows, 1), previous)
    return AuditReport(rows, True, None, previous)


def _digest(row: Mapping[str, Any], previous: str) -> str:
    return hashlib.sha256(canonical_json({**row, "previous": previous}).encode()).hexdigest()


def _digest_of_text(sequence: int, contents: list[Any], previous: str) -> str | None:
    """The hash of a row as stored, None if it is no row that `append` could have written."""
    at, actor, action, kind, object_id, before, after = contents
    row = {"sequence": sequence, "at": at, "actor": actor, "action": action, "kind": kind, "object_id": object_id}
    try:
        for name, text in (("before", before), ("after", after)):
            row[name] = None if text is None else json.loads(text)
            if text is not None and canonical_json(row[name]) != text:
                return None
        return _digest(row, previous)
    except (TypeError, ValueError, RecursionError):
        return None
