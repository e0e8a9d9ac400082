"""A durable folder of listings that could not be screened and wait to be screened again."""

import io
import json
import os
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from screener.client_types import Listing, Picture

SUFFIX = ".zip"


@dataclass(frozen=True, slots=True)
class SpooledListing:
    """A waiting listing; `id` is unique and stays the same, so it serves as the idempotency key."""

    id: str
    listing: Listing
    images: tuple[bytes, ...]
    reason: str


class RescreenSpool:
    """One file for each listing, oldest first; once `add` has returned, the listing survives a power failure.

    Several processes may share the folder. A listing that cannot be screened ever is put aside under `rejected/`.
    """

    def __init__(self, path: Path, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._clock = clock
        path.mkdir(parents=True, exist_ok=True)

    def add(self, listing: Listing, images: Sequence[Picture], reason: str) -> str:
        """Keep a listing and return its id. A picture that cannot be read is kept as an empty one: never left out."""
        key = f"{self._clock():020d}-{uuid.uuid4().hex}"
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
            head = {"listing": listing.to_json(), "reason": reason, "images": len(images)}
            archive.writestr("listing.json", json.dumps(head))
            for position, image in enumerate(images):
                archive.writestr(f"image-{position}", _readable(image))
        part = self._path / f"{key}.part"
        with part.open("xb") as stream:
            stream.write(content.getvalue())
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self._path / (key + SUFFIX))
        _sync_folder(self._path)
        return key

    def __iter__(self) -> Iterator[SpooledListing]:
        """The waiting listings, oldest first; a file that cannot be read is put aside."""
        for path in sorted(self._path.glob(f"*{SUFFIX}")):
            try:
                yield _read(path)
            except FileNotFoundError:
                continue  # another process has finished it
            except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
                self.reject(path.stem)

    def __len__(self) -> int:
        return sum(1 for _ in self._path.glob(f"*{SUFFIX}"))

    def remove(self, key: str) -> None:
        """Forget a listing, because it has been screened; one that is gone already is no error."""
        (self._path / (key + SUFFIX)).unlink(missing_ok=True)
        _sync_folder(self._path)

    def reject(self, key: str) -> None:
        """Put a listing aside that the service will never take."""
        aside = self._path / "rejected"
        aside.mkdir(exist_ok=True)
        (self._path / (key + SUFFIX)).replace(aside / (key + SUFFIX))
        _sync_folder(aside)
        _sync_folder(self._path)


def _read(path: Path) -> SpooledListing:
    with zipfile.ZipFile(path) as archive:
        head = json.loads(archive.read("listing.json"))
        images = tuple(archive.read(f"image-{position}") for position in range(head["images"]))
    return SpooledListing(path.stem, Listing.from_json(head["listing"]), images, head["reason"])


def _readable(image: Picture) -> bytes:
    try:
        return image if isinstance(image, bytes) else image.read_bytes()
    except OSError:
        return b""


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
