"""What the pages read that no other part asks the database for: references and appraisals newest first, and counts."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands.ids import is_id
from brands.model import Reference, ReferenceKind, ReferenceState
from brands.schema import appraisals, references
from screener.appraisals.model import Appraisal


def newest_references(
    conn: Connection,
    brand_id: str,
    *,
    kind: ReferenceKind | None,
    state: ReferenceState | None,
    before: str | None,
    limit: int,
) -> tuple[Reference, ...]:
    """Up to `limit` references of a brand, the newest first, those before the one `before` only; None = any."""
    query = sa.select(references).where(references.c.brand_id == brand_id).order_by(references.c.id.desc())
    for column, value in ((references.c.kind, kind), (references.c.state, state)):
        if value is not None:
            query = query.where(column == value)
    if before is not None and is_id(before):
        query = query.where(references.c.id < before)
    return tuple(Reference(**row._mapping) for row in conn.execute(query.limit(limit)))


def count_references(conn: Connection, brand_id: str) -> Mapping[tuple[str, str], int]:
    """How many references a brand has by kind and state; what is missing is 0."""
    query = (
        sa.select(references.c.kind, references.c.state, sa.func.count())
        .where(references.c.brand_id == brand_id)
        .group_by(references.c.kind, references.c.state)
    )
    return {(kind, state): count for kind, state, count in conn.execute(query)}


def newest_appraisals(
    conn: Connection, *, screening_id: str | None, outcome: str | None, before: str | None, limit: int
) -> tuple[Appraisal, ...]:
    """Up to `limit` appraisals, the newest first, those before the one `before` only; None = any."""
    query = sa.select(appraisals).order_by(appraisals.c.id.desc()).limit(limit)
    for column, value in ((appraisals.c.screening_id, screening_id), (appraisals.c.outcome, outcome)):
        if value is not None:
            query = query.where(column == value)
    if before is not None and is_id(before):
        query = query.where(appraisals.c.id < before)
    return tuple(Appraisal(**row._mapping) for row in conn.execute(query))
