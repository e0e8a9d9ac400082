"""The pixels that the service prepares equal open_clip's transform in every bit."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from screener.preprocess import WHOLE, Box, ImagePreprocess, Interpolation, ResizeMode, pixel_box, prepare

pytest.importorskip("torch", reason="needs the [train] extra")

from training.parity import parity_files, picture
from training.torch_setup import open_clip

pytestmark = pytest.mark.train


def spec(size: int, mode: ResizeMode, interpolation: Interpolation, fill: int = 0) -> ImagePreprocess:
    return ImagePreprocess(size, (0.48, 0.46, 0.41), (0.27, 0.26, 0.28), mode, interpolation, fill)


def by_open_clip(rgb: NDArray[np.uint8], how: ImagePreprocess) -> NDArray[np.uint8]:
    """All steps of the transform before ToTensor and Normalize."""
    transform = open_clip.transform.image_transform(
        how.size,
        is_train=False,
        mean=how.mean,
        std=how.std,
        resize_mode=how.resize_mode,
        interpolation=how.interpolation,
        fill_color=how.fill_color,
    )
    square = Image.fromarray(rgb)
    for step in transform.transforms[:-2]:
        square = step(square)
    return np.asarray(square)


MODES = st.sampled_from(["shortest", "squash", "longest"])
INTERPOLATIONS = st.sampled_from(["bicubic", "bilinear"])


@settings(max_examples=150)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    size=st.integers(1, 130),
    mode=MODES,
    interpolation=INTERPOLATIONS,
    fill=st.integers(0, 255),
)
def test_pixels_equal_open_clip_for_any_size(
    width: int, height: int, size: int, mode: ResizeMode, interpolation: Interpolation, fill: int
) -> None:
    rgb = np.random.default_rng(width * 401 + height).integers(0, 256, (height, width, 3), np.uint8)
    how = spec(size, mode, interpolation, fill)
    if mode == "longest" and round(min(width, height) * size / max(width, height)) == 0:
        assert prepare(rgb, WHOLE, how).shape == (size, size, 3)  # open_clip's transform fails on these
        return
    np.testing.assert_array_equal(prepare(rgb, WHOLE, how), by_open_clip(rgb, how))


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_a_box_equals_a_picture_of_its_own(mode: ResizeMode, interpolation: Interpolation) -> None:
    rgb = np.asarray(picture(3, 301, 203))
    how = spec(64, mode, interpolation, 255)
    box = (0.1, 0.25, 0.77, 0.9)
    left, top, right, bottom = pixel_box(box, 301, 203)
    assert (left, top, right, bottom) == (30, 51, 232, 183)
    cut = np.ascontiguousarray(rgb[top:bottom, left:right])
    np.testing.assert_array_equal(prepare(rgb, box, how), by_open_clip(cut, how))


@pytest.mark.parametrize(("name", "data"), parity_files())
def test_every_kind_of_file(name: str, data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        rgb = np.asarray(image.convert("RGB"))
    for mode in ("shortest", "squash", "longest"):
        how = spec(96, mode, "bicubic")
        np.testing.assert_array_equal(prepare(rgb, WHOLE, how), by_open_clip(rgb, how), err_msg=name)


@given(
    edges=st.tuples(*[st.floats(0, 1)] * 4),
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
)
def test_a_box_always_has_a_pixel_inside_the_picture(
    edges: tuple[float, float, float, float], width: int, height: int
) -> None:
    box: Box = (min(edges[:2]), min(edges[2:]), max(edges[:2]), max(edges[2:]))
    if box[0] == box[2] or box[1] == box[3]:
        with pytest.raises(ValueError, match="box"):
            pixel_box(box, width, height)
        return
    left, top, right, bottom = pixel_box(box, width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@pytest.mark.parametrize(
    "box", [(-0.1, 0, 1, 1), (0, 0, 1.1, 1), (0.5, 0, 0.5, 1), (0.6, 0, 0.5, 1), (float("nan"), 0, 1, 1)]
)
def test_boxes_outside_the_picture_are_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="box"):
        pixel_box(box, 100, 100)
