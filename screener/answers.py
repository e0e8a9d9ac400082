"""What is answered: the contract's fields from the evidence, the judgement and the policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from brands.ids import new_id
from screener.judging.evidence import Evidence, copies_known_fake
from screener.judging.model import Judgement
from screener.judging.reasons import reasons_of
from screener.pictures import Looked
from screener.prompts import reason_message, seller_prompt
from screener.reading import Line
from screener.release import Serving

EVIDENCE: Final = 10
"""References named in an answer; more convince nobody."""
WORDS: Final = 20
"""Names and phrases named in an answer; a description of 20,000 letters may hold thousands."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read in the pictures, by position, and why not all was (None: all was)."""

    lines: Mapping[int, Sequence[Line]]
    gap: str | None


def answer_of(
    serving: Serving,
    evidence: Evidence,
    judgement: Judgement,
    looked: Sequence[Looked],
    reading: Reading | None,
    at: datetime,
) -> dict[str, Any]:
    """The answer (`screener.payloads.ScreeningOut`) but for its timings."""
    listing, recognition, brand = evidence.listing, evidence.recognition, evidence.brand
    known_fake = copies_known_fake(evidence.matches)
    complete = bool(looked) and all(picture.status == "screened" for picture in looked)
    verdict = serving.policy.verdict(
        judgement.probability, listing.category, known_fake=known_fake, everything_screened=complete
    )
    reasons = [(reason.code, reason.contribution) for reason in reasons_of(judgement)]
    reasons += [(code, 0.0) for code in _gaps(looked)]
    if recognition.status == "unknown" and "brand_unknown" not in dict(reasons):
        reasons.append(("brand_unknown", 0.0))
    prompt = seller_prompt(verdict, [code for code, _ in reasons], brand.name if brand else None, listing.language)
    return {
        "id": new_id("scr", at),
        "listing_id": listing.listing_id,
        "revision": listing.revision,
        "created_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "verdict": verdict,
        "hint": serving.policy.hint(judgement.probability, listing.category),
        "probability": round(judgement.probability, 4),
        "calibrated_on": serving.judge.calibrated_on,
        "brand": {
            "status": recognition.status,
            "id": brand.id if brand else None,
            "name": brand.name if brand else None,
            "recognised_by": list(recognition.recognised_by),
            "confidence": recognition.confidence,
            "looks_only": recognition.by_looks_only,
        },
        "base_log_odds": round(serving.judge.bias, 3),
        "reasons": [
            {"code": code, "contribution": contribution, "message": reason_message(code)}
            for code, contribution in reasons
        ],
        "evidence": _evidence(evidence),
        "words": _words(evidence),
        "prompt": prompt.record() if prompt else None,
        "images": [
            {"position": n, "status": picture.status, "code": picture.code, "sha256": picture.sha256}
            for n, picture in enumerate(looked)
        ],
        "checks": _checks(evidence, looked, reading),
        "rescreen": any(picture.status == "skipped" for picture in looked),
        "release": serving.release.id,
        "timings_ms": {},
    }


def _evidence(evidence: Evidence) -> list[dict[str, Any]]:
    return [
        {
            "image": match.image,
            "frame": match.frame,
            "box": [round(side, 4) for side in match.box],
            "reference_id": match.reference_id,
            "brand_id": match.brand_id,
            "kind": match.kind,
            "use": match.use,
            "score": match.score,
            "method": match.method,
        }
        for match in evidence.matches.evidence(EVIDENCE)
    ]


def _words(evidence: Evidence) -> list[dict[str, Any]]:
    """Where names and phrases stand; the words themselves are in the listing, and are not repeated."""
    # A brand may have the same word as its name and as its wordmark.
    places = {
        (worded.field, worded.name.start, worded.name.stop, worded.name.brand_id): worded
        for worded in reversed(evidence.recognition.names)
    }
    names = [
        {
            "kind": "name",
            "field": worded.field,
            "start": worded.name.start,
            "stop": worded.name.stop,
            "brand_id": worded.name.brand_id,
            "reads": worded.name.name,
            "how": worded.name.how,
            "context": worded.name.context,
            "strength": None,
        }
        for worded in reversed(places.values())
    ]
    phrases = [
        {
            "kind": "replica",
            "field": phrase.field,
            "start": phrase.start,
            "stop": phrase.stop,
            "brand_id": None,
            "reads": None,
            "how": None,
            "context": None,
            "strength": phrase.strength,
        }
        for phrase in evidence.copy_words
    ]
    return [*phrases[: WORDS // 2], *names][:WORDS]


def _gaps(looked: Sequence[Looked]) -> list[str]:
    """Why a listing cannot be clear, as reasons."""
    if not looked:
        return ["no_pictures"]
    codes = {"unusable": "picture_unusable", "skipped": "picture_skipped"}
    return sorted({codes[picture.status] for picture in looked if picture.status in codes})


def _checks(evidence: Evidence, looked: Sequence[Looked], reading: Reading | None) -> list[dict[str, Any]]:
    """What was examined, and for what was not, why."""
    listing, brand = evidence.listing, evidence.brand
    pictures = None
    if not looked:
        pictures = "no_pictures"
    elif all(picture.status != "screened" for picture in looked):
        pictures = next(str(picture.code) for picture in looked)
    reference = brand.price_for(listing.category) if brand else None
    price = None
    if reference is None:
        price = "no_reference_price"
    elif listing.price is None:
        price = "no_price"
    elif listing.price.currency != reference.currency:
        price = "other_currency"
    missing = {
        "words": None if listing.title.strip() or listing.description.strip() else "no_words",
        "pictures": pictures,
        "reading": (pictures or "not_needed") if reading is None else reading.gap,
        "seller": None if brand else "no_registered_brand",
        "price": price,
    }
    return [
        {"name": name, "status": "skipped" if reason else "ran", "reason": reason} for name, reason in missing.items()
    ]
