"""What was read in pictures, kept by the hash of the picture and the reader: no picture is read twice."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import sqlalchemy as sa

from brands.insert_once import insert_once
from brands.schema import picture_texts

Row: TypeAlias = tuple[str, float, float, float, float, float]
"""Text, confidence and box (x0, y0, x1, y1, relative)."""

_AT_ONCE = 500
"""Hashes per query: SQLite takes 32,766 parameters, and short queries let writers in between."""


def load(connection: sa.Connection, reader: str | None, sha256s: Collection[str]) -> dict[str, list[Row]]:
    """The stored lines by SHA-256, as `reader` read them, or (None) as any did; pictures not read are left out."""
    wanted = sorted(sha256s)
    found: dict[str, list[Row]] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        query = sa.select(picture_texts.c.image_sha256, picture_texts.c.lines).where(
            picture_texts.c.image_sha256.in_(wanted[start : start + _AT_ONCE])
        )
        if reader is not None:
            query = query.where(picture_texts.c.reader == reader)
        for sha256, lines in connection.execute(query.order_by(picture_texts.c.created_at)):
            found[sha256] = [(line[0], *map(float, line[1:6])) for line in lines]
    return found


def store(connection: sa.Connection, reader: str, read: Mapping[str, Sequence[Row]], at: datetime) -> None:
    """Keeps lines by SHA-256; what is there already stays, since the same reader reads the same."""
    for sha256, lines in read.items():
        values = {"image_sha256": sha256, "reader": reader, "lines": [list(row) for row in lines], "created_at": at}
        connection.execute(insert_once(connection, picture_texts).values(values))
