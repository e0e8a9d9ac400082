"""Listings that a reference would have matched: how many, of which brand, and the nearest of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from brands.schema import screening_images, screenings
from screener.governance.recent import Near

MOST: Final = 12
"""Listings shown: more convince nobody."""
_COUNTED: Final = 2000
"""Listings whose verdicts are looked up; a reference that matches more is held back long before."""
_AT_ONCE: Final = 500

Whose = Literal["own", "other", "none"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One listing that would have matched.

    `image` is the picture's position in it and `sha256` its hash; `brand` says whether it was recognised as the
    candidate's brand, another or none; `prompted` whether its seller was.
    """

    screening_id: str
    image: int
    sha256: str | None
    use: str
    score: float
    verdict: str
    prompted: bool
    brand: Whose
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RecentImpact:
    """`counts` has `pictures` (looked at), `matched` listings, of these `prompted`, and `own`, `other`, `none`."""

    counts: Mapping[str, int]
    samples: tuple[Sample, ...]


def recent_impact(
    connection: sa.Connection, found: Mapping[str, Near], *, brand_id: str, pictures: int
) -> RecentImpact:
    """The listings behind the pictures that a candidate is near to, by use; each counts once, by its best score."""
    best: dict[str, tuple[float, str, int]] = {}
    for use, near in found.items():
        for screening_id, image, score in zip(near.screening_ids, near.images, near.scores, strict=True):
            if screening_id not in best or score > best[screening_id][0]:
                best[screening_id] = (score, use, image)
    ranked = sorted(best, key=lambda screening_id: (-best[screening_id][0], screening_id))
    rows = _rows(connection, ranked[:_COUNTED])
    whose: dict[str, Whose] = {
        name: "none" if row.brand_id is None else "own" if row.brand_id == brand_id else "other"
        for name, row in rows.items()
    }
    prompted = {name for name, row in rows.items() if row.verdict in ("prompt", "review")}
    shown = [name for name in ranked if name in rows][:MOST]
    hashes = _hashes(connection, shown)
    return RecentImpact(
        {
            "pictures": pictures,
            "matched": len(ranked),
            "prompted": len(prompted),
            **{kind: sum(own == kind for own in whose.values()) for kind in ("own", "other", "none")},
        },
        tuple(
            Sample(
                screening_id=name,
                image=best[name][2],
                sha256=hashes.get((name, best[name][2])),
                use=best[name][1],
                score=best[name][0],
                verdict=rows[name].verdict,
                prompted=name in prompted,
                brand=whose[name],
                created_at=rows[name].created_at,
            )
            for name in shown
        ),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    brand_id: str | None
    verdict: str
    created_at: datetime


def _rows(connection: sa.Connection, ids: Sequence[str]) -> dict[str, _Row]:
    columns = (screenings.c.id, screenings.c.brand_id, screenings.c.verdict, screenings.c.created_at)
    found: dict[str, _Row] = {}
    for start in range(0, len(ids), _AT_ONCE):
        query = sa.select(*columns).where(screenings.c.id.in_(ids[start : start + _AT_ONCE]))
        found |= {identifier: _Row(*values) for identifier, *values in connection.execute(query)}
    return found


def _hashes(connection: sa.Connection, ids: Sequence[str]) -> dict[tuple[str, int], str]:
    columns = (screening_images.c.screening_id, screening_images.c.position, screening_images.c.sha256)
    query = sa.select(*columns).where(screening_images.c.screening_id.in_(ids))
    return {(name, position): sha256 for name, position, sha256 in connection.execute(query) if sha256}
