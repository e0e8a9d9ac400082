"""What a person sees instead of a page that cannot be shown."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from screener.admission import PAGES, SIGN_IN
from screener.pages.rendering import go, part_only, show

_NOT_SIGNED_IN: Final = 401


def show_error(scope: Scope, status: int, code: str, message: str) -> Response | None:
    """The page for a request under `/app/`; None for the API, which answers JSON."""
    if not scope["path"].startswith(PAGES):
        return None
    request = Request(scope)
    if status == _NOT_SIGNED_IN and not part_only(request):
        return go(SIGN_IN)
    fault = {"code": code, "message": message}
    if part_only(request):
        response = show(request, "fault.html", status=status, fault=fault)
        if status == _NOT_SIGNED_IN:
            response.headers["HX-Redirect"] = SIGN_IN
        return response
    return show(request, "error.html", status=status, fault=fault, request_id=scope["state"]["request_id"])
