"""Promotes, rolls back and follows releases in a running service: what is served changes in one step, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import structlog

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.errors import Conflict, RegistryError
from index.errors import IndexRefused
from screener.bundle import Bundle
from screener.directory import read_directory
from screener.engine import Engine
from screener.errors import ReleaseRefused, ScreenerError
from screener.name_vectors import load_names
from screener.reference_vectors import Progress, ReferenceVectors
from screener.refresh import Refresher
from screener.release import Opened
from screener.releases.opening import OpenEngine, open_models
from screener.releases.registry import ModelRegistry
from screener.releases.report import Models, Report, read_report
from screener.releases.rows import ModelRelease, Switch, release_id

log = structlog.get_logger()

LINGER: Final = 90.0
"""Seconds for which an engine stays open after it was served: the longest deadline is 60, and then comes the record. A
rollback meanwhile finds it warm."""
TRY_AGAIN: Final = 60.0
"""Seconds between two attempts to serve a release that was refused."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """How far a promotion that was asked for over HTTP is, in this process: `done` of `total` references embedded."""

    release_id: str
    state: Literal["preparing", "done", "failed"]
    done: int = 0
    total: int = 0
    fault: str | None = None


class Releases:
    """What is served, and how it changes. Threads may share it."""

    def __init__(
        self,
        *,
        registry: ModelRegistry,
        database: Database,
        blobs: FolderBlobs,
        refresher: Refresher,
        open_engine: OpenEngine,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        linger: float = LINGER,
    ) -> None:
        """`now` gives aware UTC times, `clock` monotonic seconds; an engine is closed `linger` after its last use."""
        self.registry = registry
        self._database, self._blobs, self._refresher = database, blobs, refresher
        self._open_engine, self._now, self._clock, self._linger = open_engine, now, clock, linger
        self._one_at_a_time = threading.Lock()
        self._warm: dict[str, tuple[Engine, float]] = {}
        self._preparing: set[str] = set()
        self._refused: tuple[str, float] = ("", 0.0)
        self._fault: str | None = None
        self._preparation: Preparation | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    @property
    def served_id(self) -> str:
        """The id of the release that this process serves, or will first."""
        return release_id(self._refresher.opened.ids)

    @property
    def fault(self) -> str | None:
        """Why the promoted release is not served here; None where it is."""
        return self._fault

    @property
    def preparation(self) -> Preparation | None:
        """The promotion that this process was asked for last."""
        return self._preparation

    def propose(
        self, *, bundle: Path | None, judge: Path | None, policy: Path | None, report: Report | Path, actor: str,
        note: str = "",
    ) -> ModelRelease:  # fmt: skip
        """Proposes a candidate (`ModelRegistry.propose`); a model that is not given is the one that is served."""
        paths = self.registry.completed(bundle, judge, policy)
        read = read_report(report) if isinstance(report, Path) else report
        return self.registry.propose(paths, read, actor=actor, note=note)

    def approve(self, identifier: str, *, actor: str) -> ModelRelease:
        """Approves a candidate (`ModelRegistry.approve`)."""
        return self.registry.approve(identifier, actor=actor)

    def promote(self, identifier: str, *, actor: str, reason: str, progress: Progress | None = None) -> Switch:
        """Embeds every reference for the candidate, then switches to it: encoder, snapshot, judge and policy at once.

        What was embedded stays when this is cut off, so it goes on from there. The commit of the switch is the one
        step; servers follow within their `refresh_seconds`, this one before it returns.

        Raises
        ------
        NotFound, Conflict, Invalid, ReportRefused
            as `ModelRegistry.promote` does
        BundleRefused, JudgeRefused, PolicyRefused, ReleaseRefused
            the candidate is not whole, and what was served goes on
        RegistryError
        """
        release = self.registry.check_promotable(identifier)
        encoder = release.models.encoder
        with self._one_at_a_time:
            opened = self._open(release.models)
            self._preparing.add(encoder)
        try:
            self._embed(opened.engine, progress)
            switch = self.registry.promote(identifier, actor=actor, reason=reason)
        finally:
            self._preparing.discard(encoder)
        with suppress(ScreenerError, IndexRefused, OSError):  # it is switched: `fault` says why not here
            self.follow()
        return switch

    def promote_soon(self, identifier: str, *, actor: str, reason: str) -> Preparation:
        """Begins a promotion in a thread of its own; `preparation` says how far it is.

        Raises
        ------
        NotFound, Conflict, ReportRefused
            it cannot be promoted, or another promotion is under way here (`illegal_state`)
        """
        self.registry.check_promotable(identifier)
        if self._thread is not None and self._thread.is_alive():
            raise Conflict("Another promotion is under way on this server.", code="illegal_state")
        self._preparation = Preparation(identifier, "preparing")

        def told(done: int, total: int) -> None:
            self._preparation = Preparation(identifier, "preparing", done, total)
            if self._closing.is_set():
                raise ReleaseRefused("The server stops; the promotion goes on from here when it is asked for again.")

        def work() -> None:
            try:
                self.promote(identifier, actor=actor, reason=reason, progress=told)
                self._preparation = Preparation(identifier, "done")
            except (RegistryError, ScreenerError, IndexRefused, OSError) as error:
                log.error("promotion_failed", release=identifier, error=type(error).__name__, message=str(error))
                self._preparation = Preparation(identifier, "failed", fault=str(error))

        self._thread = threading.Thread(target=work, name="promotion", daemon=True)
        self._thread.start()
        return self._preparation

    def rollback(self, identifier: str | None = None, *, actor: str, reason: str) -> Switch:
        """Goes back to the whole previous release, here before it returns (`ModelRegistry.rollback`)."""
        switch = self.registry.rollback(identifier, actor=actor, reason=reason)
        with suppress(ScreenerError, IndexRefused, OSError):  # it is switched: `fault` says why not here
            self.follow()
        return switch

    def follow(self) -> bool:
        """Serves what is to be served; True when that was another release.

        Raises
        ------
        ScreenerError, IndexRefused, RegistryError, OSError
            it is refused here, and what was served goes on being served, whole
        """
        with self._one_at_a_time:
            return self._follow()

    def keep(self) -> None:
        """The keeper's step: follows the newest switch, and closes engines that nobody uses any more.

        A release that is refused is tried again after a while. Raises RegistryError.
        """
        found = self.registry.promoted()
        tried, again = self._refused
        if found is None or found[0].id != tried or self._clock() >= again:
            with suppress(ScreenerError, IndexRefused, OSError):  # `_follow` has logged it
                self.follow()
        self._close_warm(self._clock())

    def wait(self) -> None:
        """Waits for the end of the promotion that was begun here."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Waits for a promotion to stop, and closes every engine that is not served."""
        self._closing.set()
        self.wait()
        self._close_warm(float("inf"))

    def _follow(self) -> bool:
        wanted = self.registry.served()
        if wanted == self._refresher.opened.ids:
            self._refused, self._fault = ("", 0.0), None
            return False
        before = self._refresher.opened.engine
        try:
            self._refresher.switch(self._open(wanted))
        except (ScreenerError, IndexRefused, OSError) as error:
            found = self.registry.promoted()
            self._refused = (found[0].id if found else "", self._clock() + TRY_AGAIN)
            self._fault = str(error)
            log.error("release_refused", release=release_id(wanted), error=type(error).__name__, message=str(error))
            raise
        self._refused, self._fault = ("", 0.0), None
        if before is not self._refresher.opened.engine:
            self._warm[before.id] = before, self._clock() + self._linger
        log.info("models_switched", release=release_id(wanted), encoder=wanted.encoder, judge=wanted.judge)
        return True

    def _open(self, models: Models) -> Opened:
        return open_models(self.registry.store, models, self._engine)

    def _engine(self, bundle: Bundle) -> Engine:
        """The engine of a bundle: the one that is served, or still or already warm, else a new one."""
        served = self._refresher.opened.engine
        if served.id == bundle.id:
            return served
        warm, _ = self._warm.get(bundle.id, (None, 0.0))
        engine = warm or self._open_engine(bundle)
        self._warm[bundle.id] = engine, self._clock() + self._linger
        return engine

    def _embed(self, engine: Engine, progress: Progress | None) -> None:
        """Embeds the references and the names of brands that the candidate's snapshot will hold."""
        with self._database.read() as connection:
            directory = read_directory(connection)
        vectors = ReferenceVectors(database=self._database, blobs=self._blobs, engine=engine, now=self._now)
        vectors.read(list(directory.entries.values()), progress)
        load_names(engine.encoder, directory.brands, self._database, self._now)

    def _close_warm(self, now: float) -> None:
        """Closes engines that are neither served nor preparing nor in anybody's hands any more."""
        with self._one_at_a_time:
            served = self._refresher.opened.engine
            for engine, until in [*self._warm.values()]:
                if engine is served:
                    del self._warm[engine.id]
                elif now >= until and engine.id not in self._preparing:
                    del self._warm[engine.id]
                    engine.close()
