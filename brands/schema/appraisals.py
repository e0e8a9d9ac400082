"""Results of examined items, the only labels there are, and which items to buy next."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from brands.columns import CanonicalJson, ExactDecimal, UtcTime
from brands.model import APPRAISAL_METHODS, APPRAISAL_SOURCES, APPRAISALS, SPOT_CHECK_STATES, STRATEGIES
from brands.schema.base import brand_id, metadata, one_of

# One appraiser's result about the item of one screening; another appraiser may come to another one.
appraisals = Table(
    "appraisals",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), nullable=False),
    Column("outcome", sa.Text, nullable=False),
    brand_id(nullable=True),  # that the item is of, or pretends to be of, where the appraiser says so
    Column("appraiser", sa.Text, nullable=False),
    Column("method", sa.Text, nullable=False),
    Column("confidence", sa.Float),  # the appraiser's own, 0 to 1
    Column("cost_amount", ExactDecimal),
    Column("cost_currency", sa.Text),
    Column("evidence_hash", sa.Text),  # SHA-256 of the report, which stays with whoever wrote it
    Column("evidence_uri", sa.Text),
    Column("bought_on", sa.Date),
    Column("appraised_on", sa.Date, nullable=False),
    Column("notes", sa.Text, nullable=False),
    Column("source", sa.Text, nullable=False),
    Column("import_id", sa.Text),  # the rows of one import have one
    Column("withdrawn_at", UtcTime),  # a mistake of the appraiser's: the row stays and counts no more
    Column("withdrawn_by", sa.Text),
    Column("withdrawn_reason", sa.Text),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    one_of("outcome", APPRAISALS),
    one_of("method", APPRAISAL_METHODS),
    one_of("source", APPRAISAL_SOURCES),
    Index(None, "screening_id"),
    Index(None, "brand_id", "id"),
    Index(None, "import_id"),
    Index(None, "appraised_on"),
    Index(
        "uq_appraisals_screening_id_appraiser",
        "screening_id",
        "appraiser",
        unique=True,
        sqlite_where=sa.text("withdrawn_at IS NULL"),
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    ),
)

# A batch of items to buy and have examined: drawn at random, from these listings, with these parameters.
spot_check_plans = Table(
    "spot_check_plans",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("budget", sa.Integer, nullable=False),
    Column("seed", sa.BigInteger, nullable=False),
    Column("population", sa.Integer, nullable=False),  # listings that could have been picked
    Column("parameters", CanonicalJson, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    Column("cancelled_at", UtcTime),
)

spot_checks = Table(
    "spot_checks",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("plan_id", sa.Text, sa.ForeignKey("spot_check_plans.id"), nullable=False),
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), nullable=False, index=True),
    Column("position", sa.Integer, nullable=False),  # in the plan, the most useful first
    Column("strategy", sa.Text, nullable=False),  # that gave the pick its greatest chance
    Column("inclusion", sa.Float, nullable=False),  # probability with which the whole design picks it, 0 to 1
    Column("reasons", CanonicalJson, nullable=False),
    Column("state", sa.Text, nullable=False),
    Column("note", sa.Text, nullable=False),
    Column("orders", sa.Integer),  # that the listing had, where the marketplace tells
    Column("updated_at", UtcTime, nullable=False),
    Column("updated_by", sa.Text, nullable=False),
    one_of("strategy", STRATEGIES),
    one_of("state", SPOT_CHECK_STATES),
    Index(None, "plan_id", "screening_id", unique=True),
    Index(None, "state"),
)
