"""How often references and brands were right by appraisal: the better truth, counted apart from people's decisions.

An appraised item is no random one: what was bought, and why, decides what these shares are of. They are as they are
found; `screener.spot_checks` weighs them by how likely each item was to be picked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import sqlalchemy as sa

from brands.schema import appraisals, screening_matches, screenings
from screener.appraisals.labels import DECIDED, Label, read_labels
from screener.appraisals.negatives import PROMPTED
from screener.appraisals.resolve import chunks
from screener.review.precision import Precision

_APPRAISED: Final = sa.select(appraisals.c.screening_id).where(appraisals.c.withdrawn_at.is_(None))
_UNTOLD: Final = "negative"
"""What such a reference says, that the item is not the brand's, an appraisal of the item does not answer."""


def appraised_precision(conn: sa.Connection, brand_id: str, since: date | None = None) -> Precision:
    """Of the brand's prompted listings whose items were appraised since a day (None: ever): counterfeits of the brand
    are right; authentic items, and those of another brand, are wrong. Conflicts and inconclusive ones are in neither.
    """
    query = sa.select(screenings.c.id).where(
        screenings.c.brand_id == brand_id, screenings.c.verdict.in_(PROMPTED), screenings.c.id.in_(_APPRAISED)
    )
    labels = read_labels(conn, screening_ids=conn.execute(query).scalars().all(), since=since).values()
    decided = [label for label in labels if label.outcome in DECIDED]
    right = sum(label.outcome == "counterfeit" and label.brand_id in (None, brand_id) for label in decided)
    return Precision(right, len(decided) - right)


def appraised_reference_precision(
    conn: sa.Connection, reference_ids: Sequence[str] | None = None
) -> dict[str, Precision]:
    """The same for references, by every appraised screening in whose evidence one stands; None: all that have any.

    A known fake is wrong where the item is authentic; an official picture or a logo where the item is of another brand,
    as far as the appraiser named one. References without appraisals are there with zeros, if asked for.
    """
    matched = screening_matches.c
    columns = (matched.reference_id, matched.screening_id, matched.kind, matched.brand_id)
    query = sa.select(*columns).where(matched.screening_id.in_(_APPRAISED)).distinct()
    if reference_ids is None:
        rows = conn.execute(query).all()
    else:
        wanted = chunks(set(reference_ids))
        rows = [row for chunk in wanted for row in conn.execute(query.where(matched.reference_id.in_(chunk)))]
    labels = read_labels(conn, screening_ids={row.screening_id for row in rows})
    counts: dict[str, list[int]] = {name: [0, 0] for name in reference_ids or ()}
    for reference_id, screening_id, kind, brand_id in rows:
        if labels[screening_id].outcome in DECIDED:
            wrong = _wrong(kind, brand_id, labels[screening_id])
            if wrong is not None:
                counts.setdefault(reference_id, [0, 0])[wrong] += 1
    return {name: Precision(*pair) for name, pair in counts.items()}


def _wrong(kind: str, brand_id: str, label: Label) -> bool | None:
    """Whether the item makes a reference of a kind wrong; None where it says nothing of it."""
    other = label.brand_id is not None and label.brand_id != brand_id
    if kind == _UNTOLD:
        return None
    if kind == "known_fake":
        return label.outcome == "authentic" or other
    return None if label.brand_id is None else other
