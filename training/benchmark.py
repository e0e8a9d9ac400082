"""Times the service as a marketplace would feel it, beside the script that one would write without it.

The server runs as a process of its own; listings of three pictures of 800 pixels and a title come over loopback HTTP,
no picture twice, so nothing is answered from the cache. The peer, in the same run on the same machine: eager open_clip
ViT-B-32 (random weights: speed does not depend on them) on the whole pictures and the title, and an exact FAISS index.
"""

import io
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from screener.bundle import load_bundle
from screener.cli_server import running_server
from screener.client import Listing, ScreenerClient
from screener.settings import Settings
from screener.truth import Truth
from training.bench_truth import fill

SIDE = 800
PICTURES = 3
PEER_MODEL = "ViT-B-32"


def run_benchmark(*, references: int, listings: int, peer_listings: int, pictures: Path | None) -> dict[str, Any]:
    """Figures of the service and of the peer.

    `references` in the index, `listings` per concurrency, `peer_listings` for the peer; `pictures` is a folder of
    pictures to take, None draws noise over gradients.
    """
    folder = Path(tempfile.mkdtemp(prefix="screener-benchmark-"))
    source = Pictures(pictures)
    figures: dict[str, Any] = {"references": references, "cores": os.cpu_count()}
    settings = Settings(data_dir=folder)
    with Truth(settings) as truth:
        fill(
            truth.database, truth.registry, load_bundle(settings.bundle_path), references=references, brands=200, seed=0
        )
        _, key = truth.keys.create(actor="cli:benchmark", scope="hook")
    started = time.monotonic()
    with running_server(folder, 0):
        figures["first_start_s"] = round(time.monotonic() - started, 2)
    started = time.monotonic()
    with running_server(folder, 0) as server:
        figures["start_to_ready_s"] = round(time.monotonic() - started, 2)
        with ScreenerClient(server.url, key, timeout=60) as client:
            _drive(client, source, 6, 1)  # warms what a long-running service has warm
            for concurrency in (1, 8):
                figures[f"concurrency_{concurrency}"] = _drive(client, source, listings, concurrency)
        figures["peak_memory_mb"] = _peak_memory(server.process.pid)
    figures["peer"] = _peer(source, peer_listings, references)
    for concurrency in (1, 8):
        ours = figures[f"concurrency_{concurrency}"]
        ours["times_the_peer"] = round(ours["listings_per_s"] / figures["peer"]["listings_per_s"], 1)
    return figures


class Pictures:
    """An endless supply of 800-pixel JPEGs, every one of another hash."""

    def __init__(self, folder: Path | None):
        generator = np.random.default_rng(0)
        self._lock, self._count = threading.Lock(), 0
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")) if folder else []
        chosen = [files[i] for i in generator.permutation(len(files))[:48]]
        images = [_square(Image.open(path).convert("RGB")) for path in chosen] or [_drawn(generator) for _ in range(16)]
        self._files = [_jpeg(image) for image in images]

    def take(self) -> bytes:
        with self._lock:
            self._count += 1
            count = self._count
        data = self._files[count % len(self._files)]
        note = f"{os.getpid()} {count}".encode()
        # A comment segment (T.81, B.2.4.5) changes the hash and not a pixel.
        return data[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + data[2:]


def _square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    return image.crop((0, 0, side, side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _drawn(generator: np.random.Generator) -> Image.Image:
    coarse = generator.integers(0, 256, (12, 12, 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.int16)
    return Image.fromarray(np.clip(smooth + generator.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8))


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _drive(client: ScreenerClient, source: Pictures, count: int, concurrency: int) -> dict[str, Any]:
    """Screens `count` listings from `concurrency` threads."""
    prepared = iter([[source.take() for _ in range(PICTURES)] for _ in range(count)])
    lock, seconds, stages = threading.Lock(), list[float](), list[dict[str, float]]()

    def work() -> None:
        while True:
            with lock:
                images = next(prepared, None)
                number = len(seconds)
            if images is None:
                return
            listing = Listing(listing_id=f"B-{number}", title="Trail running shoe, size 42, blue", seller_id="shop-1")
            started = time.monotonic()
            answer = client.screen(listing, images, deadline_ms=60_000)
            with lock:
                seconds.append(time.monotonic() - started)
                stages.append(dict(answer.timings_ms))

    started = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.monotonic() - started
    return {
        "listings_per_s": round(count / wall, 2),
        "p50_ms": round(statistics.median(seconds) * 1000, 1),
        "p99_ms": round(float(np.percentile(seconds, 99)) * 1000, 1),
        "service_p50_ms": round(statistics.median(stage["total"] for stage in stages), 1),
        "stages_ms": {name: round(statistics.median(s[name] for s in stages), 2) for name in stages[0]},
    }


def _peak_memory(pid: int) -> int:
    """Peak resident memory of a process and its children in MB (Linux; pages that they share count in each)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    peaks = [
        int(
            next(
                line for line in Path(f"/proc/{p}/status").read_text().splitlines() if line.startswith("VmHWM")
            ).split()[1]
        )
        for p in [str(pid), *children]
    ]
    return round(sum(peaks) / 1024)


def _peer(source: Pictures, count: int, references: int) -> dict[str, Any]:
    """What a user would write with open_clip and FAISS, with all of torch's threads."""
    import faiss
    import torch

    from training.torch_setup import open_clip

    model, _, transform = open_clip.create_model_and_transforms(PEER_MODEL)
    model.eval()
    tokenizer = open_clip.get_tokenizer(PEER_MODEL)
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((references, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(512)
    index.add(vectors)

    def screen(images: Sequence[bytes]) -> None:
        with torch.inference_mode():
            batch = torch.stack([transform(Image.open(io.BytesIO(data)).convert("RGB")) for data in images])
            pictures = model.encode_image(batch, normalize=True).numpy()
            words = model.encode_text(tokenizer(["Trail running shoe, size 42, blue"]), normalize=True).numpy()
            index.search(np.concatenate([pictures, words]), 10)

    seconds = _timed(screen, [[source.take() for _ in range(PICTURES)] for _ in range(count + 2)])[2:]
    return {
        "model": f"open_clip {PEER_MODEL} eager fp32 + FAISS Flat",
        "listings_per_s": round(1 / statistics.mean(seconds), 2),
        "p50_ms": round(statistics.median(seconds) * 1000, 1),
    }


def _timed(function: Callable[[Sequence[bytes]], None], inputs: Sequence[Sequence[bytes]]) -> list[float]:
    seconds = []
    for item in inputs:
        started = time.monotonic()
        function(item)
        seconds.append(time.monotonic() - started)
    return seconds


def print_benchmark(figures: dict[str, Any]) -> None:
    """The figures as a table for people."""
    table = Table(title=f"Listings of 3 pictures of 800 px and a title, {figures['references']:,} references")
    for column in ("", "listings/s", "p50 ms", "p99 ms", "p50 in the service", "times the peer"):
        table.add_column(column, justify="left" if not column else "right")
    for concurrency in (1, 8):
        row = figures[f"concurrency_{concurrency}"]
        values = (row[name] for name in ("listings_per_s", "p50_ms", "p99_ms", "service_p50_ms", "times_the_peer"))
        table.add_row(f"service, concurrency {concurrency}", *(str(value) for value in values))
    peer = figures["peer"]
    table.add_row(peer["model"], str(peer["listings_per_s"]), str(peer["p50_ms"]), "", "", "1")
    console = Console()
    console.print(table)
    console.print("stages at concurrency 1, median ms:", figures["concurrency_1"]["stages_ms"])
    console.print(
        f"start to ready {figures['start_to_ready_s']} s (building the index: {figures['first_start_s']} s);"
        f" peak memory {figures['peak_memory_mb']} MB; {figures['cores']} cores"
    )
