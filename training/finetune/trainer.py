"""The run: steps, moving average, mining anew, stopping early, and a state that a killed run goes on from."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.finetune.batches import BatchMaker, Plan
from training.finetune.data import Corpus
from training.finetune.mining import Apart, hard_negatives
from training.finetune.objective import Objective
from training.finetune.relations import GENERIC, Relations
from training.finetune.student import Student
from training.finetune.views import View, Views

MINED = ("copy", "product")
HELD_OUT_BATCHES = 6
ADAPTERS_FASTER = 10.0
"""How many times the rate of plain weights LoRA's adapters have, one side of which begins at zero (arXiv:2106.09685 has
2e-4 to 1e-3 where full fine-tuning has 1e-5 to 1e-4)."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast: rates of the three groups of parameters at their height, warm-up and cosine decay over
    `steps`; negatives mined and held-out losses measured every so many steps; stopped after `patience` measurements
    without a better one; `ema` is how much of the averaged weights stays in a step.
    """

    steps: int = 150
    lr_trunk: float = 1e-4
    lr_heads: float = 2e-4
    lr_text: float = 1e-4
    warmup: int = 10
    ema: float = 0.95
    weight_decay: float = 0.02
    mine_every: int = 50
    mined: int = 4
    measure_every: int = 25
    patience: int = 3
    save_every: int = 25


class Trainer:
    """State of a run: weights, their moving average, the best average so far, optimiser, mined negatives, step."""

    def __init__(
        self,
        corpus: Corpus,
        relations: Relations,
        student: Student,
        views: Views,
        objective: Objective,
        plan: Plan,
        schedule: Schedule,
        *,
        seed: int,
    ) -> None:
        """A new run; `load` goes on with another one."""
        self.corpus, self.relations, self.student, self.views = corpus, relations, student, views
        self.objective, self.schedule, self.seed = objective, schedule, seed
        self.maker = BatchMaker(corpus, relations, plan, seed=seed)
        self._held_out = BatchMaker(corpus, relations, plan, seed=seed, held_out=True)
        self.trained = student.trainable()
        faster = ADAPTERS_FASTER if student.method == "lora" else 1.0
        rates = {
            "trunk": faster * schedule.lr_trunk,
            "heads": faster * schedule.lr_heads,
            "text": faster * schedule.lr_text,
        }
        groups: dict[str, list[Tensor]] = {name: [] for name in rates}
        for name, value in self.trained.items():
            groups[student.rate_of(name)].append(value)
        self._optimiser = torch.optim.AdamW(
            [
                {"params": values, "lr": rates[name], "full_lr": rates[name]}
                for name, values in groups.items()
                if values
            ],
            weight_decay=schedule.weight_decay,
            betas=(0.9, 0.98),
        )
        self.average = {name: value.detach().clone() for name, value in self.trained.items()}
        self.best = {name: value.clone() for name, value in self.average.items()}
        self.step = 0
        self.best_step, self.best_loss, self.waited = 0, math.inf, 0
        self.mined: dict[str, NDArray[np.int64]] = {}

    def save(self, path: Path) -> None:
        """Writes the state, tensors and numbers only, replacing the file in one durable step."""
        state = {
            "trained": {name: value.detach() for name, value in self.trained.items()},
            "average": self.average,
            "best": self.best,
            "optimiser": self._optimiser.state_dict(),
            "mined": {use: torch.from_numpy(table) for use, table in self.mined.items()},
            "numbers": [self.step, self.best_step, self.best_loss, self.waited],
        }
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def load(self, path: Path) -> None:
        """Goes on from a file that `save` wrote; nothing but tensors and numbers is unpickled."""
        state: Mapping[str, Any] = torch.load(path, weights_only=True, map_location=self.student.device)
        with torch.no_grad():
            for name, value in self.trained.items():
                value.copy_(state["trained"][name])
        self.average, self.best = dict(state["average"]), dict(state["best"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.mined = {use: table.cpu().numpy() for use, table in state["mined"].items()}
        self.step, self.best_step, self.best_loss, self.waited = state["numbers"]

    @property
    def done(self) -> bool:
        """Whether the plan is at its end, or stopped early."""
        return self.step >= self.schedule.steps or self.waited >= self.schedule.patience

    def run(self, *, until: int | None = None, state: Path | None = None) -> Iterator[dict[str, float]]:
        """Trains to the end (or to step `until`), yielding what each step lost; held-out losses are `held_out_...`."""
        if self.step == 0 and not math.isfinite(self.best_loss):
            measured = self._measure()
            yield {"step": 0, **measured}
        stop = self.schedule.steps if until is None else min(until, self.schedule.steps)
        while self.step < stop and not self.done:
            begun = time.perf_counter()
            if self.step % self.schedule.mine_every == 0:
                self.mined = self._mine()
            row = self._train_step()
            self.step += 1
            if self.step % self.schedule.measure_every == 0 or self.step == self.schedule.steps:
                row |= self._measure()
            if state is not None and (self.step % self.schedule.save_every == 0 or self.step == stop or self.done):
                self.save(state)
            yield {"step": self.step, "seconds": time.perf_counter() - begun, **row}

    def held_out(self) -> dict[str, float]:
        """The mean losses of fixed batches of the groups that are not trained on, under the weights of now."""
        found: dict[str, list[float]] = {}
        with torch.no_grad():
            for number in range(HELD_OUT_BATCHES):
                batch = self._held_out.make(number, {})
                if batch.pairs:
                    terms = self.objective.terms(self.student, batch, *self.views.fed(batch.views))
                    for name, value in {"loss": self.objective.total(terms), **terms}.items():
                        found.setdefault(name, []).append(float(value))
        return {name: float(np.mean(values)) for name, values in found.items()}

    def use(self, weights: Mapping[str, Tensor]) -> None:
        """Puts weights of the trained parameters in place."""
        with torch.no_grad():
            for name, value in self.trained.items():
                value.copy_(weights[name])

    def blended(self, share: float) -> dict[str, Tensor]:
        """The best weights, taken back towards the start's: `share` 1 is the best, 0 the start.

        Weights between a model and what it was fine-tuned to keep most of the gain and lose less elsewhere (WiSE-FT,
        arXiv:2109.01903). An adapter's change of its weight is scaled by its upper matrix, which began at zero.
        """
        start = dict(self.views.teacher.model.named_parameters())
        return {
            name: best.clone() if name.endswith(".down") else torch.lerp(start[name].detach(), best, share)
            for name, best in self.best.items()
        }

    def _measure(self) -> dict[str, float]:
        """Held-out losses of the averaged weights, which are remembered when they are the best."""
        own = {name: value.detach().clone() for name, value in self.trained.items()}
        self.use(self.average)
        losses = self.held_out()
        self.use(own)
        # Where nothing is held out, the last weights are as good a choice as any.
        loss = losses.get("loss", -float(self.step))
        if loss < self.best_loss - 1e-6:
            self.best_loss, self.best_step, self.waited = loss, self.step, 0
            self.best = {name: value.clone() for name, value in self.average.items()}
        else:
            self.waited += 1
        return {f"held_out_{name}": value for name, value in losses.items()}

    def _train_step(self) -> dict[str, float]:
        for group in self._optimiser.param_groups:
            group["lr"] = group["full_lr"] * self._rate()
        batch = self.maker.make(self.step, self.mined)
        terms = self.objective.terms(self.student, batch, *self.views.fed(batch.views))
        loss = self.objective.total(terms)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), 5.0)
        self._optimiser.step()
        with torch.no_grad():
            self.student.keep_text_in_its_part()
            keep = min(self.schedule.ema, (1 + self.step) / (10 + self.step))
            for name, value in self.trained.items():
                self.average[name].lerp_(value, 1 - keep)
        return {"loss": float(loss.detach()), **{name: float(value.detach()) for name, value in terms.items()}}

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / max(self.schedule.warmup, 1))
        return float(warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.step / self.schedule.steps))))

    def _mine(self) -> dict[str, NDArray[np.int64]]:
        """The hardest negatives of every picture that is trained on, under the weights of now."""
        numbers = np.array(self.corpus.of(held_out=False), dtype=np.int64)
        whole = encode(self.student, self.views, numbers.tolist())[:, 0]
        candidates = np.flatnonzero(self.relations.side[numbers] != GENERIC)
        mined = {}
        for use in MINED:
            vectors = self.student.part(whole, use).cpu().numpy()
            rule = self.relations.other_picture if use == "copy" else self.relations.other_item
            near = hard_negatives(
                vectors,
                candidates,
                candidates,
                lambda one, two, rule=rule: rule(numbers[one], numbers[two]),  # type: ignore[misc]  # bound early
                count=self.schedule.mined,
                name=f"step {self.step}",
            )
            table = np.full((len(self.corpus), self.schedule.mined), -1, dtype=np.int64)
            table[numbers[candidates]] = np.where(near >= 0, numbers[near], -1)
            if use == "product":
                self._fakes_first(table, numbers, vectors, rule)
            mined[use] = table
        return mined

    def _fakes_first(
        self, table: NDArray[np.int64], numbers: NDArray[np.int64], vectors: NDArray[np.float32], rule: Apart
    ) -> None:
        """Before all, a prompt that was overturned is held against the known fake that it was taken for."""
        pictures = [self.corpus.pictures[n] for n in numbers.tolist()]
        prompted = np.array([n for n, p in enumerate(pictures) if p.overturned], dtype=np.int64)
        fakes = np.array([n for n, p in enumerate(pictures) if p.reference and p.side == "fake"], dtype=np.int64)
        near = hard_negatives(
            vectors, prompted, fakes, lambda a, b: rule(numbers[a], numbers[b]), count=1, name=f"fakes {self.step}"
        )
        for place, fake in zip(numbers[prompted].tolist(), near[:, 0].tolist(), strict=True):
            if fake >= 0:
                others = [n for n in table[place].tolist() if n != numbers[fake]]
                table[place] = [int(numbers[fake]), *others][: table.shape[1]]


def encode(student: Student, views: Views, numbers: list[int]) -> Tensor:
    """Vectors (n, windows, d) of unedited pictures, not normalised."""
    found = []
    with torch.no_grad():
        for start in range(0, len(numbers), 64):
            held, _ = views.fed([View(number) for number in numbers[start : start + 64]])
            found.append(student.windows(held))
    return torch.cat(found)
