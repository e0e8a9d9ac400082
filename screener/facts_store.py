"""Facts of pictures, kept by the hash of the picture and the way of measuring: no picture is measured twice."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from brands.insert_once import insert_once
from brands.schema import picture_facts
from index.hamming import BYTES
from screener.picture_facts import FACTS_VERSION, PictureFacts

_AT_ONCE = 500
"""Hashes per query: SQLite takes 32,766 parameters, and short queries let writers in between."""


@dataclass(frozen=True, slots=True)
class Hash:
    """The PDQ hash of a picture as it is: `bits` are 32 bytes, `quality` is 0 to 100."""

    bits: bytes
    quality: int


def load(connection: sa.Connection, sha256s: Iterable[str], *, described: bool = False) -> dict[str, PictureFacts]:
    """Stored facts by SHA-256 of the picture; pictures without facts of this version are left out.

    Facts that came with a description (`described`), and not from a picture here, stand beside what is measured.
    """
    rows = _rows(connection, sha256s, described)
    return {sha256: PictureFacts.from_json(facts, bytes(hashes)) for sha256, facts, hashes in rows}


def load_hashes(connection: sa.Connection, sha256s: Iterable[str], *, described: bool = False) -> dict[str, Hash]:
    """Of the facts that `load` gives, only what another picture's hash is compared with."""
    rows = _rows(connection, sha256s, described)
    return {sha256: Hash(bytes(hashes[:BYTES]), int(facts["pdq_quality"])) for sha256, facts, hashes in rows}


def store(connection: sa.Connection, new: Mapping[str, PictureFacts], at: datetime, *, described: bool = False) -> None:
    """Keeps facts by SHA-256 of the picture; those that are there already stay."""
    if not new:
        return
    rows = [
        {
            "image_sha256": sha256,
            "version": _version(described),
            "facts": facts.to_json(),
            "pdq": facts.pdq.tobytes(),
            "created_at": at,
        }
        for sha256, facts in new.items()
    ]
    connection.execute(insert_once(connection, picture_facts), rows)


def _version(described: bool) -> str:
    return f"{FACTS_VERSION} described" if described else FACTS_VERSION


def _rows(connection: sa.Connection, sha256s: Iterable[str], described: bool) -> Iterator[Sequence[Any]]:
    wanted = list(dict.fromkeys(sha256s))
    columns = (picture_facts.c.image_sha256, picture_facts.c.facts, picture_facts.c.pdq)
    for start in range(0, len(wanted), _AT_ONCE):
        yield from connection.execute(
            sa.select(*columns).where(
                picture_facts.c.version == _version(described),
                picture_facts.c.image_sha256.in_(wanted[start : start + _AT_ONCE]),
            )
        )
