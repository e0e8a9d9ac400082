"""Takes screenings out of the files of recent listings (`screener.governance.recent`), of whatever encoder.

In place and without that encoder, because a running process has the files mapped: it sees the zeros at once.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.schema import screenings

_ID = 36
_AT_ONCE = 500


def forget_recent(folder: Path, screening_ids: Collection[str]) -> int:
    """Zeroes the rows of these screenings under `folder/recent`; how many there were."""
    wanted = np.array(sorted(identifier.encode() for identifier in screening_ids), dtype=f"S{_ID}")
    return sum(_zero(ring, np.flatnonzero(np.isin(ids, wanted))) for ring, ids in _rings(folder)) if len(wanted) else 0


def forget_unknown(connection: sa.Connection, folder: Path) -> int:
    """Zeroes the rows of screenings that the database does not have; how many there were."""
    zeroed = 0
    for ring, ids in _rings(folder):
        held = [identifier.decode() for identifier in np.unique(ids).tolist() if identifier]
        known: set[str] = set()
        for start in range(0, len(held), _AT_ONCE):
            chunk = held[start : start + _AT_ONCE]
            known |= set(connection.execute(sa.select(screenings.c.id).where(screenings.c.id.in_(chunk))).scalars())
        gone = np.array(sorted(identifier.encode() for identifier in set(held) - known), dtype=f"S{_ID}")
        if len(gone):
            zeroed += _zero(ring, np.flatnonzero(np.isin(ids, gone)))
    return zeroed


def _rings(folder: Path) -> Iterator[tuple[Path, NDArray[np.bytes_]]]:
    for path in sorted((folder / "recent").glob("*/screenings.txt")):
        if path.stat().st_size:
            yield path.parent, np.memmap(path, f"S{_ID}", "r")


def _zero(ring: Path, rows: NDArray[np.int64]) -> int:
    if not len(rows):
        return 0
    count = (ring / "screenings.txt").stat().st_size // _ID
    # The names last: a process killed before them leaves rows that the next attempt finds.
    for name in ("vectors.f16", "levels.f32", "images.i16", "screenings.txt"):
        path = ring / name
        mapped: NDArray[Any] = np.memmap(path, np.uint8, "r+", shape=(count, path.stat().st_size // count))
        mapped[rows] = 0
        assert isinstance(mapped, np.memmap)
        mapped.flush()
    return len(rows)
