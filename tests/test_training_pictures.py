"""Where training pictures come from, what is refused, and how batches are drawn."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont
from training_library import drawn, make_assets, make_library

from training.batches import BatchMaker, Plan
from training.edits import EDITS, Props, copy_of, photograph
from training.guard import Guard, ProtectedPicture
from training.library import build_library, open_library
from training.names import SCRIPTS, invent_name, odd_spelling
from training.packaging import catalogue_view, design, front, shelf_view
from training.render import print_on, scripts_of, tint, wordmark

PLAN = Plan(copies=4, marks=2, products=2, things=2, names=3, packages=1)


def default_font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def test_a_protected_picture_is_refused_by_its_bytes_and_by_its_pixels(tmp_path: Path) -> None:
    assets, grocery = make_assets(tmp_path)
    stolen = assets / "debian/usr/share/backgrounds/holiday.png"
    shutil.copyfile(grocery / "query" / "3.png", stolen)
    with pytest.raises(ProtectedPicture, match="holiday"):
        build_library(tmp_path / "work", assets, None, Guard.over([grocery]), seed=1)
    with Image.open(grocery / "none" / "2.png") as image:
        image.save(stolen, optimize=True, compress_level=1)  # other bytes, the same pixels
    assert stolen.read_bytes() != (grocery / "none" / "2.png").read_bytes()
    with pytest.raises(ProtectedPicture, match="holiday"):
        build_library(tmp_path / "work", assets, None, Guard.over([grocery]), seed=1)


def test_only_free_photos_of_a_measuring_set_are_taken(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    products = [entry for entry in library.entries if entry.kind == "product"]
    assert len(products) == 6
    assert all(entry.name.startswith("grocery/extra/") for entry in products)
    assert products[0].texts == ("Alfa Milk", "Alfa")


def test_the_library_opens_again_and_its_fingerprint_follows_the_inputs(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    again = open_library(tmp_path / "work")
    assert again.fingerprint == library.fingerprint
    assert again.entries == library.entries
    stamp = next(n for n, e in enumerate(again.entries) if e.name.startswith("tuxpaint/thing-0"))
    assert again.image(stamp).mode == "RGBA"
    assert again.entries[stamp].texts == ("A red apple.", "Ein roter Apfel.")
    drawn(5000).save(tmp_path / "assets/debian/usr/share/backgrounds/new.png")
    more = build_library(tmp_path / "more", tmp_path / "assets", None, Guard.over([]), seed=1)
    assert more.fingerprint != library.fingerprint


def test_a_batch_follows_from_seed_and_step_alone(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    first, second = (BatchMaker(library, PLAN, (48,), seed=3) for _ in range(2))
    second.make(0)
    one, two = first.make(5), second.make(5)
    assert np.array_equal(one.pixels, two.pixels)
    assert one.texts == two.texts
    assert one.spellings == two.spellings
    assert not np.array_equal(one.pixels, first.make(6).pixels)
    assert one.pixels.shape == (2 * (4 + 2 + 2 + 2 + 2), 48, 48, 3)
    assert (one.base >= 0).sum() == 8
    assert np.array_equal(one.label[::2], one.label[1::2])
    assert all(0 <= row < len(one.pixels) and text for row, text in one.texts)


def test_held_out_pictures_never_reach_a_training_batch(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    held_out = set(library.select("photo", "thing", "product", held_out=True))
    assert held_out
    maker = BatchMaker(library, PLAN, (32,), seed=1)
    used = {int(n) for step in range(12) for n in maker.make(step).base if n >= 0}
    assert not used & held_out
    probe = BatchMaker(library, Plan(4, 0, 0, 0, 0), (32,), seed=1, held_out=True)
    assert {int(n) for n in probe.make(0).base} <= held_out


@pytest.mark.parametrize("name", sorted(EDITS))
def test_every_edit_gives_an_rgb_picture_and_leaves_its_input(name: str) -> None:
    image = drawn(1)
    before = image.tobytes()
    props = Props([drawn(2)], [drawn(3, transparent=True)], [default_font()])
    for seed in range(6):
        edited = EDITS[name](image, np.random.default_rng(seed), props)
        assert edited.mode == "RGB"
        assert min(edited.size) >= 8
    assert image.tobytes() == before


def test_copies_and_photographs_repeat_with_their_seed() -> None:
    props = Props([drawn(2)], [drawn(3, transparent=True)], [default_font()])
    for make in (copy_of, photograph):
        one, two = (make(drawn(1), np.random.default_rng(4), props) for _ in range(2))
        assert one.tobytes() == two.tobytes()


def test_a_mark_is_printed_on_the_scene(tmp_path: Path) -> None:
    font = default_font()
    (tmp_path / "letters.ttf").write_bytes(font.font_bytes)
    assert "latin" in scripts_of(tmp_path / "letters.ttf")
    assert scripts_of(Path(__file__)) == []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        mark = tint(wordmark("Swiadee Lab", font, rng), rng)
        scene = drawn(seed)
        printed = print_on(mark, scene, rng, 64, tight=0.5)
        assert printed.size == (64, 64)
        assert np.ptp(np.asarray(printed)) > 0


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_names_are_made_of_their_script_and_spelled_oddly(script: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        name = invent_name(rng, script)
        assert 1 <= len(name) <= 24
        if script != "latin":
            assert set(name) <= set(SCRIPTS[script])
        assert odd_spelling(name, rng).strip()


def test_flavours_of_one_package_share_the_design_and_differ_in_colour() -> None:
    rng = np.random.default_rng(1)
    package = design("Brisk", default_font(), rng)
    again, other = front(package, 7, drawn(1)), front(package, 8, drawn(1))
    assert np.array_equal(front(package, 7, drawn(1)), again)
    assert again.size == other.size == package.size
    assert again.getchannel("A").tobytes() == other.getchannel("A").tobytes()
    lower = (0, int(package.size[1] * 0.75), *package.size)
    assert np.abs(np.asarray(again.crop(lower), np.int16) - np.asarray(other.crop(lower), np.int16)).mean() > 5
    scene = drawn(2, (256, 256))
    shelf = shelf_view(again, rng, Props([scene], [], []))
    assert catalogue_view(again, rng).size >= package.size
    assert shelf.size == (256, 256)
    assert np.asarray(shelf).tobytes() != np.asarray(scene).tobytes()
