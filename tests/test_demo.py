"""The demo against a service that answers and one that does not."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.responses import JSONResponse
from rich.console import Console
from screening_stub import KEY, Stub, error, screening, serving

from screener.client import ScreenerClient
from screener.demo import run_demo


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving(Stub()) as running:
        yield running


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    for name, verdicts in (("01-honest", ["clear"]), ("02-fake", ["prompt", "review"]), ("03-wrong", ["clear"])):
        folder = tmp_path / "listings" / name
        folder.mkdir(parents=True)
        request = {"listing_id": name, "title": "Shoes", "seller": {"id": "s"}, "brand": None, "price": None}
        expected = {"kind": "k", "verdicts": verdicts, "brand_status": ["recognised"], "brands": []}
        (folder / "listing.json").write_text(json.dumps(request), encoding="utf-8")
        (folder / "expected.json").write_text(json.dumps(expected), encoding="utf-8")
        (folder / "1.jpg").write_bytes(b"one")
        (folder / "2.jpg").write_bytes(b"two")
    return tmp_path


def run(url: str, samples: Path) -> tuple[int, str]:
    out = io.StringIO()
    clock = iter(range(100)).__next__
    client = ScreenerClient(url, KEY, transport=httpx.AsyncHTTPTransport())
    status = run_demo(url, KEY, samples, Console(file=out, width=200), client=client, clock=clock)
    return status, out.getvalue()


def test_a_table_of_verdicts_and_the_pages(stub: Stub, samples: Path) -> None:
    def answer(number: int, received: Any) -> JSONResponse:
        verdict = "clear" if received.listing["listing_id"] == "01-honest" else "review"
        return JSONResponse(screening(received.listing, verdict=verdict, probability=None if number == 1 else 0.7123))

    stub.answer = answer
    status, text = run(stub.url, samples)
    assert status == 0
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if line.startswith("│")}
    assert "clear" in rows["01-honest"] and "✓" in rows["01-honest"] and "1000" in rows["01-honest"]
    assert "✓ prompt or review" in rows["02-fake"] and "0.71" in rows["02-fake"]
    assert "Norvokka" in rows["02-fake"] and "known_fake_copy" in rows["02-fake"]
    assert "✗ clear" in rows["03-wrong"]
    assert "2 of 3 as a person would expect (2 review, 1 clear)" in text
    for page in ("/docs", "/healthz", "/metrics"):
        assert stub.url + page in text
    assert [request.images for request in stub.requests] == [[b"one", b"two"]] * 3


def test_a_call_that_fails_fails_the_demo_and_the_rest_is_shown(stub: Stub, samples: Path) -> None:
    stub.answer = lambda number, received: (
        error(422, "invalid_request", "title") if number == 1 else JSONResponse(screening(received.listing))
    )
    status, text = run(stub.url, samples)
    assert status == 1
    assert "no answer" in text and "422 invalid_request" in text and "1 without an answer" in text
    assert "1 of 3 as a person would expect" in text


def test_no_samples_is_a_failure(stub: Stub, tmp_path: Path) -> None:
    status, text = run(stub.url, tmp_path)
    assert status == 1 and "no sample listings" in text and stub.requests == []
