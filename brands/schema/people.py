"""Keys, and the sessions of people who signed in with one."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Table

from brands.columns import UtcTime
from brands.model import SCOPES
from brands.schema.base import brand_id, metadata, one_of

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("digest", sa.Text, nullable=False, unique=True),  # HMAC-SHA256 of the key, hex; the key itself is nowhere
    Column("scope", sa.Text, nullable=False),
    brand_id(nullable=True),
    Column("label", sa.Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("last_used_at", UtcTime),
    Column("rotated_from", sa.Text),  # the key that this one takes over from
    one_of("scope", SCOPES),
)

# A person signed in to the pages. The cookie's value is nowhere, only its HMAC; the key may end before the session.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", sa.Text, primary_key=True),
    Column("key_id", sa.Text, sa.ForeignKey("api_keys.id"), nullable=False, index=True),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
)
