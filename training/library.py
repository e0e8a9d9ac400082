"""The training pictures, decoded once to at most 288 pixels and kept on disk with a fingerprint of all inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.guard import Guard
from training.progress import progress
from training.render import scripts_of
from training.sources import Source, find_fonts, find_sources, open_source

SIDE = 288
"""Longest side kept, pixels: the teacher's input size."""
TILES_PER_PHOTO = 12
HELD_OUT = 8
"""One group in so many is held out of training for operating points and calibration."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture: `group` says where it came from (tiles of one photo share it); pixels lie at `offset`, shape (h, w,
    channels).
    """

    name: str
    kind: str
    label: str
    group: str
    texts: tuple[str, ...]
    tintable: bool
    offset: int
    shape: tuple[int, int, int]

    @property
    def held_out(self) -> bool:
        """Whether the picture's label is kept out of training (by a hash, so it never changes with the list)."""
        key = self.group if self.kind in ("photo", "product") else self.label
        return int(hashlib.sha256(key.encode()).hexdigest(), 16) % HELD_OUT == 0


@dataclass(frozen=True, slots=True)
class Library:
    """All pictures, the fonts by script, and `fingerprint`: SHA-256 over the sorted hashes of every input file."""

    entries: tuple[Entry, ...]
    fonts: dict[str, tuple[Path, ...]]
    fingerprint: str
    pixels: NDArray[np.uint8]

    @property
    def data_fingerprint(self) -> str:
        """SHA-256 over the input files' fingerprint and the version of the code that draws with them."""
        return hashlib.sha256((self.fingerprint + renderer_version()).encode()).hexdigest()

    def image(self, number: int) -> Image.Image:
        """Picture `number` as RGB or RGBA."""
        entry = self.entries[number]
        size = entry.shape[0] * entry.shape[1] * entry.shape[2]
        return Image.fromarray(np.asarray(self.pixels[entry.offset : entry.offset + size]).reshape(entry.shape))

    def select(self, *kinds: str, held_out: bool) -> list[int]:
        """Numbers of the pictures of these kinds on one side of the split."""
        return [n for n, e in enumerate(self.entries) if e.kind in kinds and e.held_out == held_out]


def build_library(
    work: Path, assets: Path, grocery: Path | None, guard: Guard, seed: int, clipart: int = 2500
) -> Library:
    """Read every source, refuse what the guard protects, and write `work/library.npy` and `work/library.json`.

    `clipart` bounds how many openclipart pictures are kept. Photos of at least 700 pixels also give tiles. Raises
    ProtectedPicture.
    """
    rng = np.random.default_rng(seed)
    sources = _thin(list(find_sources(assets, grocery)), clipart)
    fonts = find_fonts(assets)
    digests = [hashlib.sha256(font.read_bytes()).hexdigest() for font in fonts]
    entries: list[Entry] = []
    chunks: list[NDArray[np.uint8]] = []
    offset = 0
    for source in progress(sources, "pictures"):
        try:
            data, image = open_source(source)
        except (OSError, ValueError, SyntaxError):
            continue  # a broken or unsupported file in a package is no reason to stop
        guard.check(source.name, data, np.asarray(image.convert("RGB")))
        if min(image.size) < 24 or max(image.size) / min(image.size) > 8:
            continue
        digests.append(hashlib.sha256(data).hexdigest())
        for tile, picture in enumerate(_tiles(source, image, rng)):
            array = np.asarray(picture)
            name = f"{source.name}#{tile}"
            shape = (array.shape[0], array.shape[1], array.shape[2])
            label = name if source.kind == "photo" else source.label
            entries.append(Entry(name, source.kind, label, source.name, source.texts, source.tintable, offset, shape))
            chunks.append(array.reshape(-1))
            offset += array.size
    fingerprint = hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
    work.mkdir(parents=True, exist_ok=True)
    np.save(work / "library.npy", np.concatenate(chunks))
    index = {"fingerprint": fingerprint, "fonts": _by_script(fonts), "entries": [asdict(e) for e in entries]}
    (work / "library.json").write_text(json.dumps(index), encoding="utf-8")
    return open_library(work)


def open_library(work: Path) -> Library:
    """The library written by `build_library`, its pixels mapped from disk; OSError if it is not there."""
    index = json.loads((work / "library.json").read_text(encoding="utf-8"))
    entries = tuple(Entry(**{**e, "texts": tuple(e["texts"]), "shape": tuple(e["shape"])}) for e in index["entries"])
    fonts = {script: tuple(Path(f) for f in files) for script, files in index["fonts"].items()}
    pixels = np.load(work / "library.npy", mmap_mode="r", allow_pickle=False)
    return Library(entries, fonts, index["fingerprint"], pixels)


def renderer_version() -> str:
    """Hash of the modules that draw training pictures, so that the data fingerprint changes when they do."""
    here = Path(__file__).parent
    code = b"".join(
        (here / name).read_bytes() for name in ("edits.py", "render.py", "names.py", "packaging.py", "batches.py")
    )
    return hashlib.sha256(code).hexdigest()


def _by_script(fonts: Sequence[Path]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for font in fonts:
        for script in scripts_of(font):
            found.setdefault(script, []).append(str(font))
    return found


def _thin(sources: Sequence[Source], clipart: int) -> list[Source]:
    drawn = [n for n, s in enumerate(sources) if s.name.startswith("openclipart/")]
    if len(drawn) <= clipart:
        return list(sources)
    kept = {drawn[int(i)] for i in np.linspace(0, len(drawn) - 1, clipart)}
    return [s for n, s in enumerate(sources) if n in kept or not s.name.startswith("openclipart/")]


def _tiles(source: Source, image: Image.Image, rng: np.random.Generator) -> list[Image.Image]:
    pictures = [image]
    if source.kind == "photo" and min(image.size) >= 700:
        for _ in range(TILES_PER_PHOTO):
            side = rng.uniform(0.3, 0.7, 2) * np.array(image.size)
            corner = rng.uniform(0, 1, 2) * (np.array(image.size) - side)
            x0, y0, x1, y1 = (int(v) for v in (*corner, *(corner + side)))
            pictures.append(image.crop((x0, y0, x1, y1)))
    return [_shrink(p) for p in pictures]


def _shrink(image: Image.Image) -> Image.Image:
    scale = SIDE / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
