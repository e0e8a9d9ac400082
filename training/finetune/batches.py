"""Draws what a step learns from: pairs that belong together, mined negatives, and pictures to remember the start by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.finetune.data import Corpus
from training.finetune.relations import FAKE, GENERIC, GENUINE, NEGATIVE, Relations
from training.finetune.views import View


@dataclass(frozen=True, slots=True)
class Plan:
    """How many of each a batch holds: pictures with an edited copy, things with two of their pictures, mined negatives,
    and generic pictures; of how many different drawings of each picture a run is made (drawing takes time).
    """

    copies: int = 14
    items: int = 18
    hard: int = 20
    generic: int = 12
    variety: int = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's input.

    The first `2 * pairs` views are pairs of a reference (even) and a query (odd), the first `copies` of them of a
    picture and its edited copy; mined negatives and generic pictures follow. `texts` pairs a view's place with words.
    """

    views: tuple[View, ...]
    pairs: int
    copies: int
    texts: tuple[tuple[int, str], ...]

    @property
    def pictures(self) -> NDArray[np.int64]:
        """The picture of every view."""
        return np.array([view.picture for view in self.views], dtype=np.int64)


Mined = Mapping[str, NDArray[np.int64]]
"""By use ("copy", "product"): the hardest negatives (n, k) of every picture, -1 where there is none."""


class BatchMaker:
    """Batch number `step` is a function of the seed, the step and what was mined."""

    def __init__(self, corpus: Corpus, relations: Relations, plan: Plan, *, seed: int, held_out: bool = False) -> None:
        """`held_out` makes batches of what is not trained on; partners of such pictures may have been."""
        self.corpus, self.relations, self.plan, self.seed, self.held_out = corpus, relations, plan, seed, held_out
        own = corpus.of(held_out=held_out)
        sides = relations.side
        self._copied = [n for n in own if sides[n] != GENERIC]
        self._generic = [n for n in own if sides[n] == GENERIC]
        goods = [n for n in range(len(corpus)) if sides[n] in (GENUINE, FAKE, NEGATIVE)]
        usable = set(goods) if held_out else set(goods) & set(own)
        items: dict[int, list[int]] = defaultdict(list)
        for number in sorted(usable):
            items[int(relations.item[number])].append(number)
        self._mates = {n: [m for m in items[int(relations.item[n])] if m != n] for n in own if n in usable}
        self._paired = [n for n, mates in self._mates.items() if mates]
        # What was prompted and is authentic has to be told from the known fakes that it was taken for: twice as often.
        self._single = [
            n for n in self._mates for _ in range(2 if corpus.pictures[n].overturned else 1) if n not in self._paired
        ]
        self._paired += [n for n in self._paired if corpus.pictures[n].overturned]

    def make(self, step: int, mined: Mined) -> Batch:
        """The batch of one step."""
        rng = np.random.default_rng((self.seed, step, int(self.held_out)))
        views: list[View] = []
        for number in _some(rng, self._copied, self.plan.copies):
            views += [View(number), self._view(number, "copy", rng)]
        copies = len(views) // 2
        # Two pictures of one thing teach more than two drawings of one picture, but not every thing has two.
        paired = min(self.plan.items, len(self._paired)) if self._paired else 0
        paired = min(paired, self.plan.items * 3 // 4) if self._single else paired
        for number in _some(rng, self._paired, paired):
            mate = int(rng.choice(self._mates[number]))
            query = View(number) if rng.random() < 0.4 else self._view(number, "shot", rng)
            views += [View(mate), query]
        for number in _some(rng, self._single, self.plan.items - paired):
            views += [View(number), self._view(number, "shot", rng)]
        pairs = len(views) // 2
        texts = tuple(
            (place, str(rng.choice(words)))
            for place, view in enumerate(views)
            if (words := self.corpus.pictures[view.picture].words) and rng.random() < 0.5
        )
        views += [View(number) for number in self._hard(rng, views, copies, mined)]
        views += [View(number) for number in _some(rng, self._generic, self.plan.generic)]
        return Batch(tuple(views), pairs, copies, texts)

    def _hard(self, rng: np.random.Generator, views: list[View], copies: int, mined: Mined) -> list[int]:
        """One of the hardest negatives of the pairs' queries, each once, taken in turns."""
        found: dict[int, None] = {}
        for pair in rng.permutation(len(views) // 2).tolist():
            table = mined.get("copy" if pair < copies else "product")
            if table is None or len(found) == self.plan.hard:
                break
            near = table[views[2 * pair + 1].picture]
            near = near[near >= 0]
            if len(near):
                # The very hardest half of the time: the others keep one odd picture from being all that is learned
                found[int(near[0] if rng.random() < 0.5 else rng.choice(near))] = None
        return list(found)

    def _view(self, number: int, look: str, rng: np.random.Generator) -> View:
        # Held-out batches have drawings of their own
        drawing = int(rng.integers(0, self.plan.variety)) + (10_000 if self.held_out else 0)
        return View(number, "copy" if look == "copy" else "shot", drawing)


def _some(rng: np.random.Generator, numbers: list[int], count: int) -> list[int]:
    if not numbers or count <= 0:
        return []
    return [int(n) for n in rng.choice(numbers, count, replace=len(numbers) < count)]
