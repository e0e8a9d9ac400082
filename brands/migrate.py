"""Runs the packaged Alembic revisions on an open connection, without any configuration file."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.engine import Connection

# Any number will do as long as every process asks for the same lock.
_POSTGRES_LOCK = 0x6C73_6D69


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Brings the schema to a revision (the newest) inside the connection's transaction: all of it, or none.

    On PostgreSQL an advisory lock makes processes that start together wait for each other; on SQLite the write
    transaction does. Raises ValueError for a schema that this program does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_POSTGRES_LOCK)))
    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError:
        raise ValueError("the database's schema is of another, newer version of this program") from None
