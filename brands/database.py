"""The database of the truth: SQLite by default, PostgreSQL by URL, with one meaning of `read` and `write` on both."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from brands.durable import make_folder
from brands.errors import RegistryError, Unavailable
from brands.migrate import upgrade
from brands.schema import metadata

BUSY_TIMEOUT_S = 10.0
"""How long a write waits for another process's write before it fails as unavailable."""

_WRITES = "screener_writes"


class Database:
    """A pool of connections, safe to share between threads.

    `url` is `sqlite:///path` (a file; missing folders are created) or `postgresql+psycopg://...`. Raises ValueError for
    anything else. Close it when done.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url)
        except ArgumentError:
            raise ValueError("the database URL is not a URL") from None
        self.dialect = parsed.get_backend_name()
        if self.dialect == "sqlite":
            self.engine = _sqlite_engine(parsed)
        elif parsed.drivername == "postgresql+psycopg":
            self.engine = _postgresql_engine(parsed)
        else:
            raise ValueError("the database URL must start with sqlite:/// or postgresql+psycopg://")
        # Threads of this process queue here, in order, instead of polling SQLite's file lock.
        self._writer = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only transaction that sees one state of the database throughout; never blocked by writers.

        Raises Unavailable if the database cannot be reached.
        """
        options: dict[str, Any] = {_WRITES: False}
        if self.dialect == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._transaction(options) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end of the block and rolls back if the block raises.

        SQLite takes the write lock at the start (BEGIN IMMEDIATE), so that what was read in it stays true; PostgreSQL
        runs at READ COMMITTED, and `brands.audit.lock` serialises writers. Do not nest. Raises Unavailable if the
        database cannot be reached or the lock is not had within `BUSY_TIMEOUT_S`.
        """
        if self.dialect != "sqlite":
            with self._transaction({_WRITES: True}) as connection:
                yield connection
            return
        if not self._writer.acquire(timeout=BUSY_TIMEOUT_S):
            raise Unavailable("The registry is busy; try again.")
        try:
            with self._transaction({_WRITES: True}) as connection:
                yield connection
        finally:
            self._writer.release()

    def migrate(self) -> None:
        """Brings the schema up to date; several processes may do so at once, one after the other."""
        with self.write() as connection:
            upgrade(connection)

    def size(self) -> int:
        """Bytes of the SQLite file; 0 on PostgreSQL, whose vacuum keeps nobody waiting."""
        path = self.engine.url.database
        return Path(path).stat().st_size if self.dialect == "sqlite" and path else 0

    def compact(self) -> None:
        """Rewrites what deletions left behind, so that nothing deleted stays in the file.

        SQLite's file is written anew and the log emptied, in the time of copying it; nobody else writes meanwhile.
        PostgreSQL marks the room of deleted rows as free. Raises Unavailable if others hold the database too long.
        """
        if self.dialect != "sqlite":
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                quote = self.engine.dialect.identifier_preparer.quote
                connection.exec_driver_sql(f"VACUUM {', '.join(quote(name) for name in metadata.tables)}")
            return
        if not self._writer.acquire(timeout=BUSY_TIMEOUT_S):
            raise Unavailable("The registry is busy; try again.")
        raw = self.engine.raw_connection()
        try:
            cursor = raw.cursor()
            cursor.execute("PRAGMA query_only=OFF")
            cursor.execute("VACUUM")
            busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            raise Unavailable("The registry is busy; try again.") from error
        finally:
            raw.close()
            self._writer.release()
        if busy:
            raise Unavailable("The registry is being read; try again.")

    def close(self) -> None:
        """Closes the pool's connections."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, options: dict[str, Any]) -> Iterator[Connection]:
        try:
            with self.engine.connect().execution_options(**options) as connection, connection.begin():
                try:
                    yield connection
                except RegistryError:
                    raise
                except BaseException:
                    # A query that was left half read keeps its snapshot on SQLite, even after the rollback: whoever had
                    # the connection next would read old data, and could not write.
                    if self.dialect == "sqlite":
                        connection.invalidate()
                    raise
        except (OperationalError, PoolTimeout) as error:
            raise Unavailable("The registry cannot be reached or is busy; try again.") from error


def _postgresql_engine(url: URL) -> Engine:
    try:
        return sa.create_engine(url, pool_size=10, max_overflow=30, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise ValueError("PostgreSQL needs its driver: pip install 'listing-screener[postgres]'") from None


def _sqlite_engine(url: URL) -> Engine:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ValueError("SQLite must be a plain file, given as sqlite:///path: an acknowledged write has to last")
    make_folder(Path(url.database).absolute().parent)
    engine = sa.create_engine(url, pool_size=10, max_overflow=30, connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own transaction control opens transactions late and commits before DDL: it is switched off, and
        # `begin` below says BEGIN instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten, not only forgotten
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if writes else 'ON'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
