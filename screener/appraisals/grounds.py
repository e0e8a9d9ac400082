"""On what references rest that appraisals speak for or against: the questions that `screener.appraisals.learn` asks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from brands import audit
from brands.approvals import GOVERNANCE
from brands.model import Reference
from brands.schema import appraisals, brands, screening_images, screening_matches
from brands.schema import audit as audit_rows
from brands.schema import notices as notice_rows
from brands.schema import references as reference_rows
from screener.appraisals.labels import Label
from screener.appraisals.model import Appraisal
from screener.appraisals.resolve import chunks


def stands(reference: Reference, label: Label | None) -> bool:
    """Whether the item is a counterfeit still, and of the reference's brand as far as appraisers name one."""
    return label is not None and label.outcome == "counterfeit" and label.brand_id in (None, reference.brand_id)


def last_change(conn: sa.Connection, screening_ids: Collection[str]) -> datetime:
    """When something was last appraised, or an appraisal withdrawn, of these screenings."""
    times = (sa.func.max(appraisals.c.created_at), sa.func.max(appraisals.c.withdrawn_at))
    found = conn.execute(sa.select(*times).where(appraisals.c.screening_id.in_(screening_ids))).one()
    times_told: list[datetime] = [at for at in found if at is not None]
    return max(times_told)


def taken_out_since(conn: sa.Connection, reference_id: str, since: datetime) -> bool:
    """Whether this was done before: what a person let in again since then stays in."""
    rows = audit_rows.c
    query = sa.select(rows.sequence).where(
        rows.object_id == reference_id,
        rows.actor == GOVERNANCE,
        rows.action.in_(("reference.quarantined", "reference.withdrawn")),
        rows.at >= audit.iso(since),
    )
    return conn.execute(query.limit(1)).first() is not None


def proof_of(made: Sequence[Appraisal]) -> Appraisal:
    """The appraisal that a reference names as what proves it: the first that counts."""
    return next(one for one in made if one.withdrawn_at is None and one.outcome == "counterfeit")


def brand_of(conn: sa.Connection, label: Label, recognised: str | None, proof: Appraisal) -> str | None:
    """The active brand that the item pretends to be of: the appraisers', else the recognised one; None if unclear."""
    if label.brand_id is None and proof.brand_id is not None:
        return None  # the appraisers name different ones
    query = sa.select(brands.c.id).where(brands.c.id == (label.brand_id or recognised), brands.c.state == "active")
    return conn.execute(query).scalar_one_or_none()


def present_fake(conn: sa.Connection, brand_id: str, sha256: str) -> Reference | None:
    """The brand's known fake of this whole picture, in whatever state; the newest of several."""
    table = reference_rows.c
    query = (
        sa.select(reference_rows)
        .where(table.brand_id == brand_id, table.image_sha256 == sha256, table.kind == "known_fake")
        .order_by(table.id.desc())
    )
    row = conn.execute(query.limit(1)).one_or_none()
    return None if row is None else Reference(**row._mapping)


def resting_on(conn: sa.Connection, screening_ids: Collection[str]) -> list[tuple[Reference, str]]:
    """The references that name an appraisal of these screenings as their evidence, and wait or count."""
    proof = sa.select(reference_rows, appraisals.c.screening_id.label("of_screening")).join(
        appraisals, appraisals.c.id == reference_rows.c.evidence
    )
    found = []
    for chunk in chunks(screening_ids):
        query = proof.where(
            reference_rows.c.origin == "appraisal",
            reference_rows.c.state.in_(("active", "pending")),
            appraisals.c.screening_id.in_(chunk),
        ).order_by(reference_rows.c.id)
        for row in conn.execute(query):
            values: dict[str, Any] = dict(row._mapping)
            screening_id = values.pop("of_screening")
            found.append((Reference(**values), screening_id))
    return found


def matched_fakes(conn: sa.Connection, screening_ids: Collection[str]) -> list[tuple[str, str, str, float]]:
    """The known fakes that these screenings copied, or were flagged beside, or whose very pictures they show:
    reference, screening, use and score of the best match. Merely looking alike, without a consequence, is no doubt: the
    genuine thing looks like its copy."""
    matched = screening_matches.c
    best: dict[tuple[str, str], tuple[str, float]] = {}
    columns = (matched.reference_id, matched.screening_id, matched.use, matched.score)
    for chunk in chunks(screening_ids):
        mattered = sa.or_(matched.use == "copy", matched.verdict != "clear")
        query = sa.select(*columns).where(matched.kind == "known_fake", mattered, matched.screening_id.in_(chunk))
        for reference_id, screening_id, use, score in conn.execute(query):
            if score > best.get((reference_id, screening_id), ("", -1.0))[1]:
                best[reference_id, screening_id] = (use, score)
        same = (
            sa.select(reference_rows.c.id, screening_images.c.screening_id)
            .join(screening_images, screening_images.c.sha256 == reference_rows.c.image_sha256)
            .where(reference_rows.c.kind == "known_fake", screening_images.c.screening_id.in_(chunk))
        )
        for reference_id, screening_id in conn.execute(same):
            best[reference_id, screening_id] = ("copy", 1.0)
    return [(*key, *value) for key, value in sorted(best.items())]


def told_of(conn: sa.Connection, reference_ids: Collection[str]) -> set[tuple[str, str]]:
    """For which references and screenings there is a notice already."""
    columns = (notice_rows.c.object_id, notice_rows.c.details)
    query = sa.select(*columns).where(notice_rows.c.code == "reference_doubted")
    return {
        (row.object_id, row.details.get("screening_id", ""))
        for chunk in chunks(reference_ids)
        for row in conn.execute(query.where(notice_rows.c.object_id.in_(chunk)))
    }
