"""Webhooks of a whole service: managed over HTTP and at the shell, and a decision arrives where it is wanted."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from review_kit import screen
from service_kit import Kit, running
from typer.testing import CliRunner
from webhook_kit import receiver

from brands.ids import utc_now
from screener.cli import app
from screener.client_webhooks import verify_webhook
from screener.listing import Listing


def ask(kit: Kit, method: str, path: str, **options: Any) -> Any:
    answer = kit.client.request(method, f"/v1/webhooks{path}", headers=kit.admin, **options)
    assert answer.status_code < 300, answer.text
    return answer.json()


def test_a_decision_arrives(tmp_path: Path) -> None:
    with receiver() as shop, running(tmp_path, webhook_private=True, refresh_seconds=60) as kit:
        made = ask(kit, "POST", "", json={"url": shop.url, "types": ["screening.decided"], "description": "live"})
        endpoint, secret = made["endpoint"]["id"], made["secret"]
        assert [one["id"] for one in ask(kit, "GET", "")] == [endpoint]
        assert secret not in json.dumps(ask(kit, "GET", ""))
        screening_id = screen(kit.service.truth.database, utc_now(), listing=Listing("L-1", "A thing", "shop-1"))
        decided = kit.client.post(
            f"/v1/reviews/{screening_id}/decisions", json={"outcome": "counterfeit"}, headers=kit.admin
        )
        assert decided.status_code == 201, decided.text
        (came,) = shop.wait_for(1)
        message = verify_webhook(came.headers, came.body, secret)
        assert (message.type, message.data) == (
            "screening.decided",
            {
                "decision_id": decided.json()["id"],
                "screening_id": screening_id,
                "listing_id": "L-1",
                "revision": 1,
                "seller_id": "shop-1",
                "brand_id": None,
                "outcome": "counterfeit",
            },
        )
        rotated = ask(kit, "POST", f"/{endpoint}/rotate", json={"keep_hours": 1})
        assert rotated["endpoint"]["secret_number"] == 2
        test = ask(kit, "POST", f"/{endpoint}/test")["message_id"]
        _, tested = shop.wait_for(2)
        for one in (secret, rotated["secret"]):
            assert verify_webhook(tested.headers, tested.body, one).type == "webhook.test"
        assert tested.id == test
        ask(kit, "POST", f"/messages/{message.id}/replay", json={})
        assert shop.wait_for(3)[2].id == message.id
        counted = 'screener_webhook_attempts_total{outcome="delivered"} 3.0'
        until = time.monotonic() + 20
        while counted not in kit.client.get("/metrics").text and time.monotonic() < until:
            pass  # what has arrived is written down a moment later
        assert counted in kit.client.get("/metrics").text
        log = ask(kit, "GET", "/messages", params={"endpoint_id": endpoint, "state": "delivered"})["items"]
        assert [one["id"] for one in log] == [message.id, test]
        assert ask(kit, "GET", f"/messages/{test}")["deliveries"][0]["status"] == 204
        assert ask(kit, "POST", f"/{endpoint}/replay", json={"since": "2020-01-01T00:00:00Z"}) == {"messages": 0}


def test_urls_are_refused_over_http(tmp_path: Path) -> None:
    with running(tmp_path, refresh_seconds=60) as kit:
        for url in ("http://shop.example/", "https://127.0.0.1/", "https://169.254.169.254/latest"):
            answer = kit.client.post("/v1/webhooks", json={"url": url}, headers=kit.admin)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_url"), url
            assert url not in answer.text


def test_at_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENER_DATA_DIR", str(tmp_path))
    shell = CliRunner()

    def run(*arguments: str, fails: bool = False) -> Any:
        done = shell.invoke(app, arguments)
        assert (done.exit_code != 0) == fails, done.output
        return done.stdout.strip()

    run("keys", "create", "--scope", "admin")
    made = json.loads(run("webhooks", "add", "https://shop.example/hooks", "--type", "burst.found", "--json"))
    endpoint = made["endpoint"]["id"]
    assert made["secret"].startswith("whsec_")
    message = run("webhooks", "test", endpoint)
    (listed,) = json.loads(run("webhooks", "messages", "--state", "pending", "--json"))
    assert (listed["id"], listed["type"]) == (message, "webhook.test")
    assert message in run("webhooks", "messages")
    assert run("webhooks", "rotate", endpoint).startswith("whsec_")
    assert run("webhooks", "pause", endpoint, "--reason", "moving") == f"{endpoint} is paused."
    assert run("webhooks", "resume", endpoint) == f"{endpoint} is active."
    assert "1 messages" in run("webhooks", "replay", "--message", message)
    assert "0 messages" in run("webhooks", "replay", "--endpoint", endpoint, "--since", "2026-01-01")
    run("webhooks", "replay", fails=True)
    run("webhooks", "add", "http://shop.example/hooks", fails=True)
    assert endpoint in run("webhooks", "list")
    run("webhooks", "remove", endpoint)
    assert json.loads(run("webhooks", "list", "--json")) == []

    event = run("sellers", "violation", "a/b", "--note", "seized", "--severe")
    assert json.loads(run("sellers", "show", "a/b", "--json"))["points"] == 24
    assert "restriction" in run("sellers", "actions", "--state", "recommended")
    complaint = run("sellers", "complaint", "a/b", "--case", "C 1")
    assert run("sellers", "complaint", "a/b", "--case", "C 1") == complaint
    run("sellers", "appeal", "a/b", event, "--note", "papers")
    kinds = [one["kind"] for one in json.loads(run("sellers", "events", "--seller", "a/b", "--json"))]
    assert kinds == ["violation", "complaint", "appeal"]
    assert [one["state"] for one in json.loads(run("sellers", "actions", "--json"))] == ["reversed"]
    assert "points" in run("sellers", "show", "a/b")
    assert run("sellers", "follow") == "0 violations are new."
    assert json.loads(run("rescreens", "list", "--json")) == []
