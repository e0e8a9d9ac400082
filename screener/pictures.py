"""A listing's pictures to vectors, in the time there is: known ones from the database, new ones decoded and encoded."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from brands.database import Database
from screener import embeddings, facts_store
from screener.embeddings import Embedding
from screener.encoder import as_stored
from screener.engine import Engine
from screener.errors import ImageUnusable
from screener.metrics import Metrics
from screener.picture_facts import PictureFacts
from screener.regions import listing_regions, listing_view
from screener.workers import NoWorkerInTime


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of one picture; `decode_ms` and `encode_ms` are zero for a known one.

    What was screened has an embedding and facts; unless it was `cached`, both are new and to be stored.
    """

    sha256: str
    status: Literal["screened", "unusable", "skipped"]
    code: str | None = None
    embedding: Embedding | None = None
    facts: PictureFacts | None = None
    cached: bool = False
    decode_ms: float = 0.0
    encode_ms: float = 0.0


class PictureReader:
    """Reads the pictures of listings; shared by all screenings, close it when done."""

    def __init__(self, *, database: Database, metrics: Metrics, threads: int):
        """`threads` bounds how many pictures are in work at once, over all listings."""
        self._database, self._metrics = database, metrics
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="pictures")

    def look(self, engine: Engine, images: Sequence[bytes], *, deadline: float) -> tuple[Looked, ...]:
        """Vectors and facts of every picture that can be had before `deadline` (monotonic seconds), in the given order.

        Decoding and encoding overlap: while one picture is encoded, the next ones are being decoded.
        """
        hashes = [hashlib.sha256(data).hexdigest() for data in images]
        known: Mapping[tuple[str, str], Embedding] = {}
        facts: Mapping[str, PictureFacts] = {}
        bundle = engine.bundle
        view = listing_view(bundle.dense)
        if images:
            keys = [(sha256, view) for sha256 in hashes]
            with self._database.read() as connection:
                known = embeddings.load(connection, bundle.id, keys, bundle.dim)
                facts = facts_store.load(connection, hashes)
        work = {
            sha256: self._threads.submit(self._read, engine, sha256, data, deadline)
            for sha256, data in zip(hashes, images, strict=True)
            if (sha256, view) not in known or sha256 not in facts
        }
        looked = []
        for sha256 in hashes:
            if sha256 in work:
                looked.append(work[sha256].result())
            else:
                embedding = known[sha256, view]
                looked.append(Looked(sha256, "screened", embedding=embedding, facts=facts[sha256], cached=True))
            self._metrics.pictures.labels(looked[-1].status, looked[-1].code or "").inc()
        self._metrics.cached.inc(sum(picture.cached for picture in looked))
        return tuple(looked)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown()

    def _read(self, engine: Engine, sha256: str, data: bytes, deadline: float) -> Looked:
        started = time.monotonic()
        if started >= deadline:
            return Looked(sha256, "skipped", "deadline")
        try:
            decoded = engine.pool.decode(data, deadline=deadline)
        except NoWorkerInTime:
            return Looked(sha256, "skipped", "deadline")
        except ImageUnusable as error:
            return Looked(sha256, "unusable", error.code)
        decoded_at = time.monotonic()
        if decoded_at >= deadline:
            return Looked(sha256, "skipped", "deadline")
        vectors = engine.encoder.encode_listing(decoded.pixels, decoded.large)
        encoded_at = time.monotonic()
        dense = engine.bundle.dense
        regions = listing_regions(decoded.regions, dense)
        return Looked(
            sha256,
            "screened",
            embedding=Embedding(sha256, listing_view(dense), regions, as_stored(vectors)),
            facts=decoded.facts,
            decode_ms=(decoded_at - started) * 1000,
            encode_ms=(encoded_at - decoded_at) * 1000,
        )
