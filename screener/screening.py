"""One screening from the request's parts to the recorded answer: the flow of a listing, in order."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.ids import new_id
from index.live import Live
from screener import records, rule
from screener.errors import Overloaded
from screener.listing import Listing
from screener.match import Matches, match_pictures
from screener.metrics import Metrics
from screener.pictures import Looked, PictureReader
from screener.prompts import reason_message, seller_prompt
from screener.recognise import Recognition, recognise
from screener.records import Repeat
from screener.release import Serving
from screener.settings import Settings

EVIDENCE = 10
"""References named in an answer; more convince nobody."""


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
        live: Live[Serving],
        settings: Settings,
        metrics: Metrics,
        now: Callable[[], datetime],
    ):
        """`now` gives aware UTC times."""
        self._database, self._blobs, self._pictures, self._live = database, blobs, pictures, live
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
        looked = self._pictures.look(serving.encoder, submission.images, deadline=submission.deadline)
        watch.note("decode", sum(picture.decode_ms for picture in looked))
        watch.note("encode", sum(picture.encode_ms for picture in looked))
        watch.lap("pictures")
        embedded = {n: picture.embedding for n, picture in enumerate(looked) if picture.embedding}
        matches = match_pictures(serving, embedded)
        watch.lap("search")
        at = self._now()
        recognition = recognise(submission.listing, serving.directory, matches)
        answer = _answer(submission.listing, serving, looked, matches, recognition, at)
        watch.lap("judge")
        answer["timings_ms"] = watch.result(submission.started)
        if self._keeps(answer):
            for data, picture in zip(submission.images, looked, strict=True):
                if picture.status != "unusable":
                    self._blobs.put(data)
        with self._database.write() as connection:
            recorded = records.save(
                connection,
                repeat=repeat,
                seller_id=submission.listing.seller_id,
                encoder_id=serving.encoder.bundle.id,
                request=submission.listing.record(),
                answer=answer,
                new=[picture.embedding for picture in looked if picture.embedding and not picture.cached],
                at=at,
            )
        watch.lap("record")
        for stage, milliseconds in watch.result(submission.started).items():
            self._metrics.stage_seconds.labels(stage).observe(milliseconds / 1000)
        self._metrics.screenings.labels(answer["verdict"], recognition.status).inc()
        return recorded

    def _keeps(self, answer: Mapping[str, Any]) -> bool:
        kept = self._settings.keep_images
        return kept == "all" or (kept == "flagged" and answer["verdict"] != "clear")


def _answer(
    listing: Listing,
    serving: Serving,
    looked: Sequence[Looked],
    matches: Matches,
    recognition: Recognition,
    at: datetime,
) -> dict[str, Any]:
    brand = serving.directory.brands.get(recognition.brand_id or "")
    judgement = rule.judge(listing, recognition, brand, matches, at.date())
    complete = bool(looked) and all(picture.status == "screened" for picture in looked)
    verdict = rule.verdict_of(judgement.probability, everything_screened=complete)
    reasons = [(reason.code, reason.contribution) for reason in judgement.reasons]
    reasons += [(code, 0.0) for code in _gaps(looked)]
    prompt = seller_prompt(verdict, [code for code, _ in reasons], brand.name if brand else None, listing.language)
    return {
        "id": new_id("scr", at),
        "listing_id": listing.listing_id,
        "revision": listing.revision,
        "created_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "verdict": verdict,
        "probability": judgement.probability,
        "calibrated": False,
        "brand": {
            "status": recognition.status,
            "id": brand.id if brand else None,
            "name": brand.name if brand else None,
            "recognised_by": list(recognition.recognised_by),
        },
        "reasons": [
            {"code": code, "contribution": contribution, "message": reason_message(code)}
            for code, contribution in reasons
        ],
        "evidence": [
            {
                "image": match.image,
                "frame": match.frame,
                "box": [round(side, 4) for side in match.box],
                "reference_id": match.reference_id,
                "brand_id": match.brand_id,
                "kind": match.kind,
                "use": match.use,
                "score": match.score,
            }
            for match in matches.evidence(EVIDENCE)
        ],
        "prompt": prompt.record() if prompt else None,
        "images": [
            {"position": n, "status": picture.status, "code": picture.code, "sha256": picture.sha256}
            for n, picture in enumerate(looked)
        ],
        "checks": _checks(listing, looked, brand is not None and brand.reference_price is not None, brand is not None),
        "rescreen": any(picture.status == "skipped" for picture in looked),
        "release": serving.release.id,
        "timings_ms": {},
    }


def _gaps(looked: Sequence[Looked]) -> list[str]:
    """Why a listing cannot be clear, as reasons."""
    if not looked:
        return ["no_pictures"]
    codes = {"unusable": "picture_unusable", "skipped": "picture_skipped"}
    return sorted({codes[picture.status] for picture in looked if picture.status in codes})


def _checks(listing: Listing, looked: Sequence[Looked], priced: bool, recognised: bool) -> list[dict[str, Any]]:
    """What was examined, and for what was not, why."""
    pictures = None
    if not looked:
        pictures = "no_pictures"
    elif all(picture.status != "screened" for picture in looked):
        pictures = next(str(picture.code) for picture in looked)
    missing = {
        "words": None,
        "pictures": pictures,
        "seller": None if recognised else "no_registered_brand",
        "price": None if priced and listing.price else ("no_price" if priced else "no_reference_price"),
    }
    return [
        {"name": name, "status": "skipped" if reason else "ran", "reason": reason} for name, reason in missing.items()
    ]


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
