"""The registry as one screening needs it: every active brand and reference in memory, of one moment."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from brands import brand_rows
from brands.checks import PAGE_MAX
from brands.model import Box, Brand, ReferenceKind
from brands.schema import brands, references
from screener.words import WordMatcher


@dataclass(frozen=True, slots=True)
class Entry:
    """An active reference; its place in the index is found by `id`."""

    id: str
    brand_id: str
    kind: ReferenceKind
    sha256: str
    box: Box | None


@dataclass(frozen=True, slots=True)
class Directory:
    """What the registry said at `version`; immutable, so safe to share between threads."""

    version: int
    brands: Mapping[str, Brand]
    entries: Mapping[str, Entry]
    """Reference id to reference, in ascending order of id."""
    by_picture: Mapping[str, tuple[str, ...]]
    """SHA-256 of a picture to the references that are this very file (whole pictures only)."""
    words: WordMatcher


def read_version(connection: sa.Connection) -> int:
    """The number of changes so far that matter to matching."""
    return brand_rows.read_version(connection)


def read_directory(connection: sa.Connection) -> Directory:
    """Reads everything in the transaction of `connection`, so that version, brands and references belong together."""
    version = read_version(connection)
    known: dict[str, Brand] = {}
    after: str | None = None
    while page := brand_rows.fetch_page(connection, state="active", after=after, limit=PAGE_MAX):
        known |= {brand.id: brand for brand in page}
        after = page[-1].id
    columns = (
        references.c.id, references.c.brand_id, references.c.kind, references.c.image_sha256, references.c.box
    )  # fmt: skip
    query = (
        sa.select(*columns)
        .join(brands, brands.c.id == references.c.brand_id)
        .where(references.c.state == "active", brands.c.state == "active")
        .order_by(references.c.id)
    )
    entries = {row.id: Entry(*row) for row in connection.execute(query)}
    by_picture: dict[str, list[str]] = {}
    for entry in entries.values():
        if entry.box is None:
            by_picture.setdefault(entry.sha256, []).append(entry.id)
    names = [(brand.id, name) for brand in known.values() for name in (brand.name, *brand.aliases, *brand.wordmarks)]
    return Directory(
        version, known, entries, {sha256: tuple(ids) for sha256, ids in by_picture.items()}, WordMatcher(names)
    )
