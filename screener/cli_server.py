"""Starts the server as a program of its own, waits until it can judge, and stops it."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from screener.cli_output import Failure

HOST = "127.0.0.1"
READY_SECONDS = 180.0
STOP_SECONDS = 20.0
"""More than the server gives the requests that are under way."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready; `log` is the file of what it writes."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path


def server_command() -> list[str]:
    """How to start the server: it wires this package, so it is a program beside it and never imported by it."""
    found = importlib.util.find_spec("serve")
    if found is None or found.origin is None:
        raise Failure("The server's module `serve` is not installed.", "Install the package whole.")
    return [sys.executable, str(Path(found.origin).resolve())]


@contextmanager
def running_server(data_dir: Path, port: int) -> Iterator[Running]:
    """A server over `data_dir` on `port`, or on a free port if that is taken; stopped when the block ends."""
    port = _free_port(port)
    log = data_dir / "server.log"
    settings = {"SCREENER_DATA_DIR": str(data_dir), "SCREENER_HOST": HOST, "SCREENER_PORT": str(port)}
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603  # our own program, no shell
            server_command(), env=os.environ | settings, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    running = Running(process, f"http://{HOST}:{port}", log)
    try:
        _wait_until_ready(running)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port(wanted: int) -> int:
    """`wanted` if nobody listens there, else one that the system picks."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as the server does: old connections may linger
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise Failure(f"No port of {HOST} can be listened on.")


def _wait_until_ready(running: Running) -> None:
    import httpx

    until = time.monotonic() + READY_SECONDS
    with httpx.Client(trust_env=False, timeout=5.0) as client:  # a proxy would not reach this machine
        while time.monotonic() < until:
            if running.process.poll() is not None:
                break
            try:
                if client.get(f"{running.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    lines = running.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise Failure("The server did not become ready.", f"{running.log} says: {lines[-1] if lines else 'nothing'}")
