"""The first verdict: a transparent sum of what speaks for and against a counterfeit, not yet calibrated.

Each piece of evidence adds to the log-odds of "counterfeit"; the sum goes through the logistic function. The weights
are set by hand from the order of how strongly each fact speaks, so `probability` is marked `calibrated: false`.
"""

import math
from dataclasses import dataclass
from datetime import date
from typing import Literal

from brands.model import Brand
from screener.listing import Listing
from screener.match import SURE, Matches
from screener.recognise import Recognition
from screener.words import replica_words

Verdict = Literal["clear", "unscreenable", "prompt", "review"]

JUDGE = "rule-1"
"""Names this module's weights in a release; change it with them."""
POLICY = "bands-1"
"""Names the two bands below in a release."""
PROMPT_FROM = 0.5
REVIEW_FROM = 0.8

BIAS = -3.0
"""Log-odds of a listing of which nothing is known: about 5 % counterfeit (OECD/EUIPO 2021: 2.5 % of world trade)."""
KNOWN_FAKE_COPY = 5.0
KNOWN_FAKE_LOOK = 2.2
NEARER_BY = 0.05
"""Cosine by which a known fake must be nearer than the original before its looks speak."""
OFFICIAL_PHOTO = 0.4
UNAUTHORISED_SELLER = 0.6
SELLER_AUTHORISED = -3.0
SELLER_AUTHORISED_BUT_FAKE = -1.0
"""An authorised seller's account can be taken over: a copy of a known fake still goes to a person."""
REPLICA_WORDS = 3.0
DISGUISED_NAME = 2.4
BRAND_DISAGREEMENT = 0.8
NEGATIVE_MATCH = -1.5
PRICE_FROM = 0.6
"""Share of the reference price under which cheapness starts to speak."""
PRICE_PER_HALVING = 1.3
PRICE_MOST = 3.0


@dataclass(frozen=True, slots=True)
class Reason:
    """A code of the contract and what it added to the log-odds (negative speaks for the seller)."""

    code: str
    contribution: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """Probability of a counterfeit in 0..1, uncalibrated, and what it is made of, strongest first."""

    probability: float
    reasons: tuple[Reason, ...]


def judge(listing: Listing, recognition: Recognition, brand: Brand | None, matches: Matches, today: date) -> Judgement:
    """Adds up the evidence; `brand` is the recognised one."""
    reasons = [
        *_pictures(brand, matches),
        *_words(listing, recognition),
        *(_seller(listing, brand, matches, today) if brand else ()),
        *(_price(listing, brand, today) if brand and not recognition.by_looks_only else ()),
    ]
    if recognition.status == "unknown":
        reasons.append(Reason("brand_unknown", 0.0))
    log_odds = BIAS + sum(reason.contribution for reason in reasons)
    reasons.sort(key=lambda reason: (-abs(reason.contribution), reason.code))
    return Judgement(round(1.0 / (1.0 + math.exp(-log_odds)), 4), tuple(reasons))


def verdict_of(probability: float, *, everything_screened: bool) -> Verdict:
    """The band of a probability; only a listing all of whose pictures were screened can be clear."""
    if probability >= REVIEW_FROM:
        return "review"
    if probability >= PROMPT_FROM:
        return "prompt"
    return "clear" if everything_screened else "unscreenable"


def _pictures(brand: Brand | None, matches: Matches) -> list[Reason]:
    """What the pictures say, each judged by itself: an official photo beside a fake's does not make that harmless."""
    images = sorted({match.image for match in matches.found})
    copied = _copied_fake(matches)
    closeness = max((_fake_look(matches, image) for image in images), default=0.0)
    reasons = []
    if copied:
        reasons.append(Reason("known_fake_copy", KNOWN_FAKE_COPY))
    elif closeness:
        reasons.append(Reason("known_fake_look", round(KNOWN_FAKE_LOOK * closeness, 3)))
    if brand and any(_is_official(matches, image, brand) for image in images):
        reasons.append(Reason("official_photo", OFFICIAL_PHOTO))
    # A picture of something that only looks like the brand clears that picture, not one of a fake beside it.
    if not copied and not closeness and matches.found and matches.found[0].kind == "negative":
        reasons.append(Reason("negative_match", NEGATIVE_MATCH))
    return reasons


def _copied_fake(matches: Matches) -> bool:
    """Whether a picture is surely a copy of a known fake's, and not rather of one that is known not to be a fake."""
    for fake in matches.found:
        if fake.kind == "known_fake" and fake.use == "copy" and fake.margin >= SURE:
            rivals = (
                matches.best("authentic", "copy", image=fake.image),
                matches.best("negative", "copy", image=fake.image),
            )
            if all(rival is None or rival.score < fake.score for rival in rivals):
                return True
    return False


def _fake_look(matches: Matches, image: int) -> float:
    """How near a picture is to a known fake (0.5 to 1), 0 unless clearly nearer than to an original or a negative."""
    closeness = 0.0
    for use in ("copy", "product"):
        fake = matches.best("known_fake", use, image=image)
        rivals = (matches.best("authentic", use, image=image), matches.best("negative", use, image=image))
        # Real goods look like their fakes too.
        if fake and all(rival is None or rival.score + NEARER_BY <= fake.score for rival in rivals):
            closeness = max(closeness, 0.5 + fake.margin / 2)
    return closeness


def _is_official(matches: Matches, image: int, brand: Brand) -> bool:
    official = matches.best("authentic", "copy", image=image)
    fake = matches.best("known_fake", "copy", image=image)
    return official is not None and official.brand_id == brand.id and (fake is None or fake.score < official.score)


def _words(listing: Listing, recognition: Recognition) -> list[Reason]:
    reasons = []
    if replica_words(f"{listing.title}\n{listing.description}"):
        # Without a brand the vocabulary is common ("replica of a Viking helmet") and accuses nobody.
        weight = REPLICA_WORDS if recognition.status == "recognised" else REPLICA_WORDS / 3
        reasons.append(Reason("replica_words", weight))
    if recognition.disguised:
        reasons.append(Reason("disguised_brand_name", DISGUISED_NAME))
    if recognition.disagreement:
        reasons.append(Reason("brand_disagreement", BRAND_DISAGREEMENT))
    return reasons


def _authorised(listing: Listing, brand: Brand, today: date) -> bool:
    return any(seller.seller_id == listing.seller_id and seller.on(today) for seller in brand.authorised_sellers)


def _seller(listing: Listing, brand: Brand, matches: Matches, today: date) -> list[Reason]:
    if not _authorised(listing, brand, today):
        return [Reason("brand_unauthorised_seller", UNAUTHORISED_SELLER)]
    return [Reason("seller_authorised", SELLER_AUTHORISED_BUT_FAKE if _copied_fake(matches) else SELLER_AUTHORISED)]


def _price(listing: Listing, brand: Brand, today: date) -> list[Reason]:
    """Cheapness, of a listing that says or shows to be of the brand; a brand's own sellers may sell as they like."""
    reference, price = brand.reference_price, listing.price
    if not reference or not price or reference.currency != price.currency or _authorised(listing, brand, today):
        return []
    ratio = float(price.amount / reference.amount)
    if ratio >= PRICE_FROM:
        return []
    halvings = math.log2(PRICE_FROM / ratio) if ratio > 0 else math.inf
    return [Reason("price_far_below_reference", round(min(PRICE_PER_HALVING * halvings, PRICE_MOST), 3))]
