"""The audit log under attack: checkpoints, exports and copies show a forged chain; nothing is changed unlogged."""

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import StepClock
from erasure_kit import filled
from service_kit import ACTOR, running
from typer.testing import CliRunner

from brands import audit, audit_export, checkpoints
from brands.audit_export import Filter
from brands.columns import canonical_json
from brands.database import Database
from brands.errors import ChainBroken
from brands.schema import audit as audit_rows
from brands.schema import audit_checkpoints, audit_head
from brands.signing import Signer, is_signed, load_signer
from screener.cli import app

SIGNER, STRANGER = Signer(b"k" * 32), Signer(b"s" * 32)
EVERYTHING = Filter()


@pytest.fixture
def log(database: Database, clock: StepClock) -> Database:
    """A log of 25 rows with checkpoints at 10 and 20."""
    with database.write() as conn:
        for number in range(25):
            audit.append(
                conn,
                actor="key:a" if number % 2 else "cli:b",
                action="brand.add",
                kind="brand",
                object_id=f"brd_{number}",
                before=None,
                after={"name": f"Näme {number}", "price": 0.1},
                at=clock(),
            )
        assert checkpoints.are_due(conn, every=10)
        assert checkpoints.make_due(conn, SIGNER, every=10, at=clock()) == 2
        assert not checkpoints.are_due(conn, every=10)
    return database


def checked(database: Database, *copies: checkpoints.Checkpoint, key: str = SIGNER.public_key) -> checkpoints.Verified:
    with database.read() as conn:
        return checkpoints.verify(conn, [key], copies)


def stored(database: Database) -> tuple[checkpoints.Checkpoint, ...]:
    with database.read() as conn:
        return checkpoints.fetch_page(conn, after=0, limit=100)


def forge(database: Database) -> None:
    """Rewrites the log from row 5 on, with a chain that fits, as somebody who owns the database could."""
    with database.write() as conn:
        rows = [dict(row) for row in audit.read_rows(conn)]
        conn.execute(sa.delete(audit_rows))
        conn.execute(sa.update(audit_head).values(count=4, hash=rows[3]["hash"]))
        for row in rows:
            values = {**row, "before": None, "after": json.loads(row["after"])}
            if row["sequence"] < 5:
                conn.execute(sa.insert(audit_rows).values(values))
        for row in rows[4:]:
            audit.append(
                conn,
                actor="cli:somebody-else",
                action=row["action"],
                kind=row["kind"],
                object_id=row["object_id"],
                before=None,
                after=json.loads(row["after"]),
                at=StepClock()(),
            )


def test_a_log_as_it_was_written_fits(log: Database) -> None:
    found = checked(log)
    assert found.ok and (found.chain.rows, found.checkpoints, found.covered) == (25, 2, 20)


def test_a_forged_chain_does_not_fit_the_checkpoints(log: Database) -> None:
    forge(log)
    found = checked(log)
    assert found.chain.ok, "the forgery is good enough for the chain alone"
    assert found.problems == ("checkpoint 10: the row's hash is another", "checkpoint 20: the row's hash is another")


def test_a_forged_chain_without_its_checkpoints_shows_in_a_copy(log: Database) -> None:
    copy = stored(log)[1]
    assert checked(log, copy).ok
    forge(log)
    with log.write() as conn:
        conn.execute(sa.delete(audit_checkpoints))
    assert checked(log).covered == 0
    assert checked(log, copy).problems == ("copy of checkpoint 20: the row's hash is another",)


def test_a_chain_forged_with_a_key_of_ones_own_shows(log: Database, clock: StepClock) -> None:
    forge(log)
    with log.write() as conn:
        conn.execute(sa.delete(audit_checkpoints))
        checkpoints.make_due(conn, STRANGER, every=10, at=clock())
    assert checked(log, key=STRANGER.public_key).ok
    assert len(checked(log).problems) == 2
    assert "not trusted" in checked(log).problems[0]


@pytest.mark.parametrize("field", ["sequence", "hash", "at", "signature"])
def test_a_checkpoint_is_signed_whole(log: Database, field: str) -> None:
    one = stored(log)[0]
    changed = {"sequence": 11, "hash": "0" * 64, "at": "2020-01-01", "signature": "AAAA"}[field]
    assert not checked(log, replace(one, **{field: changed})).ok  # type: ignore[arg-type]


def test_a_shortened_log_shows_in_a_copy(log: Database) -> None:
    copy = stored(log)[1]
    with log.write() as conn:
        conn.execute(sa.delete(audit_rows).where(audit_rows.c.sequence > 12))
        last = conn.execute(sa.select(audit_rows.c.hash).where(audit_rows.c.sequence == 12)).scalar_one()
        conn.execute(sa.update(audit_head).values(count=12, hash=last))
        conn.execute(sa.delete(audit_checkpoints).where(audit_checkpoints.c.sequence > 12))
    assert checked(log).ok
    assert checked(log, copy).problems == ("copy of checkpoint 20: the log has no such row",)


def test_nothing_is_signed_over_a_change(log: Database, clock: StepClock) -> None:
    with log.write() as conn:
        conn.execute(sa.update(audit_rows).where(audit_rows.c.sequence == 23).values(actor="cli:nobody"))
    with pytest.raises(ChainBroken, match="row 23"), log.write() as conn:
        checkpoints.make_due(conn, SIGNER, every=5, at=clock())
    with pytest.raises(ChainBroken), log.write() as conn:
        checkpoints.make(conn, SIGNER, at=clock())
    assert len(stored(log)) == 2


def test_a_checkpoint_on_demand(log: Database, clock: StepClock) -> None:
    with log.write() as conn:
        made = checkpoints.make(conn, SIGNER, at=clock())
        assert made is not None and made.sequence == 25
        assert checkpoints.make(conn, SIGNER, at=clock()) == made
    assert checked(log).covered == 25


def test_an_empty_log_has_no_checkpoint(database: Database, clock: StepClock) -> None:
    with database.write() as conn:
        assert checkpoints.make(conn, SIGNER, at=clock()) is None
    assert checked(database).ok


def test_erased_words_leave_checkpoints_whole(log: Database) -> None:
    with log.write() as conn:
        audit.redact(conn, ["brd_7"])
    assert checked(log).ok and checked(log).chain.redacted == 1


def test_a_signature_is_of_one_type_only() -> None:
    signature = SIGNER.sign("one", {"a": 1})
    assert is_signed(SIGNER.public_key, "one", {"a": 1}, signature)
    for key, kind, fields, given in (
        (SIGNER.public_key, "other", {"a": 1}, signature),
        (SIGNER.public_key, "one", {"a": 2}, signature),
        (STRANGER.public_key, "one", {"a": 1}, signature),
        ("no key", "one", {"a": 1}, signature),
        (SIGNER.public_key, "one", {"a": 1}, "no signature"),
    ):
        assert not is_signed(key, kind, fields, given)


def test_the_key_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "signing-key"
    assert load_signer(path).public_key == load_signer(path).public_key
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_signer(path).subject("brand", "a") != SIGNER.subject("brand", "a") != SIGNER.subject("seller", "a")


def exported(database: Database, wanted: Filter = EVERYTHING) -> list[str]:
    with database.read() as conn:
        return list(audit_export.lines(conn, SIGNER, wanted, at=StepClock()()))


def verified(lines: list[str], *copies: checkpoints.Checkpoint) -> audit_export.FileReport:
    return audit_export.verify_lines(lines, [SIGNER.public_key], copies)


def test_an_export_proves_itself(log: Database) -> None:
    with log.write() as conn:
        audit.redact(conn, ["brd_7"])
    lines = exported(log)
    report = verified(lines, stored(log)[0])
    assert (report.rows, report.checkpoints, report.whole, report.covered) == (25, 2, True, 20)
    assert report.problems == () and report.head == checked(log).chain.head


def _changed(number: int, **fields: Any) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        return [
            canonical_json({**json.loads(line), **fields}) if place == number else line
            for place, line in enumerate(lines)
        ]

    return change


@pytest.mark.parametrize(
    "damage",
    [
        _changed(0, count=3),
        _changed(0, head="0" * 64),
        _changed(0, filter={"actor": "cli:b"}),
        _changed(0, public_key=STRANGER.public_key),
        _changed(1, hash="0" * 64),
        _changed(5, actor="cli:nobody"),
        _changed(5, after={"name": "Another"}),
        _changed(5, salt=None),
        _changed(5, salt=None, after=None, after_hash=None),
        _changed(5, sequence="3"),
        lambda lines: lines[:-1],
        lambda lines: lines[:8] + lines[9:],
        lambda lines: [*lines[:8], lines[9], lines[8], *lines[10:]],
        lambda lines: [*lines, lines[-1]],
    ],
)
def test_a_changed_export_shows(log: Database, damage: Callable[[list[str]], list[str]]) -> None:
    lines = exported(log)
    damaged = damage(lines)
    assert damaged != lines
    assert verified(damaged).problems


def test_a_part_of_the_log_proves_its_rows(log: Database) -> None:
    lines = exported(log, Filter(actor="key:a"))
    report = verified(lines)
    assert (report.rows, report.whole, report.problems) == (12, False, ())
    assert verified(lines[:-1]).problems
    assert verified(_changed(6, actor="key:b")(lines)).problems


@pytest.mark.parametrize("text", ["", "[]", "{", '{"type": "other"}', "[" * 100_000])
def test_what_is_no_export_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an export"):
        verified([text])


def test_filters(log: Database) -> None:
    with log.read() as conn:
        everything = audit_export.fetch_page(conn, Filter(), after=0, limit=100)
        middle = audit_export.fetch_page(conn, Filter(object_id="brd_3"), after=0, limit=9)
        later = audit_export.fetch_page(conn, Filter(kind="brand", action="brand.add"), after=23, limit=9)
    times = [StepClock().now.isoformat(), *(row["at"] for row in everything)]
    assert [row["sequence"] for row in middle] == [4] and [row["sequence"] for row in later] == [24, 25]
    since, until = (datetime.fromisoformat(times[number]) for number in (5, 8))
    with log.read() as conn:
        between = audit_export.fetch_page(conn, Filter(since=since, until=until), after=0, limit=9)
    assert [row["sequence"] for row in between] == [5, 6, 7]
    assert "salt" not in between[0]


def test_over_http(tmp_path: Path, empty_database_url: str) -> None:
    with running(tmp_path, database_url=empty_database_url, audit_checkpoint_every=2, refresh_seconds=60) as kit:
        brand = kit.add_brand("Solvane")
        assert kit.service.janitor.sign() == 1
        assert kit.service.janitor.sign() == 0
        page = kit.client.get("/v1/audit", params={"limit": 2}, headers=kit.admin).json()
        assert [row["sequence"] for row in page["items"]] == [1, 2] and page["next"] == "2"
        rest = kit.client.get("/v1/audit", params={"after": 2}, headers=kit.admin).json()
        assert rest["items"][0]["action"] == "brand.add" and rest["items"][0]["object_id"] == brand.id
        assert rest["items"][0]["after"]["name"] == "Solvane" and rest["next"] is None
        own = kit.client.get("/v1/audit", params={"object_id": brand.id, "actor": ACTOR}, headers=kit.admin).json()
        assert [row["sequence"] for row in own["items"]] == [3]
        signed = kit.client.get("/v1/audit/checkpoints", headers=kit.admin).json()["items"]
        assert [one["sequence"] for one in signed] == [2]
        assert signed[0]["public_key"] == kit.service.truth.signer.public_key
        assert kit.client.get("/v1/audit", headers=kit.hook).status_code == 403
        assert kit.client.get("/v1/audit", params={"since": "yesterday"}, headers=kit.admin).status_code == 422


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    monkeypatch.setenv("SCREENER_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("SCREENER_DATABASE_URL", "")

    def run(*arguments: object, code: int = 0) -> str:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == code, done.output
        return done.stdout if code == 0 else done.stderr

    yield run


def test_on_the_command_line(run: Callable[..., str], tmp_path: Path) -> None:
    run("keys", "create", "--scope", "ops")
    copy, file = tmp_path / "copy.json", tmp_path / "log.jsonl"
    copy.write_text(run("audit", "checkpoint"))
    key = json.loads(copy.read_text())["public_key"]
    run("keys", "create", "--scope", "admin")
    assert "1 checkpoints fit; signed up to row 1" in run("audit", "verify", "--checkpoint", copy)
    file.write_text(run("audit", "export"))
    assert "2 rows fit; the whole log" in run("audit", "verify", "--file", file, "--checkpoint", copy)
    assert "2 rows fit" in run("audit", "verify", "--file", file, "--public-key", key)
    stranger = STRANGER.public_key
    assert "not trusted" in run("audit", "verify", "--file", file, "--public-key", stranger, code=1)
    assert "not trusted" in run("audit", "verify", "--public-key", stranger, code=1)
    part = tmp_path / "part.jsonl"
    part.write_text(run("audit", "export", "--kind", "brand"))
    assert "0 rows fit; a part of the log" in run("audit", "verify", "--file", part)
    file.write_text(file.read_text().replace("key.create", "key.revoke", 1))
    assert "not a row as it was written" in run("audit", "verify", "--file", file, code=1)
    assert json.loads(run("audit", "verify", "--json"))["covered"] == 1
    copy.write_text("{}")
    assert "not a checkpoint" in run("audit", "verify", "--checkpoint", copy, code=1)


def test_a_log_of_nothing_has_no_checkpoint_to_print(run: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "registry.sqlite3").touch()
    assert "empty" in run("audit", "checkpoint", code=1)


UNLOGGED = {"embeddings", "picture_facts", "picture_texts", "audit_checkpoints", "alembic_version"}
"""Tables of what is computed from the rest; `api_keys.last_used_at` is an observation."""
WRITES = re.compile(r'^(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)"?')


def test_every_change_is_in_the_log(tmp_path: Path, empty_database_url: str) -> None:
    """Each transaction that changes something writes who, what and which in the log, erasure and all."""
    unlogged: list[set[str]] = []
    logged: set[str] = set()

    def note(conn: sa.Connection, cursor: Any, statement: str, *_rest: Any) -> None:
        found = WRITES.match(statement)
        if found and cursor.rowcount and "last_used_at" not in statement:
            conn.info.setdefault("written", set()).add(found[1])

    def commit(conn: sa.Connection) -> None:
        written = conn.info.pop("written", set())
        if "audit" in written:
            logged.update(written)
        elif written - UNLOGGED:
            unlogged.append(written)

    def rollback(conn: sa.Connection) -> None:
        conn.info.pop("written", None)

    listeners = [("after_cursor_execute", note), ("commit", commit), ("rollback", rollback)]
    database = Database(empty_database_url)
    database.migrate()
    database.close()
    for name, listener in listeners:
        sa.event.listen(sa.Engine, name, listener)
    try:
        with filled(tmp_path, empty_database_url) as world:
            kit = world.kit
            kit.client.post(f"/v1/keys/{world.key}/revoke", headers=kit.admin)
            kit.service.truth.eraser.erase("seller", world.seller, confirm=world.seller, actor=ACTOR)
            kit.service.truth.eraser.erase("brand", world.brand.id, confirm=world.brand.id, actor=ACTOR)
    finally:
        for name, listener in listeners:
            sa.event.remove(sa.Engine, name, listener)
    assert {"brands", "references", "api_keys", "screenings", "decisions", "responses", "legal_holds"} <= logged
    assert unlogged == []


def test_reading_from_a_stream(log: Database) -> None:
    """A file is checked line by line, as it is read."""
    text = io.StringIO("\n".join(exported(log)) + "\n")
    assert audit_export.verify_lines(text, [SIGNER.public_key]).whole
