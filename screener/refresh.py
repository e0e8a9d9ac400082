"""Keeps what is served equal to the registry: embeds what is new, builds a snapshot, switches to it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog

from brands.blobs import FolderBlobs
from brands.database import Database
from index.durable import locked
from index.errors import IndexRefused
from index.live import Live
from index.snapshot import Snapshot, build_snapshot, load_snapshot, prune_snapshots
from screener import facts_store
from screener.directory import Directory, Entry, read_directory, read_version
from screener.errors import ScreenerError
from screener.facts_store import Hash
from screener.hashes import ReferenceHashes
from screener.match import thresholds
from screener.name_vectors import load_names
from screener.open_set import shown_from
from screener.reading import Reader
from screener.reference_vectors import (
    EMBED_AT_ONCE,
    LOAD_AT_ONCE,
    THREADS,
    Progress,
    ReferenceVectors,
    decoded_reference,
)
from screener.reference_words import ReferenceWords
from screener.release import POINTER, Opened, Release, Serving, named_snapshots, read_pointer, write_pointer

log = structlog.get_logger()


class Refresher:
    """Builds and switches releases; threads and processes may share the folder and the database."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: FolderBlobs,
        opened: Opened,
        reader: Reader | None,
        folder: Path,
        live: Live[Serving],
        now: Callable[[], datetime],
        pointer: str = POINTER,
    ):
        """`opened` is what is served first.

        `folder` holds the file `pointer` and `index/`; `now` gives aware UTC times; without a `reader` no words are
        read.
        """
        self._database, self._blobs, self._opened = database, blobs, opened
        self._words = ReferenceWords(reader=reader, database=database, blobs=blobs, pool=opened.engine.pool, now=now)
        self._folder, self._pointer, self._live, self._now = folder, pointer, live, now
        self._one_at_a_time = threading.Lock()
        self._known: dict[str, Hash] = {}
        self._levels: tuple[str, Mapping[str, float]] = ("", {})

    @property
    def opened(self) -> Opened:
        """Engine, judge and policy that are served, or that will be first."""
        return self._opened

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
            self._serve(self._opened, directory, progress)
            return True

    def switch(self, opened: Opened, progress: Progress | None = None) -> None:
        """Serves the registry as it is now with another engine, judge and policy, in one step.

        Raises
        ------
        RegistryError, IndexRefused, ScreenerError
            and what was served before goes on being served, whole
        """
        with self._one_at_a_time:
            with self._database.read() as connection:
                directory = read_directory(connection)
            self._serve(opened, directory, progress)
            self._opened = opened

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

    def _serve(self, opened: Opened, directory: Directory, progress: Progress | None) -> None:
        serving = self._resumed(opened, directory) or self._built(opened, directory, progress)
        self._live.swap(serving)
        log.info("release_switched", release=serving.release.id, references=directory.references)

    def _serving(
        self, opened: Opened, release: Release, snapshot: Snapshot, directory: Directory, hashes: ReferenceHashes
    ) -> Serving:
        encoder = opened.engine.encoder
        if self._levels[0] != release.snapshot:
            levels = shown_from(encoder.bundle, snapshot, directory, thresholds(encoder.bundle))
            self._levels = release.snapshot, levels
        return Serving(
            release=release,
            engine=opened.engine,
            snapshot=snapshot,
            directory=directory,
            hashes=hashes,
            shown_from=self._levels[1],
            packages=self._words.known(directory),
            names=load_names(encoder, directory.brands, self._database, self._now),
            judge=opened.judge,
            policy=opened.policy,
        )

    def _resumed(self, opened: Opened, directory: Directory) -> Serving | None:
        """The snapshot on disk, when it is of this encoder and these references: a quick start."""
        try:
            release = read_pointer(self._folder, self._pointer)
            if release is None or release.encoder != opened.engine.id:
                return None
            snapshot = load_snapshot(self._folder / "index" / release.snapshot, encoder_id=release.encoder)
        except (IndexRefused, ScreenerError) as error:
            log.warning("snapshot_refused", message=str(error))
            return None
        # What a vector is of never changes, so equal ids and encoder mean equal vectors.
        if snapshot.ids != tuple(directory.entries) or release != opened.with_snapshot(release.snapshot):
            return None
        hashes = self._hashes(opened, list(directory.entries.values()), None)
        return self._serving(opened, release, snapshot, directory, hashes)

    def _built(self, opened: Opened, directory: Directory, progress: Progress | None) -> Serving:
        engine = opened.engine
        vectors = ReferenceVectors(database=self._database, blobs=self._blobs, engine=engine, now=self._now)
        usable, matrix = vectors.read(list(directory.entries.values()), progress)
        root = self._folder / "index"
        # One process at a time: else the snapshot that one names in `CURRENT` could be pruned by another.
        with locked(self._folder):
            manifest = build_snapshot(
                root,
                encoder_id=engine.id,
                dim=engine.bundle.dim,
                ids=[entry.id for entry in usable],
                vectors=matrix,
                registry_version=directory.version,
                now=self._now(),
            )
            snapshot = load_snapshot(root / manifest.id, encoder_id=engine.id)
            release = opened.with_snapshot(manifest.id)
            write_pointer(self._folder, release, self._pointer)
            prune_snapshots(root, served=manifest.id, also=named_snapshots(self._folder))
        return self._serving(opened, release, snapshot, directory, self._hashes(opened, usable, progress))

    def _hashes(self, opened: Opened, entries: Sequence[Entry], progress: Progress | None) -> ReferenceHashes:
        """Hashes of the references; pictures that were embedded before they had facts are measured now."""
        whole = {entry.sha256: entry for entry in entries if entry.box is None}
        # A picture's hash never changes: what the last release had is not read again.
        found = {sha256: self._known[sha256] for sha256 in whole if sha256 in self._known}
        pictures = [sha256 for sha256 in whole if sha256 not in found]
        for start in range(0, len(pictures), LOAD_AT_ONCE):
            with self._database.read() as connection:
                found |= facts_store.load_hashes(connection, pictures[start : start + LOAD_AT_ONCE])
        described = [sha256 for sha256, entry in whole.items() if sha256 not in found and entry.described]
        with self._database.read() as connection:
            found |= facts_store.load_hashes(connection, described, described=True)
        todo = [entry for sha256, entry in whole.items() if sha256 not in found and not entry.described]
        read = partial(decoded_reference, blobs=self._blobs, pool=opened.engine.pool)
        for start in range(0, len(todo), EMBED_AT_ONCE):
            chunk = todo[start : start + EMBED_AT_ONCE]
            with ThreadPoolExecutor(THREADS, thread_name_prefix="facts") as threads:
                made = zip(chunk, threads.map(read, chunk), strict=True)
                facts = {entry.sha256: picture.facts for entry, picture in made if picture}
            with self._database.write() as connection:
                facts_store.store(connection, facts, self._now())
                found |= facts_store.load_hashes(connection, facts)
            if progress:
                progress(start + len(chunk), len(todo))
        self._known = found
        return ReferenceHashes(entries, found)
