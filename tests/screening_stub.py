"""A stand-in for the service: answers in the contract's shape, over HTTP on the loopback, and misbehaves on demand."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

KEY = "lsk_test"


def screening(listing: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An answer with every field of the contract, and one that this version of the client does not know."""
    answer: dict[str, Any] = {
        "id": "scr_1",
        "listing_id": listing["listing_id"],
        "revision": listing.get("revision", 1),
        "created_at": "2025-01-02T03:04:05.678Z",
        "verdict": "prompt",
        "probability": 0.71,
        "hint": "publish",
        "calibrated_on": "simulation",
        "brand": {"status": "recognised", "id": "brd_1", "name": "Norvokka", "recognised_by": ["words"], "added": 1},
        "reasons": [{"code": "known_fake_copy", "contribution": 2.1, "message": "A copy."}],
        "evidence": [
            {
                "image": 0,
                "reference_id": "ref_1",
                "kind": "known_fake",
                "brand_id": "brd_1",
                "use": "copy",
                "score": 0.93,
                "box": [0.0, 0.0, 1.0, 1.0],
            }
        ],
        "words": [
            {
                "kind": "name",
                "field": "title",
                "start": 0,
                "stop": 8,
                "brand_id": "brd_1",
                "reads": "Norvokka",
                "how": "plain",
                "context": "claim",
                "strength": None,
            }
        ],
        "prompt": {"language": "en", "title": "May be", "body": "Please check.", "actions": ["Add a receipt."]},
        "images": [{"position": 0, "status": "screened", "code": None, "sha256": "ab"}],
        "checks": [{"name": "words", "status": "ran", "reason": None}],
        "rescreen": False,
        "release": "rel_1",
        "timings_ms": {"decode": 12.1, "total": 33},
        "added_later": {"ignored": True},
    }
    return {**answer, **changes}


@dataclass
class Received:
    """One request as the stub saw it."""

    listing: dict[str, Any]
    images: list[bytes]
    idempotency_key: str | None


def same_for_all(number: int, received: Received) -> Response:
    """The default answer."""
    return JSONResponse(screening(received.listing))


@dataclass
class Stub:
    """`answer(request number, received)` decides; by default every listing gets the same screening."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answer: Callable[[int, Received], Response] = same_for_all

    def forget(self) -> None:
        """As new, for the next test."""
        self.requests.clear()
        self.answer = same_for_all

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/screenings")
        async def screen(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {KEY}":
                return error(401, "unauthorised")
            if request.headers["content-type"].startswith("multipart/form-data"):
                async with request.form() as form:
                    head = form["listing"]
                    listing = json.loads(head if isinstance(head, str) else await head.read())
                    images = [await part.read() for part in form.getlist("image") if not isinstance(part, str)]
            else:
                listing, images = await request.json(), []
            received = Received(listing, images, request.headers.get("idempotency-key"))
            self.requests.append(received)
            return self.answer(len(self.requests), received)

        return app


def error(status: int, code: str, field: str | None = None, **headers: str) -> JSONResponse:
    body = {"error": {"code": code, "message": "No.", "field": field, "request_id": "req_1"}}
    return JSONResponse(body, status, headers={name.replace("_", "-"): value for name, value in headers.items()})


@contextmanager
def serving(stub: Stub) -> Iterator[Stub]:
    """Run the stub in a thread on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            stub.app(), log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        stub.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield stub
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def raw_server(behave: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server below HTTP: `behave(connection, stop)` gets each connection."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.02)
        threads: list[threading.Thread] = []

        def handle(connection: socket.socket) -> None:
            with connection:
                try:
                    behave(connection, stop)
                except OSError:
                    return  # the client has gone, which is what the tests want of it

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                connection.settimeout(5)
                threads.append(threading.Thread(target=handle, args=(connection,)))
                threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            acceptor.join()
            for thread in threads:
                thread.join()
