"""A pool of decode processes that are killed when a picture takes too long."""

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from screener.decode_worker import receive, receive_exactly, send
from screener.dense import Dense
from screener.errors import ImageUnusable
from screener.gate import Limits
from screener.preprocess import Box, ImagePreprocess

DECODE_SECONDS = 5.0
"""A picture within the limits decodes in well under two seconds; what takes longer was made to."""
START_SECONDS = 30.0


class NoWorkerInTime(Exception):
    """Every worker was busy until the caller's time was up; says nothing about the picture."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a worker made of a picture.

    `pixels` has shape (regions, S, S, 3) uint8; `regions` gives frame number and relative box of each row; `width` and
    `height` are the picture's as painted, in pixels. `large` (L, L, 3) uint8 is the whole first frame of a listing's
    picture for the windows of a dense bundle, else None.
    """

    format: str
    width: int
    height: int
    regions: tuple[tuple[int, Box], ...]
    pixels: NDArray[np.uint8]
    large: NDArray[np.uint8] | None = None


class _Worker:
    def __init__(self, spec: ImagePreprocess, large: ImagePreprocess | None, limits: Limits):
        self.connection, theirs = socket.socketpair()
        for end in (self.connection, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        settings = (spec.to_json(), large.to_json() if large else None, asdict(limits))
        arguments = [str(theirs.fileno()), *map(json.dumps, settings)]
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
        self._closed = False
        started = [_Worker(spec, self._large, limits) for _ in range(size)]
        for worker in started:
            worker.wait_ready()
            self._idle.put(worker)
        self._all = set(started)

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
        worker = self._take(deadline)
        started = time.monotonic()
        until = started + DECODE_SECONDS if deadline is None else min(started + DECODE_SECONDS, deadline)
        try:
            decoded = self._exchange(worker, data, boxes, until)
        except Exception as error:  # late, gone, or talking nonsense: such a worker is not used again
            self._replace(worker)
            if until == deadline and isinstance(error, TimeoutError):
                raise NoWorkerInTime from error
            raise ImageUnusable("Decoding the picture took too long or failed.", code="image_timeout") from error
        self._idle.put(worker)
        if isinstance(decoded, ImageUnusable):
            raise decoded
        return decoded

    def close(self) -> None:
        """Kills every process."""
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.kill()
            self._all.clear()

    def _take(self, deadline: float | None) -> _Worker:
        try:
            return self._idle.get(timeout=None if deadline is None else max(deadline - time.monotonic(), 0.001))
        except queue.Empty as error:
            raise NoWorkerInTime from error

    def _exchange(
        self, worker: _Worker, data: bytes, boxes: Sequence[Box] | None, until: float
    ) -> Decoded | ImageUnusable:
        connection = worker.connection
        connection.settimeout(max(until - time.monotonic(), 0.001))
        send(connection, {"bytes": len(data), "boxes": "listing" if boxes is None else list(boxes)}, data)
        answer = receive(connection)
        if "code" in answer:
            return ImageUnusable(str(answer["message"]), code=str(answer["code"]))
        size = self._spec.size
        rows = [(int(frame), (x0, y0, x1, y1)) for frame, x0, y0, x1, y1 in answer["regions"]]
        raw = receive_exactly(connection, len(rows) * size * size * 3)
        pixels = np.frombuffer(raw, dtype=np.uint8).reshape(len(rows), size, size, 3)
        large = None
        if self._large and boxes is None:
            side = self._large.size
            large = np.frombuffer(receive_exactly(connection, side * side * 3), dtype=np.uint8).reshape(side, side, 3)
        return Decoded(answer["format"], int(answer["width"]), int(answer["height"]), tuple(rows), pixels, large)

    def _replace(self, worker: _Worker) -> None:
        """Kills a stuck worker and starts another in the background: the caller's deadline does not wait for it."""

        def start() -> None:
            worker.kill()
            with self._lock:
                self._all.discard(worker)
                if self._closed:
                    return
                fresh = _Worker(self._spec, self._large, self._limits)
                self._all.add(fresh)
            try:
                fresh.wait_ready()
            except (OSError, EOFError):  # killed by close(), or the machine cannot start processes
                return
            self._idle.put(fresh)

        threading.Thread(target=start, name="decode-restart").start()
