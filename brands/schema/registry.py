"""Brands and their references."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from brands.columns import BoxText, ExactDecimal, UtcTime
from brands.model import APPROVALS, BRAND_STATES, ORIGINS, REFERENCE_KINDS, REFERENCE_STATES
from brands.schema.base import brand_id, metadata, one_of


def _words(name: str) -> Table:
    """A list of texts of a brand, in the order given."""
    return Table(
        name,
        metadata,
        brand_id(primary_key=True),
        Column("position", sa.Integer, primary_key=True, autoincrement=False),
        Column("text", sa.Text, nullable=False),
    )


brands = Table(
    "brands",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("name", sa.Text, nullable=False),
    Column("name_key", sa.Text, nullable=False, unique=True),  # NFKC and case folded, see brands.spelling.name_key
    Column("reference_price_amount", ExactDecimal),
    Column("reference_price_currency", sa.Text),
    Column("state", sa.Text, nullable=False),
    Column("revision", sa.Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    one_of("state", BRAND_STATES),
)

brand_aliases = _words("brand_aliases")

brand_wordmarks = _words("brand_wordmarks")

brand_categories = _words("brand_categories")

authorised_sellers = Table(
    "authorised_sellers",
    metadata,
    brand_id(primary_key=True),
    Column("position", sa.Integer, primary_key=True, autoincrement=False),
    Column("seller_id", sa.Text, nullable=False, index=True),
    Column("valid_from", sa.Date),
    Column("valid_until", sa.Date),
)

reference_prices = Table(
    "reference_prices",
    metadata,
    brand_id(primary_key=True),
    Column("category", sa.Text, primary_key=True),
    Column("amount", ExactDecimal, nullable=False),
    Column("currency", sa.Text, nullable=False),
)

references = Table(
    "references",
    metadata,
    Column("id", sa.Text, primary_key=True),
    brand_id(),
    Column("kind", sa.Text, nullable=False),
    Column("state", sa.Text, nullable=False),
    Column("state_reason", sa.Text, nullable=False),
    Column("image_sha256", sa.Text, nullable=False, index=True),
    Column("box", BoxText, nullable=False),
    Column("width", sa.Integer, nullable=False),
    Column("height", sa.Integer, nullable=False),
    Column("source", sa.Text, nullable=False),
    Column("notes", sa.Text, nullable=False),
    Column("origin", sa.Text, nullable=False, server_default="upload"),
    Column("evidence", sa.Text, nullable=False, server_default=sa.text("''")),
    Column("approval", sa.Text, nullable=False, server_default="none"),
    Column("approved_by", sa.Text),
    Column("expires_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    one_of("kind", REFERENCE_KINDS),
    one_of("state", REFERENCE_STATES),
    one_of("origin", ORIGINS),
    one_of("approval", APPROVALS),
    Index(None, "brand_id", "id"),
    Index(None, "state", "id"),
    Index(None, "brand_id", "kind", "state", "id"),
)

# The same picture counts once per brand, kind and box while it is pending or active.
_live = references.c.state.in_(("pending", "active"))

Index(
    "uq_references_live",
    references.c.brand_id,
    references.c.kind,
    references.c.image_sha256,
    references.c.box,
    unique=True,
    sqlite_where=_live,
    postgresql_where=_live,
)

registry_state = Table(
    "registry_state",
    metadata,
    Column("id", sa.Integer, primary_key=True, autoincrement=False),
    Column("version", sa.BigInteger, nullable=False),
)
