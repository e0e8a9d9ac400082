"""Candidates from proposal to promotion and back: who may take which step, and that what is served belongs together.

```
          propose            approve            promote           a later promotion, or a rollback
(nothing) -------> proposed ---------> approved ---------> active --------------------------------> retired
                       \\________________/                    ^__________________________________________|
                            refuse -> refused                               a rollback to it
```
What was refused or retired can be proposed again, with a new report. Every step is one transaction with its audit row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import structlog

from brands import approvals, audit, checks
from brands.columns import canonical_json
from brands.database import Database
from brands.errors import Conflict, Invalid
from screener.errors import ReleaseRefused, ReportRefused
from screener.releases import rows
from screener.releases.report import Models, Report
from screener.releases.rows import ModelRelease, Switch
from screener.releases.store import ModelStore, Paths, ids_of
from screener.releases.switching import write_switch
from screener.settings import Settings

log = structlog.get_logger()

NOTE_MAX: Final = 1000
FIRST: Final = "service:settings"
"""Who the rows name as the proposer of what was served before anything was promoted."""


class ModelRegistry:
    """The releases of one database and the models of one data folder; safe to share between threads."""

    def __init__(self, database: Database, store: ModelStore, settings: Settings, now: Callable[[], datetime]) -> None:
        """`now` gives aware UTC times."""
        self._database, self.store, self._settings, self._now = database, store, settings, now
        self._configured: Models | None = None

    @property
    def configured(self) -> Models:
        """What the settings name. Raises BundleRefused, JudgeRefused, PolicyRefused."""
        if self._configured is None:
            self._configured = ids_of(self.store.configured)
        return self._configured

    def promoted(self) -> tuple[Switch, Models] | None:
        """The newest switch and its models; None where nothing was promoted, or the settings are to be served."""
        if self._settings.release == "settings":
            return None
        with self._database.read() as connection:
            switch = rows.newest_switch(connection)
            return None if switch is None else (switch, rows.fetch(connection, switch.release_id).models)

    def served(self) -> Models:
        """What is to be served: the promoted models, else those of the settings."""
        found = self.promoted()
        return self.configured if found is None else found[1]

    def served_paths(self) -> Paths:
        """Where the models that are to be served are. Raises ReleaseRefused where this server lacks one."""
        found = self.promoted()
        return self.store.configured if found is None else self.store.find(found[1])

    def completed(self, bundle: Path | None, judge: Path | None, policy: Path | None) -> Paths:
        """A candidate's models; those that are not given are the ones that are served. Raises ReleaseRefused."""
        if bundle and judge and policy:
            return Paths(bundle, judge, policy)
        served = self.served_paths()
        return Paths(bundle or served.bundle, judge or served.judge, policy or served.policy)

    def list(self) -> tuple[ModelRelease, ...]:
        """Every release, the one that was proposed last first."""
        with self._database.read() as connection:
            return rows.fetch_all(connection)

    def get(self, identifier: str) -> ModelRelease:
        """One release. Raises NotFound."""
        with self._database.read() as connection:
            return rows.fetch(connection, identifier)

    def switches(self) -> tuple[Switch, ...]:
        """Every switch, in order."""
        with self._database.read() as connection:
            return rows.switches(connection)

    def propose(self, paths: Paths, report: Report, *, actor: str, note: str = "") -> ModelRelease:
        """Copies a candidate's models into the store and proposes them; what was decided about them before is void.

        Raises
        ------
        BundleRefused, JudgeRefused, PolicyRefused, ReleaseRefused
            as `ModelStore.add` does
        ReportRefused
            the report is of other models, was measured against something else than what is served
            (`report_outdated`), or says that a gate was not passed (`gate_not_passed`)
        Invalid, Conflict
            the actor or the note is not a text; the release is served already (`illegal_state`)
        """
        actor, note = checks.checked_actor(actor), checks.checked_text(note, "note", NOTE_MAX)
        _check_gates(report)
        if ids_of(paths) != report.candidate:
            raise ReportRefused("The report is of other models than those that are proposed.", field="report")
        if report.serving != self.served():
            raise _outdated()
        if report.candidate == report.serving:
            raise Conflict("This release is served already.", code="illegal_state")
        models = self.store.add(paths)
        at, identifier = self._now(), rows.release_id(models)
        record = report.to_json()
        try:
            canonical_json(record)
        except (ValueError, TypeError) as error:
            raise ReportRefused("The report has figures that are no numbers.", field="report") from error
        with self._database.write() as connection:
            audit.lock(connection)
            before = rows.find(connection, identifier)
            after = ModelRelease(identifier, models, "proposed", record, 0.0, note, at, actor, None, None)
            rows.insert(connection, after)
            rows.note(connection, "model.propose", before, after, actor=actor, at=at)
        return after

    def approve(self, identifier: str, *, actor: str) -> ModelRelease:
        """Approves a proposed candidate.

        Raises
        ------
        NotFound, Conflict
            there is no such release, or it is in another state (`illegal_state`)
        ReleaseRefused
            the proposer, or a key that takes over from the proposer's, cannot approve (`second_person_needed`), unless
            the settings ask for one person only
        """
        actor, at = checks.checked_actor(actor), self._now()
        with self._database.write() as connection:
            audit.lock(connection)
            before = rows.fetch(connection, identifier)
            _check_state(before, "proposed")
            self._check_second_person(connection, before, actor)
            after = replace(before, state="approved", approved_at=at, approved_by=actor)
            rows.insert(connection, after)
            rows.note(connection, "model.approve", before, after, actor=actor, at=at)
        return after

    def refuse(self, identifier: str, *, actor: str, reason: str) -> ModelRelease:
        """Refuses a candidate for a reason; it judges nothing in the shadow any more. Raises NotFound, Conflict."""
        actor, reason, at = checks.checked_actor(actor), _checked_reason(reason), self._now()
        with self._database.write() as connection:
            audit.lock(connection)
            before = rows.fetch(connection, identifier)
            _check_state(before, "proposed", "approved")
            after = replace(before, state="refused", shadow_share=0.0)
            rows.insert(connection, after)
            rows.note(connection, "model.refuse", before, after, actor=actor, at=at, more={"reason": reason})
        return after

    def shadow(self, identifier: str, *, share: float, actor: str) -> ModelRelease:
        """Sets the share, 0 to 1, of live listings that a candidate judges without effect.

        One candidate does at a time: another one's share becomes 0. Raises NotFound, Invalid, Conflict.
        """
        actor, at = checks.checked_actor(actor), self._now()
        if not 0.0 <= share <= 1.0:
            raise Invalid("The share is 0 to 1.", code="invalid_share", field="share")
        with self._database.write() as connection:
            audit.lock(connection)
            before = rows.fetch(connection, identifier)
            if share:
                _check_state(before, "proposed", "approved")
            for other in rows.fetch_all(connection):
                if share and other.shadow_share and other.id != identifier:
                    ended = replace(other, shadow_share=0.0)
                    rows.insert(connection, ended)
                    rows.note(connection, "model.shadow", other, ended, actor=actor, at=at)
            after = replace(before, shadow_share=share)
            rows.insert(connection, after)
            rows.note(connection, "model.shadow", before, after, actor=actor, at=at)
        return after

    def shadowed(self) -> ModelRelease | None:
        """The candidate that judges in the shadow, None where there is none."""
        with self._database.read() as connection:
            return next((release for release in rows.fetch_all(connection) if release.shadow_share > 0), None)

    def check_promotable(self, identifier: str) -> ModelRelease:
        """The release, if it may be promoted now.

        Raises
        ------
        NotFound, Conflict
            there is no such release, or it is not approved (`illegal_state`)
        ReportRefused
            what is served is not what it was measured against any more (`report_outdated`)
        """
        with self._database.read() as connection:
            release = rows.fetch(connection, identifier)
            self._check_promotable(connection, release)
        return release

    def promote(self, identifier: str, *, actor: str, reason: str) -> Switch:
        """Switches to an approved release whose references are embedded (`screener.releases.control`).

        Raises what `check_promotable` does, and ReleaseRefused, BundleRefused, JudgeRefused or PolicyRefused where what
        is served now cannot be kept to go back to.
        """
        actor, reason, at = checks.checked_actor(actor), _checked_reason(reason), self._now()
        first = self._first()
        with self._database.write() as connection:
            audit.lock(connection)
            before = rows.fetch(connection, identifier)
            self._check_promotable(connection, before)
            last = rows.newest_switch(connection)
            if last is None:
                known = rows.find(connection, first.id)
                rows.insert(connection, first)
                rows.note(connection, "model.first", known, first, actor=FIRST, at=at)
            previous = first if last is None else rows.fetch(connection, last.release_id)
            after = replace(before, state="active", shadow_share=0.0)
            return write_switch(connection, "promote", before, after, previous, previous.id, actor, reason, at)

    def rollback(self, identifier: str | None = None, *, actor: str, reason: str) -> Switch:
        """Goes back to the whole previous release: encoder, judge, policy, and with them the snapshot.

        One person may do so: it is for an emergency, and in the audit log. A second rollback goes back further, so
        `identifier` may name the release that is taken back, lest two people do it one after the other.

        Raises
        ------
        NotFound
            there is no such release
        Conflict
            there is nothing to go back to (`nothing_to_roll_back`), or `identifier` is not what is served
            (`illegal_state`)
        ReleaseRefused
            this server does not have the previous models any more (`model_missing`)
        """
        actor, reason, at = checks.checked_actor(actor), _checked_reason(reason), self._now()
        with self._database.write() as connection:
            audit.lock(connection)
            line = rows.serving_since(connection)
            if identifier is not None and rows.fetch(connection, identifier).id != (line[-1] if line else None):
                raise Conflict("Another release is served.", code="illegal_state")
            if len(line) < 2:
                raise Conflict("Nothing was promoted that could be taken back.", code="nothing_to_roll_back")
            previous = rows.fetch(connection, line[-1])
            before = rows.fetch(connection, line[-2])
            self.store.find(before.models)
            after, further = replace(before, state="active"), line[-3] if len(line) > 2 else None
            return write_switch(connection, "rollback", before, after, previous, further, actor, reason, at)

    def _first(self) -> ModelRelease:
        """What is served before the first promotion, with its models in the store from then on."""
        models, at = self.configured, self._now()
        if self.promoted() is None:
            self.store.add(self.store.configured)
        note = "served before the first promotion"
        return ModelRelease(rows.release_id(models), models, "active", None, 0.0, note, at, FIRST, None, None)

    def _check_promotable(self, connection: sa.Connection, release: ModelRelease) -> None:
        _check_state(release, "approved")
        assert release.report is not None
        last = rows.newest_switch(connection)
        served = self.configured if last is None else rows.fetch(connection, last.release_id).models
        if release.report["serving"] != asdict(served):
            raise _outdated()

    def _check_second_person(self, connection: sa.Connection, release: ModelRelease, actor: str) -> None:
        if self._settings.release_approvals < 2:
            return
        if approvals.lineage(connection, actor) == approvals.lineage(connection, release.proposed_by):
            raise ReleaseRefused("Another person must approve this release.", code="second_person_needed", status=403)


def _check_gates(report: Report) -> None:
    if failed := report.failed:
        words = "; ".join(f"{gate.name}: {gate.detail}" for gate in failed)
        raise ReportRefused(f"Not every gate was passed. {words}", code="gate_not_passed", field="report")


def _outdated() -> ReportRefused:
    return ReportRefused(
        "The candidate was measured against something else than what is served now; evaluate it again.",
        code="report_outdated",
        status=409,
    )


def _check_state(release: ModelRelease, *states: str) -> None:
    if release.state not in states:
        raise Conflict(f"The release is {release.state}, not {' or '.join(states)}.", code="illegal_state")


def _checked_reason(reason: str) -> str:
    if not reason.strip():
        raise Invalid("Say why.", code="reason_needed", field="reason")
    return checks.checked_text(reason, "reason", NOTE_MAX)
