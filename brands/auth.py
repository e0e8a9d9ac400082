"""Who is calling: the FastAPI dependency that turns the Authorization header into an API key of an allowed scope."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from brands.errors import Forbidden, InvalidKey, NotFound, Unauthenticated
from brands.keys import Keys
from brands.model import ApiKey, Scope

_bearer = HTTPBearer(auto_error=False, scheme_name="ApiKey", description="An API key, `lsk_...`.")

Caller = Callable[..., ApiKey]


def require(keys: Keys, *scopes: Scope) -> Caller:
    """A dependency that gives the caller's key if its scope is `admin` or one of `scopes`.

    Raises Unauthenticated (no key sent), InvalidKey (unknown, expired or revoked) or Forbidden (another scope). The
    key's id is left in `request.state.key_id`, for logs.
    """

    def caller(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> ApiKey:
        if credentials is None:
            raise Unauthenticated
        key = keys.authenticate(credentials.credentials)
        if key is None:
            raise InvalidKey
        request.state.key_id = key.id
        if key.scope != "admin" and key.scope not in scopes:
            raise Forbidden
        return key

    return caller


def actor(key: ApiKey) -> str:
    """How the audit log names the holder of a key."""
    return f"key:{key.id}"


def own(key: ApiKey, brand_id: str) -> str:
    """`brand_id` if the key may see that brand; raises what an unknown brand raises if not."""
    if key.scope != "admin" and brand_id != key.brand_id:
        raise NotFound
    return brand_id
