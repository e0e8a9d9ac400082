"""From a listing's parts to its judgement: every hop of a publish request but the answer and the record of it.

The same steps judge a live listing with what is served and, in its shadow, with a candidate (`screener.releases`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from brands.database import Database
from screener.answers import Reading
from screener.judging.evidence import Evidence, copies_known_fake, copy_words, feature_values
from screener.judging.history import History, read_history
from screener.judging.model import Judgement
from screener.listing import Listing
from screener.match import Matches, match_pictures
from screener.name_vectors import text_support
from screener.package_words import read_support
from screener.pictures import Looked, PictureReader
from screener.reading import PictureTexts
from screener.recognise import names_in, recognise
from screener.release import Serving


@dataclass(frozen=True, slots=True)
class Asked:
    """A listing to judge: its words, its pictures' bytes, and until when (monotonic seconds)."""

    listing: Listing
    images: tuple[bytes, ...]
    deadline: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was made of a listing at a time; `values` are its features (F,)."""

    looked: tuple[Looked, ...]
    evidence: Evidence
    reading: Reading | None
    values: NDArray[np.float32]
    judgement: Judgement
    at: datetime

    @property
    def known_fake(self) -> bool:
        """Whether a picture surely copies a known fake's."""
        return copies_known_fake(self.evidence.matches)

    @property
    def complete(self) -> bool:
        """Whether there are pictures, and every one of them was screened."""
        return bool(self.looked) and all(picture.status == "screened" for picture in self.looked)


class Stopwatch:
    """Times of the stages, in milliseconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._stages: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Notes a stage that ends now and began where the last one ended."""
        now = time.monotonic()
        self.note(stage, (now - self._last) * 1000)
        self._last = now

    def note(self, stage: str, milliseconds: float) -> None:
        """Notes a stage that was timed elsewhere."""
        self._stages[stage] = milliseconds

    def result(self, started: float) -> dict[str, float]:
        """Every stage, and the total since `started` (monotonic seconds)."""
        everything = {**self._stages, "total": (time.monotonic() - started) * 1000}
        return {stage: round(milliseconds, 2) for stage, milliseconds in everything.items()}


class Assessor:
    """Judges listings; many threads may use one at once. Nothing is recorded here."""

    def __init__(
        self,
        *,
        database: Database,
        pictures: PictureReader,
        texts: PictureTexts | None,
        reading_ms: int,
        now: Callable[[], datetime],
    ):
        """`now` gives aware UTC times; without `texts` no words in pictures are read."""
        self._database, self._pictures, self._texts = database, pictures, texts
        self._reading_ms, self._now = reading_ms, now

    def assess(self, serving: Serving, asked: Asked, watch: Stopwatch, *, history: History | None = None) -> Assessment:
        """Judges a listing with what is served; `history` None reads what earlier screenings say at this moment."""
        listing = asked.listing
        looked = self._pictures.look(serving.engine, asked.images, deadline=asked.deadline)
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
            reading, support["reading"] = self._read(asked, serving, looked, matches)
            recognition = recognise(listing, names, matches, support)
            watch.lap("reading")
        at = self._now()
        if history is None:
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
        return Assessment(looked, evidence, reading, values, serving.judge.judge(values), at)

    def _read(
        self, asked: Asked, serving: Serving, looked: Sequence[Looked], matches: Matches
    ) -> tuple[Reading, Mapping[str, float]]:
        """Reads the words in the pictures, within the time that the settings and the caller leave for it."""
        if self._texts is None or not self._reading_ms:
            return Reading({}, "no_reader" if self._texts is None else "off"), {}
        images = {
            n: (picture.sha256, data)
            for n, (picture, data) in enumerate(zip(looked, asked.images, strict=True))
            if picture.status == "screened"
        }
        until = min(asked.deadline, time.monotonic() + self._reading_ms / 1000)
        lines = self._texts.read(images, deadline=until)
        read = {n: found for n, found in lines.items() if found is not None}
        sighted = {sighting.match.brand_id for sighting in matches.sightings}
        support = read_support(serving.directory.words, serving.packages, read.values(), sighted) if read else {}
        return Reading(read, None if len(read) == len(images) else "deadline"), support
