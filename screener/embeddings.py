"""Vectors of pictures, kept by the hash of the picture and the encoder: no picture is embedded twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.insert_once import insert_once
from brands.schema import embeddings
from screener.encoder import from_stored
from screener.preprocess import Box

_AT_ONCE = 500
"""Hashes per query: SQLite takes 32,766 parameters, and short queries let writers in between."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """What the encoder made of one picture.

    `regions` gives the frame number and relative box of each row of `stored`, shape (regions, d). A fresh vector is
    rounded to float16 like a stored one, so that an answer does not depend on whether its pictures were known.
    """

    sha256: str
    view: str
    regions: tuple[tuple[int, Box], ...]
    stored: NDArray[np.float16]

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The vectors to compute with, shape (regions, d), float32, unit norm."""
        return from_stored(self.stored)


def load(
    connection: sa.Connection, encoder_id: str, keys: Iterable[tuple[str, str]], dim: int
) -> dict[tuple[str, str], Embedding]:
    """Stored embeddings by (sha256, view); those not stored are left out. float16 in the database, exact to the bit."""
    wanted = list(dict.fromkeys(keys))
    found: dict[tuple[str, str], Embedding] = {}
    columns = (embeddings.c.image_sha256, embeddings.c.view, embeddings.c.regions, embeddings.c.vectors)
    for start in range(0, len(wanted), _AT_ONCE):
        chunk = wanted[start : start + _AT_ONCE]
        query = sa.select(*columns).where(
            embeddings.c.encoder_id == encoder_id, embeddings.c.image_sha256.in_({sha256 for sha256, _ in chunk})
        )
        for sha256, view, regions, raw in connection.execute(query):
            stored = np.frombuffer(raw, dtype="<f2").reshape(len(regions), dim).astype(np.float16, copy=False)
            boxes = tuple((frame, (x0, y0, x1, y1)) for frame, x0, y0, x1, y1 in regions)
            found[sha256, view] = Embedding(sha256, view, boxes, stored)
    return {key: found[key] for key in wanted if key in found}


def store(connection: sa.Connection, encoder_id: str, new: Sequence[Embedding], at: datetime) -> None:
    """Keeps embeddings; one that is there already stays, since equal bytes and encoder give equal vectors."""
    for embedding in new:
        values = {
            "image_sha256": embedding.sha256,
            "encoder_id": encoder_id,
            "view": embedding.view,
            "regions": [[frame, *box] for frame, box in embedding.regions],
            "vectors": embedding.stored.astype("<f2", copy=False).tobytes(),
            "created_at": at,
        }
        connection.execute(insert_once(connection, embeddings).values(values))
