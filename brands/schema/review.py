"""Cases, decisions, and what sellers answered."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from brands.columns import UtcTime
from brands.model import OUTCOMES, RESPONSES, REVIEW_STATES
from brands.schema.base import brand_id, metadata, one_of

# Screenings that a person should look at, and who does (`screener.review`).
reviews = Table(
    "reviews",
    metadata,
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), primary_key=True),
    brand_id(nullable=True),
    Column("state", sa.Text, nullable=False),
    Column("appealed", sa.Boolean, nullable=False),
    Column("shown", sa.Boolean, nullable=False, server_default=sa.true()),  # the seller was told, see exposure
    Column("value", sa.Float, nullable=False),  # probability x confidence x price, before age
    Column("weight", sa.Float, nullable=False),  # the value, times what the seller's last response makes of it
    Column("queued_at", UtcTime, nullable=False),
    Column("claimed_by", sa.Text),
    Column("claimed_until", UtcTime),
    Column("outcome", sa.Text),  # of the latest decision
    Column("decided_at", UtcTime),
    one_of("state", REVIEW_STATES),
    Index(None, "state", "queued_at", "screening_id"),
    Index(None, "state", "weight", "screening_id"),
    Index(None, "brand_id", "state"),
    Index(None, "brand_id", "decided_at"),
    Index(None, "brand_id", "outcome", "screening_id"),
    Index(None, "claimed_by"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), nullable=False, index=True),
    Column("outcome", sa.Text, nullable=False),
    Column("notes", sa.Text, nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
    Column("created_by", sa.Text, nullable=False),
    one_of("outcome", OUTCOMES),
)

# What a seller did after the prompt, as the marketplace tells it.
responses = Table(
    "responses",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), nullable=False, index=True),
    Column("kind", sa.Text, nullable=False),
    Column("text", sa.Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    one_of("kind", RESPONSES),
)

response_images = Table(
    "response_images",
    metadata,
    Column("response_id", sa.Text, sa.ForeignKey("responses.id"), primary_key=True),
    Column("position", sa.Integer, primary_key=True, autoincrement=False),
    Column("sha256", sa.Text, nullable=False, index=True),
)
