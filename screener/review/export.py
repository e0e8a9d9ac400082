"""A brand's matches as a CSV file: written page by page, with cells that no spreadsheet runs."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from brands import audit
from brands.database import Database
from screener import csv_safe
from screener.review.matches import Asked, Match, checked_asked, every_match, read_matches

MOST: Final = 100_000
COLUMNS: Final = (
    "screening_id",
    "screened_at",
    "listing_id",
    "revision",
    "seller_id",
    "title",
    "category",
    "amount",
    "currency",
    "verdict",
    "recognised",
    "probability",
    "references",
    "kinds",
    "best_score",
    "outcome",
    "decided_at",
    "appealed",
    "responses",
)
_AT_ONCE: Final = 500


def write_matches(
    database: Database,
    brand_id: str,
    asked: Asked,
    *,
    kept: Callable[[str], bool],
    actor: str,
    now: Callable[[], datetime],
) -> Iterator[str]:
    """The lines of the file, the latest match first, at most `MOST`; that it was taken is in the audit log before.

    Every page of them is a read of its own, so that a slow reader holds no transaction. Raises Invalid.
    """
    checked_asked(asked)
    wanted = {
        "verdict": asked.verdict,
        "reference": asked.reference_id,
        "kind": asked.kind,
        "outcome": asked.outcome,
        "since": asked.since and audit.iso(asked.since),
        "until": asked.until and audit.iso(asked.until),
    }
    with database.write() as conn:
        audit.append(
            conn,
            actor=actor,
            action="matches.export",
            kind="brand",
            object_id=brand_id,
            before=None,
            after={name: value for name, value in wanted.items() if value is not None},
            at=now(),
        )

    def page(after: str | None) -> tuple[Match, ...]:
        with database.read() as conn:
            return read_matches(conn, brand_id, asked, kept=kept, after=after, limit=_AT_ONCE)

    return csv_safe.lines(COLUMNS, (_row(match) for match in islice(every_match(page), MOST)))


def _row(match: Match) -> tuple[object, ...]:
    return (
        match.screening_id,
        match.at,
        match.listing_id,
        match.revision,
        match.seller_id,
        match.title,
        match.category,
        match.amount,
        match.currency,
        match.verdict,
        "yes" if match.recognised else "no",
        match.probability,
        " ".join(dict.fromkeys(matched.reference_id for matched in match.evidence)),
        " ".join(dict.fromkeys(matched.kind for matched in match.evidence)),
        max((matched.score for matched in match.evidence), default=None),
        match.outcome,
        match.decided_at,
        "yes" if match.appealed else "no",
        " ".join(match.responses),
    )
