"""A pool of decode processes that are killed when a picture takes too long."""

import copy
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from screener.decode_worker import receive, receive_exactly, send
from screener.dense import Dense
from screener.errors import ImageUnusable
from screener.gate import Limits
from screener.picture_facts import PictureFacts
from screener.preprocess import Box, ImagePreprocess

DECODE_SECONDS = 5.0
"""A picture within the limits decodes in well under two seconds; what takes longer was made to."""
START_SECONDS = 30.0


Answer = TypeVar("Answer")
_Read: TypeAlias = Callable[[socket.socket, dict[str, Any]], Answer]
"""Reads the payload that the header of an answer announces."""


class NoWorkerInTime(Exception):
    """Every worker was busy until the caller's time was up; says nothing about the picture."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a worker made of a picture.

    `pixels` has shape (regions, S, S, 3) uint8; `regions` gives frame number and relative box of each row; `width` and
    `height` are the picture's as painted, in pixels; `facts` are of the first frame. `large` (L, L, 3) uint8 is the
    whole first frame of a listing's picture for the windows of a dense bundle, else None.
    """

    format: str
    width: int
    height: int
    regions: tuple[tuple[int, Box], ...]
    pixels: NDArray[np.uint8]
    facts: PictureFacts
    large: NDArray[np.uint8] | None = None


class _Worker:
    def __init__(self, limits: Limits):
        self.connection, theirs = socket.socketpair()
        for end in (self.connection, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        arguments = [str(theirs.fileno()), json.dumps(asdict(limits))]
        self.process = subprocess.Popen(  # noqa: S603  # our own module, no shell, no caller's words
            [sys.executable, "-m", "screener.decode_worker", *arguments],
            pass_fds=(theirs.fileno(),),
            cwd=Path(__file__).parent.parent,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C at the terminal is the parent's; workers end when their socket closes
        )
        theirs.close()

    def wait_ready(self) -> None:
        self.connection.settimeout(START_SECONDS)
        receive(self.connection)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.connection.close()


class DecodePool:
    """Decodes pictures for many threads at once, each in a process of its own kind; close it when done."""

    def __init__(self, spec: ImagePreprocess, limits: Limits, *, dense: Dense | None = None, size: int = 2):
        """Starts `size` processes; pictures are prepared as `spec` and `dense` say and held against `limits`."""
        self._spec, self._limits = spec, limits
        self._large = dense.preprocess(spec) if dense else None
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        started = [_Worker(limits) for _ in range(size)]
        for worker in started:
            worker.wait_ready()
            self._idle.put(worker)
        self._all = set(started)

    def prepared(self, spec: ImagePreprocess, dense: Dense | None) -> "DecodePool":
        """The same processes, preparing pictures for another encoder; closing either closes both."""
        other = copy.copy(self)
        other._spec, other._large = spec, dense.preprocess(spec) if dense else None
        return other

    def decode(self, data: bytes, boxes: Sequence[Box] | None = None, *, deadline: float | None = None) -> Decoded:
        """Decodes one picture and cuts its regions.

        Parameters
        ----------
        data : the file's bytes
        boxes : regions to cut; None cuts what a listing's picture is looked at in (`screener.regions`)
        deadline : monotonic seconds until which to wait; None waits as long as it takes

        Raises
        ------
        ImageUnusable
            the picture breaks a limit, is damaged, or took longer than `DECODE_SECONDS`
        NoWorkerInTime
            the deadline passed before the picture was done for reasons that are not the picture's
        """
        asked = {
            "boxes": "listing" if boxes is None else list(boxes),
            "spec": self._spec.to_json(),
            "large": self._large.to_json() if self._large else None,
        }
        return self._ask(data, asked, deadline, lambda connection, answer: self._regions(connection, answer, boxes))

    def decode_large(
        self, data: bytes, side: int, *, frame: int = 0, deadline: float | None = None
    ) -> NDArray[np.uint8]:
        """A whole picture, to read words in or to show: (h, w, 3) uint8 RGB, longest side at most `side` pixels.

        A smaller picture stays as it is; `frame` counts the decoded ones of an animation, as `Decoded.regions` does.
        Raises what `decode` raises.
        """
        return self._ask(data, {"side": side, "frame": frame}, deadline, _whole)

    def _ask(self, data: bytes, asked: Mapping[str, Any], deadline: float | None, read: _Read[Answer]) -> Answer:
        """Sends a request to the next idle worker and reads what it answers."""
        worker = self._take(deadline)
        started = time.monotonic()
        until = started + DECODE_SECONDS if deadline is None else min(started + DECODE_SECONDS, deadline)
        try:
            worker.connection.settimeout(max(until - time.monotonic(), 0.001))
            send(worker.connection, {"bytes": len(data), **asked}, data)
            header = receive(worker.connection)
            answer = None if "code" in header else read(worker.connection, header)
        except Exception as error:  # late, gone, or talking nonsense: such a worker is not used again
            self._replace(worker)
            if until == deadline and isinstance(error, TimeoutError):
                raise NoWorkerInTime from error
            raise ImageUnusable("Decoding the picture took too long or failed.", code="image_timeout") from error
        self._idle.put(worker)
        if answer is None:
            raise ImageUnusable(str(header["message"]), code=str(header["code"]))
        return answer

    def close(self) -> None:
        """Kills every process."""
        with self._lock:
            self._closed.set()
            for worker in self._all:
                worker.kill()
            self._all.clear()

    def _take(self, deadline: float | None) -> _Worker:
        try:
            return self._idle.get(timeout=None if deadline is None else max(deadline - time.monotonic(), 0.001))
        except queue.Empty as error:
            raise NoWorkerInTime from error

    def _regions(self, connection: socket.socket, answer: dict[str, Any], boxes: Sequence[Box] | None) -> Decoded:
        size = self._spec.size
        rows = [(int(frame), (x0, y0, x1, y1)) for frame, x0, y0, x1, y1 in answer["regions"]]
        raw = receive_exactly(connection, len(rows) * size * size * 3)
        pixels = np.frombuffer(raw, dtype=np.uint8).reshape(len(rows), size, size, 3)
        large = None
        if self._large and boxes is None:
            side = self._large.size
            large = np.frombuffer(receive_exactly(connection, side * side * 3), dtype=np.uint8).reshape(side, side, 3)
        facts = PictureFacts.from_json(answer["facts"], bytes.fromhex(answer["facts"]["pdq"]))
        return Decoded(answer["format"], facts.width, facts.height, tuple(rows), pixels, facts, large)

    def _replace(self, worker: _Worker) -> None:
        """Kills a stuck worker and starts another in the background: the caller's deadline does not wait for it."""

        def start() -> None:
            worker.kill()
            with self._lock:
                self._all.discard(worker)
                if self._closed.is_set():
                    return
                fresh = _Worker(self._limits)
                self._all.add(fresh)
            try:
                fresh.wait_ready()
            except (OSError, EOFError):  # killed by close(), or the machine cannot start processes
                return
            self._idle.put(fresh)

        threading.Thread(target=start, name="decode-restart").start()


def _whole(connection: socket.socket, answer: dict[str, Any]) -> NDArray[np.uint8]:
    width, height = int(answer["width"]), int(answer["height"])
    return np.frombuffer(receive_exactly(connection, height * width * 3), dtype=np.uint8).reshape(height, width, 3)
