"""Draws what a picture may look like elsewhere: edited copies and other shots, each a function of its number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFont
from torch import Tensor

from screener.preprocess import WHOLE, ImagePreprocess, prepare
from training.edits import Props, copy_of, photograph
from training.finetune.data import Corpus, rgb
from training.finetune.student import Student

Look = Literal["clean", "copy", "shot"]
_LOOKS: Final = ("clean", "copy", "shot")
CACHE_BYTES: Final = 768 * 2**20
_SCENES, _MARKS = 12, 6


@dataclass(frozen=True, slots=True, order=True)
class View:
    """Picture `picture` as it is, edited by a copier, or taken by another hand; `number` tells the drawings apart."""

    picture: int
    look: Look = "clean"
    number: int = 0


class Views:
    """Views as a student is fed them, with the start's vectors of them.

    Every view is a function of the seed and itself alone. What the frozen part of the student makes of it, and the
    start's vectors, are kept, the least used forgotten first: a view comes several times in a run.
    """

    def __init__(
        self, corpus: Corpus, student: Student, teacher: Student, *, side: int, seed: int, workers: int
    ) -> None:
        """`side` in pixels; `teacher` is a student of the same start and method that is never trained; `workers`
        threads draw (0: none but the caller's).
        """
        self.corpus, self.student, self.teacher, self.seed = corpus, student, teacher, seed
        self.spec: ImagePreprocess = replace(student.start.preprocess, size=side)
        self._font = ImageFont.load_default(32)
        self._pool = ThreadPoolExecutor(workers) if workers else None
        self._kept: OrderedDict[View, tuple[Tensor, Tensor]] = OrderedDict()
        self._bytes = 0

    def close(self) -> None:
        """Ends the threads that draw."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def fed(self, views: Sequence[View]) -> tuple[Tensor, Tensor]:
        """What the student is fed (n, ...), and the start's vectors (n, windows, d) in float32, not normalised."""
        missing = [view for view in dict.fromkeys(views) if view not in self._kept]
        drawn = list(self._pool.map(self.draw, missing) if self._pool else map(self.draw, missing))
        made: dict[View, tuple[Tensor, Tensor]] = {}
        for start in range(0, len(drawn), 32):
            pixels = np.stack(drawn[start : start + 32])
            held = self.student.frozen(pixels)
            with torch.no_grad():
                taught = self.teacher.windows(held).half().cpu()
            for place, view in enumerate(missing[start : start + 32]):
                made[view] = held[place].clone(), taught[place].clone()
        found = [made.get(view) or self._kept[view] for view in views]
        for view in views:
            if view in self._kept:
                self._kept.move_to_end(view)
        for view, value in made.items():
            self._kept[view] = value
            self._bytes += _size(value)
        while self._bytes > CACHE_BYTES and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popitem(last=False)[1])
        return torch.stack([held for held, _ in found]), torch.stack([taught for _, taught in found]).float()

    def draw(self, view: View) -> NDArray[np.uint8]:
        """The view's pixels (side, side, 3), prepared as pictures are for the model."""
        return prepare(rgb(self.picture(view)), WHOLE, self.spec)

    def picture(self, view: View) -> Image.Image:
        """The view before it is prepared."""
        image = self.corpus.image(view.picture)
        if view.look != "clean":
            rng = np.random.default_rng((self.seed, view.picture, _LOOKS.index(view.look), view.number))
            edit = copy_of if view.look == "copy" else photograph
            image = edit(image, rng, self._props(rng))
        return image

    def _props(self, rng: np.random.Generator) -> Props:
        """Other pictures of the corpus to paste onto, its marks, Pillow's own font."""
        pictures = self.corpus.pictures
        scenes = [n for n, p in enumerate(pictures) if p.side in ("generic", "genuine") and not p.held_out]
        marks = [n for n, p in enumerate(pictures) if p.side == "mark" and not p.held_out]
        return Props(
            _Lazy(self.corpus, rng.choice(scenes or len(pictures), _SCENES).tolist()),
            [self.corpus.image(int(n)).convert("RGBA") for n in rng.choice(marks, 1)]
            if marks
            else [Image.new("RGBA", (32, 32), (200, 30, 30, 255))],
            [self._font] if isinstance(self._font, ImageFont.FreeTypeFont) else [],
        )


class _Lazy(Sequence[Image.Image]):
    """Pictures that are decoded only when an edit wants one."""

    def __init__(self, corpus: Corpus, numbers: list[int]) -> None:
        self._corpus, self._numbers = corpus, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: int) -> Image.Image:  # type: ignore[override]  # slices are not asked for
        return self._corpus.image(self._numbers[place])


def _size(value: tuple[Tensor, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in value)
