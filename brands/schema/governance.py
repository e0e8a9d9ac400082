"""What references would match, how far brands are trusted, and what people should know of it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from brands.columns import CanonicalJson, UtcTime
from brands.model import STANDINGS
from brands.schema.base import brand_id, metadata, one_of

# What a reference would have matched, as it was last measured (`screener.governance.impact`).
reference_impacts = Table(
    "reference_impacts",
    metadata,
    Column("reference_id", sa.Text, sa.ForeignKey("references.id"), primary_key=True),
    Column("encoder_id", sa.Text, nullable=False),
    Column("passed", sa.Boolean, nullable=False),
    Column("impact", CanonicalJson, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

# How far a brand is trusted, by what people decided about its matches (`screener.governance.standing`).
standings = Table(
    "standings",
    metadata,
    brand_id(primary_key=True),
    Column("standing", sa.Text, nullable=False),
    Column("right", sa.Integer, nullable=False),
    Column("wrong", sa.Integer, nullable=False),
    Column("since", UtcTime, nullable=False),
    one_of("standing", STANDINGS),
)

# What a brand, or the operator (no brand), should know without having asked.
notices = Table(
    "notices",
    metadata,
    Column("id", sa.Text, primary_key=True),
    brand_id(nullable=True),
    Column("code", sa.Text, nullable=False),
    Column("object_id", sa.Text, nullable=False),
    Column("details", CanonicalJson, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("read_at", UtcTime),
    Index(None, "brand_id", "id"),
)
