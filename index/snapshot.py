"""Snapshots on disk: immutable folders with an index, its vectors and ids, and a manifest of hashes."""

import json
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from index.durable import fsync_folder, locked, publish_folder, sha256_of
from index.errors import SnapshotRefused
from index.kinds import kind_of, make_index
from index.search import Hits, search
from index.vectors import check_vectors, snapshot_id

FORMAT = 1
KEEP = 3
"""Snapshots of the served encoder that stay on disk: the served one and two to go back to."""
OTHERS = 2
"""Other encoders of which the newest snapshot stays: that of the previous release, and that of one in the shadow."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` of a snapshot says."""

    format: int
    id: str
    encoder_id: str
    kind: str
    """`flat` or `ivf`."""
    count: int
    dim: int
    registry_version: int
    """The version of the truth that this snapshot was built from; derived, so not part of the id."""
    created_at: str
    files: dict[str, str]
    """File name to hex SHA-256."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A loaded snapshot; safe to search from many threads at once."""

    manifest: Manifest
    ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    index: faiss.Index

    def search(self, queries: NDArray[np.float32], k: int) -> Hits:
        """The k nearest of every query, shape (q, d) -> (q, k); `positions` index `ids` and `vectors`."""
        return search(self.index, self.vectors, queries, k)


def build_snapshot(
    root: Path,
    *,
    encoder_id: str,
    dim: int,
    ids: Sequence[str],
    vectors: NDArray[np.float32],
    registry_version: int,
    now: datetime | None = None,
) -> Manifest:
    """Builds, hashes and publishes a snapshot under `root`; equal content is built once.

    Parameters
    ----------
    root : folder of all snapshots, created when missing
    ids : reference ids in ascending order, so that ties have one order everywhere
    vectors : shape (len(ids), dim), float32 unit rows

    Raises
    ------
    VectorsRefused
        for anything that may not enter an index
    """
    check_vectors(ids, vectors, dim)
    identifier = snapshot_id(encoder_id, ids, vectors)
    with locked(root):
        final = root / identifier
        if final.exists():
            try:
                return verify_snapshot(final)
            except SnapshotRefused:
                _remove(final)  # damaged on disk: the truth is at hand, so build it again
        _sweep(root)
        temporary = root / f".{identifier}.tmp"
        temporary.mkdir()
        index = make_index(vectors)
        faiss.write_index(index, str(temporary / "index.faiss"))
        np.save(temporary / "vectors.npy", vectors, allow_pickle=False)
        (temporary / "ids.json").write_text(json.dumps(list(ids)), encoding="utf-8")
        manifest = Manifest(
            format=FORMAT,
            id=identifier,
            encoder_id=encoder_id,
            kind=kind_of(index),
            count=len(ids),
            dim=dim,
            registry_version=registry_version,
            created_at=(now or datetime.now(UTC)).isoformat(timespec="milliseconds"),
            files={path.name: sha256_of(path) for path in sorted(temporary.iterdir())},
        )
        (temporary / "manifest.json").write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
        publish_folder(temporary, final)
        return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a snapshot folder, checked in form only.

    Raises
    ------
    SnapshotRefused
        when it is missing, not JSON, or of another format
    """
    try:
        manifest = Manifest(**json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise SnapshotRefused(f"snapshot {folder.name}: no readable manifest ({type(error).__name__})") from error
    if manifest.format != FORMAT or manifest.id != folder.name:
        raise SnapshotRefused(
            f"snapshot {folder.name}: the manifest is of format {manifest.format} and names {manifest.id}"
        )
    return manifest


def verify_snapshot(folder: Path) -> Manifest:
    """Hashes every file of a snapshot against its manifest; FAISS itself would load a corrupted file silently."""
    manifest = read_manifest(folder)
    if set(manifest.files) != {"index.faiss", "vectors.npy", "ids.json"}:
        raise SnapshotRefused(f"snapshot {folder.name}: the manifest does not name the three files")
    for name, expected in manifest.files.items():
        try:
            actual = sha256_of(folder / name)
        except OSError as error:
            raise SnapshotRefused(f"snapshot {folder.name}: {name} cannot be read") from error
        if actual != expected:
            raise SnapshotRefused(f"snapshot {folder.name}: {name} does not have the hash in the manifest")
    return manifest


def load_snapshot(folder: Path, *, encoder_id: str) -> Snapshot:
    """Verifies and opens a snapshot for the encoder that will search it.

    Raises
    ------
    SnapshotRefused
        damaged, missing, of another format, or of another encoder
    """
    manifest = verify_snapshot(folder)
    if manifest.encoder_id != encoder_id:
        raise SnapshotRefused(f"snapshot {manifest.id} belongs to encoder {manifest.encoder_id}, not to {encoder_id}")
    ids = tuple(json.loads((folder / "ids.json").read_text(encoding="utf-8")))
    # Mapped, not read: only the rows that are re-ranked become resident. A plain array, since np.memmap indexes slowly.
    vectors = np.asarray(np.load(folder / "vectors.npy", mmap_mode="r" if manifest.count else None, allow_pickle=False))
    index = faiss.read_index(str(folder / "index.faiss"))
    if not (index.ntotal == len(ids) == len(vectors) == manifest.count):
        raise SnapshotRefused(f"snapshot {manifest.id}: its files hold different numbers of vectors")
    return Snapshot(manifest, ids, vectors, index)


def list_snapshots(root: Path) -> list[Manifest]:
    """Manifests under `root`, newest first; folders without a readable manifest are left out."""
    manifests = []
    for folder in root.glob("snp_*"):
        try:
            manifests.append(read_manifest(folder))
        except SnapshotRefused:
            continue
    return sorted(manifests, key=lambda manifest: (manifest.created_at, manifest.id), reverse=True)


def prune_snapshots(
    root: Path, *, served: str, also: Collection[str] = (), keep: int = KEEP, others: int = OTHERS
) -> list[str]:
    """Deletes all but the newest `keep` of the served encoder and the newest of each of `others` encoders.

    Never the served one nor those named in `also`; readers that hold a deleted one go on reading it.
    """
    with locked(root):
        by_encoder: dict[str, list[str]] = {read_manifest(root / served).encoder_id: []}
        for manifest in list_snapshots(root):
            by_encoder.setdefault(manifest.encoder_id, []).extend([manifest.id] if manifest.id != served else [])
        own, *rest = by_encoder.values()
        removed = [*own[keep - 1 :], *(name for ids in rest[:others] for name in ids[1:])]
        removed += [name for ids in rest[others:] for name in ids]
        removed = [name for name in removed if name not in also]
        for identifier in removed:
            _remove(root / identifier)
        return removed


def remove_snapshots(root: Path, unwanted: Callable[[Sequence[str]], bool]) -> list[str]:
    """Deletes the snapshots whose ids are `unwanted`, also a served one, and those whose ids cannot be read."""
    removed = []
    with locked(root):
        _sweep(root)
        for folder in sorted(root.glob("snp_*")):
            try:
                ids = json.loads((folder / "ids.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                ids = None
            if ids is None or unwanted(ids):
                _remove(folder)
                removed.append(folder.name)
        fsync_folder(root)
    return removed


def _remove(folder: Path) -> None:
    """Takes the name away first: a folder half deleted by a killed process is a leftover, not a damaged snapshot."""
    _sweep(folder.parent)
    leftover = folder.with_name(f".{folder.name}.tmp")
    folder.rename(leftover)
    shutil.rmtree(leftover)


def _sweep(root: Path) -> None:
    """Removes what a killed process left behind; the lock is held, so nobody is writing it."""
    for leftover in root.glob(".snp_*.tmp"):
        shutil.rmtree(leftover)
