"""Hidden patches: what drawing tools leave alone, what the network is shown, and a training run from end to end."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from service_kit import encoded, picture

from screener.covers import FEATURES, GRID
from training import covers_train
from training.covers import COVERS, random_place
from training.covers_pictures import CELLS, busy_place, cut, draw_batch
from training.facts_measure import measure_covers, measure_pdq, measure_sharpness, measure_time
from training.sources import Source


@settings(max_examples=30)
@given(st.sampled_from(sorted(COVERS)), st.integers(0, 2**32 - 1), st.sampled_from([(200, 160), (90, 300), (512, 512)]))
def test_a_cover_hides_its_place_and_nothing_far_from_it(kind: str, seed: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    image = picture(seed % 100, size)
    place = random_place(size, rng)
    covered = COVERS[kind](image, place, rng)
    assert covered.size == size and covered.mode == "RGB"
    changed = np.abs(np.asarray(covered).astype(int) - np.asarray(image)).max(axis=-1) > 0
    margin = max(size) // 30 + 3
    changed[max(place[1] - margin, 0) : place[3] + margin, max(place[0] - margin, 0) : place[2] + margin] = False
    assert not changed.any()


def test_nothing_is_hidden_on_a_bare_wall() -> None:
    assert busy_place(Image.new("RGB", (200, 200), "grey"), np.random.default_rng(1)) is None
    assert busy_place(picture(1), np.random.default_rng(1)) is not None


def sources(count: int) -> list[Source]:
    kinds = ("photo", "product", "thing")
    return [
        Source(f"s{n}", kinds[n % 3], f"s{n}", ("",), lambda n=n: encoded(picture(n).resize((1000, 800))))  # type: ignore[misc]
        for n in range(count)
    ]


def test_sources_are_cut_by_their_kind_and_bad_ones_left_out() -> None:
    photo, product, thing = sources(3)
    assert [len(cut(source, 1)) for source in (photo, product, thing)] == [14, 2, 1]
    for data in cut(photo, 1):
        assert max(Image.open(io.BytesIO(data)).size) <= 512
    assert cut(Source("x", "photo", "x", ("",), lambda: b"no picture"), 1) == []
    assert cut(Source("x", "logo", "x", ("",), photo.read), 1) == []


def test_a_batch_is_the_same_for_the_same_seed_and_says_what_is_hidden() -> None:
    pictures = cut(sources(1)[0], 1)
    features, hidden = draw_batch(pictures, 24, 7)
    again, _ = draw_batch(pictures, 24, 7)
    np.testing.assert_array_equal(features, again)
    assert features.shape == (24, GRID, GRID, FEATURES) and hidden.shape == (24, CELLS, CELLS)
    shares = hidden.max(axis=(1, 2))
    assert 0 < (shares > 0).sum() < 24 and hidden.min() == 0 and hidden.max() <= 1


def test_a_training_run_writes_what_serving_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covers_train, "_CHECKED", 64)
    out = tmp_path / "covers.npz"
    loss, found = covers_train.train_covers(sources(9), out, draws=64, epochs=2, seed=1, workers=1)
    assert np.isfinite(loss) and 0 <= found <= 1
    from screener import covers

    monkeypatch.setattr(covers, "WEIGHTS", out)
    covers._weights.cache_clear()
    try:
        certainty, _ = covers.find_cover(picture(3))
        assert 0 <= certainty <= 1
    finally:
        covers._weights.cache_clear()


def test_facts_are_measured_on_a_folder_of_sets(tmp_path: Path) -> None:
    for name in ("copies", "grocery", "logos"):
        folder = tmp_path / name
        folder.mkdir()
        rows: list[dict[str, object]] = []
        for n in range(4):
            (folder / f"{n}.png").write_bytes(encoded(picture(n)))
            rows.append({"kind": "reference", "image": f"{n}.png", "id": n, "boxes": [[10, 10, 80, 60]]})
        (folder / "q.png").write_bytes(encoded(picture(2).rotate(180)))
        rows.append({"kind": "query", "image": "q.png", "id": 2, "edits": ["rotate"]})
        (folder / "n.png").write_bytes(encoded(picture(50)))
        rows.append({"kind": "none", "image": "n.png", "id": None, "edits": ["crop"]})
        (folder / "manifest.json").write_text(json.dumps(rows))
    one, eight = measure_pdq(tmp_path / "copies")
    assert (one["recall"], eight["recall"]) == (0.0, 1.0)
    assert (eight["uAP"], eight["false"], eight["queries"], eight["pairs"]) == (1.0, 0, 2, 8)
    covered = measure_covers(tmp_path, most=2, seed=1)
    assert list(covered) == ["nothing", "saved again", *COVERS]
    assert covered["nothing"]["photos"] == 6
    sharpness = measure_sharpness(tmp_path / "copies", most=3)
    assert sharpness[0]["median"] > sharpness[-1]["median"]
    assert measure_time(tmp_path / "copies", most=3)["median"] > 0
