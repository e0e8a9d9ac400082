"""Sessions of people who signed in to the pages with an API key: a cookie that stands for the key, for some hours.

Only an HMAC of the cookie is stored. A session never outlives its key: revoked or expired keys end it within
`brands.keys.CACHE_FOR`. Unsafe requests carry a token derived from the cookie, which another site cannot know
(OWASP, Cross-Site Request Forgery Prevention: signed double submit).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from brands import audit
from brands.database import Database
from brands.errors import InvalidKey
from brands.ids import Clock, Randomness, utc_now
from brands.keys import Keys
from brands.model import ApiKey
from brands.schema import sessions

LASTS = timedelta(hours=12)
"""A working day: whoever comes back tomorrow signs in again."""

_COOKIE_BYTES = 32
_COOKIE_CHARACTERS = 43


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in: the key that they signed in with, and the token that their forms must carry."""

    key: ApiKey
    csrf: str

    @property
    def actor(self) -> str:
        """How the audit log names them."""
        return f"key:{self.key.id}"


class Sessions:
    """Sessions in a database, hashed with the server's `secret`. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        secret: bytes,
        keys: Keys,
        clock: Clock = utc_now,
        randomness: Randomness = os.urandom,
    ) -> None:
        self._database, self._secret, self._keys = database, secret, keys
        self._clock, self._randomness = clock, randomness

    def open(self, plaintext: str) -> tuple[str, Person]:
        """Signs in with a key: the cookie's value, and who it is. Raises InvalidKey."""
        key = self._keys.authenticate(plaintext)
        if key is None:
            raise InvalidKey
        at = self._clock()
        cookie = base64.urlsafe_b64encode(self._randomness(_COOKIE_BYTES)).rstrip(b"=").decode()
        with self._database.write() as conn:
            audit.lock(conn)
            conn.execute(sa.delete(sessions).where(sessions.c.expires_at <= at))
            conn.execute(
                sa.insert(sessions).values(
                    digest=self._digest("session", cookie), key_id=key.id, created_at=at, expires_at=at + LASTS
                )
            )
            self._note(conn, key.id, "session.open")
        return cookie, Person(key, self._digest("csrf", cookie))

    def find(self, cookie: str) -> Person | None:
        """Who the cookie stands for; None when it stands for nobody, or no longer."""
        if len(cookie) != _COOKIE_CHARACTERS or not cookie.isascii():
            return None
        query = sa.select(sessions.c.key_id).where(
            sessions.c.digest == self._digest("session", cookie), sessions.c.expires_at > self._clock()
        )
        with self._database.read() as conn:
            key_id = conn.execute(query).scalar_one_or_none()
        key = None if key_id is None else self._keys.valid(key_id)
        return None if key is None else Person(key, self._digest("csrf", cookie))

    def close(self, cookie: str) -> None:
        """Signs out; a cookie that stands for nobody is no error."""
        digest = self._digest("session", cookie)
        with self._database.write() as conn:
            audit.lock(conn)
            key_id = conn.execute(sa.select(sessions.c.key_id).where(sessions.c.digest == digest)).scalar_one_or_none()
            if key_id is None:
                return
            conn.execute(sa.delete(sessions).where(sessions.c.digest == digest))
            self._note(conn, key_id, "session.close")

    def _note(self, conn: sa.Connection, key_id: str, action: str) -> None:
        audit.append(
            conn,
            actor=f"key:{key_id}",
            action=action,
            kind="key",
            object_id=key_id,
            before=None,
            after=None,
            at=self._clock(),
        )

    def _digest(self, purpose: str, cookie: str) -> str:
        return hmac.new(self._secret, f"{purpose}:{cookie}".encode(), hashlib.sha256).hexdigest()
