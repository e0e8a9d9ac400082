"""The registry as one screening needs it: every active brand and reference in memory, of one moment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from brands import brand_rows, standings
from brands.checks import PAGE_MAX
from brands.model import Box, Brand, Origin, ReferenceKind
from brands.schema import brands, references
from screener.regions import reference_view
from screener.words import NameFinder

MARK = "#mark"
"""Ends the id of a vector that is of a reference's mark, beside the vector of its whole picture."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One vector of an active reference: of its whole picture, or of the mark in it (`is_mark`).

    `id` names the vector in the index; `box` is what it is of, None for the whole picture (also of a `logo` reference
    that is nothing but the mark).
    """

    id: str
    reference_id: str
    brand_id: str
    kind: ReferenceKind
    sha256: str
    box: Box | None
    is_mark: bool
    described: bool = False
    """It came as vectors and hashes from elsewhere; there is no picture."""

    @property
    def view(self) -> str:
        """The name under which the vector is kept."""
        return reference_view(self.box, described=self.described)


@dataclass(frozen=True, slots=True)
class Directory:
    """What the registry said at `version`; immutable, so safe to share between threads."""

    version: int
    brands: Mapping[str, Brand]
    entries: Mapping[str, Entry]
    """Vector id to vector, in ascending order of id."""
    by_picture: Mapping[str, tuple[Entry, ...]]
    """SHA-256 of a picture to the vectors of this very file as a whole."""
    references: int
    """Active references; those with a marked logo have two vectors."""
    words: NameFinder


def read_version(connection: sa.Connection) -> int:
    """The number of changes so far that matter to matching."""
    return brand_rows.read_version(connection)


def read_directory(connection: sa.Connection) -> Directory:
    """Reads everything in the transaction of `connection`, so that version, brands and references belong together.

    A brand that was stopped (`brands.standings`) is as if it were not registered.
    """
    version = read_version(connection)
    stopped = standings.stopped(connection)
    known: dict[str, Brand] = {}
    after: str | None = None
    while page := brand_rows.fetch_page(connection, state="active", after=after, limit=PAGE_MAX):
        known |= {brand.id: brand for brand in page if brand.id not in stopped}
        after = page[-1].id
    columns = (
        references.c.id, references.c.brand_id, references.c.kind, references.c.image_sha256, references.c.box,
        references.c.origin,
    )  # fmt: skip
    query = (
        sa.select(*columns)
        .join(brands, brands.c.id == references.c.brand_id)
        .where(references.c.state == "active", brands.c.state == "active")
        .order_by(references.c.id)
    )
    rows = [row for row in connection.execute(query) if row.brand_id in known]
    entries = {entry.id: entry for row in rows for entry in _vectors(*row)}
    by_picture: dict[str, list[Entry]] = {}
    for entry in entries.values():
        if entry.box is None:
            by_picture.setdefault(entry.sha256, []).append(entry)
    names = [(brand.id, name) for brand in known.values() for name in (brand.name, *brand.aliases, *brand.wordmarks)]
    return Directory(
        version=version,
        brands=known,
        entries=entries,
        by_picture={sha256: tuple(found) for sha256, found in by_picture.items()},
        references=len(rows),
        words=NameFinder(names, {brand.id: frozenset(brand.categories) for brand in known.values()}),
    )


def _vectors(
    identifier: str, brand_id: str, kind: ReferenceKind, sha256: str, box: Box | None, origin: Origin
) -> Iterator[Entry]:
    """A logo is its mark and nothing else; any other picture is itself, and its mark where one is marked."""
    described = origin == "descriptor"
    if kind == "logo":
        yield Entry(identifier, identifier, brand_id, kind, sha256, box, True, described)
        return
    yield Entry(identifier, identifier, brand_id, kind, sha256, None, False, described)
    if box is not None:
        yield Entry(identifier + MARK, identifier, brand_id, kind, sha256, box, True, described)
