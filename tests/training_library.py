"""A handful of drawn pictures laid out as training expects its assets, for the tests of training."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.guard import Guard
from training.library import Library, build_library


def drawn(seed: int, size: tuple[int, int] = (96, 72), transparent: bool = False) -> Image.Image:
    """Blobs of colour: a picture unlike any other seed's."""
    rng = np.random.default_rng(seed)
    image = Image.new(
        "RGBA" if transparent else "RGB", size, (0, 0, 0, 0) if transparent else tuple(rng.integers(0, 256, 3).tolist())
    )
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, w, h = (int(v) for v in rng.uniform(0, 1, 4) * 60)
        draw.ellipse((x, y, x + w + 6, y + h + 6), fill=(*rng.integers(0, 256, 3).tolist(), 255))
    return image


def make_assets(folder: Path) -> tuple[Path, Path]:
    """Assets (photos, things, a font) and a grocery set whose `extra` photos are free; returns both folders."""
    assets, grocery = folder / "assets", folder / "grocery"
    share = assets / "debian" / "usr" / "share"
    for number in range(16):
        for name, transparent in (
            (f"backgrounds/place-{number}.png", False),
            (f"tuxpaint/stamps/thing-{number}.png", True),
        ):
            (share / name).parent.mkdir(parents=True, exist_ok=True)
            drawn(number + 100 * transparent, transparent=transparent).save(share / name)
    (share / "tuxpaint/stamps/thing-0.txt").write_text("A red apple.\nde.utf8=Ein roter Apfel.\n", encoding="utf-8")
    (share / "fonts").mkdir()
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    (share / "fonts" / "letters.ttf").write_bytes(font.font_bytes)
    rows = []
    for block, kind in enumerate(("extra", "query", "reference", "none")):
        for number in range(6):
            image = f"{kind}/{number}.png"
            (grocery / kind).mkdir(parents=True, exist_ok=True)
            drawn(1000 + 100 * block + number).save(grocery / image)
            brand = ("Alfa", "Beta")[number % 2]
            rows.append({"kind": kind, "image": image, "product": f"{brand}-Milk", "brand": brand})
    (grocery / "manifest.json").write_text(json.dumps(rows), encoding="utf-8")
    return assets, grocery


def make_library(folder: Path) -> Library:
    """The library of those assets, built under `folder / "work"`."""
    assets, grocery = make_assets(folder)
    return build_library(folder / "work", assets, grocery, Guard.over([grocery]), seed=1)
