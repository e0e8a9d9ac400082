"""Models that were proposed, approved and switched to, and what a candidate made of live listings."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from brands.columns import CanonicalJson, UtcTime
from brands.model import RELEASE_STATES, SWITCHES
from brands.schema.base import metadata, one_of

# Encoder, judge and policy that belong together. What is served is that of the newest switch.
model_releases = Table(
    "model_releases",
    metadata,
    Column("id", sa.Text, primary_key=True),  # mod_ and 16 hex digits, of the three names
    Column("encoder", sa.Text, nullable=False),
    Column("judge", sa.Text, nullable=False),
    Column("policy", sa.Text, nullable=False),
    Column("state", sa.Text, nullable=False),
    Column("report", CanonicalJson),  # of the gates, None for what was served before anything was promoted
    Column("shadow_share", sa.Float, nullable=False),  # of live listings that it judges without effect, 0 to 1
    Column("note", sa.Text, nullable=False),
    Column("proposed_at", UtcTime, nullable=False),
    Column("proposed_by", sa.Text, nullable=False),
    Column("approved_at", UtcTime),
    Column("approved_by", sa.Text),
    one_of("state", RELEASE_STATES),
)

model_switches = Table(
    "model_switches",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("release_id", sa.Text, sa.ForeignKey("model_releases.id"), nullable=False),
    Column("previous_id", sa.Text, sa.ForeignKey("model_releases.id")),  # what a rollback goes back to
    Column("kind", sa.Text, nullable=False),
    Column("reason", sa.Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    one_of("kind", SWITCHES),
)

shadow_judgements = Table(
    "shadow_judgements",
    metadata,
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), primary_key=True),
    Column("release_id", sa.Text, sa.ForeignKey("model_releases.id"), primary_key=True),
    Column("probability", sa.Float, nullable=False),
    Column("verdict", sa.Text, nullable=False),
    Column("brand_status", sa.Text, nullable=False),
    Column("brand_id", sa.Text),
    Column("milliseconds", sa.Float, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index(None, "release_id", "created_at"),
    Index(None, "brand_id"),
)
