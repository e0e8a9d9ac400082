"""Many references at once: what an import added is checked, and folders of pictures are added by several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from brands import references
from brands.approvals import Decider
from brands.doors import Doors, Inspection
from brands.errors import Conflict, Invalid
from brands.model import NewReference, Reference
from screener.errors import ImageUnusable
from screener.governance.inspector import ReferenceInspector
from screener.refresh import Refresher

THREADS: Final = 4
TOGETHER: Final = 32
"""Pictures that are written in one transaction: a commit waits for the disk."""

Progress = Callable[[int], None]
"""Told how many are done."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one file: a reference, or the error that is its own."""

    path: Path
    reference: Reference | None = None
    error: ImageUnusable | Conflict | Invalid | None = None


def settle_all(doors: Doors, refresher: Refresher, progress: Progress | None = None) -> int:
    """Checks every pending reference that was not checked, against the registry as it is now; gives how many."""
    refresher.refresh()
    done = 0
    while number := doors.settle_waiting():
        done += number
        if progress:
            progress(done)
    return done


def add_files(
    doors: Doors,
    inspector: ReferenceInspector,
    *,
    by: Decider,
    brand_id: str,
    like: NewReference,
    files: Sequence[Path],
    limit: int,
) -> Iterator[Added]:
    """Adds pictures to a brand as references `like` one, and tells of each in turn.

    A picture that cannot be used, or that the brand has, is left out; the others are added. `limit` is the largest file
    in bytes.
    """
    doors.registry.get_brand(brand_id)
    like = references.checked(like)

    def look(path: Path) -> tuple[Path, NewReference, Inspection] | Added:
        with path.open("rb") as file:
            data = file.read(limit + 1)
        try:
            found = inspector.look(brand_id, like.kind, data, like.box, deep=False)
        except ImageUnusable as error:
            return Added(path, error=error)
        sha256 = doors.registry.blobs.put(data)
        return path, replace(like, image_sha256=sha256, width=found.width, height=found.height), found

    with ThreadPoolExecutor(THREADS, thread_name_prefix="import") as threads:
        for chunk in _chunks(files, TOGETHER):
            looked = list(threads.map(look, chunk))
            yield from (one for one in looked if isinstance(one, Added))
            yield from _written(doors, by, brand_id, [one for one in looked if not isinstance(one, Added)])


def _written(
    doors: Doors, by: Decider, brand_id: str, found: Sequence[tuple[Path, NewReference, Inspection]]
) -> Iterator[Added]:
    """Adds them together, or (one is there already) each by itself."""
    try:
        added = doors.add_inspected(by, brand_id, [(new, inspection) for _, new, inspection in found])
        yield from (Added(path, reference) for (path, _, _), reference in zip(found, added, strict=True))
    except Conflict:
        for path, new, inspection in found:
            try:
                yield Added(path, doors.add_inspected(by, brand_id, [(new, inspection)])[0])
            except Conflict as error:
                yield Added(path, error=error)


def _chunks(files: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), size):
        yield files[start : start + size]
