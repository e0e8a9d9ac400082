"""What the client sends and gets when a buyer complains, returns an item or reviews it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from screener.client_types import ScreenerAnswerInvalid

SignalKind = Literal["complaint", "return", "review"]


@dataclass(frozen=True, slots=True)
class BuyerSignal:
    """A buyer's words as the service has read them. `suspected` raises priorities; it is no verdict on the listing."""

    id: str
    kind: str
    external_id: str | None
    listing_id: str
    screening_id: str | None
    seller_id: str | None
    brand_id: str | None
    product: str | None
    language: str
    suspicion: float
    suspected: bool
    occurred_at: datetime


def signal_body(
    kind: SignalKind,
    listing_id: str,
    text: str,
    *,
    external_id: str,
    seller_id: str | None,
    language: str | None,
    occurred_at: datetime | None,
) -> dict[str, Any]:
    """The body of `POST /v1/signals`. Raises ValueError for a time without a zone."""
    if occurred_at is not None and occurred_at.tzinfo is None:
        raise ValueError("occurred_at must be aware")
    optional = {
        "seller_id": seller_id,
        "language": language,
        "occurred_at": occurred_at.isoformat() if occurred_at else None,
    }
    said = {"kind": kind, "listing_id": listing_id, "text": text, "external_id": external_id}
    return {"signals": [said | {name: value for name, value in optional.items() if value is not None}]}


def parse_signal(body: bytes) -> BuyerSignal:
    """The one signal in the answer of `POST /v1/signals`. Raises ScreenerAnswerInvalid."""
    try:
        (data,) = json.loads(body)["items"]
        return _signal(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ScreenerAnswerInvalid(f"the answer is not a signal: {type(error).__name__}") from error


def _signal(data: Mapping[str, Any]) -> BuyerSignal:
    return BuyerSignal(
        id=str(data["id"]),
        kind=str(data["kind"]),
        external_id=data.get("external_id"),
        listing_id=str(data["listing_id"]),
        screening_id=data.get("screening_id"),
        seller_id=data.get("seller_id"),
        brand_id=data.get("brand_id"),
        product=data.get("product"),
        language=str(data["language"]),
        suspicion=float(data["suspicion"]),
        suspected=bool(data["suspected"]),
        occurred_at=datetime.fromisoformat(data["occurred_at"]),
    )
