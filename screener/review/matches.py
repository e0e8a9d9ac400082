"""What a brand's names and references matched, the latest first, without anything of other brands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from brands import checks
from brands.errors import Invalid
from brands.ids import is_id, new_id
from brands.model import OUTCOMES, REFERENCE_KINDS, Outcome, ReviewState
from brands.schema import reviews, screening_matches, screenings
from screener.errors import ScreeningNotFound
from screener.review import visible
from screener.review.case import Picture, pictures_of
from screener.review.highlight import Text, texts_of
from screener.review.responses import responses_of

VERDICTS = ("clear", "unscreenable", "prompt", "review")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# In the words of the partial indexes, which a parameter would not be.
_NOT_CLEAR: sa.ColumnElement[bool] = sa.literal_column("verdict <> 'clear'")
_RARE_KIND: sa.ColumnElement[bool] = sa.literal_column("kind <> 'authentic'")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which matches are wanted, None for any: `since` (inclusive) and `until` (exclusive) are times of screening.

    `reference_id` and `kind` are of the brand's reference that matched, `outcome` is that of the latest decision.
    """

    verdict: str | None = None
    reference_id: str | None = None
    kind: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """A reference of the brand in the evidence, by its `number` there."""

    number: int
    reference_id: str
    kind: str
    use: str
    score: float
    method: str
    image: int
    frame: int
    box: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A screening that the brand may see.

    `recognised` says that the listing is taken for the brand's goods; only then are there a `probability` and reasons.
    `responses` are the kinds of the seller's answers, the latest last.
    """

    screening_id: str
    at: datetime
    listing_id: str
    revision: int
    seller_id: str
    title: str
    texts: tuple[Text, ...]
    category: str | None
    amount: str | None
    currency: str | None
    verdict: str
    recognised: bool
    probability: float | None
    reasons: tuple[Mapping[str, Any], ...]
    evidence: tuple[Matched, ...]
    pictures: tuple[Picture, ...]
    state: ReviewState | None
    appealed: bool
    outcome: Outcome | None
    decided_at: datetime | None
    responses: tuple[str, ...]

    @property
    def id(self) -> str:
        """The screening's, for pages of lists."""
        return self.screening_id


def checked_asked(asked: Asked) -> Asked:
    """The filters, if there can be such matches. Raises Invalid."""
    for name, value, words in (
        ("verdict", asked.verdict, VERDICTS),
        ("kind", asked.kind, REFERENCE_KINDS),
        ("outcome", asked.outcome, OUTCOMES),
    ):
        if value is not None and value not in words:
            raise Invalid("The filter is none of the words.", code="invalid_filter", field=name)
    if asked.reference_id is not None and not is_id(asked.reference_id):
        raise Invalid("The filter is no identifier.", code="invalid_filter", field="reference_id")
    return asked


def read_matches(
    conn: sa.Connection,
    brand_id: str,
    asked: Asked = Asked(),
    *,
    kept: Callable[[str], bool],
    after: str | None = None,
    limit: int = 50,
) -> tuple[Match, ...]:
    """A page of matches, the latest first, from the one behind the screening `after`; `limit` is 1 to 500.

    Raises Invalid. `kept` tells whether the picture with a SHA-256 is stored.
    """
    after, limit = checks.checked_page(after, limit)
    streams = _streams(brand_id, checked_asked(asked))
    ids: set[str] = set()
    for query, column in streams:
        for condition in _between(column, asked, after):
            query = query.where(condition)
        ids.update(conn.execute(query.order_by(column.desc()).limit(limit)).scalars())
    return _load(conn, brand_id, sorted(ids, reverse=True)[:limit], kept)


def read_match(conn: sa.Connection, brand_id: str, screening_id: str, *, kept: Callable[[str], bool]) -> Match:
    """One match of the brand. Raises ScreeningNotFound, also for a screening that is none of its."""
    found = _load(conn, brand_id, [screening_id], kept) if is_id(screening_id) else ()
    if not found:
        raise ScreeningNotFound("No such match.")
    return found[0]


def every_match(
    pages: Callable[[str | None], Sequence[Match]],
) -> Iterator[Match]:
    """All matches, page by page; `pages` gives those behind a screening."""
    after: str | None = None
    while page := pages(after):
        yield from page
        after = page[-1].screening_id


def _streams(brand_id: str, asked: Asked) -> list[tuple["sa.Select[Any]", "sa.Column[Any]"]]:
    """Queries of the ids of screenings that match, each along an index that has their order."""
    rows = screening_matches.c
    flagged = asked.verdict not in (None, "clear")
    # A reference has few matches beside its brand, which SQLite does not know: the function keeps the brand's indexes
    # out of it, but where those of rare verdicts or outcomes are narrower still.
    own = flagged or asked.outcome is not None or asked.reference_id is None
    owner = rows.brand_id if own else sa.func.coalesce(rows.brand_id, "")
    matched = sa.select(rows.screening_id).where(owner == brand_id).distinct()
    for column, value in (
        (rows.reference_id, asked.reference_id),
        (rows.kind, asked.kind),
        (rows.verdict, asked.verdict),
        (rows.outcome, asked.outcome),
    ):
        if value is not None:
            matched = matched.where(column == value)
    if flagged:
        matched = matched.where(_NOT_CLEAR)
    elif asked.kind not in (None, "authentic"):
        matched = matched.where(_RARE_KIND)
    streams = [(matched, rows.screening_id)]
    if asked.reference_id is not None or asked.kind is not None:
        return streams
    if asked.outcome is not None:
        decided = sa.select(reviews.c.screening_id).where(
            reviews.c.brand_id == brand_id, reviews.c.outcome == asked.outcome
        )
        if asked.verdict is not None:
            decided = decided.join(screenings, screenings.c.id == reviews.c.screening_id).where(
                screenings.c.verdict == asked.verdict
            )
        return [*streams, (decided, reviews.c.screening_id)]
    recognised = sa.select(screenings.c.id).where(screenings.c.brand_id == brand_id)
    if asked.verdict is not None:
        recognised = recognised.where(screenings.c.verdict == asked.verdict)
        if flagged:
            recognised = recognised.where(_NOT_CLEAR)
    return [*streams, (recognised, screenings.c.id)]


def _between(column: "sa.Column[Any]", asked: Asked, after: str | None) -> list[sa.ColumnElement[bool]]:
    """Bounds of the ids, which have the time in them."""
    conditions: list[sa.ColumnElement[bool]] = []
    if after is not None:
        conditions.append(column < after)
    if asked.since is not None:
        conditions.append(column >= first_id(asked.since))
    if asked.until is not None:
        conditions.append(column < first_id(asked.until))
    return conditions


def first_id(at: datetime) -> str:
    """The least id that a screening of this time or later has."""
    return new_id("scr", max(at, _EPOCH), bytes)


def _load(conn: sa.Connection, brand_id: str, ids: Sequence[str], kept: Callable[[str], bool]) -> tuple[Match, ...]:
    names = ("state", "appealed", "outcome", "decided_at")
    query = (
        sa.select(screenings, *(reviews.c[name] for name in names))
        .outerjoin(reviews, reviews.c.screening_id == screenings.c.id)
        .where(screenings.c.id.in_(ids))
        .order_by(screenings.c.id.desc())
    )
    given = responses_of(conn, ids)
    found = [_match(row, brand_id, kept) for row in conn.execute(query) if visible.is_match(row.answer, brand_id)]
    return tuple(
        replace(match, responses=tuple(response.kind for response in given[match.screening_id])) for match in found
    )


def _match(row: "sa.Row[Any]", brand_id: str, kept: Callable[[str], bool]) -> Match:
    answer, request = row.answer, row.request
    recognised = visible.is_recognised(answer, brand_id)
    images = visible.visible_images(answer, brand_id)
    price = request.get("price") or {}
    names = ("reference_id", "kind", "use", "score", "method", "image", "frame")
    return Match(
        screening_id=row.id,
        at=row.created_at,
        listing_id=row.listing_id,
        revision=row.revision,
        seller_id=row.seller_id,
        title=request["title"],
        texts=texts_of(request, visible.own_words(answer, brand_id)),
        category=row.category,
        amount=price.get("amount"),
        currency=price.get("currency"),
        verdict=row.verdict,
        recognised=recognised,
        probability=row.probability if recognised else None,
        reasons=tuple(answer["reasons"]) if recognised else (),
        evidence=tuple(
            Matched(number=number, box=tuple(entry["box"]), **{name: entry[name] for name in names})
            for number, entry in visible.own_evidence(answer, brand_id)
        ),
        pictures=tuple(picture for picture in pictures_of(answer, kept) if picture.position in images),
        state=row.state if recognised else None,
        appealed=bool(row.appealed) if recognised else False,
        outcome=row.outcome,
        decided_at=row.decided_at,
        responses=(),
    )
