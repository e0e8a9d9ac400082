"""Signing in to the pages: sessions follow their key, cookies and forms are checked, guesses are counted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import StepClock
from service_kit import running

from brands.database import Database
from brands.errors import InvalidKey
from brands.keys import CACHE_FOR, Keys
from brands.schema import audit, sessions
from brands.sessions import LASTS, Sessions
from screener.admission import SMALL

SECRET = b"s" * 32


@pytest.fixture
def opened(database: Database, keys: Keys, clock: StepClock) -> Sessions:
    return Sessions(database, SECRET, keys, clock)


def test_a_session_stands_for_its_key_until_signed_out(opened: Sessions, keys: Keys, database: Database) -> None:
    key, plaintext = keys.create(actor="cli:test", scope="reviewer")
    cookie, person = opened.open(plaintext)
    assert (person.key.id, person.actor) == (key.id, f"key:{key.id}")
    found = opened.find(cookie)
    assert found is not None
    assert (found.key.id, found.csrf) == (key.id, person.csrf)
    opened.close(cookie)
    assert opened.find(cookie) is None
    opened.close(cookie)
    with database.read() as conn:
        actions = conn.execute(sa.select(audit.c.action).order_by(audit.c.sequence)).scalars().all()
    assert actions == ["key.create", "session.open", "session.close"]


def test_neither_cookie_nor_token_is_stored(opened: Sessions, keys: Keys, database: Database) -> None:
    cookie, person = opened.open(keys.create(actor="cli:test", scope="admin")[1])
    with database.read() as conn:
        stored = repr(conn.execute(sa.select(sessions)).all())
    assert cookie not in stored
    assert person.csrf not in stored


def test_what_is_no_key_does_not_sign_in(opened: Sessions, keys: Keys) -> None:
    key, plaintext = keys.create(actor="cli:test", scope="admin")
    keys.revoke(actor="cli:test", key_id=key.id)
    for wrong in ("", "lsk_", "lsk_wrong", plaintext, "é" * 47):
        with pytest.raises(InvalidKey):
            opened.open(wrong)


@pytest.mark.parametrize("cookie", ["", "x", "x" * 43, "é" * 43, "x" * 10_000])
def test_what_is_no_cookie_stands_for_nobody(opened: Sessions, cookie: str) -> None:
    assert opened.find(cookie) is None


def test_a_session_ends_by_itself(opened: Sessions, keys: Keys, clock: StepClock) -> None:
    cookie, _ = opened.open(keys.create(actor="cli:test", scope="admin")[1])
    clock.now += LASTS - timedelta(seconds=1)
    assert opened.find(cookie) is not None
    clock.now += timedelta(seconds=1)
    assert opened.find(cookie) is None


def test_a_revoked_key_ends_its_sessions_elsewhere_too(
    opened: Sessions, keys: Keys, database: Database, clock: StepClock
) -> None:
    key, plaintext = keys.create(actor="cli:test", scope="admin")
    cookie, _ = opened.open(plaintext)
    assert opened.find(cookie) is not None
    Keys(database, SECRET, clock).revoke(actor="cli:test", key_id=key.id)  # as another process would
    clock.now += CACHE_FOR
    assert opened.find(cookie) is None


class TestOverHttp:
    def test_who_guesses_is_slowed_down(self, tmp_path: Path) -> None:
        with running(tmp_path, rate_sign_in="3/minute") as kit:
            answers = [
                kit.client.post("/app/sign-in", data={"key": f"lsk_{n}"}, follow_redirects=False) for n in range(5)
            ]
            assert [answer.status_code == 429 for answer in answers] == [False] * 3 + [True] * 2
            assert int(answers[-1].headers["Retry-After"]) in range(1, 61)

    def test_a_key_that_asks_too_often_is_told_when_to_come_back(self, tmp_path: Path) -> None:
        with running(tmp_path, rate_machine="4/minute") as kit:
            answers = [kit.client.get("/v1/brands", headers=kit.admin) for _ in range(6)]
            assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
            assert answers[-1].json()["error"]["code"] == "rate_limited"
            assert int(answers[-1].headers["Retry-After"]) in range(1, 61)
            # Another key has a count of its own.
            assert kit.client.get("/v1/screenings/scr_0", headers=kit.hook).status_code == 404

    def test_strangers_cannot_send_much(self, tmp_path: Path) -> None:
        with running(tmp_path) as kit:
            large = {"key": "x" * SMALL}
            assert kit.client.post("/app/sign-in", data=large, follow_redirects=False).status_code == 413
            unknown = kit.client.post("/app/brands", data=large, follow_redirects=False)
            assert (unknown.status_code, unknown.headers["Location"]) == (303, "/app/sign-in")
