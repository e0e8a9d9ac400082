"""The errors of the registry: each has a stable code, an HTTP status and, where it applies, the field at fault.

Messages are written for the caller and never repeat what the caller sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


class RegistryError(Exception):
    """Base of every error raised on purpose by this package.

    `code` is stable and documented, `status` is the HTTP status, `field` names the input at fault (or None), and
    `headers` are the HTTP response headers that belong to the status.
    """

    code: str = "registry_error"
    status: int = 500
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class NotFound(RegistryError):
    """The object does not exist, or the caller may not know that it does."""

    code = "not_found"
    status = 404

    def __init__(self, message: str = "No such object.") -> None:
        super().__init__(message)


class Conflict(RegistryError):
    """The request is well formed but does not fit the present state."""

    code = "conflict"
    status = 409


class Held(Conflict):
    """A legal hold forbids to delete this."""

    code = "legal_hold"

    def __init__(self) -> None:
        super().__init__("A legal hold forbids this; release it first.")


class ChainBroken(RegistryError):
    """The audit log is not what was written, so nothing is signed. Never caused by the caller's input."""

    code = "audit_broken"


class Invalid(RegistryError):
    """A value breaks a rule of the registry; `field` says which."""

    code = "invalid"
    status = 422


class Unavailable(RegistryError):
    """The database cannot be reached, is locked for too long, or cannot write; trying again later may work."""

    code = "registry_unavailable"
    status = 503
    headers = MappingProxyType({"Retry-After": "1"})


class AuthError(RegistryError):
    """The caller is not known, or may not do this. Base of the three below."""

    code = "unauthenticated"
    status = 401
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class Unauthenticated(AuthError):
    """No API key was sent."""

    def __init__(self) -> None:
        super().__init__("Send an API key: 'Authorization: Bearer lsk_...'.")


class InvalidKey(AuthError):
    """The API key is wrong, expired or revoked; which of them is not told."""

    code = "invalid_key"

    def __init__(self) -> None:
        super().__init__("The API key is not valid.")


class Forbidden(AuthError):
    """The API key is valid but its scope does not allow this."""

    code = "forbidden"
    status = 403
    headers = MappingProxyType({})

    def __init__(self, message: str = "The scope of this API key does not allow this.") -> None:
        super().__init__(message)


class SecondPersonNeeded(Forbidden):
    """Who uploaded a reference cannot let it in, nor can a key that takes over from the uploader's."""

    code = "second_person_needed"

    def __init__(self) -> None:
        super().__init__("Another person must approve this reference.")


class CsrfRefused(AuthError):
    """A page's request without the token of its session: another site may have sent it."""

    code = "csrf_refused"
    status = 403
    headers = MappingProxyType({})

    def __init__(self) -> None:
        super().__init__("The page is too old; load it again.")


class RateLimited(RegistryError):
    """The key, or an address that signs in, asks more often than it may."""

    code = "rate_limited"
    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__("Too many requests; try again later.")
        self.headers = MappingProxyType({"Retry-After": str(seconds)})


class BlobError(RegistryError):
    """A stored picture cannot be used. Never caused by the caller's input."""


class BlobMissing(BlobError):
    """No blob has this hash."""

    code = "blob_missing"

    def __init__(self) -> None:
        super().__init__("A stored picture is missing.")


class BlobCorrupt(BlobError):
    """The stored bytes no longer have the hash they are stored under."""

    code = "blob_corrupt"

    def __init__(self) -> None:
        super().__init__("A stored picture is damaged.")
