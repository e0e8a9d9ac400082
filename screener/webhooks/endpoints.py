"""Endpoints: the URLs of a marketplace that messages go to, made, listed, paused, rotated and removed."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from brands import audit, checks
from brands.database import Database
from brands.errors import Invalid, NotFound
from brands.ids import Clock, is_id, new_id, utc_now
from brands.model import EndpointState
from brands.schema import deliveries, webhook_endpoints
from screener.webhooks import outbox
from screener.webhooks.addresses import checked_url
from screener.webhooks.signing import secret_of
from screener.webhooks.types import TEST, TYPES

DESCRIPTION_MAX: Final = 200
ENDPOINTS_MAX: Final = 50
"""That are not removed: each message is written once for each of them."""
OVERLAP: Final = timedelta(days=1)
"""How long the old secret signs beside the new one."""
OVERLAP_MAX: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where messages of these `types` go. Until `previous_until`, they are signed with the secret before it as well."""

    id: str
    url: str
    description: str
    types: tuple[str, ...]
    state: EndpointState
    secret_number: int
    previous_until: datetime | None
    created_at: datetime
    created_by: str

    def secret_numbers(self, now: datetime) -> list[int]:
        """The secrets that sign now, the newest first."""
        both = self.previous_until is not None and now < self.previous_until
        return [self.secret_number, self.secret_number - 1] if both else [self.secret_number]


class Endpoints:
    """Endpoints in a database, their secrets derived from the service's `secret`. Safe to share between threads."""

    def __init__(self, database: Database, secret: bytes, clock: Clock = utc_now, *, private: bool = False) -> None:
        """`private` lets messages go to addresses that are not public."""
        self._database, self._secret, self._clock, self.private = database, secret, clock, private

    def add(
        self, *, actor: str, url: str, types: Collection[str] = TYPES, description: str = ""
    ) -> tuple[Endpoint, str]:
        """Makes an endpoint and gives it with its secret, which is shown this once. Raises Invalid."""
        actor = checks.checked_actor(actor)
        description = checks.checked_text(description, "description", DESCRIPTION_MAX)
        url, at = checked_url(url, private=self.private), self._clock()
        endpoint = Endpoint(new_id("whk", at), url, description, _checked_types(types), "active", 1, None, at, actor)
        with self._database.write() as conn:
            audit.lock(conn)
            number = sa.select(sa.func.count()).where(webhook_endpoints.c.state != "removed")
            if conn.execute(number).scalar_one() >= ENDPOINTS_MAX:
                raise Invalid(f"There may be {ENDPOINTS_MAX} endpoints.", code="too_many", field="url")
            row = _row(endpoint)
            conn.execute(sa.insert(webhook_endpoints).values(row))
            _log(conn, "webhook.add", None, endpoint, actor, at)
        return endpoint, secret_of(self._secret, endpoint.id, 1)

    def list(self) -> tuple[Endpoint, ...]:
        """All that are not removed, the oldest first."""
        query = sa.select(webhook_endpoints).where(webhook_endpoints.c.state != "removed")
        with self._database.read() as conn:
            return tuple(_endpoint(row) for row in conn.execute(query.order_by(webhook_endpoints.c.id)))

    def get(self, endpoint_id: str) -> Endpoint:
        """One that is not removed. Raises NotFound."""
        with self._database.read() as conn:
            return fetch(conn, endpoint_id)

    def set_state(self, *, actor: str, endpoint_id: str, state: EndpointState, reason: str = "") -> Endpoint:
        """Pauses, resumes or removes an endpoint.

        A paused one keeps its messages waiting, and gets them when it is resumed; what waits for a removed one fails.
        The state that it has already is fine. Raises NotFound.
        """
        actor, at = checks.checked_actor(actor), self._clock()
        with self._database.write() as conn:
            audit.lock(conn)
            return change_state(conn, endpoint_id, state, actor=actor, at=at, reason=reason)

    def rotate(self, *, actor: str, endpoint_id: str, keep: timedelta = OVERLAP) -> tuple[Endpoint, str]:
        """Gives an endpoint a new secret; the old one signs beside it for `keep`, so that nothing is missed.

        Raises NotFound, Invalid.
        """
        actor, at = checks.checked_actor(actor), self._clock()
        if not timedelta(0) <= keep <= OVERLAP_MAX:
            raise Invalid("The old secret may go on for 0 to 30 days.", code="invalid_period", field="keep_hours")
        with self._database.write() as conn:
            audit.lock(conn)
            before = fetch(conn, endpoint_id)
            after = replace(before, secret_number=before.secret_number + 1, previous_until=at + keep)
            _store(conn, after)
            _log(conn, "webhook.rotate", before, after, actor, at)
        return after, secret_of(self._secret, endpoint_id, after.secret_number)

    def send_test(self, *, actor: str, endpoint_id: str) -> str:
        """Writes a message of the type `webhook.test` for one endpoint; its id. Raises NotFound."""
        actor, at = checks.checked_actor(actor), self._clock()
        with self._database.write() as conn:
            audit.lock(conn)
            endpoint = fetch(conn, endpoint_id)
            message_id = outbox.write(conn, TEST, {"endpoint_id": endpoint.id}, to=[endpoint.id], at=at)
            _log(conn, "webhook.test", None, endpoint, actor, at, message=message_id)
            return message_id

    def secrets(self, endpoint: Endpoint, now: datetime) -> tuple[str, ...]:
        """The secrets that sign the endpoint's messages now."""
        return tuple(secret_of(self._secret, endpoint.id, number) for number in endpoint.secret_numbers(now))


def fetch(conn: sa.Connection, endpoint_id: str) -> Endpoint:
    """An endpoint that is not removed. Raises NotFound."""
    query = sa.select(webhook_endpoints).where(
        webhook_endpoints.c.id == endpoint_id, webhook_endpoints.c.state != "removed"
    )
    row = conn.execute(query).one_or_none() if is_id(endpoint_id) else None
    if row is None:
        raise NotFound
    return _endpoint(row)


def change_state(
    conn: sa.Connection, endpoint_id: str, state: EndpointState, *, actor: str, at: datetime, reason: str = ""
) -> Endpoint:
    """`Endpoints.set_state` in the transaction of a caller who holds `brands.audit.lock`."""
    before = fetch(conn, endpoint_id)
    if before.state == state:
        return before
    after = replace(before, state=state)
    _store(conn, after)
    if state == "removed":
        waiting = sa.and_(deliveries.c.endpoint_id == endpoint_id, deliveries.c.state == "pending")
        failed = {"state": "failed", "next_at": None, "error": "endpoint removed", "updated_at": at}
        conn.execute(sa.update(deliveries).where(waiting).values(failed))
    _log(conn, f"webhook.{_STEPS[state]}", before, after, actor, at, reason=reason)
    return after


_STEPS: Final = {"active": "resume", "paused": "pause", "removed": "remove"}


def _checked_types(types: Collection[str]) -> tuple[str, ...]:
    if not types or not set(types) <= set(TYPES):
        raise Invalid("A message has none of these types.", code="invalid_type", field="types")
    return tuple(type for type in TYPES if type in types)


def _endpoint(row: Any) -> Endpoint:
    return Endpoint(**{**row._mapping, "types": tuple(row.types)})


def _row(endpoint: Endpoint) -> dict[str, Any]:
    return {column.name: getattr(endpoint, column.name) for column in webhook_endpoints.c} | {
        "types": list(endpoint.types)
    }


def _store(conn: sa.Connection, endpoint: Endpoint) -> None:
    conn.execute(sa.update(webhook_endpoints).where(webhook_endpoints.c.id == endpoint.id).values(_row(endpoint)))


def _log(
    conn: sa.Connection,
    action: str,
    before: Endpoint | None,
    after: Endpoint,
    actor: str,
    at: datetime,
    **more: str,
) -> None:
    """The row of the audit log; a URL may carry a token, so the log has its host only."""

    def record(endpoint: Endpoint) -> dict[str, Any]:
        names = ("description", "state", "secret_number")
        place = {"host": endpoint.url.split("/")[2], "types": list(endpoint.types)}
        return {name: getattr(endpoint, name) for name in names} | place

    audit.append(
        conn,
        actor=actor,
        action=action,
        kind="webhook",
        object_id=after.id,
        before=record(before) if before else None,
        after=record(after) | {name: text for name, text in more.items() if text},
        at=at,
    )
