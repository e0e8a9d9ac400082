"""Brands as rows: reading them with their words and sellers, writing them, and the version that matching watches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from brands.ids import is_id
from brands.model import AuthorisedSeller, Brand, BrandDetails, CategoryPrice, Price
from brands.schema import (
    authorised_sellers,
    brand_aliases,
    brand_categories,
    brand_wordmarks,
    brands,
    reference_prices,
    registry_state,
)

_WORDS = {"aliases": brand_aliases, "wordmarks": brand_wordmarks, "categories": brand_categories}


def bump_version(conn: Connection) -> None:
    """Counts a change that matters to matching; call it in the transaction of the change."""
    conn.execute(sa.update(registry_state).values(version=registry_state.c.version + 1))


def read_version(conn: Connection) -> int:
    """The number of changes so far that matter to matching."""
    return int(conn.execute(sa.select(registry_state.c.version)).scalar_one())


def fetch(conn: Connection, brand_id: str) -> Brand | None:
    """The brand with this id."""
    if not is_id(brand_id):
        return None
    found = _assemble(conn, conn.execute(sa.select(brands).where(brands.c.id == brand_id)).all())
    return found[0] if found else None


def fetch_named(conn: Connection, key: str) -> Brand | None:
    """The brand whose `brands.spelling.name_key` is `key`."""
    found = _assemble(conn, conn.execute(sa.select(brands).where(brands.c.name_key == key)).all())
    return found[0] if found else None


def fetch_page(conn: Connection, *, state: str | None, after: str | None, limit: int) -> tuple[Brand, ...]:
    """Up to `limit` brands by id, those with an id above `after` only."""
    query = sa.select(brands).order_by(brands.c.id).limit(limit)
    if state is not None:
        query = query.where(brands.c.state == state)
    if after is not None:
        query = query.where(brands.c.id > after)
    return _assemble(conn, conn.execute(query).all())


def insert(conn: Connection, brand: Brand, key: str) -> None:
    """Writes a new brand; `key` is the `name_key` of its name."""
    conn.execute(sa.insert(brands).values(id=brand.id, created_at=brand.created_at, **_columns(brand, key)))
    _write_lists(conn, brand.id, brand.details)


def replace(conn: Connection, brand: Brand, key: str) -> None:
    """Writes every column and list of a brand that is there."""
    conn.execute(sa.update(brands).where(brands.c.id == brand.id).values(**_columns(brand, key)))
    for table in (*_WORDS.values(), authorised_sellers, reference_prices):
        conn.execute(sa.delete(table).where(table.c.brand_id == brand.id))
    _write_lists(conn, brand.id, brand.details)


def record(brand: Brand) -> dict[str, Any]:
    """The brand as JSON for the audit log."""
    return {
        "name": brand.name,
        "aliases": list(brand.aliases),
        "wordmarks": list(brand.wordmarks),
        "categories": list(brand.categories),
        "reference_price": brand.reference_price and _amount(brand.reference_price),
        "reference_prices": {category: _amount(price) for category, price in brand.reference_prices},
        "authorised_sellers": [
            {
                "seller_id": seller.seller_id,
                "valid_from": seller.valid_from and seller.valid_from.isoformat(),
                "valid_until": seller.valid_until and seller.valid_until.isoformat(),
            }
            for seller in brand.authorised_sellers
        ],
        "state": brand.state,
        "revision": brand.revision,
    }


def _amount(price: Price) -> dict[str, str]:
    return {"amount": format(price.amount, "f"), "currency": price.currency}


def _columns(brand: Brand, key: str) -> dict[str, Any]:
    price = brand.reference_price
    return {
        "name": brand.name,
        "name_key": key,
        "reference_price_amount": price and price.amount,
        "reference_price_currency": price and price.currency,
        "state": brand.state,
        "revision": brand.revision,
        "updated_at": brand.updated_at,
    }


def _write_lists(conn: Connection, brand_id: str, details: BrandDetails) -> None:
    for name, table in _WORDS.items():
        words: Sequence[str] = getattr(details, name)
        if words:
            rows = [{"brand_id": brand_id, "position": i, "text": word} for i, word in enumerate(words)]
            conn.execute(sa.insert(table), rows)
    if details.reference_prices:
        conn.execute(
            sa.insert(reference_prices),
            [
                {"brand_id": brand_id, "category": category, "amount": price.amount, "currency": price.currency}
                for category, price in details.reference_prices
            ],
        )
    if details.authorised_sellers:
        conn.execute(
            sa.insert(authorised_sellers),
            [
                {
                    "brand_id": brand_id,
                    "position": i,
                    "seller_id": seller.seller_id,
                    "valid_from": seller.valid_from,
                    "valid_until": seller.valid_until,
                }
                for i, seller in enumerate(details.authorised_sellers)
            ],
        )


def _assemble(conn: Connection, rows: Sequence[Row[Any]]) -> tuple[Brand, ...]:
    ids = [row.id for row in rows]
    if not ids:
        return ()
    words = {name: _lists(conn, table, ids) for name, table in _WORDS.items()}
    sellers = _lists(conn, authorised_sellers, ids)
    prices = _prices(conn, ids)
    return tuple(
        Brand(
            id=row.id,
            name=row.name,
            aliases=tuple(text for (text,) in words["aliases"][row.id]),
            wordmarks=tuple(text for (text,) in words["wordmarks"][row.id]),
            categories=tuple(text for (text,) in words["categories"][row.id]),
            reference_price=(
                None
                if row.reference_price_amount is None
                else Price(row.reference_price_amount, row.reference_price_currency)
            ),
            reference_prices=prices[row.id],
            authorised_sellers=tuple(AuthorisedSeller(*seller) for seller in sellers[row.id]),
            state=row.state,
            revision=row.revision,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    )


def _lists(conn: Connection, table: sa.Table, ids: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    """The columns after brand_id and position of the given brands' rows, by brand, in order."""
    query = sa.select(table).where(table.c.brand_id.in_(ids)).order_by(table.c.brand_id, table.c.position)
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for brand_id, _position, *values in conn.execute(query):
        found[brand_id].append(tuple(values))
    return found


def _prices(conn: Connection, ids: Sequence[str]) -> dict[str, tuple[CategoryPrice, ...]]:
    """The prices of the given brands' categories, in the order that `brands.checks` gives them."""
    found: dict[str, list[CategoryPrice]] = defaultdict(list)
    for row in conn.execute(sa.select(reference_prices).where(reference_prices.c.brand_id.in_(ids))):
        found[row.brand_id].append(CategoryPrice(row.category, Price(row.amount, row.currency)))
    # Sorted here: a database sorts text as its locale does.
    return {brand_id: tuple(sorted(found[brand_id], key=lambda price: price.category)) for brand_id in ids}
