"""One screening from the request's parts to the recorded answer: the flow of a listing, in order."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from brands import audit
from brands.blobs import FolderBlobs
from brands.database import Database
from index.live import Live
from screener import records
from screener.answers import Reading, answer_of
from screener.errors import Overloaded
from screener.governance.exposure import withheld
from screener.judging.evidence import Evidence, copies_known_fake, copy_words, feature_values
from screener.judging.history import read_history
from screener.listing import Listing
from screener.match import Matches, match_pictures
from screener.metrics import Metrics
from screener.name_vectors import text_support
from screener.package_words import read_support
from screener.pictures import Looked, PictureReader
from screener.reading import PictureTexts
from screener.recognise import names_in, recognise
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


class Screener:
    """Screens listings; many threads may call `screen` at once."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: FolderBlobs,
        pictures: PictureReader,
        texts: PictureTexts | None,
        live: Live[Serving],
        settings: Settings,
        metrics: Metrics,
        now: Callable[[], datetime],
    ):
        """`now` gives aware UTC times; without `texts` no words in pictures are read."""
        self._database, self._blobs, self._pictures, self._live = database, blobs, pictures, live
        self._texts = texts
        self._settings, self._metrics, self._now = settings, metrics, now

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
        watch = _Stopwatch()
        listing = submission.listing
        looked = self._pictures.look(serving.encoder, submission.images, deadline=submission.deadline)
        watch.note("decode", sum(picture.decode_ms for picture in looked))
        watch.note("encode", sum(picture.encode_ms for picture in looked))
        watch.lap("pictures")
        embedded = {n: picture.embedding for n, picture in enumerate(looked) if picture.embedding}
        facts = {n: picture.facts for n, picture in enumerate(looked) if picture.facts}
        matches = match_pictures(serving, embedded, facts)
        watch.lap("search")
        names = names_in(listing, serving.directory)
        recognition = recognise(listing, names, matches)
        watch.lap("words")
        support: dict[str, Mapping[str, float]] = {}
        reading: Reading | None = None
        if recognition.open and embedded and serving.names:
            support["text"] = text_support(serving, listing, embedded)
            recognition = recognise(listing, names, matches, support)
            watch.lap("text")
        if recognition.open and embedded:
            reading, support["reading"] = self._read(submission, serving, looked, matches)
            recognition = recognise(listing, names, matches, support)
            watch.lap("reading")
        at = self._now()
        with self._database.read() as connection:
            history = read_history(connection, listing, {picture.sha256 for picture in looked}, at)
        evidence = Evidence(
            listing=listing,
            recognition=recognition,
            brand=serving.directory.brands.get(recognition.brand_id or ""),
            matches=matches,
            facts=facts,
            copy_words=copy_words(listing),
            history=history,
            today=at.date(),
        )
        values = feature_values(evidence)
        judgement = serving.judge.judge(values)
        answer = answer_of(serving, evidence, judgement, looked, reading, at)
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
                    known_fake=copies_known_fake(matches),
                    usual_price=evidence.brand.price_for(listing.category) if evidence.brand else None,
                    features=values,
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
        self._metrics.screenings.labels(answer["verdict"], recognition.status).inc()
        return recorded

    def _read(
        self, submission: Submission, serving: Serving, looked: Sequence[Looked], matches: Matches
    ) -> tuple[Reading, Mapping[str, float]]:
        """Reads the words in the pictures, within the time that the settings and the caller leave for it."""
        milliseconds = self._settings.reading_ms
        if self._texts is None or not milliseconds:
            return Reading({}, "no_reader" if self._texts is None else "off"), {}
        images = {
            n: (picture.sha256, data)
            for n, (picture, data) in enumerate(zip(looked, submission.images, strict=True))
            if picture.status == "screened"
        }
        until = min(submission.deadline, time.monotonic() + milliseconds / 1000)
        lines = self._texts.read(images, deadline=until)
        read = {n: found for n, found in lines.items() if found is not None}
        sighted = {sighting.match.brand_id for sighting in matches.sightings}
        support = read_support(serving.directory.words, serving.packages, read.values(), sighted) if read else {}
        return Reading(read, None if len(read) == len(images) else "deadline"), support

    def _keeps(self, answer: Mapping[str, Any]) -> bool:
        kept = self._settings.keep_images
        return kept == "all" or (kept == "flagged" and answer["verdict"] != "clear")


class _Stopwatch:
    """Times of the stages, in milliseconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._stages: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = time.monotonic()
        self.note(stage, (now - self._last) * 1000)
        self._last = now

    def note(self, stage: str, milliseconds: float) -> None:
        self._stages[stage] = milliseconds

    def result(self, started: float) -> dict[str, float]:
        everything = {**self._stages, "total": (time.monotonic() - started) * 1000}
        return {stage: round(milliseconds, 2) for stage, milliseconds in everything.items()}
