"""The database: migrations, transactions, readers beside writers, and column types that mean the same on both."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st

from brands import database as database_module
from brands.columns import BoxText, CanonicalJson, ExactDecimal, UtcTime, canonical_json
from brands.database import Database
from brands.errors import Unavailable
from brands.migrate import upgrade
from brands.schema import api_keys, metadata, registry_state, screenings

AT = datetime(2025, 3, 1, 9, 30, 15, 123456, tzinfo=UTC)


def _row(**changes: object) -> dict[str, object]:
    row = {"id": "key_1", "scope": "hook", "label": "", "created_at": AT, "created_by": "cli:test"} | changes
    return {"digest": row["id"], **row}


def _count(database: Database) -> int:
    with database.read() as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(api_keys)).scalar_one())


def test_migrations_arrive_at_the_schema(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    database.migrate()
    with database.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == "r0004"
    database.close()


def test_migrating_twice_keeps_the_data(database: Database) -> None:
    with database.write() as conn:
        conn.execute(sa.insert(api_keys).values(**_row()))
    database.migrate()
    assert _count(database) == 1


def test_screenings_from_before_get_their_columns_filled(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with database.write() as conn:
        upgrade(conn, "r0001")
    old = sa.table("screenings", *(sa.column(column.name, column.type) for column in screenings.c))
    row = {
        "listing_id": "L", "revision": 1, "key_id": "k", "seller_id": "s", "verdict": "clear", "probability": 0.1,
        "release_id": "r", "fingerprint": "f", "rescreen": False, "created_at": AT,
    }  # fmt: skip
    fake = [{"code": "price_far_below_reference"}, {"code": "known_fake_copy"}]
    cases = [
        ({"title": "\0", "category": "bags"}, "recognised", fake, ("recognised", True, "bags")),
        ({"category": None}, "unknown", [], ("unknown", False, None)),
        ({}, "none", [{"code": "brand_unknown"}], ("none", False, None)),
    ]
    with database.write() as conn:
        answers = [
            (request, {"brand": {"status": status}, "reasons": reasons}) for request, status, reasons, _ in cases
        ]
        rows = [(f"scr_{n:04}", *answers[n % len(cases)]) for n in range(1003)]  # more than are filled at once
        conn.execute(sa.insert(old), [{"id": i, "request": asked, "answer": said, **row} for i, asked, said in rows])
    database.migrate()
    with database.read() as conn:
        columns = (screenings.c.brand_status, screenings.c.known_fake, screenings.c.category, screenings.c.features)
        found = conn.execute(sa.select(*columns).order_by(screenings.c.id)).all()
        assert [tuple(row) for row in found] == [(*cases[n % len(cases)][-1], None) for n in range(1003)]
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_processes_that_migrate_at_once_all_succeed(empty_database_url: str) -> None:
    program = "import sys; from brands.database import Database; d = Database(sys.argv[1]); d.migrate(); d.close()"
    root = Path(__file__).parent.parent
    started = [
        subprocess.Popen([sys.executable, "-c", program, empty_database_url], cwd=root, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    database = Database(empty_database_url)
    with database.read() as conn:
        assert conn.execute(sa.select(registry_state.c.version)).all() == [(0,)]
    database.close()


def test_a_failed_migration_leaves_nothing(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with pytest.raises(ZeroDivisionError), database.write() as conn:
        upgrade(conn)
        raise ZeroDivisionError
    with database.read() as conn:
        assert sa.inspect(conn).get_table_names() == []
    database.migrate()
    assert _count(database) == 0
    database.close()


def test_write_commits_at_the_end_and_rolls_back_on_an_error(database: Database) -> None:
    with pytest.raises(KeyError), database.write() as conn:
        conn.execute(sa.insert(api_keys).values(**_row()))
        raise KeyError
    assert _count(database) == 0
    with database.write() as conn:
        conn.execute(sa.insert(api_keys).values(**_row()))
    assert _count(database) == 1


def test_a_reader_sees_one_state_while_a_writer_commits(database: Database) -> None:
    with database.read() as reader:
        query = sa.select(sa.func.count()).select_from(api_keys)
        assert reader.execute(query).scalar_one() == 0
        with database.write() as conn:
            conn.execute(sa.insert(api_keys).values(**_row()))
        assert reader.execute(query).scalar_one() == 0
    assert _count(database) == 1


def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises((sa.exc.DBAPIError, Unavailable)), database.read() as conn:
        conn.execute(sa.insert(api_keys).values(**_row()))
    assert _count(database) == 0
    with database.write() as conn:
        conn.execute(sa.insert(api_keys).values(**_row()))
    assert _count(database) == 1


def test_readers_are_not_blocked_by_an_open_write(database: Database) -> None:
    with database.write() as conn:
        conn.execute(sa.insert(api_keys).values(**_row()))
        assert _count(database) == 0
        counts: list[int] = []
        reader = threading.Thread(target=lambda: counts.append(_count(database)))
        reader.start()
        reader.join(timeout=30)
        assert counts == [0]


def test_writers_in_many_threads_all_commit(database: Database) -> None:
    def write(name: int) -> None:
        for i in range(5):
            with database.write() as conn:
                conn.execute(sa.insert(api_keys).values(**_row(id=f"key_{name}_{i}")))

    threads = [threading.Thread(target=write, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _count(database) == 30


def test_sqlite_is_set_up_for_durability(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/deep/er/registry.db")
    with database.read() as conn:
        pragma = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    database.close()


def test_a_lock_held_by_another_process_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_S", 0.05)
    first, second = (Database(f"sqlite:///{tmp_path}/registry.db") for _ in range(2))
    with first.write(), pytest.raises(Unavailable) as caught, second.write():
        pass
    assert (caught.value.status, caught.value.code) == (503, "registry_unavailable")
    first.close()
    second.close()


def test_a_lock_held_by_another_thread_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_S", 0.05)
    database = Database(f"sqlite:///{tmp_path}/registry.db")
    with database.write(), pytest.raises(Unavailable), database.write():
        pass
    database.close()


def test_an_unreachable_server_is_unavailable() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(Unavailable), database.read():
        pass
    database.close()


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true", "mysql://x/y", "postgresql://x/y"],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///"):
        Database(url)


def test_types_come_back_as_they_went_in(database: Database) -> None:
    table = sa.Table(
        "every_type",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("time", UtcTime),
        sa.Column("json", CanonicalJson),
        sa.Column("amount", ExactDecimal),
        sa.Column("box", BoxText, nullable=False),
    )
    local = datetime(2025, 3, 1, 18, 0, tzinfo=timezone(timedelta(hours=9)))
    box = (0.1, 0.2, 1 / 3, 1.0)
    rows: list[tuple[object, ...]] = [
        (1, AT, {"b": [1, "é", None], "a": "\0"}, Decimal("49.90"), box),
        (2, local, None, Decimal("0.0001"), None),
        (3, None, [], None, (0.0, 0.0, 1.0, 1.0)),
    ]
    with database.write() as conn:
        table.create(conn)
        for row in rows:
            conn.execute(sa.insert(table).values(row))
        conn.exec_driver_sql("UPDATE every_type SET id = id")
        found = conn.execute(sa.select(table).order_by(table.c.id)).all()
        raw = conn.exec_driver_sql("SELECT json, amount FROM every_type WHERE id = 1").one()
    assert [tuple(row) for row in found] == rows
    assert all(row.time.utcoffset() == timedelta(0) for row in found if row.time)
    assert tuple(raw) == ('{"a":"\\u0000","b":[1,"é",null]}', "49.90")


def test_a_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(sa.exc.StatementError, match="aware"), database.write() as conn:
        conn.execute(sa.insert(api_keys).values(**_row(created_at=datetime(2025, 1, 1))))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_canonical_json_does_not_depend_on_order(value: dict[str, object]) -> None:
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


def test_canonical_json_refuses_what_is_not_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_a_query_that_an_error_left_half_read_harms_nobody_after_it(database: Database) -> None:
    left = []
    many = sa.text("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 99999) SELECT x FROM n")
    with pytest.raises(KeyError), database.read() as conn:
        cursor = conn.connection.cursor()
        left.append(cursor)  # as the traceback of an error does
        cursor.execute(f"{many}, registry_state" if database.dialect == "sqlite" else str(many))
        cursor.fetchone()
        raise KeyError
    elsewhere = Database(database.engine.url.render_as_string(hide_password=False))
    for value in (5, 6):
        with elsewhere.write() as conn:
            conn.execute(sa.update(registry_state).values(version=value))
        with database.read() as conn:
            assert conn.execute(sa.select(registry_state.c.version)).scalar_one() == value
    with database.write() as conn:
        conn.execute(sa.update(registry_state).values(version=7))
    elsewhere.close()
