"""Finds mentions of a brand or a seller in kept JSON and in the audit log, and takes them out of JSON."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from brands.columns import canonical_json
from brands.schema import audit as audit_rows


def without(value: Any, is_mention: Callable[[Any], bool]) -> Any:
    """The JSON value without the list entries and object members whose value `is_mention`, at any depth."""
    if isinstance(value, dict):
        return {name: without(inner, is_mention) for name, inner in value.items() if not is_mention(inner)}
    if isinstance(value, list):
        return [without(inner, is_mention) for inner in value if not is_mention(inner)]
    return value


def contains(column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    """SQL for: the column's JSON has `text` as one of its strings (or as a member's name)."""
    return sa.type_coerce(column, sa.Text).contains(canonical_json(text), autoescape=True)


def audit_mentions(connection: sa.Connection, text: str) -> list[int]:
    """The numbers of the rows of the audit log whose words have `text` as one of their strings."""
    query = sa.select(audit_rows.c.sequence).where(
        sa.or_(contains(audit_rows.c.before, text), contains(audit_rows.c.after, text))
    )
    return list(connection.execute(query.order_by(audit_rows.c.sequence)).scalars())
