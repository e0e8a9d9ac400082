"""Time of the pages over HTTP, with a year of a marketplace in the database and every reference in the index."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

from screener.bundle import load_bundle
from screener.cli_server import running_server
from screener.directory import read_directory
from screener.encoder import as_stored
from screener.settings import Settings
from screener.truth import Truth
from training.bench_truth import describe, drawn_vectors
from training.registry_fill import Filled

ROUNDS: Final = 15
_AT_ONCE: Final = 5000


def time_pages(folder: Path, filled: Filled, *, case: str, match: str, seed: int) -> dict[str, list[float]]:
    """Milliseconds of `ROUNDS` loads of each page, as its reader waits for them on this machine.

    `folder` holds the filled database under the name that the service has for it; `case` is a screening in the queue,
    `match` one that the largest brand matched.
    """
    with _served(folder, seed) as client:
        return {name: _loads(client, path) for name, path in _pages(filled, case, match).items()}


def _pages(filled: Filled, case: str, match: str) -> dict[str, str]:
    brand = filled.brands[0]
    reference = filled.references[brand][0]
    return {
        "home of a brand": f"/app/brands/{brand}",
        "coverage, loaded after it": f"/app/brands/{brand}/coverage",
        "details": f"/app/brands/{brand}/details",
        "references": f"/app/brands/{brand}/references",
        "known fakes": f"/app/brands/{brand}/known-fakes",
        "upload": f"/app/brands/{brand}/upload",
        "a reference": f"/app/references/{reference}",
        "matches": f"/app/brands/{brand}/matches",
        "a match": f"/app/brands/{brand}/matches/{match}",
        "queue": "/app/reviews",
        "a case": f"/app/reviews/{case}",
        "approvals": "/app/approvals",
        "brands": "/app/brands",
        "keys": "/app/keys",
    }


@contextmanager
def _served(folder: Path, seed: int) -> Iterator[httpx.Client]:
    """A server over the folder, and somebody signed in to it as an admin."""
    settings = Settings(data_dir=folder)
    with Truth(settings) as truth:
        _give_vectors(truth, settings, seed)
        _, key = truth.keys.create(actor="cli:benchmark", scope="admin")
    os.environ["SCREENER_READING_MS"] = "0"  # the references have no pictures that could be read
    with (
        running_server(folder, 0) as server,
        httpx.Client(base_url=server.url, timeout=120, trust_env=False, follow_redirects=True) as client,
    ):
        client.post("/app/sign-in", data={"key": key}).raise_for_status()
        yield client


def _give_vectors(truth: Truth, settings: Settings, seed: int) -> None:
    """Drawn vectors for every reference, so that the server has an index of them."""
    bundle = load_bundle(settings.bundle_path)
    with truth.database.read() as connection:
        entries = read_directory(connection).entries.values()
    pictures: Sequence[Any] = list(dict.fromkeys((entry.sha256, entry.box) for entry in entries))
    stored, generator = as_stored(drawn_vectors(bundle, len(pictures), seed)), np.random.default_rng(seed)
    for start in range(0, len(pictures), _AT_ONCE):
        with truth.database.write() as connection:
            describe(connection, bundle, pictures[start : start + _AT_ONCE], stored[start:], generator)


def _loads(client: httpx.Client, path: str) -> list[float]:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        client.get(path).raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
    return times
