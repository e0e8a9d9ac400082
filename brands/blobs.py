"""Pictures stored by the SHA-256 of their bytes in a folder: durable when `put` returns, checked when `get` reads.

Layout: `root/ab/cd/abcd...` (64 hex digits) and `root/tmp/` for writes under way. A file in `tmp` that a crash left
behind is never read; it is removed when the store is next opened, once it is too old to belong to another process's
write.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from brands.durable import make_folder, sync_folder, write_new
from brands.errors import BlobCorrupt, BlobMissing, Unavailable

STALE_AFTER_S = 3600.0
"""Age at which a temp file can only be a leftover: a write takes seconds."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class FolderBlobs:
    """A content-addressed store of pictures; threads and processes may share the folder.

    Opening creates the folder and sweeps leftovers older than `STALE_AFTER_S` by `clock` (seconds since 1970).
    """

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.root = root.absolute()
        self._temporary = self.root / "tmp"
        make_folder(self._temporary)
        self._synced: set[Path] = set()
        self._sweep(clock() - STALE_AFTER_S)

    def put(self, data: bytes) -> str:
        """Stores `data` and gives its SHA-256 in hex; when it returns, the blob survives a power loss.

        Storing the same bytes again writes nothing; a damaged blob is replaced by the good bytes. Raises OSError if the
        disk cannot take it, and then nothing is stored under the hash.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        if not self._holds(path, data):
            self._make_folder(path.parent)
            temporary = self._temporary / uuid.uuid4().hex
            try:
                write_new(temporary, data)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        # Also for a blob that was there: whoever wrote it may not have come to this line yet.
        self._sync_names(path.parent)
        return sha256

    def get(self, sha256: str) -> bytes:
        """The bytes with this hash. Raises BlobMissing, or BlobCorrupt if they changed since they were stored."""
        try:
            data = self.path(sha256).read_bytes()
        except FileNotFoundError:
            raise BlobMissing from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BlobCorrupt
        return data

    def exists(self, sha256: str) -> bool:
        """Whether a blob with this hash is stored (its content is not read)."""
        return self.path(sha256).is_file()

    def require(self, sha256s: Iterable[str]) -> None:
        """For whoever writes a row that names blobs, under `brands.audit.lock`: the bytes are still there.

        Raises Unavailable for a blob that was deleted, with the last row that named it, since it was put.
        """
        if not all(self.exists(sha256) for sha256 in sha256s):
            raise Unavailable("The picture was deleted meanwhile; send it again.")

    def delete(self, sha256: str) -> bool:
        """Removes the blob with this hash, durably; False if there is none."""
        path = self.path(sha256)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        sync_folder(path.parent)
        return True

    def older_than(self, before: float) -> Iterator[str]:
        """The hashes of the blobs last written before `before`, seconds since 1970."""
        for path in self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            if _SHA256.fullmatch(path.name) and path.stat().st_mtime < before:
                yield path.name

    def path(self, sha256: str) -> Path:
        """Where the blob with this hash is or would be. Raises ValueError for anything but 64 lower-case hex digits."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError("a blob is named by 64 lower-case hex digits")
        return self.root / sha256[:2] / sha256[2:4] / sha256

    def _holds(self, path: Path, data: bytes) -> bool:
        try:
            return path.stat().st_size == len(data) and path.read_bytes() == data
        except FileNotFoundError:
            return False

    def _make_folder(self, folder: Path) -> None:
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)

    def _sync_names(self, folder: Path) -> None:
        """Makes the names on the way from the root to the blobs in `folder` durable, a folder's own name once only."""
        sync_folder(folder)
        for child in (folder, folder.parent):
            if child not in self._synced:
                sync_folder(child.parent)
                self._synced.add(child)

    def _sweep(self, before: float) -> None:
        for leftover in self._temporary.iterdir():
            try:
                if leftover.stat().st_mtime < before:
                    leftover.unlink()
            except FileNotFoundError:  # another process sweeps too, or finished its write
                continue
