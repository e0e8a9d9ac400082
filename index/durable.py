"""The write protocol of directories: everything on disk before the name appears, and the name appears at once."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path


def fsync_folder(folder: Path) -> None:
    """Makes the names in a folder survive power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_file(path: Path) -> None:
    """Makes a file's bytes survive power loss."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def publish_folder(temporary: Path, final: Path) -> None:
    """Renames a finished folder to its name: fsync of every file, of the folder, rename, fsync of the parent."""
    for path in temporary.iterdir():
        fsync_file(path)
    fsync_folder(temporary)
    temporary.rename(final)
    fsync_folder(final.parent)


def write_file(path: Path, data: bytes) -> None:
    """Replaces a file atomically: a reader sees the old bytes or the new ones, also after power loss.

    Writers of one file take turns (`locked`): the temporary file has one name, so that killed writers leave only one.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    fsync_folder(path.parent)


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock among processes; the kernel drops it when the holder dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
