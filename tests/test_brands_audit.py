"""The audit chain: it grows without gaps, and every kind of tampering shows."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands import audit
from brands.columns import canonical_json
from brands.database import Database
from brands.schema import audit as rows
from brands.schema import audit_head

AT = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)


def _append(conn: Connection, name: str = "x") -> int:
    return audit.append(
        conn,
        actor="cli:test",
        action="brand.add",
        kind="brand",
        object_id=name,
        before=None,
        after={"name": "é\0", "n": 1.5},
        at=AT,
    )


def _filled(database: Database, count: int = 5) -> audit.AuditReport:
    with database.write() as conn:
        assert [_append(conn, f"brd_{i}") for i in range(count)] == list(range(1, count + 1))
    return _verify(database)


def _verify(database: Database) -> audit.AuditReport:
    with database.read() as conn:
        return audit.verify(conn)


def test_an_empty_chain_verifies(database: Database) -> None:
    assert _verify(database) == audit.AuditReport(0, True, None, audit.GENESIS)


def test_a_chain_verifies_in_several_fetches(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_ROWS_AT_ONCE", 3)
    report = _filled(database, 10)
    assert (report.rows, report.ok, report.first_bad) == (10, True, None)
    with database.read() as conn:
        last = conn.execute(sa.select(rows.c.hash).where(rows.c.sequence == 10)).scalar_one()
    assert report.head == last


def test_the_hash_is_what_the_documentation_says(database: Database) -> None:
    _filled(database, 1)
    with database.read() as conn:
        stored = conn.execute(sa.select(rows)).one()
    said = canonical_json({"name": "é\0", "n": 1.5})
    text = canonical_json(
        {
            "sequence": 1,
            "at": "2025-03-01T09:30:00.000000+00:00",
            "actor": "cli:test",
            "action": "brand.add",
            "kind": "brand",
            "object_id": "brd_0",
            "before_hash": None,
            "after_hash": hashlib.sha256(f"{stored.salt}:{said}".encode()).hexdigest(),
            "previous": "0" * 64,
        }
    )
    assert stored.hash == hashlib.sha256(text.encode()).hexdigest()
    assert stored.previous_hash == "0" * 64


def test_a_rolled_back_change_leaves_no_gap(database: Database) -> None:
    _filled(database, 2)
    with pytest.raises(KeyError), database.write() as conn:
        _append(conn)
        raise KeyError
    with database.write() as conn:
        assert _append(conn) == 3
    assert _verify(database).ok


def test_writers_at_once_make_one_chain(database: Database) -> None:
    def write() -> None:
        for _ in range(5):
            with database.write() as conn:
                _append(conn)

    threads = [threading.Thread(target=write) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = _verify(database)
    assert (report.rows, report.ok) == (25, True)


def _set(sequence: int, **values: Any) -> Callable[[Connection], Any]:
    return lambda conn: conn.execute(sa.update(rows).where(rows.c.sequence == sequence).values(**values))


def _set_raw(sequence: int, column: str, text: str) -> Callable[[Connection], Any]:
    def tamper(conn: Connection) -> None:
        conn.execute(sa.text(f"UPDATE audit SET {column} = :text WHERE sequence = :s"), {"text": text, "s": sequence})

    return tamper


def _remove(*sequences: int) -> Callable[[Connection], Any]:
    return lambda conn: conn.execute(sa.delete(rows).where(rows.c.sequence.in_(sequences)))


def _swap(conn: Connection) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        conn.execute(sa.update(rows).where(rows.c.sequence == old).values(sequence=new))


def _close_gap(conn: Connection) -> None:
    _remove(3)(conn)
    for sequence in (4, 5):
        conn.execute(sa.update(rows).where(rows.c.sequence == sequence).values(sequence=sequence - 1))
    conn.execute(sa.update(audit_head).values(count=4))


def _insert_between(conn: Connection) -> None:
    for sequence in (5, 4):
        conn.execute(sa.update(rows).where(rows.c.sequence == sequence).values(sequence=sequence + 1))
    third = conn.execute(sa.select(rows).where(rows.c.sequence == 3)).one()._asdict()
    conn.execute(sa.insert(rows).values({**third, "sequence": 4}))


def _append_unknown_to_the_head(conn: Connection) -> None:
    head = conn.execute(sa.select(audit_head)).one()
    _append(conn, "forged")
    conn.execute(sa.update(audit_head).values(count=head.count, hash=head.hash))


def _rewrite_the_tail(conn: Connection) -> None:
    """Someone replaces the last row by one with a right hash, but cannot write the head."""
    head = conn.execute(sa.select(audit_head)).one()
    fourth = conn.execute(sa.select(rows.c.hash).where(rows.c.sequence == 4)).scalar_one()
    _remove(5)(conn)
    conn.execute(sa.update(audit_head).values(count=4, hash=fourth))
    _append(conn, "forged")
    conn.execute(sa.update(audit_head).values(count=head.count, hash=head.hash))


TAMPERINGS: dict[str, tuple[Callable[[Connection], Any], int]] = {
    "changed actor": (_set(2, actor="cli:other"), 2),
    "changed time": (_set(2, at="2025-03-01T09:30:01.000000+00:00"), 2),
    "changed action": (_set(1, action="brand.update"), 1),
    "changed object": (_set(5, object_id="brd_9"), 5),
    "changed after": (_set(3, after={"name": "other"}), 3),
    "removed after": (_set(3, after=None), 3),
    "invented before": (_set(3, before={}), 3),
    "same JSON in other characters": (_set_raw(3, "after", '{ "n":1.5,"name":"é\\u0000"}'), 3),
    "a name twice in the JSON": (_set_raw(3, "after", '{"n":2,"n":1.5,"name":"é\\u0000"}'), 3),
    "no JSON": (_set_raw(3, "after", "{"), 3),
    "JSON too deep to read": (_set_raw(3, "after", "[" * 100_000), 3),
    "changed hash": (_set(4, hash="f" * 64), 4),
    "changed previous hash": (_set(4, previous_hash="f" * 64), 4),
    "removed first": (_remove(1), 1),
    "removed in the middle": (_remove(3), 3),
    "removed and closed up": (_close_gap, 3),
    "removed last": (_remove(5), 5),
    "removed tail": (_remove(3, 4, 5), 3),
    "removed all": (_remove(1, 2, 3, 4, 5), 1),
    "swapped": (_swap, 2),
    "inserted": (_insert_between, 4),
    "appended": (_append_unknown_to_the_head, 6),
    "rewritten tail": (_rewrite_the_tail, 5),
    "head count": (lambda conn: conn.execute(sa.update(audit_head).values(count=4)), 5),
    "head hash": (lambda conn: conn.execute(sa.update(audit_head).values(hash="0" * 64)), 5),
}


class Undo(Exception):
    """Rolls a tampering back, so that the next one starts from the good chain."""


def test_tampering_shows(database: Database) -> None:
    assert _filled(database).ok
    for name, (tamper, first_bad) in TAMPERINGS.items():
        with pytest.raises(Undo), database.write() as conn:
            tamper(conn)
            report = audit.verify(conn)
            assert (report.ok, report.first_bad) == (False, first_bad), name
            raise Undo
        assert _verify(database).ok, name


def test_verifying_streams(database: Database) -> None:
    """The rows come in batches: on PostgreSQL from a server-side cursor, on SQLite with fetchmany."""
    _filled(database, 3)
    seen: list[Any] = []
    with database.read() as conn:

        def note(_conn: Any, _clause: Any, _multi: Any, _params: Any, options: Any, _result: Any) -> None:
            seen.append(options.get("yield_per"))

        sa.event.listen(conn, "after_execute", note)
        audit.verify(conn)
    assert seen == [None, 1000]


def test_erased_words_leave_a_chain_that_still_fits(database: Database) -> None:
    _filled(database, 5)
    with database.write() as conn:
        assert audit.redact(conn, ["brd_1", "brd_3", "nobody"]) == 2
    with database.read() as conn:
        report = audit.verify(conn)
        said = conn.execute(sa.select(rows.c.after, rows.c.salt).order_by(rows.c.sequence)).all()
    assert (report.ok, report.rows, report.redacted) == (True, 5, 2)
    assert [row.after is None for row in said] == [False, True, False, True, False]
    with database.write() as conn:
        conn.execute(sa.update(rows).where(rows.c.sequence == 2).values(after={"name": "forged"}))
    with database.read() as conn:
        assert audit.verify(conn).first_bad == 2
