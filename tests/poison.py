"""Forty pictures that a brand might try to get compared with: useless ones, near to everything, or a competitor's."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from brands.model import ReferenceKind

SIDE = 400
Attempt = tuple[str, ReferenceKind, Image.Image]


def useless(pictures: Sequence[Image.Image]) -> Iterator[Attempt]:
    """Blank, grey, gradients, noise, patterns, and what is left of `pictures` blurred or averaged: 22 attempts."""
    generator = np.random.default_rng(5)
    for name, colour in (("white", (255,) * 3), ("grey", (128,) * 3), ("black", (0,) * 3), ("red", (200, 30, 40))):
        yield f"blank {name}", "authentic", Image.new("RGB", (SIDE, SIDE), colour)
    ramp, (rows, columns) = np.linspace(0, 255, SIDE), np.mgrid[:SIDE, :SIDE]
    yield "gradient", "authentic", _grey(np.add.outer(ramp, ramp) / 2)
    yield "gradient of colours", "logo", _picture(np.stack(np.broadcast_arrays(ramp, ramp[::-1], ramp[:, None]), 2))
    yield "round gradient", "authentic", _grey(255 - 0.9 * np.hypot(rows - SIDE / 2, columns - SIDE / 2))
    for size in (1, 4, 8):
        small = generator.integers(0, 256, (SIDE // size, SIDE // size, 3))
        yield f"noise of {size}", "authentic", _picture(np.kron(small, np.ones((size, size, 1))))
    yield "grey noise", "logo", _grey(generator.integers(0, 256, (SIDE, SIDE)))
    yield "soft noise", "negative", _grey(128 + 40 * generator.standard_normal((SIDE, SIDE)))
    yield "faint noise", "authentic", _grey(235 + 6 * generator.standard_normal((SIDE, SIDE)))
    yield "clouds", "authentic", _picture(_clouds(generator))
    yield "stripes", "logo", _grey((rows // 10) % 2 * 255)
    yield "chequers", "logo", _grey((rows // 25 + columns // 25) % 2 * 255)
    for radius in (12, 25):
        yield f"blurred by {radius}", "authentic", _fitted(pictures[0]).filter(ImageFilter.GaussianBlur(radius))
    for count in (8, 16, 36):
        yield f"mean of {count}", "authentic", _picture(_mean(pictures[:count]))
    mean = _mean(pictures)
    yield "mean, contrast stretched", "authentic", _picture((mean - mean.mean()) / mean.std() * 55 + 128)


def stolen(product: Image.Image, logo: Image.Image) -> Iterator[Attempt]:
    """A competitor's product picture and logo, edited and under every kind: 18 attempts."""
    width, height = product.size
    edits: list[tuple[str, ReferenceKind, Callable[[Image.Image], Image.Image]]] = [
        ("as it is", "authentic", lambda image: image),
        ("as a logo", "logo", lambda image: image),
        ("as a negative", "negative", lambda image: image),
        ("mirrored", "authentic", ImageOps.mirror),
        ("upside down", "authentic", ImageOps.flip),
        ("turned", "authentic", lambda image: image.rotate(90, expand=True)),
        ("80 % of it", "authentic", lambda image: _middle(image, 0.8)),
        ("60 % of it", "authentic", lambda image: _middle(image, 0.6)),
        ("mirrored and cut", "authentic", lambda image: ImageOps.mirror(_middle(image, 0.7))),
        ("small", "authentic", lambda image: image.resize((width // 4, height // 4))),
        ("brighter", "authentic", lambda image: ImageEnhance.Brightness(image).enhance(1.3)),
        ("without colour", "authentic", lambda image: image.convert("L").convert("RGB")),
        ("framed", "authentic", lambda image: ImageOps.expand(image, width // 8, (250, 250, 250))),
        ("softened", "authentic", lambda image: image.filter(ImageFilter.GaussianBlur(2))),
        ("a band across", "authentic", lambda image: _banded(image)),
    ]
    for name, kind, edit in edits:
        yield f"product {name}", kind, edit(product)
    yield "logo as it is", "logo", logo
    yield "logo mirrored", "logo", ImageOps.mirror(logo)
    yield "logo as a picture", "authentic", ImageOps.expand(logo, logo.width // 10, (255, 255, 255))


def _picture(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _grey(values: NDArray[np.float64]) -> Image.Image:
    return _picture(np.repeat(np.asarray(values, dtype=float)[..., None], 3, axis=2))


def _fitted(image: Image.Image) -> Image.Image:
    return image.convert("RGB").resize((SIDE, SIDE))


def _mean(pictures: Sequence[Image.Image]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean([np.asarray(_fitted(one), dtype=float) for one in pictures], axis=0)
    return mean


def _clouds(generator: np.random.Generator) -> NDArray[np.float64]:
    """Noise with the spectrum of photographs (1/f), each colour by itself."""
    steps = np.fft.fftfreq(SIDE)
    radius = np.hypot(steps[:, None], steps)
    radius[0, 0] = 1.0
    spectra = [np.fft.fft2(generator.standard_normal((SIDE, SIDE))) / radius for _ in range(3)]
    planes = np.stack([np.real(np.fft.ifft2(spectrum)) for spectrum in spectra], axis=2)
    clouds: NDArray[np.float64] = (planes - planes.mean()) / planes.std() * 50 + 128
    return clouds


def _middle(image: Image.Image, share: float) -> Image.Image:
    x, y = (round(side * (1 - share) / 2) for side in image.size)
    return image.crop((x, y, image.width - x, image.height - y))


def _banded(image: Image.Image) -> Image.Image:
    copy = image.copy()
    copy.paste((240, 240, 240), (0, image.height * 4 // 5, image.width, image.height * 9 // 10))
    return copy
