"""Who is calling, and may they: the FastAPI dependencies that turn a key or a session into an allowed caller.

Which scopes may call a route is said in one table, given to `Access`; routes ask for a caller and say nothing of
scopes.
"""

import hmac
from collections.abc import Mapping
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from brands.errors import CsrfRefused, Forbidden, InvalidKey, NotFound, Unauthenticated
from brands.keys import Keys
from brands.model import ApiKey, Scope
from brands.sessions import Person, Sessions

COOKIE = "screener_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"

_SAFE = frozenset({"GET", "HEAD"})
_bearer = HTTPBearer(auto_error=False, scheme_name="ApiKey", description="An API key, `lsk_...`.")


class Access:
    """The callers of an application; `table` has the scopes of every route, by `METHOD /path/{template}`."""

    def __init__(self, keys: Keys, sessions: Sessions, table: Mapping[str, frozenset[Scope]]) -> None:
        self.keys, self.sessions = keys, sessions
        self._table = table

    def caller(
        self, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> ApiKey:
        """The key of a machine's request. Its id is left in `request.state.key_id`, for logs.

        Raises Unauthenticated (no key sent), InvalidKey (unknown, expired or revoked) or Forbidden (another scope).
        """
        if credentials is None:
            raise Unauthenticated
        key = self.keys.authenticate(credentials.credentials)
        if key is None:
            raise InvalidKey
        self._allow(request, key)
        return key

    async def person(self, request: Request) -> Person:
        """The signed-in person of a page's request; an unsafe one must carry the token, as a header or in its form.

        Raises Unauthenticated (no session, or none any more), Forbidden (another scope), CsrfRefused.
        """
        person = self.sessions.find(request.cookies.get(COOKIE, ""))
        if person is None:
            raise Unauthenticated
        self._allow(request, person.key)
        if request.method not in _SAFE:
            sent = request.headers.get(CSRF_HEADER) or (await request.form()).get(CSRF_FIELD)
            if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), person.csrf.encode()):
                raise CsrfRefused
        return person

    def _allow(self, request: Request, key: ApiKey) -> None:
        request.state.key_id = key.id
        if key.scope not in self._table[f"{request.method} {request.scope['route'].path}"]:
            raise Forbidden


def actor(key: ApiKey) -> str:
    """How the audit log names the holder of a key."""
    return f"key:{key.id}"


def own(key: ApiKey, brand_id: str) -> str:
    """`brand_id` if the key may see that brand; raises what an unknown brand raises if not."""
    if key.scope == "brand" and brand_id != key.brand_id:
        raise NotFound
    return brand_id
