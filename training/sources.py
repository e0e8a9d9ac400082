"""Finds the free pictures, marks and fonts that training learns from, in folders unpacked from packages."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

Image.MAX_IMAGE_PIXELS = None  # wallpapers reach 60 megapixels, and these packages are chosen by hand
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
FONT_SUFFIXES = frozenset({".ttf", ".otf", ".ttc"})


@dataclass(frozen=True, slots=True)
class Source:
    """One training input. `kind` is photo, thing, logo or product; `label` names what two pictures may share."""

    name: str
    kind: str
    label: str
    texts: tuple[str, ...]
    read: Callable[[], bytes] = field(compare=False)
    tintable: bool = False


def find_sources(assets: Path, grocery: Path | None) -> Iterator[Source]:
    """Every picture below `assets` (`debian/` and `npm/`, see docs/training.md) and the free photos of a grocery set.

    The order is that of the names, so that the same folders always give the same list.
    """
    share = assets / "debian" / "usr" / "share"
    yield from _wallpapers(share)
    yield from _things(share / "openclipart" / "png", "openclipart")
    yield from _things(share / "tuxpaint" / "stamps", "tuxpaint")
    yield from _simple_icons(assets / "npm" / "node_modules" / "simple-icons")
    yield from _iconify_logos(assets / "npm" / "node_modules" / "@iconify-json" / "logos" / "icons.json")
    if grocery is not None:
        yield from _grocery(grocery)


def find_fonts(assets: Path) -> list[Path]:
    """All TrueType and OpenType files below `assets`, ordered by name."""
    return sorted(path for path in assets.rglob("*") if path.suffix.lower() in FONT_SUFFIXES and path.is_file())


def svg_png(svg: str, width: int) -> bytes:
    """Render an SVG picture `width` pixels wide (resvg); ValueError if it cannot be drawn."""
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, skip_system_fonts=True))


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file() and not p.is_symlink()
    )


def _wallpapers(share: Path) -> Iterator[Source]:
    seen: set[str] = set()
    for part in ("backgrounds", "wallpapers", "lxqt"):
        for path in _pictures(share / part):
            # A package ships one picture in several sizes, named 1920x1080.jpg in one folder: keep the first
            by_size = re.fullmatch(r"\d+x\d+", path.stem) is not None
            title = path.parents[2].name if by_size and len(path.parts) > 3 else path.stem
            key = str(path.parent) if by_size else re.sub(r"[-_]?\d+x\d+$", "", path.stem)
            if key in seen or "screenshot" in path.stem.lower():
                continue
            seen.add(key)
            name = str(path.relative_to(share))
            yield Source(name, "photo", name, (_words(title),), path.read_bytes)


def _things(folder: Path, origin: str) -> Iterator[Source]:
    for path in _pictures(folder):
        name = f"{origin}/{path.relative_to(folder)}"
        notes = path.with_suffix(".txt")
        texts = _stamp_titles(notes) if notes.is_file() else (_words(path.stem),)
        yield Source(name, "thing", texts[0] or name, texts, path.read_bytes)


def _stamp_titles(notes: Path) -> tuple[str, ...]:
    lines = notes.read_text(encoding="utf-8", errors="replace").splitlines()
    titles = [line.partition(".utf8=")[2] if ".utf8=" in line else line for line in lines if line.strip()]
    return tuple(title.strip() for title in titles if title.strip()) or ("",)


def _simple_icons(package: Path) -> Iterator[Source]:
    index = next(
        (p for p in (package / "data" / "simple-icons.json", package / "_data" / "simple-icons.json") if p.is_file()),
        None,
    )
    if index is None:
        return
    rows = json.loads(index.read_text(encoding="utf-8"))
    titles: dict[str, str] = {}
    for row in rows if isinstance(rows, list) else rows["icons"]:
        titles[row.get("slug") or _slug(row["title"])] = row["title"]
    for path in sorted((package / "icons").glob("*.svg")):
        title = titles.get(path.stem, path.stem)
        svg = path.read_text(encoding="utf-8")
        yield Source(f"simple-icons/{path.stem}", "logo", title, (title,), _Svg(svg), tintable=True)


def _iconify_logos(index: Path) -> Iterator[Source]:
    if not index.is_file():
        return
    pack = json.loads(index.read_text(encoding="utf-8"))
    for key, icon in sorted(pack["icons"].items()):
        width, height = (icon.get(side, pack.get(side, 16)) for side in ("width", "height"))
        size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{icon["body"]}</svg>'
        title = _words(key.removesuffix("-icon"))
        yield Source(f"iconify-logos/{key}", "logo", title, (title,), _Svg(svg))


def _grocery(folder: Path) -> Iterator[Source]:
    for row in json.loads((folder / "manifest.json").read_text(encoding="utf-8")):
        if row["kind"] == "extra":
            title = _words(row["product"])
            path = folder / row["image"]
            yield Source(f"grocery/{row['image']}", "product", title, (title, row["brand"]), path.read_bytes)


@dataclass(frozen=True, slots=True)
class _Svg:
    svg: str

    def __call__(self) -> bytes:
        return svg_png(self.svg, 192)


def open_source(source: Source) -> tuple[bytes, Image.Image]:
    """The bytes and the decoded picture, RGB, or RGBA where it has transparency. Raises OSError or ValueError if
    unreadable.
    """
    data = source.read()
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (1024, 1024))  # JPEG only: decode at a fraction, nothing here needs more
    return data, image.convert("RGBA" if image.has_transparency_data else "RGB")


def _words(stem: str) -> str:
    return " ".join(word for word in re.split(r"[\s_.-]+", stem) if word and not word.isdigit())


def _slug(title: str) -> str:
    plain = title.lower().replace("+", "plus").replace(".", "dot").replace("&", "and")
    return re.sub(r"[^a-z0-9]", "", plain)
