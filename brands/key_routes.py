"""The HTTP routes of API keys, for admins."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from brands import checks
from brands.auth import Access, actor
from brands.model import ApiKey
from brands.payloads import KeyBody, KeyOut, NewKeyOut, Page, PageOut, RotationBody


def key_router(access: Access) -> APIRouter:
    """The routes under `/v1/keys`."""
    router = APIRouter(prefix="/v1/keys", tags=["keys"])
    keys, caller = access.keys, access.caller

    @router.post("", status_code=201)
    def create_key(body: KeyBody, key: ApiKey = Depends(caller)) -> NewKeyOut:
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
        key: ApiKey = Depends(caller),
    ) -> Page:
        """Lists the keys, without their secrets (admin)."""
        return Page.of(keys.list(after=after, limit=limit), limit)

    @router.post("/{key_id}/revoke", response_model=KeyOut)
    def revoke_key(key_id: str, key: ApiKey = Depends(caller)) -> ApiKey:
        """Makes a key useless within five seconds (admin)."""
        return keys.revoke(actor=actor(key), key_id=key_id)

    @router.post("/self/rotate", status_code=201)
    def rotate_own_key(body: RotationBody, key: ApiKey = Depends(caller)) -> NewKeyOut:
        """Makes a key that takes over from the caller's own, which ends `keep_hours` later."""
        return _rotated(key, key.id, body)

    @router.post("/{key_id}/rotate", status_code=201)
    def rotate_key(key_id: str, body: RotationBody, key: ApiKey = Depends(caller)) -> NewKeyOut:
        """Makes a key that takes over from another, which ends `keep_hours` later (admin)."""
        return _rotated(key, key_id, body)

    def _rotated(key: ApiKey, key_id: str, body: RotationBody) -> NewKeyOut:
        made, plaintext = keys.rotate(actor=actor(key), key_id=key_id, keep=timedelta(hours=body.keep_hours))
        return NewKeyOut(key=KeyOut.model_validate(made), plaintext=plaintext)

    return router
