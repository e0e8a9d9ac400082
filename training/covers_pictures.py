"""Draws training pictures for the network that finds hidden patches: photos, things on grounds, lettering, covers."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from screener.covers import FEATURES, GRID, cell_features
from training.covers import COVERS, Place, random_place
from training.sources import Source, open_source

CELLS = GRID // 2
PLAIN_SHARE = 0.45
"""Share of pictures in which nothing is hidden."""
_SIDE = 512
_CUTS = {"photo": 14, "product": 2, "thing": 1}
"""Cuts of one source, by kind: wallpapers are large, and few."""
_BUSY = 14.0
"""Least standard deviation of grey levels where a patch is hidden: a cover of a bare wall hides nothing."""
_TRIES = 20


def cut(source: Source, seed: int) -> list[bytes]:
    """Pictures of one source as JPEG, longest side 512: cuts of photos at any scale, things on a ground. Empty for a
    source that is no photo and no thing, or cannot be read.
    """
    rng = np.random.default_rng(seed)
    try:
        _, image = open_source(source)
    except (OSError, ValueError):
        return []
    pictures = []
    for number in range(_CUTS.get(source.kind, 0)):
        if source.kind == "thing" or image.mode == "RGBA":
            picture = _on_ground(image, rng)
        elif number == 0:
            picture = image
        else:
            aspect = rng.choice([3 / 4, 1.0, 4 / 3, 16 / 9])
            height = min(image.height, image.width / aspect) * rng.uniform(0.25, 1.0)
            size = (max(int(height * aspect), 64), max(int(height), 64))
            left, top = (
                int(rng.integers(0, max(room - side, 0) + 1)) for room, side in zip(image.size, size, strict=True)
            )
            picture = image.crop((left, top, left + size[0], top + size[1]))
        picture = picture.convert("RGB")
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        if min(picture.size) >= 96:
            pictures.append(_jpeg(picture, 92))
    return pictures


def draw_batch(pictures: Sequence[bytes], count: int, seed: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """`cell_features` of `count` of the pictures drawn at random, (count, 48, 48, 11), and how much of each of the
    network's cells is hidden, (count, 24, 24), 0 to 1.
    """
    rng = np.random.default_rng(seed)
    features = np.empty((count, GRID, GRID, FEATURES), dtype=np.float16)
    hidden = np.zeros((count, CELLS, CELLS), dtype=np.float32)
    for row in range(count):
        picture = Image.open(io.BytesIO(pictures[int(rng.integers(len(pictures)))])).convert("RGB")
        scale = rng.uniform(0.6, 1.5)
        picture = picture.resize((int(picture.width * scale), int(picture.height * scale)), Image.Resampling.BICUBIC)
        if rng.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if rng.random() < 0.25:
            picture = _lettered(picture, rng)
        if rng.random() < 0.15:
            picture = _bordered(picture, rng)
        if rng.random() >= PLAIN_SHARE and (place := busy_place(picture, rng)) is not None:
            name = list(COVERS)[int(rng.integers(len(COVERS)))]
            picture = COVERS[name](picture, place, rng)
            if name == "emoji":
                side = min(place[2] - place[0], place[3] - place[1])
                place = (place[0], place[1], place[0] + side, place[1] + side)
            hidden[row] = _cells(place, picture.size)
        if rng.random() < 0.8:
            picture = Image.open(io.BytesIO(_jpeg(picture, int(rng.integers(60, 97))))).convert("RGB")
        # As serving has it: scaled down by a whole number to at most 512 pixels.
        features[row] = cell_features(picture.reduce(2) if max(picture.size) > _SIDE else picture)
    return features, hidden


def busy_place(picture: Image.Image, rng: np.random.Generator) -> Place | None:
    """A place for a cover where there is something to hide; None where twenty tries found nothing."""
    for _ in range(_TRIES):
        place = random_place(picture.size, rng)
        if float(np.asarray(picture.crop(place).convert("L")).std()) >= _BUSY:
            return place
    return None


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _cells(place: Place, size: tuple[int, int]) -> NDArray[np.float32]:
    """The share of every cell that a place covers."""
    sides = []
    for first, stop, length in ((place[1], place[3], size[1]), (place[0], place[2], size[0])):
        edges = np.linspace(0, length, CELLS + 1)
        inside = np.clip(np.minimum(edges[1:], stop) - np.maximum(edges[:-1], first), 0, None)
        sides.append(inside / (length / CELLS))
    shares: NDArray[np.float32] = np.outer(*sides).astype(np.float32)
    return shares


def _on_ground(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A thing as catalogues show it: on white or a plain ground, with room around."""
    thing = image.convert("RGBA")
    thing.thumbnail((_SIDE, _SIDE))
    room = rng.uniform(1.0, 1.6)
    ground = (255, 255, 255) if rng.random() < 0.6 else tuple(int(c) for c in rng.integers(0, 256, 3))
    size = (max(int(thing.width * room), 96), max(int(thing.height * room), 96))
    canvas = Image.new("RGBA", size, (*ground, 255))
    canvas.alpha_composite(thing, ((size[0] - thing.width) // 2, (size[1] - thing.height) // 2))
    return canvas.convert("RGB")


def _lettered(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Shop's words on a picture, or on a strip along its edge: they hide no mark and must raise no alarm."""
    picture = picture.copy()
    draw = ImageDraw.Draw(picture)
    if rng.random() < 0.4:
        depth = int(picture.height * rng.uniform(0.06, 0.2))
        top = 0 if rng.random() < 0.5 else picture.height - depth
        draw.rectangle((0, top, picture.width, top + depth), fill=tuple(int(c) for c in rng.integers(0, 256, 3)))
        at = (int(picture.width * rng.uniform(0, 0.4)), top + depth // 5)
        size = max(int(depth * 0.6), 8)
    else:
        at = (int(picture.width * rng.uniform(0, 0.6)), int(picture.height * rng.uniform(0, 0.9)))
        size = int(rng.uniform(0.03, 0.12) * picture.height) + 8
    letters = rng.choice(list("ABCDEFGHIKLMNOPRSTUVWY 0123456789"), int(rng.integers(4, 16)))
    colour = tuple(
        int(c) for c in (rng.choice([0, 255]) * np.ones(3) if rng.random() < 0.6 else rng.integers(0, 256, 3))
    )
    draw.text(at, "".join(letters), font=ImageFont.load_default(size), fill=colour)
    return picture


def _bordered(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A plain margin, as galleries and squared uploads have."""
    margins = (rng.uniform(0, 0.25, 2) * picture.size).astype(int)
    size = (picture.width + 2 * int(margins[0]), picture.height + 2 * int(margins[1]))
    ground = int(rng.choice([255, 255, 0, 240]))
    canvas = Image.new("RGB", size, (ground, ground, ground))
    canvas.paste(picture, (int(margins[0]), int(margins[1])))
    return canvas
