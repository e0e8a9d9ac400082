"""The encoder on a real little bundle: shapes, order, storage, threads, golden outputs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_bundle import DIM, HALF, SIZE, make_tiny_bundle, tiny_encoder

from screener.encoder import IMAGE_CHUNK, TEXT_CHUNK, Encoder, as_stored, from_stored


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encoder]:
    found = tiny_encoder(make_tiny_bundle(tmp_path_factory.mktemp("bundle")))
    yield found
    found.close()


def pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


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


@settings(max_examples=200, deadline=None)
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
