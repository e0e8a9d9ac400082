"""The commands that run a server: `serve`, and `demo`, which leaves nothing behind."""

import functools
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tiny_bundle import make_tiny_bundle
from typer.testing import CliRunner

import screener.samples
from screener.cli import app
from screener.cli_output import Failure
from screener.cli_server import running_server

ROOT = Path(__file__).parent.parent
KEPT = """
import functools, screener.samples
screener.samples.generate = functools.partial(screener.samples.generate, brands=1)
from screener.cli import app
app(["demo", "--keep", "--port", "0", "--data-dir", "demo"])
"""


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENER_BUNDLE", str(make_tiny_bundle(tmp_path / "tiny")))
    monkeypatch.setenv("SCREENER_DATABASE_URL", "")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_serve_answers_until_it_is_stopped(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "screener.cli", "serve", "--port", str(port), "--data-dir", "data"]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, cwd=tmp_path, stderr=log) as process:
        # Only connecting is tried again: whoever answers is ready.
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False) as client:
            assert client.get(f"http://127.0.0.1:{port}/readyz").json()["status"] == "ready"
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert (tmp_path / "data" / "registry.sqlite3").exists()


def test_serve_refuses_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CliRunner().invoke(app, ["serve", "--port", "70000"]).exit_code == 2
    monkeypatch.setenv("SCREENER_LOG_LEVEL", "loud")
    refused = CliRunner().invoke(app, ["serve"])
    assert refused.exit_code == 2
    assert refused.stderr.startswith("error: SCREENER_LOG_LEVEL: ")


def test_demo_screens_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screener.samples, "generate", functools.partial(screener.samples.generate, brands=1))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = CliRunner().invoke(app, ["demo", "--data-dir", str(tmp_path / "demo"), "--port", str(port)])
    assert done.exit_code == 0, done.output
    assert "as a person would expect" in done.stdout
    assert f":{port}/" not in done.stdout
    listed = CliRunner().invoke(app, ["keys", "list", "--data-dir", str(tmp_path / "demo")])
    assert "revoked" in listed.stdout
    assert "active" not in listed.stdout


def test_demo_kept_stops_its_server_with_itself(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KEPT], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C stops" in line:
                break
        (url,) = [line.split()[-1].removesuffix("/v1/brands") for line in lines if line.startswith("Try: curl")]
        (key,) = [line.split()[-1] for line in lines if line.startswith("  admin")]
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
            assert len(client.get("/v1/brands").json()["items"]) == 1
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            with pytest.raises(httpx.ConnectError):
                client.get("/healthz")
    assert process.returncode == 128 + signal.SIGTERM


def test_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screener.samples, "generate", functools.partial(screener.samples.generate, brands=1))
    done = CliRunner().invoke(app, ["samples", str(tmp_path / "samples"), "--seed", "3"])
    assert done.exit_code == 0
    assert done.stdout.startswith("1 brands in ")
    (tmp_path / "own" / "brands").mkdir(parents=True)
    refused = CliRunner().invoke(app, ["samples", str(tmp_path / "own")])
    assert refused.exit_code == 1
    assert "was not written by this generator" in refused.stderr


def test_a_server_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SCREENER_BUNDLE", str(tmp_path / "none"))
    with pytest.raises(Failure, match=r"did not become ready.*server.log says: .*none"), running_server(tmp_path, 0):
        pass
