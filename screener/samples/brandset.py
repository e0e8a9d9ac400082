"""Writes one fictional brand in the brand folder format: brand.json, logos, official pictures, fakes, negatives."""

import io
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from screener.samples.catalogue import BRANDS, Colour, SampleBrand
from screener.samples.edits import jpeg
from screener.samples.looks import Look, dress, plain, tone
from screener.samples.photo import Photo, Shot, take, telephone
from screener.samples.products import build, counterfeit, genuine

WHITE: Colour = (255, 255, 255)
NEGATIVE_EVERY = 2  # every second brand brings look-alikes that are not its own


@dataclass(frozen=True, slots=True)
class BrandPictures:
    """The pictures that listings steal from or re-upload."""

    official: tuple[Photo, ...]
    fakes: tuple[Photo, ...]


def seeded(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for each picture, so that one more picture does not change the others."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def write_brand(folder: Path, brand: SampleBrand, seed: int) -> BrandPictures:
    """Write the brand's folder and return its pictures."""
    folder.mkdir(parents=True)
    _write_json(folder / "brand.json", _record(brand))
    _write_logos(folder / "logo", brand)
    official = _official(brand, seed)
    for name, photo in official.items():
        _write_photo(folder / "authentic", name, photo, f"{brand.name} press kit")
    fakes = _fakes(brand, seed)
    for position, photo in enumerate(fakes):
        _write_photo(folder / "known_fake", f"test-purchase-{position + 1}", photo, "test purchase")
    if BRANDS.index(brand) % NEGATIVE_EVERY == 0:
        _write_photo(
            folder / "negative",
            "lookalike-1",
            look_alike(brand, seeded(seed, brand.key, "negative")),
            "no product of the brand",
        )
    return BrandPictures(tuple(official.values()), fakes)


def look_alike(brand: SampleBrand, rng: np.random.Generator) -> Photo:
    """A product of the brand's kind and colours without its mark."""
    return take(
        build(brand.products[0], plain(brand.palettes[0], mark="plain-loop")), telephone(rng, scene="stone"), rng
    )


def _record(brand: SampleBrand) -> dict[str, object]:
    return {
        "name": brand.name,
        "aliases": list(brand.aliases),
        "wordmarks": list(brand.wordmarks or (brand.drawn,)),
        "categories": list(brand.categories),
        "reference_price": {"amount": brand.price, "currency": "EUR"},
        "authorised_sellers": [
            {"seller_id": seller, "valid_from": "2024-01-01", "valid_until": None} for seller in brand.sellers
        ],
    }


def _official(brand: SampleBrand, seed: int) -> dict[str, Photo]:
    tinted = tone(brand.palettes[0].second, 3.2)
    shots: list[tuple[str, str, int, Shot]] = [
        ("front", brand.products[0], 0, Shot()),
        ("colourway", brand.products[0], 1, Shot(colour=tinted, skew=0.02)),
        ("detail", brand.products[0], 0, Shot(close=True)),
    ]
    if len(brand.products) > 1:
        shots.append(("companion", brand.products[1], 0, Shot(colour=(247, 246, 244))))
        shots.append(("companion-colourway", brand.products[1], 1, Shot(skew=0.02)))
    return {
        name: take(genuine(brand, product, palette), shot, seeded(seed, brand.key, name))
        for name, product, palette, shot in shots
    }


def _fakes(brand: SampleBrand, seed: int) -> tuple[Photo, ...]:
    photos = []
    for way in range(1 + BRANDS.index(brand) % 3):
        rng = seeded(seed, brand.key, "fake", str(way))
        photos.append(take(counterfeit(brand, way), telephone(rng), rng))
    return tuple(photos)


def _write_logos(folder: Path, brand: SampleBrand) -> None:
    folder.mkdir()
    look = dress(brand)
    shape = _lockup(look)
    clear = Image.new("RGBA", shape.size, (*look.ink_on(WHITE), 0))
    clear.putalpha(shape)
    (folder / "logo.png").write_bytes(_png(clear))
    ground = brand.palettes[0].base
    canvas = Image.new("RGB", (shape.width + 200, shape.height + 200), ground)
    canvas.paste(look.ink_on(ground), (100, 100), shape)
    (folder / "logo-on-colour.png").write_bytes(_png(canvas))
    edges = (100 / canvas.width, 100 / canvas.height, 1 - 100 / canvas.width, 1 - 100 / canvas.height)
    box = tuple(round(edge, 4) for edge in edges)
    _write_json(
        folder / "logo-on-colour.json",
        {"box": box, "source": f"{brand.name} press kit", "notes": "logo on the house colour"},
    )


def _lockup(look: Look) -> Image.Image:
    """The mark above the wordmark, as one mask with a small margin."""
    assert look.mark is not None and look.wordmark is not None
    mark = look.mark.resize((320, 320), Image.Resampling.LANCZOS)
    height = min(90, round(520 * look.wordmark.height / look.wordmark.width))
    word = look.wordmark.resize(
        (round(height * look.wordmark.width / look.wordmark.height), height), Image.Resampling.LANCZOS
    )
    canvas = Image.new("L", (max(mark.width, word.width) + 60, 320 + 40 + height + 60), 0)
    canvas.paste(mark, ((canvas.width - mark.width) // 2, 30))
    canvas.paste(word, ((canvas.width - word.width) // 2, 390))
    return canvas


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _write_photo(folder: Path, name: str, photo: Photo, source: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.jpg").write_bytes(jpeg(photo.image, 90))
    _write_json(folder / f"{name}.json", {"source": source, **({"box": photo.mark_box} if photo.mark_box else {})})


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
