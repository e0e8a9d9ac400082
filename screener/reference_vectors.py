"""The vectors of references for one engine: those that are kept, and those that have to be made, kept as they come."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import structlog
from numpy.typing import NDArray

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import RegistryError
from screener import embeddings, facts_store
from screener.directory import Entry
from screener.embeddings import Embedding
from screener.encoder import as_stored
from screener.engine import Engine
from screener.errors import ScreenerError
from screener.picture_facts import PictureFacts
from screener.preprocess import WHOLE
from screener.workers import Decoded, DecodePool

log = structlog.get_logger()

EMBED_AT_ONCE = 64
LOAD_AT_ONCE = 5000
THREADS = 4
Progress = Callable[[int, int], None]
"""Told how many references are embedded, of how many that need it."""


class ReferenceVectors:
    """Embeds references; what is made is committed in parts, so that a process that ends midway has lost one part."""

    def __init__(self, *, database: Database, blobs: FolderBlobs, engine: Engine, now: Callable[[], datetime]) -> None:
        """`now` gives aware UTC times."""
        self._database, self._blobs, self._engine, self._now = database, blobs, engine, now

    def read(self, entries: Sequence[Entry], progress: Progress | None) -> tuple[list[Entry], NDArray[np.float32]]:
        """One vector per reference, shape (n, d); references whose picture cannot be read are logged and left out.

        Raises
        ------
        RegistryError
            and what was embedded so far is kept
        """
        bundle = self._engine.bundle
        matrix = np.empty((len(entries), bundle.dim), dtype=np.float32)
        missing: dict[tuple[str, str], list[int]] = {}
        for start in range(0, len(entries), LOAD_AT_ONCE):
            keys = [(entry.sha256, entry.view) for entry in entries[start : start + LOAD_AT_ONCE]]
            with self._database.read() as connection:
                stored = embeddings.load(connection, bundle.id, keys, bundle.dim)
            for row, key in enumerate(keys, start):
                if key in stored:
                    matrix[row] = stored[key].vectors[0]
                else:
                    missing.setdefault(key, []).append(row)
        todo = list(missing)
        for start in range(0, len(todo), EMBED_AT_ONCE):
            chunk = todo[start : start + EMBED_AT_ONCE]
            batch, facts = self._embed([entries[missing[key][0]] for key in chunk])
            with self._database.write() as connection:
                embeddings.store(connection, bundle.id, batch, self._now())
                facts_store.store(connection, facts, self._now())
            for embedding in batch:
                matrix[missing.pop((embedding.sha256, embedding.view))] = embedding.vectors[0]
            if progress:
                progress(start + len(chunk), len(todo))
        unusable = {row for rows in missing.values() for row in rows}
        if not unusable:
            return list(entries), matrix
        usable = [row for row in range(len(entries)) if row not in unusable]
        return [entries[row] for row in usable], matrix[usable]

    def _embed(self, entries: Sequence[Entry]) -> tuple[list[Embedding], dict[str, PictureFacts]]:
        """A vector of each entry's picture or of the box in it, and the facts of the pictures, by SHA-256."""

        def one(entry: Entry) -> tuple[Embedding, PictureFacts] | None:
            decoded = decoded_reference(entry, self._blobs, self._engine.pool)
            if decoded is None:
                return None
            vectors = self._engine.encoder.encode_pixels(decoded.pixels)
            regions = ((0, entry.box or WHOLE),)
            return Embedding(entry.sha256, entry.view, regions, as_stored(vectors)), decoded.facts

        with ThreadPoolExecutor(THREADS, thread_name_prefix="embed") as threads:
            made = [found for found in threads.map(one, entries) if found]
        return [embedding for embedding, _ in made], {embedding.sha256: facts for embedding, facts in made}


def decoded_reference(entry: Entry, blobs: FolderBlobs, pool: DecodePool) -> Decoded | None:
    """A reference's picture and its box; None, and a line in the log, for one that cannot be read."""
    if entry.described:  # by another encoder than the present one
        log.error("reference_unusable", reference=entry.reference_id, code="encoder_differs")
        return None
    try:
        return pool.decode(blobs.get(entry.sha256), [entry.box or WHOLE])
    except (ScreenerError, RegistryError) as error:
        log.error("reference_unusable", reference=entry.reference_id, code=error.code)
        return None
