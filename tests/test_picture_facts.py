"""Facts of pictures: what they say of pictures made for it, how they are kept, and which references they find."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter
from service_kit import picture

from brands.database import Database
from screener import covers, facts_store
from screener.covers import cell_features, cover_cells, find_cover
from screener.directory import Entry
from screener.facts_store import Hash
from screener.hashes import ORIENTATIONS, ReferenceHashes
from screener.picture_facts import FACTS_VERSION, PictureFacts, picture_facts, shrunk
from training.covers import COVERS
from training.covers_train import CoverNet

AT = datetime(2025, 3, 1, 12, tzinfo=UTC)


def textured(width: int = 640, height: int = 480, seed: int = 1) -> Image.Image:
    """Grain on soft shapes, as a photo of a patterned cloth."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(40, 216, (24, 32, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(float)
    grain = np.asarray(
        Image.fromarray(generator.integers(0, 256, (height // 3, width // 3), dtype=np.uint8)).resize((width, height))
    )
    return Image.fromarray(np.clip(soft + (grain[..., None].astype(float) - 128) / 5, 0, 255).astype(np.uint8))


def facts_of(image: Image.Image) -> PictureFacts:
    return picture_facts(np.asarray(image.convert("RGB")), *image.size)


def test_blur_lowers_sharpness_and_a_plain_thing_stays_sharp() -> None:
    square_on_white = Image.new("RGB", (600, 600), "white")
    ImageDraw.Draw(square_on_white).rectangle((200, 200, 400, 400), fill=(40, 60, 90))
    for image in (textured(), square_on_white):
        values = [facts_of(image.filter(ImageFilter.GaussianBlur(radius))).sharpness for radius in (0, 3, 8)]
        assert values[0] > values[1] > values[2] and values[2] < 0.1
    assert facts_of(square_on_white).sharpness > 0.6


def test_blank_parts_are_flat_and_edges_belong_to_no_sharpness_where_there_are_none() -> None:
    blank = facts_of(Image.new("RGB", (300, 200), (250, 250, 250)))
    assert (blank.flatness, blank.sharpness, blank.pdq_quality) == (1.0, 0.0, 0)
    half = Image.new("RGB", (640, 480), "white")
    half.paste(textured(320, 480), (0, 0))
    assert facts_of(textured()).flatness < 0.05
    assert facts_of(half).flatness == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("size", [(32, 32), (40, 640), (5000, 260), (33, 257), (512, 512), (513, 100)])
def test_any_size_can_be_measured(size: tuple[int, int]) -> None:
    facts = facts_of(textured(3 * (size[0] // 3 + 1), 3 * (size[1] // 3 + 1)).resize(size))
    assert facts.pdq.shape == (8, 32)
    assert (facts.width, facts.height) == size
    assert all(0 <= value <= 1 for value in (facts.sharpness, facts.flatness, facts.covered))


def test_facts_hardly_depend_on_the_size_of_the_file() -> None:
    large, small = facts_of(textured(1280, 960)), facts_of(textured(1280, 960).resize((640, 480)))
    assert int(np.unpackbits(large.pdq[0] ^ small.pdq[0]).sum()) <= 8
    assert large.flatness == pytest.approx(small.flatness, abs=0.05)


def test_shrinking_keeps_the_shape_and_small_pictures() -> None:
    assert shrunk(np.asarray(textured(900, 300)), 480).shape == (160, 480, 3)
    np.testing.assert_array_equal(shrunk(np.asarray(textured(90, 60)), 480), np.asarray(textured(90, 60)))


def test_a_sticker_is_found_where_it_is() -> None:
    image = textured()
    assert find_cover(image)[0] < 0.5
    place = (200, 150, 380, 300)
    covered, box = find_cover(COVERS["rectangle"](image, place, np.random.default_rng(2)))
    assert covered >= 0.5 and box is not None
    middle = ((box[0] + box[2]) / 2 * image.width, (box[1] + box[3]) / 2 * image.height)
    assert place[0] < middle[0] < place[2] and place[1] < middle[1] < place[3]


def test_there_is_a_box_from_one_half_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the certainty is one half only because it is rounded."""
    weights, _, _ = covers._weights()
    top = float(cover_cells(cell_features(textured()), weights).max())
    for above, box in ((1e-5, True), (0.01, False), (-0.01, True)):
        monkeypatch.setattr(covers, "_weights", lambda above=above: (weights, top + above, 1.0))
        covered, found = find_cover(textured())
        assert (covered >= 0.5) == (found is not None) == box


def test_numpy_computes_what_torch_computes() -> None:
    torch.manual_seed(3)
    net = CoverNet()
    weights = {name: array.astype(np.float32) for name, array in net.arrays().items()}
    net.load_state_dict({name: value.half().float() for name, value in net.state_dict().items()})
    features = cell_features(textured())
    with torch.no_grad():
        expected = net(torch.from_numpy(features).permute(2, 0, 1)[None])[0].numpy()
    np.testing.assert_allclose(cover_cells(features, weights), expected, atol=1e-3)


def test_cells_are_measured_as_their_names_say() -> None:
    grey = np.full((288, 288), 100, dtype=np.uint8)
    grey[60:66, 120:126] = [100, 100, 130, 100, 100, 100]  # one cell with a line down it
    features = cell_features(Image.fromarray(grey).convert("RGB"))
    assert features.shape == (48, 48, 11)
    assert features[..., :3] == pytest.approx(200 / 255 - 1, abs=0.05)
    across, down = features[10, 20, 3:7], features[10, 20, 7:]
    assert across == pytest.approx([np.log(1 + 4 * 10), np.log(31), np.log(1 + 4 * 20), 4 / 6], abs=1e-4)
    # Below the cell the line ends, which is a step from its last row to the next one.
    assert down == pytest.approx([np.log(1 + 4 * 30 / 36), np.log(31), np.log(1 + 4 * 60 / 36), 35 / 36], abs=1e-4)
    quiet = np.ones((48, 48), dtype=bool)
    quiet[9:12, 19:22] = False
    assert features[quiet][:, 3:] == pytest.approx(np.tile([0, 0, 0, 1], (quiet.sum(), 2)), abs=1e-6)


def same(left: PictureFacts, right: PictureFacts) -> bool:
    return left.to_json() == right.to_json() and np.array_equal(left.pdq, right.pdq)


def test_facts_come_back_as_they_were_stored(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_store, "_AT_ONCE", 2)
    facts = {f"{n:064x}": facts_of(picture(n)) for n in range(5)}
    facts["f" * 64] = replace(facts[f"{0:064x}"], covered=0.75, covered_box=(0.1, 0.2, 0.3, 0.4))
    with database.write() as connection:
        facts_store.store(connection, facts, AT)
        facts_store.store(connection, {"f" * 64: facts[f"{1:064x}"]}, AT)  # what is there stays
        facts_store.store(connection, {}, AT)
    with database.read() as connection:
        found = facts_store.load(connection, [*facts, "0" * 63 + "x", "f" * 64])
        hashes = facts_store.load_hashes(connection, facts)
    assert found.keys() == facts.keys()
    assert all(same(found[sha256], facts[sha256]) for sha256 in facts)
    assert hashes == {sha256: Hash(own.pdq[0].tobytes(), own.pdq_quality) for sha256, own in facts.items()}


def test_facts_of_another_version_are_not_used(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.write() as connection:
        facts_store.store(connection, {"a" * 64: facts_of(picture(1))}, AT)
    monkeypatch.setattr(facts_store, "FACTS_VERSION", FACTS_VERSION + "x")
    with database.read() as connection:
        assert facts_store.load(connection, ["a" * 64]) == {}


def entry(name: str, box: tuple[float, float, float, float] | None = None) -> Entry:
    return Entry(name, name, "brd_1", "authentic", name, box, box is not None)


def jpeg(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=60)
    return Image.open(out).convert("RGB")


def test_copies_are_found_turned_and_mirrored() -> None:
    originals = [textured(seed=n) for n in range(6)]
    facts = [facts_of(image) for image in originals]
    hashes = {str(n): Hash(own.pdq[0].tobytes(), own.pdq_quality) for n, own in enumerate(facts)}
    entries = [entry(str(n)) for n in range(6)]
    references = ReferenceHashes(entries, hashes)
    turned = [
        None,
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_180,
        Image.Transpose.ROTATE_270,
        Image.Transpose.FLIP_TOP_BOTTOM,
        Image.Transpose.FLIP_LEFT_RIGHT,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.TRANSVERSE,
    ]
    seen = set()
    for way in turned:
        copy = jpeg(originals[2] if way is None else originals[2].transpose(way))
        ((found, distance, orientation),) = references.near(facts_of(copy))
        assert found is entries[2] and distance <= 31
        seen.add(orientation)
    assert seen == set(range(len(ORIENTATIONS)))
    assert references.near(facts_of(textured(seed=99))) == []


def test_marks_poor_hashes_and_pictures_without_one_are_left_out() -> None:
    own = facts_of(textured())
    good = Hash(own.pdq[0].tobytes(), 50)
    entries = [entry("b"), entry("a"), entry("mark", (0.1, 0.1, 0.5, 0.5)), entry("poor"), entry("gone")]
    references = ReferenceHashes(entries, {"a": good, "b": good, "mark": good, "poor": replace(good, quality=49)})
    assert [found.id for found, distance, orientation in references.near(own) if (distance, orientation) == (0, 0)] == [
        "b",
        "a",
    ]
    assert references.near(replace(own, pdq_quality=49)) == []
    assert ReferenceHashes([], {}).near(own) == []
