"""The index against its oracle, and everything a snapshot must refuse."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from index import kinds
from index.errors import SnapshotRefused, VectorsRefused
from index.live import Live
from index.search import brute_force, search
from index.snapshot import Manifest, build_snapshot, list_snapshots, load_snapshot, prune_snapshots, verify_snapshot


def unit_rows(generator: np.random.Generator, count: int, dim: int) -> NDArray[np.float32]:
    rows = generator.standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def names(count: int) -> list[str]:
    return [f"ref_{number:06d}" for number in range(count)]


def build(root: Path, vectors: NDArray[np.float32], *, encoder_id: str = "enc_a", version: int = 1) -> Manifest:
    return build_snapshot(
        root,
        encoder_id=encoder_id,
        dim=vectors.shape[1],
        ids=names(len(vectors)),
        vectors=vectors,
        registry_version=version,
    )


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 80),
    copies=st.integers(1, 12),
    dim=st.sampled_from([2, 8, 33]),
    k=st.integers(1, 15),
)
def test_flat_search_equals_brute_force_with_ties(seed: int, count: int, copies: int, dim: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    vectors = np.repeat(unit_rows(generator, count, dim), copies, axis=0)[generator.permutation(count * copies)]
    queries = np.concatenate([unit_rows(generator, 3, dim), vectors[:2]])
    index = kinds.make_index(vectors)
    found, expected = search(index, vectors, queries, k), brute_force(queries, vectors, k)
    np.testing.assert_array_equal(found.positions, expected.positions)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_short_results_end_in_minus_one() -> None:
    vectors = unit_rows(np.random.default_rng(0), 3, 8)
    hits = search(kinds.make_index(vectors), vectors, vectors[:1], 5)
    assert hits.positions[0].tolist()[3:] == [-1, -1]
    assert hits.scores[0].tolist()[3:] == [-np.inf, -np.inf]


def test_inverted_lists_are_chosen_by_size_and_reranked_to_exact_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "FLAT_BELOW", 3000)
    generator = np.random.default_rng(1)
    centres = unit_rows(generator, 60, 32)
    vectors = centres[generator.integers(0, 60, 4000)] + 0.1 * unit_rows(generator, 4000, 32)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    assert kinds.kind_of(kinds.make_index(vectors[:2999])) == "flat"
    index = kinds.make_index(vectors)
    assert kinds.kind_of(index) == "ivf"
    queries = vectors[:200] + 0.05 * unit_rows(generator, 200, 32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    found, truth = search(index, vectors, queries, 10), brute_force(queries, vectors, 10)
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(found.positions, truth.positions, strict=True)])
    assert recall >= 0.97
    first = found.positions[:, 0] == truth.positions[:, 0]
    np.testing.assert_array_equal(found.scores[first, 0], truth.scores[first, 0])


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda v, i: (v * np.float32(1.01), i), "unit"),
        (lambda v, i: (np.where(v == v[2, 3], np.float32("nan"), v), i), "row 2"),
        (lambda v, i: (np.where(v == v[2, 3], np.float32("inf"), v), i), "row 2"),
        (lambda v, i: (v * np.float32(0), i), "unit"),
        (lambda v, i: (v, [*i[:-1], i[0]]), "twice"),
        (lambda v, i: (v, ["", *i[1:]]), "empty"),
        (lambda v, i: (v, i[:-1]), "ids"),
        (lambda v, i: (v[:, :-1], i), "wide"),
        (lambda v, i: (v.astype(np.float64), i), "float32"),
        (lambda v, i: (v[0], i), "axes"),
    ],
)
def test_build_refuses_what_would_poison_searches(tmp_path: Path, spoil: Callable[..., Any], word: str) -> None:
    vectors, ids = spoil(unit_rows(np.random.default_rng(0), 5, 8), names(5))
    with pytest.raises(VectorsRefused, match=word):
        build_snapshot(tmp_path, encoder_id="enc_a", dim=8, ids=ids, vectors=vectors, registry_version=1)
    assert list(tmp_path.glob("*snp_*")) == []


def test_an_empty_index_answers_nothing(tmp_path: Path) -> None:
    manifest = build(tmp_path, np.empty((0, 8), dtype=np.float32))
    snapshot = load_snapshot(tmp_path / manifest.id, encoder_id="enc_a")
    assert snapshot.search(unit_rows(np.random.default_rng(0), 2, 8), 3).positions.tolist() == [[-1] * 3] * 2


def test_equal_content_is_one_snapshot_and_other_content_another(tmp_path: Path) -> None:
    vectors = unit_rows(np.random.default_rng(0), 6, 8)
    first = build(tmp_path, vectors)
    again = build(tmp_path, vectors.copy(), version=2)
    assert again.id == first.id
    assert build(tmp_path, vectors[:5]).id != first.id
    assert build(tmp_path, vectors, encoder_id="enc_b").id != first.id
    assert len(list_snapshots(tmp_path)) == 3


@pytest.mark.parametrize("name", ["index.faiss", "vectors.npy", "ids.json", "manifest.json"])
@pytest.mark.parametrize("harm", ["flip", "truncate", "remove"])
def test_a_damaged_snapshot_is_refused_and_built_again(tmp_path: Path, name: str, harm: str) -> None:
    vectors = unit_rows(np.random.default_rng(0), 20, 8)
    folder = tmp_path / build(tmp_path, vectors).id
    victim = folder / name
    data = bytearray(victim.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 0x10
        victim.write_bytes(data)
    elif harm == "truncate":
        victim.write_bytes(data[: len(data) // 2])
    else:
        victim.unlink()
    with pytest.raises(SnapshotRefused):
        load_snapshot(folder, encoder_id="enc_a")
    assert load_snapshot(tmp_path / build(tmp_path, vectors).id, encoder_id="enc_a").manifest.count == 20


def test_a_snapshot_of_another_encoder_or_format_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / build(tmp_path, unit_rows(np.random.default_rng(0), 4, 8)).id
    with pytest.raises(SnapshotRefused, match="belongs to encoder"):
        load_snapshot(folder, encoder_id="enc_b")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(SnapshotRefused, match="format"):
        verify_snapshot(folder)


def test_pruning_keeps_the_served_one_and_two_more(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    ids = [build(tmp_path, unit_rows(generator, 4, 8)).id for _ in range(5)]
    prune_snapshots(tmp_path, served=ids[0])
    assert {manifest.id for manifest in list_snapshots(tmp_path)} >= {ids[0]}
    assert len(list_snapshots(tmp_path)) == 3


def test_pruning_keeps_the_newest_of_two_other_encoders(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)

    def built(encoder_id: str, day: int) -> str:
        rows = unit_rows(generator, 4, 8)
        ids = [f"ref_{n}" for n in range(4)]
        at = datetime(2025, 1, day, tzinfo=UTC)
        return build_snapshot(
            tmp_path, encoder_id=encoder_id, dim=8, ids=ids, vectors=rows, registry_version=1, now=at
        ).id

    oldest, older, previous, shadow = built("enc_d", 1), built("enc_c", 2), built("enc_c", 3), built("enc_b", 4)
    served = built("enc_a", 5)
    assert set(prune_snapshots(tmp_path, served=served, also=[oldest])) == {older}
    assert set(prune_snapshots(tmp_path, served=served)) == {oldest}
    assert {manifest.id for manifest in list_snapshots(tmp_path)} == {served, shadow, previous}


def test_leftovers_of_a_killed_build_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".snp_dead.123.tmp").mkdir()
    (tmp_path / ".snp_dead.123.tmp" / "index.faiss").write_bytes(b"half")
    build(tmp_path, unit_rows(np.random.default_rng(0), 4, 8))
    assert list(tmp_path.glob(".snp_*")) == []


def test_searches_go_on_while_snapshots_are_swapped(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    snapshots = [
        load_snapshot(tmp_path / build(tmp_path, unit_rows(generator, 500, 16)).id, encoder_id="enc_a")
        for _ in range(2)
    ]
    live: Live[object] = Live(clock=lambda: 0.0)
    live.swap(snapshots[0])
    expected = {id(s): s.search(s.vectors[:8], 3).positions.tolist() for s in snapshots}
    failures: list[str] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            snapshot = live.current
            assert snapshot is not None
            if snapshot.search(snapshot.vectors[:8], 3).positions.tolist() != expected[id(snapshot)]:
                failures.append("mixed answer")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(200):
        live.swap(snapshots[turn % 2])
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []


def test_age_counts_from_the_last_agreement_with_the_truth() -> None:
    now = 100.0
    live: Live[str] = Live(clock=lambda: now)
    assert live.current is None
    live.swap("a")
    now = 130.0
    assert live.age == 30.0
    live.confirm()
    assert live.age == 0.0


def test_faiss_uses_one_thread() -> None:
    assert faiss.omp_get_max_threads() == 1
