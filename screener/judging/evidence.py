"""Turns what is known of one listing into the features of the judge: the only place where that is done."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from brands.model import Brand
from screener.judging.features import FEATURES
from screener.judging.history import History
from screener.listing import Listing
from screener.match import Match, Matches
from screener.picture_facts import PictureFacts
from screener.recognise import Recognition
from screener.words import Phrase, replica_words

NEARER_BY: Final = 0.05
"""Cosine by which a known fake must be nearer than the original before its looks speak: real goods look like it too."""
CERTAIN: Final = 0.8
"""Margin from which a copy of a known fake's picture is held against a seller's other listings: in the simulated market
87 % of the copies reach it and no own photo of a genuine item does (from 0.5 on, 8 % of these did). Hashes and equal
files need none: no hash of another picture came near enough in 740 tries (`training.facts_measure.measure_pdq`)."""
_MISSING: Final = math.nan


@dataclass(frozen=True, slots=True)
class CopyWords(Phrase):
    """A phrase of the copy trade, and in which text."""

    field: Literal["title", "description"] = "title"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the features are computed from.

    `brand` is the recognised one; `facts` are those of the screened pictures by position in the listing; `copy_words`
    the vocabulary of copies in the listing's words.
    """

    listing: Listing
    recognition: Recognition
    brand: Brand | None
    matches: Matches
    facts: Mapping[int, PictureFacts]
    copy_words: Sequence[CopyWords]
    history: History
    today: date


def copy_words(listing: Listing) -> tuple[CopyWords, ...]:
    """The vocabulary of copies in title and description."""
    texts: dict[Literal["title", "description"], str] = {"title": listing.title, "description": listing.description}
    return tuple(
        CopyWords(phrase.text, phrase.start, phrase.stop, phrase.strength, field)
        for field, text in texts.items()
        for phrase in replica_words(text)
    )


def feature_values(evidence: Evidence) -> NDArray[np.float32]:
    """The values of `screener.judging.features.FEATURES`, in that order, shape (F,), each within its bounds or NaN."""
    values = {**_pictures(evidence), **_brand(evidence), **_words(evidence), **_seller(evidence), **_quality(evidence)}
    row = np.array([values[feature.name] for feature in FEATURES], dtype=np.float32)
    low, high = ([getattr(feature, end) for feature in FEATURES] for end in ("low", "high"))
    clipped: NDArray[np.float32] = np.clip(row, low, high).astype(np.float32)  # NaN stays NaN
    return clipped


def copies_known_fake(matches: Matches) -> bool:
    """Whether a picture is certainly a copy of a known fake's, and not rather of an official or negative one."""
    for image in _images(matches):
        fake = matches.best("known_fake", "copy", image=image)
        if fake and _fake_copy(matches, image) and (fake.margin >= CERTAIN or fake.method != "vector"):
            return True
    return False


def _pictures(evidence: Evidence) -> dict[str, float]:
    """What the pictures say, each judged by itself: an official photo beside a fake's does not make that harmless."""
    matches, brand = evidence.matches, evidence.brand
    images = _images(matches)
    official = [_official(matches, image, brand) for image in images] if brand else []
    fake_copy = max((_fake_copy(matches, image) for image in images), default=0.0)
    fake_look = max((_fake_look(matches, image) for image in images), default=0.0)
    negative = max((m.margin for m in matches.found if m.kind == "negative"), default=0.0)
    # A picture of something that only looks like the brand clears that picture, not one of a fake beside it.
    clears = bool(matches.found) and matches.found[0].kind == "negative" and not fake_copy and not fake_look
    return {
        "fake_copy": fake_copy,
        "fake_look": fake_look,
        "official_copy": max(official, default=0.0),
        "official_share": sum(margin > 0 for margin in official) / max(len(evidence.facts), 1),
        "negative_look": negative if clears else 0.0,
        "mark_covered": _covered(evidence),
    }


def _brand(evidence: Evidence) -> dict[str, float]:
    listing, recognition, brand = evidence.listing, evidence.recognition, evidence.brand
    authorised = _MISSING
    if brand:
        sellers = brand.authorised_sellers
        authorised = float(any(s.seller_id == listing.seller_id and s.on(evidence.today) for s in sellers))
    return {
        "brand_evidence": recognition.confidence,
        "looks_only": float(recognition.by_looks_only),
        "mentioned_only": float(recognition.mentioned),
        "authorised_seller": authorised,
        "price_ratio": _price_ratio(listing, brand) if brand and not recognition.by_looks_only else _MISSING,
    }


def _words(evidence: Evidence) -> dict[str, float]:
    recognition = evidence.recognition
    strength = max((phrase.strength for phrase in evidence.copy_words), default=0)
    return {
        # Without a brand the vocabulary is common ("replica of a Viking helmet").
        "replica_words": strength * (1.0 if recognition.status == "recognised" else 0.5),
        "name_disguised": float(recognition.disguised),
        "brands_disagree": float(recognition.disagreement),
        "declared_disagrees": float(recognition.declared_differs),
    }


def _seller(evidence: Evidence) -> dict[str, float]:
    seller, history = evidence.listing.seller, evidence.history
    days = (evidence.today - seller.registered_on).days if seller.registered_on else None
    complaints = evidence.listing.complaints
    return {
        "seller_age": _MISSING if days is None else math.log10(1 + max(days, 0)),
        "seller_sales": _MISSING if seller.sales is None else math.log10(1 + seller.sales),
        "upheld_reports": _MISSING if seller.upheld_reports is None else math.log2(1 + seller.upheld_reports),
        "known_fake_listings": math.log2(1 + history.known_fake_listings),
        "linked_known_fakes": math.log2(1 + history.linked_known_fakes),
        "complaints": _MISSING if complaints is None else math.log2(1 + complaints),
        "photo_reuse": history.photo_reuse,
    }


def _quality(evidence: Evidence) -> dict[str, float]:
    sharpness = [facts.sharpness for facts in evidence.facts.values()]
    return {
        "pictures": math.log2(1 + len(evidence.facts)),
        "sharpness": median(sharpness) if sharpness else _MISSING,
    }


def _price_ratio(listing: Listing, brand: Brand) -> float:
    """log2 of price to reference price; a free item is as cheap as the scale goes."""
    reference, price = brand.price_for(listing.category), listing.price
    if not reference or not price or reference.currency != price.currency:
        return _MISSING
    return math.log2(float(price.amount / reference.amount)) if price.amount else -math.inf


def _images(matches: Matches) -> list[int]:
    return sorted({match.image for match in matches.found})


def _margin(match: Match | None) -> float:
    return match.margin if match else 0.0


def _fake_copy(matches: Matches, image: int) -> float:
    fake = matches.best("known_fake", "copy", image=image)
    rivals = (matches.best("authentic", "copy", image=image), matches.best("negative", "copy", image=image))
    if fake is None or any(rival is not None and rival.score >= fake.score for rival in rivals):
        return 0.0
    return _margin(fake)


def _fake_look(matches: Matches, image: int) -> float:
    closeness = 0.0
    for use in ("copy", "product"):
        fake = matches.best("known_fake", use, image=image)
        rivals = (matches.best("authentic", use, image=image), matches.best("negative", use, image=image))
        if fake and all(rival is None or rival.score + NEARER_BY <= fake.score for rival in rivals):
            closeness = max(closeness, 0.5 + fake.margin / 2)
    return closeness


def _official(matches: Matches, image: int, brand: Brand) -> float:
    """Margin of a copy of the brand's own picture, unless a known fake's is nearer."""
    official = matches.best("authentic", "copy", image=image)
    fake = matches.best("known_fake", "copy", image=image)
    if official is None or official.brand_id != brand.id or (fake is not None and fake.score >= official.score):
        return 0.0
    return _margin(official)


def _covered(evidence: Evidence) -> float:
    """A covered patch matters where the brand's item is seen and its mark is not."""
    if evidence.brand is None:
        return 0.0
    shown = {m.image for m in evidence.matches.shown if m.brand_id == evidence.brand.id}
    marked = {m.image for m in evidence.matches.shown if m.use == "logo"}
    images = (shown if shown else set(evidence.facts)) - marked
    return max((evidence.facts[image].covered for image in images if image in evidence.facts), default=0.0)
