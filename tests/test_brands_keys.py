"""API keys, the server secret they are hashed with, and identifiers."""

from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import StepClock
from hypothesis import given
from hypothesis import strategies as st

from brands.database import Database
from brands.errors import Conflict, Invalid, NotFound
from brands.ids import is_id, new_id
from brands.keys import CACHE_FOR, OVERLAP, OVERLAP_MAX, Keys
from brands.model import BrandDetails
from brands.registry import Registry
from brands.schema import api_keys
from brands.secret import load_or_create_secret


def test_a_key_is_shown_once_and_stored_as_a_hash(keys: Keys, database: Database) -> None:
    key, plaintext = keys.create(actor="cli:test", scope="admin", label=" first ")
    assert plaintext.startswith("lsk_")
    assert len(plaintext) == 47
    assert (key.scope, key.brand_id, key.label, key.created_by) == ("admin", None, "first", "cli:test")
    assert keys.authenticate(plaintext) == key
    with database.read() as conn:
        everything = repr([conn.execute(sa.text(f"SELECT * FROM {t}")).all() for t in ("api_keys", "audit")])
    assert plaintext not in everything
    assert plaintext[4:] not in everything


def test_other_keys_are_unknown(keys: Keys) -> None:
    _, plaintext = keys.create(actor="cli:test", scope="hook")
    for wrong in (
        "", "lsk_", "x", plaintext[:-1], plaintext + "A", plaintext.lower(), plaintext[4:], "lsk_" + "é" * 43,
        "lsk_\0", "lsk_" + "x" * 100_000, f" {plaintext}",
    ):  # fmt: skip
        assert keys.authenticate(wrong) is None


def test_another_secret_knows_none_of_the_keys(keys: Keys, database: Database) -> None:
    _, plaintext = keys.create(actor="cli:test", scope="hook")
    assert Keys(database, b"t" * 32).authenticate(plaintext) is None


def test_revocation_counts_at_once_here_and_within_five_seconds_elsewhere(
    keys: Keys, database: Database, clock: StepClock
) -> None:
    assert timedelta(seconds=5) >= CACHE_FOR
    elsewhere = Keys(database, b"s" * 32, clock)
    key, plaintext = keys.create(actor="cli:test", scope="hook")
    assert keys.authenticate(plaintext)
    assert elsewhere.authenticate(plaintext)
    revoked = keys.revoke(actor="cli:test", key_id=key.id)
    assert revoked.revoked_at is not None
    assert keys.authenticate(plaintext) is None
    assert elsewhere.authenticate(plaintext) is not None
    clock.now += timedelta(seconds=5)
    assert elsewhere.authenticate(plaintext) is None
    with pytest.raises(Conflict) as caught:
        keys.revoke(actor="cli:test", key_id=key.id)
    assert caught.value.code == "illegal_state"


def test_a_clock_that_goes_back_does_not_prolong_the_cache(keys: Keys, database: Database, clock: StepClock) -> None:
    elsewhere = Keys(database, b"s" * 32, clock)
    key, plaintext = keys.create(actor="cli:test", scope="hook")
    assert elsewhere.authenticate(plaintext)
    keys.revoke(actor="cli:test", key_id=key.id)
    clock.now -= timedelta(hours=1)
    assert elsewhere.authenticate(plaintext) is None


def test_a_key_expires_even_when_cached(keys: Keys, clock: StepClock) -> None:
    end = clock.now + timedelta(seconds=3)
    key, plaintext = keys.create(actor="cli:test", scope="hook", expires_at=end)
    assert key.expires_at == end
    assert keys.authenticate(plaintext)
    clock.now = end
    assert keys.authenticate(plaintext) is None


def test_a_found_key_costs_no_query_for_five_seconds(keys: Keys, database: Database, clock: StepClock) -> None:
    _, plaintext = keys.create(actor="cli:test", scope="hook")
    queries: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *args: queries.append(args[2]))
    for _ in range(10):
        assert keys.authenticate(plaintext)
    selects = [query for query in queries if query.startswith("SELECT")]
    assert len(selects) == 1
    assert all(not query.startswith(("UPDATE", "INSERT")) for query in queries)
    clock.now += CACHE_FOR
    keys.authenticate(plaintext)
    assert len([query for query in queries if query.startswith("SELECT")]) == 2


def test_uses_are_written_when_keys_are_listed(keys: Keys, clock: StepClock) -> None:
    first, plaintext = keys.create(actor="cli:test", scope="hook")
    keys.create(actor="cli:test", scope="hook")
    assert [key.last_used_at for key in keys.list()] == [None, None]
    keys.authenticate(plaintext)
    at = clock.now
    assert [key.last_used_at for key in keys.list()] == [at, None]
    assert keys.list()[0].id == first.id


def test_scopes_and_brands(keys: Keys, registry: Registry, database: Database) -> None:
    brand = registry.add_brand(actor="cli:test", details=BrandDetails("Aurelia"))
    key, plaintext = keys.create(actor="cli:test", scope="brand", brand_id=brand.id)
    assert keys.authenticate(plaintext) == key
    past, naive = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1)
    for bad, field in (
        ({"scope": "brand"}, "brand_id"),
        ({"scope": "hook", "brand_id": brand.id}, "brand_id"),
        ({"scope": "brand", "brand_id": "brd_" + "0" * 32}, "brand_id"),
        ({"scope": "brand", "brand_id": "\0"}, "brand_id"),
        ({"scope": "root"}, "scope"),
        ({"scope": "hook", "label": "a\0"}, "label"),
        ({"scope": "hook", "expires_at": past}, "expires_at"),
        ({"scope": "hook", "expires_at": naive}, "expires_at"),
    ):
        with pytest.raises(Invalid) as caught:
            keys.create(actor="cli:test", **bad)
        assert caught.value.field == field
    with database.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(api_keys)).scalar_one() == 1


def test_pages_of_keys(keys: Keys) -> None:
    made = [keys.create(actor="cli:test", scope="hook")[0] for _ in range(5)]
    first = keys.list(limit=3)
    assert [key.id for key in first + keys.list(after=first[-1].id, limit=3)] == [key.id for key in made]


def test_the_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret"
    secret = load_or_create_secret(path)
    assert len(secret) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_secret(path) == secret
    assert [child.name for child in path.parent.iterdir()] == ["secret"]


def test_threads_that_start_at_once_share_the_secret(tmp_path: Path) -> None:
    barrier, secrets = threading.Barrier(8), []

    def start() -> None:
        barrier.wait()
        secrets.append(load_or_create_secret(tmp_path / "secret"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(secrets) == 8
    assert len(set(secrets)) == 1
    assert [child.name for child in tmp_path.iterdir()] == ["secret"]


def test_a_short_secret_is_refused(tmp_path: Path, keys: Keys, database: Database) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(ValueError, match="32"):
        load_or_create_secret(tmp_path / "secret")
    with pytest.raises(ValueError, match="32"):
        Keys(database, b"short")


TIMES = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC))


@given(TIMES, TIMES, st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_identifiers_sort_by_time(first: datetime, second: datetime, x: bytes, y: bytes) -> None:
    a, b = new_id("brd", first, lambda _: x), new_id("brd", second, lambda _: y)
    assert is_id(a)
    assert (a[16], a[20] in "89ab") == ("7", True)
    if first != second:
        assert (a < b) == (first < second)


def test_identifiers_need_an_aware_time_since_1970() -> None:
    for bad in (datetime(2025, 1, 1), datetime(1969, 12, 31, tzinfo=UTC)):
        with pytest.raises(ValueError, match="time"):
            new_id("brd", bad)
    assert not is_id("brd_" + "0" * 31 + "\n")


class TestRotation:
    def test_both_keys_work_until_the_old_one_ends(self, keys: Keys, clock: StepClock) -> None:
        old, old_text = keys.create(actor="cli:test", scope="reviewer", label="desk 4")
        new, new_text = keys.rotate(actor="cli:test", key_id=old.id, keep=timedelta(hours=2))
        assert (new.scope, new.label, new.rotated_from, new.expires_at) == ("reviewer", "desk 4", old.id, None)
        assert [keys.authenticate(text) is not None for text in (old_text, new_text)] == [True, True]
        clock.now += timedelta(hours=2)
        assert [keys.authenticate(text) is not None for text in (old_text, new_text)] == [False, True]

    def test_there_are_never_three(self, keys: Keys, clock: StepClock) -> None:
        old, _ = keys.create(actor="cli:test", scope="hook")
        new, _ = keys.rotate(actor="cli:test", key_id=old.id)
        with pytest.raises(Conflict):
            keys.rotate(actor="cli:test", key_id=old.id)
        keys.revoke(actor="cli:test", key_id=new.id)  # a successor that leaked can be replaced
        assert keys.rotate(actor="cli:test", key_id=old.id)[0].rotated_from == old.id
        clock.now += OVERLAP
        with pytest.raises(Conflict):
            keys.rotate(actor="cli:test", key_id=old.id)

    def test_a_key_does_not_live_longer_by_rotation(self, keys: Keys, clock: StepClock) -> None:
        ends = clock.now + timedelta(hours=1)
        old, old_text = keys.create(actor="cli:test", scope="hook", expires_at=ends)
        new, new_text = keys.rotate(actor="cli:test", key_id=old.id, keep=timedelta(days=30))
        assert new.expires_at == ends
        clock.now = ends
        assert [keys.authenticate(text) for text in (old_text, new_text)] == [None, None]

    def test_what_cannot_be_rotated(self, keys: Keys) -> None:
        key, _ = keys.create(actor="cli:test", scope="hook")
        for keep in (timedelta(hours=-1), OVERLAP_MAX + timedelta(seconds=1)):
            with pytest.raises(Invalid):
                keys.rotate(actor="cli:test", key_id=key.id, keep=keep)
        with pytest.raises(NotFound):
            keys.rotate(actor="cli:test", key_id="key_" + "0" * 32)
        keys.revoke(actor="cli:test", key_id=key.id)
        with pytest.raises(Conflict):
            keys.rotate(actor="cli:test", key_id=key.id)
