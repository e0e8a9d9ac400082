"""Which screening, brand and appraiser a new appraisal means, looked up for a whole list at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from brands.errors import Invalid
from brands.ids import is_id
from brands.schema import appraisals, brands, screenings
from brands.spelling import name_key
from screener.appraisals.checking import LISTING_MAX
from screener.appraisals.model import NewAppraisal

AT_ONCE: Final = 500
"""Values in one query: SQLite takes 32,766, and short queries let writers in between."""


@dataclass(frozen=True, slots=True)
class Item:
    """The screening that an appraisal is about; `brand_id` is the recognised one."""

    id: str
    listing_id: str
    revision: int
    seller_id: str
    brand_id: str | None


class Known:
    """What a list of appraisals speaks of, as the database has it. Read it under `brands.audit.lock`."""

    def __init__(self, conn: sa.Connection, news: Collection[NewAppraisal]) -> None:
        named = {new.screening_id for new in news if new.screening_id is not None and is_id(new.screening_id)}
        listings = {new.listing_id for new in news if new.listing_id is not None and _storable(new.listing_id)}
        self._latest = _latest(conn, listings)
        self._items = read_items(conn, named | set(self._latest.values()))
        self._brands = _brands(conn, {new.brand for new in news if new.brand})
        self._taken = _appraisers(conn, self._items)

    def item(self, new: NewAppraisal) -> Item:
        """The screening that is meant. Raises Invalid."""
        if new.screening_id is not None:
            found, column = self._items.get(new.screening_id), "screening_id"
        else:
            found, column = self._items.get(self._latest.get((new.listing_id or "", new.revision), "")), "listing_id"
        if found is None:
            raise Invalid("Nothing with this id was screened.", code="unknown_screening", field=column)
        return found

    def brand(self, new: NewAppraisal) -> str | None:
        """The id of the brand that is meant, None for none. Raises Invalid."""
        if not new.brand:
            return None
        if new.brand not in self._brands:
            raise Invalid("No brand has this id or name.", code="unknown_brand", field="brand")
        return self._brands[new.brand]

    def take(self, item: Item, appraiser: str) -> None:
        """Notes that this appraiser has appraised the item. Raises Invalid if that was so before, in any spelling."""
        key = (item.id, name_key(appraiser))
        if key in self._taken:
            raise Invalid(
                "This appraiser has appraised this item already; withdraw the other one if it was a mistake.",
                code="duplicate_appraisal",
                field="appraiser",
            )
        self._taken.add(key)


def chunks(values: Collection[str]) -> Iterator[list[str]]:
    """The values in their order, so many at once as one query takes."""
    ordered = sorted(values)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def _storable(text: str) -> bool:
    """PostgreSQL takes no NUL, not even to look for one, and neither database half of a surrogate pair."""
    return 0 < len(text) <= LISTING_MAX and not any(one == "\0" or unicodedata.category(one) == "Cs" for one in text)


def read_items(conn: sa.Connection, ids: Collection[str]) -> dict[str, Item]:
    """The screenings with these ids, those that are there."""
    columns = (screenings.c[name] for name in ("id", "listing_id", "revision", "seller_id", "brand_id"))
    query = sa.select(*columns)
    return {
        row.id: Item(**row._mapping)
        for chunk in chunks(ids)
        for row in conn.execute(query.where(screenings.c.id.in_(chunk)))
    }


def _latest(conn: sa.Connection, listing_ids: Collection[str]) -> dict[tuple[str, int | None], str]:
    """The newest screening of each listing, by revision and (None) of any. Ids sort by time."""
    found: dict[tuple[str, int | None], str] = {}
    columns = (screenings.c.listing_id, screenings.c.revision)
    for chunk in chunks(listing_ids):
        query = sa.select(*columns, sa.func.max(screenings.c.id)).where(columns[0].in_(chunk)).group_by(*columns)
        for listing_id, revision, newest in conn.execute(query):
            found[listing_id, revision] = newest
            found[listing_id, None] = max(newest, found.get((listing_id, None), ""))
    return found


def _brands(conn: sa.Connection, texts: Iterable[str]) -> dict[str, str]:
    """The brands that are called so, by id or by name."""
    sound = [text for text in texts if _storable(text)]
    ids = {text for text in sound if is_id(text)}
    keys = {text: name_key(text) for text in sound}
    found: dict[str, str] = {}
    for chunk in chunks(ids):
        found |= {name: name for name in conn.execute(sa.select(brands.c.id).where(brands.c.id.in_(chunk))).scalars()}
    by_key: dict[str, str] = {}
    for chunk in chunks(set(keys.values())):
        query = sa.select(brands.c.name_key, brands.c.id).where(brands.c.name_key.in_(chunk))
        by_key |= {row.name_key: row.id for row in conn.execute(query)}
    return {text: by_key[key] for text, key in keys.items() if key in by_key} | found


def _appraisers(conn: sa.Connection, ids: Collection[str]) -> set[tuple[str, str]]:
    """Who has appraised these screenings, by the key of the name; what was withdrawn makes room."""
    columns = (appraisals.c.screening_id, appraisals.c.appraiser)
    standing = sa.select(*columns).where(appraisals.c.withdrawn_at.is_(None))
    return {
        (screening_id, name_key(appraiser))
        for chunk in chunks(ids)
        for screening_id, appraiser in conn.execute(standing.where(appraisals.c.screening_id.in_(chunk)))
    }
