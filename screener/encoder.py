"""Runs a bundle's two towers on the CPU: pixels and words to unit vectors."""

from __future__ import annotations

import io
import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from .bundle import Bundle
from .dense import STRIDE, even_pooling
from .errors import BundleRefused
from .tokenizer import TextTokenizer

# Pictures per run. Small runs keep a convnet's activations in the L2 cache, bound the memory arena, and let the
# workers share one listing's pictures. Texts are short rows, so more of them make a run worth its overhead.
IMAGE_CHUNK = 4
# The large pass of a dense bundle is two to three times dearer.
WINDOWS_CHUNK = 1
TEXT_CHUNK = 16

_Feed = Mapping[str, NDArray[np.uint8] | NDArray[np.int64] | NDArray[np.float32]]


def as_stored(vectors: NDArray[np.float32]) -> NDArray[np.float16]:
    """Unit vectors (n, D) in the form in which they are kept."""
    return vectors.astype(np.float16)


def from_stored(vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    """Kept vectors (n, D) to float32 of unit norm.

    What the encoder returns went through both functions, so that keeping it and reading it back changes nothing:
    normalising again moves a component by far less than half a step of float16 (unless a vector has nearly all its
    length in a few components; such a one may come back a step beside, a cosine of 1 - 1e-6 off).
    """
    wide = vectors.astype(np.float32)
    unit: NDArray[np.float32] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit


class Encoder:
    """Both towers of a bundle, one ONNX session each; thread-safe.

    Batches are cut into chunks that ``workers`` threads run side by side (a session releases the GIL and uses one
    thread itself), so ``workers`` bounds both the cores used and the memory of concurrent runs.
    """

    def __init__(self, bundle: Bundle, *, workers: int = 2) -> None:
        """``BundleRefused`` if a file does not load or its inputs and outputs are not a bundle's."""
        self._bundle = bundle
        pixels, pooling = ("pixels", "tensor(uint8)"), ("pooling", "tensor(float)")
        self._image = _session(bundle, "image.onnx", [pixels, pooling] if bundle.dense else [pixels])
        self._text = _session(bundle, "text.onnx", [("tokens", "tensor(int64)")])
        self._even = even_pooling(bundle.preprocess.size) if bundle.dense else None
        self._windows = bundle.dense.pooling() if bundle.dense else None
        try:
            self._tokenizer = TextTokenizer(bundle.read("tokenizer.json").decode("utf-8"), bundle.text)
        except ValueError as error:
            raise BundleRefused(f"bundle {bundle.path}: {error}") from error
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="encoder")

    @property
    def bundle(self) -> Bundle:
        """The bundle this encoder runs."""
        return self._bundle

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Prepared pictures (n, S, S, 3) uint8 to vectors (n, D), unit norm, as they come back from storage."""
        _check_pixels(pixels, self._bundle.preprocess.size)
        return self._run(self._image, self._image_feeds(pixels, self._even, IMAGE_CHUNK))

    def encode_windows(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Whole pictures (n, L, L, 3) uint8, L the size of the bundle's ``dense``, to the vectors of its windows.

        Shape (n, windows, D), each as `encode_pixels` gives them. ``ValueError`` for a bundle that is not dense.
        """
        if self._bundle.dense is None or self._windows is None:
            raise ValueError(f"bundle {self._bundle.path} has no windows")
        _check_pixels(pixels, self._bundle.dense.size)
        return self._run(self._image, self._image_feeds(pixels, self._windows, WINDOWS_CHUNK), len(self._windows))

    def encode_pooled(self, pixels: NDArray[np.uint8], pooling: NDArray[np.float32]) -> NDArray[np.float32]:
        """`encode_windows` at any size and with windows of one's own, for measuring: (n, s, s, 3) to (n, r, D).

        ``pooling`` is (r, s / 32, s / 32), as `screener.pooling.pooling_weights` gives it.
        """
        if self._bundle.dense is None:
            raise ValueError(f"bundle {self._bundle.path} has no windows")
        _check_pixels(pixels, pooling.shape[-1] * STRIDE)
        return self._run(self._image, self._image_feeds(pixels, pooling, WINDOWS_CHUNK), len(pooling))

    def encode_listing(self, pixels: NDArray[np.uint8], large: NDArray[np.uint8] | None) -> NDArray[np.float32]:
        """One picture of a listing to the vectors (regions, D) of all its regions.

        ``pixels`` (cuts, S, S, 3) are what was cut, ``large`` (L, L, 3) is what a dense bundle pools its windows from;
        the order is that of `screener.regions.listing_regions`. ``ValueError`` where ``large`` is there for a bundle
        without windows, or missing for one with them.
        """
        if (large is None) != (self._bundle.dense is None):
            raise ValueError(f"bundle {self._bundle.path} and the prepared picture do not agree on windows")
        if self._bundle.dense is None or self._windows is None or large is None:
            return self.encode_pixels(pixels)
        _check_pixels(pixels, self._bundle.preprocess.size)
        _check_pixels(large[None], self._bundle.dense.size)
        feeds = self._image_feeds(large[None], self._windows, WINDOWS_CHUNK)  # the dear pass starts first
        feeds += self._image_feeds(pixels, self._even, IMAGE_CHUNK)
        vectors = self._run(self._image, feeds)
        return np.roll(vectors, -len(self._windows), axis=0)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts to vectors (n, D), unit norm, as they come back from storage; zero in parts that are not for text."""
        rows = self._tokenizer.rows(texts)
        # Alike lengths together, so that a short title is not padded to a long description's length.
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        chunks = self._chunks(len(order), TEXT_CHUNK)
        batches = [self._tokenizer.pad([rows[i] for i in order[start:stop]]) for start, stop in chunks]
        return self._run(self._text, [{"tokens": batch} for batch in batches])[np.argsort(np.array(order, np.intp))]

    def tokenize(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Texts to padded token rows (n, L), as the text tower reads them."""
        return self._tokenizer(texts)

    def check_golden(self) -> None:
        """Encode the golden inputs and compare: ``BundleRefused`` beyond the manifest's ``golden_tolerance``.

        The tolerance bounds 1 - cosine. It is 1e-4 for fp32, where only the order of sums differs between machines,
        and 1e-2 where a tower is int8: kernels with and without VNNI round to the integer steps at other places.
        """
        try:
            with np.load(io.BytesIO(self._bundle.read("golden.npz")), allow_pickle=False) as golden:
                pixels, tokens, texts = golden["pixels"], golden["tokens"], [str(text) for text in golden["texts"]]
                expected = {"image": golden["image_embeddings"], "text": golden["text_embeddings"]}
                if self._bundle.dense:
                    large, expected["windows"] = golden["large"], golden["window_embeddings"]
        except (KeyError, ValueError) as error:
            raise BundleRefused(f"bundle {self._bundle.path}: golden.npz cannot be read: {error}") from error
        served = self.tokenize(texts)
        if served.shape != tokens.shape or not np.array_equal(served, tokens):
            raise BundleRefused(f"bundle {self._bundle.path}: golden tokens differ")
        computed = {"image": self.encode_pixels(pixels), "text": self.encode_texts(texts)}
        if self._bundle.dense:
            computed["windows"] = self.encode_windows(large)
        for tower, got in computed.items():
            want = expected[tower]
            worst = float((got * want).sum(-1).min()) if got.shape == want.shape else -1.0
            if not worst >= 1.0 - self._bundle.golden_tolerance:
                raise BundleRefused(f"bundle {self._bundle.path}: golden {tower} outputs differ (cosine {worst:.6f})")

    def close(self) -> None:
        """Stop the workers; the encoder is of no use afterwards."""
        self._pool.shutdown()

    def _chunks(self, count: int, size: int) -> list[tuple[int, int]]:
        """Even chunks of at most ``size``, and no fewer than there are workers to take them."""
        chunks = max(-(-count // size), min(self._workers, count))
        return list(pairwise(count * i // chunks for i in range(chunks + 1))) if count else []

    def _image_feeds(self, pixels: NDArray[np.uint8], pooling: NDArray[np.float32] | None, chunk: int) -> list[_Feed]:
        more = {} if pooling is None else {"pooling": pooling}
        return [{"pixels": pixels[start:stop], **more} for start, stop in self._chunks(len(pixels), chunk)]

    def _run(self, session: ort.InferenceSession, feeds: Sequence[_Feed], windows: int = 0) -> NDArray[np.float32]:
        """The rows of all runs one below the other, (rows, D), or with ``windows`` (rows / windows, windows, D)."""
        dim = self._bundle.dim
        shape = (-1, windows, dim) if windows else (-1, dim)
        if not feeds:
            return np.empty((0, *shape[1:]), np.float32)
        outputs = self._pool.map(lambda feed: session.run(None, dict(feed))[0].reshape(-1, dim), feeds)
        return from_stored(as_stored(np.concatenate(list(outputs)))).reshape(shape)


def _check_pixels(pixels: NDArray[np.uint8], size: int) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3):
        raise ValueError(f"pixels must be uint8 (n, {size}, {size}, 3), not {pixels.dtype} {pixels.shape}")


def _session(bundle: Bundle, file: str, wanted: list[tuple[str, str]]) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Memory patterns are kept per input shape; batch and text lengths vary, so they would only pile up.
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _saturates():
        # The exact int8 kernels, at less than half the speed of those that VNNI has.
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        session = ort.InferenceSession(bundle.read(file), options, providers=["CPUExecutionProvider"])
    except BundleRefused:
        raise
    except Exception as error:  # onnxruntime raises its own classes, all straight below Exception
        raise BundleRefused(f"bundle {bundle.path}: {file} does not load: {error}") from error
    inputs = [(item.name, item.type) for item in session.get_inputs()]
    outputs = [(item.name, item.type, item.shape[-1]) for item in session.get_outputs()]
    if inputs != wanted or outputs != [("embedding", "tensor(float)", bundle.dim)]:
        raise BundleRefused(f"bundle {bundle.path}: {file} has other inputs or outputs: {inputs} -> {outputs}")
    return session


@cache
def _saturates() -> bool:
    """Whether this CPU's fast int8 kernels overflow 16 bits: x86-64 without VNNI. Where it cannot be told, no.

    The golden outputs are the proof either way: `Encoder.check_golden` refuses a bundle that computes something else.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "vnni" not in flags
