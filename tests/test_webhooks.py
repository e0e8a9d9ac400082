"""Webhooks arrive: signed by the specification, at least once each, retried, and only where they may go."""

import asyncio
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import StepClock
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from webhook_kit import Received, Receiver, receiver, signature

from brands import audit
from brands.database import Database
from brands.errors import Conflict, Invalid, NotFound
from brands.schema import audit as audit_table
from brands.schema import deliveries, outbox
from screener.client_webhooks import WebhookRefused, verify_webhook
from screener.webhooks import claims, messages
from screener.webhooks.addresses import AddressRefused, checked_addresses, checked_url, is_public, place_of
from screener.webhooks.deliverer import Deliverer
from screener.webhooks.endpoints import Endpoint, Endpoints
from screener.webhooks.outbox import PAYLOAD_BYTES, emit
from screener.webhooks.schedule import DELAYS, next_attempt, rest_after, retry_after
from screener.webhooks.sending import Sender
from screener.webhooks.signing import secret_of, signed_headers
from screener.webhooks.types import TYPES

ACTOR = "cli:test"
SECRET = b"s" * 32
KEEP = timedelta(days=30)


@pytest.fixture
def endpoints(database: Database, clock: StepClock) -> Endpoints:
    return Endpoints(database, SECRET, clock, private=True)


@pytest.fixture
def shop() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def deliverer_of(endpoints: Endpoints, database: Database, clock: Callable[[], datetime], **options: Any) -> Deliverer:
    return Deliverer(database=database, endpoints=endpoints, keep=KEEP, now=clock, randomness=lambda: 0.0, **options)


def say(database: Database, clock: StepClock, number: int = 1, **subjects: Any) -> str:
    with database.write() as conn:
        audit.lock(conn)
        found = emit(conn, "burst.found", {"number": number, "text": "高仿 ≥ 1"}, at=clock(), **subjects)
    assert found is not None
    return found


def states(database: Database) -> list[tuple[str, int, int | None, str | None]]:
    query = sa.select(deliveries.c.state, deliveries.c.attempts, deliveries.c.status, deliveries.c.error)
    with database.read() as conn:
        return [tuple(row) for row in conn.execute(query.order_by(deliveries.c.message_id, deliveries.c.endpoint_id))]


def test_a_message_arrives_signed(database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver) -> None:
    _, secret = endpoints.add(actor=ACTOR, url=shop.url, description="live")
    message_id = say(database, clock)
    assert deliverer_of(endpoints, database, clock).deliver_due() == 1
    (came,) = shop.received
    assert came.path == "/hooks?token=1"
    assert came.id == message_id
    assert came.headers["webhook-signature"] == signature(secret, came)
    assert came.headers["content-type"] == "application/json"
    assert came.headers["user-agent"].startswith("listing-screener")
    assert came.message["type"] == "burst.found"
    assert came.message["data"] == {"number": 1, "text": "高仿 ≥ 1"}
    assert came.headers["host"] == shop.url.split("/")[2]
    with database.read() as conn:
        (message,) = messages.list_messages(conn)
    assert came.message["timestamp"] == message.created_at.isoformat()
    assert states(database) == [("delivered", 1, 204, None)]
    assert deliverer_of(endpoints, database, clock).deliver_due() == 0


def test_nothing_is_written_for_nobody(database: Database, clock: StepClock, endpoints: Endpoints) -> None:
    endpoint, _ = endpoints.add(actor=ACTOR, url="http://127.0.0.1:9/", types=["release.switched"])
    with database.write() as conn:
        assert emit(conn, "burst.found", {}, at=clock()) is None
        assert emit(conn, "release.switched", {}, at=clock()) is not None
        with pytest.raises(ValueError, match="bytes"):
            emit(conn, "release.switched", {"text": "x" * PAYLOAD_BYTES}, at=clock())
        with pytest.raises(ValueError, match="type"):
            emit(conn, "release.swapped", {}, at=clock())  # type: ignore[arg-type]  # what is tested
    endpoints.set_state(actor=ACTOR, endpoint_id=endpoint.id, state="removed")
    with database.write() as conn:
        assert emit(conn, "release.switched", {}, at=clock()) is None


def test_messages_of_one_moment_keep_their_order(database: Database, clock: StepClock, endpoints: Endpoints) -> None:
    endpoints.add(actor=ACTOR, url="http://127.0.0.1:9/")
    at = clock()
    with database.write() as conn:
        made = [emit(conn, "burst.found", {"number": number}, at=at) for number in range(20)]
    assert made == sorted(made, key=str)
    with database.read() as conn:
        assert [one.payload["number"] for one in messages.list_messages(conn)] == list(range(20))


def test_a_message_stays_or_goes_with_its_transaction(
    database: Database, clock: StepClock, endpoints: Endpoints
) -> None:
    endpoints.add(actor=ACTOR, url="http://127.0.0.1:9/")
    with pytest.raises(RuntimeError), database.write() as conn:
        emit(conn, "burst.found", {}, at=clock())
        raise RuntimeError
    assert states(database) == []


def test_a_failure_is_retried_on_schedule_until_it_fails_for_good(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    endpoints.add(actor=ACTOR, url=shop.url)
    say(database, clock)
    shop.answers += [(500, {}, b"no")] * (len(DELAYS) + 1)
    begun = clock.now
    deliverer = deliverer_of(endpoints, database, clock)
    for number, delay in enumerate(DELAYS, 1):
        assert deliverer.deliver_due() == 1
        assert states(database) == [("pending", number, 500, "status 500")]
        clock.now += delay - timedelta(seconds=1)
        assert deliverer.deliver_due() == 0
        clock.now += timedelta(seconds=2)
    assert timedelta(days=3) < clock.now - begun < timedelta(days=4)
    assert deliverer.deliver_due() == 1
    assert states(database) == [("failed", len(DELAYS) + 1, 500, "status 500")]
    assert len({came.id for came in shop.received}) == 1
    assert len({came.body for came in shop.received}) == 1
    stamps = [int(came.headers["webhook-timestamp"]) for came in shop.received]
    assert stamps == sorted(set(stamps))
    clock.now += timedelta(days=10)
    assert deliverer.deliver_due() == 0
    assert len(shop.received) == len(DELAYS) + 1


def test_retry_after_is_honoured(database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver) -> None:
    endpoints.add(actor=ACTOR, url=shop.url)
    say(database, clock)
    shop.answers.append((429, {"Retry-After": "1800"}, b""))
    deliverer = deliverer_of(endpoints, database, clock)
    assert deliverer.deliver_due() == 1
    clock.now += timedelta(seconds=1790)
    assert deliverer.deliver_due() == 0
    clock.now += timedelta(seconds=20)
    assert deliverer.deliver_due() == 1
    assert states(database) == [("delivered", 2, 204, None)]


def test_schedule() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert next_attempt(1, now, lambda: 1.0) == now + timedelta(seconds=6)
    assert next_attempt(1, now, lambda: 0.0, retry_after=timedelta(days=9)) == now + timedelta(days=1)
    assert next_attempt(len(DELAYS) + 1, now, lambda: 0.0) is None
    assert retry_after("120", now) == timedelta(minutes=2)
    assert retry_after("Sun, 01 Mar 2026 00:01:00 GMT", now) == timedelta(minutes=1)
    assert retry_after("Sun, 01 Mar 2020 00:01:00 GMT", now) == timedelta(0)
    assert retry_after("9" * 400, now) == timedelta(days=1)
    assert [retry_after(text, now) for text in (None, "soon", "-3", "²")] == [None] * 4
    assert rest_after(1) < rest_after(2) < rest_after(5) == rest_after(50)


def test_a_redirect_is_not_followed(database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver) -> None:
    with receiver() as elsewhere:
        endpoints.add(actor=ACTOR, url=shop.url)
        say(database, clock)
        shop.answers.append((307, {"Location": elsewhere.url}, b""))
        assert deliverer_of(endpoints, database, clock).deliver_due() == 1
        assert elsewhere.received == []
    assert states(database) == [("pending", 1, 307, "status 307")]


def test_gone_pauses_the_endpoint_and_loses_nothing(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    endpoint, _ = endpoints.add(actor=ACTOR, url=shop.url)
    say(database, clock, 1)
    shop.answers.append((410, {}, b""))
    deliverer = deliverer_of(endpoints, database, clock)
    assert deliverer.deliver_due() == 1
    assert endpoints.get(endpoint.id).state == "paused"
    say(database, clock, 2)
    clock.now += timedelta(hours=1)
    assert deliverer.deliver_due() == 0
    endpoints.set_state(actor=ACTOR, endpoint_id=endpoint.id, state="active")
    assert deliverer.deliver_due() == 2
    assert [came.message["data"]["number"] for came in shop.received] == [1, 1, 2]
    with database.read() as conn:
        rows = conn.execute(sa.select(audit_table.c.actor, audit_table.c.action).order_by(audit_table.c.sequence))
        assert list(rows)[1:] == [(claims.ACTOR, "webhook.pause"), (ACTOR, "webhook.resume")]


def test_a_slow_endpoint_ends_at_the_limit_and_holds_up_nobody(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    release = threading.Event()
    with receiver() as slow:
        slow.before = lambda _: release.wait(20)
        endpoints.add(actor=ACTOR, url=slow.url)
        endpoints.add(actor=ACTOR, url=shop.url)
        for number in range(3):
            say(database, clock, number)
        deliverer = deliverer_of(endpoints, database, clock, timeout=3.0)
        deliverer.start()
        try:
            shop.wait_for(3)
            assert slow.received == []  # its first answer is still waited for
        finally:
            release.set()
            deliverer.close()


def test_timeouts_broken_answers_and_dead_ports_are_failures(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    release = threading.Event()
    shop.before = lambda _: release.wait(20)
    endpoints.add(actor=ACTOR, url=shop.url)
    endpoints.add(actor=ACTOR, url="http://127.0.0.1:9/")
    say(database, clock)
    try:
        assert deliverer_of(endpoints, database, clock, timeout=0.3).deliver_due() == 2
    finally:
        release.set()
    assert states(database) == [("pending", 1, None, "timeout"), ("pending", 1, None, "no connection")]


def test_an_endless_answer_is_not_read(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    endpoints.add(actor=ACTOR, url=shop.url)
    say(database, clock)
    shop.answers.append((200, {}, b"x" * 20_000_000))
    assert deliverer_of(endpoints, database, clock).deliver_due() == 1
    assert states(database) == [("delivered", 1, 200, None)]


def test_an_endpoint_that_is_down_rests_and_the_other_messages_keep_their_attempts(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    endpoints.add(actor=ACTOR, url=shop.url)
    for number in range(5):
        say(database, clock, number)
    shop.answers += [(503, {}, b"")] * 2
    deliverer = deliverer_of(endpoints, database, clock)
    assert deliverer.deliver_due() == 1
    assert [attempts for _, attempts, _, _ in states(database)] == [1, 0, 0, 0, 0]
    assert deliverer.deliver_due() == 0
    clock.now += rest_after(1)
    assert deliverer.deliver_due() == 1  # the second message; the first one's time has not come
    clock.now += timedelta(minutes=10)
    assert deliverer.deliver_due() == 5
    assert {state for state, *_ in states(database)} == {"delivered"}


def test_two_deliverers_send_each_message_once(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    endpoints.add(actor=ACTOR, url=shop.url)
    sent = [say(database, clock, number) for number in range(60)]
    both = threading.Barrier(2)
    lock = threading.Lock()

    def ticking() -> datetime:
        with lock:
            return clock()

    counts: list[int] = []

    def work() -> None:
        deliverer = deliverer_of(endpoints, database, ticking)
        both.wait()
        counts.append(deliverer.deliver_due())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came.id for came in shop.received) == sent
    assert sum(counts) == 60


def test_what_a_killed_deliverer_had_taken_is_sent_after_its_lease(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    endpoint, _ = endpoints.add(actor=ACTOR, url=shop.url)
    sent = [say(database, clock, number) for number in range(3)]
    with database.write() as conn:  # and then it is killed
        _, taken = claims.take(conn, endpoint.id, clock())
    assert [due.message_id for due in taken] == sent
    deliverer = deliverer_of(endpoints, database, clock)
    assert deliverer.deliver_due() == 0
    clock.now += claims.LEASE
    assert deliverer.deliver_due() == 3
    assert [came.id for came in shop.received] == sent


def test_stopping_in_the_middle_gives_back_what_was_taken(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    arrived, release = threading.Event(), threading.Event()

    def hang(_: Received) -> None:
        arrived.set()
        release.wait(20)

    shop.before = hang
    endpoints.add(actor=ACTOR, url=shop.url)
    sent = [say(database, clock, number) for number in range(3)]
    deliverer = deliverer_of(endpoints, database, clock)
    deliverer.start()
    assert arrived.wait(10)
    deliverer.close()
    release.set()
    shop.before = None
    assert deliverer_of(endpoints, database, clock).deliver_due() == 3  # at once, not after the lease
    assert {came.id for came in shop.received} == set(sent)


def test_rotation_signs_with_both_for_a_while(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    endpoint, old = endpoints.add(actor=ACTOR, url=shop.url)
    _, new = endpoints.rotate(actor=ACTOR, endpoint_id=endpoint.id, keep=timedelta(hours=1))
    assert old != new
    say(database, clock)
    deliverer = deliverer_of(endpoints, database, clock)
    deliverer.deliver_due()
    clock.now += timedelta(hours=1)
    say(database, clock)
    deliverer.deliver_due()
    both, alone = shop.received
    assert both.headers["webhook-signature"].split() == [signature(new, both), signature(old, both)]
    assert alone.headers["webhook-signature"] == signature(new, alone)
    with pytest.raises(Invalid):
        endpoints.rotate(actor=ACTOR, endpoint_id=endpoint.id, keep=timedelta(days=31))


def test_the_client_verifies() -> None:
    secret, body = secret_of(SECRET, "whk_1", 1), b'{"data":{"a":1},"timestamp":"2026-01-01T00:00:00+00:00","type":"t"}'
    headers = signed_headers([secret], "msg_1", datetime.now(UTC), body)
    message = verify_webhook({name.title(): value for name, value in headers.items()}, body, secret)
    assert (message.id, message.type, message.data) == ("msg_1", "t", {"a": 1})
    assert message.timestamp == datetime(2026, 1, 1, tzinfo=UTC)
    twice = signed_headers([secret_of(SECRET, "whk_1", 2), secret], "msg_1", datetime.now(UTC), body)
    assert verify_webhook(twice, body, secret).id == "msg_1"
    old = signed_headers([secret], "msg_1", datetime.now(UTC) - timedelta(minutes=6), body)
    for wrong, content in (
        (headers, body + b" "),
        (headers | {"webhook-id": "msg_2"}, body),
        (headers | {"webhook-signature": "v1,AAAA"}, body),
        (headers | {"webhook-signature": "v1"}, body),
        (headers | {"webhook-signature": "v1,not base64"}, body),
        (old, body),
        ({}, body),
        (headers, b"\xff"),
    ):
        with pytest.raises(WebhookRefused):
            verify_webhook(wrong, content, secret)
    with pytest.raises(WebhookRefused):
        verify_webhook(headers, body, secret_of(SECRET, "whk_2", 1))


def test_replay(database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver) -> None:
    endpoint, _ = endpoints.add(actor=ACTOR, url=shop.url)
    first, second = say(database, clock, 1), say(database, clock, 2)
    deliverer = deliverer_of(endpoints, database, clock)
    deliverer.deliver_due()
    with database.write() as conn:
        messages.replay(conn, first, actor=ACTOR, at=clock())
    assert deliverer.deliver_due() == 1
    assert [came.id for came in shop.received] == [first, second, first]
    with receiver() as late:
        newcomer, _ = endpoints.add(actor=ACTOR, url=late.url)
        with database.write() as conn:
            options = {"since": clock.now - timedelta(days=1), "actor": ACTOR, "at": clock()}
            assert messages.replay_since(conn, newcomer.id, **options) == 0
            assert messages.replay_since(conn, newcomer.id, only_failed=False, **options) == 2
        assert deliverer.deliver_due() == 2
        assert [came.id for came in late.received] == [first, second]
        with database.write() as conn:
            messages.replay(conn, second, endpoint_id=newcomer.id, actor=ACTOR, at=clock())
        assert deliverer.deliver_due() == 1
        endpoints.set_state(actor=ACTOR, endpoint_id=newcomer.id, state="removed")
    endpoints.set_state(actor=ACTOR, endpoint_id=endpoint.id, state="removed")
    with database.write() as conn, pytest.raises(Conflict):
        messages.replay(conn, first, actor=ACTOR, at=clock())
    with database.write() as conn, pytest.raises(NotFound):
        messages.replay(conn, "msg_" + "0" * 32, actor=ACTOR, at=clock())


def test_failed_messages_are_found_and_sent_again(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    endpoint, _ = endpoints.add(actor=ACTOR, url=shop.url)
    message_id = say(database, clock)
    with database.write() as conn:
        conn.execute(sa.update(deliveries).values(state="failed", next_at=None, error="timeout", attempts=10))
    with database.read() as conn:
        assert [one.id for one in messages.list_messages(conn, state="failed")] == [message_id]
        assert messages.list_messages(conn, state="delivered") == ()
        assert messages.list_messages(conn, endpoint_id="whk_" + "0" * 32) == ()
        with pytest.raises(Invalid):
            messages.list_messages(conn, state="lost")
    with database.write() as conn:
        begun = clock.now - timedelta(hours=1)
        assert messages.replay_since(conn, endpoint.id, since=begun, actor=ACTOR, at=clock()) == 1
    assert deliverer_of(endpoints, database, clock).deliver_due() == 1
    assert states(database) == [("delivered", 1, 204, None)]


def test_old_messages_are_forgotten(database: Database, clock: StepClock, endpoints: Endpoints) -> None:
    endpoints.add(actor=ACTOR, url="http://127.0.0.1:9/")
    say(database, clock, 1)
    clock.now += KEEP
    kept = say(database, clock, 2)
    deliverer = deliverer_of(endpoints, database, clock)
    assert deliverer.forget() == 1
    assert deliverer.forget() == 0
    with database.read() as conn:
        assert list(conn.execute(sa.select(outbox.c.id)).scalars()) == [kept]
        assert list(conn.execute(sa.select(deliveries.c.message_id)).scalars()) == [kept]


def test_endpoints_are_made_listed_paused_and_removed(database: Database, endpoints: Endpoints) -> None:
    endpoint, secret = endpoints.add(actor=ACTOR, url="http://127.0.0.1:9/?token=hush", types=["burst.found"])
    assert endpoint.types == ("burst.found",)
    assert endpoints.list() == (endpoint,)
    assert endpoints.get(endpoint.id) == endpoint
    for _ in range(2):
        assert endpoints.set_state(actor=ACTOR, endpoint_id=endpoint.id, state="paused").state == "paused"
    endpoints.set_state(actor=ACTOR, endpoint_id=endpoint.id, state="removed")
    assert endpoints.list() == ()
    for step in (lambda: endpoints.get(endpoint.id), lambda: endpoints.rotate(actor=ACTOR, endpoint_id=endpoint.id)):
        with pytest.raises(NotFound):
            step()
    with pytest.raises(Invalid):
        endpoints.add(actor=ACTOR, url="http://127.0.0.1:9/", types=["burst.lost"])
    with pytest.raises(Invalid):
        endpoints.add(actor=ACTOR, url="http://127.0.0.1:9/", types=[])
    with database.read() as conn:
        logged = json.dumps([[row.before, row.after] for row in conn.execute(sa.select(audit_table))])
    assert "127.0.0.1:9" in logged
    assert "hush" not in logged
    assert secret not in logged


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://user:word@example.com/",
        "https://example.com/#part",
        "https:///nowhere",
        "example.com",
        "https://exa mple.com/",
        "https://" + "a" * 2048,
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
    ],
)
def test_urls_that_lead_astray_are_refused(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_url(url, private=False)
    assert (refused.value.code, refused.value.field) == ("invalid_url", "url")


def test_urls_that_are_fine() -> None:
    for url in ("https://example.com/hooks?a=1", "https://93.184.215.14:8443/", "https://[2606:2800::1]/"):
        assert checked_url(url, private=False) == url
    assert checked_url("http://10.1.2.3/", private=True) == "http://10.1.2.3/"
    with pytest.raises(Invalid):
        checked_url("http://93.184.215.14/", private=True)  # in the clear over the Internet
    with pytest.raises(Invalid):
        checked_url("https://0.0.0.0/", private=True)


def test_public_addresses() -> None:
    assert is_public(ipaddress.ip_address("8.8.8.8"))
    assert is_public(ipaddress.ip_address("64:ff9b::808:808"))
    for text in ("192.168.1.1", "2002:7f00:1::", "2001:0:53aa:64c::1", "fe80::1", "255.255.255.255"):
        assert not is_public(ipaddress.ip_address(text)), text


def test_a_name_that_leads_inside_is_refused_when_it_is_sent_to(database: Database, clock: StepClock) -> None:
    careful = Endpoints(database, SECRET, clock)
    careful.add(actor=ACTOR, url="https://hooks.example.com/")
    say(database, clock)
    asked: list[tuple[str, int]] = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["93.184.215.14", "10.0.0.7"]  # one that is public does not make up for one that is not

    assert deliverer_of(careful, database, clock, lookup=lookup).deliver_due() == 1
    assert asked == [("hooks.example.com", 443)]
    ((state, attempts, status, error),) = states(database)
    assert (state, attempts, status) == ("pending", 1, None)
    assert "not public" in str(error)
    place = place_of("https://hooks.example.com/", private=False)
    with pytest.raises(AddressRefused):
        checked_addresses(place, ["10.0.0.7"], private=False)


def test_an_unknown_name_is_a_failure(database: Database, clock: StepClock) -> None:
    def lookup(host: str, port: int) -> list[str]:
        raise AddressRefused("The name of the host is not known.")

    careful = Endpoints(database, SECRET, clock)
    careful.add(actor=ACTOR, url="https://nobody.example.com/")
    say(database, clock)
    deliverer_of(careful, database, clock, lookup=lookup).deliver_due()
    assert states(database) == [("pending", 1, None, "The name of the host is not known.")]


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side with a certificate for `name`, and a sender's side that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    sender = ssl.create_default_context(cadata=made.public_bytes(serialization.Encoding.PEM).decode())
    return server, sender


def test_the_certificate_must_be_for_the_name_though_the_address_is_connected_to(
    tmp_path: Path, clock: StepClock
) -> None:
    server, trust = certificate(tmp_path, "hooks.example.com")
    with receiver(server) as shop:
        port = shop.url.split("/")[2].split(":")[1]

        async def send(host: str, **options: Any) -> Any:
            sender = Sender(
                f"https://{host}:{port}/in", private=True, lookup=lambda *_: ["127.0.0.1"], now=clock, **options
            )
            try:
                return await sender.send({"webhook-id": "msg_1"}, b"{}")
            finally:
                await sender.close()

        attempt = asyncio.run(send("hooks.example.com", trust=trust))
        assert (attempt.status, attempt.error) == (204, None)
        assert shop.received[0].headers["host"] == f"hooks.example.com:{port}"
        assert asyncio.run(send("other.example.com", trust=trust)).error == "certificate not trusted"
        assert asyncio.run(send("hooks.example.com")).error == "certificate not trusted"
        assert len(shop.received) == 1


def test_an_endpoint_wants_what_it_says(
    database: Database, clock: StepClock, endpoints: Endpoints, shop: Receiver
) -> None:
    made: list[Endpoint] = [endpoints.add(actor=ACTOR, url=shop.url, types=[type])[0] for type in TYPES]
    say(database, clock)
    with database.read() as conn:
        (message,) = messages.list_messages(conn)
    assert [one.endpoint_id for one in message.deliveries] == [
        endpoint.id for endpoint in made if endpoint.types == ("burst.found",)
    ]
