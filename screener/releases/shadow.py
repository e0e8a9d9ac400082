"""A candidate judges a share of live listings in the shadow: nothing that it says has any effect.

A listing is taken once it is answered and recorded. The candidate gets what the served release had: the listing, its
pictures, and what earlier screenings said at that moment. With the served encoder it judges the same features, in
microseconds; with one of its own it looks at the pictures, in a thread and a decoder that give way to all others.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import RegistryError
from index.errors import IndexRefused
from screener.errors import ScreenerError
from screener.metrics import Metrics
from screener.reading import Reader
from screener.release import SHADOW, Opened
from screener.releases.candidate import Candidate, open_candidate
from screener.releases.judgements import Judgement, write_judgements
from screener.releases.registry import ModelRegistry
from screener.releases.rows import ModelRelease
from screener.screening import Screened
from screener.settings import Settings

log = structlog.get_logger()

WAITING_BYTES: Final = 64 * 1024 * 1024
"""Most bytes of pictures that wait; what comes then is dropped, and counted."""
WAITING: Final = 1000
"""Most listings that wait."""
AT_ONCE: Final = 32
"""Judgements written in one transaction."""
NICE: Final = 10
TRY_AGAIN: Final = 60.0
"""Seconds between two attempts to open a candidate that was refused."""


class Shadow:
    """Opens the candidate that the registry names, judges with it, and writes what it said."""

    def __init__(
        self,
        *,
        registry: ModelRegistry,
        database: Database,
        blobs: FolderBlobs,
        settings: Settings,
        served: Callable[[], Opened],
        reader: Reader | None,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        """`served` gives what is served now; `now` gives aware UTC times; without a `reader` no words are read."""
        self._registry, self._database, self._blobs, self._settings = registry, database, blobs, settings
        self._served, self._reader, self._metrics, self._now = served, reader, metrics, now
        self._candidate: Candidate | None = None
        self._refused: tuple[str, float] = ("", 0.0)
        self._waiting: deque[Screened] = deque()
        self._bytes = 0
        self._dropped = 0
        self._lock = threading.Lock()
        self._working = threading.Lock()
        self._something = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def release_id(self) -> str | None:
        """The candidate that is open here."""
        return self._candidate.release.id if self._candidate else None

    @property
    def dropped(self) -> int:
        """Listings of its share that the candidate did not judge, since this process started."""
        return self._dropped

    def offer(self, screened: Screened) -> None:
        """Takes a screening that was recorded, if the share has it and there is room. Neither waits nor raises."""
        candidate = self._candidate
        if candidate is None or not candidate.takes(str(screened.answer["id"])):
            return
        if candidate.own is None:  # the features are all it needs
            screened = replace(screened, asked=replace(screened.asked, images=()))
        size = sum(map(len, screened.asked.images))
        with self._lock:
            full = len(self._waiting) >= WAITING or self._bytes + size > WAITING_BYTES
            if not full:
                self._waiting.append(screened)
                self._bytes += size
        if full:
            self._drop(1)
        else:
            self._something.set()

    def follow(self) -> None:
        """Opens or closes the candidate as the registry says, and follows the registry of references with it.

        Raises
        ------
        ScreenerError, IndexRefused, RegistryError, OSError
            the candidate cannot be opened; nothing is judged in the shadow then
        """
        with self._working:
            self._follow()

    def judge_waiting(self) -> int:
        """Judges what waits and writes it; how many listings there were. Raises RegistryError."""
        with self._working:
            return self._judge_waiting()

    def run(self) -> None:
        """Does both in a thread of its own until `close`."""
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and closes the candidate; what waits is dropped."""
        self._stop.set()
        self._something.set()
        if self._thread:
            self._thread.join()
        with self._working:
            self._close()

    def _run(self) -> None:
        # Linux gives every thread a niceness of its own, and threads and processes begin with their maker's.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        look, pause = 0.0, self._settings.refresh_seconds
        while not self._stop.is_set():
            self._something.wait(pause)
            self._something.clear()
            try:
                if time.monotonic() >= look and not self._stop.is_set():
                    look = time.monotonic() + pause
                    self.follow()
                self.judge_waiting()
            except (RegistryError, IndexRefused, ScreenerError, OSError) as error:
                log.error("shadow_failed", error=type(error).__name__, message=str(error))
            except Exception:
                log.exception("shadow_failed")

    def _follow(self) -> None:
        release = self._registry.shadowed()
        served, open_one = self._served(), self._candidate
        if release is None or release.models == served.ids:
            self._close()
            self._refused = ("", 0.0)
            return
        alone = release.models.encoder == served.engine.id
        if open_one is None or open_one.release.models != release.models or alone != (open_one.own is None):
            self._close()
            if self._refused[0] == release.id and time.monotonic() < self._refused[1]:
                return
            try:
                self._candidate = self._open(release, served)
            except (ScreenerError, IndexRefused, OSError):
                self._refused = (release.id, time.monotonic() + TRY_AGAIN)
                raise
            log.info("shadow_opened", release=release.id, share=release.shadow_share)
        elif open_one.release.shadow_share != release.shadow_share:
            self._candidate = Candidate(release, open_one.opened, open_one.own)
        if self._candidate and self._candidate.own:
            self._candidate.own.refresher.refresh()

    def _open(self, release: ModelRelease, served: Opened) -> Candidate:
        return open_candidate(
            release,
            served=served,
            store=self._registry.store,
            database=self._database,
            blobs=self._blobs,
            settings=self._settings,
            reader=self._reader,
            now=self._now,
        )

    def _close(self) -> None:
        candidate, self._candidate = self._candidate, None
        with self._lock:
            left = len(self._waiting)
            self._waiting.clear()
            self._bytes = 0
        self._drop(left)
        if candidate:
            candidate.close()
            (self._settings.data_dir / SHADOW).unlink(missing_ok=True)
            log.info("shadow_closed", release=candidate.release.id)

    def _drop(self, count: int) -> None:
        with self._lock:
            self._dropped += count
        self._metrics.shadow_dropped.inc(count)

    def _judge_waiting(self) -> int:
        done = 0
        while self._candidate and not self._stop.is_set() and (chunk := self._taken()):
            made = [self._judged(self._candidate, screened) for screened in chunk]
            write_judgements(self._database, self._candidate.release.id, [one for one in made if one], self._now())
            done += len(chunk)
        return done

    def _taken(self) -> list[Screened]:
        with self._lock:
            chunk = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            self._bytes -= sum(sum(map(len, screened.asked.images)) for screened in chunk)
        return chunk

    def _judged(self, candidate: Candidate, screened: Screened) -> Judgement | None:
        started, opened = time.perf_counter(), candidate.opened
        try:
            found = candidate.assess(screened)
        except Exception:  # a candidate may fail at what the served release did not
            log.exception("shadow_failed", screening=screened.answer["id"])
            found = None
        if found is None:
            self._drop(1)
            return None
        seconds = time.perf_counter() - started
        self._metrics.shadow_seconds.observe(seconds)
        self._metrics.shadow_judged.inc()
        probability, recognition = found.judgement.probability, found.evidence.recognition
        verdict = opened.policy.verdict(
            probability,
            screened.asked.listing.category,
            known_fake=found.known_fake,
            everything_screened=found.complete,
        )
        brand = found.evidence.brand
        return Judgement(
            str(screened.answer["id"]),
            probability,
            verdict,
            recognition.status,
            brand.id if brand else None,
            round(seconds * 1000, 4),
        )
