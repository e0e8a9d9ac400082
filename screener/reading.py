"""Reads the words in a listing's pictures: in a time of its own, the most promising picture first, none twice."""

import importlib.util
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from brands.database import Database
from brands.errors import RegistryError
from screener import texts_store
from screener.errors import ImageUnusable
from screener.preprocess import Box
from screener.workers import DecodePool, NoWorkerInTime

log = structlog.get_logger()

SIDE: Final = 480
"""Longest side, in pixels, of what is read; smaller pictures are enlarged to it. Photos of 348 pixels as they are gave
a third fewer names; at 640, two in a hundred more of the names on photos of logos, no more of those on groceries, and
half as much time again (`listing-screener-train evaluate reading`)."""
MAX_LINES: Final = 48
MAX_LETTERS: Final = 120
"""Code points of a line: a brand's name and a slogan; what is longer is fine print."""
LEAST_LEFT: Final = 0.05
"""Seconds that must be left to begin a picture: a decoder that is interrupted has to be started anew."""
AT_ONCE: Final = 2
"""Pictures that are read side by side, over all listings; each takes one core."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text in a picture: printable characters only, how surely it was read (0..1), and where (relative)."""

    text: str
    confidence: float
    box: Box


class Reader(Protocol):
    """Something that reads; several threads may use one."""

    @property
    def id(self) -> str:
        """Names the reader, its models and its settings: what is remembered under one id would be read again alike."""

    def read(self, pixels: NDArray[np.uint8]) -> tuple[Line, ...]:
        """The lines in a picture (h, w, 3) uint8 RGB, from top to bottom and left to right; at most `MAX_LINES`."""


def open_reader(side: int = SIDE) -> Reader | None:
    """The reader of the extra `ocr`, for pictures of `side` pixels, or None where it is not (wholly) installed."""
    if importlib.util.find_spec("rapidocr") is None or importlib.util.find_spec("cv2") is None:
        return None
    from screener.reader_rapidocr import RapidOcrReader

    try:
        return RapidOcrReader(side=side)
    except FileNotFoundError as error:  # a release with other models; nothing is fetched in their place
        log.warning("reader_incomplete", message=str(error))
        return None


def printable(text: str) -> str:
    """A line as it may be kept and shown: no control or format characters, one space between words, not too long.

    The models' alphabet has none of the former; a reader that is not ours might.
    """
    kept = "".join(c if not unicodedata.category(c).startswith(("C", "Z")) else " " for c in text)
    return " ".join(kept.split())[:MAX_LETTERS].rstrip()


def rows_of(lines: Iterable[Line]) -> list[texts_store.Row]:
    """Lines as they are kept, rounded so that they come back equal."""
    rows = []
    for line in lines:
        x0, y0, x1, y1 = (round(side, 4) for side in line.box)
        rows.append((line.text, round(line.confidence, 4), x0, y0, x1, y1))
    return rows


def lines_of(rows: Iterable[texts_store.Row]) -> tuple[Line, ...]:
    """Kept lines as they were read."""
    return tuple(Line(text, confidence, (x0, y0, x1, y1)) for text, confidence, x0, y0, x1, y1 in rows)


class PictureTexts:
    """What is written in the pictures of listings; shared by all screenings, close it when done."""

    def __init__(
        self,
        *,
        reader: Reader,
        database: Database,
        pool: DecodePool,
        now: Callable[[], datetime],
        threads: int = AT_ONCE,
    ):
        """`now` gives aware UTC times; `threads` bounds how many pictures are read at once, over all listings."""
        self._reader, self._database, self._pool, self._now = reader, database, pool, now
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="reading")

    def read(
        self, images: Mapping[int, tuple[str, bytes]], *, deadline: float
    ) -> Mapping[int, tuple[Line, ...] | None]:
        """The lines in each picture, by its position; None for one that was not read before `deadline`.

        Parameters
        ----------
        images : position in the listing to SHA-256 and bytes
        deadline : monotonic seconds at which this returns, whatever is done by then; a reading that is under way is
            finished and remembered, so that the same picture costs nothing the next time

        Raises
        ------
        RegistryError
            the database cannot be reached
        """
        with self._database.read() as connection:
            known = texts_store.load(connection, self._reader.id, {sha256 for sha256, _ in images.values()})
        work: dict[str, Future[tuple[Line, ...] | None]] = {}
        for sha256, data in _by_promise(images):
            if sha256 not in known and sha256 not in work:
                work[sha256] = self._threads.submit(self._read, data, deadline)
                work[sha256].add_done_callback(self._keeper(sha256))
        done, _ = wait(work.values(), timeout=max(deadline - time.monotonic(), 0.0))
        read = {sha256: future.result() for sha256, future in work.items() if future in done}
        return {
            position: lines_of(known[sha256]) if sha256 in known else read.get(sha256)
            for position, (sha256, _) in images.items()
        }

    def close(self) -> None:
        """Ends the threads; what is being read is finished, what waits is not begun."""
        self._threads.shutdown(cancel_futures=True)

    def _read(self, data: bytes, deadline: float) -> tuple[Line, ...] | None:
        if time.monotonic() >= deadline - LEAST_LEFT:
            return None
        try:
            pixels = self._pool.decode_large(data, SIDE, deadline=deadline)
        except NoWorkerInTime:
            return None
        except ImageUnusable:  # said of the picture where it was looked at
            return ()
        return self._reader.read(pixels)

    def _keeper(self, sha256: str) -> Callable[[Future[tuple[Line, ...] | None]], None]:
        """Remembers a reading after it was handed over: who waits for it does not wait for the disk."""

        def keep(future: Future[tuple[Line, ...] | None]) -> None:
            if future.cancelled() or future.exception() or (lines := future.result()) is None:
                return
            try:
                with self._database.write() as connection:
                    texts_store.store(connection, self._reader.id, {sha256: rows_of(lines)}, self._now())
            except RegistryError as error:  # it is read again the next time
                log.warning("reading_not_kept", error=type(error).__name__)

        return keep


def _by_promise(images: Mapping[int, tuple[str, bytes]]) -> Iterable[tuple[str, bytes]]:
    """The first picture first, as buyers see it; then the ones with most bytes, in which there is most to see."""
    order = sorted(images, key=lambda position: (position != 0, -len(images[position][1]), position))
    return [images[position] for position in order]
