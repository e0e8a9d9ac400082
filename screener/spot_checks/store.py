"""Plans and picks as they are stored: read, listed, and moved from state to state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from brands import audit, checks
from brands.errors import Conflict, Invalid, NotFound
from brands.ids import is_id
from brands.model import SPOT_CHECK_STATES, SpotCheckState
from brands.schema import spot_check_plans, spot_checks
from screener.spot_checks.model import Pick, Plan

STEPS: Final[Mapping[SpotCheckState, tuple[SpotCheckState, ...]]] = {
    "planned": ("ordered", "cancelled"),
    "ordered": ("planned", "cancelled"),
    "appraised": (),
    "cancelled": (),
}
"""Where people may move a pick to; an appraisal moves it to `appraised` (`screener.appraisals.store`)."""
NOTE_MAX: Final = 2000
ORDERS_MAX: Final = 1_000_000_000
_AT_ONCE: Final = 500


def read_plan(conn: sa.Connection, plan_id: str) -> Plan:
    """A plan with its picks. Raises NotFound."""
    query = sa.select(spot_check_plans).where(spot_check_plans.c.id == plan_id)
    row = conn.execute(query).one_or_none() if is_id(plan_id) else None
    if row is None:
        raise NotFound
    query = sa.select(spot_checks).where(spot_checks.c.plan_id == plan_id).order_by(spot_checks.c.position)
    picks = tuple(Pick(**own._mapping) for own in conn.execute(query))
    return Plan(**row._mapping, counts=_counts(conn, [plan_id])[plan_id], picks=picks)


def list_plans(conn: sa.Connection, *, after: str | None = None, limit: int = 50) -> tuple[Plan, ...]:
    """Plans without their picks, the latest first, those behind `after`. Raises Invalid."""
    after, limit = checks.checked_page(after, limit)
    query = sa.select(spot_check_plans).order_by(spot_check_plans.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(spot_check_plans.c.id < after)
    rows = conn.execute(query).all()
    counts = _counts(conn, [row.id for row in rows])
    return tuple(Plan(**row._mapping, counts=counts[row.id]) for row in rows)


def read_pick(conn: sa.Connection, spot_check_id: str) -> Pick:
    """A pick. Raises NotFound."""
    query = sa.select(spot_checks).where(spot_checks.c.id == spot_check_id)
    row = conn.execute(query).one_or_none() if is_id(spot_check_id) else None
    if row is None:
        raise NotFound
    return Pick(**row._mapping)


def set_state(
    conn: sa.Connection,
    spot_check_id: str,
    state: SpotCheckState,
    *,
    note: str | None = None,
    orders: int | None = None,
    actor: str,
    at: datetime,
) -> Pick:
    """Moves a pick to a state, notes why (None: the note stays), and how many orders the listing had.

    An item that is sold out is `cancelled` with a note: the others of its stratum then stand for it. To say the state
    that it has changes only note and orders.

    Raises
    ------
    NotFound
    Invalid
        for a text or number out of bounds
    Conflict
        when the pick cannot go there (`spot_check_state`)
    """
    if note is not None and (len(note) > NOTE_MAX or "\0" in note):
        raise Invalid(f"A note has at most {NOTE_MAX:,} characters.", field="note")
    if orders is not None and not 0 <= orders <= ORDERS_MAX:
        raise Invalid("Orders are a number of 0 or more.", field="orders")
    audit.lock(conn)
    before = read_pick(conn, spot_check_id)
    if state != before.state and state not in STEPS[before.state]:
        raise Conflict(f"An item that is {before.state} cannot be {state}.", code="spot_check_state", field="state")
    values: dict[str, Any] = {"state": state}
    if note is not None:
        values["note"] = note
    if orders is not None:
        values["orders"] = orders
    _change(conn, [before], values, actor, at)
    return read_pick(conn, spot_check_id)


def cancel_plan(conn: sa.Connection, plan_id: str, *, note: str = "", actor: str, at: datetime) -> Plan:
    """Cancels a plan and every pick that is not ordered yet; what was ordered goes on, and results still count.

    Raises NotFound, Invalid, and Conflict when it was cancelled before (`plan_cancelled`).
    """
    if len(note) > NOTE_MAX or "\0" in note:
        raise Invalid(f"A note has at most {NOTE_MAX:,} characters.", field="note")
    audit.lock(conn)
    before = read_plan(conn, plan_id)
    if before.cancelled_at is not None:
        raise Conflict("The plan was cancelled before.", code="plan_cancelled")
    conn.execute(sa.update(spot_check_plans).where(spot_check_plans.c.id == plan_id).values(cancelled_at=at))
    audit.append(
        conn,
        actor=actor,
        action="spot_check_plan.cancel",
        kind="spot_check_plan",
        object_id=plan_id,
        before=None,
        after={"note": note},
        at=at,
    )
    planned = [pick for pick in before.picks if pick.state == "planned"]
    _change(conn, planned, {"state": "cancelled", "note": note}, actor, at)
    return read_plan(conn, plan_id)


def _change(conn: sa.Connection, picks: Sequence[Pick], values: Mapping[str, Any], actor: str, at: datetime) -> None:
    """The same values for each of the picks, with an audit row each."""
    for start in range(0, len(picks), _AT_ONCE):
        ids = [pick.id for pick in picks[start : start + _AT_ONCE]]
        conn.execute(
            sa.update(spot_checks).where(spot_checks.c.id.in_(ids)).values(**values, updated_at=at, updated_by=actor)
        )
    audit.append_all(
        conn,
        [
            audit.Change(
                actor,
                f"spot_check.{values['state']}",
                "spot_check",
                pick.id,
                {name: getattr(pick, name) for name in values},
                dict(values),
                at,
            )
            for pick in picks
        ],
    )


def _counts(conn: sa.Connection, plan_ids: Sequence[str]) -> dict[str, dict[SpotCheckState, int]]:
    found: dict[str, dict[SpotCheckState, int]] = {name: dict.fromkeys(SPOT_CHECK_STATES, 0) for name in plan_ids}
    query = (
        sa.select(spot_checks.c.plan_id, spot_checks.c.state, sa.func.count())
        .where(spot_checks.c.plan_id.in_(plan_ids))
        .group_by(spot_checks.c.plan_id, spot_checks.c.state)
    )
    for plan_id, state, count in conn.execute(query):
        found[plan_id][state] = count
    return found
