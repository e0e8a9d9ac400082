"""Fixtures that several test modules share."""

from __future__ import annotations

import functools
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sa
import structlog

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.keys import Keys
from brands.registry import Registry
from screener import logs

# A machine that is busy with something else must not fail a property.
hypothesis.settings.register_profile("no_deadline", deadline=None)
hypothesis.settings.load_profile("no_deadline")

_LOCAL_POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432/test"


@pytest.fixture(autouse=True)
def default_logs() -> Iterator[None]:
    """Plain lines, as the service writes them; the next test does not inherit what a command set up in this one."""
    logs.configure("debug", "text")
    yield
    structlog.reset_defaults()


@functools.cache
def _postgres_url() -> sa.URL | None:
    """SCREENER_TEST_POSTGRES_URL, or the PostgreSQL of this machine if it answers within a second."""
    given = os.environ.get("SCREENER_TEST_POSTGRES_URL")
    if given:
        return sa.make_url(given)
    try:
        socket.create_connection(("127.0.0.1", 5432), timeout=1).close()
    except OSError:
        return None
    engine = sa.create_engine(_LOCAL_POSTGRES, poolclass=sa.NullPool, connect_args={"connect_timeout": 2})
    try:
        with engine.connect():
            return engine.url
    except sa.exc.OperationalError:
        return None


@functools.cache
def _migrated_sqlite(folder: Path) -> Path:
    """One migrated database file, made once per run and copied for each test."""
    path = folder / "template.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with nothing in it: a SQLite file, or a fresh PostgreSQL schema, dropped afterwards."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'registry.db'}"
        return
    url = _postgres_url()
    if url is None:
        pytest.skip("no PostgreSQL answers; set SCREENER_TEST_POSTGRES_URL")
    schema = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(schema))
    try:
        own = url.update_query_dict({"options": f"-csearch_path={schema}"})
        yield own.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True))


@pytest.fixture
def database(empty_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A migrated database, once on SQLite and once on PostgreSQL."""
    if empty_database_url.startswith("sqlite"):
        template = _migrated_sqlite(tmp_path_factory.getbasetemp())
        shutil.copyfile(template, empty_database_url.removeprefix("sqlite:///"))
        found = Database(empty_database_url)
    else:
        found = Database(empty_database_url)
        found.migrate()
    yield found
    found.close()


class StepClock:
    """A clock for tests: each reading is a microsecond after the one before, and `now` can be moved."""

    def __init__(self) -> None:
        self.now = datetime(2025, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now


@pytest.fixture
def clock() -> StepClock:
    """A clock that only the test moves on."""
    return StepClock()


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    """An empty store of pictures."""
    return FolderBlobs(tmp_path / "blobs")


@pytest.fixture
def registry(database: Database, blobs: FolderBlobs, clock: StepClock) -> Registry:
    """An empty registry, on both databases."""
    return Registry(database, blobs, clock)


@pytest.fixture
def keys(database: Database, clock: StepClock) -> Keys:
    """API keys with a fixed server secret, beside `registry` in the same database."""
    return Keys(database, b"s" * 32, clock)
