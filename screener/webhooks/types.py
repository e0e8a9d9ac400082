"""The types of messages."""

from typing import Final, Literal

MessageType = Literal[
    "screening.decided",
    "appraisal.recorded",
    "seller.action_recommended",
    "seller.action_reversed",
    "listing.rescreen_requested",
    "burst.found",
    "release.switched",
]
TYPES: Final[tuple[MessageType, ...]] = (
    "screening.decided",
    "appraisal.recorded",
    "seller.action_recommended",
    "seller.action_reversed",
    "listing.rescreen_requested",
    "burst.found",
    "release.switched",
)
"""What messages tell of; `docs/webhooks.md` has the payload of each."""
TEST: Final = "webhook.test"
"""Of the message that `endpoints.send_test` writes, to one endpoint whatever it wants."""
