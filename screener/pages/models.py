"""The pages of models: what serves, candidates with their gates, who may let them in, and the way back."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request, Response

from brands import approvals
from brands.auth import Access
from brands.errors import Invalid, RegistryError
from brands.ids import Clock
from brands.sessions import Person
from screener.errors import ScreenerError
from screener.pages.rendering import go, show
from screener.releases.diff import Diff, diff
from screener.releases.rows import serving_since
from screener.releases.shadow_report import read_report
from screener.service import Service

_DISAGREEMENTS: Final = 20
_SWITCHES: Final = 20
_FIGURES: Final = 60
"""Figures of a report that are shown; all of them are in the API."""


def model_pages(service: Service, access: Access, now: Clock) -> APIRouter:
    """The routes under `/app/models`."""
    router = APIRouter(prefix="/app/models", include_in_schema=False)
    database, models, releases = service.truth.database, service.truth.models, service.releases

    @router.get("")
    def list_models(request: Request, person: Person = Depends(access.person)) -> Response:
        with database.read() as conn:
            line = serving_since(conn)
        found = models.list()
        return show(
            request,
            "models.html",
            person=person,
            section="models",
            served=service.refresher.opened.ids,
            served_id=releases.served_id,
            fault_of_release=releases.fault,
            preparation=releases.preparation,
            shadowed=service.shadow.release_id,
            releases=found,
            switches=list(reversed(models.switches()))[:_SWITCHES],
            can_go_back=len(line) > 1,
            approvals=service.truth.settings.release_approvals,
            drift=service.drift.latest(),
        )

    @router.get("/{model_id}")
    def show_model(request: Request, model_id: str, person: Person = Depends(access.person)) -> Response:
        return _page(request, person, model_id)

    @router.post("/{model_id}/approve")
    def approve(request: Request, model_id: str, person: Person = Depends(access.person)) -> Response:
        try:
            models.approve(model_id, actor=person.actor)
        except ScreenerError as error:
            return _page(request, person, model_id, error)
        return go(f"/app/models/{model_id}?done=approved")

    @router.post("/{model_id}/refuse")
    def refuse(model_id: str, reason: Annotated[str, Form()] = "", person: Person = Depends(access.person)) -> Response:
        models.refuse(model_id, actor=person.actor, reason=reason)
        return go(f"/app/models/{model_id}?done=rejected")

    @router.post("/{model_id}/promote")
    def promote(
        request: Request, model_id: str, reason: Annotated[str, Form()] = "", person: Person = Depends(access.person)
    ) -> Response:
        """Begins to embed the references; the page of models tells how far it is."""
        try:
            releases.promote_soon(model_id, actor=person.actor, reason=reason)
        except ScreenerError as error:
            return _page(request, person, model_id, error)
        return go("/app/models?done=promoting")

    @router.post("/{model_id}/rollback")
    def roll_back(
        request: Request, model_id: str, reason: Annotated[str, Form()] = "", person: Person = Depends(access.person)
    ) -> Response:
        try:
            releases.rollback(model_id, actor=person.actor, reason=reason)
        except ScreenerError as error:
            return _page(request, person, model_id, error)
        return go("/app/models?done=rolled_back")

    @router.post("/{model_id}/shadow")
    def shadow(
        model_id: str, percent: Annotated[str, Form()] = "", person: Person = Depends(access.person)
    ) -> Response:
        """Sets the share of live listings that a candidate judges without effect, in per cent."""
        try:
            share = float(percent.strip().replace(",", ".")) / 100
        except ValueError:
            raise Invalid("The share is a number.", code="invalid_share", field="percent") from None
        models.shadow(model_id, share=share, actor=person.actor)
        return go(f"/app/models/{model_id}?done=saved")

    def _page(
        request: Request, person: Person, model_id: str, fault: ScreenerError | RegistryError | None = None
    ) -> Response:
        release = models.get(model_id)
        with database.read() as conn:
            report = read_report(conn, release.id, most=_DISAGREEMENTS)
            own = approvals.lineage(conn, person.actor) == approvals.lineage(conn, release.proposed_by)
            line = serving_since(conn)
        here = models.store.holds(release.models)
        changes: Diff | None = None
        if here and release.models != models.served():
            try:
                changes = diff(models.store, models.served(), release.models)
            except ScreenerError:
                changes = None  # what serves may have been removed from the disk; the rest of the page is no worse
        return show(
            request,
            "model.html",
            person=person,
            status=fault.status if fault else 200,
            section="models",
            release=release,
            here=here,
            shadow=report,
            dropped=service.shadow.dropped,
            figures=flat_figures(release.report["figures"]) if release.report else (),
            changes=changes,
            own=own and service.truth.settings.release_approvals > 1,
            is_served=release.id == releases.served_id,
            can_go_back=len(line) > 1,
            fault=fault,
        )

    return router


def flat_figures(figures: Any, name: str = "") -> tuple[tuple[str, str], ...]:
    """The numbers and words of a report under dotted names, the first of them; lists are told by their length."""
    found: list[tuple[str, str]] = []

    def walk(value: Any, name: str) -> None:
        if len(found) >= _FIGURES:
            return
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name}.{key}" if name else str(key))
        elif isinstance(value, list) and not all(isinstance(one, int | float) for one in value[:4]):
            found.append((name, f"({len(value)})"))
        elif isinstance(value, list):
            found.append((name, ", ".join(_number(one) for one in value[:4]) + (", …" if len(value) > 4 else "")))
        else:
            found.append((name, _number(value)))

    walk(figures, name)
    return tuple(found)


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else str(value)
