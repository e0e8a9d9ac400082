"""How a page is made: templates that escape, the words of the reader's language, headers that allow no inline script.

A page loads its own files and nothing else: no inline script or style, no other host, no frame around it.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from brands.model import Brand
from brands.sessions import Person
from screener.pages import plots
from screener.pages.texts import COOKIE, LANGUAGES, Texts, day, language_of, moment

_HERE = Path(__file__).parent
STATIC: Final = _HERE / "static"
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_YEAR: Final = 365 * 24 * 3600
_OPTIONAL: Final = {"brand": None, "section": None, "fault": None}
"""What the frame of a page shows where there is some."""


def show(
    request: Request, template: str, *, person: Person | None = None, status: int = 200, **context: Any
) -> HTMLResponse:
    """A page, or the part of one, as an answer. `brand` in the context is the one whose pages the reader is on."""
    texts = Texts(language_of(request))
    body = (
        environment()
        .get_template(template)
        .render(
            t=texts,
            languages=LANGUAGES,
            in_language=lambda code: _in_language(request, code),
            person=person,
            role=person.key.scope if person else None,
            csrf=_csrf(person.csrf) if person else "",
            **(_OPTIONAL | {"done": _done(request, texts)} | context),
        )
    )
    response = HTMLResponse(body, status, HEADERS)
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(COOKIE, texts.language, max_age=_YEAR, path="/app/", httponly=True, samesite="strict")
    return response


def go(path: str) -> RedirectResponse:
    """The way on after something was done, so that loading the page again does not do it twice."""
    return RedirectResponse(path, 303, HEADERS)


def part_only(request: Request) -> bool:
    """Whether htmx asks for a part of the page rather than a browser for the whole."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-history-restore-request") != "true"


def file(data: bytes, kind: str, name: str | None = None) -> Response:
    """Bytes for the reader alone: shown, or with a `name` (ours, never a caller's) saved as a file."""
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}
    return Response(data, media_type=kind, headers=HEADERS | disposition)


@cache
def environment() -> jinja2.Environment:
    """The templates; an undefined name is an error and every value is escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"day": day, "moment": moment, "percent": percent}
    made.globals |= {"asset": asset, "plots": plots}
    return made


@cache
def asset(name: str) -> str:
    """The address of a file of the pages; it changes with the file, so that a browser may keep it for ever."""
    mark = sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/app/static/{name}?{mark}"


def percent(share: float) -> str:
    """A share as people read it: 0.0312 is 3.1 %, and what is not nothing is never 0 %."""
    value = 100 * share
    if 0 < value < 0.1:
        return "< 0.1 %"
    return f"{value:.1f} %" if value < 10 else f"{value:.0f} %"


def _csrf(token: str) -> Markup:
    return Markup('<input type="hidden" name="csrf" value="{}">').format(token)


def _done(request: Request, texts: Texts) -> str | None:
    """What the reader did on the page before, by a word of ours in the address."""
    word = request.query_params.get("done")
    return word if word is not None and texts.has("done", word) else None


def _in_language(request: Request, code: str) -> str:
    """The same page in another language."""
    url = request.url.remove_query_params("done").include_query_params(lang=code)
    return f"{url.path}?{url.query}"


def brand_path(brand: Brand, *parts: str) -> str:
    """Where a brand's pages are."""
    return "/".join(("/app/brands", brand.id, *parts))
