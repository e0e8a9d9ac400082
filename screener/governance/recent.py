"""The whole pictures of the last screened listings, compact on disk, so that a reference can be held against them.

A ring of float16 rows in `recent/` of the data folder, each part of unit length. It is derived: without its state it
is begun again from the kept vectors (`embeddings`). The keeper appends; a screening never waits for it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.database import Database
from brands.schema import screening_images, screenings
from index.durable import write_file
from screener import embeddings
from screener.bundle import Bundle
from screener.regions import listing_view
from screener.score_norm import background_level

PICTURES: Final = 200_000
"""So many pictures are remembered, those of 100,000 listings with two each: 200 MB of vectors of 512 numbers."""
NEWEST: Final = 4_096
"""So many of them are looked at for a reference that is uploaded among many; a preview looks at all."""
SETTLED: Final = timedelta(seconds=5)
"""Age from which a screening is read: what was begun before it is committed by then."""
_AT_ONCE: Final = 8_192
_SCREENINGS: Final = 500
_ID: Final = 36


@dataclass(frozen=True, slots=True)
class Near:
    """Pictures that a vector scores with at least its threshold in a use, best first: screening, position, score."""

    screening_ids: tuple[str, ...]
    images: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """A reference's vector (D,) and the use for which it would be compared, with the least score that counts."""

    vector: NDArray[np.float32]
    use: str
    least: float


class RecentListings:
    """The ring of one encoder; one process appends, threads may search meanwhile."""

    def __init__(self, folder: Path, bundle: Bundle, database: Database, *, pictures: int = PICTURES) -> None:
        """Opens the ring in `folder`, or begins it."""
        self._bundle, self._database, self._size = bundle, database, pictures
        self._shares = {use: point.background_share for use, point in bundle.operating_points.items()}
        self._folder = folder / "recent" / f"{bundle.id}-{pictures}"
        self._one_at_a_time = threading.Lock()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._vectors = self._mapped("vectors.f16", "<f2", bundle.dim)
        self._levels = self._mapped("levels.f32", "<f4", len(bundle.parts))
        self._ids = self._mapped("screenings.txt", f"S{_ID}", 1)
        self._images = self._mapped("images.i16", "<i2", 1)
        self._count, self._last = self._state()

    def __len__(self) -> int:
        """How many pictures are remembered."""
        return min(self._count, self._size)

    def append_new(self, now: datetime, *, most: int = 20) -> int:
        """Reads the screenings that are new, up to `most` times 500, and gives how many pictures they added."""
        added = 0
        with self._one_at_a_time:
            for _ in range(most):
                ids, pictures = self._next(now)
                if not ids:
                    break
                self.add(pictures)
                self._last = ids[-1]
                added += len(pictures)
                state = {"count": self._count, "last": self._last}
                write_file(self._folder / "state.json", json.dumps(state).encode())
        return added

    def add(self, pictures: Sequence[tuple[str, int, NDArray[np.float32]]]) -> None:
        """Remembers pictures: screening, position in it, whole vector (D,). One thread at a time."""
        if not pictures:
            return
        vectors = np.stack([vector for _, _, vector in pictures])
        rows = (self._count + np.arange(len(pictures))) % self._size
        for column, part in enumerate(self._bundle.parts):
            self._vectors[rows, part.start : part.stop] = _unit(vectors[:, part.start : part.stop])
            if self._bundle.background is not None:
                self._levels[rows, column] = background_level(part, vectors, self._bundle.background)
        self._ids[rows, 0] = [identifier.encode("ascii") for identifier, _, _ in pictures]
        self._images[rows, 0] = [position for _, position, _ in pictures]
        self._count += len(pictures)

    def forget(self, screening_ids: Collection[str]) -> int:
        """Takes the pictures of screenings out, as if they had never come; gives how many there were."""
        with self._one_at_a_time:
            wanted = np.array(sorted(identifier.encode("ascii") for identifier in screening_ids), dtype=f"S{_ID}")
            rows = np.flatnonzero(np.isin(self._ids[:, 0], wanted)) if len(wanted) else np.zeros(0, dtype=np.int64)
            self._vectors[rows], self._levels[rows], self._ids[rows] = 0, 0, b""
            return len(rows)

    def near(self, probes: Sequence[Probe], *, newest: int | None = None) -> list[Near]:
        """For each probe the remembered pictures it would match; `newest` looks at so many of the last ones only."""
        held = len(self)
        looked = held if newest is None else min(newest, held)
        # The rows in the order in which they came, from the oldest that is looked at.
        first = (self._count - looked) % self._size if held else 0
        spans = [(first, min(first + looked, self._size)), (0, max(first + looked - self._size, 0))]
        found: list[list[tuple[int, float]]] = [[] for _ in probes]
        parts = {use: (n, part) for n, part in enumerate(self._bundle.parts) for use in part.uses}
        queries = [_unit(probe.vector[parts[probe.use][1].start : parts[probe.use][1].stop]) for probe in probes]
        for begin, end in spans:
            for start in range(begin, end, _AT_ONCE):
                stop = min(start + _AT_ONCE, end)
                block = self._vectors[start:stop].astype(np.float32)
                for number, (probe, query) in enumerate(zip(probes, queries, strict=True)):
                    column, part = parts[probe.use]
                    scores = block[:, part.start : part.stop] @ query
                    if share := self._shares.get(probe.use, 0.0):
                        floor = np.maximum(self._levels[start:stop, column], 0.0) * share
                        scores = (scores - floor) / np.maximum(1.0 - floor, 1e-6)
                    for row in np.flatnonzero(scores >= probe.least):
                        found[number].append((start + int(row), float(scores[row])))
        return [self._named(rows) for rows in found]

    def _named(self, rows: list[tuple[int, float]]) -> Near:
        rows.sort(key=lambda row: -row[1])
        return Near(
            tuple(bytes(self._ids[row, 0]).decode("ascii") for row, _ in rows),
            tuple(int(self._images[row, 0]) for row, _ in rows),
            tuple(round(score, 4) for _, score in rows),
        )

    def _next(self, now: datetime) -> tuple[list[str], list[tuple[str, int, NDArray[np.float32]]]]:
        """The ids of the next screenings, and their pictures' whole vectors."""
        query = (
            sa.select(screenings.c.id)
            .where(screenings.c.id > (self._last or self._begin(now)), screenings.c.created_at <= now - SETTLED)
            .order_by(screenings.c.id)
            .limit(_SCREENINGS)
        )
        with self._database.read() as connection:
            ids = list(connection.execute(query).scalars())
            if not ids:
                return [], []
            rows = connection.execute(
                sa.select(screening_images.c.screening_id, screening_images.c.position, screening_images.c.sha256)
                .where(screening_images.c.screening_id.in_(ids), screening_images.c.status == "screened")
                .order_by(screening_images.c.screening_id, screening_images.c.position)
            ).all()
            view = listing_view(self._bundle.dense)
            keys = [(row.sha256, view) for row in rows]
            stored = embeddings.load(connection, self._bundle.id, keys, self._bundle.dim)
        kept = [(row, stored.get((row.sha256, view))) for row in rows]
        return ids, [(row.screening_id, row.position, found.vectors[0]) for row, found in kept if found]

    def _begin(self, now: datetime) -> str:
        """The id behind which a new ring begins: no more screenings than it has room for pictures."""
        query = sa.select(screenings.c.id).order_by(screenings.c.id.desc()).offset(self._size).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).scalar() or ""

    def _state(self) -> tuple[int, str]:
        """How many pictures came ever, and the last screening that was read."""
        try:
            state: dict[str, Any] = json.loads((self._folder / "state.json").read_bytes())
            return int(state["count"]), str(state["last"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, ""

    def _mapped(self, name: str, dtype: str, width: int) -> NDArray[Any]:
        """A file of the ring, (pictures, width). It only ever grows: another process may have it mapped."""
        path, size = self._folder / name, self._size * width * np.dtype(dtype).itemsize
        with path.open("ab") as file:
            if file.tell() < size:
                file.truncate(size)
        return np.memmap(path, dtype, "r+", shape=(self._size, width))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows, or one, of length 1; zero where there is no length."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-6)
    return unit
