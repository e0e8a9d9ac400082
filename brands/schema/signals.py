"""What buyers say of items: complaints, return reasons, reviews, and where they come in bursts."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from brands.columns import UtcTime
from brands.model import BURST_SUBJECTS, SIGNALS
from brands.schema.base import brand_id, metadata, one_of

buyer_signals = Table(
    "buyer_signals",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("kind", sa.Text, nullable=False),
    Column("external_id", sa.Text, unique=True),  # the marketplace's own: the same signal is taken once
    Column("listing_id", sa.Text, nullable=False),
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), index=True),  # the listing's latest then
    Column("seller_id", sa.Text),
    brand_id(nullable=True),
    Column("category", sa.Text),
    Column("product", sa.Text),
    Column("text", sa.Text, nullable=False),
    Column("language", sa.Text, nullable=False),
    Column("suspicion", sa.Float, nullable=False),  # that the text suspects a counterfeit, 0 to 1
    Column("suspected", sa.Boolean, nullable=False),
    Column("classifier", sa.Text, nullable=False),
    Column("occurred_at", UtcTime, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    one_of("kind", SIGNALS),
    Index(None, "listing_id"),
    Index(None, "seller_id", "occurred_at"),
    Index(None, "brand_id", "occurred_at"),
    Index(None, "suspected", "occurred_at"),
)

# More suspicions about a brand, a seller or a category than chance brings.
bursts = Table(
    "bursts",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("kind", sa.Text, nullable=False),
    Column("subject", sa.Text, nullable=False),  # a brand's id, a seller's id or a category
    Column("number", sa.Integer, nullable=False),
    Column("expected", sa.Float, nullable=False),
    Column("chance", sa.Float, nullable=False),  # of so many or more, were they as frequent as usual
    Column("begins_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    one_of("kind", BURST_SUBJECTS),
    Index(None, "kind", "subject", "begins_at", unique=True),
    Index(None, "ends_at"),
)
