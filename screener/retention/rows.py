"""Deletes rows and counts them."""

from collections import Counter
from collections.abc import Iterable

import sqlalchemy as sa

Deletion = tuple[sa.Table, sa.ColumnElement[bool]]
"""The rows of a table that are to go."""


def delete_rows(connection: sa.Connection, deletions: Iterable[Deletion]) -> Counter[str]:
    """Deletes in the order given, for foreign keys; how many rows by table."""
    counts: Counter[str] = Counter()
    for table, which in deletions:
        counts[table.name] += connection.execute(sa.delete(table).where(which)).rowcount
    return counts
