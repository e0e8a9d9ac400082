"""What a candidate in the shadow said of listings, written where nothing else looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from brands import audit
from brands.database import Database
from brands.insert_once import insert_once
from brands.schema import brands, screenings, shadow_judgements


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the candidate made of a listing; `milliseconds` is what it took."""

    screening_id: str
    probability: float
    verdict: str
    brand_status: str
    brand_id: str | None
    milliseconds: float


def write_judgements(database: Database, release_id: str, made: Sequence[Judgement], at: datetime) -> None:
    """Writes judgements, but for those of screenings and brands that were erased meanwhile. Raises RegistryError."""
    if not made:
        return
    with database.write() as connection:
        audit.lock(connection)  # an erasure is done, or begins behind this
        there = _there(connection, screenings.c.id, {one.screening_id for one in made})
        known = _there(connection, brands.c.id, {one.brand_id for one in made if one.brand_id})
        for one in made:
            if one.screening_id in there and (one.brand_id is None or one.brand_id in known):
                values = {**asdict(one), "release_id": release_id, "created_at": at}
                connection.execute(insert_once(connection, shadow_judgements).values(values))


def _there(connection: sa.Connection, column: sa.Column[str], ids: set[str]) -> set[str]:
    return set(connection.execute(sa.select(column).where(column.in_(ids))).scalars()) if ids else set()
