"""For marketplaces: checks that a webhook message really comes from the screener, and reads it."""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from screener.client_types import ScreenerClientError


class WebhookRefused(ScreenerClientError):
    """The message is not from the screener, was changed on its way, or is more than five minutes old."""


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """A message. The same one may arrive more than once, always with the same `id`; `data` depends on `type`."""

    id: str
    type: str
    timestamp: datetime
    data: Mapping[str, Any]


def verify_webhook(headers: Mapping[str, str], body: bytes, secret: str) -> WebhookMessage:
    """The message of a request whose signature fits one's secret (`whsec_...`); `body` are the bytes as they came.

    While a secret is rotated, messages are signed with the old one and the new one, so either verifies.

    Raises
    ------
    WebhookRefused
        and whoever sent the request gets 401 and no more
    """
    try:
        # The library raises what its parsing raises for headers and bodies that are no message at all.
        message = Webhook(secret).verify(body, dict(headers))
        return WebhookMessage(
            next(value for name, value in headers.items() if name.lower() == "webhook-id"),
            str(message["type"]),
            datetime.fromisoformat(message["timestamp"]),
            message["data"],
        )
    except (WebhookVerificationError, binascii.Error, ValueError, KeyError, TypeError) as error:
        raise WebhookRefused("The message's signature does not fit.") from error
