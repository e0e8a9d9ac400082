"""The rows of one change of what is served; their commit is the one step by which it changes."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime

import sqlalchemy as sa

from brands import audit
from brands.model import SwitchKind
from screener.releases import rows
from screener.releases.rows import ModelRelease, Switch
from screener.webhooks.outbox import emit


def write_switch(
    connection: sa.Connection,
    kind: SwitchKind,
    before: ModelRelease,
    after: ModelRelease,
    previous: ModelRelease,
    back_to: str | None,
    actor: str,
    reason: str,
    at: datetime,
) -> Switch:
    """Serves `after`, which was `before`, in the place of `previous`, in a transaction that holds the audit lock.

    `back_to` is what a rollback from here goes back to. Endpoints that want it get `release.switched`.
    """
    if previous.id != after.id:
        retired = replace(previous, state="retired")
        rows.insert(connection, retired)
        rows.note(connection, "model.retire", previous, retired, actor=actor, at=at)
    rows.insert(connection, after)
    switch = rows.add_switch(
        connection, release=after.id, previous=back_to, kind=kind, reason=reason, actor=actor, at=at
    )
    more = {"switch": switch.id, "instead_of": previous.id, "reason": reason}
    rows.note(connection, f"model.{kind}", before, after, actor=actor, at=at, more=more)
    payload = {
        "kind": kind,
        "model": after.id,
        "previous": previous.id,
        "models": asdict(after.models),
        "reason": reason,
        "at": audit.iso(switch.created_at),
    }
    emit(connection, "release.switched", payload, at=at)
    return switch
