"""How people look at evidence: a pair of pictures once, and never without a note in the audit log."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from brands import audit
from brands.database import Database
from brands.sessions import Person
from screener.review.case import Found
from screener.review.matches import Matched

Entry = TypeVar("Entry", Found, Matched)


def note_look(database: Database, person: Person, kind: str, object_id: str, at: datetime) -> None:
    """Written before the page is sent, so that nothing is seen unnamed."""
    with database.write() as conn:
        audit.lock(conn)
        audit.append(
            conn,
            actor=person.actor,
            action=f"{kind}.look",
            kind=kind,
            object_id=object_id,
            before=None,
            after=None,
            at=at,
        )


def together(evidence: Iterable[Entry]) -> list[list[Entry]]:
    """Entries of the same picture and reference in one group, so that people look at the pair once."""
    groups: dict[tuple[int, str], list[Entry]] = {}
    for entry in evidence:
        groups.setdefault((entry.image, entry.reference_id), []).append(entry)
    return list(groups.values())
