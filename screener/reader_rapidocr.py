"""Reads text with RapidOCR: PP-OCR's small models as they lie in its package, on the CPU, without any network."""

import math
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import rapidocr
from numpy.typing import NDArray
from rapidocr import RapidOCR
from rapidocr.main import RapidOCRError

from screener.reading import MAX_LINES, SIDE, Line, printable

SURE: Final = 0.6
"""Mean confidence of a line's letters under which it is dropped: what is below is mostly texture read as letters."""
MAX_GROWTH: Final = 3.0
"""How much a small picture is enlarged at most: the finder was trained on larger letters than phone photos have."""
MAX_ASPECT: Final = 30.0
"""Longer lines are no words, and the recogniser's time grows with the length."""
_MODELS: Final = {"Det": "PP-OCRv6_det_small.onnx", "Rec": "PP-OCRv6_rec_small.onnx"}


class RapidOcrReader:
    """Finds lines in the picture and reads the largest; thread-safe, since its sessions are and it keeps nothing else.

    Loads about 30 MB of models. Each call works on one core: one thread per session, so none spins.
    """

    def __init__(self, *, side: int = SIDE) -> None:
        """Reads pictures at `side` pixels. FileNotFoundError where the package lacks its models: none is fetched."""
        self._side = side
        folder = Path(rapidocr.__file__).parent / "models"
        # Named files, because a model that is only described would be downloaded where it is missing.
        files = {f"{part}.model_path": str(_existing(folder / name)) for part, name in _MODELS.items()}
        cv2.setNumThreads(1)  # the process's only use of OpenCV; its threads would take the decoders' cores
        settings: dict[str, Any] = {
            "Global.log_level": "critical",  # it warns of every picture without text
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.limit_side_len": side,
            "Det.limit_type": "max",
        }
        self._engine = RapidOCR(params=files | settings)
        self._id = f"rapidocr-{version('rapidocr')}-small-{side}-{SURE:g}"
        self.read(np.full((64, 64, 3), 255, dtype=np.uint8))  # loads the finder now, not within a listing's time
        self._recognise([np.full((48, 96, 3), 255, dtype=np.uint8)])

    @property
    def id(self) -> str:
        """Package, models, side and least confidence."""
        return self._id

    def read(self, pixels: NDArray[np.uint8]) -> tuple[Line, ...]:
        """As `screener.reading.Reader` says."""
        grown = _grown(pixels, self._side)
        height, width = grown.shape[:2]
        moved: dict[str, Any] = {}
        try:
            crops, found = self._engine.detect_and_crop(np.ascontiguousarray(grown[..., ::-1]), moved)
        except RapidOCRError:  # how it says that there is no text
            return ()
        # Very long pictures were padded above and below; (n, 4 corners, x and y) in pixels.
        boxes = np.asarray(found.boxes, dtype=np.float64) - (moved["padding_1"]["left"], moved["padding_1"]["top"])
        usable = [n for n, crop in enumerate(crops) if min(crop.shape[:2]) > 0 and _aspect(crop) <= MAX_ASPECT]
        # A picture can be made to hold a thousand lines; names are among the large ones.
        largest = sorted(sorted(usable, key=lambda n: -math.prod(crops[n].shape[:2]))[:MAX_LINES])
        lines = []
        for n, (text, confidence) in zip(largest, self._recognise([crops[n] for n in largest]), strict=True):
            x, y = boxes[n, :, 0].clip(0, width) / width, boxes[n, :, 1].clip(0, height) / height
            if confidence >= SURE and (kept := printable(text)):
                box = (float(x.min()), float(y.min()), float(x.max()), float(y.max()))
                lines.append(Line(kept, min(float(confidence), 1.0), box))
        return tuple(lines)

    def _recognise(self, crops: list[NDArray[np.uint8]]) -> list[tuple[str, float]]:
        if not crops:
            return []
        read = self._engine.recognize_txt(crops)
        return list(zip(read.txts or (), read.scores or (), strict=True))


def _grown(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture smaller than `side` made as large, as far as `MAX_GROWTH` allows."""
    height, width = pixels.shape[:2]
    factor = min(side / max(height, width), MAX_GROWTH)
    if factor <= 1.0:
        return pixels
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _aspect(crop: NDArray[np.uint8]) -> float:
    height, width = crop.shape[:2]
    return float(max(height, width) / max(min(height, width), 1))


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise FileNotFoundError(f"{file.name} is not in this release of rapidocr")
    return file
