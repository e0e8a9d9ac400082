"""Removes index snapshots that hold vectors of references that are no more."""

from pathlib import Path

import sqlalchemy as sa

from brands.schema import references
from index.snapshot import remove_snapshots
from screener.directory import MARK


def forget_snapshots(connection: sa.Connection, folder: Path) -> int:
    """Removes from `folder/index` every snapshot with a reference that the database does not have; how many.

    Also the one that is served: a process that serves it goes on until its next refresh, which finds the change.
    """
    root = folder / "index"
    if not root.is_dir():
        return 0
    known = set(connection.execute(sa.select(references.c.id)).scalars())
    return len(remove_snapshots(root, lambda ids: any(name.removesuffix(MARK) not in known for name in ids)))
