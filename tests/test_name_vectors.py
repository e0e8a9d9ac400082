"""Brand names by the text tower: kept once, compared with pictures and titles, and silent where it was not measured."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from service_kit import Kit, encoded, picture, running
from tiny_bundle import DIM, HALF, PARTS, POINTS, WINDOWS, make_tiny_bundle, tiny_encoder

from brands.database import Database
from brands.model import Brand, BrandDetails
from screener.bundle import Bundle, OperatingPoint, load_bundle, write_manifest
from screener.embeddings import Embedding
from screener.encoder import Encoder, as_stored
from screener.listing import Listing
from screener.name_vectors import (
    GAP,
    MIN_RECALL,
    NAME_SEEN,
    WORDS_SEEN,
    NameVectors,
    brands_worded,
    load_names,
    names_of,
    names_shown,
    text_point,
    text_support,
)
from screener.preprocess import WHOLE
from training.errors import TrainingError
from training.name_measure import measure_names

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def with_text_point(path: Path, point: OperatingPoint | None, *, dense: bool = False) -> Path:
    """A tiny bundle with an operating point for text, or without one."""
    make_tiny_bundle(path, dense=WINDOWS if dense else None)
    write_manifest(
        path,
        name="tiny",
        dim=DIM,
        precision={"image": "fp32", "text": "fp32"},
        parts=PARTS,
        operating_points=POINTS | ({"text": point} if point else {}),
        golden_tolerance=1e-4,
        metrics={},
        source={"model": "made by tests/tiny_bundle.py"},
    )
    return path


SPEAKS = OperatingPoint(0.9, 1e-3, recall=0.5)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encoder]:
    opened = tiny_encoder(with_text_point(tmp_path_factory.mktemp("bundle"), SPEAKS))
    yield opened
    opened.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    opened.migrate()
    yield opened
    opened.close()


def brand(identifier: str, name: str, *aliases: str) -> Brand:
    details = BrandDetails(name=name, aliases=aliases)
    return Brand(**{
        **{field: getattr(details, field) for field in details.__dataclass_fields__},
        "id": identifier, "state": "active", "revision": 1, "created_at": NOW, "updated_at": NOW,
    })  # fmt: skip


def brands(*made: Brand) -> dict[str, Brand]:
    return {one.id: one for one in made}


def shown(vectors: NDArray[np.float32]) -> Embedding:
    """A picture whose regions (n, D) have these vectors."""
    return Embedding("0" * 64, "listing-4", tuple((0, WHOLE) for _ in vectors), as_stored(vectors))


class TestTextPoint:
    @pytest.mark.parametrize(
        "point",
        [None, OperatingPoint(0.9, 1e-3), OperatingPoint(0.9, 1e-3, recall=MIN_RECALL / 2)],
        ids=["none", "not measured", "too little"],
    )
    def test_is_silent_where_nothing_good_was_measured(
        self, tmp_path: Path, database: Database, point: OperatingPoint | None
    ) -> None:
        opened = tiny_encoder(with_text_point(tmp_path / "bundle", point))
        assert text_point(opened.bundle) is None
        assert load_names(opened, brands(brand("brd_1", "Zorvan")), database, lambda: NOW) is None
        opened.close()

    def test_speaks_where_it_was_measured(self, encoder: Encoder) -> None:
        assert text_point(encoder.bundle) == SPEAKS

    def test_the_embedded_bundle_is_silent(self) -> None:
        from screener.settings import embedded_bundle

        assert text_point(load_bundle(embedded_bundle())) is None


def test_names_are_the_name_and_the_latin_aliases() -> None:
    made = brand("brd_1", "卓凡", "Zorvan", "Зорван", "zorvan卓凡")
    assert names_of([made]) == [("brd_1", "卓凡"), ("brd_1", "Zorvan"), ("brd_1", "zorvan卓凡")]


class TestLoadNames:
    def test_encodes_once(self, encoder: Encoder, database: Database) -> None:
        known = brands(brand("brd_1", "Zorvan", "Zorvan Sport"), brand("brd_2", "Mirelle"))
        first = load_names(encoder, known, database, lambda: NOW)
        again = load_names(_Mute(encoder), known, database, lambda: NOW)
        assert first is not None and again is not None
        assert first.names == ("Zorvan", "Zorvan Sport", "Mirelle")
        assert first.brand_ids == ("brd_1", "brd_1", "brd_2")
        assert np.array_equal(first.vectors, encoder.encode_texts(list(first.names)))
        assert np.array_equal(first.vectors, again.vectors)

    def test_a_new_name_is_added_and_a_shared_one_kept_once(self, encoder: Encoder, database: Database) -> None:
        load_names(encoder, brands(brand("brd_1", "Zorvan")), database, lambda: NOW)
        found = load_names(encoder, brands(brand("brd_1", "Zorvan"), brand("brd_2", "Zorvan ")), database, lambda: NOW)
        assert found is not None and found.vectors.shape == (2, DIM)

    def test_many_names(self, encoder: Encoder, database: Database) -> None:
        many = brands(*(brand(f"brd_{n:04}", f"name {n}") for n in range(600)))
        found = load_names(encoder, many, database, lambda: NOW)
        assert found is not None
        assert np.allclose(found.vectors, encoder.encode_texts([f"name {n}" for n in range(600)]), atol=2e-3)

    def test_no_brands(self, encoder: Encoder, database: Database) -> None:
        found = load_names(encoder, {}, database, lambda: NOW)
        assert found is not None and found.vectors.shape == (0, DIM)
        assert names_shown(encoder.bundle, found, {0: shown(np.ones((1, DIM), np.float32))}) == ()


class TestNamesShown:
    def test_finds_the_name_a_picture_is_like(self, encoder: Encoder, database: Database) -> None:
        names = load_names(encoder, brands(brand("brd_1", "Zorvan"), brand("brd_2", "Mirelle")), database, lambda: NOW)
        assert names is not None
        like_mirelle = shown(np.stack([np.roll(names.vectors[1], 5), names.vectors[1]]))
        (match,) = names_shown(encoder.bundle, names, {3: like_mirelle})
        assert (match.brand_id, match.name, match.image) == ("brd_2", "Mirelle", 3)
        assert match.score == pytest.approx(1.0, abs=2e-3)
        assert match.gap == pytest.approx(match.score - float(names.vectors[0] @ names.vectors[1]), abs=2e-3)

    def test_nothing_under_the_threshold(self, encoder: Encoder, database: Database) -> None:
        names = load_names(encoder, brands(brand("brd_1", "Zorvan")), database, lambda: NOW)
        assert names is not None
        far = np.zeros((1, DIM), np.float32)
        far[0, HALF:] = 1 / np.sqrt(HALF)  # all of its length in the part for copies
        assert names_shown(encoder.bundle, names, {0: shown(far)}) == ()

    @given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 4))
    def test_is_what_comparing_all_pairs_gives(self, seed: int, count: int, regions: int) -> None:
        rng = np.random.default_rng(seed)
        bundle = _bundle()
        vectors = _units(rng, count)
        names = NameVectors(tuple(f"b{n // 2}" for n in range(count)), tuple(map(str, range(count))), vectors)
        mixed = vectors[rng.integers(0, count, regions)] + 0.3 * _units(rng, regions)
        seen = shown((mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32))
        found = names_shown(bundle, names, {0: seen})
        best: dict[str, float] = {}
        for region in seen.vectors:
            scored = [(_cosine(region, name), owner) for name, owner in zip(vectors, names.brand_ids, strict=True)]
            score, owner = max(scored)
            if score >= SPEAKS.score:
                best[owner] = max(best.get(owner, -1.0), score)
        assert {match.brand_id: pytest.approx(match.score, abs=1e-5) for match in found} == best
        assert [match.score for match in found] == sorted((match.score for match in found), reverse=True)

    def test_only_regions_for_marks_count(self, tmp_path: Path, database: Database) -> None:
        opened = tiny_encoder(with_text_point(tmp_path / "bundle", SPEAKS, dense=True))
        names = load_names(opened, brands(brand("brd_1", "Zorvan")), database, lambda: NOW)
        assert names is not None and opened.bundle.dense is not None
        windows = tuple(replace(window, uses=("copy",)) for window in opened.bundle.dense.windows)
        deaf = replace(opened.bundle, dense=replace(opened.bundle.dense, windows=windows))
        silent = np.zeros((1 + len(windows), DIM), np.float32)
        silent[:, -1] = 1
        silent[-1] = names.vectors[0]  # the last window
        assert names_shown(deaf, names, {0: shown(silent)}) == ()
        assert names_shown(opened.bundle, names, {0: shown(silent)}) != ()
        opened.close()


class TestBrandsWorded:
    @pytest.fixture
    def kit(self, tmp_path: Path) -> Iterator[Kit]:
        with_text_point(tmp_path / "bundle", replace(SPEAKS, score=-0.5))
        with running(tmp_path) as kit:
            yield kit

    def test_ranks_brands_by_their_nearest_reference(self, kit: Kit) -> None:
        made = [kit.add_brand(name) for name in ("Zorvan", "Mirelle")]
        for number, one in enumerate(made):
            kit.add_reference(one, "authentic", picture(number))
            kit.add_reference(one, "negative", picture(10 + number))
        kit.refresh()
        serving = kit.service.live.current
        assert serving is not None
        query = serving.encoder.encode_texts(["a title"])[0]
        best = {
            entry.brand_id: float(_cosine(query, serving.snapshot.vectors[place]))
            for place, identifier in enumerate(serving.snapshot.ids)
            if (entry := serving.directory.entries[identifier]).kind == "authentic"
        }
        found = brands_worded(serving, "a title")
        assert {match.brand_id: pytest.approx(match.score, abs=1e-4) for match in found} == {
            brand_id: score for brand_id, score in best.items() if score >= -0.5
        }
        if len(found) == 2:
            assert found[0].gap == pytest.approx(found[0].score - found[1].score)
            assert found[1].gap == pytest.approx(-found[0].gap)

    def test_names_and_words_that_stand_out_support_a_likeness(self, kit: Kit) -> None:
        serving = kit.service.live.current
        assert serving is not None and serving.names is not None
        seen = {0: Embedding("1" * 64, "listing", ((0, WHOLE),), as_stored(serving.names.vectors[:1]))}
        expected = {
            match.brand_id: NAME_SEEN
            for match in names_shown(serving.encoder.bundle, serving.names, seen)
            if match.gap >= GAP
        }
        for match in brands_worded(serving, "a title"):
            if match.gap >= GAP:
                expected[match.brand_id] = expected.get(match.brand_id, 0.0) + WORDS_SEEN
        assert text_support(serving, Listing("L", "a title", "shop"), seen) == pytest.approx(expected)
        silent = replace(serving, names=None)
        assert text_support(silent, Listing("L", "a title", "shop"), seen) == {}

    def test_no_words_no_brand(self, kit: Kit) -> None:
        serving = kit.service.live.current
        assert serving is not None
        assert brands_worded(serving, " ") == () and brands_worded(serving, "shoes") == ()


def test_measures_names_among_invented_ones(encoder: Encoder, tmp_path: Path) -> None:
    folder = tmp_path / "logos"
    folder.mkdir()
    rows = [{"kind": "query", "image": f"{n}.png", "brand": f"Brand {n}"} for n in range(3)]
    for n, row in enumerate(rows):
        (folder / str(row["image"])).write_bytes(encoded(picture(n)))
    (folder / "manifest.json").write_text(json.dumps(rows), "utf-8")
    found = measure_names(encoder, tmp_path, 20)["logos"]
    assert (found.photos, found.names, found.chance) == (3, 23, round(1 / 23, 4))
    assert 0 <= found.top_1 <= found.top_10 <= 1 and 1 <= found.median_rank <= 23
    with pytest.raises(TrainingError):
        measure_names(encoder, folder)


class _Mute(Encoder):
    """An encoder that may not encode: everything must be known."""

    def __init__(self, other: Encoder):
        self._bundle = other.bundle

    def encode_texts(self, texts: object) -> NDArray[np.float32]:
        raise AssertionError(f"encoded again: {texts}")


def _bundle() -> Bundle:
    return _BUNDLES[0]


_BUNDLES: list[Bundle] = []


@pytest.fixture(autouse=True, scope="module")
def _keep_bundle(encoder: Encoder) -> None:
    _BUNDLES.append(encoder.bundle)


def _units(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    rows = rng.standard_normal((count, DIM)).astype(np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    left, right = one[:HALF].astype(np.float64), other[:HALF].astype(np.float64)
    return float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))
