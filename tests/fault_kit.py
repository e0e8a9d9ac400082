"""Server processes for tests that kill them: started the plain way, or by fork from a process that has imported all."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

ROOT = Path(__file__).parent.parent
START_SECONDS = 60.0
SLICE = 0.002
"""How long a watcher looks away."""


@dataclass
class Server:
    """A process that runs `serve.main()`."""

    port: int
    pid: int
    handle: int
    """A descriptor of the process that becomes readable when it ends."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ended(self, within: float) -> bool:
        """Whether the process ends within so many seconds."""
        return bool(select.select([self.handle], [], [], within)[0])

    def kill(self) -> None:
        """SIGKILL: no handler, no flush, no goodbye."""
        signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        assert self.ended(START_SECONDS)

    def wait_ready(self) -> float:
        """Waits until `/readyz` says so; gives the seconds that it took."""
        started = time.monotonic()
        with httpx.Client(verify=False) as client:
            while True:
                assert not self.ended(SLICE), "the server ended while it started"
                assert time.monotonic() - started < START_SECONDS, "the server did not become ready"
                with contextlib.suppress(httpx.TransportError):
                    if client.get(f"{self.url}/readyz").status_code == 200:
                        return time.monotonic() - started


class Launcher:
    """Starts servers with one environment, one after the other, and ends what is left of them at `close`."""

    def __init__(self, folder: Path, **settings: object) -> None:
        """`settings` without their prefix; `folder` gets the servers' log."""
        self.log = folder / "server.log"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("SCREENER_")}
        self.environment |= {f"SCREENER_{name.upper()}": str(value) for name, value in settings.items()}
        self._servers: list[Server] = []
        self._parents: list[subprocess.Popen[str]] = []
        self._forker: subprocess.Popen[str] | None = None

    def start(self) -> Server:
        """A server by fork: what `python serve.py` runs, without the seconds of importing it."""
        if self._forker is None:
            self._forker = self._process([__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._forker.stdin and self._forker.stdout
        port = free_port()
        print(port, file=self._forker.stdin, flush=True)
        return self._server(port, int(self._forker.stdout.readline()))

    def start_plain(self) -> Server:
        """`python serve.py`."""
        port = free_port()
        self.environment["SCREENER_PORT"] = str(port)
        return self._server(port, self._process(["serve.py"]).pid)

    def close(self) -> None:
        for server in self._servers:
            if not server.ended(0):
                server.kill()
            os.close(server.handle)
        for parent in self._parents:
            for pipe in (parent.stdin, parent.stdout):
                if pipe:
                    pipe.close()
            parent.wait(START_SECONDS)

    def _process(
        self, arguments: list[str], *, stdin: int | None = None, stdout: int | None = None
    ) -> subprocess.Popen[str]:
        with self.log.open("a") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or log,
                stderr=log,
                text=True,
            )
        self._parents.append(process)
        return process

    def _server(self, port: int, pid: int) -> Server:
        server = Server(port, pid, os.pidfd_open(pid))
        self._servers.append(server)
        return server


@contextlib.contextmanager
def launching(folder: Path, **settings: object) -> Iterator[Launcher]:
    """A launcher; when the test fails, the end of the servers' log is shown."""
    launcher = Launcher(folder, **settings)
    try:
        yield launcher
    except BaseException:
        if launcher.log.exists():
            print("the servers' log:", launcher.log.read_text()[-4000:], sep="\n")
        raise
    finally:
        launcher.close()


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def decode_workers(data_dir: Path) -> list[int]:
    """Process ids of the running decode workers of any server of this data directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
            ours = f"SCREENER_DATA_DIR={data_dir}".encode() in (process / "environ").read_bytes().split(b"\0")
            if ours and b"screener.decode_worker" in (process / "cmdline").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def wait_for_end(pids: list[int], seconds: float) -> list[int]:
    """Waits for processes that are nobody's children here; gives those that still run after so many seconds."""
    until = time.monotonic() + seconds
    left = []
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        if not select.select([handle], [], [], max(until - time.monotonic(), 0))[0]:
            left.append(pid)
        os.close(handle)
    return left


def _serve_by_fork(requests: IO[str], replies: IO[str]) -> None:
    """For each port number read, forks a server on that port, tells its process id, and waits for its end."""
    import serve

    for line in requests:
        pid = os.fork()
        if pid == 0:
            os.environ["SCREENER_PORT"] = line.strip()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            os._exit(serve.main())
        print(pid, file=replies, flush=True)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    _serve_by_fork(sys.stdin, sys.stdout)
