"""PDQ against the reference implementation, against its definition, and against what turning a picture should do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from screener.pdq import SIDE, pdq

REFERENCE = {
    # Hashes by the reference implementation (its binding for Python, pdqhash 0.2.8) of `scene(number)`.
    1: (
        "08b5986a0c3d58ea09b759ea0fbfa563f161269ff142449075ca05ddafd4ab4d",
        "c5a3ab4741ebab47fe03d4a15243e050fe5ea250ff8055a97e4d55985f68543a",
        "fde0504159e8f3405caaf3405aea0fc9a4348c35a417fe3aa09faf77fa8901e7",
        "10f601ed14be01edab567e0b07164afaab0b08faaad5ff032b18ff320a3dbe90",
        "08b505140cbda4150dff26150fbf5a9cf161d960f146ab6f75cafa22afd454b2",
        "dde0afbf59e80ebf58aa8cbf5aeaf036a43473caa41301c5209f5088fa81fe18",
        "41a314b801eb54a8fe03235e02430faf9e5e55afff80aa56764daa475f68abc5",
        "94fefe1294befe12ab5689f41716b505ab0bf705aad500fc2b1a00ed0a3d416f",
    ),
    2: (
        "6ce89787d4d0b7856ce9eb8555aad72aa9594478af1c0478ad54f95400eff11a",
        "f5ad50babcad8cfa8cac04877528a852fe0257218b52df028bf3abd1d303a37d",
        "19bc3d2d81811d2d39bc412f00ff7d80fc0ceed2fa09aed2f80113fe55ba5bb0",
        "a0f8ba10c9f82650d9f9aa2d007d02f8ab57fd8bde0775a8dea6217b065609d7",
        "ece82878d4d448786ce9107a55aa28d5a959bb87af1cfb87af5406ab00ef0ee5",
        "b9bfc2d2a385e2d239bcbed000ff827ffc0c112dfa49512dfa01ac0155baa44f",
        "75adaf459cad73058cacfb78552057adfe02a8de8b5220fd8bf3542e43035c82",
        "20f805eb49f8d9afd9f951d20075fd07ab570254de078a57dea6de8406567628",
    ),
}
ROUNDING = 4
"""Bits that float32 may decide the other way: waves next to the median."""


def scene(number: int, side: int = SIDE) -> Image.Image:
    y, x = np.mgrid[0:side, 0:side] * (SIDE / side)
    generator = np.random.default_rng(number)
    waves = sum(
        generator.uniform(0.2, 1)
        * np.sin(x * generator.uniform(0.005, 0.08) + y * generator.uniform(-0.08, 0.08) + generator.uniform(0, 6))
        for _ in range(12)
    )
    return Image.fromarray(np.clip(128 + 40 * waves, 0, 255).astype(np.uint8))


def apart(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> int:
    return int(np.unpackbits(left ^ right).sum())


@pytest.mark.parametrize("number", list(REFERENCE))
def test_hashes_are_those_of_the_reference_implementation(number: int) -> None:
    hashes, quality = pdq(scene(number))
    assert hashes.shape == (8, 32) and hashes.dtype == np.uint8
    for own, text in zip(hashes, REFERENCE[number], strict=True):
        assert apart(own, np.frombuffer(bytes.fromhex(text), dtype=np.uint8)) <= ROUNDING
    assert quality == 100


def by_definition(grey: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """The hash of a 512 x 512 picture in plain loops, as the paper says it."""
    length, window = SIDE, SIDE // 128
    half = (window + 2) // 2

    def box(line: list[float]) -> list[float]:
        parts = [line[max(n - (window - half), 0) : n + half] for n in range(length)]
        return [sum(part) / len(part) for part in parts]

    cells = grey.astype(float).tolist()
    for _ in range(2):
        cells = [box(row) for row in cells]
        cells = [list(row) for row in zip(*[box(list(column)) for column in zip(*cells, strict=True)], strict=True)]
    places = [int((n + 0.5) * length / 64) for n in range(64)]
    small = np.array([[cells[y][x] for x in places] for y in places])
    steps = sum(abs(int(step * 100 / 255)) for axis in (0, 1) for step in np.diff(small, axis=axis).reshape(-1))
    waves = np.array([[np.cos(np.pi / 128 * (i + 1) * (2 * j + 1)) for j in range(64)] for i in range(16)])
    flat = (waves @ small @ waves.T).reshape(-1)
    bits = flat > sorted(flat)[127]
    return np.packbits(bits[::-1]), min(steps // 90, 100)


@settings(max_examples=5)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.2, 1.0]))
def test_matrices_do_what_the_loops_do(seed: int, contrast: float) -> None:
    smooth = np.asarray(scene(seed % 1000)).astype(float)
    noise = np.random.default_rng(seed).normal(0, 20, smooth.shape)
    grey = np.clip(128 + contrast * (smooth + noise - 128), 0, 255).astype(np.uint8)
    hashes, quality = pdq(Image.fromarray(grey))
    expected, points = by_definition(grey)
    assert apart(hashes[0], expected) <= ROUNDING
    assert abs(quality - points) <= 1


def test_the_eight_ways_are_those_of_turned_and_mirrored_pictures() -> None:
    picture = scene(3)
    ways = [
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_180,
        Image.Transpose.ROTATE_270,
        Image.Transpose.FLIP_TOP_BOTTOM,
        Image.Transpose.FLIP_LEFT_RIGHT,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.TRANSVERSE,
    ]
    hashes, _ = pdq(picture)
    for row, way in enumerate(ways, 1):
        turned = pdq(picture.transpose(way))[0][0]
        distances = [apart(turned, own) for own in hashes]
        assert int(np.argmin(distances)) == row and distances[row] <= 24  # its filter is not quite symmetric


@pytest.mark.parametrize("size", [(1024, 1024), (400, 400), (256, 256), (300, 180), (128, 128)])
def test_size_hardly_matters(size: tuple[int, int]) -> None:
    picture = scene(4)
    assert apart(pdq(picture)[0][0], pdq(picture.resize(size, Image.Resampling.BICUBIC))[0][0]) <= 12


def test_a_blank_picture_has_no_quality() -> None:
    assert pdq(Image.new("L", (200, 100), 90))[1] == 0
