"""The HTTP routes of releases: what is served, candidates, their promotion and the way back."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from brands.auth import Access, actor
from brands.model import ApiKey
from screener.payloads import ErrorOut
from screener.releases.diff import diff
from screener.releases.payloads import (
    DiffOut,
    IdsOut,
    ModelDetailsOut,
    ModelOut,
    ModelsOut,
    PreparationOut,
    Reason,
    ShadowOut,
    Share,
    SwitchOut,
    details_out,
    model_out,
)
from screener.releases.rows import ModelRelease
from screener.releases.shadow_report import read_report
from screener.service import Service

With = Annotated[str | None, Query(alias="with", max_length=100, description="Another release; what is served.")]
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": ErrorOut, "description": "The release is not in the state for it."}
}


def release_router(service: Service, access: Access) -> APIRouter:
    """The routes under `/v1/models`."""
    router = APIRouter(prefix="/v1/models", tags=["models"], responses={404: {"model": ErrorOut}})
    caller, releases, models = access.caller, service.releases, service.truth.models

    def shown(release: ModelRelease) -> ModelOut:
        return model_out(release, here=models.store.holds(release.models))

    @router.get("")
    def list_models(_key: ApiKey = Depends(caller)) -> ModelsOut:
        """Lists the releases, the one that was proposed last first, and every switch, the newest first."""
        preparation = releases.preparation
        return ModelsOut(
            served=releases.served_id,
            models=IdsOut.model_validate(service.refresher.opened.ids),
            fault=releases.fault,
            shadow=service.shadow.release_id,
            promotion=PreparationOut.model_validate(preparation) if preparation else None,
            items=[shown(release) for release in models.list()],
            switches=[SwitchOut.model_validate(switch) for switch in reversed(models.switches())],
        )

    @router.get("/{model_id}")
    def get_model(model_id: str, _key: ApiKey = Depends(caller)) -> ModelDetailsOut:
        """Shows a release with the report of its evaluation."""
        release = models.get(model_id)
        return details_out(release, here=models.store.holds(release.models))

    @router.get("/{model_id}/diff")
    def get_diff(model_id: str, other: With = None, _key: ApiKey = Depends(caller)) -> DiffOut:
        """What differs between what is served, or another release, and this one."""
        second = models.get(model_id).models
        first = models.served() if other is None else models.get(other).models
        return DiffOut.model_validate(diff(models.store, first, second))

    @router.get("/{model_id}/shadow")
    def get_shadow(
        model_id: str, limit: Annotated[int, Query(ge=1, le=500)] = 50, _key: ApiKey = Depends(caller)
    ) -> ShadowOut:
        """What the release made of live listings in the shadow; the disagreements most worth a look first."""
        release = models.get(model_id)
        with service.truth.database.read() as connection:
            report = read_report(connection, release.id, most=limit)
        return ShadowOut.model_validate({**asdict(report), "dropped": service.shadow.dropped})

    @router.post("/{model_id}/shadow", responses=_CONFLICT)
    def set_shadow(model_id: str, body: Share, key: ApiKey = Depends(caller)) -> ModelOut:
        """Sets the share of live listings that a candidate judges without effect. One candidate does at a time."""
        return shown(models.shadow(model_id, share=body.share, actor=actor(key)))

    @router.post("/{model_id}/approve", responses=_CONFLICT)
    def approve_model(model_id: str, key: ApiKey = Depends(caller)) -> ModelOut:
        """Approves a proposed release. Another person than its proposer must, unless a setting says otherwise."""
        return shown(models.approve(model_id, actor=actor(key)))

    @router.post("/{model_id}/refuse", responses=_CONFLICT)
    def refuse_model(model_id: str, body: Reason, key: ApiKey = Depends(caller)) -> ModelOut:
        """Refuses a release that was proposed or approved."""
        return shown(models.refuse(model_id, actor=actor(key), reason=body.reason))

    @router.post("/{model_id}/promote", status_code=202, responses=_CONFLICT)
    def promote_model(model_id: str, body: Reason, key: ApiKey = Depends(caller)) -> PreparationOut:
        """Begins to promote an approved release: embeds every reference with its encoder, then switches.

        `GET /v1/models` says how far it is. What was embedded stays when the server stops: ask again.
        """
        return PreparationOut.model_validate(releases.promote_soon(model_id, actor=actor(key), reason=body.reason))

    @router.post("/{model_id}/rollback", responses=_CONFLICT)
    def roll_back(model_id: str, body: Reason, key: ApiKey = Depends(caller)) -> SwitchOut:
        """Takes back the release that is served: encoder, snapshot, judge and policy of the previous one at once."""
        return SwitchOut.model_validate(releases.rollback(model_id, actor=actor(key), reason=body.reason))

    return router
