"""A plan as a CSV file for whoever buys: cells that no spreadsheet runs, and that it was taken in the audit log."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from brands import audit
from brands.database import Database
from screener import csv_safe
from screener.appraisals.picked import Picked, picked_items
from screener.spot_checks.model import Pick
from screener.spot_checks.store import read_plan

COLUMNS: Final = (
    "position",
    "spot_check_id",
    "state",
    "screening_id",
    "listing_id",
    "revision",
    "seller_id",
    "title",
    "brand",
    "category",
    "price",
    "verdict",
    "probability",
    "strategy",
    "inclusion",
    "reasons",
    "orders",
    "note",
)


def write_plan(database: Database, plan_id: str, *, actor: str, now: datetime) -> Iterator[str]:
    """The lines of the file, the most useful pick first. Raises NotFound."""
    with database.read() as conn:
        plan = read_plan(conn, plan_id)
        items = picked_items(conn, screening_ids=[pick.screening_id for pick in plan.picks])
    with database.write() as conn:
        audit.append(
            conn,
            actor=actor,
            action="spot_check_plan.export",
            kind="spot_check_plan",
            object_id=plan_id,
            before=None,
            after={"picks": len(plan.picks)},
            at=now,
        )
    return csv_safe.lines(COLUMNS, itertools.starmap(_row, zip(plan.picks, items, strict=True)))


def _row(pick: Pick, item: Picked) -> tuple[object, ...]:
    return (
        pick.position,
        pick.id,
        pick.state,
        pick.screening_id,
        item.listing_id,
        item.revision,
        item.seller_id,
        item.title,
        item.brand,
        item.category,
        item.price,
        item.verdict,
        pick.reasons["facts"]["probability"],
        pick.strategy,
        pick.inclusion,
        " ".join(pick.reasons["words"]),
        pick.orders,
        pick.note,
    )
