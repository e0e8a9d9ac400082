"""The image gate and decoder against Pillow, and every kind of picture that must be refused."""

import io
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from screener.decode import decode
from screener.dense import Dense, Window
from screener.errors import ImageUnusable
from screener.gate import Limits, inspect
from screener.picture_facts import picture_facts
from screener.preprocess import WHOLE, ImagePreprocess, prepare
from screener.workers import DecodePool, NoWorkerInTime

LIMITS = Limits()
SPEC = ImagePreprocess(size=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def scene(width: int = 120, height: int = 90) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x * 255 // width, y * 255 // height, (x * y) % 256], axis=-1).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]  # options of any kind
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return start + chunk(b"IDAT", zlib.compress(b"\0" * 100_000)) + chunk(b"IEND", b"")


def many_scans(count: int) -> bytes:
    data = saved(scene(), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * count + data[-2:]


def refusal(data: bytes) -> str:
    with pytest.raises(ImageUnusable) as caught:
        decode(data, LIMITS)
    return caught.value.code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "image_empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image_format_unsupported"),
        (b"<!doctype html><title>a.jpg</title>", "image_format_unsupported"),
        (saved(scene(), "BMP"), "image_format_unsupported"),
        (saved(scene(), "TIFF"), "image_format_unsupported"),
        (saved(Image.new("RGB", (1, 1)), "PNG"), "image_too_small"),
        (saved(Image.new("RGB", (1, 20_000)), "PNG"), "image_side_too_long"),
        (saved(Image.new("RGB", (32, 660)), "PNG"), "image_aspect_extreme"),
        (png_header(30_000, 30_000), "image_side_too_long"),
        (png_header(16_000, 16_000), "image_too_many_pixels"),
        (many_scans(2_000), "image_too_many_scans"),
        (saved(scene(), "JPEG")[:-200], "image_damaged"),
        (saved(scene(), "JPEG")[:30], "image_damaged"),
        (saved(scene(), "PNG")[:-100], "image_damaged"),
        (saved(scene(), "WEBP")[:-100], "image_damaged"),
        (saved(scene(), "WEBP")[:14], "image_damaged"),
        (saved(scene(), "GIF")[:8], "image_damaged"),
        (b"\xff\xd8\xff\xd9", "image_damaged"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image_damaged"),
    ],
)
def test_unusable_pictures_are_refused_with_their_code(data: bytes, code: str) -> None:
    started = time.monotonic()
    assert refusal(data) == code
    assert time.monotonic() - started < 5  # a refusal that decodes first would take far longer on the bombs


def test_bytes_over_the_limit_are_refused() -> None:
    with pytest.raises(ImageUnusable) as caught:
        inspect(saved(scene(), "PNG"), Limits(max_bytes=100))
    assert caught.value.code == "image_too_large"


def test_a_thumbnail_in_the_metadata_is_no_scan() -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" + "\xff\xda" * 200
    assert inspect(saved(scene(), "JPEG", exif=exif.tobytes() + b"\xff\xda" * 500), LIMITS).width == 120


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("size", [(33, 47), (120, 90), (257, 131)])
def test_sizes_agree_with_pillow(kind: str, size: tuple[int, int]) -> None:
    data = saved(scene(*size), kind)
    header = inspect(data, LIMITS)
    assert (header.format, header.width, header.height) == (kind, *size)
    lossless = saved(scene(*size), "WEBP", lossless=True)
    assert (inspect(lossless, LIMITS).width, inspect(lossless, LIMITS).height) == size


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_simplejpeg_paints_what_pillow_paints(subsampling: int, progressive: bool, grey: bool) -> None:
    image = scene(203, 151).convert("L" if grey else "RGB")
    options = {} if grey else {"subsampling": subsampling}
    data = saved(image, "JPEG", quality=88, progressive=progressive, **options)
    ours = decode(data, LIMITS).frames[0].astype(int)
    pillows = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(ours - pillows).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(scene(), kind, exif=exif)
    picture = decode(data, LIMITS)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")).astype(int)
    assert picture.frames[0].shape == expected.shape
    assert (picture.height, picture.width) == expected.shape[:2]
    assert np.abs(picture.frames[0] - expected).max() <= 1


def on_white(image: Image.Image) -> NDArray[np.uint8]:
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    alpha = rgba[..., 3:] / 255
    return np.round(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1"])
def test_transparency_is_painted_on_white(mode: str) -> None:
    image = scene().convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.arange(120, dtype=np.uint8) * 2, (90, 1))))
    image = image.convert(mode)
    options = {"transparency": 3} if mode == "P" else {}
    data = saved(image, "PNG", **options)
    ours = decode(data, LIMITS).frames[0]
    assert np.abs(ours.astype(int) - on_white(Image.open(io.BytesIO(data))).astype(int)).max() <= 1


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    ours = decode(saved(Image.fromarray(values), "PNG"), LIMITS).frames[0]
    assert np.abs(ours[..., 0].astype(int) - values // 257).max() <= 1


def test_cmyk_is_painted_as_pillow_paints_it() -> None:
    data = saved(scene().convert("CMYK"), "JPEG")
    ours = decode(data, LIMITS).frames[0]
    np.testing.assert_array_equal(ours, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def swapped_profile() -> bytes:
    """A valid profile whose red and blue primaries are exchanged, so that applying it shows."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")


def test_a_broken_profile_is_ignored_and_a_real_one_applied() -> None:
    plain = decode(saved(scene(), "PNG"), LIMITS).frames[0]
    broken = decode(saved(scene(), "PNG", icc_profile=b"not a profile at all"), LIMITS).frames[0]
    np.testing.assert_array_equal(plain, broken)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(plain, decode(saved(scene(), "PNG", icc_profile=srgb), LIMITS).frames[0])
    swapped = decode(saved(scene(), "PNG", icc_profile=swapped_profile()), LIMITS).frames[0]
    assert np.abs(swapped[..., ::-1].astype(int) - plain).mean() < 3 < np.abs(swapped.astype(int) - plain).mean()


@pytest.mark.parametrize(("frames", "kept"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (9, [0, 4, 8])])
@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_first_middle_and_last_frame_of_an_animation(kind: str, frames: int, kept: list[int]) -> None:
    pictures = [Image.new("RGB", (40, 40), (25 * number, 255 - 25 * number, 0)) for number in range(frames)]
    data = saved(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=50)
    decoded = decode(data, LIMITS).frames
    assert [round(frame[..., 0].mean() / 25) for frame in decoded] == kept


@pytest.mark.parametrize(
    ("least", "shape"),
    [(None, (800, 1200)), (400, (400, 600)), (401, (800, 1200)), (100, (100, 150)), (9, (100, 150))],
)
def test_jpegs_are_decoded_no_larger_than_needed(least: int | None, shape: tuple[int, int]) -> None:
    picture = decode(saved(scene(1200, 800), "JPEG"), LIMITS, least=least)
    assert (picture.width, picture.height) == (1200, 800)
    assert picture.frames[0].shape[:2] == shape


def test_decoding_smaller_looks_the_same() -> None:
    data = saved(scene(60, 40).resize((1200, 800), Image.Resampling.BICUBIC), "JPEG", quality=92)
    whole, half = (decode(data, LIMITS, least=least).frames[0] for least in (None, 400))
    small = np.asarray(Image.fromarray(whole).resize((600, 400), Image.Resampling.BOX)).astype(int)
    assert np.abs(half - small).mean() < 2


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    pool = DecodePool(SPEC, LIMITS, size=1)
    yield pool
    pool.close()


def test_the_pool_gives_regions_and_refusals(pool: DecodePool) -> None:
    decoded = pool.decode(saved(scene(), "JPEG"))
    assert decoded.pixels.shape == (4, 64, 64, 3)
    assert decoded.regions[0] == (0, WHOLE)
    one = pool.decode(saved(scene(), "JPEG"), [WHOLE])
    np.testing.assert_array_equal(one.pixels[0], decoded.pixels[0])
    with pytest.raises(ImageUnusable) as caught:
        pool.decode(b"<svg/>")
    assert caught.value.code == "image_format_unsupported"
    frames = [Image.new("RGB", (40, 40), (25 * number, 0, 0)) for number in range(5)]
    animated = pool.decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert [frame for frame, _ in animated.regions] == [0] * 4 + [1, 2]


def test_the_pool_measures_what_it_decodes(pool: DecodePool) -> None:
    image = scene(400, 300)
    for boxes in (None, [(0.2, 0.2, 0.6, 0.6)]):
        facts = pool.decode(saved(image, "PNG"), boxes).facts
        expected = picture_facts(np.asarray(image), 400, 300)
        assert facts.to_json() == expected.to_json()
        np.testing.assert_array_equal(facts.pdq, expected.pdq)


def test_the_pool_gives_whole_pictures_at_a_size(pool: DecodePool) -> None:
    data = saved(scene(1200, 800), "PNG")
    assert pool.decode_large(data, 480).shape == (320, 480, 3)
    np.testing.assert_array_equal(pool.decode_large(data, 1200), np.asarray(scene(1200, 800)))
    np.testing.assert_array_equal(pool.decode_large(saved(scene(), "PNG"), 480), np.asarray(scene()))
    assert pool.decode_large(saved(scene(1200, 800), "JPEG"), 480).shape == (320, 480, 3)
    frames = [Image.new("RGB", (40, 60), (25 * number, 0, 0)) for number in range(5)]
    animation = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert [pool.decode_large(animation, 30, frame=n)[0, 0, 0].item() for n in range(3)] == [0, 50, 100]
    with pytest.raises(ImageUnusable) as caught:
        pool.decode_large(b"<svg/>", 480)
    assert caught.value.code == "image_format_unsupported"
    with pytest.raises(NoWorkerInTime):
        pool.decode_large(saved(scene(3000, 3000), "PNG"), 480, deadline=time.monotonic() + 0.002)
    assert pool.decode_large(data, 48).shape == (32, 48, 3)


def test_for_windows_the_whole_picture_comes_in_two_sizes(pool: DecodePool) -> None:
    dense = Dense(128, (Window((0.0, 0.0, 0.5, 0.5), ("logo",)),))
    with_windows = DecodePool(SPEC, LIMITS, dense=dense, size=1)
    try:
        data = saved(scene(), "PNG")
        decoded = with_windows.decode(data)
        assert decoded.regions == ((0, WHOLE),)
        np.testing.assert_array_equal(decoded.pixels, pool.decode(data, [WHOLE]).pixels)
        assert decoded.large is not None
        np.testing.assert_array_equal(decoded.large, prepare(np.asarray(scene()), WHOLE, replace(SPEC, size=128)))
        assert with_windows.decode(data, [WHOLE]).large is None
        frames = [Image.new("RGB", (40, 40), (25 * number, 0, 0)) for number in range(5)]
        animated = with_windows.decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
        assert animated.regions == ((0, WHOLE), (1, WHOLE), (2, WHOLE))
        assert animated.large is not None
        assert animated.large[0, 0].tolist() == animated.pixels[0, 0, 0].tolist()
    finally:
        with_windows.close()


def test_the_same_processes_prepare_pictures_for_several_encoders(pool: DecodePool) -> None:
    data = saved(scene(), "PNG")
    dense = Dense(192, (Window((0.0, 0.0, 0.5, 0.5), ("logo",)),))
    other = pool.prepared(replace(SPEC, size=96), dense)
    for _ in range(2):  # one after the other, by one process
        assert pool.decode(data).pixels.shape == (4, 64, 64, 3)
        decoded = other.decode(data)
        assert decoded.pixels.shape == (1, 96, 96, 3)
        assert decoded.large is not None
        assert decoded.large.shape == (192, 192, 3)
    assert other._all is pool._all
    np.testing.assert_array_equal(
        other.decode(data, [WHOLE]).pixels[0], prepare(np.asarray(scene()), WHOLE, replace(SPEC, size=96))
    )


def test_a_worker_that_takes_too_long_or_dies_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = DecodePool(SPEC, LIMITS, size=1)
    try:
        big = saved(scene(3000, 3000), "PNG")
        monkeypatch.setattr("screener.workers.DECODE_SECONDS", 0.002)
        with pytest.raises(ImageUnusable) as caught:
            pool.decode(big)
        assert caught.value.code == "image_timeout"
        monkeypatch.setattr("screener.workers.DECODE_SECONDS", 5.0)
        assert pool.decode(saved(scene(), "PNG")).width == 120  # waits for the new worker
        with pytest.raises(NoWorkerInTime):
            pool.decode(big, deadline=time.monotonic() + 0.002)
        assert pool.decode(saved(scene(), "PNG")).width == 120
        next(iter(pool._all)).process.kill()
        with pytest.raises(ImageUnusable):
            pool.decode(big)
        assert pool.decode(saved(scene(), "PNG")).width == 120
    finally:
        pool.close()
