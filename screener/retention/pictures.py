"""Forgets pictures that no row names any more: bytes, vectors, facts, words."""

from collections import Counter
from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from brands import audit
from brands.blobs import FolderBlobs
from brands.database import Database
from brands.schema import (
    brand_aliases,
    brands,
    embeddings,
    picture_facts,
    picture_texts,
    references,
    response_images,
    screening_images,
)
from screener.name_vectors import text_key

_AT_ONCE = 500
_DERIVED = (embeddings, picture_facts, picture_texts)
NAMED_BY = (references.c.image_sha256, screening_images.c.sha256, response_images.c.sha256)
"""The columns that name pictures, each of which keeps what it names."""


def forget_pictures(connection: sa.Connection, blobs: FolderBlobs, sha256s: Iterable[str]) -> Counter[str]:
    """Deletes what is kept of these pictures unless a row still names them; counts by table, and `blobs`.

    The caller holds `brands.audit.lock`: whoever names a picture in a row takes it too, and then makes sure that the
    bytes are there. The bytes go before the transaction ends, so that a killed process leaves rows without bytes, which
    the next attempt finds, and never bytes without rows, which nobody would.
    """
    counts: Counter[str] = Counter()
    wanted = sorted(set(sha256s))
    for start in range(0, len(wanted), _AT_ONCE):
        chunk = wanted[start : start + _AT_ONCE]
        named: set[str] = set()
        for column in NAMED_BY:
            named.update(connection.execute(sa.select(column).where(column.in_(chunk))).scalars())
        gone = [sha256 for sha256 in chunk if sha256 not in named]
        for table in _DERIVED:
            done = connection.execute(sa.delete(table).where(table.c.image_sha256.in_(gone)))
            counts[table.name] += done.rowcount
        counts["blobs"] += sum(blobs.delete(sha256) for sha256 in gone)
    return counts


def forget_derived(database: Database) -> Counter[str]:
    """Deletes vectors, facts and words of pictures that no row names, and vectors of names that no brand has.

    For the end of an erasure: something that was being computed may have been kept after its picture was deleted. What
    is wanted after all is computed again.
    """
    counts: Counter[str] = Counter()
    for table in _DERIVED:
        key = table.c.image_sha256
        unnamed = [~sa.exists().where(column == key) for column in NAMED_BY]
        query = sa.select(key).where(*unnamed).distinct()
        with database.read() as connection:
            names = _names(connection)
            found = [sha256 for sha256 in connection.execute(query).scalars() if sha256 not in names]
        for chunk in _chunks(found):
            with database.write() as connection:
                done = connection.execute(sa.delete(table).where(key.in_(chunk), *unnamed))
                counts[table.name] += done.rowcount
    return counts


def sweep_blobs(database: Database, blobs: FolderBlobs, *, before: float) -> int:
    """Deletes stored pictures that no row names, last written before `before` (seconds since 1970); how many.

    A process that was killed between storing a picture and writing its row leaves one.
    """
    deleted = 0
    for chunk in _chunks(blobs.older_than(before)):
        with database.write() as connection:
            audit.lock(connection)
            deleted += forget_pictures(connection, blobs, chunk)["blobs"]
    return deleted


def _names(connection: sa.Connection) -> set[str]:
    """The keys of the vectors of all names that brands have now (`screener.name_vectors`)."""
    names = (*connection.execute(sa.select(brands.c.name)).scalars(),)
    aliases = connection.execute(sa.select(brand_aliases.c.text)).scalars()
    return {text_key(name) for name in (*names, *aliases)}


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for value in values:
        chunk.append(value)
        if len(chunk) == _AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
