"""How often references and brands were right, by what people decided last about the screenings that they led to."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

import sqlalchemy as sa

from brands.schema import reviews, screening_matches

WRONG: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "authentic": frozenset({"not_this_brand"}),
        "logo": frozenset({"not_this_brand"}),
        "known_fake": frozenset({"authentic", "not_this_brand"}),
        "negative": frozenset({"authentic", "counterfeit"}),
    }
)
"""The outcomes that make a reference of a kind wrong: an official picture or a logo says which brand is shown, a known
fake that the item is one, a negative that it is not of the brand."""
_AT_ONCE: Final = 500
_Z95: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Precision:
    """Decided screenings in which something was right and wrong; those that people were unsure about are in neither."""

    right: int = 0
    wrong: int = 0

    @property
    def decided(self) -> int:
        """Right and wrong together."""
        return self.right + self.wrong

    @property
    def share(self) -> float | None:
        """Right of decided, None without any."""
        return self.right / self.decided if self.decided else None

    @property
    def lower(self) -> float:
        """Lower end of the 95 % interval."""
        return interval(self.right, self.decided)[0]

    @property
    def upper(self) -> float:
        """Upper end of the 95 % interval."""
        return interval(self.right, self.decided)[1]


def interval(right: int, decided: int, z: float = _Z95) -> tuple[float, float]:
    """Wilson's score interval of a share (E. B. Wilson, JASA 1927): (0, 1) where nothing was decided.

    `z` is the normal quantile, 1.96 for 95 % on both sides. It keeps its promise for few decisions and for shares at
    either end, where the usual interval has no width.
    """
    if decided == 0:
        return 0.0, 1.0
    share = right / decided
    middle = share + z * z / (2 * decided)
    half = z * math.sqrt(share * (1 - share) / decided + z * z / (4 * decided * decided))
    scale = 1 + z * z / decided
    return max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0)


def reference_precision(conn: sa.Connection, reference_ids: Sequence[str]) -> dict[str, Precision]:
    """The precision of each reference, by the latest decision of every screening in whose evidence it stands.

    `WRONG` has what makes which kind wrong; `unsure` counts for neither. References without decisions are there with
    zeros.
    """
    matched = screening_matches.c
    found = {reference_id: [0, 0] for reference_id in reference_ids}
    wanted = sorted(found)
    for start in range(0, len(wanted), _AT_ONCE):
        query = (
            sa.select(
                matched.reference_id, matched.kind, matched.outcome, sa.func.count(sa.distinct(matched.screening_id))
            )
            .where(
                matched.reference_id.in_(wanted[start : start + _AT_ONCE]),
                matched.outcome.is_not(None),
                matched.outcome != "unsure",
            )
            .group_by(matched.reference_id, matched.kind, matched.outcome)
        )
        for reference_id, kind, outcome, number in conn.execute(query):
            found[reference_id][outcome in WRONG[kind]] += number
    return {reference_id: Precision(*counts) for reference_id, counts in found.items()}


def brand_precision(conn: sa.Connection, brand_id: str, since: datetime | None = None) -> Precision:
    """Of the brand's prompted screenings decided since a time (None: ever): counterfeits are right; authentic items,
    and those of another brand, are wrong."""
    query = sa.select(reviews.c.outcome, sa.func.count().label("number")).where(
        reviews.c.brand_id == brand_id, reviews.c.decided_at.is_not(None), reviews.c.outcome != "unsure"
    )
    if since is not None:
        query = query.where(reviews.c.decided_at >= since)
    counts = {row.outcome: row.number for row in conn.execute(query.group_by(reviews.c.outcome))}
    return Precision(counts.get("counterfeit", 0), counts.get("authentic", 0) + counts.get("not_this_brand", 0))
