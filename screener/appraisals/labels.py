"""What the appraisals of a screening come to together: the label that training, evaluation and spot checks use."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

import sqlalchemy as sa

from brands import checks
from brands.errors import Invalid
from brands.ids import is_id
from brands.schema import appraisals, screenings
from screener.appraisals.model import Appraisal
from screener.appraisals.resolve import chunks
from screener.appraisals.store import appraisals_of

LabelOutcome = Literal["counterfeit", "authentic", "inconclusive", "conflict"]
DECIDED: Final = ("counterfeit", "authentic")
ALL_FROM: Final = 5_000
"""From so many wanted screenings on, reading every appraisal is faster than asking for each."""
_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of an item; appraisals that were withdrawn do not count.

    `outcome` is the one that all who decided agree on, `conflict` where two decided differently, `inconclusive` where
    nobody decided. `brand_id` is the brand that appraisers named, None where nobody did, or where they differ: of those
    who decided, or of all where nobody did. `appraisers` are sorted; `appraised_on` is the latest day.
    """

    screening_id: str
    outcome: LabelOutcome
    brand_id: str | None
    appraisers: tuple[str, ...]
    appraised_on: date


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A screening whose appraisers decided differently; `brand_id` is the recognised one."""

    screening_id: str
    listing_id: str
    revision: int
    brand_id: str | None
    appraisals: tuple[Appraisal, ...]

    @property
    def id(self) -> str:
        """By which pages go on."""
        return self.screening_id


def read_labels(
    conn: sa.Connection,
    *,
    screening_ids: Collection[str] | None = None,
    since: date | None = None,
    until: date | None = None,
) -> dict[str, Label]:
    """The labels of screenings (None: of all that were appraised), by their ids in order.

    `since` and `until` (inclusive) choose labels by their day, the latest of the appraisals'; a label is always made of
    all its appraisals, so that no bound hides half of a conflict.
    """
    wanted = None if screening_ids is None else frozenset(screening_ids)
    columns = (appraisals.c[name] for name in ("screening_id", "outcome", "brand_id", "appraiser", "appraised_on"))
    query = (
        sa.select(*columns)
        .where(appraisals.c.withdrawn_at.is_(None))
        .order_by(appraisals.c.screening_id, appraisals.c.id)
    )
    rows: Iterable[Any]
    if wanted is None or len(wanted) >= ALL_FROM:
        rows = _streamed(conn, query)
    else:
        rows = itertools.chain.from_iterable(
            conn.execute(query.where(appraisals.c.screening_id.in_(chunk))) for chunk in chunks(wanted)
        )
    labels: dict[str, Label] = {}
    for screening_id, group in itertools.groupby(rows, key=lambda row: row[0]):
        if wanted is not None and screening_id not in wanted:
            continue
        label = _label(screening_id, list(group))
        if (since is None or label.appraised_on >= since) and (until is None or label.appraised_on <= until):
            labels[screening_id] = label
    return labels


def list_conflicts(
    conn: sa.Connection, *, brand_id: str | None = None, after: str | None = None, limit: int = 100
) -> tuple[Disagreement, ...]:
    """The screenings whose appraisers decided differently, by id, those behind `after`; `brand_id` the recognised one.

    Raises Invalid.
    """
    after, limit = checks.checked_page(after, limit)
    if brand_id is not None and not is_id(brand_id):
        raise Invalid("This is no identifier.", code="invalid_filter", field="brand_id")
    query = (
        sa.select(*(screenings.c[name] for name in ("id", "listing_id", "revision", "brand_id")))
        .join(appraisals, appraisals.c.screening_id == screenings.c.id)
        .where(appraisals.c.withdrawn_at.is_(None), appraisals.c.outcome.in_(DECIDED))
        .group_by(screenings.c.id, screenings.c.listing_id, screenings.c.revision, screenings.c.brand_id)
        .having(sa.func.count(sa.distinct(appraisals.c.outcome)) > 1)
        .order_by(screenings.c.id)
        .limit(limit)
    )
    if brand_id is not None:
        query = query.where(screenings.c.brand_id == brand_id)
    if after is not None:
        query = query.where(screenings.c.id > after)
    rows = conn.execute(query).all()
    made = appraisals_of(conn, [row.id for row in rows])
    return tuple(
        Disagreement(
            row.id,
            row.listing_id,
            row.revision,
            row.brand_id,
            tuple(one for one in made[row.id] if one.withdrawn_at is None),
        )
        for row in rows
    )


def _label(screening_id: str, rows: Sequence[Any]) -> Label:
    decided = [row for row in rows if row[1] in DECIDED]
    outcomes = {row[1] for row in decided}
    named = {row[2] for row in decided or rows if row[2] is not None}
    return Label(
        screening_id=screening_id,
        outcome="inconclusive" if not outcomes else "conflict" if len(outcomes) > 1 else outcomes.pop(),
        brand_id=named.pop() if len(named) == 1 else None,
        appraisers=tuple(sorted(row[3] for row in rows)),
        appraised_on=max(row[4] for row in rows),
    )


def _streamed(conn: sa.Connection, query: sa.Select[Any]) -> Iterator[Any]:
    with conn.execute(query, execution_options={"yield_per": _AT_ONCE}) as stream:
        yield from stream
