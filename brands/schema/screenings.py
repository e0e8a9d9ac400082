"""Screenings, what they matched, and counts of them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from brands.columns import CanonicalJson, UtcTime
from brands.model import OUTCOMES
from brands.schema.base import brand_id, metadata

screenings = Table(
    "screenings",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("listing_id", sa.Text, nullable=False),
    Column("revision", sa.BigInteger, nullable=False),
    Column("key_id", sa.Text, nullable=False),  # an api_keys.id, or the actor of a screening from the command line
    Column("seller_id", sa.Text, nullable=False),
    brand_id(nullable=True),
    # SQLite adds a NOT NULL column to a table with rows only with a default; every writer gives values of its own.
    Column("brand_status", sa.Text, nullable=False, server_default="unknown"),
    Column("known_fake", sa.Boolean, nullable=False, server_default=sa.false()),  # a picture copies a known fake's
    Column("category", sa.Text),
    Column("verdict", sa.Text, nullable=False),
    Column("probability", sa.Float, nullable=False),
    Column("release_id", sa.Text, nullable=False),
    Column("fingerprint", sa.Text, nullable=False),
    Column("request", CanonicalJson, nullable=False),
    Column("answer", CanonicalJson, nullable=False),
    Column("features", CanonicalJson),  # {"version": "...", "values": [number or null, ...]}
    Column("rescreen", sa.Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    # Screened, answered by the seller or decided; the default is SQLite's price for adding a column to a table.
    Column("last_event_at", UtcTime, nullable=False, server_default="1970-01-01 00:00:00+00:00"),
    Index(None, "listing_id", "revision"),
    Index(None, "brand_id", "id"),
    Index(None, "brand_status", "id"),
    Index(None, "seller_id", "known_fake"),
    Index(None, "seller_id", "id"),
    Index(None, "created_at"),
    Index(None, "verdict", "last_event_at"),
    Index(None, "last_event_at"),
)

# Few of a brand's screenings are not clear, and those are asked for most.
Index(
    "ix_screenings_not_clear",
    screenings.c.brand_id,
    screenings.c.verdict,
    screenings.c.id,
    sqlite_where=sa.text("verdict <> 'clear'"),
    postgresql_where=sa.text("verdict <> 'clear'"),
)

# The evidence of a screening by reference and brand, so that both can be asked what they matched.
screening_matches = Table(
    "screening_matches",
    metadata,
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), primary_key=True),
    Column("position", sa.Integer, primary_key=True, autoincrement=False),  # in the answer's `evidence`
    Column("reference_id", sa.Text, nullable=False),
    Column("brand_id", sa.Text, nullable=False),
    Column("kind", sa.Text, nullable=False),
    Column("use", sa.Text, nullable=False),
    Column("score", sa.Float, nullable=False),
    Column("verdict", sa.Text, nullable=False),
    Column("outcome", sa.Text),  # of the screening's latest decision
    Index(None, "reference_id", "screening_id"),
    Index(None, "brand_id", "screening_id"),
)
for _name, _columns, _rare in (
    ("not_clear", ("brand_id", "verdict", "screening_id"), "verdict <> 'clear'"),
    ("rare_kind", ("brand_id", "kind", "screening_id"), "kind <> 'authentic'"),
    ("decided", ("reference_id", "outcome", "screening_id"), "outcome IS NOT NULL"),
    ("brand_decided", ("brand_id", "outcome", "screening_id"), "outcome IS NOT NULL"),
):
    Index(
        f"ix_screening_matches_{_name}",
        *(screening_matches.c[_column] for _column in _columns),
        sqlite_where=sa.text(_rare),
        postgresql_where=sa.text(_rare),
    )

# How many screenings a day brought and what became of them: by brand ("" where none was recognised, "*" for all).
daily_counts = Table(
    "daily_counts",
    metadata,
    Column("brand_id", sa.Text, primary_key=True),
    Column("day", sa.Date, primary_key=True),
    *(
        Column(_count, sa.Integer, nullable=False, server_default="0")
        for _count in ("screened", "prompted", "review", "appealed", *OUTCOMES)
    ),
)

screening_images = Table(
    "screening_images",
    metadata,
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), primary_key=True),
    Column("position", sa.Integer, primary_key=True, autoincrement=False),
    Column("sha256", sa.Text, index=True),
    Column("status", sa.Text, nullable=False),
    Column("code", sa.Text),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key_id", sa.Text, primary_key=True),
    Column("idempotency_key", sa.Text, primary_key=True),
    Column("fingerprint", sa.Text, nullable=False),
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
)
