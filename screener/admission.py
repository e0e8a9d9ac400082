"""Who may send a body, how large, and how often: decided from the headers, before a byte of the body is read."""

from http.cookies import CookieError, SimpleCookie
from typing import Final

from brands.auth import COOKIE, Access
from brands.errors import InvalidKey, Unauthenticated
from screener.rates import Rates, rate
from screener.settings import Settings

API, PAGES, SIGN_IN = "/v1/", "/app/", "/app/sign-in"
SMALL: Final = 8 * 1024
"""Bytes that somebody who is not known may send: a key and the field names of a form."""
_READS = frozenset({"GET", "HEAD"})


class Admission:
    """The check of one application; `screener.edge.Edge` asks it for each request."""

    def __init__(self, access: Access, settings: Settings) -> None:
        self._access, self._bytes, self._rates = access, settings.body_bytes, Rates()
        self._machine, self._person = rate(settings.rate_machine), rate(settings.rate_person)
        self._sign_in = rate(settings.rate_sign_in)

    def __call__(self, method: str, path: str, headers: dict[str, str], address: str) -> int:
        """How many bytes the body may have. Raises Unauthenticated, InvalidKey, RateLimited."""
        if path.startswith(API):
            self._rates.count(f"key:{self._key_id(headers.get('authorization'))}", self._machine)
            return self._bytes
        if path.startswith(PAGES) and method not in _READS:
            if path == SIGN_IN:
                self._rates.count(f"address:{address}", self._sign_in)
                return SMALL
            person = self._access.sessions.find(cookie(headers, COOKIE))
            if person is None:
                raise Unauthenticated
            self._rates.count(f"person:{person.key.id}", self._person)
            return self._bytes
        return SMALL

    def _key_id(self, header: str | None) -> str:
        scheme, _, plaintext = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not plaintext:
            raise Unauthenticated
        key = self._access.keys.authenticate(plaintext.strip())
        if key is None:
            raise InvalidKey
        return key.id


def cookie(headers: dict[str, str], name: str) -> str:
    """The value of a cookie, empty when it was not sent or the header makes no sense."""
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
