"""The sample brands and listings: formats, determinism, and that the pictures show what they are meant to show."""

import hashlib
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from screener.samples import SampleSet, generate
from screener.samples.catalogue import BRANDS
from screener.samples.edits import EDITS
from screener.samples.listings import load_listings
from screener.samples.looks import dress, imitate
from screener.samples.marks import MARKS, mark_mask, wordmark_mask
from screener.samples.photo import Shot, take, telephone
from screener.samples.products import PRODUCTS, build, genuine
from screener.samples.scenes import SCENES

VERDICTS = {"clear", "unscreenable", "prompt", "review"}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    return generate(tmp_path_factory.mktemp("samples") / "set")


def digests(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_brand_folders_follow_the_format(samples: SampleSet) -> None:
    assert [folder.name for folder in samples.brands] == [brand.key for brand in BRANDS]
    for folder, brand in zip(samples.brands, BRANDS, strict=True):
        record = read(folder / "brand.json")
        assert set(record) == {
            "name", "aliases", "wordmarks", "categories", "reference_price", "authorised_sellers",
        }  # fmt: skip
        assert record["name"] == brand.name and record["reference_price"] == {"amount": brand.price, "currency": "EUR"}
        assert {*record["authorised_sellers"][0]} == {"seller_id", "valid_from", "valid_until"}
        counts = {kind: len([*(folder / kind).glob("*.[jp][pn]g")]) for kind in ("authentic", "logo", "known_fake")}
        assert 3 <= counts["authentic"] <= 5 and counts["logo"] == 2 and 1 <= counts["known_fake"] <= 3
    assert (samples.brands[0] / "negative" / "lookalike-1.jpg").exists()


def test_pictures_open_and_boxes_lie_inside(samples: SampleSet) -> None:
    boxes = 0
    for path in samples.brands_dir.rglob("*.[jp][pn]g"):
        with Image.open(path) as image:
            image.load()
            assert 400 <= max(image.size) <= 1000 and min(image.size) >= 300
        note = path.with_suffix(".json")
        if note.exists() and "box" in read(note):
            boxes += 1
            x0, y0, x1, y1 = read(note)["box"]
            assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
    assert boxes >= 60
    with Image.open(samples.brands[0] / "logo" / "logo.png") as logo:
        assert logo.mode == "RGBA" and logo.getchannel("A").getextrema() == (0, 255)


def test_listings_follow_the_request_contract(samples: SampleSet) -> None:
    assert len(samples.listings) == len(load_listings())
    names = {read(folder / "brand.json")["name"] for folder in samples.brands}
    for folder in samples.listings:
        request, expected = read(folder / "listing.json"), read(folder / "expected.json")
        assert set(request) == {
            "listing_id", "revision", "title", "description", "brand", "category", "price", "seller", "language",
            "complaints",
        }  # fmt: skip
        assert request["seller"]["id"] and re.fullmatch("[A-Z]{3}", request["price"]["currency"])
        assert set(expected) == {"kind", "verdicts", "brand_status", "brands"}
        assert set(expected["verdicts"]) <= VERDICTS and set(expected["brands"]) <= names
        assert set(expected["brand_status"]) <= {"recognised", "unknown", "none"}
        assert len(list(folder.glob("*.jpg"))) <= 3


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_brands(samples: SampleSet, tmp_path: Path) -> None:
    genuine.cache_clear()
    one = generate(tmp_path / "one", brands=1)
    other = generate(tmp_path / "other", brands=1, seed=8)
    assert digests(one.brands[0]) == digests(samples.brands[0])
    assert digests(one.listings[0]) == digests(samples.listings[0])
    assert digests(one.brands[0] / "known_fake") != digests(other.brands[0] / "known_fake")
    assert len(one.listings) < len(samples.listings)


def test_a_set_that_is_there_is_kept(samples: SampleSet) -> None:
    picture = samples.brands[0] / "authentic" / "front.jpg"
    before = picture.stat().st_mtime_ns
    assert generate(samples.directory) == samples
    assert picture.stat().st_mtime_ns == before


def test_another_or_unfinished_set_is_replaced(tmp_path: Path) -> None:
    left_over = tmp_path / "brands" / "left-over"
    left_over.mkdir(parents=True)
    marker = tmp_path / "samples.json"
    marker.write_text('{"seed": 7, "complete": false}', encoding="utf-8")
    samples = generate(tmp_path, brands=1)
    assert not left_over.exists() and samples.brands[0].exists() and read(marker)["complete"]


def test_folders_of_somebody_else_are_refused(tmp_path: Path) -> None:
    precious = tmp_path / "brands" / "mine" / "brand.json"
    precious.parent.mkdir(parents=True)
    precious.write_text("{}", encoding="utf-8")
    with pytest.raises(FileExistsError):
        generate(tmp_path, brands=1)
    assert precious.exists() and not (tmp_path / "samples.json").exists()


@pytest.mark.parametrize("brands", [0, len(BRANDS) + 1])
def test_a_number_of_brands_that_is_not_on_offer(tmp_path: Path, brands: int) -> None:
    with pytest.raises(ValueError, match="between 1 and"):
        generate(tmp_path, brands=brands)


def test_the_catalogue_is_of_one_piece() -> None:
    assert len(BRANDS) == 12
    for names in (
        [brand.key for brand in BRANDS],
        [brand.name for brand in BRANDS],
        [brand.mark for brand in BRANDS],
        [alias for brand in BRANDS for alias in brand.aliases],
        [seller for brand in BRANDS for seller in brand.sellers],
    ):
        assert len(set(names)) == len(names)
    assert {product for brand in BRANDS for product in brand.products} == set(PRODUCTS)
    assert len(PRODUCTS) >= 8
    scripts = {unicodedata.name(brand.name[0]).split()[0] for brand in BRANDS}
    assert {"LATIN", "CYRILLIC", "CJK"} <= scripts
    for brand in BRANDS:
        assert brand.drawn.isascii() and brand.misspelt.isascii() and brand.drawn != brand.misspelt


def test_the_listings_cover_every_kind_of_case() -> None:
    listings = load_listings()
    keys = {brand.key for brand in BRANDS}
    assert len({listing.key for listing in listings}) == len(listings) >= 24
    kinds = {listing.expected["kind"] for listing in listings}
    assert kinds == {
        "authorised_seller", "honest_reseller_own_photo", "honest_reseller_official_photo", "fake_stolen_photo",
        "known_fake_reupload", "fake_disguised_name", "fake_own_photo", "brand_disagreement", "unknown_brand",
        "unbranded", "lookalike", "brand_mentioned", "broken_picture", "no_picture",
    }  # fmt: skip
    assert {listing.request["language"] for listing in listings} >= {"en", "de", "fr", "es", "ja", "zh", "ru"}
    for listing in listings:
        assert set(listing.brands) <= keys
        for picture in listing.pictures:
            assert picture.brand in {"", *listing.brands} and picture.product in {"", *PRODUCTS}
            assert picture.edit in {"", *EDITS} and picture.scene in {"", *SCENES}
    sellers = {seller for brand in BRANDS for seller in brand.sellers}
    for listing in listings:
        authorised = listing.request["seller"]["id"] in sellers  # type: ignore[index]
        assert authorised == (listing.expected["kind"] == "authorised_seller")


def test_one_picture_is_broken_and_two_listings_have_none(samples: SampleSet) -> None:
    broken = []
    for path in sorted(samples.listings_dir.rglob("*.jpg")):
        try:
            with Image.open(path) as image:
                image.load()
        except (OSError, UnidentifiedImageError):
            broken.append(f"{path.parent.name}/{path.name}")
    assert len(broken) == 1 and broken[0].endswith("broken-picture/2.jpg")
    empty = [folder.name for folder in samples.listings if not list(folder.glob("*.jpg"))]
    assert all("no-picture" in name for name in empty) and len(empty) == 2


@pytest.mark.parametrize("name", MARKS)
def test_a_mark_is_neither_empty_nor_full_and_differs_when_altered(name: str) -> None:
    drawn, altered = (np.asarray(mark_mask(name, 96, altered=way), dtype=float) / 255 for way in (False, True))
    assert 0.05 < drawn.mean() < 0.85
    assert np.abs(drawn - altered).mean() > 0.03


def test_marks_differ_from_each_other() -> None:
    drawn = {name: np.asarray(mark_mask(name, 64), dtype=float) / 255 for name in MARKS}
    for one in MARKS:
        for other in MARKS:
            assert one == other or np.abs(drawn[one] - drawn[other]).mean() > 0.12


def test_an_empty_wordmark_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        wordmark_mask("  ", BRANDS[0].lettering, 40)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_has_a_silhouette_and_wears_the_mark(product: str) -> None:
    brand = BRANDS[0]
    cutout, fake = build(product, dress(brand)), build(product, imitate(brand, 2))
    alpha = cutout.pixels[..., 3]
    assert 0.08 < (alpha > 127).mean() < 0.75
    assert not alpha[0].any() and not alpha[-1].any()
    assert cutout.pixels[..., :3][alpha > 250].std() > 10  # shaded, not flat
    assert cutout.mark_box is not None
    assert np.abs(cutout.pixels.astype(int) - fake.pixels).mean() > 0.5


@pytest.mark.parametrize("scene", SCENES)
def test_a_snapshot_shows_the_mark_where_it_says(scene: str) -> None:
    brand = BRANDS[0]
    rng = np.random.default_rng(5)
    photo = take(genuine(brand, "cap"), telephone(rng, scene=scene), rng)
    assert photo.mark_box is not None
    x0, y0, x1, y1 = (round(edge * side) for edge, side in zip(photo.mark_box, photo.image.size * 2, strict=True))
    inside = np.asarray(photo.image.convert("L").crop((x0, y0, x1, y1)), dtype=float)
    assert inside.std() > 15  # ink on cloth


def test_a_close_shot_leaves_out_what_is_beyond_the_edge() -> None:
    rng = np.random.default_rng(1)
    near = take(genuine(BRANDS[0], "sneaker"), Shot(close=True), rng)
    assert near.mark_box is not None
    far_too_near = take(genuine(BRANDS[0], "sneaker"), Shot(close=True, fill=8.0), rng)
    assert far_too_near.mark_box is None


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_the_picture(edit: str) -> None:
    rng = np.random.default_rng(2)
    image = take(genuine(BRANDS[0], "cap"), Shot(size=(400, 400)), rng).image
    edited = EDITS[edit](image, rng).resize(image.size)
    assert np.abs(np.asarray(image, dtype=int) - np.asarray(edited, dtype=int)).mean() > 2
