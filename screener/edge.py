"""The outermost layer: sizes, strict JSON, request ids, the one error shape, and a log line per request.

Everything here happens before a route sees the request, so that no route can forget it.
"""

import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brands.errors import RegistryError
from screener import strict_json
from screener.errors import BodyRefused, InputRefused, ScreenerError
from screener.metrics import Metrics
from screener.settings import Settings

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type"}

Admit = Callable[[str, str, dict[str, str], str], int]
"""Given method, path, headers (names in lower case) and the sender's address: how many bytes the body may have. Raises
`brands.errors.AuthError` for a caller who may not send a body at all, RateLimited for one who asks too often."""

ShowError = Callable[[Scope, int, str, str], Response | None]
"""Given the request's scope, status, code and message: a page for people, None where the answer is JSON."""


class Edge:
    """ASGI middleware around the application; `scope["state"]` then has `request_id`, `started` and `json`."""

    def __init__(self, app: ASGIApp, *, settings: Settings, metrics: Metrics, admit: Admit, show_error: ShowError):
        self._app, self._settings, self._metrics = app, settings, metrics
        self._may_send, self._show_error = admit, show_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        offered = headers.get("x-request-id", "")
        request_id = offered if _REQUEST_ID.fullmatch(offered) else f"req_{secrets.token_hex(8)}"
        started = time.monotonic()
        state = scope.setdefault("state", {})
        state |= {"request_id": request_id, "started": started}
        status, answering = 500, False

        async def stamped(message: Message) -> None:
            nonlocal status, answering
            if message["type"] == "http.response.start":
                status, answering = message["status"], True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            body = await self._admit(scope, headers, receive)
            await self._app(scope, _replay(body, receive), stamped)
        except (ScreenerError, RegistryError) as error:
            answer = _answer(
                self._show_error, scope, error.status, error.code, error.message, error.field, _headers(error)
            )
            await answer(scope, receive, stamped)
        except Exception:
            log.exception("request_failed")
            if not answering:
                failed = _answer(self._show_error, scope, 500, "internal_error", "The service failed.", None, {})
                await failed(scope, receive, stamped)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            seconds = time.monotonic() - started
            self._metrics.requests.labels(scope["method"], route, str(status)).inc()
            self._metrics.request_seconds.labels(scope["method"], route).observe(seconds)
            log.info(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                ms=round(seconds * 1000, 1),
                key=state.get("key_id"),
            )

    async def _admit(self, scope: Scope, headers: dict[str, str], receive: Receive) -> bytes:
        """Checks everything that can be checked before the body is read, then reads and checks the body."""
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) >= self._settings.url_bytes:
            raise InputRefused("The URL is too long.", code="url_too_long", status=414)
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self._settings.header_bytes:
            raise InputRefused("The headers are too large.", code="headers_too_large", status=431)
        address = (scope.get("client") or ("",))[0]
        limit = await run_in_threadpool(self._may_send, scope["method"], scope["path"], headers, address)
        body = await self._read(headers, receive, limit)
        kind, _, parameters = headers.get("content-type", "").partition(";")
        if body and kind.strip().lower() == "application/json":
            charset = parameters.replace(" ", "").replace('"', "").lower()
            if charset not in ("", "charset=utf-8"):
                raise BodyRefused("JSON is sent as UTF-8.", code="unsupported_media_type", status=415)
            scope["state"]["json"] = strict_json.loads(body, max_depth=self._settings.json_depth)
        return body

    async def _read(self, headers: dict[str, str], receive: Receive, limit: int) -> bytes:
        refusal = BodyRefused(f"The body is larger than {limit} bytes.", code="body_too_large", status=413)
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > limit:
            raise refusal
        chunks, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BodyRefused("The body ended early.", code="body_incomplete")
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > limit:
                raise refusal
            if not message.get("more_body", False):
                return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read once more, then what really comes (the disconnect)."""
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _headers(error: Exception) -> dict[str, str]:
    return dict(getattr(error, "headers", {}))


def _answer(
    show_error: ShowError,
    scope: Scope,
    status: int,
    code: str,
    message: str,
    field: str | None,
    headers: dict[str, str],
) -> Response:
    """The answer to a request that failed: a page where people look, else the one shape."""
    shown = show_error(scope, status, code, message)
    if shown is None:
        return error_response(status, code, message, field, scope["state"]["request_id"], headers)
    shown.headers.update(headers)
    return shown


def error_response(
    status: int,
    code: str,
    message: str,
    field: str | None,
    request_id: str,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """The one shape of errors."""
    body = {"error": {"code": code, "message": message, "field": field, "request_id": request_id}}
    return JSONResponse(body, status_code=status, headers=headers)


def install_error_handlers(app: FastAPI, show_error: ShowError) -> None:
    """Makes every error that a route can raise answer in the one shape, or as a page where people look."""

    def answer(
        request: Request, status: int, code: str, message: str, field: str | None, headers: dict[str, str]
    ) -> Response:
        return _answer(show_error, request.scope, status, code, message, field, headers)

    def raised(request: Request, error: Exception) -> Response:
        assert isinstance(error, ScreenerError | RegistryError)
        return answer(request, error.status, error.code, error.message, error.field, _headers(error))

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        refused = validation_refusal(error.errors())
        return answer(request, 422, refused.code, refused.message, refused.field, {})

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _HTTP_CODES.get(error.status_code, "invalid_request")
        message = "No such path." if error.status_code == 404 else "The request cannot be served."
        return answer(request, error.status_code, code, message, None, dict(error.headers or {}))

    app.add_exception_handler(ScreenerError, raised)
    app.add_exception_handler(RegistryError, raised)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def validation_refusal(errors: Any, *, code: str = "invalid_request") -> InputRefused:
    """The first of pydantic's complaints; names of unknown fields and values are the caller's words, so left out."""
    first = errors[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    if first["type"] == "extra_forbidden":
        place = place[:-1]
        message = "There is a field that is not known here."
    elif first["type"] in ("value_error", "assertion_error"):
        message = "The value is not allowed."
    else:
        message = str(first["msg"])
    return InputRefused(message, code=code, field=".".join(place) or None)
