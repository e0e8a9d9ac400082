"""A member of a JSON text, read inside the database: descriptions of 20,000 letters stay where they are."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql


def inside(conn: sa.Connection, column: sa.ColumnElement[Any], *path: str) -> sa.ColumnElement[Any]:
    """The member of `column`, a text of JSON, under `path`; NULL where there is none."""
    if conn.dialect.name == "postgresql":
        text: sa.ColumnElement[Any] = sa.cast(column, postgresql.JSON)[path].astext
        return text
    return sa.func.json_extract(column, "$." + ".".join(path))
