"""The first verdict: a transparent sum of what speaks for and against a counterfeit, not yet calibrated.

Each piece of evidence adds to the log-odds of "counterfeit"; the sum goes through the logistic function. The weights
are set by hand from the order of how strongly each fact speaks, so `probability` is marked `calibrated: false`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from brands.model import Brand
from screener.listing import Listing
from screener.match import Match, best_of
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


def judge(
    listing: Listing, recognition: Recognition, brand: Brand | None, matches: Sequence[Match], today: date
) -> Judgement:
    """Adds up the evidence; `matches` best first, `brand` is the recognised one."""
    reasons = [
        *_pictures(brand, matches),
        *_words(listing, recognition),
        *(_seller_and_price(listing, brand, matches, today) if brand else ()),
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


def _pictures(brand: Brand | None, matches: Sequence[Match]) -> list[Reason]:
    reasons = []
    negative = best_of(matches, kind="negative")
    if copy := best_of(matches, kind="known_fake", use="copy"):
        reasons.append(Reason("known_fake_copy", KNOWN_FAKE_COPY))
        negative = negative if negative and negative.margin > copy.margin else None
    elif look := best_of(matches, kind="known_fake", use="product"):
        authentic = best_of(matches, kind="authentic", use="product")
        # Real goods look like their fakes too: only what is nearer to the fake than to the original speaks.
        if authentic is None or authentic.margin < look.margin:
            reasons.append(Reason("known_fake_look", round(KNOWN_FAKE_LOOK * (0.5 + look.margin / 2), 3)))
    if brand and (official := best_of(matches, kind="authentic", use="copy")) and official.brand_id == brand.id:
        reasons.append(Reason("official_photo", OFFICIAL_PHOTO))
    if negative and negative is matches[0]:
        reasons.append(Reason("negative_match", NEGATIVE_MATCH))
    return reasons


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


def _seller_and_price(listing: Listing, brand: Brand, matches: Sequence[Match], today: date) -> list[Reason]:
    if any(seller.seller_id == listing.seller_id and seller.on(today) for seller in brand.authorised_sellers):
        fake = best_of(matches, kind="known_fake", use="copy") is not None
        return [Reason("seller_authorised", SELLER_AUTHORISED_BUT_FAKE if fake else SELLER_AUTHORISED)]
    reasons = [Reason("brand_unauthorised_seller", UNAUTHORISED_SELLER)]
    reference, price = brand.reference_price, listing.price
    if reference and price and reference.currency == price.currency:
        ratio = float(price.amount / reference.amount)
        if ratio < PRICE_FROM:
            halvings = math.log2(PRICE_FROM / ratio) if ratio > 0 else math.inf
            weight = min(PRICE_PER_HALVING * halvings, PRICE_MOST)
            reasons.append(Reason("price_far_below_reference", round(weight, 3)))
    return reasons
