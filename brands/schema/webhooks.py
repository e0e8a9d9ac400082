"""Messages to marketplaces: written with what they tell of, delivered until they arrive."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from brands.columns import CanonicalJson, UtcTime
from brands.model import DELIVERY_STATES, ENDPOINT_STATES
from brands.schema.base import metadata, one_of

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("url", sa.Text, nullable=False),
    Column("description", sa.Text, nullable=False),
    Column("types", CanonicalJson, nullable=False),  # of the messages it wants
    Column("state", sa.Text, nullable=False),
    Column("secret_number", sa.Integer, nullable=False),  # the signing secret is derived from it, and is nowhere
    Column("previous_until", UtcTime),  # until then the secret before it signs as well
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    one_of("state", ENDPOINT_STATES),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("type", sa.Text, nullable=False),
    Column("payload", CanonicalJson, nullable=False),
    Column("seller_id", sa.Text, index=True),  # that the payload tells of
    Column("brand_id", sa.Text, index=True),
    Column("screening_id", sa.Text, index=True),
    Column("created_at", UtcTime, nullable=False, index=True),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("message_id", sa.Text, sa.ForeignKey("outbox.id"), primary_key=True),
    Column("endpoint_id", sa.Text, sa.ForeignKey("webhook_endpoints.id"), primary_key=True),
    Column("state", sa.Text, nullable=False),
    Column("attempts", sa.Integer, nullable=False),
    Column("next_at", UtcTime),  # None when there is nothing more to try
    Column("status", sa.Integer),  # of the last answer
    Column("error", sa.Text),
    Column("updated_at", UtcTime, nullable=False),
    one_of("state", DELIVERY_STATES),
    Index(None, "state", "next_at"),
    Index(None, "endpoint_id"),
)
