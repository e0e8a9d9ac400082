"""The store of pictures: durable order of writes, damage, leftovers, and many writers at once."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brands import blobs as blobs_module
from brands import durable
from brands.blobs import STALE_AFTER_S, FolderBlobs
from brands.errors import BlobCorrupt, BlobMissing


def _files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@given(data=st.binary(max_size=200))
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    store = FolderBlobs(tmp_path_factory.getbasetemp() / "round-trip")
    sha256 = store.put(data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert store.exists(sha256)
    assert store.get(sha256) == data
    assert store.path(sha256).relative_to(store.root).parts == (sha256[:2], sha256[2:4], sha256)


def test_putting_again_writes_nothing(blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = blobs.put(b"picture")
    before = blobs.path(sha256).stat()
    monkeypatch.setattr(blobs_module, "write_new", None)
    assert blobs.put(b"picture") == sha256
    after = blobs.path(sha256).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_the_order_is_content_then_name_then_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderBlobs(tmp_path / "blobs")
    steps: list[str] = []
    write, replace, sync = durable.write_new, Path.replace, durable.sync_folder

    def note_write(path: Path, data: bytes) -> None:
        write(path, data)
        steps.append("content")

    def note_replace(self: Path, target: Path) -> Path:
        steps.append("name")
        return replace(self, target)

    def note_sync(folder: Path) -> None:
        steps.append(f"sync {len(folder.relative_to(store.root).parts)}")
        sync(folder)

    monkeypatch.setattr(blobs_module, "write_new", note_write)
    monkeypatch.setattr(Path, "replace", note_replace)
    monkeypatch.setattr(blobs_module, "sync_folder", note_sync)
    store.put(b"picture")
    assert steps == ["content", "name", "sync 2", "sync 1", "sync 0"]
    steps.clear()
    store.put(b"picture")  # whoever wrote it first may not have synced yet
    assert steps == ["sync 2"]
    steps.clear()
    FolderBlobs(store.root).put(b"picture")
    assert steps == ["sync 2", "sync 1", "sync 0"]


def test_a_file_is_synced_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    durable.write_new(tmp_path / "x", b"data")
    assert len(synced) == 1
    with pytest.raises(FileExistsError):
        durable.write_new(tmp_path / "x", b"other")
    assert (tmp_path / "x").read_bytes() == b"data"


def test_a_disk_that_is_full_stores_nothing(blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        blobs.put(b"picture")
    assert _files(blobs.root) == []
    monkeypatch.undo()
    assert blobs.get(blobs.put(b"picture")) == b"picture"


def test_a_failed_rename_stores_nothing(blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, target: Path) -> Path:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(PermissionError):
        blobs.put(b"picture")
    assert _files(blobs.root) == []


def test_a_missing_blob(blobs: FolderBlobs) -> None:
    with pytest.raises(BlobMissing) as caught:
        blobs.get("0" * 64)
    assert (caught.value.status, caught.value.code) == (500, "blob_missing")
    assert not blobs.exists("0" * 64)


@pytest.mark.parametrize("damage", [b"", b"pictur", b"pictura", b"picture and more"])
def test_damage_is_noticed_and_mended_by_the_next_put(blobs: FolderBlobs, damage: bytes) -> None:
    sha256 = blobs.put(b"picture")
    blobs.path(sha256).write_bytes(damage)
    with pytest.raises(BlobCorrupt):
        blobs.get(sha256)
    assert blobs.put(b"picture") == sha256
    assert blobs.get(sha256) == b"picture"


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "0" * 63, "0" * 65, "A" * 64, "0" * 63 + "/", "0" * 64 + "\n"]
)
def test_names_that_are_no_hash_are_refused(blobs: FolderBlobs, name: str) -> None:
    with pytest.raises(ValueError, match="64"):
        blobs.path(name)


def test_leftovers_are_swept_when_they_are_old(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    sha256 = store.put(b"picture")
    old, young = tmp_path / "tmp" / "old", tmp_path / "tmp" / "young"
    for leftover in (old, young):
        leftover.write_bytes(b"half a pic")
    now = young.stat().st_mtime
    os.utime(old, (now, now - STALE_AFTER_S - 1))
    again = FolderBlobs(tmp_path, clock=lambda: now)
    assert not old.exists()
    assert young.exists()  # another process may be writing it
    assert again.get(sha256) == b"picture"


def test_many_threads_put_the_same_and_other_pictures(blobs: FolderBlobs) -> None:
    names: list[str] = []

    def put(i: int) -> None:
        for n in range(10):
            names.append(blobs.put(b"the same"))
            names.append(blobs.put(f"{i} {n}".encode()))

    threads = [threading.Thread(target=put, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 160
    assert len(set(names)) == 81
    assert all(hashlib.sha256(blobs.get(name)).hexdigest() == name for name in names)
    assert len(_files(blobs.root)) == 81


def test_make_folder_syncs_every_parent_it_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(durable, "sync_folder", synced.append)
    durable.make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]
    durable.make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2
