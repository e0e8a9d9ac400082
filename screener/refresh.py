"""Keeps what is served equal to the registry: embeds what is new, builds a snapshot, switches to it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import RegistryError
from index.durable import locked
from index.errors import IndexRefused
from index.live import Live
from index.snapshot import Snapshot, build_snapshot, load_snapshot, prune_snapshots
from screener import embeddings, facts_store
from screener.directory import Directory, Entry, read_directory, read_version
from screener.embeddings import Embedding
from screener.encoder import Encoder, as_stored
from screener.errors import ScreenerError
from screener.facts_store import Hash
from screener.hashes import ReferenceHashes
from screener.judging.model import Judge
from screener.judging.policy import Policy
from screener.match import thresholds
from screener.name_vectors import load_names
from screener.open_set import shown_from
from screener.picture_facts import PictureFacts
from screener.preprocess import WHOLE
from screener.reading import Reader
from screener.reference_words import ReferenceWords
from screener.release import Release, Serving, read_pointer, write_pointer
from screener.workers import Decoded, DecodePool

log = structlog.get_logger()

_EMBED_AT_ONCE = 64
_LOAD_AT_ONCE = 5000
_THREADS = 4
Progress = Callable[[int, int], None]
"""Told how many references are embedded, of how many that need it."""


class Refresher:
    """Builds and switches releases; threads and processes may share the folder and the database."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: FolderBlobs,
        pool: DecodePool,
        encoder: Encoder,
        judge: Judge,
        policy: Policy,
        reader: Reader | None,
        folder: Path,
        live: Live[Serving],
        now: Callable[[], datetime],
    ):
        """`folder` holds `CURRENT` and `index/`; `now` gives aware UTC times; without a `reader` no words are read."""
        self._database, self._blobs, self._pool, self._encoder = database, blobs, pool, encoder
        self._judge, self._policy = judge, policy
        self._words = ReferenceWords(reader=reader, database=database, blobs=blobs, pool=pool, now=now)
        self._folder, self._live, self._now = folder, live, now
        self._one_at_a_time = threading.Lock()
        self._known: dict[str, Hash] = {}
        self._levels: tuple[str, Mapping[str, float]] = ("", {})

    def refresh(self, progress: Progress | None = None) -> bool:
        """Serves the registry as it is now; True when something was switched.

        Raises
        ------
        RegistryError, IndexRefused, ScreenerError
            and the release that was served goes on being served
        """
        with self._one_at_a_time:  # a slower, older refresh must not switch back what a newer one switched to
            served = self._live.current
            with self._database.read() as connection:
                if served and read_version(connection) == served.directory.version:
                    self._live.confirm()
                    return False
                directory = read_directory(connection)
            serving = self._resumed(directory) or self._built(directory, progress)
            self._live.swap(serving)
            log.info("release_switched", release=serving.release.id, references=directory.references)
            return True

    def read_references(self, progress: Progress | None = None, *, most: int | None = None) -> int:
        """Reads the words on references that were not read yet (`ReferenceWords.read`); they count from then on.

        Raises
        ------
        RegistryError
            and what was read so far is kept
        """
        with self._one_at_a_time:
            served = self._live.current
            tried = self._words.read(served.directory, progress, most=most) if served else 0
            if served and tried:
                self._live.swap(replace(served, packages=self._words.known(served.directory)))
            return tried

    def _serving(self, release: Release, snapshot: Snapshot, directory: Directory, hashes: ReferenceHashes) -> Serving:
        bundle = self._encoder.bundle
        if self._levels[0] != release.snapshot:
            self._levels = release.snapshot, shown_from(bundle, snapshot, directory, thresholds(bundle))
        return Serving(
            release=release,
            encoder=self._encoder,
            snapshot=snapshot,
            directory=directory,
            hashes=hashes,
            shown_from=self._levels[1],
            packages=self._words.known(directory),
            names=load_names(self._encoder, directory.brands, self._database, self._now),
            judge=self._judge,
            policy=self._policy,
        )

    def _resumed(self, directory: Directory) -> Serving | None:
        """The snapshot on disk, when it is of this encoder and these references: a quick start."""
        try:
            release = read_pointer(self._folder)
            if release is None or release.encoder != self._encoder.bundle.id:
                return None
            snapshot = load_snapshot(self._folder / "index" / release.snapshot, encoder_id=release.encoder)
        except (IndexRefused, ScreenerError) as error:
            log.warning("snapshot_refused", message=str(error))
            return None
        # What a vector is of never changes, so equal ids and encoder mean equal vectors.
        if snapshot.ids != tuple(directory.entries) or release != self._release(release.snapshot):
            return None
        return self._serving(release, snapshot, directory, self._hashes(list(directory.entries.values()), None))

    def _built(self, directory: Directory, progress: Progress | None) -> Serving:
        encoder_id, dim = self._encoder.bundle.id, self._encoder.bundle.dim
        usable, vectors = self._vectors(list(directory.entries.values()), progress)
        root = self._folder / "index"
        # One process at a time: else the snapshot that one names in `CURRENT` could be pruned by another.
        with locked(self._folder):
            manifest = build_snapshot(
                root,
                encoder_id=encoder_id,
                dim=dim,
                ids=[entry.id for entry in usable],
                vectors=vectors,
                registry_version=directory.version,
                now=self._now(),
            )
            snapshot = load_snapshot(root / manifest.id, encoder_id=encoder_id)
            release = self._release(manifest.id)
            write_pointer(self._folder, release)
            prune_snapshots(root, served=manifest.id)
        return self._serving(release, snapshot, directory, self._hashes(usable, progress))

    def _release(self, snapshot_id: str) -> Release:
        return Release(self._encoder.bundle.id, snapshot_id, self._judge.id, self._policy.id)

    def _vectors(self, entries: Sequence[Entry], progress: Progress | None) -> tuple[list[Entry], NDArray[np.float32]]:
        """One vector per reference, shape (n, d); references whose picture cannot be read are logged and left out."""
        dim, encoder_id = self._encoder.bundle.dim, self._encoder.bundle.id
        matrix = np.empty((len(entries), dim), dtype=np.float32)
        missing: dict[tuple[str, str], list[int]] = {}
        for start in range(0, len(entries), _LOAD_AT_ONCE):
            keys = [(entry.sha256, entry.view) for entry in entries[start : start + _LOAD_AT_ONCE]]
            with self._database.read() as connection:
                stored = embeddings.load(connection, encoder_id, keys, dim)
            for row, key in enumerate(keys, start):
                if key in stored:
                    matrix[row] = stored[key].vectors[0]
                else:
                    missing.setdefault(key, []).append(row)
        todo = list(missing)
        for start in range(0, len(todo), _EMBED_AT_ONCE):
            chunk = todo[start : start + _EMBED_AT_ONCE]
            batch, facts = self._embed([entries[missing[key][0]] for key in chunk])
            with self._database.write() as connection:
                embeddings.store(connection, encoder_id, batch, self._now())
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
            decoded = self._decoded(entry)
            if decoded is None:
                return None
            vectors = self._encoder.encode_pixels(decoded.pixels)
            regions = ((0, entry.box or WHOLE),)
            return Embedding(entry.sha256, entry.view, regions, as_stored(vectors)), decoded.facts

        with ThreadPoolExecutor(_THREADS, thread_name_prefix="embed") as threads:
            made = [found for found in threads.map(one, entries) if found]
        return [embedding for embedding, _ in made], {embedding.sha256: facts for embedding, facts in made}

    def _decoded(self, entry: Entry) -> Decoded | None:
        """A reference's picture and its box; None, and a line in the log, for one that cannot be read."""
        if entry.described:  # by another encoder than the present one
            log.error("reference_unusable", reference=entry.reference_id, code="encoder_differs")
            return None
        try:
            return self._pool.decode(self._blobs.get(entry.sha256), [entry.box or WHOLE])
        except (ScreenerError, RegistryError) as error:
            log.error("reference_unusable", reference=entry.reference_id, code=error.code)
            return None

    def _hashes(self, entries: Sequence[Entry], progress: Progress | None) -> ReferenceHashes:
        """Hashes of the references; pictures that were embedded before they had facts are measured now."""
        whole = {entry.sha256: entry for entry in entries if entry.box is None}
        # A picture's hash never changes: what the last release had is not read again.
        found = {sha256: self._known[sha256] for sha256 in whole if sha256 in self._known}
        pictures = [sha256 for sha256 in whole if sha256 not in found]
        for start in range(0, len(pictures), _LOAD_AT_ONCE):
            with self._database.read() as connection:
                found |= facts_store.load_hashes(connection, pictures[start : start + _LOAD_AT_ONCE])
        described = [sha256 for sha256, entry in whole.items() if sha256 not in found and entry.described]
        with self._database.read() as connection:
            found |= facts_store.load_hashes(connection, described, described=True)
        todo = [entry for sha256, entry in whole.items() if sha256 not in found and not entry.described]
        for start in range(0, len(todo), _EMBED_AT_ONCE):
            chunk = todo[start : start + _EMBED_AT_ONCE]
            with ThreadPoolExecutor(_THREADS, thread_name_prefix="facts") as threads:
                decoded = zip(chunk, threads.map(self._decoded, chunk), strict=True)
                facts = {entry.sha256: picture.facts for entry, picture in decoded if picture}
            with self._database.write() as connection:
                facts_store.store(connection, facts, self._now())
                found |= facts_store.load_hashes(connection, facts)
            if progress:
                progress(start + len(chunk), len(todo))
        self._known = found
        return ReferenceHashes(entries, found)
