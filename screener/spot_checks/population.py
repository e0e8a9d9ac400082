"""Reads the listings that could be bought: the last screening of each in a time, with what a plan looks at."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.model import Price
from brands.schema import (
    appraisals,
    buyer_signals,
    picture_facts,
    screening_images,
    screenings,
    spot_checks,
)
from index.hamming import BYTES
from screener.picture_facts import FACTS_VERSION, PDQ_QUALITY
from screener.records import REVIEWED
from screener.review.value import dollars
from screener.signals.counts import suspicions
from screener.spot_checks.looks import groups_of_looks
from screener.spot_checks.model import Asked, Population
from screener.spot_checks.near import near_duplicates
from screener.spot_checks.sql import inside

OPEN: Final = ("planned", "ordered")
"""States of a pick that still waits for its item or its result."""
_AT_ONCE: Final = 10_000
_THRESHOLD: Final = 0.5
"""Of a prompt, where nothing in the population was prompted."""


def read_population(conn: sa.Connection, asked: Asked) -> tuple[Population, tuple[str, ...]]:
    """The listings that can be picked, and the screenings of those left out (sorted): appraised, or in an open plan.

    A listing is there by its last screening before `asked.until`, if that is not before `asked.since`.
    """
    taken = taken_listings(conn)
    rows, left_out = [], []
    with conn.execute(_query(conn, asked), execution_options={"yield_per": _AT_ONCE}) as stream:
        for row in stream:
            if row.listing_id in taken:
                left_out.append(row.id)
            else:
                rows.append(row)
    ids = tuple(row.id for row in rows)
    probability = np.array([row.probability for row in rows], dtype=np.float64)
    prompted = np.array([row.verdict in REVIEWED for row in rows], dtype=bool)
    category = _numbered(row.category for row in rows)
    seller = _numbered(row.seller_id for row in rows)
    by_floor = np.array([row.known_fake for row in rows], dtype=bool)
    picture, hashed, hashes = _pictures(conn, asked, ids)
    suspected = _suspected(conn, rows)
    population = Population(
        ids=ids,
        probability=probability,
        prompted=prompted,
        threshold=thresholds(probability, prompted, category, counts=~by_floor),
        brand=_numbered(row.brand_id for row in rows),
        seller=seller,
        category=category,
        looks=groups_of_looks(_features([row.features for row in rows])),
        cluster=near_duplicates(picture, seller, hashed, hashes),
        price=np.array([_dollars(row.amount, row.currency) for row in rows], dtype=np.float64),
        complaints=np.array([int(row.complaints or 0) + suspected.get(row.id, 0) for row in rows], dtype=np.int64),
    )
    return population, tuple(sorted(left_out))


def taken_listings(conn: sa.Connection) -> frozenset[str]:
    """Ids of the listings whose item was appraised, or waits in a plan."""
    appraised = (
        sa.select(screenings.c.listing_id)
        .join(appraisals, appraisals.c.screening_id == screenings.c.id)
        .where(appraisals.c.withdrawn_at.is_(None))
    )
    planned = (
        sa.select(screenings.c.listing_id)
        .join(spot_checks, spot_checks.c.screening_id == screenings.c.id)
        .where(spot_checks.c.state.in_(OPEN))
    )
    return frozenset(conn.execute(appraised.union(planned)).scalars())


def thresholds(
    probability: NDArray[np.float64],
    prompted: NDArray[np.bool_],
    category: NDArray[np.int64],
    *,
    counts: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """The probability (n,) from which a listing's category is prompted, told from what was and what was not.

    It is halfway between the least of the prompted and the greatest of the others, of the category if it has both, else
    of all. `counts` leaves out who was prompted whatever the probability.
    """
    overall = _between(probability[counts & prompted], probability[counts & ~prompted])
    found = np.full(len(probability), _THRESHOLD if overall is None else overall)
    for number in np.unique(category):
        own = category == number
        between = _between(probability[own & counts & prompted], probability[own & counts & ~prompted])
        if between is not None:
            found[own] = between
    return found


def _between(prompted: NDArray[np.float64], others: NDArray[np.float64]) -> float | None:
    return float((prompted.min() + others.max()) / 2) if len(prompted) and len(others) else None


def _asked_for(asked: Asked) -> sa.ColumnElement[bool]:
    conditions = [screenings.c.created_at >= asked.since, screenings.c.created_at < asked.until]
    if asked.filters.brand_id is not None:
        conditions.append(screenings.c.brand_id == asked.filters.brand_id)
    if asked.filters.category is not None:
        conditions.append(screenings.c.category == asked.filters.category)
    return sa.and_(*conditions)


def _query(conn: sa.Connection, asked: Asked) -> sa.Select[Any]:
    names = ("id", "listing_id", "seller_id", "brand_id", "category", "verdict", "probability", "known_fake")
    request, features = (sa.type_coerce(screenings.c[name], sa.Text) for name in ("request", "features"))
    later = screenings.alias("later")
    again = sa.exists().where(
        later.c.listing_id == screenings.c.listing_id, later.c.id > screenings.c.id, later.c.created_at < asked.until
    )
    return (
        sa.select(
            *(screenings.c[name] for name in names),
            features.label("features"),
            inside(conn, request, "price", "amount").label("amount"),
            inside(conn, request, "price", "currency").label("currency"),
            inside(conn, request, "complaints").label("complaints"),
        )
        .where(_asked_for(asked), ~again)
        .order_by(screenings.c.id)
    )


def _pictures(
    conn: sa.Connection, asked: Asked, ids: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """The number of each listing's first picture (n,), -1 without; the numbers that are hashed (h,),
    their hashes (h, 32).
    """
    facts = sa.and_(picture_facts.c.image_sha256 == screening_images.c.sha256, picture_facts.c.version == FACTS_VERSION)
    quality = inside(conn, sa.type_coerce(picture_facts.c.facts, sa.Text), "pdq_quality")
    # The hash of the picture as it is comes first of the eight.
    query = (
        sa.select(
            screening_images.c.screening_id,
            screening_images.c.sha256,
            sa.func.substr(picture_facts.c.pdq, 1, BYTES, type_=sa.LargeBinary).label("pdq"),
            quality.label("quality"),
        )
        .join(screenings, screenings.c.id == screening_images.c.screening_id)
        .outerjoin(picture_facts, facts)
        .where(_asked_for(asked), screening_images.c.sha256.is_not(None), screening_images.c.position == 0)
    )
    places = {screening_id: place for place, screening_id in enumerate(ids)}
    picture = np.full(len(ids), -1, dtype=np.int64)
    numbers: dict[str, int] = {}
    hashes: dict[int, bytes] = {}
    with conn.execute(query, execution_options={"yield_per": _AT_ONCE}) as stream:
        for screening_id, sha256, pdq, good in stream:
            place = places.get(screening_id)
            if place is None:
                continue
            picture[place] = numbers.setdefault(sha256, len(numbers))
            if pdq is not None and float(good) >= PDQ_QUALITY:
                hashes[int(picture[place])] = bytes(pdq)
    matrix = np.frombuffer(b"".join(hashes.values()), dtype=np.uint8).reshape(-1, BYTES)
    return picture, np.array(list(hashes), dtype=np.int64), matrix


def _suspected(conn: sa.Connection, rows: Sequence[Any]) -> dict[str, int]:
    """Suspicions of buyers, asked for where there are any."""
    query = sa.select(buyer_signals.c.listing_id).where(buyer_signals.c.suspected).distinct()
    listings = frozenset(conn.execute(query).scalars())
    return suspicions(conn, [row.id for row in rows if row.listing_id in listings]) if listings else {}


def _features(texts: Sequence[str | None]) -> NDArray[np.float32]:
    """Features (n, F) of the version that most have; NaN where one is missing, or of another version."""
    parsed = [json.loads(text) if text else None for text in texts]
    versions = Counter(own["version"] for own in parsed if own)
    if not versions:
        return np.zeros((len(texts), 0), dtype=np.float32)
    version = max(sorted(versions), key=lambda name: versions[name])
    width = next(len(own["values"]) for own in parsed if own and own["version"] == version)
    nothing = [None] * width
    values = [own["values"] if own and own["version"] == version else nothing for own in parsed]
    return np.array(values, dtype=np.float32)


def _dollars(amount: str | None, currency: str | None) -> float:
    return dollars(Price(Decimal(str(amount)), currency)) if amount and currency else float("nan")


def _numbered(values: Iterable[Hashable]) -> NDArray[np.int64]:
    """A number for each value, in the order of their first use."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)
