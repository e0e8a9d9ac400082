"""One screening from the request's parts to the recorded answer: the flow of a listing, in order."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from brands import audit
from brands.blobs import FolderBlobs
from brands.database import Database
from index.live import Live
from screener import records
from screener.answers import answer_of
from screener.assess import Asked, Assessment, Assessor, Stopwatch
from screener.errors import Overloaded
from screener.governance.exposure import withheld
from screener.listing import Listing
from screener.metrics import Metrics
from screener.records import Repeat
from screener.release import Serving
from screener.retention.pictures import forget_pictures
from screener.settings import Settings


@dataclass(frozen=True, slots=True)
class Submission:
    """A request to screen: the listing, its pictures' bytes, who asks, and until when (monotonic seconds)."""

    listing: Listing
    images: tuple[bytes, ...]
    key_id: str
    deadline: float
    started: float
    idempotency_key: str | None = None

    def fingerprint(self) -> str:
        """Hex SHA-256 of what is asked, the same whether it came as JSON or multipart."""
        pictures = [hashlib.sha256(data).hexdigest() for data in self.images]
        asked = json.dumps([self.listing.record(), pictures], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(asked.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Screened:
    """A screening that was recorded: what was asked, what was made of it, the answer, and what was served."""

    asked: Asked
    found: Assessment
    answer: Mapping[str, Any]
    serving: Serving


class Screener:
    """Screens listings; many threads may call `screen` at once."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: FolderBlobs,
        assessor: Assessor,
        live: Live[Serving],
        settings: Settings,
        metrics: Metrics,
        observe: Callable[[Screened], None] | None = None,
    ):
        """`observe` is told of each new screening once it is recorded; it must neither wait nor raise."""
        self._database, self._blobs, self._assessor, self._live = database, blobs, assessor, live
        self._settings, self._metrics, self._observe = settings, metrics, observe

    def screen(self, submission: Submission) -> Mapping[str, Any]:
        """The answer of the contract (`screener.payloads.ScreeningOut`); when it returns, it is on disk.

        Raises
        ------
        IdempotencyMismatch
            the idempotency key was used for another request
        Overloaded
            nothing is loaded yet that could judge
        """
        serving = self._live.current
        if serving is None:
            raise Overloaded("The service is starting.", code="not_ready")
        repeat = Repeat(submission.key_id, submission.idempotency_key, submission.fingerprint())
        if repeat.idempotency_key is not None:
            with self._database.read() as connection:
                if (earlier := records.earlier_answer(connection, repeat)) is not None:
                    return earlier
        watch = Stopwatch()
        listing = submission.listing
        asked = Asked(listing, submission.images, submission.deadline)
        found = self._assessor.assess(serving, asked, watch)
        looked, evidence, at = found.looked, found.evidence, found.at
        answer = answer_of(serving, evidence, found.judgement, looked, found.reading, at)
        watch.lap("judge")
        answer["timings_ms"] = watch.result(submission.started)
        if self._keeps(answer):
            for data, picture in zip(submission.images, looked, strict=True):
                if picture.status != "unusable":
                    self._blobs.put(data)
        try:
            with self._database.write() as connection:
                audit.lock(connection)  # what was shown so far is counted by one screening after the other
                answer = withheld(connection, answer, serving.policy.undecided, at)
                recorded = records.save(
                    connection,
                    repeat=repeat,
                    seller_id=listing.seller_id,
                    encoder_id=serving.encoder.bundle.id,
                    request=listing.record(),
                    answer=answer,
                    known_fake=found.known_fake,
                    usual_price=evidence.brand.price_for(listing.category) if evidence.brand else None,
                    features=found.values,
                    new=[picture.embedding for picture in looked if picture.embedding and not picture.cached],
                    facts={picture.sha256: picture.facts for picture in looked if picture.facts and not picture.cached},
                    at=at,
                )
                if self._keeps(recorded):  # a deletion may have come between the bytes and the row that names them
                    for data, picture in zip(submission.images, looked, strict=True):
                        if picture.status != "unusable" and not self._blobs.exists(picture.sha256):
                            self._blobs.put(data)
        except Overloaded:
            with self._database.write() as connection:  # no row names what was just stored
                audit.lock(connection)
                forget_pictures(connection, self._blobs, {picture.sha256 for picture in looked})
            raise
        watch.lap("record")
        for stage, milliseconds in watch.result(submission.started).items():
            self._metrics.stage_seconds.labels(stage).observe(milliseconds / 1000)
        self._metrics.screenings.labels(answer["verdict"], evidence.recognition.status).inc()
        if recorded is answer and self._observe:
            self._observe(Screened(asked, found, answer, serving))
        return recorded

    def _keeps(self, answer: Mapping[str, Any]) -> bool:
        kept = self._settings.keep_images
        return kept == "all" or (kept == "flagged" and answer["verdict"] != "clear")
