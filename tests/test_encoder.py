"""The encoder on a real little bundle: shapes, order, storage, threads, golden outputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_bundle import DIM, HALF, SIZE, WINDOWS, make_tiny_bundle, tiny_encoder

from screener.bundle import MANIFEST
from screener.dense import even_pooling
from screener.encoder import IMAGE_CHUNK, TEXT_CHUNK, Encoder, as_stored, from_stored
from screener.errors import BundleRefused


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encoder]:
    found = tiny_encoder(make_tiny_bundle(tmp_path_factory.mktemp("bundle")))
    yield found
    found.close()


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encoder]:
    found = tiny_encoder(make_tiny_bundle(tmp_path_factory.mktemp("dense"), dense=WINDOWS))
    yield found
    found.close()


def pictures(count: int, seed: int = 0, size: int = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def test_golden_outputs_fit(encoder: Encoder) -> None:
    encoder.check_golden()


@pytest.mark.parametrize("count", [0, 1, 2, IMAGE_CHUNK, IMAGE_CHUNK + 1, 3 * IMAGE_CHUNK + 1])
def test_pictures_keep_their_order_in_any_batch(encoder: Encoder, count: int) -> None:
    pixels = pictures(count)
    together = encoder.encode_pixels(pixels)
    assert together.shape == (count, DIM)
    assert together.dtype == np.float32
    for row, one in zip(together, pixels, strict=True):
        # Batches of other sizes may sum in another order, so they agree to one step of float16.
        np.testing.assert_allclose(row, encoder.encode_pixels(one[None])[0], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


def test_texts_keep_their_order_whatever_their_length(encoder: Encoder) -> None:
    texts = ["word " * (n % 7) + str(n) for n in range(2 * TEXT_CHUNK + 3)]
    together = encoder.encode_texts(texts)
    assert together.shape == (len(texts), DIM)
    for row, text in zip(together, texts, strict=True):
        np.testing.assert_allclose(row, encoder.encode_texts([text])[0], atol=1e-3)
    assert not together[:, HALF:].any()
    assert encoder.encode_texts([]).shape == (0, DIM)


def test_the_same_picture_scores_one_and_others_lower(encoder: Encoder) -> None:
    vectors = encoder.encode_pixels(np.concatenate([pictures(4), pictures(4)]))
    scores = vectors @ vectors.T
    np.testing.assert_allclose(np.diag(scores[:4, 4:]), 1, atol=1e-5)
    assert scores[:4, :4][~np.eye(4, dtype=bool)].max() < 0.9


def test_other_shapes_and_types_are_refused(encoder: Encoder) -> None:
    for wrong in (pictures(1)[0], pictures(1)[:, :32], pictures(1)[..., :1]):
        with pytest.raises(ValueError, match="pixels must be uint8"):
            encoder.encode_pixels(wrong)
    with pytest.raises(ValueError, match="pixels must be uint8"):
        encoder.encode_pixels(pictures(1).astype(np.float32))


def test_threads_share_one_encoder(encoder: Encoder) -> None:
    batches = [pictures(3, seed) for seed in range(8)]
    alone = [encoder.encode_pixels(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        for expected, got in zip(alone, pool.map(encoder.encode_pixels, batches), strict=True):
            np.testing.assert_array_equal(got, expected)


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32 - 1), dim=st.integers(128, 768), zeros=st.sampled_from([0, 32, 64]))
def test_a_kept_vector_comes_back_the_same_in_every_bit(seed: int, dim: int, zeros: int) -> None:
    raw = np.random.default_rng(seed).standard_normal((3, dim))
    raw[:, :zeros] = 0
    unit = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    fresh = from_stored(as_stored(unit))
    np.testing.assert_array_equal(from_stored(as_stored(fresh)), fresh)


def test_two_bundles_of_one_seed_are_the_same(tmp_path: Path) -> None:
    first, second = (tiny_encoder(make_tiny_bundle(tmp_path / name)) for name in "ab")
    assert first.bundle.id == second.bundle.id
    assert first.bundle.manifest == second.bundle.manifest
    first.close()
    second.close()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_windows_keep_their_order_in_any_batch(dense: Encoder, count: int) -> None:
    large = pictures(count, size=WINDOWS.size)
    together = dense.encode_windows(large)
    assert together.shape == (count, len(WINDOWS.windows), DIM)
    for row, one in zip(together, large, strict=True):
        np.testing.assert_allclose(row, dense.encode_windows(one[None])[0], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(together, axis=2), 1, atol=1e-6)


def test_a_window_has_the_vector_of_its_pixels_alone(dense: Encoder) -> None:
    large = pictures(1, size=WINDOWS.size)
    left, right, middle = dense.encode_windows(large)[0]
    np.testing.assert_allclose(left, dense.encode_pixels(large[:, :SIZE, :SIZE])[0], atol=1e-3)
    np.testing.assert_allclose(right, dense.encode_pixels(large[:, :SIZE, SIZE:])[0], atol=1e-3)
    assert left @ middle < 0.9


def test_one_picture_of_a_listing_has_what_was_cut_and_then_its_windows(dense: Encoder) -> None:
    pixels, large = pictures(3), pictures(1, seed=1, size=WINDOWS.size)
    together = dense.encode_listing(pixels, large[0])
    np.testing.assert_allclose(together[:3], dense.encode_pixels(pixels), atol=1e-3)
    np.testing.assert_array_equal(together[3:], dense.encode_windows(large)[0])
    whole = dense.encode_pooled(large, even_pooling(WINDOWS.size))
    assert whole.shape == (1, 1, DIM)


def test_windows_are_only_for_bundles_that_have_them(encoder: Encoder, dense: Encoder) -> None:
    large = pictures(1, size=WINDOWS.size)
    np.testing.assert_array_equal(encoder.encode_listing(pictures(2), None), encoder.encode_pixels(pictures(2)))
    for refused in (
        lambda: encoder.encode_windows(large),
        lambda: encoder.encode_pooled(large, even_pooling(WINDOWS.size)),
        lambda: encoder.encode_listing(pictures(1), large[0]),
        lambda: dense.encode_listing(pictures(1), None),
        lambda: dense.encode_windows(pictures(1)),
        lambda: dense.encode_pixels(large),
        lambda: dense.encode_pooled(large, even_pooling(SIZE)),
    ):
        with pytest.raises(ValueError, match=r"windows|pixels must be uint8"):
            refused()


def test_golden_windows_are_checked(dense: Encoder, tmp_path: Path) -> None:
    dense.check_golden()
    folder = make_tiny_bundle(tmp_path, dense=WINDOWS)
    with np.load(folder / "golden.npz") as golden:
        arrays = dict(golden)
    for changed in (np.roll(arrays["window_embeddings"], 1, axis=2), None):
        arrays.pop("window_embeddings")
        np.savez(folder / "golden.npz", **arrays, **({} if changed is None else {"window_embeddings": changed}))
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        data = (folder / "golden.npz").read_bytes()
        manifest["files"]["golden.npz"] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")
        other = tiny_encoder(folder)
        with pytest.raises(BundleRefused, match="golden"):
            other.check_golden()
        other.close()
        arrays["window_embeddings"] = changed
