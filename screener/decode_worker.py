"""The process that decodes pictures: small, limited, and killed without regret.

Hostile bytes meet the decoders only here. It speaks length-prefixed JSON and raw bytes over one socket: nothing that
comes from it is ever unpickled.

```
request   {"bytes": n, "boxes": "listing" | [[x0, y0, x1, y1]], "spec": {...}, "large": {...} | null }
          then n bytes of the file; `spec` and `large` say how it is prepared (`screener.preprocess`)
answer    {"format", "width", "height", "regions": [[frame, x0, y0, x1, y1], ...], "facts": {..., "pdq": hexadecimal}}
          then (regions, S, S, 3) uint8, and (L, L, 3) uint8, the whole first frame, of a listing's picture where there
          are windows to pool from it
request   {"bytes": n, "side": pixels, "frame": number} then n bytes of the file
answer    {"width", "height"} then (height, width, 3) uint8, the whole frame, its longest side at most `side`

          {"code", "message"} for a picture that cannot be used
```
"""

import contextlib
import json
import math
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from screener.decode import decode
from screener.errors import ImageUnusable
from screener.gate import Limits
from screener.picture_facts import picture_facts, shrunk
from screener.preprocess import WHOLE, Box, ImagePreprocess, prepare, prepare_regions
from screener.regions import DENSE, LISTING, listing_cuts

MEMORY = 3 * 1024**3
"""Address space in bytes: 40 megapixels at 16 bytes each, with every buffer of a progressive JPEG, fit four times."""
ALONE_SECONDS = 10
"""The kernel ends a worker that is at one picture for this long. The parent kills it sooner, unless it was killed."""
_LENGTH = struct.Struct(">I")


def send(connection: socket.socket, header: dict[str, Any], payload: memoryview | bytes = b"") -> None:
    """Writes one message."""
    text = json.dumps(header, separators=(",", ":")).encode()
    connection.sendall(_LENGTH.pack(len(text)) + text)
    if len(payload):
        connection.sendall(payload)


def receive_exactly(connection: socket.socket, count: int) -> bytearray:
    """Reads `count` bytes; EOFError when the other side is gone."""
    buffer = bytearray(count)
    view = memoryview(buffer)
    while view:
        received = connection.recv_into(view)
        if not received:
            raise EOFError("the other side closed the connection")
        view = view[received:]
    return buffer


def receive(connection: socket.socket) -> dict[str, Any]:
    """Reads one header; the caller reads the payload that it announces."""
    (length,) = _LENGTH.unpack(receive_exactly(connection, _LENGTH.size))
    header: dict[str, Any] = json.loads(receive_exactly(connection, length))
    return header


def _answer(connection: socket.socket, limits: Limits) -> None:
    request = receive(connection)
    data = bytes(receive_exactly(connection, request["bytes"]))
    signal.alarm(ALONE_SECONDS)
    try:
        if "side" in request:
            _answer_whole(connection, data, request["side"], request["frame"], limits)
        else:
            spec, more = ImagePreprocess.from_json(request["spec"]), request["large"]
            large = ImagePreprocess.from_json(more) if more else None
            _answer_regions(connection, data, request["boxes"], spec, large, limits)
    except ImageUnusable as error:  # raised before anything of the answer is sent
        send(connection, {"code": error.code, "message": error.message})


def _answer_whole(connection: socket.socket, data: bytes, side: int, frame: int, limits: Limits) -> None:
    pixels = shrunk(decode(data, limits, least=side).frames[frame], side)
    height, width, _ = pixels.shape
    send(connection, {"width": width, "height": height}, np.ascontiguousarray(pixels).reshape(-1).data)


def _answer_regions(
    connection: socket.socket,
    data: bytes,
    asked: Any,
    spec: ImagePreprocess,
    large: ImagePreprocess | None,
    limits: Limits,
) -> None:
    listing = asked == "listing"
    boxes = (DENSE if large else LISTING) if listing else asked
    least = max(_least(boxes, spec.size), large.size if large and listing else 0)
    picture = decode(data, limits, least=least)
    frames = picture.frames
    regions = listing_cuts(len(frames), dense=large is not None) if listing else [(0, tuple(box)) for box in asked]
    prepared = [
        prepare_regions(frame, [box for number, box in regions if number == n], spec) for n, frame in enumerate(frames)
    ]
    if large and listing:
        prepared.append(prepare(frames[0], WHOLE, large))
    facts = picture_facts(frames[0], picture.width, picture.height)
    header = {
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "facts": facts.to_json() | {"pdq": facts.pdq.tobytes().hex()},
    }
    pixels = np.concatenate([part.reshape(-1) for part in prepared])
    send(connection, header | {"regions": [[frame, *box] for frame, box in regions]}, pixels.data)


def _least(boxes: Sequence[Box], size: int) -> int:
    """The shorter side that a picture must keep, in pixels: no box is ever enlarged for lack of decoding, and the whole
    keeps twice what the encoder sees, so that it looks the same at every factor."""
    narrowest = min(min(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes)
    return max(2 * size, math.ceil(size / narrowest))


def main() -> None:
    """Serves requests on the inherited socket until its parent closes it."""
    descriptor, limits = int(sys.argv[1]), Limits(**json.loads(sys.argv[2]))
    for kind, value in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some limits; the clock still holds
            resource.setrlimit(kind, (value, value))
    os.nice(1)  # under full load the process that answers goes first
    with socket.socket(fileno=descriptor) as connection, contextlib.suppress(EOFError, ConnectionError):
        picture_facts(np.zeros((64, 64, 3), dtype=np.uint8), 64, 64)  # loads weights and makes matrices, once
        send(connection, {"ready": True})
        while True:
            signal.alarm(0)
            _answer(connection, limits)


if __name__ == "__main__":
    main()
