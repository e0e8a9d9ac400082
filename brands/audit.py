"""The audit log: one hash-chained row for each change, written in the transaction of the change.

A row's hash is SHA-256 over the canonical JSON of its contents and of the hash before it, so a changed, removed,
inserted or moved row breaks the chain. A head row keeps the count and the last hash, so a shortened tail shows too.
What a row says of its object counts by a salted digest: `redact` takes words and salt away, and the chain still fits.
Someone who can rewrite every row and the head can forge a whole chain: signed checkpoints (`brands.checkpoints`) and
copies of them kept elsewhere show that.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands.columns import canonical_json
from brands.schema import audit, audit_head

GENESIS = "0" * 64
"""The hash before the first row."""

_ROWS_AT_ONCE = 1000
_SALT_BYTES = 16
_COVERED = ("sequence", "at", "actor", "action", "kind", "object_id", "before_hash", "after_hash")
"""What a row's hash covers, beside the hash before it; `at` as ISO 8601 text."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `verify` found: how many `rows` fit, the sequence of the `first_bad` one (None if `ok`), the hash of the
    last row that fits, and from how many of the rows words were erased."""

    rows: int
    ok: bool
    first_bad: int | None
    head: str
    redacted: int = 0


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
        row = {"sequence": count, **asdict(change), "at": iso(change.at)}
        salt = secrets.token_hex(_SALT_BYTES)
        for name in ("before", "after"):
            row[f"{name}_hash"] = None if row[name] is None else _said(salt, canonical_json(row[name]))
        digest = _digest(row, previous)
        rows.append({**row, "salt": salt, "previous_hash": previous, "hash": digest})
        previous = digest
    if rows:
        conn.execute(sa.insert(audit), rows)
        conn.execute(sa.update(audit_head).values(count=count, hash=previous))
    return count


def redact(conn: Connection, object_ids: Iterable[str]) -> int:
    """Erases what the rows of these objects say of them; how many rows lost words. That they were written stays."""
    erased = 0
    wanted = sorted(set(object_ids))
    for start in range(0, len(wanted), _ROWS_AT_ONCE):
        erased += conn.execute(
            sa.update(audit)
            .where(audit.c.object_id.in_(wanted[start : start + _ROWS_AT_ONCE]), audit.c.salt.is_not(None))
            .values(before=sa.null(), after=sa.null(), salt=None)
        ).rowcount
    return erased


def redact_rows(conn: Connection, sequences: Sequence[int]) -> int:
    """The same as `redact` for the rows with these numbers, at most a few thousand."""
    return conn.execute(
        sa.update(audit)
        .where(audit.c.sequence.in_(sequences), audit.c.salt.is_not(None))
        .values(before=sa.null(), after=sa.null(), salt=None)
    ).rowcount


def verify(conn: Connection) -> AuditReport:
    """Walks the whole chain in constant memory; `conn` must be a `Database.read()`, which sees one state throughout.

    `first_bad` is the first sequence at which the log is not what was written: a row that does not fit, a gap, the
    place of the first row cut off the tail, or the first row beyond the head.
    """
    count, head = conn.execute(sa.select(audit_head.c.count, audit_head.c.hash)).one()
    report = follow(read_rows(conn), until=count)
    if report.ok and report.head != head:
        return replace(report, ok=False, first_bad=max(count, 1))
    return report


def check_part(conn: Connection, *, after: int, previous: str, until: int) -> AuditReport:
    """Walks the rows behind `after`, whose hash is `previous`, up to `until`, and nothing else."""
    return follow(
        read_rows(conn, audit.c.sequence > after, audit.c.sequence <= until),
        until=until,
        after=after,
        previous=previous,
    )


def read_rows(conn: Connection, *conditions: sa.ColumnElement[bool]) -> Iterator[Mapping[str, Any]]:
    """The rows in their order, in constant memory, `before` and `after` as the canonical text that was hashed."""
    # Read as text, since rows that somebody damaged must not stop the walk.
    raw = [sa.type_coerce(column, sa.Text) if column.name in ("before", "after") else column for column in audit.c]
    query = sa.select(*raw).where(*conditions).order_by(audit.c.sequence)
    with conn.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE}) as stream:
        for row in stream:
            yield dict(zip(audit.c.keys(), row, strict=True))


def follow(rows: Iterable[Mapping[str, Any]], *, until: int, after: int = 0, previous: str = GENESIS) -> AuditReport:
    """Follows the chain through `rows`, `before` and `after` as canonical text, which should be those up to `until`."""
    fit, redacted = after, 0
    for row in rows:
        misplaced = row["sequence"] != fit + 1 or fit == until or row["previous_hash"] != previous
        if misplaced or not row_fits(row):
            return AuditReport(fit, False, fit + 1, previous, redacted)
        fit, previous = fit + 1, row["hash"]
        redacted += row["salt"] is None
    if fit != until:
        return AuditReport(fit, False, fit + 1, previous, redacted)
    return AuditReport(fit, True, None, previous, redacted)


def row_fits(row: Mapping[str, Any]) -> bool:
    """Whether a row, `before` and `after` as canonical text, has the hash of what it says and of the hash before it."""
    return _fits(row) and row["hash"] == _digest(row, row["previous_hash"])


def iso(at: datetime) -> str:
    """A time as the log writes it, and as everything that is signed does: UTC, with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _said(salt: str, text: str) -> str:
    return hashlib.sha256(f"{salt}:{text}".encode()).hexdigest()


def _digest(row: Mapping[str, Any], previous: str) -> str:
    covered = {name: row[name] for name in _COVERED}
    return hashlib.sha256(canonical_json({**covered, "previous": previous}).encode()).hexdigest()


def _fits(row: Mapping[str, Any]) -> bool:
    """Whether what a row says has the digests that its hash covers; a redacted row says nothing and keeps them."""
    for name in ("before", "after"):
        text, digest = row[name], row[f"{name}_hash"]
        if row["salt"] is None:
            if text is not None:
                return False
        elif (text is None) != (digest is None) or (text is not None and _said(row["salt"], text) != digest):
            return False
    return True
