"""The product's first verdict, kept to be compared with: a sum of weights set by hand, from the features' names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BIAS = -3.0
KNOWN_FAKE_COPY, KNOWN_FAKE_LOOK = 5.0, 2.2
SURE = 0.5
"""Margin from which a copy of a known fake counted as such."""
OFFICIAL_PHOTO = 0.4
UNAUTHORISED_SELLER, SELLER_AUTHORISED, SELLER_AUTHORISED_BUT_FAKE = 0.6, -3.0, -1.0
REPLICA_WORDS, DISGUISED_NAME, BRAND_DISAGREEMENT = 3.0, 2.4, 0.8
NEGATIVE_MATCH = -1.5
PRICE_FROM, PRICE_PER_HALVING, PRICE_MOST = 0.6, 1.3, 3.0
PROMPT_FROM = 0.5


def first_rule(column: Callable[[str], Floats]) -> Floats:
    """Probabilities (n,) by the rule of the first version.

    `column` gives a feature (n,) by its name, NaN where it is missing, which then says nothing. The first version knew
    one strength of replica vocabulary; both strengths of today count as it. A disagreement counted for registered
    brands and for declared ones.
    """

    def known(name: str) -> Floats:
        return np.nan_to_num(column(name), nan=0.0)

    copied = known("fake_copy") >= SURE
    look = known("fake_look")
    recognised = known("brand_evidence") > 0
    authorised = known("authorised_seller") > 0
    log_odds = np.full(len(look), BIAS)
    log_odds += np.where(copied, KNOWN_FAKE_COPY, KNOWN_FAKE_LOOK * look)
    log_odds += OFFICIAL_PHOTO * (known("official_copy") > 0)
    log_odds += NEGATIVE_MATCH * ((known("negative_look") > 0) & ~copied & (look <= 0))
    log_odds += np.where(recognised, REPLICA_WORDS, REPLICA_WORDS / 3) * (known("replica_words") > 0)
    log_odds += DISGUISED_NAME * (known("name_disguised") > 0)
    log_odds += BRAND_DISAGREEMENT * ((known("brands_disagree") > 0) | (known("declared_disagrees") > 0))
    seller = np.where(authorised, np.where(copied, SELLER_AUTHORISED_BUT_FAKE, SELLER_AUTHORISED), UNAUTHORISED_SELLER)
    log_odds += np.where(recognised, seller, 0.0)
    halvings = np.log2(PRICE_FROM) - np.nan_to_num(column("price_ratio"), nan=np.inf)
    cheap = np.clip(PRICE_PER_HALVING * np.maximum(halvings, 0.0), 0.0, PRICE_MOST)
    log_odds += np.where(recognised & ~authorised & (known("looks_only") <= 0), cheap, 0.0)
    probability: Floats = 1.0 / (1.0 + np.exp(-log_odds))
    return probability
