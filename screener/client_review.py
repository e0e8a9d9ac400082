"""What the client sends and gets after a prompt: the seller's responses, and what people decided."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from screener.client_types import ScreenerAnswerInvalid

ResponseKind = Literal["edited", "withdrawn", "proof", "published_anyway"]


@dataclass(frozen=True, slots=True)
class SellerResponse:
    """What a seller did after a prompt, as the service has it; `images` are the SHA-256 of the pictures attached."""

    id: str
    screening_id: str
    kind: str
    text: str
    images: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PromptState:
    """What became of a prompt: `state` open or decided (None where the seller was not prompted), `outcome` of the
    latest decision (counterfeit, authentic, unsure, not_this_brand), also while an appeal against it waits."""

    screening_id: str
    state: str | None
    appealed: bool
    outcome: str | None
    decided_at: datetime | None
    responses: tuple[SellerResponse, ...]


def parse_response(body: bytes) -> SellerResponse:
    """The answer of `POST /v1/screenings/{id}/responses`. Raises ScreenerAnswerInvalid."""
    try:
        return _response(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ScreenerAnswerInvalid(f"the answer is not a response: {type(error).__name__}") from error


def parse_state(body: bytes) -> PromptState:
    """The answer of `GET /v1/screenings/{id}/review`. Raises ScreenerAnswerInvalid."""
    try:
        data = json.loads(body)
        decided = data.get("decided_at")
        return PromptState(
            screening_id=str(data["screening_id"]),
            state=data["state"],
            appealed=bool(data["appealed"]),
            outcome=data.get("outcome"),
            decided_at=datetime.fromisoformat(decided) if decided else None,
            responses=tuple(_response(given) for given in data.get("responses", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ScreenerAnswerInvalid(f"the answer is not a prompt's state: {type(error).__name__}") from error


def _response(data: Mapping[str, Any]) -> SellerResponse:
    return SellerResponse(
        id=str(data["id"]),
        screening_id=str(data["screening_id"]),
        kind=str(data["kind"]),
        text=str(data.get("text", "")),
        images=tuple(str(sha256) for sha256 in data.get("images", ())),
        created_at=datetime.fromisoformat(data["created_at"]),
    )
