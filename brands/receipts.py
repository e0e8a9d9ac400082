"""Receipts: signed proof that something was deleted, which tells what kind of thing and how much, and not whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from brands import audit
from brands.ids import new_id
from brands.schema import receipts
from brands.signing import Signer, is_signed

ReceiptKind = Literal["retention", "erase_brand", "erase_seller"]

_TYPE = "receipt of deletion"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was deleted: `subject` is `Signer.subject` of it, `counts` how much of what; key, signature in base64."""

    id: str
    kind: ReceiptKind
    subject: str
    counts: Mapping[str, int]
    created_at: str
    created_by: str
    public_key: str
    signature: str


def add(
    conn: Connection,
    signer: Signer,
    *,
    kind: ReceiptKind,
    subject: str,
    counts: Mapping[str, int],
    actor: str,
    at: datetime,
) -> Receipt:
    """Signs and stores a receipt, and writes it in the audit log."""
    signed: dict[str, Any] = {
        "id": new_id("rcp", at),
        "kind": kind,
        "subject": subject,
        "counts": {name: counts[name] for name in sorted(counts) if counts[name]},
        "created_at": audit.iso(at),
        "created_by": actor,
    }
    receipt = Receipt(**signed, public_key=signer.public_key, signature=signer.sign(_TYPE, signed))
    conn.execute(sa.insert(receipts).values(asdict(receipt)))
    audit.append(
        conn,
        actor=actor,
        action=f"receipt.{kind}",
        kind="receipt",
        object_id=receipt.id,
        before=None,
        after=signed,
        at=at,
    )
    return receipt


def fetch_page(
    conn: Connection, *, subject: str | None = None, after: str | None = None, limit: int
) -> tuple[Receipt, ...]:
    """Up to `limit` receipts by id, those behind `after` only; of one subject, or (None) of all."""
    query = sa.select(receipts).order_by(receipts.c.id).limit(limit)
    if subject is not None:
        query = query.where(receipts.c.subject == subject)
    if after is not None:
        query = query.where(receipts.c.id > after)
    return tuple(Receipt(**row._mapping) for row in conn.execute(query))


def is_genuine(receipt: Receipt, trusted: Sequence[str]) -> bool:
    """Whether one of the `trusted` public keys signed exactly this."""
    signed = asdict(receipt)
    key, signature = signed.pop("public_key"), signed.pop("signature")
    return key in trusted and is_signed(key, _TYPE, signed, signature)
