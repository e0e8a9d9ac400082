"""Appraisals in the database: lists of them are stored whole or not at all, and a mistaken one is withdrawn."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from brands import audit, checks
from brands.errors import Conflict, Invalid, NotFound
from brands.ids import is_id, new_id
from brands.model import APPRAISALS, AppraisalSource
from brands.schema import appraisals, screenings, spot_checks
from screener.appraisals.checking import Findings, Placed, check_named, checked
from screener.appraisals.model import MOST, Appraisal, AppraisalsRefused, NewAppraisal, Place, Problem
from screener.appraisals.resolve import Item, Known, chunks, read_items
from screener.webhooks.outbox import emit

_MICROSECOND = timedelta(microseconds=1)
_NAMES = tuple(field.name for field in fields(Appraisal))
_TOLD_BY_THE_ROW = frozenset({"id", "created_at", "created_by"})


def add(
    conn: sa.Connection,
    news: Sequence[NewAppraisal],
    *,
    actor: str,
    now: datetime,
    source: AppraisalSource = "api",
) -> tuple[Appraisal, ...]:
    """Stores all of a list or, raising AppraisalsRefused with every problem of it, nothing; an empty one is nothing.

    Spot checks that waited for one of the items are then appraised. Two appraisers may differ: both are kept, and the
    item's label (`screener.appraisals.labels`) is `conflict`.
    """
    placed = [Placed(Place(n + 1, f"appraisals[{n}]"), new) for n, new in enumerate(news)]
    return add_placed(conn, placed, actor=actor, now=now, source=source)


def add_placed(
    conn: sa.Connection,
    placed: Sequence[Placed],
    *,
    actor: str,
    now: datetime,
    source: AppraisalSource,
    import_id: str | None = None,
    problems: Sequence[Problem] = (),
) -> tuple[Appraisal, ...]:
    """The same for a list whose entries stood somewhere; `problems` are those that were found on the way here."""
    actor = checks.checked_actor(actor)
    if len(placed) > MOST:
        raise Invalid(f"A list may have at most {MOST} appraisals.", code="too_many", field="appraisals")
    audit.lock(conn)  # what is looked up below stays true until the transaction ends
    known, findings = Known(conn, [one.new for one in placed]), Findings(problems)
    rows: list[Appraisal] = []
    items: dict[str, Item] = {}
    for number, one in enumerate(placed):
        values = checked(findings, one.new, one.place, now)
        item = findings.attempt(one.place, "screening_id", partial(_item, known, one.new))
        brand = findings.attempt(one.place, "brand", partial(known.brand, one.new))
        if item is not None and (name := values["appraiser"]) is not None:
            findings.attempt(one.place, "appraiser", partial(known.take, item, name))
        if findings.problems or item is None:
            continue
        items[item.id] = item
        rows.append(
            Appraisal(
                id=new_id("apr", now + number * _MICROSECOND),  # so that ids keep the order of the list
                screening_id=item.id,
                brand_id=brand,
                source=source,
                import_id=import_id,
                withdrawn_at=None,
                withdrawn_by=None,
                withdrawn_reason=None,
                created_at=now,
                created_by=actor,
                **values,
            )
        )
    if findings.problems:
        raise AppraisalsRefused(findings.problems)
    if rows:
        _write(conn, rows, items, actor, now)
    return tuple(rows)


def _item(known: Known, new: NewAppraisal) -> Item:
    check_named(new)
    return known.item(new)


def withdraw(conn: sa.Connection, appraisal_id: str, *, reason: str, actor: str, now: datetime) -> Appraisal:
    """Takes a mistaken appraisal out of all that counts; its row stays, and its appraiser may appraise the item anew.

    A spot check whose only result it was waits for one again. Raises NotFound, Invalid, Conflict (`illegal_state`).
    """
    reason = checks.checked_text(reason, "reason", checks.REASON_MAX, lines=True)
    if not reason:
        raise Invalid("Say what was wrong with it.", code="reason_needed", field="reason")
    actor = checks.checked_actor(actor)
    audit.lock(conn)
    before = get(conn, appraisal_id)
    if before.withdrawn_at is not None:
        raise Conflict("The appraisal was withdrawn before.", code="illegal_state")
    values = {"withdrawn_at": now, "withdrawn_by": actor, "withdrawn_reason": reason}
    conn.execute(sa.update(appraisals).where(appraisals.c.id == appraisal_id).values(**values))
    after = get(conn, appraisal_id)
    left = sa.select(appraisals.c.id).where(
        appraisals.c.screening_id == before.screening_id, appraisals.c.withdrawn_at.is_(None)
    )
    changes = [audit.Change(actor, "appraisal.withdraw", "appraisal", appraisal_id, record(before), record(after), now)]
    if conn.execute(left.limit(1)).first() is None:
        changes += _move_checks(conn, [before.screening_id], ("appraised",), "ordered", actor, now)
    _touch(conn, [before.screening_id], now)
    audit.append_all(conn, changes)
    _tell(conn, after, read_items(conn, [after.screening_id])[after.screening_id], now)
    return after


def get(conn: sa.Connection, appraisal_id: str) -> Appraisal:
    """The appraisal with this id. Raises NotFound."""
    query = sa.select(appraisals).where(appraisals.c.id == appraisal_id)
    row = conn.execute(query).one_or_none() if is_id(appraisal_id) else None
    if row is None:
        raise NotFound
    return Appraisal(**row._mapping)


def list_appraisals(
    conn: sa.Connection,
    *,
    screening_id: str | None = None,
    listing_id: str | None = None,
    brand_id: str | None = None,
    outcome: str | None = None,
    appraiser: str | None = None,
    import_id: str | None = None,
    since: date | None = None,
    until: date | None = None,
    withdrawn: bool | None = None,
    after: str | None = None,
    limit: int = 100,
) -> tuple[Appraisal, ...]:
    """Appraisals in the order in which they came in, those behind the id `after`; None = any.

    `since` and `until` (inclusive) are days of appraisal. Raises Invalid.
    """
    after, limit = checks.checked_page(after, limit)
    if outcome is not None and outcome not in APPRAISALS:
        raise Invalid("The outcome is counterfeit, authentic or inconclusive.", code="invalid_filter", field="outcome")
    for name, text in (("screening_id", screening_id), ("brand_id", brand_id), ("import_id", import_id)):
        if text is not None and not is_id(text):
            raise Invalid("This is no identifier.", code="invalid_filter", field=name)
    for name, text in (("listing_id", listing_id), ("appraiser", appraiser)):
        if text is not None and "\0" in text:
            raise Invalid("NUL is not text.", code="invalid_filter", field=name)
    query = sa.select(appraisals).order_by(appraisals.c.id).limit(limit)
    equal: Mapping[str, str | None] = {
        "screening_id": screening_id,
        "brand_id": brand_id,
        "outcome": outcome,
        "appraiser": appraiser,
        "import_id": import_id,
    }
    for name, text in equal.items():
        if text is not None:
            query = query.where(appraisals.c[name] == text)
    if listing_id is not None:
        of_listing = sa.select(screenings.c.id).where(screenings.c.listing_id == listing_id)
        query = query.where(appraisals.c.screening_id.in_(of_listing))
    if since is not None:
        query = query.where(appraisals.c.appraised_on >= since)
    if until is not None:
        query = query.where(appraisals.c.appraised_on <= until)
    if withdrawn is not None:
        column = appraisals.c.withdrawn_at
        query = query.where(column.is_not(None) if withdrawn else column.is_(None))
    if after is not None:
        query = query.where(appraisals.c.id > after)
    return tuple(Appraisal(**row._mapping) for row in conn.execute(query))


def appraisals_of(conn: sa.Connection, screening_ids: Collection[str]) -> dict[str, tuple[Appraisal, ...]]:
    """The appraisals of each screening, the oldest first and withdrawn ones too; those without any are there."""
    found: dict[str, list[Appraisal]] = {screening_id: [] for screening_id in screening_ids}
    for chunk in chunks(found):
        query = sa.select(appraisals).where(appraisals.c.screening_id.in_(chunk)).order_by(appraisals.c.id)
        for row in conn.execute(query):
            found[row.screening_id].append(Appraisal(**row._mapping))
    return {screening_id: tuple(made) for screening_id, made in found.items()}


def record(appraisal: Appraisal) -> dict[str, Any]:
    """The appraisal as JSON for the audit log."""
    row = {name: value for name, value in _columns(appraisal).items() if name not in _TOLD_BY_THE_ROW}
    amount = appraisal.cost_amount
    return {
        **row,
        "cost_amount": None if amount is None else format(amount, "f"),
        "bought_on": appraisal.bought_on and appraisal.bought_on.isoformat(),
        "appraised_on": appraisal.appraised_on.isoformat(),
        "withdrawn_at": appraisal.withdrawn_at and audit.iso(appraisal.withdrawn_at),
    }


def _write(
    conn: sa.Connection, rows: Sequence[Appraisal], items: Mapping[str, Item], actor: str, now: datetime
) -> None:
    conn.execute(sa.insert(appraisals), [_columns(row) for row in rows])
    changes = [audit.Change(actor, "appraisal.add", "appraisal", row.id, None, record(row), now) for row in rows]
    changes += _move_checks(conn, items, ("planned", "ordered"), "appraised", actor, now)
    _touch(conn, items, now)
    audit.append_all(conn, changes)
    for row in rows:
        if not _tell(conn, row, items[row.screening_id], now):
            break  # nobody wants to know


def _columns(appraisal: Appraisal) -> dict[str, Any]:
    """Without the copies that `dataclasses.asdict` makes of every value: they were most of an import's time."""
    return {name: getattr(appraisal, name) for name in _NAMES}


def _tell(conn: sa.Connection, appraisal: Appraisal, item: Item, now: datetime) -> bool:
    """Tells the marketplace, in the transaction of the change, that one was withdrawn too; False if nobody listens."""
    brand_id = appraisal.brand_id or item.brand_id
    told = emit(
        conn,
        "appraisal.recorded",
        {
            "appraisal_id": appraisal.id,
            "screening_id": item.id,
            "listing_id": item.listing_id,
            "revision": item.revision,
            "seller_id": item.seller_id,
            "brand_id": brand_id,
            "outcome": appraisal.outcome,
            "appraised_on": appraisal.appraised_on.isoformat(),
            "withdrawn": appraisal.withdrawn_at is not None,
        },
        at=now,
        seller_id=item.seller_id,
        brand_id=brand_id,
        screening_id=item.id,
    )
    return told is not None


def _touch(conn: sa.Connection, screening_ids: Collection[str], now: datetime) -> None:
    """What was appraised is kept as long as what was decided."""
    for chunk in chunks(screening_ids):
        conn.execute(sa.update(screenings).where(screenings.c.id.in_(chunk)).values(last_event_at=now))


def _move_checks(
    conn: sa.Connection, screening_ids: Collection[str], states: Sequence[str], to: str, actor: str, now: datetime
) -> list[audit.Change]:
    """Takes the spot checks of these screenings from one of `states` on; gives what the audit log says of it."""
    changes = []
    for chunk in chunks(screening_ids):
        chosen = sa.and_(spot_checks.c.screening_id.in_(chunk), spot_checks.c.state.in_(states))
        query = sa.select(spot_checks.c.id, spot_checks.c.state).where(chosen).order_by(spot_checks.c.id)
        for identifier, state in conn.execute(query).all():
            changes.append(
                audit.Change(actor, f"spot_check.{to}", "spot_check", identifier, {"state": state}, {"state": to}, now)
            )
        conn.execute(sa.update(spot_checks).where(chosen).values(state=to, updated_at=now, updated_by=actor))
    return changes
