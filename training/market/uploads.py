"""Chooses the pictures that a listing shows: official, own, copied from others, of copies, with the mark covered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from training.market.goods import Ask, Product
from training.market.retouch import HIDES, STOLEN, Edit, Step

Origin = Literal["official", "own", "fake", "known_fake"]


@dataclass(frozen=True, slots=True)
class Upload:
    """One picture of a listing: what it shows, what was done to it, whose it was; equal uploads are the same file."""

    ask: Ask
    steps: tuple[Step, ...]
    origin: Origin


@dataclass(slots=True)
class Album:
    """Deals out pictures, each own one once; `settings` is the table `pictures` of the model."""

    settings: Mapping[str, Any]
    line_photos: int
    rng: np.random.Generator
    _dealt: dict[tuple[str, str, int], int] = field(default_factory=lambda: defaultdict(int))
    _shown: dict[tuple[str, str, int], list[tuple[Upload, ...]]] = field(default_factory=lambda: defaultdict(list))

    def official(self, product: Product, *, honest: bool) -> tuple[Upload, ...]:
        """Some of the official pictures: the same files, encoded again, or edited."""
        if product.thefts and not honest:
            number = int(self.rng.integers(0, product.thefts))
            return self.copied([Upload(Ask("theft", product.id, number), (), "official")], honest=True)
        count = min(self._count(), product.official)
        chosen = sorted(self.rng.choice(product.official, count, replace=False).tolist())
        return self.copied([Upload(Ask("official", product.id, n), (), "official") for n in chosen], honest=honest)

    def own(self, product: Product) -> tuple[Upload, ...]:
        """The seller's own pictures of the genuine thing, seldom with something covered."""
        taken = tuple(self._next("own", product, 0, product.own, 0) for _ in range(self._count()))
        return self.covered(taken) if self.rng.random() < self.settings["covered"] else taken

    def fake(self, product: Product, line: int, owner: str) -> tuple[Upload, ...]:
        """The owner's pictures of a copy: new ones, or those of an earlier listing again, as they were or edited."""
        shown = self._shown[owner, product.id, line]
        if shown and self.rng.random() < self.settings["reused"]:
            return self.copied(shown[int(self.rng.integers(0, len(shown)))], honest=False)
        taken = tuple(self._next("fake", product, line, product.fake, self.line_photos) for _ in range(self._count()))
        shown.append(taken)
        return taken

    def known_fake(self, product: Product, line: int) -> tuple[Upload, ...]:
        """One or more of the registered pictures of a copy."""
        count = min(self._count(), self.line_photos)
        chosen = sorted(self.rng.choice(self.line_photos, count, replace=False).tolist())
        return self.copied([Upload(Ask("fake", product.id, n, line), (), "known_fake") for n in chosen], honest=False)

    def covered(self, uploads: Sequence[Upload]) -> tuple[Upload, ...]:
        """The same with the mark hidden in each; hidden first, so that later edits do not lose its place."""
        return tuple(replace(u, steps=(self._step(self._one(HIDES)), *u.steps)) for u in uploads)

    def copied(self, uploads: Sequence[Upload], *, honest: bool) -> tuple[Upload, ...]:
        """Somebody's pictures uploaded again: verbatim, encoded again, or edited first."""
        found = []
        edited = self.settings["edited_honest" if honest else "edited_fake"]
        for upload in uploads:
            if self.rng.random() < self.settings["verbatim"]:
                found.append(upload)
                continue
            edit: Edit = self._one(STOLEN) if self.rng.random() < edited else "encode"
            found.append(replace(upload, steps=(*upload.steps, self._step(edit))))
        return tuple(found)

    def _next(self, view: Literal["own", "fake"], product: Product, line: int, limit: int | None, first: int) -> Upload:
        """The next picture that nobody has shown; where the source runs out, an old one taken by another camera."""
        number = first + self._dealt[view, product.id, line]
        self._dealt[view, product.id, line] += 1
        steps: tuple[Step, ...] = (self._step("encode"),)
        if limit is not None and number >= limit:
            number %= limit
            steps = (self._step("camera"),)
        return Upload(Ask(view, product.id, number, line), steps, view)

    def _count(self) -> int:
        most = int(self.settings["most"])
        shares = 0.5 ** np.arange(most)
        return 1 + int(self.rng.choice(most, p=shares / shares.sum()))

    def _step(self, edit: Edit) -> Step:
        return edit, int(self.rng.integers(0, 2**31))

    def _one(self, edits: Sequence[Edit]) -> Edit:
        return edits[int(self.rng.integers(0, len(edits)))]
