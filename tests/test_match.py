"""When a brand stands out, and when it must not: against other brands, negatives and pictures of nothing registered."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_bundle import WINDOWS, make_tiny_bundle

from brands.model import ReferenceKind
from index.snapshot import Snapshot, build_snapshot, load_snapshot
from screener import match
from screener.bundle import Bundle, OperatingPoint, Part, load_bundle
from screener.cosines import part_cosines
from screener.directory import Entry
from screener.embeddings import Embedding
from screener.facts_store import Hash
from screener.hashes import ReferenceHashes
from screener.match import Matches, match_pictures
from screener.picture_facts import PictureFacts
from screener.preprocess import WHOLE
from screener.release import Serving

COPY, PRODUCT = 0.8, 0.6


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    """A real bundle with thresholds of our own and no background."""
    loaded = load_bundle(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"))
    points = {use: OperatingPoint(score, 1e-3) for use, score in (("copy", COPY), ("product", PRODUCT), ("logo", 0.7))}
    yield replace(loaded, operating_points=points, background=None)


def vector(bundle: Bundle, *, angle: float, axis: int = 1) -> NDArray[np.float32]:
    """A unit vector whose cosine with `angle=0` is cos(angle) in every part."""
    whole = np.zeros(bundle.dim, dtype=np.float32)
    for part in bundle.parts:
        whole[part.start] = np.cos(angle)
        whole[part.start + axis] = np.sin(angle)
    return whole / np.linalg.norm(whole)


def at(bundle: Bundle, cosine: float, axis: int = 1) -> NDArray[np.float32]:
    return vector(bundle, angle=float(np.arccos(cosine)), axis=axis)


def serve(
    folder: Path,
    bundle: Bundle,
    references: list[tuple[str, ReferenceKind, NDArray[np.float32]]],
    level: float = 1.1,
    hashes: dict[str, Hash] | None = None,
) -> Serving:
    """A served index; no likeness reaches the default `level`, so a brand has to stand out to be shown."""
    ids = [f"ref_{number:03d}" for number in range(len(references))]
    vectors = np.stack([row for _, _, row in references])
    manifest = build_snapshot(
        folder, encoder_id=bundle.id, dim=bundle.dim, ids=ids, vectors=vectors, registry_version=1
    )
    snapshot: Snapshot = load_snapshot(folder / manifest.id, encoder_id=bundle.id)
    entries = {
        name: Entry(name, name, brand, kind, name, None, kind == "logo")
        for name, (brand, kind, _) in zip(ids, references, strict=True)
    }
    directory = SimpleNamespace(entries=entries, by_picture={})
    parts = SimpleNamespace(
        snapshot=snapshot,
        encoder=SimpleNamespace(bundle=bundle),
        directory=directory,
        hashes=ReferenceHashes(entries.values(), hashes or {}),
        shown_from=dict.fromkeys(("copy", "product", "logo"), level),
    )
    return cast(Serving, parts)


@pytest.fixture(scope="module")
def dense(bundle: Bundle) -> Bundle:
    """The same with three windows: for everything, for marks, and for products and marks."""
    return replace(bundle, dense=WINDOWS)


def look_through_windows(serving: Serving, vectors: NDArray[np.float32]) -> Matches:
    regions = ((0, WHOLE), *((0, window.box) for window in WINDOWS.windows))
    return match_pictures(serving, {0: Embedding("1" * 64, "listing", regions, vectors.astype(np.float16))}, {})


def look(serving: Serving, bundle: Bundle, facts: PictureFacts | None = None) -> Matches:
    query = vector(bundle, angle=0.0)[None].astype(np.float16)
    embedded = {0: Embedding("1" * 64, "listing", ((0, WHOLE),), query)}
    return match_pictures(serving, embedded, {0: facts} if facts else {})


def shown(matches: Matches, use: str) -> list[str]:
    return [found.brand_id for found in matches.shown if found.use == use]


def test_a_brand_far_above_the_next_is_shown_even_a_little_under_the_threshold(tmp_path: Path, bundle: Bundle) -> None:
    serving = serve(
        tmp_path, bundle, [("a", "authentic", at(bundle, PRODUCT - 0.05)), ("b", "authentic", at(bundle, 0.3, 2))]
    )
    matches = look(serving, bundle)
    assert shown(matches, "product") == ["a"]
    assert shown(matches, "copy") == []
    assert matches.best("authentic", "product") is None  # under the threshold it is no evidence of its own


def test_a_picture_equally_near_two_brands_shows_neither(tmp_path: Path, bundle: Bundle) -> None:
    near = at(bundle, 0.75), at(bundle, 0.75 - match.GAP / 2, 2)
    serving = serve(tmp_path, bundle, [("a", "authentic", near[0]), ("b", "authentic", near[1])])
    matches = look(serving, bundle)
    assert shown(matches, "product") == []
    assert matches.best("authentic", "product") is not None


def test_from_the_level_on_the_nearest_brand_is_shown_and_no_other(tmp_path: Path, bundle: Bundle) -> None:
    near = at(bundle, 0.75), at(bundle, 0.75 - match.GAP / 2, 2)
    references: list[tuple[str, ReferenceKind, NDArray[np.float32]]] = [
        ("a", "authentic", near[0]),
        ("b", "authentic", near[1]),
    ]
    for level, expected in ((0.70, ["a"]), (0.74, ["a"]), (0.76, [])):
        matches = look(serve(tmp_path, bundle, references, level), bundle)
        assert shown(matches, "product") == expected
        excess = {s.match.brand_id: s.excess for s in matches.sightings if s.match.use == "product"}
        assert excess["a"] == pytest.approx(0.75 - level, abs=2e-3)
        assert excess["b"] < 0


def test_a_nearer_negative_hides_the_brand_above_the_level_too(tmp_path: Path, bundle: Bundle) -> None:
    references: list[tuple[str, ReferenceKind, NDArray[np.float32]]] = [
        ("a", "authentic", at(bundle, 0.75)),
        ("b", "negative", at(bundle, 0.78, 2)),
    ]
    assert look(serve(tmp_path, bundle, references, 0.7), bundle).shown == ()


@pytest.mark.parametrize("distance", [0, 31, 32])
@pytest.mark.parametrize("orientation", [0, 5])
def test_a_picture_with_the_hash_of_a_reference_is_its_copy(
    tmp_path: Path, bundle: Bundle, distance: int, orientation: int
) -> None:
    bits = np.zeros(256, dtype=np.uint8)
    bits[:distance] = 1
    pdq = np.full((8, 32), 0xAA, dtype=np.uint8)
    pdq[orientation] = np.packbits(bits)
    facts = PictureFacts(100, 100, pdq, 90, 0.5, 0.1, 0.0, None)
    far: list[tuple[str, ReferenceKind, NDArray[np.float32]]] = [("a", "authentic", at(bundle, 0.1))]
    serving = serve(tmp_path, bundle, far, hashes={"ref_000": Hash(bytes(32), 90)})
    found = look(serving, bundle, facts).found
    assert [(m.reference_id, m.use, m.method) for m in found] == ([("ref_000", "copy", "pdq")] if distance < 32 else [])
    assert all(m.margin >= match.SURE for m in found)


def test_a_sure_copy_needs_no_gap(tmp_path: Path, bundle: Bundle) -> None:
    serving = serve(tmp_path, bundle, [("a", "authentic", at(bundle, 0.99)), ("b", "authentic", at(bundle, 0.97, 2))])
    assert shown(look(serving, bundle), "copy") == ["a"]


def test_a_nearer_negative_hides_the_brand(tmp_path: Path, bundle: Bundle) -> None:
    serving = serve(tmp_path, bundle, [("a", "known_fake", at(bundle, 0.95)), ("a", "negative", at(bundle, 0.96, 2))])
    matches = look(serving, bundle)
    assert matches.shown == ()
    assert matches.found[0].kind == "negative"


def test_pictures_of_nothing_registered_hide_a_weaker_brand(tmp_path: Path, bundle: Bundle) -> None:
    references: list[tuple[str, ReferenceKind, NDArray[np.float32]]] = [("a", "authentic", at(bundle, 0.7))]
    for nearness, expected in ((0.6, ["a"]), (0.75, [])):
        crowded = replace(bundle, background=at(bundle, nearness, 3)[None])
        assert shown(look(serve(tmp_path, crowded, references), crowded), "product") == expected


def test_a_score_is_what_stands_above_pictures_of_nothing_registered(tmp_path: Path, bundle: Bundle) -> None:
    points = {**bundle.operating_points, "product": OperatingPoint(PRODUCT, 1e-3, background_share=0.5)}
    crowded = replace(bundle, operating_points=points, background=at(bundle, 0.5, 3)[None])
    references: list[tuple[str, ReferenceKind, NDArray[np.float32]]] = [
        ("a", "authentic", at(bundle, 0.75)),
        ("a", "authentic", at(bundle, 1.0)),
    ]
    found = look(serve(tmp_path, crowded, references), crowded).found
    scores = {(m.reference_id, m.use): m.score for m in found}
    # Half of the level of 0.5 is taken out and the rest stretched to 1; the copy's operating point takes nothing out
    assert scores["ref_000", "product"] == pytest.approx((0.75 - 0.25) / 0.75, abs=2e-3)
    assert scores["ref_001", "product"] == pytest.approx(1.0, abs=2e-3)
    assert scores["ref_001", "copy"] == pytest.approx(1.0, abs=2e-3)
    assert ("ref_000", "copy") not in scores


def test_many_references_of_one_brand_do_not_hide_that_others_were_not_seen(tmp_path: Path, bundle: Bundle) -> None:
    ours = [("a", cast(ReferenceKind, "authentic"), at(bundle, 0.7 - 0.0005 * n)) for n in range(match.NEIGHBOURS)]
    rival = ("b", cast(ReferenceKind, "authentic"), at(bundle, 0.68, 2))
    assert shown(look(serve(tmp_path, bundle, [*ours, rival]), bundle), "product") == []
    assert shown(look(serve(tmp_path, bundle, ours), bundle), "product") == ["a"]


def test_marks_are_compared_as_marks_only(tmp_path: Path, bundle: Bundle) -> None:
    matches = look(serve(tmp_path, bundle, [("a", "logo", at(bundle, 0.95))]), bundle)
    assert {found.use for found in matches.found} == {"logo"}


@pytest.mark.parametrize(("kind", "uses"), [("logo", {"logo"}), ("authentic", {"copy", "product"})])
@pytest.mark.parametrize("window", range(len(WINDOWS.windows)))
def test_a_window_is_compared_for_its_uses_only(
    tmp_path: Path, dense: Bundle, kind: ReferenceKind, uses: set[str], window: int
) -> None:
    serving = serve(tmp_path, dense, [("a", kind, at(dense, 1.0))])
    vectors = np.stack([at(dense, 0.0, axis) for axis in range(2, 6)])
    vectors[1 + window] = at(dense, 0.99, 2)
    matches = look_through_windows(serving, vectors)
    assert {found.use for found in matches.found} == uses & set(WINDOWS.windows[window].uses)
    assert {found.box for found in matches.found} <= {WINDOWS.windows[window].box}
    assert {found.use for found in matches.shown} == {found.use for found in matches.found}


def test_of_several_windows_the_one_most_alike_is_the_evidence(tmp_path: Path, dense: Bundle) -> None:
    serving = serve(tmp_path, dense, [("a", "authentic", at(dense, 1.0))])
    vectors = np.stack([at(dense, cosine, 2) for cosine in (0.9, 0.95, 1.0, 0.97)])
    matches = look_through_windows(serving, vectors)
    assert {found.use: found.box for found in matches.found} == {
        "copy": WINDOWS.windows[0].box,
        "product": WINDOWS.windows[2].box,
    }


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_matches_are_what_comparing_one_by_one_gives(tmp_path: Path, dense: Bundle, seed: int) -> None:
    generator = np.random.default_rng(seed)
    middle = generator.standard_normal(dense.dim)
    rows = (middle + 0.8 * generator.standard_normal((40, dense.dim))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    kinds: list[ReferenceKind] = ["authentic", "logo", "known_fake", "negative"]
    folder = tmp_path / str(seed)
    serving = serve(folder, dense, [(f"b{n % 5}", kinds[n % 4], row) for n, row in enumerate(rows[:16])])
    queries = rows[16:20].astype(np.float16)
    found = look_through_windows(serving, queries).found
    uses = [("copy", "product", "logo"), *(window.uses for window in WINDOWS.windows)]
    expected: dict[tuple[str, str], float] = {}
    for own, query in zip(uses, queries.astype(float), strict=True):
        for n, row in enumerate(rows[:16]):
            for use in set(own) & ({"logo"} if kinds[n % 4] == "logo" else {"copy", "product"}):
                part = dense.part_for(use)
                assert part is not None
                a, b = query[part.start : part.stop], row[part.start : part.stop].astype(float)
                score = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                key = (f"ref_{n:03d}", use)
                expected[key] = max(expected.get(key, -1.0), score)
    points = dense.operating_points
    wanted = {key: score for key, score in expected.items() if score >= points[key[1]].score + 1e-4}
    scores = {(match.reference_id, match.use): match.score for match in found if match.margin >= 0}
    assert set(wanted) <= set(scores)
    for key, score in scores.items():
        assert score == pytest.approx(expected[key], abs=1e-4)
        assert score >= points[key[1]].score - 1e-4


@given(data=st.data())
def test_part_cosines_are_cosines(data: st.DataObject) -> None:
    rows = st.lists(st.floats(-1, 1, width=32), min_size=6, max_size=6)
    left, right = (np.array(data.draw(st.lists(rows, min_size=1, max_size=4)), dtype=np.float32) for _ in range(2))
    found = part_cosines(Part("p", 1, 5, ("copy",)), left, right)
    for i, a in enumerate(left[:, 1:5].astype(float)):
        for j, b in enumerate(right[:, 1:5].astype(float)):
            lengths = np.linalg.norm(a) * np.linalg.norm(b)
            expected = a @ b / lengths if lengths > 1e-5 else found[i, j]
            assert abs(found[i, j] - expected) < 1e-3
    assert not part_cosines(None, left, right).any()
