"""Times how fast many references get in: by the page, as its script sends them, and by the command line.

The same pictures (800-pixel JPEGs, drawn) each time; beside it what decoding and embedding them alone takes in the same
run, with the same processes and threads.
"""

import io
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from brands.auth import CSRF_HEADER
from brands.model import BrandDetails
from screener.cli import app as commands
from screener.cli_server import running_server
from screener.preprocess import WHOLE
from screener.service import open_service
from screener.settings import Settings
from screener.truth import Truth
from training.benchmark import Pictures

_THREADS, _BATCH = 3, 8
"""Requests that the page's script sends at once, and pictures in each (`screener/pages/static/app.js`)."""


def run_uploads(*, pictures: int) -> dict[str, Any]:
    """Pictures a second of each way in, and how that compares with embedding alone."""
    source = Pictures(None)
    data = [source.take() for _ in range(pictures)]
    with tempfile.TemporaryDirectory(prefix="screener-uploads-") as folder:
        root = Path(folder)
        figures: dict[str, Any] = {
            "pictures": pictures,
            "embedding_per_s": _rate(pictures, _embed, root / "embed", data),
        }
        for name, way in (("page_per_s", _by_page), ("command_per_s", _by_command)):
            figures[name] = _rate(pictures, way, root / name, data)
    for name in ("page", "command"):
        figures[f"{name}_ratio"] = round(figures[f"{name}_per_s"] / figures["embedding_per_s"], 2)
    return figures


def print_uploads(figures: dict[str, Any]) -> None:
    """The figures for people."""
    console = Console()
    console.print(f"{figures['pictures']} pictures of 800 px: embedding alone {figures['embedding_per_s']} pictures/s")
    for name, text in (("page", "upload by the page"), ("command", "references import")):
        console.print(f"{text}: {figures[f'{name}_per_s']} pictures/s, {figures[f'{name}_ratio']} of embedding alone")


def _rate(count: int, way: Callable[[Path, Sequence[bytes]], float], folder: Path, data: Sequence[bytes]) -> float:
    folder.mkdir()
    return round(count / way(folder, data), 1)


def _embed(folder: Path, data: Sequence[bytes]) -> float:
    """Seconds for decoding and embedding, with nothing stored."""
    with open_service(Settings(data_dir=folder)) as service:

        def one(picture: bytes) -> None:
            service.encoder.encode_pixels(service.pool.decode(picture, [WHOLE]).pixels)

        return _timed(one, data)


def _by_page(folder: Path, data: Sequence[bytes]) -> float:
    """Seconds until the page's script has stored the last picture."""
    with Truth(Settings(data_dir=folder)) as truth:
        brand = truth.registry.add_brand(actor="cli:benchmark", details=BrandDetails(name="Benchmark brand"))
        _, key = truth.keys.create(actor="cli:benchmark", scope="admin")
    with (
        running_server(folder, 0) as server,
        httpx.Client(base_url=server.url, timeout=120, trust_env=False, follow_redirects=True) as client,
    ):
        client.post("/app/sign-in", data={"key": key}).raise_for_status()
        path = f"/app/brands/{brand.id}/upload"
        found = re.search(r'name="csrf" value="(\w+)"', client.get(path).raise_for_status().text)
        assert found is not None
        headers = {CSRF_HEADER: found[1], "HX-Request": "true"}

        def one(batch: Sequence[bytes]) -> None:
            files = [("image", ("x.jpg", picture, "image/jpeg")) for picture in batch]
            client.post(path, files=files, data={"kind": "authentic"}, headers=headers).raise_for_status()

        return _timed(one, [data[start : start + _BATCH] for start in range(0, len(data), _BATCH)])


def _by_command(folder: Path, data: Sequence[bytes]) -> float:
    """Seconds of `references import DIR`, the start of the program's models included."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for number, picture in enumerate(data):
        (pictures / f"{number:05}.jpg").write_bytes(picture)
    with Truth(Settings(data_dir=folder)) as truth:
        brand = truth.registry.add_brand(actor="cli:benchmark", details=BrandDetails(name="Benchmark brand"))
    arguments = ["references", "import", brand.id, str(pictures), "--kind", "authentic", "--data-dir", str(folder)]
    started = time.monotonic()
    with redirect_stdout(io.StringIO()):  # a table of every picture
        commands(arguments, standalone_mode=False)
    return time.monotonic() - started


def _timed(one: Callable[[Any], None], data: Iterable[Any]) -> float:
    started = time.monotonic()
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(one, data))
    return time.monotonic() - started
