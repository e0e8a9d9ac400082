"""Prompts that an appraisal overturned: genuine items that the screener took for fakes, the hardest to learn from.

They are kept as what they are, rows to train and measure on. Their pictures are **not** registered as references of the
kind `negative`: such a reference says "this only looks like the brand", and the item is the brand's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import sqlalchemy as sa

from brands.schema import appraisals, screening_matches, screenings
from screener.appraisals.labels import read_labels

PROMPTED: Final = ("prompt", "review")
_AUTHENTIC: Final = sa.select(appraisals.c.screening_id).where(
    appraisals.c.outcome == "authentic", appraisals.c.withdrawn_at.is_(None)
)
"""What one appraiser at least found authentic."""


@dataclass(frozen=True, slots=True)
class HardNegative:
    """A listing whose item is authentic and that was answered `prompt` or `review`.

    `known_fakes` are the references of known fakes in its evidence; `brand_id` is the recognised brand.
    """

    screening_id: str
    brand_id: str | None
    verdict: str
    probability: float
    release_id: str
    appraised_on: date
    known_fakes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Negatives:
    """How many appraised items are authentic, and how many of these were prompted nevertheless."""

    authentic: int
    overturned: int


def hard_negatives(
    conn: sa.Connection, *, since: date | None = None, until: date | None = None
) -> tuple[HardNegative, ...]:
    """The overturned prompts by screening id; `since` and `until` (inclusive) as `read_labels` has them."""
    labels = read_labels(conn, since=since, until=until)
    authentic = {name for name, label in labels.items() if label.outcome == "authentic"}
    names = ("id", "brand_id", "verdict", "probability", "release_id")
    query = (
        sa.select(*(screenings.c[name] for name in names))
        .where(screenings.c.verdict.in_(PROMPTED), screenings.c.id.in_(_AUTHENTIC))
        .order_by(screenings.c.id)
    )
    found = [row for row in conn.execute(query) if row.id in authentic]
    fakes = _known_fakes(conn)
    return tuple(
        HardNegative(
            screening_id=row.id,
            brand_id=row.brand_id,
            verdict=row.verdict,
            probability=row.probability,
            release_id=row.release_id,
            appraised_on=labels[row.id].appraised_on,
            known_fakes=tuple(fakes.get(row.id, ())),
        )
        for row in found
    )


def count_negatives(conn: sa.Connection) -> Negatives:
    """How many negatives there are to train on."""
    authentic = sum(label.outcome == "authentic" for label in read_labels(conn).values())
    return Negatives(authentic, len(hard_negatives(conn)))


def _known_fakes(conn: sa.Connection) -> dict[str, list[str]]:
    """The known fakes that matched items which somebody found authentic."""
    matched = screening_matches.c
    query = (
        sa.select(matched.screening_id, matched.reference_id)
        .where(matched.kind == "known_fake", matched.screening_id.in_(_AUTHENTIC))
        .distinct()
        .order_by(matched.screening_id, matched.reference_id)
    )
    found: dict[str, list[str]] = {}
    for screening_id, reference_id in conn.execute(query):
        found.setdefault(screening_id, []).append(reference_id)
    return found
