"""Makes a plan: reads the population, draws from it, and stores the picks if nothing came in between."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from brands import audit
from brands.database import Database
from brands.errors import Conflict, Invalid
from brands.ids import new_id
from brands.schema import screenings, spot_check_plans, spot_checks
from screener.spot_checks.design import draw, make_design
from screener.spot_checks.model import Asked, Filters, Plan, Population, Shares
from screener.spot_checks.population import read_population, taken_listings
from screener.spot_checks.reasons import reasons_of
from screener.spot_checks.store import read_plan

DAYS: Final = 30
"""Of a window that nobody gave."""
SEED_MAX: Final = 2**62
_TRIES: Final = 3
_AT_ONCE: Final = 500


def plan(
    database: Database,
    *,
    budget: int,
    actor: str,
    now: datetime,
    seed: int | None = None,
    window: timedelta = timedelta(days=DAYS),
    filters: Filters | None = None,
    shares: Shares | None = None,
) -> Plan:
    """Draws up to `budget` listings out of those screened last in the `window` before `now`, and stores them.

    The same seed, on the same screenings with the same ones taken, gives the same picks; without a seed one is drawn.
    Fewer are picked where fewer are left that are no near-duplicates.

    Raises
    ------
    Invalid
        for parameters that make no sense
    Conflict
        when no listing is left to pick (`nothing_to_check`), or others plan the same ones at the same time
    """
    asked = Asked(budget, now - window, now, filters or Filters(), shares or Shares()).checked()
    seed = secrets.randbelow(SEED_MAX) if seed is None else seed
    if not 0 <= seed <= SEED_MAX:
        raise Invalid("A seed is a number of 0 or more.", field="seed")
    for _ in range(_TRIES):
        # Read and drawn without the writers' lock, which is what takes seconds.
        with database.read() as conn:
            population, taken = read_population(conn, asked)
        if not len(population):
            raise Conflict("No listing of this time is left to check.", code="nothing_to_check")
        parameters, picks = _drawn(population, taken, asked, seed)
        with database.write() as conn:
            audit.lock(conn)
            if _still_free(conn, [pick["screening_id"] for pick in picks]):
                return _stored(conn, asked, seed, len(population), parameters, picks, actor, now)
    raise Conflict("Others plan the same listings; try again.", code="plans_collide")


def _drawn(
    population: Population, taken: tuple[str, ...], asked: Asked, seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The plan's parameters and its picks, the most useful first."""
    design = make_design(population, budget=asked.budget, shares=asked.shares)
    picks = draw(design, np.random.default_rng(seed))
    random = design.strategies.index("random")
    useful = design.inclusion[picks] - design.parts[random, picks]
    picks = picks[np.lexsort((picks, -useful))]
    strategies = [design.strategies[number] for number in design.parts[:, picks].argmax(axis=0).tolist()]
    parameters = {
        **asked.as_json(),
        "strata": [{"prompted": own.prompted, "listings": own.listings} for own in design.strata],
        "taken": list(taken),
    }
    rows = [
        {
            "screening_id": population.ids[row],
            "position": position,
            "strategy": strategies[position],
            "inclusion": round(min(float(design.inclusion[row]), 1.0), 12),
            "reasons": why,
        }
        for position, (row, why) in enumerate(zip(picks.tolist(), reasons_of(population, design, picks), strict=True))
    ]
    return parameters, rows


def _still_free(conn: sa.Connection, screening_ids: list[str]) -> bool:
    """Whether the picked screenings are all there, and none of their listings was taken meanwhile."""
    taken = taken_listings(conn)
    found: list[str] = []
    for start in range(0, len(screening_ids), _AT_ONCE):
        query = sa.select(screenings.c.listing_id).where(screenings.c.id.in_(screening_ids[start : start + _AT_ONCE]))
        found += conn.execute(query).scalars()
    return len(found) == len(screening_ids) and taken.isdisjoint(found)


def _stored(
    conn: sa.Connection,
    asked: Asked,
    seed: int,
    population: int,
    parameters: dict[str, Any],
    picks: list[dict[str, Any]],
    actor: str,
    now: datetime,
) -> Plan:
    plan_id = new_id("pln", now)
    said = {"budget": asked.budget, "seed": seed, "population": population}
    conn.execute(
        sa.insert(spot_check_plans).values(
            id=plan_id, **said, parameters=parameters, created_at=now, created_by=actor, cancelled_at=None
        )
    )
    conn.execute(
        sa.insert(spot_checks),
        [
            {
                **pick,
                "id": new_id("spc", now + timedelta(microseconds=pick["position"])),
                "plan_id": plan_id,
                "state": "planned",
                "note": "",
                "orders": None,
                "updated_at": now,
                "updated_by": actor,
            }
            for pick in picks
        ],
    )
    audit.append(
        conn,
        actor=actor,
        action="spot_check_plan.add",
        kind="spot_check_plan",
        object_id=plan_id,
        before=None,
        after={**said, "picks": len(picks), **asked.as_json()},
        at=now,
    )
    return read_plan(conn, plan_id)
