"""Makes training batches: edited copies, printed marks, photos of products, titled pictures and spellings of names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

from training.edits import Props, copy_of, photograph, sticker
from training.library import Library
from training.names import SCRIPTS, invent_name, letter_case, odd_spelling
from training.packaging import catalogue_view, design, front, shelf_view
from training.render import flatten, print_on, tint, wordmark

SCRIPT_SHARES = {
    "latin": 0.76,
    "cyrillic": 0.06,
    "greek": 0.03,
    "han": 0.05,
    "kana": 0.03,
    "hangul": 0.03,
    "arabic": 0.02,
    "thai": 0.02,
}


BASE_SHARES = {"photo": 0.5, "product": 0.3, "thing": 0.2}
"""What copies are made of: photographs first, as listings are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many of each a batch holds: base pictures with an edited copy, marks printed twice, products seen twice,
    titled things seen twice, invented packages in two flavours seen twice, names.
    """

    copies: int
    marks: int
    products: int
    things: int
    names: int
    packages: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's input: pairs of a reference (even rows) and a query (the odd row after it).

    `pixels` is uint8 (n, side, side, 3). `base` int64 (n,) is the library number a picture or its copy was made from
    (-1: none, so no teacher); equal `label` int64 (n,) means equal meaning. `texts` pairs a row with words; `spellings`
    are pairs of spellings of one name.
    """

    pixels: NDArray[np.uint8]
    base: NDArray[np.int64]
    label: NDArray[np.int64]
    texts: tuple[tuple[int, str], ...]
    spellings: tuple[tuple[str, str], ...]


class BatchMaker:
    """Batch number `step` is a function of (seed, step) alone: a resumed run sees what an uninterrupted one would have
    seen.
    """

    def __init__(
        self, library: Library, plan: Plan, sides: Sequence[int], seed: int, *, held_out: bool = False
    ) -> None:
        """`sides` are the pictures' sides in pixels, of which every batch has one."""
        self.library, self.plan, self.sides, self.seed, self.held_out = library, plan, sides, seed, held_out
        self._pools = {
            "photo": library.select("photo", held_out=held_out),
            "product": library.select("product", held_out=held_out),
            "logo": library.select("logo", held_out=held_out),
            "thing": [n for n in library.select("thing", held_out=held_out) if library.entries[n].texts[0]],
            "scene": library.select("photo", "product", held_out=held_out),
            "shown": library.select("photo", "thing", held_out=held_out),
        }
        self._products: dict[str, list[int]] = {}
        for number in library.select("product", held_out=held_out):
            self._products.setdefault(library.entries[number].label, []).append(number)
        labels = sorted({e.label for e in library.entries})
        self._label = {label: n for n, label in enumerate(labels)}

    @cached_property
    def _titles(self) -> list[str]:
        names = {
            t
            for n in self._pools["logo"] + self._pools["thing"]
            for t in self.library.entries[n].texts
            if 2 <= len(t) <= 32
        }
        return sorted(names)

    def make(self, step: int) -> Batch:
        """The batch of one step."""
        rng = np.random.default_rng((self.seed, step, int(self.held_out)))
        props = self.props(rng)
        rows: list[tuple[Image.Image, int, int]] = []
        texts: list[tuple[int, str]] = []
        for number in self.bases(rng):
            image, label = self.flat(number, rng), self._label[self.library.entries[number].label]
            # The reference is mostly the picture as it was registered, sometimes a copy itself
            first = image if rng.random() < 0.6 else copy_of(image, rng, props)
            rows += [(first, number, label), (copy_of(image, rng, props), number, label)]
        for _ in range(self.plan.marks):
            label, text, first, second = self.mark_pair(rng, props)
            texts += [(len(rows), text), (len(rows) + 1, text)]
            rows += [(first, -1, label), (second, -1, label)]
        for label, *numbers in self.product_pairs(rng):
            for number in numbers:
                texts.append((len(rows), self.library.entries[number].texts[0]))
                rows.append((photograph(self.flat(number, rng), rng, props), -1, label))
        for number in self._take(rng, "thing", self.plan.things):
            entry = self.library.entries[number]
            for _ in range(2):
                text = entry.texts[0] if rng.random() < 0.6 else str(rng.choice(entry.texts))
                texts.append((len(rows), text[:40]))
                rows.append((photograph(self.flat(number, rng), rng, props), -1, self._label[entry.label]))
        for _ in range(self.plan.packages):
            for label, first, second in self.package_pairs(rng, props):
                rows += [(first, -1, label), (second, -1, label)]
        side = int(rng.choice(self.sides))
        pixels = np.stack([np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)) for image, _, _ in rows])
        base = np.array([b for _, b, _ in rows], dtype=np.int64)
        label_of = np.array([m for _, _, m in rows], dtype=np.int64)
        return Batch(pixels, base, label_of, tuple(texts), tuple(self._spelling(rng) for _ in range(self.plan.names)))

    def _take(self, rng: np.random.Generator, pool: str, count: int) -> list[int]:
        numbers = self._pools[pool]
        return [int(n) for n in rng.choice(numbers, count, replace=len(numbers) < count)] if numbers else []

    def bases(self, rng: np.random.Generator) -> list[int]:
        """Pictures to make copies of, in the shares of BASE_SHARES."""
        kinds = [kind for kind in BASE_SHARES if self._pools[kind]]
        shares = np.array([BASE_SHARES[kind] for kind in kinds])
        counts = rng.multinomial(self.plan.copies, shares / shares.sum()).tolist() if kinds else []
        return [n for kind, count in zip(kinds, counts, strict=True) for n in self._take(rng, kind, count)]

    def product_pairs(self, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        """Products with two of their photos each: (label, picture, picture)."""
        names = sorted(self._products)
        if not names:
            return []
        chosen = rng.choice(len(names), min(self.plan.products, len(names)), replace=False)
        pairs = []
        for name in (names[int(n)] for n in chosen):
            first, second = rng.choice(self._products[name], 2, replace=len(self._products[name]) < 2)
            pairs.append((self._label[name], int(first), int(second)))
        return pairs

    def flat(self, number: int, rng: np.random.Generator) -> Image.Image:
        """A picture as RGB; transparent ones on plain paper or on a scene."""
        image = self.library.image(number)
        if image.mode != "RGBA":
            return image
        if rng.random() < 0.5 or not self._pools["scene"]:
            r, g, b = (255, 255, 255) if rng.random() < 0.5 else tuple(int(v) for v in rng.integers(0, 256, 3))
            return flatten(image, (r, g, b))
        page = flatten(self.library.image(int(rng.choice(self._pools["scene"])))).resize(
            image.size, Image.Resampling.BICUBIC
        )
        page.paste(image, (0, 0), image)
        return page

    def props(self, rng: np.random.Generator) -> Props:
        """What this batch's edits draw with."""
        scenes = [flatten(self.library.image(n)) for n in self._take(rng, "scene", 12)] or [
            Image.new("RGB", (64, 64), (128, 128, 128))
        ]
        marks = []
        for number in self._take(rng, "logo", 6):
            mark = self.library.image(number).convert("RGBA")
            marks.append(tint(mark, rng) if self.library.entries[number].tintable else mark)
        return Props(
            scenes,
            marks or [Image.new("RGBA", (32, 32), (200, 30, 30, 255))],
            [self._font(rng, "latin") for _ in range(4)],
        )

    def _font(self, rng: np.random.Generator, script: str) -> ImageFont.FreeTypeFont:
        # A twelfth of the fonts' files never draws a training mark, so that measuring sees unknown fonts
        files = [
            f for n, f in enumerate(self.library.fonts[script]) if (n % 12 == 11) == self.held_out
        ] or self.library.fonts[script]
        return ImageFont.truetype(str(files[int(rng.integers(0, len(files)))]), 32)

    def _script(self, rng: np.random.Generator) -> str:
        known = [s for s in SCRIPTS if s in self.library.fonts]
        shares = np.array([SCRIPT_SHARES[s] for s in known])
        return str(rng.choice(known, p=shares / shares.sum()))

    def mark_pair(self, rng: np.random.Generator, props: Props) -> tuple[int, str, Image.Image, Image.Image]:
        """A real or invented mark printed twice: (label, its words, close print, print in a scene)."""
        pictures: list[Image.Image] = []
        if rng.random() < 0.6 and self._pools["logo"]:
            number = self._take(rng, "logo", 1)[0]
            entry = self.library.entries[number]
            label, text = self._label[entry.label], entry.texts[0]
            marks = [self.library.image(number).convert("RGBA") for _ in range(2)]
            if entry.tintable:
                marks = [tint(mark, rng) for mark in marks]
        else:
            script = self._script(rng)
            name = invent_name(rng, script)
            label = len(self._label) + int.from_bytes(name.encode()[-6:], "big")
            font = self._font(rng, script)
            fonts = [font, font if rng.random() < 0.6 else self._font(rng, script)]
            shown = letter_case(name, rng)
            marks = [
                tint(wordmark(shown if n == 0 or rng.random() < 0.7 else letter_case(name, rng), f, rng), rng)
                for n, f in enumerate(fonts)
            ]
            if rng.random() < 0.5:
                marks[1] = tint(marks[1], rng) if rng.random() < 0.5 else marks[0]
            text = name if rng.random() < 0.75 else odd_spelling(name, rng)
        for mark, tight in zip(marks, (0.85, 0.25), strict=True):
            scene = props.scenes[int(rng.integers(0, len(props.scenes)))]
            if rng.random() < 0.15:
                scene = sticker(scene, rng, props)  # other marks beside the one that counts
            pictures.append(
                photograph(print_on(mark, scene, rng, 256, tight), rng, props)
                if rng.random() < 0.5
                else print_on(mark, scene, rng, 224, tight)
            )
        return label, text, pictures[0], pictures[1]

    def package_pairs(self, rng: np.random.Generator, props: Props) -> list[tuple[int, Image.Image, Image.Image]]:
        """Two flavours of one invented product: (label, catalogue picture, picture from a shelf) of each."""
        package = design(letter_case(invent_name(rng), rng), self._font(rng, "latin"), rng)
        pairs = []
        for flavour in (int(n) for n in rng.integers(0, 2**31, 2)):
            shown = self.library.image(self._take(rng, "shown", 1)[0]) if self._pools["shown"] else None
            item = front(package, flavour, shown)
            views = catalogue_view(item, rng), photograph(shelf_view(item, rng, props), rng, props)
            pairs.append((len(self._label) + (1 << 50) + flavour, *views))
        return pairs

    def _spelling(self, rng: np.random.Generator) -> tuple[str, str]:
        titles = self._titles
        name = (
            titles[int(rng.integers(0, len(titles)))]
            if titles and rng.random() < 0.5
            else invent_name(rng, self._script(rng))
        )
        other = odd_spelling(name, rng) if rng.random() < 0.8 else f"{odd_spelling(name, rng)} {invent_name(rng)}"
        return letter_case(name, rng), other
