"""The audit log, its checkpoints, and what was held back from deletion or deleted."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from brands.columns import CanonicalJson, UtcTime
from brands.model import HOLD_KINDS
from brands.schema.base import metadata, one_of

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
    one_of("kind", HOLD_KINDS),
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
