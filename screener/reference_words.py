"""Reads the words on the references, once each, and makes the package words of what is read."""

from collections.abc import Callable
from datetime import datetime

import structlog

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import RegistryError
from screener import texts_store
from screener.directory import Directory
from screener.errors import ScreenerError
from screener.package_words import PackageWords
from screener.reading import SIDE, Reader, lines_of, rows_of
from screener.workers import DecodePool

log = structlog.get_logger()

Progress = Callable[[int, int], None]


class ReferenceWords:
    """What is written on references; one thread at a time. Without a `reader` nothing is, and nothing is read."""

    def __init__(
        self,
        *,
        reader: Reader | None,
        database: Database,
        blobs: FolderBlobs,
        pool: DecodePool,
        now: Callable[[], datetime],
    ):
        """`now` gives aware UTC times."""
        self._reader, self._database, self._blobs, self._pool, self._now = reader, database, blobs, pool, now
        self._all_read = -1
        self._hopeless: set[str] = set()

    def known(self, directory: Directory) -> PackageWords:
        """The words read so far. Raises RegistryError."""
        if self._reader is None:
            return PackageWords()
        brands = _pictures(directory)
        with self._database.read() as connection:
            read = texts_store.load(connection, self._reader.id, brands)
        return PackageWords((brand, lines_of(rows)) for sha256, rows in read.items() for brand in brands[sha256])

    def read(self, directory: Directory, progress: Progress | None = None, *, most: int | None = None) -> int:
        """Reads references that were not read yet, at most so many; how many were tried, 0 when all are read.

        One takes about a fifth of a second of one core. A picture that cannot be read is logged and not tried again.

        Raises
        ------
        RegistryError
            and what was read so far is kept
        """
        if self._reader is None or directory.version == self._all_read:
            return 0
        pictures = _pictures(directory)
        with self._database.read() as connection:
            read = texts_store.load(connection, self._reader.id, pictures)
        todo = [sha256 for sha256 in pictures if sha256 not in read and sha256 not in self._hopeless][:most]
        for done, sha256 in enumerate(todo, 1):
            try:
                lines = self._reader.read(self._pool.decode_large(self._blobs.get(sha256), SIDE))
            except (ScreenerError, RegistryError) as error:
                log.error("reference_unreadable", sha256=sha256, code=error.code)
                self._hopeless.add(sha256)
                continue
            with self._database.write() as connection:
                texts_store.store(connection, self._reader.id, {sha256: rows_of(lines)}, self._now())
            if progress:
                progress(done, len(todo))
        if most is None or len(todo) < most:
            self._all_read = directory.version
        return len(todo)


def _pictures(directory: Directory) -> dict[str, set[str]]:
    """The pictures of brands' goods by SHA-256, with the brands; what only looks like a brand's is not among them."""
    found: dict[str, set[str]] = {}
    for entry in directory.entries.values():
        if entry.kind != "negative" and not entry.described:
            found.setdefault(entry.sha256, set()).add(entry.brand_id)
    return found
