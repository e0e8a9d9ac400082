"""API keys: made, checked, rotated, revoked and listed. Only an HMAC of a key is stored; the key is shown once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from brands import audit, brand_rows, checks, key_rows
from brands.database import Database
from brands.errors import Conflict, Invalid, NotFound
from brands.ids import Clock, Randomness, is_id, new_id, utc_now
from brands.model import SCOPES, ApiKey, Scope
from brands.schema import api_keys
from brands.secret import SECRET_BYTES

PREFIX = "lsk_"
LABEL_MAX = 200
CACHE_FOR = timedelta(seconds=5)
"""How long a key that was found is believed; so a revocation in another process counts after at most this time."""

OVERLAP = timedelta(days=1)
"""How long a key goes on beside the one that takes over from it."""
OVERLAP_MAX = timedelta(days=30)

_KEY_BYTES = 32
_CACHED_MOST = 10_000


class Keys:
    """API keys in a database, hashed with the server's `secret` (32 bytes or more). Safe to share between threads."""

    def __init__(
        self, database: Database, secret: bytes, clock: Clock = utc_now, randomness: Randomness = os.urandom
    ) -> None:
        if len(secret) < SECRET_BYTES:
            raise ValueError(f"the server secret must have at least {SECRET_BYTES} bytes")
        self._database = database
        self._secret = secret
        self._clock = clock
        self._randomness = randomness
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[ApiKey, datetime]] = {}  # by digest, and by id
        self._uses: dict[str, datetime] = {}

    def create(
        self,
        *,
        actor: str,
        scope: Scope,
        brand_id: str | None = None,
        label: str = "",
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Makes a key and gives it with its plain text, `lsk_` and 43 URL-safe characters (256 random bits).

        The scope `brand` needs `brand_id`, the others take none; `expires_at` is aware and to come. Raises Invalid.
        """
        actor, label = checks.checked_actor(actor), checks.checked_text(label, "label", LABEL_MAX)
        if scope not in SCOPES:
            raise Invalid("The scope is none of the six.", code="invalid_scope", field="scope")
        if (scope == "brand") != (brand_id is not None):
            raise Invalid("The scope brand, and no other, needs a brand.", code="invalid_scope", field="brand_id")
        at = self._clock()
        if expires_at is not None and (expires_at.tzinfo is None or expires_at <= at):
            raise Invalid("The end must be a time to come, with its zone.", code="invalid_period", field="expires_at")
        expires_at = expires_at and expires_at.astimezone(UTC)
        key = ApiKey(new_id("key", at, self._randomness), scope, brand_id, label, at, actor, expires_at, None, None)
        with self._database.write() as conn:
            audit.lock(conn)
            if brand_id is not None and brand_rows.fetch(conn, brand_id) is None:
                raise Invalid("No such brand.", code="unknown_brand", field="brand_id")
            return key, self._insert(conn, key, "key.create")

    def rotate(self, *, actor: str, key_id: str, keep: timedelta = OVERLAP) -> tuple[ApiKey, str]:
        """Makes a key that takes over from another, which ends after `keep` (at most `OVERLAP_MAX`), or sooner if it
        was to end sooner. Both work meanwhile, so that whoever uses it can change over without a gap.

        The new key has the scope, brand, label and end of the old one. Raises NotFound, Invalid, Conflict
        (`illegal_state`) for a key that is revoked or expired, or that has a successor which still lives.
        """
        actor, at = checks.checked_actor(actor), self._clock()
        if not timedelta(0) <= keep <= OVERLAP_MAX:
            raise Invalid("The old key may go on for 0 to 30 days.", code="invalid_period", field="keep_hours")
        with self._database.write() as conn:
            audit.lock(conn)
            old = key_rows.fetch(conn, api_keys.c.id == key_id) if is_id(key_id) else None
            if old is None:
                raise NotFound
            successor = key_rows.fetch(
                conn, sa.and_(api_keys.c.rotated_from == key_id, api_keys.c.revoked_at.is_(None))
            )
            if not key_rows.lives(old, at) or (successor is not None and key_rows.lives(successor, at)):
                raise Conflict("The key has ended, or has a successor already.", code="illegal_state")
            ends = at + keep if old.expires_at is None else min(at + keep, old.expires_at)
            key = replace(
                old,
                id=new_id("key", at, self._randomness),
                created_at=at,
                created_by=actor,
                last_used_at=None,
                rotated_from=old.id,
            )
            plaintext = self._insert(conn, key, "key.rotate")
            conn.execute(sa.update(api_keys).where(api_keys.c.id == old.id).values(expires_at=ends))
            audit.append(
                conn,
                actor=actor,
                action="key.expire",
                kind="key",
                object_id=old.id,
                before=key_rows.record(old),
                after=key_rows.record(replace(old, expires_at=ends)),
                at=at,
            )
        self._forget()
        return key, plaintext

    def authenticate(self, plaintext: str) -> ApiKey | None:
        """The key with this plain text, None if it is unknown, expired or revoked.

        The HMAC is looked up, so the time taken tells nothing of the keys stored. A key found is believed for
        `CACHE_FOR`.
        """
        if not plaintext.startswith(PREFIX) or len(plaintext) > 2 * _KEY_BYTES or not plaintext.isascii():
            return None
        return self._valid(self._digest(plaintext), api_keys.c.digest)

    def valid(self, key_id: str) -> ApiKey | None:
        """The key with this id while it is neither expired nor revoked, for whoever showed the key before."""
        return self._valid(key_id, api_keys.c.id)

    def revoke(self, *, actor: str, key_id: str) -> ApiKey:
        """Makes a key useless: at once in this process, within `CACHE_FOR` in others.

        Raises NotFound, Conflict (`illegal_state`) if it is revoked already.
        """
        actor, at = checks.checked_actor(actor), self._clock()
        with self._database.write() as conn:
            audit.lock(conn)
            before = key_rows.fetch(conn, api_keys.c.id == key_id) if is_id(key_id) else None
            if before is None:
                raise NotFound
            if before.revoked_at is not None:
                raise Conflict("The key is revoked already.", code="illegal_state")
            conn.execute(sa.update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=at))
            after = key_rows.fetch(conn, api_keys.c.id == key_id)
            assert after is not None
            audit.append(
                conn,
                actor=actor,
                action="key.revoke",
                kind="key",
                object_id=key_id,
                before=key_rows.record(before),
                after=key_rows.record(after),
                at=at,
            )
        self._forget()
        return after

    def list(self, *, after: str | None = None, limit: int = checks.PAGE_MAX) -> tuple[ApiKey, ...]:
        """A page of keys by id, from the one after `after`; `limit` is 1 to 500."""
        after, limit = checks.checked_page(after, limit)
        self.write_uses()
        query = sa.select(*key_rows.COLUMNS).order_by(api_keys.c.id).limit(limit)
        if after is not None:
            query = query.where(api_keys.c.id > after)
        with self._database.read() as conn:
            return tuple(ApiKey(**row._mapping) for row in conn.execute(query))

    def write_uses(self) -> None:
        """Writes when keys were last used, gathered in memory since the last call, so that a request does not write.

        Not audited: it is an observation, not a decision. Call it now and then; a crash loses what was not written.
        """
        with self._lock:
            uses, self._uses = self._uses, {}
        if uses:
            with self._database.write() as conn:
                for key_id, at in sorted(uses.items()):
                    conn.execute(sa.update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))

    def _insert(self, conn: sa.Connection, key: ApiKey, action: str) -> str:
        """Writes a key and gives its plain text, which is nowhere else."""
        plaintext = PREFIX + base64.urlsafe_b64encode(self._randomness(_KEY_BYTES)).rstrip(b"=").decode()
        key_rows.insert(conn, key, self._digest(plaintext), action)
        return plaintext

    def _forget(self) -> None:
        with self._lock:
            self._cache.clear()

    def _digest(self, plaintext: str) -> str:
        return hmac.new(self._secret, plaintext.encode(), hashlib.sha256).hexdigest()

    def _valid(self, identity: str, column: sa.Column[str]) -> ApiKey | None:
        """The live key with this digest or id, and a note that it was used."""
        now = self._clock()
        key, since = self._cache.get(identity, (None, now))
        if key is None or not timedelta(0) <= now - since < CACHE_FOR:
            key = self._find(identity, column, now)
        if key is None or (key.expires_at is not None and key.expires_at <= now):
            return None
        with self._lock:
            self._uses[key.id] = now
        return key

    def _find(self, identity: str, column: sa.Column[str], now: datetime) -> ApiKey | None:
        with self._database.read() as conn:
            key = key_rows.fetch(conn, column == identity)
        if key is None or key.revoked_at is not None:
            return None
        with self._lock:
            if len(self._cache) >= _CACHED_MOST:
                self._cache.clear()
            self._cache[identity] = (key, now)
        return key
