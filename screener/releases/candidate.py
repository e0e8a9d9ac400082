"""A candidate that was opened to judge in the shadow: features that are there, or pictures with its own encoder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from brands.blobs import FolderBlobs
from brands.database import Database
from index.live import Live
from screener.assess import Asked, Assessment, Assessor, Stopwatch
from screener.bundle import Bundle
from screener.engine import Engine, open_engine
from screener.metrics import Metrics
from screener.pictures import PictureReader
from screener.reading import PictureTexts, Reader
from screener.refresh import Refresher
from screener.release import SHADOW, Opened, Serving
from screener.releases.opening import open_models
from screener.releases.rows import ModelRelease
from screener.releases.store import ModelStore
from screener.screening import Screened
from screener.settings import Settings
from screener.workers import DecodePool

SECONDS: Final = 60.0
"""Time for one listing: nobody waits."""


@dataclass(frozen=True, slots=True)
class Own:
    """What a candidate with an encoder of its own needs: an index, decoders, and readers."""

    engine: Engine
    pool: DecodePool
    pictures: PictureReader
    texts: PictureTexts | None
    live: Live[Serving]
    refresher: Refresher
    assessor: Assessor

    def close(self) -> None:
        """Ends its threads and processes."""
        if self.texts:
            self.texts.close()
        self.pool.close()
        self.pictures.close()
        self.engine.close()


@dataclass(frozen=True, slots=True)
class Candidate:
    """An opened candidate; without an `own` encoder it judges the features of what is served."""

    release: ModelRelease
    opened: Opened
    own: Own | None

    def takes(self, screening_id: str) -> bool:
        """Whether the share has this listing: by a hash, so that the same listings are taken everywhere and again."""
        digest = hashlib.sha256(f"{self.release.id}:{screening_id}".encode()).digest()
        return int.from_bytes(digest[:8]) < self.release.shadow_share * 2**64

    def assess(self, screened: Screened) -> Assessment | None:
        """What it makes of a listing; None for one that another encoder judged, just before that was switched.

        Raises whatever it stumbles over: it may fail where the served release did not.
        """
        asked, found = screened.asked, screened.found
        if self.own is None:
            if screened.serving.engine.id != self.opened.engine.id:
                return None
            return replace(found, judgement=self.opened.judge.judge(found.values))
        serving = self.own.live.current
        assert serving is not None
        again = Asked(asked.listing, asked.images, time.monotonic() + SECONDS)
        return self.own.assessor.assess(serving, again, Stopwatch(), history=found.evidence.history)

    def close(self) -> None:
        """Closes what is its own."""
        if self.own:
            self.own.close()


def open_candidate(
    release: ModelRelease,
    *,
    served: Opened,
    store: ModelStore,
    database: Database,
    blobs: FolderBlobs,
    settings: Settings,
    reader: Reader | None,
    now: Callable[[], datetime],
) -> Candidate:
    """Opens a candidate beside what is served; one decoder and one thread where it has an encoder of its own.

    Raises
    ------
    ScreenerError, OSError
        it is not whole, or not here
    """
    if release.models.encoder == served.engine.id:
        return Candidate(release, open_models(store, release.models, lambda _: served.engine), None)
    pools: list[DecodePool] = []

    def engine_of(bundle: Bundle) -> Engine:
        pools.append(DecodePool(bundle.preprocess, settings.image_limits, dense=bundle.dense, size=1))
        return open_engine(bundle, pool=pools[0], workers=1, folder=settings.data_dir, database=database)

    try:
        opened = open_models(store, release.models, engine_of)
    except BaseException:
        for pool in pools:
            pool.close()
        raise
    # Its pictures are not counted among those of listings.
    pictures = PictureReader(database=database, metrics=Metrics(), threads=1)
    texts = PictureTexts(reader=reader, database=database, pool=pools[0], now=now, threads=1) if reader else None
    live = Live[Serving](clock=time.monotonic)
    refresher = Refresher(
        database=database,
        blobs=blobs,
        opened=opened,
        reader=reader,
        folder=settings.data_dir,
        live=live,
        now=now,
        pointer=SHADOW,
    )
    assessor = Assessor(database=database, pictures=pictures, texts=texts, reading_ms=settings.reading_ms, now=now)
    return Candidate(release, opened, Own(opened.engine, pools[0], pictures, texts, live, refresher, assessor))
