"""The HTTP routes of API keys, for admins."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from brands import checks
from brands.auth import actor, require
from brands.keys import Keys
from brands.model import ApiKey
from brands.payloads import KeyBody, KeyOut, NewKeyOut, Page, PageOut


def key_router(keys: Keys) -> APIRouter:
    """The routes under `/keys`."""
    router = APIRouter(prefix="/keys", tags=["keys"])
    admin = require(keys)

    @router.post("", status_code=201)
    def create_key(body: KeyBody, key: ApiKey = Depends(admin)) -> NewKeyOut:
        """Makes a key (admin). Its plain text is in this answer and nowhere else."""
        made, plaintext = keys.create(
            actor=actor(key),
            scope=body.scope,
            brand_id=body.brand_id,
            label=body.label,
            expires_at=body.expires_at,
        )
        return NewKeyOut(key=KeyOut.model_validate(made), plaintext=plaintext)

    @router.get("", response_model=PageOut[KeyOut])
    def list_keys(
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=checks.PAGE_MAX)] = 100,
        key: ApiKey = Depends(admin),
    ) -> Page:
        """Lists the keys, without their secrets (admin)."""
        return Page.of(keys.list(after=after, limit=limit), limit)

    @router.post("/{key_id}/revoke", response_model=KeyOut)
    def revoke_key(key_id: str, key: ApiKey = Depends(admin)) -> ApiKey:
        """Makes a key useless within five seconds (admin)."""
        return keys.revoke(actor=actor(key), key_id=key_id)

    return router
