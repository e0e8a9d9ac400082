"""Everything that screening needs, opened in the right order from the settings and closed again."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import TracebackType

import structlog

from brands.doors import Doors
from brands.errors import RegistryError
from brands.ids import utc_now
from index.errors import IndexRefused
from index.live import Live
from screener.appraisals.fake_pictures import seen_by
from screener.appraisals.learn import Learner
from screener.assess import Assessor
from screener.bundle import load_bundle
from screener.drift.gauges import Gauges
from screener.drift.watch import FOLDER, DriftWatch, judge_folder
from screener.encoder import Encoder
from screener.engine import Engine, open_engine
from screener.errors import ScreenerError
from screener.governance.inspector import ReferenceInspector
from screener.governance.recent import RecentListings
from screener.governance.standing import Trust
from screener.judging.model import load_judge
from screener.judging.policy import load_policy
from screener.metrics import Metrics
from screener.pictures import PictureReader
from screener.preprocess import WHOLE
from screener.reading import PictureTexts, open_reader
from screener.refresh import Refresher
from screener.release import Opened, Serving
from screener.releases.control import Releases
from screener.releases.opening import first_models
from screener.releases.shadow import Shadow
from screener.rescreens.worker import Rescreener
from screener.retention.janitor import Janitor
from screener.screening import Screener
from screener.settings import Settings
from screener.signals.about import TextReader, served_names
from screener.signals.watch import SignalWatch
from screener.truth import Truth
from screener.webhooks.deliverer import Deliverer
from screener.workers import DecodePool

log = structlog.get_logger()

REST = 2.0
"""Pause after a refresh, as a multiple of what it took."""
READ_AT_ONCE = 16
"""References whose words are read between two refreshes."""
MOST_REST_SECONDS = 30.0
"""With this, what is uploaded counts within a minute as long as building takes less than half of one."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A picture that the image gate let through; width and height in pixels, as painted."""

    sha256: str
    width: int
    height: int


@dataclass(slots=True)
class Service:
    """The parts of a running screener; `open_service` makes it, `close` ends its processes and threads."""

    truth: Truth
    pool: DecodePool
    live: Live[Serving]
    refresher: Refresher
    metrics: Metrics
    pictures: PictureReader
    texts: PictureTexts | None
    screener: Screener
    inspector: ReferenceInspector
    doors: Doors
    trust: Trust
    learner: Learner
    janitor: Janitor
    drift: DriftWatch
    releases: Releases
    shadow: Shadow
    deliverer: Deliverer
    rescreener: Rescreener
    buyers: TextReader
    signals: SignalWatch
    _stop: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None

    @property
    def engine(self) -> Engine:
        """The engine that is served now. Whoever does more than one thing with it takes it once."""
        return self.refresher.opened.engine

    @property
    def encoder(self) -> Encoder:
        """The encoder that is served now."""
        return self.engine.encoder

    @property
    def recent(self) -> RecentListings:
        """The recent listings as the served encoder saw them."""
        return self.engine.recent

    def admit(self, data: bytes) -> Admitted:
        """The image gate for uploads: decodes the picture whole.

        Raises
        ------
        ImageUnusable
            with the code of the limit that it breaks
        """
        decoded = self.pool.decode(data, [WHOLE])
        return Admitted(hashlib.sha256(data).hexdigest(), decoded.width, decoded.height)

    def keep_fresh(self) -> None:
        """Follows the registry, sends webhooks and screens again, in threads of their own until `close`."""
        self.deliverer.start()
        self.rescreener.start()
        self._keeper = threading.Thread(target=self._follow, name="refresh", daemon=True)
        self._keeper.start()
        self.shadow.run()

    def close(self) -> None:
        """Ends threads and processes; a refresh that is under way is finished first."""
        self._stop.set()
        if self._keeper:
            self._keeper.join()
        self.deliverer.close()
        self.rescreener.close()
        self.shadow.close()
        self.releases.close()
        if self.texts:
            self.texts.close()
        self.pool.close()
        self.pictures.close()
        self.engine.close()
        with contextlib.suppress(RegistryError):  # an observation; a database that is gone must not stop the stop
            self.truth.keys.write_uses()
        self.truth.close()

    def _follow(self) -> None:
        pause = self.truth.settings.refresh_seconds
        while not self._stop.wait(pause):
            started = time.monotonic()
            for step in self._steps():
                try:
                    step()
                except (RegistryError, IndexRefused, ScreenerError, OSError) as error:
                    # `/readyz` and the metrics show the age of what is served; an old index beats none.
                    log.error("refresh_failed", error=type(error).__name__, message=str(error))
                except Exception:
                    log.exception("refresh_failed")
            # A large index takes seconds to build: under steady uploads, building may not take every other core.
            busy = time.monotonic() - started
            pause = max(self.truth.settings.refresh_seconds, min(REST * busy, MOST_REST_SECONDS))

    def _steps(self) -> tuple[Callable[[], object], ...]:
        """What is done every few seconds; what was decided and let in comes before the index is built."""
        return (
            self.trust.expire,
            self.trust.follow,
            self.learner.follow,
            self.truth.ledger.follow,
            self.doors.settle_waiting,
            self.releases.keep,
            self.refresher.refresh,
            self._remember,
            self._read_some,
            self.truth.keys.write_uses,
            self.signals.look,
            self.signals.forget,
            self.drift.step,
            self.janitor.sign,
            self.janitor.expire,
            self.janitor.sweep,
        )

    def _remember(self) -> None:
        self.recent.append_new(utc_now())

    def _read_some(self) -> None:
        self.refresher.read_references(most=READ_AT_ONCE)

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_service(settings: Settings) -> Service:
    """Loads the bundle (checked against its golden outputs) and starts the decoders; `refresher.refresh` is yours.

    Raises
    ------
    BundleRefused, JudgeRefused, PolicyRefused
        for a bundle or a judge that cannot be trusted, and for a policy that makes no sense
    """
    truth = Truth(settings)
    paths = first_models(truth.models, settings)
    bundle, judge, policy = load_bundle(paths.bundle), load_judge(paths.judge), load_policy(paths.policy)
    reader = open_reader() if settings.reading_ms else None
    pool = DecodePool(bundle.preprocess, settings.image_limits, dense=bundle.dense, size=settings.decode_workers)
    engine_of = partial(
        open_engine, pool=pool, workers=settings.encode_workers, folder=settings.data_dir, database=truth.database
    )
    engine = engine_of(bundle)
    live: Live[Serving] = Live(clock=time.monotonic)
    metrics = Metrics()
    metrics.watch("screener_index_age_seconds", "Since index and registry were last known to agree.", lambda: live.age)
    metrics.watch(
        "screener_index_references",
        "References in the served index.",
        lambda: live.current.directory.references if live.current else 0,
    )
    pictures = PictureReader(
        database=truth.database, metrics=metrics, threads=settings.decode_workers + settings.encode_workers
    )
    texts = PictureTexts(reader=reader, database=truth.database, pool=pool, now=utc_now) if reader else None
    assessor = Assessor(
        database=truth.database, pictures=pictures, texts=texts, reading_ms=settings.reading_ms, now=utc_now
    )
    inspector = ReferenceInspector(
        database=truth.database,
        blobs=truth.blobs,
        live=live,
        first=engine,
        now=utc_now,
    )
    doors = Doors(truth.registry, inspector, utc_now)
    refresher = Refresher(
        database=truth.database,
        blobs=truth.blobs,
        opened=Opened(engine, judge, policy),
        reader=reader,
        folder=settings.data_dir,
        live=live,
        now=utc_now,
    )
    releases = Releases(
        registry=truth.models,
        database=truth.database,
        blobs=truth.blobs,
        refresher=refresher,
        open_engine=engine_of,
        now=utc_now,
    )
    shadow = Shadow(
        registry=truth.models,
        database=truth.database,
        blobs=truth.blobs,
        settings=settings,
        served=lambda: refresher.opened,
        reader=reader,
        metrics=metrics,
        now=utc_now,
    )
    metrics.watch(
        "screener_release_pending",
        "1 while the promoted release is refused here and another one is served.",
        lambda: float(releases.fault is not None),
    )
    screener = Screener(
        database=truth.database,
        blobs=truth.blobs,
        assessor=assessor,
        live=live,
        settings=settings,
        metrics=metrics,
        observe=shadow.offer,
    )
    return Service(
        truth=truth,
        pool=pool,
        live=live,
        refresher=refresher,
        releases=releases,
        shadow=shadow,
        metrics=metrics,
        pictures=pictures,
        texts=texts,
        inspector=inspector,
        doors=doors,
        trust=Trust(truth.database, utc_now),
        learner=Learner(truth.database, truth.blobs, doors, seen_by(live, pictures), utc_now),
        drift=DriftWatch(
            database=truth.database,
            folder=settings.data_dir / FOLDER,
            judges=partial(judge_folder, truth.models.store),
            live=live,
            gauges=Gauges(metrics.registry),
            days=settings.drift_days,
            every=timedelta(minutes=settings.drift_minutes),
            now=utc_now,
        ),
        janitor=Janitor(
            database=truth.database,
            signer=truth.signer,
            retention=truth.retention,
            every=settings.audit_checkpoint_every,
            live=live,
            now=utc_now,
        ),
        screener=screener,
        deliverer=Deliverer(
            database=truth.database,
            endpoints=truth.webhooks,
            keep=timedelta(days=settings.webhook_keep_days),
            metrics=metrics,
        ),
        buyers=TextReader(served_names(live)),
        signals=SignalWatch(truth.database, keep_days=settings.retention_clear_days, now=utc_now),
        rescreener=Rescreener(database=truth.database, blobs=truth.blobs, screen=screener.screen, now=utc_now),
    )
