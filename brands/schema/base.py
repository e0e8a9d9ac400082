"""The metadata that every table is part of, and columns that many have."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def one_of(column: str, words: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def brand_id(*, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column("brand_id", sa.Text, sa.ForeignKey("brands.id"), primary_key=primary_key, nullable=nullable)
