"""Every table of the truth, as SQLAlchemy Core tables; the migrations must arrive at exactly this."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Index, Table

from brands.columns import BoxText, CanonicalJson, ExactDecimal, UtcTime
from brands.model import (
    APPROVALS,
    BRAND_STATES,
    HOLD_KINDS,
    ORIGINS,
    OUTCOMES,
    REFERENCE_KINDS,
    REFERENCE_STATES,
    RESPONSES,
    REVIEW_STATES,
    SCOPES,
    STANDINGS,
)

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
    Column("origin", sa.Text, nullable=False, server_default="upload"),
    Column("evidence", sa.Text, nullable=False, server_default=sa.text("''")),
    Column("approval", sa.Text, nullable=False, server_default="none"),
    Column("approved_by", sa.Text),
    Column("expires_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    _one_of("kind", REFERENCE_KINDS),
    _one_of("state", REFERENCE_STATES),
    _one_of("origin", ORIGINS),
    _one_of("approval", APPROVALS),
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
    Column("rotated_from", sa.Text),  # the key that this one takes over from
    _one_of("scope", SCOPES),
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
    # The chain covers salted digests, so that what a row says of somebody can be erased and the chain still proves
    # that the row was there: the salt goes with the words.
    Column("salt", sa.Text),
    Column("before_hash", sa.Text),
    Column("after_hash", sa.Text),
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
audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    Column("hash", sa.Text, nullable=False),
    Column("at", sa.Text, nullable=False),  # ISO 8601 text, signed as it stands
    Column("public_key", sa.Text, nullable=False),  # Ed25519, base64
    Column("signature", sa.Text, nullable=False),  # base64
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

# What a reference would have matched, as it was last measured (`screener.governance.impact`).
reference_impacts = Table(
    "reference_impacts",
    metadata,
    Column("reference_id", sa.Text, sa.ForeignKey("references.id"), primary_key=True),
    Column("encoder_id", sa.Text, nullable=False),
    Column("passed", sa.Boolean, nullable=False),
    Column("impact", CanonicalJson, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

# How far a brand is trusted, by what people decided about its matches (`screener.governance.standing`).
standings = Table(
    "standings",
    metadata,
    _brand_id(primary_key=True),
    Column("standing", sa.Text, nullable=False),
    Column("right", sa.Integer, nullable=False),
    Column("wrong", sa.Integer, nullable=False),
    Column("since", UtcTime, nullable=False),
    _one_of("standing", STANDINGS),
)

# What a brand, or the operator (no brand), should know without having asked.
notices = Table(
    "notices",
    metadata,
    Column("id", sa.Text, primary_key=True),
    _brand_id(nullable=True),
    Column("code", sa.Text, nullable=False),
    Column("object_id", sa.Text, nullable=False),
    Column("details", CanonicalJson, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("read_at", UtcTime),
    Index(None, "brand_id", "id"),
)

# Screenings that a person should look at, and who does (`screener.review`).
reviews = Table(
    "reviews",
    metadata,
    Column("screening_id", sa.Text, sa.ForeignKey("screenings.id"), primary_key=True),
    _brand_id(nullable=True),
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
    _one_of("state", REVIEW_STATES),
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
    _one_of("outcome", OUTCOMES),
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
    _one_of("kind", RESPONSES),
)

response_images = Table(
    "response_images",
    metadata,
    Column("response_id", sa.Text, sa.ForeignKey("responses.id"), primary_key=True),
    Column("position", sa.Integer, primary_key=True, autoincrement=False),
    Column("sha256", sa.Text, nullable=False, index=True),
)

# What must not be deleted, whatever its age and whoever asks, until somebody releases it.
legal_holds = Table(
    "legal_holds",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("kind", sa.Text, nullable=False),
    Column("object_id", sa.Text, nullable=False),
    Column("reason", sa.Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", sa.Text, nullable=False),
    Column("released_at", UtcTime),
    Column("released_by", sa.Text),
    _one_of("kind", HOLD_KINDS),
    Index(None, "kind", "object_id"),
)

# Proof that something was deleted: what kind of thing, how much of it, when and by whom, signed.
receipts = Table(
    "receipts",
    metadata,
    Column("id", sa.Text, primary_key=True),
    Column("kind", sa.Text, nullable=False),
    Column("subject", sa.Text, nullable=False),  # HMAC-SHA256 of what was erased, hex: it can be checked, not read
    Column("counts", CanonicalJson, nullable=False),
    Column("created_at", sa.Text, nullable=False),  # ISO 8601 text, signed as it stands
    Column("created_by", sa.Text, nullable=False),
    Column("public_key", sa.Text, nullable=False),
    Column("signature", sa.Text, nullable=False),
    Index(None, "subject"),
)

# Erasures that were begun and are not finished: asking for the same again goes on where the last one stopped.
erasures = Table(
    "erasures",
    metadata,
    Column("subject", sa.Text, primary_key=True),  # as in its receipt to come
    Column("kind", sa.Text, nullable=False),
    Column("counts", CanonicalJson, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("started_by", sa.Text, nullable=False),
)
