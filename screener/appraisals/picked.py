"""The items that people are to appraise: those of open spot checks, or those of certain screenings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from brands import checks
from brands.errors import Invalid
from brands.ids import is_id
from brands.schema import brands, screenings, spot_checks
from screener.appraisals.resolve import chunks

OPEN: Final = ("planned", "ordered")


@dataclass(frozen=True, slots=True)
class Picked:
    """An item to buy and examine; `brand` is the name of the recognised one."""

    screening_id: str
    listing_id: str
    revision: int
    seller_id: str
    title: str
    category: str | None
    price: str
    brand: str | None
    verdict: str
    pictures: int


INFO: Final = ("title", "brand", "category", "price", "seller_id")
"""What a table shows to people beside what they fill in."""


def picked_items(
    conn: sa.Connection, *, plan_id: str | None = None, screening_ids: Collection[str] | None = None
) -> tuple[Picked, ...]:
    """The items of the open spot checks (of one plan, or of all), or of `screening_ids`, each once.

    Raises Invalid.
    """
    if plan_id is not None and not is_id(plan_id):
        raise Invalid("This is no identifier.", code="invalid_filter", field="plan_id")
    if screening_ids is not None:
        wanted = dict.fromkeys(screening_ids)
    else:
        query = sa.select(spot_checks.c.screening_id).where(spot_checks.c.state.in_(OPEN))
        if plan_id is not None:
            query = query.where(spot_checks.c.plan_id == plan_id)
        ordered = query.order_by(spot_checks.c.plan_id, spot_checks.c.position)
        wanted = dict.fromkeys(conn.execute(ordered).scalars())
    found: dict[str, Picked] = {}
    columns = (screenings.c[name] for name in ("id", "listing_id", "revision", "seller_id", "category", "verdict"))
    rows = sa.select(*columns, screenings.c.request, screenings.c.answer, brands.c.name.label("brand")).outerjoin(
        brands, brands.c.id == screenings.c.brand_id
    )
    for chunk in chunks(wanted):
        for row in conn.execute(rows.where(screenings.c.id.in_(chunk))):
            found[row.id] = Picked(
                screening_id=row.id,
                listing_id=row.listing_id,
                revision=row.revision,
                seller_id=row.seller_id,
                title=row.request.get("title", ""),
                category=row.category,
                price=_price(row.request.get("price")),
                brand=row.brand,
                verdict=row.verdict,
                pictures=len(row.answer["images"]),
            )
    missing = [name for name in wanted if name not in found]
    if missing and screening_ids is not None:
        raise Invalid("Nothing with this id was screened.", code="unknown_screening", field="screening_id")
    return tuple(found[name] for name in wanted if name in found)


def table_row(item: Picked) -> dict[str, object]:
    """The row of an item for `screener.appraisals.csv_file.write_csv`; the results are for people to fill in."""
    shown = {f"info_{name}": getattr(item, name) for name in INFO}
    return {"screening_id": item.screening_id, "brand": item.brand, **shown}


def brand_choices(conn: sa.Connection) -> tuple[tuple[str, str], ...]:
    """Id and name of every active brand, by name."""
    query = sa.select(brands.c.id, brands.c.name).where(brands.c.state == "active").order_by(brands.c.name_key)
    return tuple((row.id, row.name) for row in conn.execute(query).all()[: checks.SELLERS_MAX])


def _price(price: Any) -> str:
    return f"{price['amount']} {price['currency']}" if price else ""
