"""What sellers did and what follows from it, which shops belong together, and listings to be screened once more."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from brands.columns import UtcTime
from brands.model import ACTION_STATES, RESCREEN_REASONS, RESCREEN_STATES, SELLER_EVENTS
from brands.schema.base import brand_id, metadata, one_of

# Shops of one person or company, as the marketplace said it with a listing.
seller_links = Table(
    "seller_links",
    metadata,
    Column("seller_id", sa.Text, primary_key=True),
    Column("linked_id", sa.Text, primary_key=True),
    Column("seen_at", UtcTime, nullable=False),
    Index(None, "linked_id"),
)

# The ledger: what was confirmed about a seller, and what took it back.
seller_events = Table(
    "seller_events",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("seller_id", sa.Text, nullable=False),
    Column("kind", sa.Text, nullable=False),
    brand_id(nullable=True),
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), index=True),
    Column("source", sa.Text, unique=True),  # what it follows from, such as an appraisal's id: it counts once
    Column("severe", sa.Boolean, nullable=False),  # by the policy's rules, or because whoever entered it says so
    Column("points", sa.Integer, nullable=False),
    Column("policy", sa.Text, nullable=False),  # the points policy by which they were given
    Column("counts_until", UtcTime),  # the points' decay, None for never
    Column("reverses", sa.Text, sa.ForeignKey("seller_events.id"), unique=True),
    Column("note", sa.Text, nullable=False),
    Column("occurred_at", UtcTime, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    one_of("kind", SELLER_EVENTS),
    Index(None, "seller_id", "occurred_at"),
    Index(None, "brand_id"),
)

# What the marketplace should do with a seller, and whether it did.
seller_actions = Table(
    "seller_actions",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("seller_id", sa.Text, nullable=False),
    Column("event_id", sa.Text, sa.ForeignKey("seller_events.id"), nullable=False, index=True),
    Column("action", sa.Text, nullable=False),  # a name of the points policy: warning, restriction, closure, ...
    Column("points", sa.Integer, nullable=False),  # the seller's total then
    Column("ends_at", UtcTime),
    Column("state", sa.Text, nullable=False),
    Column("note", sa.Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("updated_by", sa.Text, nullable=False),
    one_of("state", ACTION_STATES),
    Index(None, "seller_id", "id"),
    Index(None, "state", "id"),
)

# Listings that should be screened again: by the service where it kept their pictures, else by the marketplace.
rescreens = Table(
    "rescreens",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), nullable=False),
    Column("listing_id", sa.Text, nullable=False),
    Column("seller_id", sa.Text, nullable=False),
    Column("reason", sa.Text, nullable=False),
    Column("cause", sa.Text),  # the seller whose confirmed counterfeit led here
    Column("state", sa.Text, nullable=False),
    Column("result_id", sa.Text),  # the screening that came of it
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    one_of("reason", RESCREEN_REASONS),
    one_of("state", RESCREEN_STATES),
    Index(None, "screening_id", "reason", unique=True),
    Index(None, "state", "id"),
    Index(None, "seller_id"),
    Index(None, "listing_id"),
    Index(None, "cause"),
)
