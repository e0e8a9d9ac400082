"""How well a brand's references cover what is sold under its name: a score from 0 to 100, and what lacks.

Three parts, each 0 to 1, weighed 30, 30 and 40; a part of which nothing is known is left out:

* kinds: half for official pictures, 0.3 for a logo, 0.2 for a known fake
* angles: official pictures that look alike are one product; a product with three different pictures is complete
* categories: of the brand's listings of each category, the share in which a reference matched
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from brands.schema import references, screening_matches, screenings
from brands.spelling import name_key
from screener import embeddings
from screener.bundle import Bundle
from screener.cosines import part_cosines
from screener.match import thresholds
from screener.regions import reference_view

ANGLES: Final = 3
"""Different pictures of a product that are enough: front, side, detail."""
LISTINGS: Final = 5
"""Listings of a category from which its share says something."""
ENOUGH: Final = 0.5
"""Share of a category's listings that a reference should match."""
KINDS: Final[Mapping[str, float]] = {"authentic": 0.5, "logo": 0.3, "known_fake": 0.2}
WEIGHTS: Final[Mapping[str, float]] = {"kinds": 30.0, "angles": 30.0, "categories": 40.0}
_PICTURES: Final = 1_000
"""Official pictures that are looked at, the newest: each is compared with each."""
_LISTINGS: Final = 2_000
"""Listings that are looked at, the newest."""


@dataclass(frozen=True, slots=True)
class CategoryCoverage:
    """Screened listings of a category of the brand, and in how many a reference matched."""

    category: str
    listings: int
    matched: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """`parts` are 0 to 1 by name; `kinds` counts active references, `products` the pictures of each product.

    `lacking` has `kind:<kind>`, `angles` and `category:<category>`, worst first.
    """

    score: int
    parts: Mapping[str, float]
    kinds: Mapping[str, int]
    products: tuple[int, ...]
    categories: tuple[CategoryCoverage, ...]
    lacking: tuple[str, ...]


def coverage(connection: sa.Connection, bundle: Bundle, brand_id: str, declared: tuple[str, ...]) -> Coverage:
    """The coverage of a brand; `declared` are the categories that it names."""
    kinds = _kinds(connection, brand_id)
    products = _products(bundle, _vectors(connection, bundle, brand_id))
    categories = _categories(connection, brand_id, declared)
    known = [category for category in categories if category.listings >= LISTINGS]
    parts = {
        "kinds": sum(worth for kind, worth in KINDS.items() if kinds[kind]),
        "angles": float(np.mean([min(views, ANGLES) / ANGLES for views in products])) if products else 0.0,
    }
    if known:
        parts["categories"] = float(np.mean([category.matched / category.listings for category in known]))
    weight = sum(WEIGHTS[name] for name in parts)
    lacking = [f"kind:{kind}" for kind in KINDS if not kinds[kind]]
    lacking += ["angles"] if products and parts["angles"] < 1.0 else []
    thin = sorted((c.matched / c.listings, c.category) for c in known if c.matched < ENOUGH * c.listings)
    return Coverage(
        score=round(100 * sum(WEIGHTS[name] * value for name, value in parts.items()) / weight),
        parts={name: round(value, 3) for name, value in parts.items()},
        kinds=dict(kinds),
        products=products,
        categories=categories,
        lacking=(*lacking, *(f"category:{category}" for _, category in thin)),
    )


def _kinds(connection: sa.Connection, brand_id: str) -> Counter[str]:
    query = (
        sa.select(references.c.kind, sa.func.count().label("number"))
        .where(references.c.brand_id == brand_id, references.c.state == "active")
        .group_by(references.c.kind)
    )
    return Counter({row.kind: int(row.number) for row in connection.execute(query)})


def _vectors(connection: sa.Connection, bundle: Bundle, brand_id: str) -> NDArray[np.float32]:
    """The vectors (n, D) of the brand's newest official pictures."""
    query = (
        sa.select(references.c.image_sha256)
        .where(references.c.brand_id == brand_id, references.c.state == "active", references.c.kind == "authentic")
        .order_by(references.c.id.desc())
        .limit(_PICTURES)
    )
    keys = [(sha256, reference_view(None)) for sha256 in connection.execute(query).scalars()]
    stored = embeddings.load(connection, bundle.id, keys, bundle.dim)
    rows = [found.vectors[0] for found in stored.values()]
    return np.stack(rows) if rows else np.zeros((0, bundle.dim), dtype=np.float32)


def _products(bundle: Bundle, vectors: NDArray[np.float32]) -> tuple[int, ...]:
    """How many different pictures each product has, most first; a picture joins the product it is nearest to."""
    limits = thresholds(bundle)
    alike = part_cosines(bundle.part_for("product"), vectors, vectors)
    copies = part_cosines(bundle.part_for("copy"), vectors, vectors) >= limits["copy"]
    heads, count = np.empty(len(vectors), dtype=np.intp), 0
    views: dict[int, list[int]] = defaultdict(list)
    for row in range(len(vectors)):
        known = alike[row, heads[:count]]
        if not count or known.max() < limits["product"]:
            heads[count], count, head = row, count + 1, row
        else:
            head = int(heads[known.argmax()])
        if not copies[row, views[head]].any():
            views[head].append(row)
    return tuple(sorted((len(rows) for rows in views.values()), reverse=True))


def _categories(connection: sa.Connection, brand_id: str, declared: tuple[str, ...]) -> tuple[CategoryCoverage, ...]:
    newest = (
        sa.select(screenings.c.id, screenings.c.category)
        .where(screenings.c.brand_id == brand_id)
        .order_by(screenings.c.id.desc())
        .limit(_LISTINGS)
        .subquery()
    )
    matched = (
        sa.exists()
        .where(screening_matches.c.screening_id == newest.c.id, screening_matches.c.brand_id == brand_id)
        .correlate(newest)
    )
    names = {name_key(category): category for category in declared}
    counts: dict[str, list[int]] = {key: [0, 0] for key in names}
    for category, found in connection.execute(sa.select(newest.c.category, matched)):
        if category:
            counted = counts.setdefault(name_key(category), [0, 0])
            names.setdefault(name_key(category), category)
            counted[0] += 1
            counted[1] += bool(found)
    return tuple(CategoryCoverage(names[key], *counted) for key, counted in sorted(counts.items()))
