"""Signatures of messages by the Standard Webhooks specification (https://www.standardwebhooks.com).

The secret of an endpoint is derived from the service's own secret, the endpoint's id and a number that rotation counts
up, so it is stored nowhere and can be shown to nobody but who made or rotated it.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

PREFIX: Final = "whsec_"
ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"


def secret_of(service_secret: bytes, endpoint_id: str, number: int) -> str:
    """The `number`-th secret of an endpoint, `whsec_` and 32 bytes in base64."""
    derived = hmac.digest(service_secret, f"webhook:{endpoint_id}:{number}".encode(), hashlib.sha256)
    return PREFIX + base64.b64encode(derived).decode()


def signed_headers(secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers for an attempt at `at`; with two secrets, as while one is rotated, it is signed with both."""
    moment = at.astimezone(UTC)
    text = body.decode()
    signatures = [Webhook(secret).sign(message_id, moment, text) for secret in secrets]
    return {ID: message_id, TIMESTAMP: str(int(moment.timestamp())), SIGNATURE: " ".join(signatures)}
