"""The HTTP routes of webhooks: endpoints, the log of messages, and sending again; for admins."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from brands import checks
from brands.auth import Access, actor
from brands.database import Database
from brands.model import ApiKey, EndpointState
from brands.payloads import Page, PageOut
from screener.webhooks import messages, payloads
from screener.webhooks.endpoints import Endpoint, Endpoints
from screener.webhooks.messages import Message

Limit = Annotated[int, Query(ge=1, le=checks.PAGE_MAX)]


def webhook_routers(
    database: Database, endpoints: Endpoints, access: Access, now: Callable[[], datetime]
) -> tuple[APIRouter, ...]:
    """The routes under `/v1/webhooks`; `now` gives aware UTC times."""
    return _messages(database, access, now), _endpoints(database, endpoints, access, now)


def _endpoints(database: Database, endpoints: Endpoints, access: Access, now: Callable[[], datetime]) -> APIRouter:
    router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
    caller = access.caller

    @router.post("", status_code=201)
    def add_webhook(body: payloads.EndpointBody, key: ApiKey = Depends(caller)) -> payloads.NewEndpointOut:
        """Makes an endpoint (admin). Its secret is in this answer and nowhere else."""
        made, secret = endpoints.add(actor=actor(key), url=body.url, types=body.types, description=body.description)
        return payloads.NewEndpointOut(endpoint=payloads.EndpointOut.model_validate(made), secret=secret)

    @router.get("", response_model=list[payloads.EndpointOut])
    def list_webhooks(_key: ApiKey = Depends(caller)) -> tuple[Endpoint, ...]:
        """Lists the endpoints, without their secrets (admin)."""
        return endpoints.list()

    def _state(endpoint_id: str, state: EndpointState, body: payloads.ReasonBody, key: ApiKey) -> Endpoint:
        return endpoints.set_state(actor=actor(key), endpoint_id=endpoint_id, state=state, reason=body.reason)

    @router.post("/{endpoint_id}/pause", response_model=payloads.EndpointOut)
    def pause_webhook(endpoint_id: str, body: payloads.ReasonBody, key: ApiKey = Depends(caller)) -> Endpoint:
        """Keeps an endpoint's messages waiting (admin)."""
        return _state(endpoint_id, "paused", body, key)

    @router.post("/{endpoint_id}/resume", response_model=payloads.EndpointOut)
    def resume_webhook(endpoint_id: str, body: payloads.ReasonBody, key: ApiKey = Depends(caller)) -> Endpoint:
        """Delivers what waited and what comes (admin)."""
        return _state(endpoint_id, "active", body, key)

    @router.post("/{endpoint_id}/remove", response_model=payloads.EndpointOut)
    def remove_webhook(endpoint_id: str, body: payloads.ReasonBody, key: ApiKey = Depends(caller)) -> Endpoint:
        """Removes an endpoint for good; what waited for it fails (admin)."""
        return _state(endpoint_id, "removed", body, key)

    @router.post("/{endpoint_id}/rotate")
    def rotate_webhook_secret(
        endpoint_id: str, body: payloads.SecretBody, key: ApiKey = Depends(caller)
    ) -> payloads.NewEndpointOut:
        """Gives an endpoint a new secret; the old one signs beside it for `keep_hours` (admin)."""
        made, secret = endpoints.rotate(
            actor=actor(key), endpoint_id=endpoint_id, keep=timedelta(hours=body.keep_hours)
        )
        return payloads.NewEndpointOut(endpoint=payloads.EndpointOut.model_validate(made), secret=secret)

    @router.post("/{endpoint_id}/test", status_code=202)
    def test_webhook(endpoint_id: str, key: ApiKey = Depends(caller)) -> payloads.TestOut:
        """Sends a message of the type `webhook.test` to one endpoint (admin)."""
        return payloads.TestOut(message_id=endpoints.send_test(actor=actor(key), endpoint_id=endpoint_id))

    @router.post("/{endpoint_id}/replay", status_code=202)
    def replay_webhook(
        endpoint_id: str, body: payloads.ReplaySinceBody, key: ApiKey = Depends(caller)
    ) -> payloads.ReplayedOut:
        """Sends an endpoint again what was written since then (admin)."""
        with database.write() as conn:
            count = messages.replay_since(
                conn, endpoint_id, since=body.since, only_failed=body.only_failed, actor=actor(key), at=now()
            )
        return payloads.ReplayedOut(messages=count)

    return router


def _messages(database: Database, access: Access, now: Callable[[], datetime]) -> APIRouter:
    router = APIRouter(prefix="/v1/webhooks/messages", tags=["webhooks"])
    caller = access.caller

    @router.get("", response_model=PageOut[payloads.MessageOut])
    def list_messages(
        endpoint_id: str | None = None,
        state: Annotated[str | None, Query(description="`pending`, `delivered` or `failed` at some endpoint.")] = None,
        after: str | None = None,
        limit: Limit = 100,
        _key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists messages and what became of them (admin)."""
        with database.read() as conn:
            found = messages.list_messages(conn, endpoint_id=endpoint_id, state=state, after=after, limit=limit)
        return Page.of(found, limit)

    @router.get("/{message_id}", response_model=payloads.MessageOut)
    def get_message(message_id: str, _key: ApiKey = Depends(caller)) -> Message:
        """Shows a message and what became of it (admin)."""
        with database.read() as conn:
            return messages.get_message(conn, message_id)

    @router.post("/{message_id}/replay", status_code=202, response_model=payloads.MessageOut)
    def replay_message(message_id: str, body: payloads.ReplayBody, key: ApiKey = Depends(caller)) -> Message:
        """Sends a message again, with the same id (admin)."""
        with database.write() as conn:
            return messages.replay(conn, message_id, endpoint_id=body.endpoint_id, actor=actor(key), at=now())

    return router
