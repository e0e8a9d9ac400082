"""The client against a server on the loopback that keeps the contract, and against servers that do not."""

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx
import pytest
from fastapi import Response
from fastapi.responses import JSONResponse
from hypothesis import given
from hypothesis import strategies as st
from screening_stub import KEY, Stub, error, raw_server, screening, serving

from screener.client import (
    AsyncScreenerClient,
    Listing,
    Price,
    RescreenSpool,
    ScreenerAnswerInvalid,
    ScreenerApiError,
    ScreenerClient,
    ScreenerUnreachable,
)
from screener.client_async import ANSWER_LIMIT
from screener.client_types import parse_error, parse_screening

LISTING = Listing("A-17", "Norvokka shoes «été» 鞋", "shop-1", revision=3, price=Price(49.9, "EUR"), language="de")
PICTURES = (b"first picture", b"second \r\n--picture")


async def no_sleep(seconds: float) -> None:
    await anyio.lowlevel.checkpoint()


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    with serving(Stub()) as running:
        yield running


@pytest.fixture
def stub(server: Stub) -> Stub:
    server.forget()
    return server


def client(url: str, **options: object) -> ScreenerClient:
    transport = httpx.AsyncHTTPTransport()  # no proxies from the environment
    return ScreenerClient(url, KEY, **{"transport": transport, "sleep": no_sleep, **options})  # type: ignore[arg-type]  # options of any kind


def test_screens_with_pictures_from_memory_and_disk(stub: Stub, tmp_path: Path) -> None:
    path = tmp_path / "2.jpg"
    path.write_bytes(PICTURES[1])
    with client(stub.url) as caller:
        answer = caller.screen(LISTING, [PICTURES[0], path], deadline_ms=900, language="ja", idempotency_key="once")
    sent = stub.requests[0]
    assert sent.images == list(PICTURES)
    assert sent.idempotency_key == "once"
    assert sent.listing == {
        "listing_id": "A-17",
        "revision": 3,
        "title": LISTING.title,
        "price": {"amount": 49.9, "currency": "EUR"},
        "seller": {"id": "shop-1"},
        "language": "ja",
        "deadline_ms": 900,
    }
    assert (answer.verdict, answer.listing_id, answer.revision) == ("prompt", "A-17", 3)
    assert answer.created_at == datetime(2025, 1, 2, 3, 4, 5, 678000, UTC)
    assert answer.brand.recognised_by == ("words",)
    assert answer.reasons[0].code == "known_fake_copy"
    assert answer.evidence[0].box == (0.0, 0.0, 1.0, 1.0)
    assert answer.prompt is not None and answer.prompt.actions == ("Add a receipt.",)
    assert answer.images[0].status == "screened" and answer.checks[0].name == "words"
    assert answer.timings_ms["total"] == 33.0


def test_screens_without_pictures_as_json(stub: Stub) -> None:
    with client(stub.url) as caller:
        caller.screen(LISTING)
    assert stub.requests[0].images == [] and stub.requests[0].listing["title"] == LISTING.title


def test_every_call_has_a_key_of_its_own(stub: Stub) -> None:
    with client(stub.url) as caller:
        caller.screen(LISTING)
        caller.screen(LISTING)
    keys = [request.idempotency_key for request in stub.requests]
    assert None not in keys and len(set(keys)) == 2


def test_a_passing_failure_is_retried_with_the_same_key(stub: Stub) -> None:
    stub.answer = lambda number, received: (
        error(503, "overloaded", Retry_After="1") if number < 3 else JSONResponse(screening(received.listing))
    )
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    with client(stub.url, sleep=sleep) as caller:
        assert caller.screen(LISTING, PICTURES).id == "scr_1"
    assert len({request.idempotency_key for request in stub.requests}) == 1
    assert [request.images for request in stub.requests] == [list(PICTURES)] * 3
    assert waits == [1.0, 1.0]


def test_a_wait_beyond_the_limit_is_refused_at_once(stub: Stub) -> None:
    stub.answer = lambda number, received: error(429, "too_many_requests", Retry_After="3600")
    with client(stub.url) as caller, pytest.raises(ScreenerApiError) as caught:
        caller.screen(LISTING)
    assert caught.value.code == "too_many_requests" and len(stub.requests) == 1


def test_a_refusal_is_not_retried_and_says_all(stub: Stub) -> None:
    stub.answer = lambda number, received: error(422, "invalid_request", "title")
    with client(stub.url) as caller, pytest.raises(ScreenerApiError, match="422 invalid_request") as caught:
        caller.screen(LISTING)
    refused = caught.value
    assert (refused.status, refused.code, refused.field) == (422, "invalid_request", "title")
    assert (refused.message, refused.request_id) == ("No.", "req_1")
    assert len(stub.requests) == 1


def test_a_wrong_key_is_an_api_error(stub: Stub) -> None:
    transport = httpx.AsyncHTTPTransport()
    with (
        ScreenerClient(stub.url, "lsk_wrong", transport=transport) as caller,
        pytest.raises(ScreenerApiError) as caught,
    ):
        caller.screen(LISTING)
    assert caught.value.status == 401


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"id": 1}', b"\xff\xfe", b"[" * 100_000], ids=lambda body: repr(body[:8])
)
def test_an_answer_that_is_none(stub: Stub, body: bytes) -> None:
    stub.answer = lambda number, received: Response(body, media_type="application/json")
    with client(stub.url) as caller:
        with pytest.raises(ScreenerAnswerInvalid):
            caller.screen(LISTING)
        assert caller.screen_or_allow(LISTING, deadline_ms=5000).reason == "answer_invalid"


def test_an_error_without_the_error_shape(stub: Stub) -> None:
    stub.answer = lambda number, received: Response("<h1>Bad Gateway", 500)
    with client(stub.url) as caller, pytest.raises(ScreenerApiError) as caught:
        caller.screen(LISTING)
    assert (caught.value.status, caught.value.code) == (500, "http_error")


def test_an_endless_answer_is_cut_off(stub: Stub) -> None:
    stub.answer = lambda number, received: Response(b" " * (ANSWER_LIMIT + 1))
    with client(stub.url) as caller, pytest.raises(ScreenerAnswerInvalid, match="larger"):
        caller.screen(LISTING)


@pytest.mark.parametrize(
    ("verdict", "allowed"), [("clear", True), ("unscreenable", True), ("prompt", False), ("review", False)]
)
def test_an_outcome_follows_the_verdict(stub: Stub, verdict: str, allowed: bool) -> None:
    stub.answer = lambda number, received: JSONResponse(screening(received.listing, verdict=verdict))
    with client(stub.url) as caller:
        outcome = caller.screen_or_allow(LISTING, PICTURES, deadline_ms=5000)
    assert (outcome.allowed, outcome.screened, outcome.rescreen) == (allowed, True, False)
    assert outcome.screening is not None and outcome.screening.verdict == verdict
    assert stub.requests[0].listing["deadline_ms"] == 4000


def test_a_degraded_answer_is_marked_for_later(stub: Stub, tmp_path: Path) -> None:
    stub.answer = lambda number, received: JSONResponse(screening(received.listing, verdict="clear", rescreen=True))
    spool = RescreenSpool(tmp_path)
    with client(stub.url, on_rescreen=spool.add) as caller:
        outcome = caller.screen_or_allow(LISTING, PICTURES, deadline_ms=5000)
    assert outcome.allowed and outcome.screened and outcome.rescreen and outcome.marked
    assert [waiting.reason for waiting in spool] == ["degraded"]


def _reset(connection: socket.socket, stop: threading.Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _silent(connection: socket.socket, stop: threading.Event) -> None:
    stop.wait()


def _garbage(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\x00\x01\x02\r\n\r\n")


def _one_byte_at_a_time(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not stop.wait(0.01):
        connection.sendall(b" ")


def _drip_headers(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.wait(0.01):
        connection.sendall(b"X: y\r\n")


def _half_an_answer(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"id": "scr')


@pytest.mark.parametrize(
    ("behave", "reasons"),
    [
        (_reset, {"unreachable"}),
        (_silent, {"timeout"}),
        (_garbage, {"unreachable"}),
        (_one_byte_at_a_time, {"timeout"}),
        (_drip_headers, {"timeout", "unreachable"}),
        (_half_an_answer, {"unreachable"}),
    ],
)
def test_never_raises_and_never_waits_beyond_the_deadline(
    behave: Callable[[socket.socket, threading.Event], None], reasons: set[str], tmp_path: Path
) -> None:
    spool = RescreenSpool(tmp_path)
    with raw_server(behave) as url, client(url, on_rescreen=spool.add) as caller:
        outcome = caller.screen_or_allow(LISTING, PICTURES, deadline_ms=250)
    assert (outcome.allowed, outcome.screened, outcome.rescreen, outcome.marked) == (True, False, True, True)
    assert outcome.reason in reasons and outcome.screening is None
    waiting = next(iter(spool))
    assert (waiting.listing, waiting.images, waiting.reason) == (LISTING, PICTURES, outcome.reason)


def _closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_refused_connection() -> None:
    with client(_closed_port()) as caller:
        assert caller.screen_or_allow(LISTING, deadline_ms=2000).reason == "unreachable"
        with pytest.raises(ScreenerUnreachable) as caught:
            caller.screen(LISTING)
    assert caught.value.reason == "unreachable"


def test_screen_has_a_limit_too() -> None:
    with raw_server(_silent) as url, client(url, timeout=0.1) as caller, pytest.raises(ScreenerUnreachable) as caught:
        caller.screen(LISTING)
    assert caught.value.reason == "timeout"


@pytest.mark.parametrize("status", [400, 401, 403, 413, 422, 429, 500, 502, 503, 504])
def test_any_error_allows(stub: Stub, status: int) -> None:
    stub.answer = lambda number, received: error(status, f"code_{status}")
    with client(stub.url) as caller:
        outcome = caller.screen_or_allow(LISTING, deadline_ms=5000)
    assert outcome.allowed and not outcome.screened and outcome.rescreen and outcome.reason == f"code_{status}"
    assert not outcome.marked  # nobody to hand it to


def test_a_transport_that_explodes_allows() -> None:
    def explode(request: httpx.Request) -> httpx.Response:
        raise RuntimeError("boom")

    with client("http://test", transport=httpx.MockTransport(explode)) as caller:
        assert caller.screen_or_allow(LISTING).reason == "client_error"


def test_what_cannot_be_written_as_json_allows(stub: Stub) -> None:
    with client(stub.url) as caller:
        outcome = caller.screen_or_allow(Listing("A", "t", "s", price=Price(float("nan"), "EUR")), PICTURES)
    assert outcome.allowed and outcome.reason == "client_error" and stub.requests == []


def test_a_lone_surrogate_is_the_service_s_to_refuse(stub: Stub) -> None:
    with client(stub.url) as caller:
        caller.screen_or_allow(Listing("A", "\ud800", "s"), PICTURES, deadline_ms=5000)
    assert stub.requests[0].listing["title"] == "\ud800"


def test_an_unreadable_picture_allows_and_is_spooled_as_unusable(stub: Stub, tmp_path: Path) -> None:
    spool = RescreenSpool(tmp_path / "spool")
    with client(stub.url, on_rescreen=spool.add) as caller:
        outcome = caller.screen_or_allow(LISTING, [b"one", tmp_path / "missing.jpg"], deadline_ms=5000)
    assert outcome.allowed and outcome.reason == "picture_unreadable"
    assert next(iter(spool)).images == (b"one", b"")


def test_a_failing_callback_does_not_reach_the_hook(caplog: pytest.LogCaptureFixture) -> None:
    def full(*_: object) -> None:
        raise OSError("disk full")

    with client(_closed_port(), on_rescreen=full) as caller:
        outcome = caller.screen_or_allow(LISTING)
    assert outcome.allowed and outcome.rescreen and not outcome.marked
    assert "could not be handed over" in caplog.text


def test_a_closed_client_starts_again(stub: Stub) -> None:
    caller = client(stub.url)
    caller.close()
    caller.screen_or_allow(LISTING)
    caller.close()
    caller.close()


def test_drain_screens_what_waits_and_only_once(stub: Stub, tmp_path: Path) -> None:
    spool = RescreenSpool(tmp_path, clock=iter(range(10)).__next__)
    for name in ("first", "second"):
        spool.add(Listing(name, "t", "s"), PICTURES, "timeout")
    with client(stub.url) as caller:
        drained = caller.drain(spool, deadline_ms=5000)
        assert [waiting.listing.listing_id for waiting, _ in drained.screened] == ["first", "second"]
        assert (drained.stopped, len(spool)) == (None, 0)
        assert caller.drain(spool).screened == ()
    assert [request.idempotency_key for request in stub.requests] == [waiting.id for waiting, _ in drained.screened]
    assert stub.requests[0].images == list(PICTURES)


def test_drain_puts_a_hopeless_listing_aside_and_goes_on(stub: Stub, tmp_path: Path) -> None:
    stub.answer = lambda number, received: (
        error(422, "invalid_request") if number == 1 else JSONResponse(screening(received.listing))
    )
    spool = RescreenSpool(tmp_path, clock=iter(range(10)).__next__)
    hopeless = spool.add(Listing("bad", "t", "s"), (), "timeout")
    spool.add(Listing("good", "t", "s"), (), "timeout")
    with client(stub.url) as caller:
        drained = caller.drain(spool)
    assert drained.rejected == (hopeless,) and len(drained.screened) == 1 and len(spool) == 0
    assert (tmp_path / "rejected" / f"{hopeless}.zip").exists()


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_drain_stops_and_keeps_all_when_the_service_is_not_there(stub: Stub, tmp_path: Path, status: int) -> None:
    stub.answer = lambda number, received: error(status, "later")
    spool = RescreenSpool(tmp_path)
    spool.add(LISTING, (), "timeout")
    spool.add(LISTING, (), "timeout")
    with client(stub.url) as caller:
        assert caller.drain(spool).stopped == "later"
    with client(_closed_port()) as caller:
        assert caller.drain(spool).stopped == "unreachable"
    assert len(spool) == 2


def test_a_spool_survives_what_is_left_of_a_crash(tmp_path: Path) -> None:
    spool = RescreenSpool(tmp_path)
    key = spool.add(LISTING, PICTURES, "timeout")
    (tmp_path / "0000-dead.part").write_bytes(b"half")
    (tmp_path / "0000-torn.zip").write_bytes(b"PK\x03\x04 torn")
    again = RescreenSpool(tmp_path)
    assert [(waiting.id, waiting.listing, waiting.images) for waiting in again] == [(key, LISTING, PICTURES)]
    assert (tmp_path / "rejected" / "0000-torn.zip").exists()
    again.remove(key)
    again.remove(key)
    assert len(again) == 0


def test_a_spool_syncs_the_file_and_then_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().suffix if Path("/proc/self/fd").exists() else "?")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    RescreenSpool(tmp_path).add(LISTING, (), "timeout")
    assert synced in ([".part", ""], ["?", "?"])


def test_the_async_client_is_the_same(stub: Stub, tmp_path: Path) -> None:
    spool = RescreenSpool(tmp_path)

    async def main() -> None:
        transport = httpx.AsyncHTTPTransport()
        async with AsyncScreenerClient(stub.url, KEY, transport=transport, on_rescreen=spool.add) as caller:
            assert (await caller.screen(LISTING, PICTURES)).id == "scr_1"
            outcome = await caller.screen_or_allow(LISTING, PICTURES, deadline_ms=5000)
            assert outcome.screened and not outcome.allowed
            stub.answer = lambda number, received: error(500, "internal_error")
            outcome = await caller.screen_or_allow(LISTING, PICTURES, deadline_ms=5000)
            assert outcome.allowed and outcome.marked
            stub.answer = lambda number, received: JSONResponse(screening(received.listing))
            assert len((await caller.drain(spool)).screened) == 1

    anyio.run(main)


def test_threads_share_a_client(stub: Stub) -> None:
    outcomes = []

    def publish() -> None:
        outcomes.append(caller.screen_or_allow(LISTING, PICTURES, deadline_ms=9000))

    with client(stub.url) as caller:
        threads = [
            threading.Thread(
                target=lambda: outcomes.append(caller.screen_or_allow(LISTING, PICTURES, deadline_ms=9000))
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [outcome.screened for outcome in outcomes] == [True] * 8


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_refused(body: bytes) -> None:
    parse_error(500, body)
    with pytest.raises(ScreenerAnswerInvalid):
        parse_screening(body)


@given(
    st.builds(
        Listing,
        listing_id=st.text(min_size=1),
        title=st.text(),
        seller_id=st.text(min_size=1),
        revision=st.integers(0, 2**31),
        description=st.none() | st.text(),
        brand=st.none() | st.text(),
        category=st.none() | st.text(),
        price=st.none() | st.builds(Price, st.floats(0, 1e9), st.just("EUR")),
        language=st.none() | st.text(min_size=1),
    )
)
def test_a_listing_and_its_json_are_the_same(listing: Listing) -> None:
    assert Listing.from_json(listing.to_json()) == listing
