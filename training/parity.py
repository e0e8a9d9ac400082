"""Holds the serving code against open_clip's transform, tokenizer and torch model on the same weights."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from screener.decode import decode
from screener.dense import Dense, even_pooling
from screener.encoder import Encoder
from screener.gate import Limits
from screener.preprocess import WHOLE, ImagePreprocess, prepare

from .tokenizer_file import OpenClipTokenizer
from .torch_setup import open_clip

FP32_BOUND = 0.9999

TEXTS = (
    "",
    "Brand new ACME runner shoes, size 42 — 100% authentic!",
    "it's the seller's box; we'll ship, I'd say they've been worn",
    "高仿 1:1 包 精品 复刻",
    "スニーカー 新品 未使用 ナイロン製",
    "나이키 운동화 정품",
    "обувь мужская, новая, оригинал",
    "παπούτσια γνήσια",
    "حذاء رياضي أصلي",
    "נעלי ספורט מקוריות",
    "असली जूते नए",
    "รองเท้าของแท้",
    "giày thể thao chính hãng",
    "Zażółć gęślą jaźń, çanta İstanbul",
    "naïve café ﬁne Ⅳ ½ ²",
    "👟🔥 sneakers 👨‍👩‍👧 ❤️",
    "zero\u200bwidth and\u00a0hard space\tand\ncontrol\u0007 signs",
    "&lt;b&gt;cheap&lt;/b&gt; &amp;amp; Ã©tui",
    "N1KE_a1r  m@x !!!???",
    "a" * 300,
    "very long description with many words " * 60,
)


@dataclass(frozen=True, slots=True)
class Parity:
    """Cosines between serving and torch, and whether pixels and tokens were equal in every bit.

    ``windows_*`` are those of a dense bundle's windows at both of its sizes and of the whole picture at the larger.
    """

    image_min: float
    image_mean: float
    text_min: float
    text_mean: float
    pixels_equal: bool
    tokens_equal: bool
    windows_min: float | None = None
    windows_mean: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For the manifest's metrics; cosines to seven places."""
        windows = {"min": self.windows_min, "mean": self.windows_mean}
        return {
            **{f"windows_cosine_{name}": round(value, 7) for name, value in windows.items() if value is not None},
            "image_cosine_min": round(self.image_min, 7),
            "image_cosine_mean": round(self.image_mean, 7),
            "text_cosine_min": round(self.text_min, 7),
            "text_cosine_mean": round(self.text_mean, 7),
            "pixels_equal": self.pixels_equal,
            "tokens_equal": self.tokens_equal,
            "pictures": len(parity_files()),
            "texts": len(TEXTS),
        }


@dataclass(frozen=True, slots=True)
class DenseReference:
    """What torch gives for a dense bundle.

    ``pixels`` (n, L, L, 3) of the larger size; unit vectors: of the whole picture at that size ``large_whole`` (n, D),
    and of the windows at both, ``large`` and ``small`` (n, r, D).
    """

    windows: Dense
    pixels: NDArray[np.uint8]
    large_whole: NDArray[np.float32]
    large: NDArray[np.float32]
    small: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reference:
    """What open_clip and torch give for the parity pictures and texts: pixels, tokens (full length), unit vectors."""

    pictures: tuple[NDArray[np.uint8], ...]
    pixels: NDArray[np.uint8]
    tokens: NDArray[np.int64]
    images: NDArray[np.float32]
    texts: NDArray[np.float32]
    dense: DenseReference | None = None


def parity_files() -> list[tuple[str, bytes]]:
    """Named picture files: odd sizes, every mode that a file can have, and the eight EXIF orientations."""
    files: list[tuple[str, bytes]] = []
    for i, (width, height) in enumerate([(33, 47), (101, 37), (224, 224), (641, 479), (64, 600)]):
        files.append((f"{width}x{height}.png", _encoded(picture(i, width, height), "PNG")))
    for i, mode in enumerate(["L", "LA", "P", "RGBA", "I;16"]):
        files.append((f"{mode}.png", _encoded(_in_mode(picture(10 + i, 131, 97), mode), "PNG")))
    for i, mode in enumerate(["L", "RGB", "CMYK"]):
        files.append((f"{mode}.jpg", _encoded(picture(20 + i, 203, 155).convert(mode), "JPEG")))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files.append((f"exif{orientation}.jpg", _encoded(picture(30, 151, 83), "JPEG", exif=exif)))
    return files


def picture(seed: int, width: int, height: int) -> Image.Image:
    """A picture with coarse shapes, fine texture and hard edges, the same for the same seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    pixels = np.asarray(coarse).astype(np.int16) + rng.integers(-20, 21, (height, width, 3), np.int16)
    pixels[height // 3 : height // 2, width // 4 : width // 2] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def reference(
    model: torch.nn.Module,
    preprocess: ImagePreprocess,
    tokenizer: OpenClipTokenizer,
    length: int,
    dense: Dense | None = None,
) -> Reference:
    """Run open_clip's own path. Pictures come from the service's decoder, so both sides start from the same RGB."""
    pictures = tuple(decode(data, Limits()).frames[0] for _, data in parity_files())
    tokens = tokenizer(list(TEXTS), context_length=length)
    towers = cast(Any, model)
    with torch.inference_mode():
        pixels, prepared = _transformed(pictures, preprocess)
        images = [_unit(towers.encode_image(image)) for image in prepared]
        texts = [_unit(towers.encode_text(row[None])) for row in tokens]
        windows = None
        if dense:
            large_pixels, large = _transformed(pictures, dense.preprocess(preprocess))
            at_large, at_small = (torch.from_numpy(dense.pooling(size)) for size in (dense.size, preprocess.size))
            windows = DenseReference(
                windows=dense,
                pixels=large_pixels,
                large_whole=np.concatenate([_unit(towers.encode_image(image)) for image in large]),
                large=np.concatenate([_unit(towers.encode_windows(image, at_large)) for image in large]),
                small=np.concatenate([_unit(towers.encode_windows(image, at_small)) for image in prepared]),
            )
    return Reference(pictures, pixels, tokens.numpy(), np.concatenate(images), np.concatenate(texts), windows)


def measure(wanted: Reference, encoder: Encoder) -> Parity:
    """Compare a loaded bundle with the reference."""
    bundle = encoder.bundle
    pixels = np.stack([prepare(rgb, WHOLE, bundle.preprocess) for rgb in wanted.pictures])
    tokens = np.full_like(wanted.tokens, bundle.text.pad_id)
    served = encoder.tokenize(TEXTS)
    tokens[:, : served.shape[1]] = served
    image = _cosines(encoder.encode_pixels(pixels), wanted.images)
    text = _cosines(encoder.encode_texts(TEXTS), wanted.texts)
    windows, large_equal = _window_cosines(wanted, encoder, pixels)
    return Parity(
        image_min=float(image.min()),
        image_mean=float(image.mean()),
        text_min=float(text.min()),
        text_mean=float(text.mean()),
        pixels_equal=bool(np.array_equal(pixels, wanted.pixels)) and large_equal,
        tokens_equal=bool(np.array_equal(tokens, wanted.tokens)),
        windows_min=None if windows is None else float(windows.min()),
        windows_mean=None if windows is None else float(windows.mean()),
    )


def _window_cosines(
    wanted: Reference, encoder: Encoder, pixels: NDArray[np.uint8]
) -> tuple[NDArray[np.float64] | None, bool]:
    """Every window's cosine with torch, and whether the larger pixels are equal; None and true where none are."""
    if wanted.dense is None:
        return None, True
    dense, spec = wanted.dense.windows, encoder.bundle.preprocess
    large = np.stack([prepare(rgb, WHOLE, dense.preprocess(spec)) for rgb in wanted.pictures])
    pairs = (
        (encoder.encode_pooled(large, even_pooling(dense.size)), wanted.dense.large_whole[:, None]),
        (encoder.encode_windows(large), wanted.dense.large),
        (encoder.encode_pooled(pixels, dense.pooling(spec.size)), wanted.dense.small),
    )
    cosines = np.concatenate([_cosines(*(side.reshape(-1, side.shape[-1]) for side in pair)) for pair in pairs])
    return cosines, bool(np.array_equal(large, wanted.dense.pixels))


def faults(parity: Parity, *, fp32: bool, int8_bound: float) -> Sequence[str]:
    """Why a bundle must not be published; empty if it may. int8 is held to its mean cosine only, and reported."""
    found = []
    if not parity.pixels_equal:
        found.append("prepared pixels differ from open_clip's transform")
    if not parity.tokens_equal:
        found.append("tokens differ from open_clip's tokenizer")
    images, texts, windows, bound = (parity.image_min, parity.text_min, parity.windows_min, FP32_BOUND)
    if not fp32:
        images, texts, windows, bound = (parity.image_mean, parity.text_mean, parity.windows_mean, int8_bound)
    for tower, cosine in (("image", images), ("text", texts), ("windows", windows)):
        if cosine is not None and not cosine >= bound:  # NaN is a fault too
            found.append(f"{tower} cosine {cosine:.6f} is below {bound}")
    return found


def _transformed(
    pictures: Sequence[NDArray[np.uint8]], preprocess: ImagePreprocess
) -> tuple[NDArray[np.uint8], list[torch.Tensor]]:
    """open_clip's transform of each picture: the pixels (n, S, S, 3), and what its tower reads, (1, 3, S, S) each."""
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(
            size=preprocess.size,
            mean=preprocess.mean,
            std=preprocess.std,
            interpolation=preprocess.interpolation,
            resize_mode=preprocess.resize_mode,
            fill_color=preprocess.fill_color,
        ),
        is_train=False,
    )
    pixels = []
    for rgb in pictures:
        square = Image.fromarray(rgb)
        # The last two steps are ToTensor and Normalize; what is before them are the pixels.
        for step in transform.transforms[:-2]:
            square = step(square)
        pixels.append(np.asarray(square))
    return np.stack(pixels), [transform(Image.fromarray(rgb))[None] for rgb in pictures]


def _unit(vectors: torch.Tensor) -> NDArray[np.float32]:
    return cast(NDArray[np.float32], torch.nn.functional.normalize(vectors, dim=-1).numpy())


def _cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = (a.astype(np.float64) * b).sum(1)
    return cast(NDArray[np.float64], wide / np.linalg.norm(a.astype(np.float64), axis=1))


def _in_mode(source: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(source.convert("L")).astype(np.uint16) * 257)
    if mode in ("LA", "RGBA"):
        alpha = Image.fromarray(
            np.linspace(0, 255, source.width * source.height).reshape(source.size[::-1]).astype(np.uint8)
        )
        source = source.convert(mode)
        source.putalpha(alpha)
        return source
    return source.convert(mode)


def _encoded(source: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    source.save(file, kind, **options)
    return file.getvalue()
