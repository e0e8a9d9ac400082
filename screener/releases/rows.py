"""Rows of models and switches: reading and writing them, and what the audit log says of them.

What is served is the release of the newest switch: the row's commit is the one step by which it changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from brands import audit
from brands.errors import NotFound
from brands.ids import new_id
from brands.model import ReleaseState, SwitchKind
from brands.schema import model_releases, model_switches
from screener.releases.report import Models

KIND: Final = "model"
"""Of the rows in the audit log."""
_ID: Final = re.compile(r"mod_[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class ModelRelease:
    """Models that belong together, and what was decided about them; `report` is JSON, as `Report.to_json` gives it."""

    id: str
    models: Models
    state: ReleaseState
    report: Mapping[str, Any] | None
    shadow_share: float
    note: str
    proposed_at: datetime
    proposed_by: str
    approved_at: datetime | None
    approved_by: str | None


@dataclass(frozen=True, slots=True)
class Switch:
    """A change of what is served; `previous_id` is what a rollback from here goes back to."""

    id: str
    release_id: str
    previous_id: str | None
    kind: SwitchKind
    reason: str
    created_at: datetime
    created_by: str


def release_id(models: Models) -> str:
    """`mod_` and 16 hex digits of SHA-256 over the three ids."""
    names = "\n".join((models.encoder, models.judge, models.policy))
    return f"mod_{hashlib.sha256(names.encode()).hexdigest()[:16]}"


def fetch(connection: sa.Connection, identifier: str) -> ModelRelease:
    """One release. Raises NotFound."""
    found = find(connection, identifier) if _ID.fullmatch(identifier) else None
    if found is None:
        raise NotFound
    return found


def find(connection: sa.Connection, identifier: str) -> ModelRelease | None:
    """One release, None where nobody proposed it and it was never served."""
    row = connection.execute(sa.select(model_releases).where(model_releases.c.id == identifier)).one_or_none()
    return None if row is None else _release(row)


def fetch_all(connection: sa.Connection) -> tuple[ModelRelease, ...]:
    """Every release, the one that was proposed last first."""
    query = sa.select(model_releases).order_by(model_releases.c.proposed_at.desc(), model_releases.c.id)
    return tuple(_release(row) for row in connection.execute(query))


def newest_switch(connection: sa.Connection) -> Switch | None:
    """The switch that says what is served, None where nothing was ever promoted."""
    query = sa.select(model_switches).order_by(model_switches.c.id.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else Switch(**row._mapping)


def switches(connection: sa.Connection) -> tuple[Switch, ...]:
    """Every switch, in order."""
    rows = connection.execute(sa.select(model_switches).order_by(model_switches.c.id))
    return tuple(Switch(**row._mapping) for row in rows)


def serving_since(connection: sa.Connection) -> list[str]:
    """The releases that a rollback would go through, oldest first, what is served last: a rollback takes one away."""
    line: list[str] = []
    for switch in switches(connection):
        if switch.kind == "rollback":
            line.pop()
        else:
            line += [switch.previous_id] if not line and switch.previous_id else []
            line.append(switch.release_id)
    return line


def insert(connection: sa.Connection, release: ModelRelease) -> None:
    """Writes a release, or what was decided anew about one."""
    values = {name: value for name, value in _values(release).items() if name != "id"}
    mine = model_releases.c.id == release.id
    if not connection.execute(sa.update(model_releases).where(mine).values(**values)).rowcount:
        connection.execute(sa.insert(model_releases).values(id=release.id, **values))


def add_switch(
    connection: sa.Connection,
    *,
    release: str,
    previous: str | None,
    kind: SwitchKind,
    reason: str,
    actor: str,
    at: datetime,
) -> Switch:
    """Writes a switch, later than every earlier one whatever the clocks say."""
    last = newest_switch(connection)
    if last is not None:
        at = max(at, last.created_at + timedelta(milliseconds=1))
    made = Switch(new_id("swt", at), release, previous, kind, reason, at, actor)
    connection.execute(sa.insert(model_switches).values(**asdict(made)))
    return made


def note(
    connection: sa.Connection,
    action: str,
    before: ModelRelease | None,
    after: ModelRelease,
    *,
    actor: str,
    at: datetime,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Writes the audit row of a change."""
    audit.append(
        connection,
        actor=actor,
        action=action,
        kind=KIND,
        object_id=after.id,
        before=None if before is None else _audited(before),
        after=_audited(after) | dict(more or {}),
        at=at,
    )


def _release(row: sa.Row[Any]) -> ModelRelease:
    fields = dict(row._mapping)
    models = Models(*(fields.pop(name) for name in ("encoder", "judge", "policy")))
    return ModelRelease(models=models, **fields)


def _values(release: ModelRelease) -> dict[str, Any]:
    values = asdict(release)
    models: dict[str, str] = values.pop("models")
    return {**values, **models}


def _audited(release: ModelRelease) -> dict[str, Any]:
    """Without the figures of the report, which are in its row."""
    return {
        "encoder": release.models.encoder,
        "judge": release.models.judge,
        "policy": release.models.policy,
        "state": release.state,
        "shadow_share": release.shadow_share,
        "note": release.note,
        "dataset": release.report and release.report["dataset"],
    }
