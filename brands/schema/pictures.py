"""What is computed from pictures, by their hash: derived, and kept because it is dear."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from brands.columns import CanonicalJson, UtcTime
from brands.schema.base import metadata

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
