"""Every table of the truth, as SQLAlchemy Core tables; the migrations must arrive at exactly this."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Index, Table

from brands.columns import BoxText, CanonicalJson, ExactDecimal, UtcTime
from brands.model import BRAND_STATES, REFERENCE_KINDS, REFERENCE_STATES, SCOPES

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, words: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _brand_id(*, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column("brand_id", sa.Text, sa.ForeignKey("brands.id"), primary_key=primary_key, nullable=nullable)


def _words(name: str) -> Table:
    """A list of texts of a brand, in the order given."""
    return Table(
        name,
        metadata,
        _brand_id(primary_key=True),
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
    _one_of("state", BRAND_STATES),
)

brand_aliases = _words("brand_aliases")
brand_wordmarks = _words("brand_wordmarks")
brand_categories = _words("brand_categories")

authorised_sellers = Table(
    "authorised_sellers",
    metadata,
    _brand_id(primary_key=True),
    Column("position", sa.Integer, primary_key=True, autoincrement=False),
    Column("seller_id", sa.Text, nullable=False, index=True),
    Column("valid_from", sa.Date),
    Column("valid_until", sa.Date),
)

reference_prices = Table(
    "reference_prices",
    metadata,
    _brand_id(primary_key=True),
    Column("category", sa.Text, primary_key=True),
    Column("amount", ExactDecimal, nullable=False),
    Column("currency", sa.Text, nullable=False),
)

references = Table(
    "references",
    metadata,
    Column("id", sa.Text, primary_key=True),
    _brand_id(),
    Column("kind", sa.Text, nullable=False),
    Column("state", sa.Text, nullable=False),
    Column("state_reason", sa.Text, nullable=False),
    Column("image_sha256", sa.Text, nullable=False, index=True),
    Column("box", BoxText, nullable=False),
    Column("width", sa.Integer, nullable=False),
    Column("height", sa.Integer, nullable=False),
    Column("source", sa.Text, nullable=False),
    Column("notes", sa.Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    _one_of("kind", REFERENCE_KINDS),
    _one_of("state", REFERENCE_STATES),
    Index(None, "brand_id", "id"),
    Index(None, "state", "id"),
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

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("digest", sa.Text, nullable=False, unique=True),  # HMAC-SHA256 of the key, hex; the key itself is nowhere
    Column("scope", sa.Text, nullable=False),
    _brand_id(nullable=True),
    Column("label", sa.Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("last_used_at", UtcTime),
    _one_of("scope", SCOPES),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    Column("at", sa.Text, nullable=False),  # ISO 8601 text, because the hash covers exactly these characters
    Column("actor", sa.Text, nullable=False),
    Column("action", sa.Text, nullable=False),
    Column("kind", sa.Text, nullable=False),
    Column("object_id", sa.Text, nullable=False),
    Column("before", CanonicalJson),
    Column("after", CanonicalJson),
    Column("previous_hash", sa.Text, nullable=False),
    Column("hash", sa.Text, nullable=False),
    Index(None, "object_id", "sequence"),
)

# One row (id 1) each: the head of the audit chain, and the counter of changes that matter to matching.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", sa.Integer, primary_key=True, autoincrement=False),
    Column("count", sa.BigInteger, nullable=False),
    Column("hash", sa.Text, nullable=False),
)
registry_state = Table(
    "registry_state",
    metadata,
    Column("id", sa.Integer, primary_key=True, autoincrement=False),
    Column("version", sa.BigInteger, nullable=False),
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("image_sha256", sa.Text, primary_key=True),
    Column("encoder_id", sa.Text, primary_key=True),
    Column("view", sa.Text, primary_key=True),  # "whole", "listing-..." or "box:x0,y0,x1,y1"
    Column("regions", CanonicalJson, nullable=False),
    Column("vectors", sa.LargeBinary, nullable=False),  # float16, little-endian, row-major (regions, dim)
    Column("created_at", UtcTime, nullable=False),
    Index(None, "encoder_id"),
)

# What is seen in a picture without any encoder, see screener.picture_facts.
picture_facts = Table(
    "picture_facts",
    metadata,
    Column("image_sha256", sa.Text, primary_key=True),
    Column("version", sa.Text, primary_key=True),
    Column("facts", CanonicalJson, nullable=False),
    Column("pdq", sa.LargeBinary, nullable=False),  # 8 hashes of 32 bytes, the picture as it is first
    Column("created_at", UtcTime, nullable=False),
)

# The words read in a picture.
picture_texts = Table(
    "picture_texts",
    metadata,
    Column("image_sha256", sa.Text, primary_key=True),
    Column("reader", sa.Text, primary_key=True),
    Column("lines", CanonicalJson, nullable=False),  # [[text, confidence, x0, y0, x1, y1], ...]
    Column("created_at", UtcTime, nullable=False),
)

screenings = Table(
    "screenings",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("listing_id", sa.Text, nullable=False),
    Column("revision", sa.BigInteger, nullable=False),
    Column("key_id", sa.Text, nullable=False),  # an api_keys.id, or the actor of a screening from the command line
    Column("seller_id", sa.Text, nullable=False),
    _brand_id(nullable=True),
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
    Index(None, "listing_id", "revision"),
    Index(None, "brand_id", "id"),
    Index(None, "brand_status", "id"),
    Index(None, "seller_id", "known_fake"),
    Index(None, "created_at"),
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
