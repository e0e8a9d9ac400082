"""A closer look at a candidate that is nearly another brand's picture: mirrored, or the one a part of the other.

What a listing's picture is looked at in (`screener.regions`) is looked at here in both directions: the parts of the
candidate against the other's reference, and the parts of the other's picture against the candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import RegistryError
from screener import embeddings
from screener.cosines import part_cosines
from screener.embeddings import Embedding
from screener.encoder import as_stored
from screener.engine import Engine
from screener.errors import ScreenerError
from screener.governance.impact import Candidate, Ground, Rival
from screener.regions import listing_regions, listing_view
from screener.score_norm import elsewhere

LOOKED_AT: Final = 4
"""Other brands' references that are looked at so, the nearest ones: each costs what a listing's picture does, once."""
_USES: Final = ("product", "copy")


class CloserLook:
    """Looks at parts; those of a reference's picture are kept as those of a listing's are."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: FolderBlobs,
        now: Callable[[], datetime],
    ) -> None:
        self._database, self._blobs, self._now = database, blobs, now

    def rivals(
        self,
        engine: Engine,
        ground: Ground,
        candidate: Candidate,
        data: bytes,
        pixels: NDArray[np.uint8],
        near: Sequence[Rival],
    ) -> tuple[Rival, ...]:
        """Of `near`, which nearly match, those that do on a closer look.

        `data` is the candidate's file, `pixels` (views, S, S, 3) what the encoder saw of it.
        """
        own = np.stack([vector for vector in (candidate.whole, candidate.mark) if vector is not None])
        mirrored = engine.encoder.encode_pixels(np.ascontiguousarray(pixels[:, :, ::-1]))
        parts = np.concatenate([mirrored, self._parts(engine, candidate.sha256, lambda: data)])
        found = []
        nearest = list(dict.fromkeys(rival.reference_id for rival in near))[:LOOKED_AT]
        for rival in (next(rival for rival in near if rival.reference_id == name) for name in nearest):
            theirs, inside = self._served(engine, ground, rival)
            excess = max(self._excess(ground, parts, theirs), self._excess(ground, inside, own))
            if excess[0] >= 0:
                score = round(excess[0] + ground.limits[excess[1]], 4)
                found.append(replace(rival, use=excess[1], score=score, method="parts", near=False))
        return tuple(found)

    def _excess(self, ground: Ground, queries: NDArray[np.float32], vectors: NDArray[np.float32]) -> tuple[float, str]:
        """By how much the best pair is over the threshold of a use, and of which."""
        level = elsewhere(ground.bundle, queries) if len(queries) else None
        best = (-1.0, _USES[0])
        for use in _USES if level and len(vectors) else ():
            assert level is not None
            scores = level.scores(use, part_cosines(ground.bundle.part_for(use), queries, vectors))
            best = max(best, (float(scores.max()) - ground.limits[use], use))
        return best

    def _served(self, engine: Engine, ground: Ground, rival: Rival) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The vectors of a served reference, and those of the parts of its picture."""
        assert ground.serving is not None
        entries = [
            (row, ground.serving.directory.entries[name])
            for row, name in enumerate(ground.serving.snapshot.ids)
            if name.partition("#")[0] == rival.reference_id and name in ground.serving.directory.entries
        ]
        vectors = ground.serving.snapshot.vectors[[row for row, _ in entries]]
        sha256 = entries[0][1].sha256
        return vectors, self._parts(engine, sha256, lambda: self._blobs.get(sha256))

    def _parts(self, engine: Engine, sha256: str, read: Callable[[], bytes]) -> NDArray[np.float32]:
        """The vectors of a picture's regions, (regions, D); none for a picture that cannot be read any more."""
        bundle = engine.bundle
        key = (sha256, listing_view(bundle.dense))
        with self._database.read() as connection:
            stored = embeddings.load(connection, bundle.id, [key], bundle.dim)
        if key in stored:
            return stored[key].vectors
        try:
            decoded = engine.pool.decode(read())
        except (ScreenerError, RegistryError):
            return np.zeros((0, bundle.dim), dtype=np.float32)
        vectors = engine.encoder.encode_listing(decoded.pixels, decoded.large)
        regions = listing_regions(decoded.regions, bundle.dense)
        with self._database.write() as connection:
            made = Embedding(sha256, key[1], regions, as_stored(vectors))
            embeddings.store(connection, bundle.id, [made], self._now())
        return vectors
