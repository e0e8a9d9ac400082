"""API keys as rows: reading and writing them, and what the audit log says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands import audit
from brands.model import ApiKey
from brands.schema import api_keys

COLUMNS = [api_keys.c[field.name] for field in fields(ApiKey)]
"""What an `ApiKey` is made of; the digest is not part of it."""


def insert(conn: Connection, key: ApiKey, digest: str, action: str) -> None:
    """Writes a new key and its audit row."""
    conn.execute(sa.insert(api_keys).values(**asdict(key), digest=digest))
    audit.append(
        conn,
        actor=key.created_by,
        action=action,
        kind="key",
        object_id=key.id,
        before=None,
        after=record(key),
        at=key.created_at,
    )


def fetch(conn: Connection, condition: sa.ColumnElement[bool]) -> ApiKey | None:
    """The key that fits the condition, None if there is none."""
    row = conn.execute(sa.select(*COLUMNS).where(condition)).first()
    return None if row is None else ApiKey(**row._mapping)


def lives(key: ApiKey, at: datetime) -> bool:
    """Whether the key is good at a time."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > at)


def record(key: ApiKey) -> Mapping[str, Any]:
    """The key as JSON for the audit log; its secret is not part of it."""
    return {
        "scope": key.scope,
        "brand_id": key.brand_id,
        "label": key.label,
        "expires_at": key.expires_at and key.expires_at.isoformat(),
        "revoked_at": key.revoked_at and key.revoked_at.isoformat(),
        "rotated_from": key.rotated_from,
    }
