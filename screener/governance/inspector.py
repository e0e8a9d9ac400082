"""Looks at the pictures of references before they may count: the gate, the encoder, the impact."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
import structlog
from numpy.typing import NDArray

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.doors import Inspection
from brands.errors import Invalid, RegistryError
from brands.model import Box, Reference, ReferenceKind
from brands.schema import references
from index.live import Live
from screener import embeddings, facts_store
from screener.directory import read_version
from screener.embeddings import Embedding
from screener.encoder import as_stored
from screener.engine import Engine
from screener.errors import ScreenerError
from screener.governance.closer import CloserLook
from screener.governance.impact import (
    Candidate,
    Ground,
    Rival,
    Unserved,
    assessment,
    duplicates,
    rivals,
    unserved_rivals,
)
from screener.governance.quality import hints, hints_of_facts
from screener.governance.recent import NEWEST, Probe
from screener.governance.samples import RecentImpact, Sample, recent_impact
from screener.preprocess import WHOLE
from screener.regions import reference_view
from screener.release import Serving

log = structlog.get_logger()

REMEMBERED: Final = 4_000
"""References that were let through here and may not be in the served snapshot yet."""
_THREADS: Final = 4
_LIVE: Final = ("pending", "active", "quarantined")


@dataclass(frozen=True, slots=True)
class Looked(Inspection):
    """An inspection with the listings that would have matched, which are shown and not stored."""

    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A candidate, its file and what the encoder saw of it (views, S, S, 3); None where only a description is left."""

    candidate: Candidate
    data: bytes | None
    pixels: NDArray[np.uint8] | None
    made: tuple[Embedding, ...] = ()


class ReferenceInspector:
    """The `brands.doors.Inspector` of a service; safe to share between threads."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: FolderBlobs,
        live: Live[Serving],
        first: Engine,
        now: Callable[[], datetime],
    ) -> None:
        """`first` looks until something is served; `now` gives aware UTC times."""
        self._database, self._blobs, self._live, self._now = database, blobs, live, now
        self._closer = CloserLook(database=database, blobs=blobs, now=now)
        self._ground = (first, Ground.of(first.bundle, None))
        self._passed: deque[tuple[str, Unserved]] = deque(maxlen=REMEMBERED)

    @property
    def encoder_id(self) -> str:
        """Names the encoder that looks."""
        return self._present()[0].id

    def look(self, brand_id: str, kind: ReferenceKind, data: bytes, box: Box | None, *, deep: bool) -> Looked:
        """Looks at a picture that is not stored; `deep` at all recent listings. Raises ImageUnusable."""
        present = self._present()
        return self._judged(present, self._see(present[0], brand_id, kind, data, box, None), deep=deep)

    def look_again(self, stored: Sequence[Reference]) -> list[Inspection]:
        """Looks at stored references, several at once."""
        present = self._present()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="inspect") as threads:
            seen = list(threads.map(partial(self._see_stored, present[0]), stored))
        return [self._judged(present, one, deep=False) if isinstance(one, _Seen) else one for one in seen]

    def look_deep(self, reference: Reference) -> Inspection:
        """Looks at a stored reference and at all recent listings, for people."""
        present = self._present()
        seen = self._see_stored(present[0], reference)
        return self._judged(present, seen, deep=True) if isinstance(seen, _Seen) else seen

    def judge_described(self, candidate: Candidate, encoder_id: str, keep: Callable[[sa.Connection], None]) -> Looked:
        """Looks at a reference of which there are vectors of an encoder and facts, and no picture.

        Raises
        ------
        Invalid
            another encoder is served meanwhile
        """
        present = self._present()
        if present[0].id != encoder_id:
            raise Invalid("Another encoder is served now.", code="encoder_differs", field="encoder")
        found = self._judged(present, _Seen(candidate, None, None), deep=False)
        return replace(found, keep=keep)

    def _see(
        self,
        engine: Engine,
        brand_id: str,
        kind: ReferenceKind,
        data: bytes,
        box: Box | None,
        reference_id: str | None,
    ) -> _Seen:
        # As `screener.refresh` embeds them, one decoding for each: what is kept here is what it would make.
        boxes = {"mark": box} if kind == "logo" else {"whole": None} | ({"mark": box} if box else {})
        pixels, made, vectors = [], [], {}
        sha256 = hashlib.sha256(data).hexdigest()
        for name, place in boxes.items():
            decoded = engine.pool.decode(data, [place or WHOLE])
            found = engine.encoder.encode_pixels(decoded.pixels)
            vectors[name] = found[0]
            pixels.append(decoded.pixels[0])
            made.append(Embedding(sha256, reference_view(place), ((0, place or WHOLE),), as_stored(found)))
        facts = decoded.facts
        quality = tuple(
            dict.fromkeys(
                code for place, seen in zip(boxes.values(), pixels, strict=True) for code in hints(seen, facts, place)
            )
        )
        candidate = Candidate(
            brand_id, kind, sha256, box, vectors.get("whole"), vectors.get("mark"), facts, quality, reference_id
        )
        return _Seen(candidate, data, np.stack(pixels), tuple(made))

    def _see_stored(self, engine: Engine, reference: Reference) -> _Seen | Inspection:
        try:
            if reference.origin == "descriptor":
                return self._described(engine, reference)
            data = self._blobs.get(reference.image_sha256)
            return self._see(engine, reference.brand_id, reference.kind, data, reference.box, reference.id)
        except (ScreenerError, RegistryError, LookupError) as error:
            log.error("reference_unusable", reference=reference.id, error=type(error).__name__)
            return self._unreadable(engine, reference)

    def _described(self, engine: Engine, reference: Reference) -> _Seen:
        bundle, sha256 = engine.bundle, reference.image_sha256
        views = {"whole": None} | ({"mark": reference.box} if reference.box else {})
        keys = {name: (sha256, reference_view(box, described=True)) for name, box in views.items()}
        with self._database.read() as connection:
            stored = embeddings.load(connection, bundle.id, keys.values(), bundle.dim)
            facts = facts_store.load(connection, [sha256], described=True)[sha256]
        vectors = {name: stored[key].vectors[0] for name, key in keys.items()}
        return _Seen(
            Candidate(
                reference.brand_id,
                reference.kind,
                sha256,
                reference.box,
                vectors["whole"],
                vectors.get("mark"),
                facts,
                hints_of_facts(facts),
                reference.id,
            ),
            None,
            None,
        )

    def _judged(self, present: tuple[Engine, Ground], seen: _Seen, *, deep: bool) -> Looked:
        candidate, (engine, ground) = seen.candidate, present
        version = ground.serving.directory.version if ground.serving else -1
        unserved = [passed for of, passed in list(self._passed) if of == engine.id and passed.version >= version]
        near = (*self._files(candidate), *rivals(ground, candidate), *unserved_rivals(ground, candidate, unserved))
        others = [rival for rival in near if not rival.near]
        if not others and near and seen.data is not None and seen.pixels is not None:
            others = list(self._closer.rivals(engine, ground, candidate, seen.data, seen.pixels, near))
        recent = self._matched(engine, ground, candidate, deep=deep)
        impact = assessment(ground, candidate, others=others, twins=duplicates(ground, candidate), recent=recent.counts)
        passed = not impact["blocking"]

        def keep(connection: sa.Connection) -> None:
            at = self._now()
            embeddings.store(connection, engine.id, seen.made, at)
            facts_store.store(connection, {candidate.sha256: candidate.facts}, at)
            if passed:
                version = read_version(connection)
                self._passed.extend(
                    (engine.id, Unserved(version, candidate.brand_id, is_mark, vector))
                    for is_mark, vector in ((False, candidate.whole), (True, candidate.mark))
                    if vector is not None
                )

        return Looked(
            image_sha256=candidate.sha256,
            width=candidate.facts.width,
            height=candidate.facts.height,
            encoder_id=engine.id,
            passed=passed,
            impact=impact,
            keep=keep,
            samples=recent.samples,
        )

    def _present(self) -> tuple[Engine, Ground]:
        """What looks now, and what it holds candidates against; a look keeps to them until its end."""
        serving, (engine, ground) = self._live.current, self._ground
        if serving is not None and serving is not ground.serving:
            ground = ground.on(serving) if serving.engine is engine else Ground.of(serving.engine.bundle, serving)
            engine = serving.engine
            self._ground = engine, ground
        return engine, ground

    def _matched(self, engine: Engine, ground: Ground, candidate: Candidate, *, deep: bool) -> RecentImpact:
        probes = [Probe(vector, use, ground.limits[use]) for use, vector in candidate.views()]
        newest = None if deep else NEWEST
        near = engine.recent.near(probes, newest=newest)
        found = dict(zip((probe.use for probe in probes), near, strict=True))
        looked = len(engine.recent) if deep else min(NEWEST, len(engine.recent))
        with self._database.read() as connection:
            return recent_impact(connection, found, brand_id=candidate.brand_id, pictures=looked)

    def _files(self, candidate: Candidate) -> list[Rival]:
        """Other brands' references of the same file, those that wait for people too."""
        query = sa.select(references.c.id, references.c.brand_id).where(
            references.c.image_sha256 == candidate.sha256,
            references.c.brand_id != candidate.brand_id,
            references.c.state.in_(_LIVE),
        )
        with self._database.read() as connection:
            return [Rival(name, brand_id, "copy", 1.0, "file") for name, brand_id in connection.execute(query)]

    def _unreadable(self, engine: Engine, reference: Reference) -> Inspection:
        """What is said of a reference whose picture is gone or damaged: it does not pass."""
        impact: Mapping[str, Any] = {
            "encoder_id": engine.id,
            "background": {"size": 0, "uses": {}, "share": 0.0},
            "recent": {},
            "rivals": [],
            "duplicates": [],
            "hints": ["unreadable"],
            "blocking": ["unreadable"],
            "unusable": ["unreadable"],
        }
        return Inspection(
            image_sha256=reference.image_sha256,
            width=reference.width,
            height=reference.height,
            encoder_id=engine.id,
            passed=False,
            impact=impact,
            keep=lambda _: None,
        )
