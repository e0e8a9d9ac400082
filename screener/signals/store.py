"""Buyers' signals in the database: taken once, read when they come, forgotten when their time is over."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from brands import audit, checks
from brands.errors import Invalid
from brands.ids import is_id, new_id
from brands.model import SIGNALS, SignalKind
from brands.schema import brands, buyer_signals, legal_holds, reviews, screenings
from screener.errors import IdempotencyMismatch
from screener.review.value import signalled
from screener.signals.about import Reading, TextReader, brand_of, product_in

TEXT_MAX: Final = 5_000
ID_MAX: Final = 200
AT_ONCE: Final = 100
"""Signals in one request."""
_AHEAD: Final = timedelta(days=1)
"""How far a marketplace's clock may go ahead."""
_OLDEST: Final = timedelta(days=3650)
_FORGOTTEN_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class NewSignal:
    """What a marketplace tells: a buyer's words about a listing. `external_id` is its own; None takes it every time."""

    kind: str
    listing_id: str
    text: str
    external_id: str | None = None
    seller_id: str | None = None
    language: str | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal as it is kept; `suspicion` and `suspected` are the classifier's, `screening_id` the listing's latest."""

    id: str
    kind: SignalKind
    external_id: str | None
    listing_id: str
    screening_id: str | None
    seller_id: str | None
    brand_id: str | None
    category: str | None
    product: str | None
    text: str
    language: str
    suspicion: float
    suspected: bool
    classifier: str
    occurred_at: datetime
    created_at: datetime
    created_by: str


def checked(new: NewSignal, now: datetime, field: str = "") -> NewSignal:
    """A signal that may be stored; `field` goes before the names of the fields at fault. Raises Invalid."""
    if new.kind not in SIGNALS:
        raise Invalid("The kind is complaint, return or review.", code="invalid_kind", field=f"{field}kind")
    text = checks.checked_text(new.text, f"{field}text", TEXT_MAX, lines=True)
    if not text:
        raise Invalid("The text is empty.", code="empty_text", field=f"{field}text")
    if new.occurred_at is not None and not now - _OLDEST < new.occurred_at < now + _AHEAD:
        raise Invalid("The time is to come, or too long ago.", code="invalid_time", field=f"{field}occurred_at")
    ids = {}
    for name in ("listing_id", "external_id", "seller_id"):
        value = getattr(new, name)
        ids[name] = None if value is None else checks.checked_word(value, f"{field}{name}", ID_MAX)
    language = new.language and checks.checked_word(new.language, f"{field}language", 35)
    assert ids["listing_id"] is not None
    return NewSignal(new.kind, ids["listing_id"], text, ids["external_id"], ids["seller_id"], language, new.occurred_at)


def read_all(reader: TextReader, news: Sequence[NewSignal]) -> list[Reading]:
    """Reads the texts, which takes about a millisecond each; before the writers' lock is taken."""
    return [reader.read(new.text, language=new.language) for new in news]


def add(
    conn: sa.Connection,
    news: Sequence[NewSignal],
    readings: Sequence[Reading],
    *,
    actor: str,
    now: datetime,
    field: str = "",
) -> tuple[Signal, ...]:
    """Stores checked signals with what was read in them, all or none; one that is there already is given again.

    A suspected one makes the open cases of its listing due earlier (`screener.review.value.signalled`), and changes
    nothing else. `field` is a format of the place in the list. Raises IdempotencyMismatch: the same `external_id` with
    other words, kind or listing.
    """
    audit.lock(conn)
    found: list[Signal] = []
    changes: list[audit.Change] = []
    for number, (new, reading) in enumerate(zip(news, readings, strict=True)):
        earlier = _earlier(conn, new)
        if earlier is not None:
            if not _is_same(earlier, new):
                raise IdempotencyMismatch(
                    "This external id was used for another signal.", field=f"{field.format(number)}external_id"
                )
            found.append(earlier)
            continue
        signal = _signal(conn, new, reading, actor, now, number)
        conn.execute(sa.insert(buyer_signals).values(asdict(signal)))
        if signal.suspected:
            _raise_cases(conn, signal.listing_id)
        changes.append(audit.Change(actor, "signal.add", "signal", signal.id, None, _told(signal), now))
        found.append(signal)
    audit.append_all(conn, changes)
    return tuple(found)


def fetch_page(
    conn: sa.Connection,
    *,
    suspected: bool | None = None,
    kind: SignalKind | None = None,
    brand_id: str | None = None,
    seller_id: str | None = None,
    listing_id: str | None = None,
    category: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: str | None = None,
    limit: int = 50,
) -> tuple[Signal, ...]:
    """Up to `limit` signals in the order in which they came, those behind `after` only. Raises Invalid."""
    after, limit = checks.checked_page(after, limit)
    query = sa.select(buyer_signals).order_by(buyer_signals.c.id).limit(limit)
    if suspected is not None:
        query = query.where(buyer_signals.c.suspected.is_(suspected))
    asked = {"kind": kind, "seller_id": seller_id, "listing_id": listing_id, "category": category}
    for name, value in asked.items():
        if value is not None:
            query = query.where(buyer_signals.c[name] == value if "\0" not in value else sa.false())
    if brand_id is not None:
        query = query.where(buyer_signals.c.brand_id == brand_id if is_id(brand_id) else sa.false())
    if since is not None:
        query = query.where(buyer_signals.c.occurred_at >= since)
    if until is not None:
        query = query.where(buyer_signals.c.occurred_at < until)
    if after is not None:
        query = query.where(buyer_signals.c.id > after)
    return tuple(Signal(**row._mapping) for row in conn.execute(query))


def forget(conn: sa.Connection, *, before: datetime, actor: str, now: datetime) -> int:
    """Deletes up to 500 signals that no screening takes along and that came before a time; how many.

    Those of a listing that was screened go with the screening. A legal hold on the seller or the brand keeps them.
    """
    held = sa.exists().where(
        legal_holds.c.released_at.is_(None),
        sa.or_(
            sa.and_(legal_holds.c.kind == "seller", legal_holds.c.object_id == buyer_signals.c.seller_id),
            sa.and_(legal_holds.c.kind == "brand", legal_holds.c.object_id == buyer_signals.c.brand_id),
        ),
    )
    query = sa.select(buyer_signals.c.id).where(
        buyer_signals.c.screening_id.is_(None), buyer_signals.c.created_at < before, ~held
    )
    if not conn.execute(query.limit(1)).first():
        return 0
    audit.lock(conn)
    ids = list(conn.execute(query.order_by(buyer_signals.c.id).limit(_FORGOTTEN_AT_ONCE)).scalars())
    conn.execute(sa.delete(buyer_signals).where(buyer_signals.c.id.in_(ids)))
    audit.redact(conn, ids)
    reason = {"reason": "retention"}
    audit.append_all(conn, [audit.Change(actor, "signal.expire", "signal", one, None, reason, now) for one in ids])
    return len(ids)


def _earlier(conn: sa.Connection, new: NewSignal) -> Signal | None:
    if new.external_id is None:
        return None
    row = conn.execute(sa.select(buyer_signals).where(buyer_signals.c.external_id == new.external_id)).one_or_none()
    return None if row is None else Signal(**row._mapping)


def _is_same(earlier: Signal, new: NewSignal) -> bool:
    """Whether nothing that is said now differs from what was said then; what is left out was filled in."""
    said = (new.kind, new.listing_id, new.text) == (earlier.kind, earlier.listing_id, earlier.text)
    return said and all(
        getattr(new, name) in (None, getattr(earlier, name)) for name in ("seller_id", "language", "occurred_at")
    )


def _signal(conn: sa.Connection, new: NewSignal, reading: Reading, actor: str, now: datetime, number: int) -> Signal:
    query = (
        sa.select(
            screenings.c.id,
            screenings.c.seller_id,
            screenings.c.brand_id,
            screenings.c.category,
            screenings.c.request,
        )
        .where(screenings.c.listing_id == new.listing_id)
        .order_by(screenings.c.revision.desc(), screenings.c.id.desc())
        .limit(1)
    )
    if new.seller_id is not None:
        query = query.where(screenings.c.seller_id == new.seller_id)
    latest: Any = conn.execute(query).one_or_none()
    return Signal(
        id=new_id("sig", now + timedelta(microseconds=number)),  # so that ids keep the order of a request
        kind=new.kind,  # type: ignore[arg-type]  # `checked` compared it with SIGNALS
        external_id=new.external_id,
        listing_id=new.listing_id,
        screening_id=latest.id if latest else None,
        seller_id=new.seller_id or (latest.seller_id if latest else None),
        brand_id=_known(conn, brand_of(reading.brands, latest.brand_id if latest else None)),
        category=latest.category if latest else None,
        product=reading.product or (product_in(latest.request["title"]) if latest else None),
        text=new.text,
        language=reading.language,
        suspicion=reading.opinion.suspicion,
        suspected=reading.opinion.suspected,
        classifier=reading.classifier,
        occurred_at=new.occurred_at or now,
        created_at=now,
        created_by=actor,
    )


def _known(conn: sa.Connection, brand_id: str | None) -> str | None:
    """The brand, unless it was erased while the text was read by what was served a moment ago."""
    if brand_id is None:
        return None
    return conn.execute(sa.select(brands.c.id).where(brands.c.id == brand_id)).scalar_one_or_none()


def _raise_cases(conn: sa.Connection, listing_id: str) -> None:
    """Makes a listing's open cases as heavy as its suspicions make them; the newest one is counted already."""
    own = sa.and_(buyer_signals.c.listing_id == listing_id, buyer_signals.c.suspected)
    number = conn.execute(sa.select(sa.func.count()).select_from(buyer_signals).where(own)).scalar_one()
    factor = signalled(number) / signalled(number - 1)
    if factor != 1.0:
        cases = sa.select(screenings.c.id).where(screenings.c.listing_id == listing_id)
        conn.execute(
            sa.update(reviews)
            .where(reviews.c.screening_id.in_(cases), reviews.c.state == "open")
            .values(weight=reviews.c.weight * factor)
        )


def _told(signal: Signal) -> dict[str, Any]:
    """What the audit log says of a signal: not the buyer's words."""
    names = ("kind", "listing_id", "screening_id", "brand_id", "suspicion", "suspected", "classifier")
    return {name: getattr(signal, name) for name in names}
