"""Writes the sample set: brands in the brand folder format, listings with pictures, and what to expect of them."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from screener.samples.brandset import BrandPictures, look_alike, seeded, write_brand
from screener.samples.catalogue import BRANDS, Palette, SampleBrand
from screener.samples.edits import EDITS, jpeg
from screener.samples.listings import Picture, SampleListing, load_listings
from screener.samples.looks import plain
from screener.samples.photo import take, telephone
from screener.samples.products import build, counterfeit, genuine

MARKER = "samples.json"
PLAIN_PALETTES = (
    Palette((128, 30, 44), (96, 20, 32), (196, 170, 110), (226, 206, 160)),
    Palette((196, 92, 66), (58, 58, 62), (170, 174, 178), (250, 244, 232)),
    Palette((204, 206, 208), (180, 182, 184), (150, 150, 150), (90, 90, 90)),
    Palette((120, 134, 120), (104, 118, 104), (96, 104, 96), (230, 230, 226)),
    Palette((40, 40, 44), (30, 30, 34), (60, 60, 64), (220, 220, 220)),
)


@dataclass(frozen=True, slots=True)
class SampleSet:
    """What was written, and where; `brands` and `listings` are the folders of each one."""

    directory: Path
    brands: tuple[Path, ...]
    listings: tuple[Path, ...]

    @property
    def brands_dir(self) -> Path:
        return self.directory / "brands"

    @property
    def listings_dir(self) -> Path:
        return self.directory / "listings"


def generate(directory: Path, *, seed: int = 7, brands: int = len(BRANDS)) -> SampleSet:
    """Write the first `brands` fictional brands and every listing about them under a directory.

    The same seed and code give the same bytes (with the same Pillow and NumPy). A set that this code already wrote
    there with the same arguments is kept as it is; another sample set is replaced; folders that are no sample set are
    refused (FileExistsError). ValueError if there are fewer brands than asked for.
    """
    if not 1 <= brands <= len(BRANDS):
        raise ValueError(f"between 1 and {len(BRANDS)} brands, not {brands}")
    chosen = BRANDS[:brands]
    keys = {brand.key for brand in chosen}
    listings = [listing for listing in load_listings() if keys.issuperset(listing.brands)]
    sample_set = SampleSet(
        directory,
        tuple(directory / "brands" / brand.key for brand in chosen),
        tuple(directory / "listings" / f"{number:02d}-{listing.key}" for number, listing in enumerate(listings, 1)),
    )
    fingerprint = {"seed": seed, "brands": brands, "generator": _code_fingerprint()}
    if not _make_room(directory, fingerprint):
        return sample_set
    pictures = {
        brand.key: write_brand(folder, brand, seed) for brand, folder in zip(chosen, sample_set.brands, strict=True)
    }
    for listing, folder in zip(listings, sample_set.listings, strict=True):
        _write_listing(folder, listing, {brand.key: brand for brand in chosen}, pictures, seed)
    _write_json(directory / MARKER, {**fingerprint, "complete": True})
    return sample_set


def _make_room(directory: Path, fingerprint: Mapping[str, object]) -> bool:
    """Whether the set has to be written; an old one is removed first."""
    marker = directory / MARKER
    folders = (directory / "brands", directory / "listings")
    if marker.exists():
        if json.loads(marker.read_text(encoding="utf-8")) == {**fingerprint, "complete": True}:
            return False
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in folders:
        if folder.exists():
            raise FileExistsError(f"{folder} exists and was not written by this generator")
    directory.mkdir(parents=True, exist_ok=True)
    _write_json(marker, {**fingerprint, "complete": False})
    return True


def _code_fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _write_listing(
    folder: Path,
    listing: SampleListing,
    brands: Mapping[str, SampleBrand],
    pictures: Mapping[str, BrandPictures],
    seed: int,
) -> None:
    folder.mkdir(parents=True)
    named = [brands[key].name for key in listing.brands]
    _write_json(folder / "listing.json", listing.request)
    _write_json(folder / "expected.json", {**listing.expected, "brands": named})
    for position, picture in enumerate(listing.pictures, 1):
        data = _picture(picture, brands, pictures, seed, f"{listing.key}-{position}")
        (folder / f"{position}.jpg").write_bytes(data)


def _picture(
    picture: Picture,
    brands: Mapping[str, SampleBrand],
    pictures: Mapping[str, BrandPictures],
    seed: int,
    name: str,
) -> bytes:
    rng = seeded(seed, "listing", name)
    quality = int(rng.integers(72, 90))
    if picture.kind in ("official", "known_fake"):
        stock = pictures[picture.brand]
        image = (stock.official if picture.kind == "official" else stock.fakes)[picture.number].image
        return jpeg(EDITS[picture.edit](image, rng) if picture.edit else image, quality)
    if picture.kind == "lookalike":
        return jpeg(look_alike(brands[picture.brand], rng).image, quality)
    shot = telephone(rng, scene=picture.scene or None)
    if picture.kind == "other":
        look = plain(
            PLAIN_PALETTES[picture.number], word=picture.word or None, mark="plain-loop" if picture.word else None
        )
        cutout = build(picture.product, look)
    elif picture.kind == "fake":
        cutout = counterfeit(brands[picture.brand], picture.number, picture.product)
    else:
        cutout = genuine(brands[picture.brand], picture.product, picture.number)
    data = jpeg(take(cutout, shot, rng).image, quality)
    return data[: len(data) // 3] if picture.kind == "broken" else data


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
