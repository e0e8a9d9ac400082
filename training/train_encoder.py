"""Trains the default encoder: one trunk, a copy part with a teacher, a semantic part shared with the text tower."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import training.torch_setup  # noqa: F401  (before open_clip)
from screener.bundle import Part
from training.batches import Batch, BatchMaker, Plan
from training.heads import fit_heads
from training.library import Library
from training.losses import distillation, many_positive_info_nce, relation, same_label, spread
from training.parted import build_clip, build_tokenizer, read_parts, write_open_clip
from training.teacher import compress
from training.towers import text_features
from training.trunk import FrozenStem, fit_trunk


class EncoderTrainer:
    """State of a run: model, its moving average, optimiser and the step reached; saved and resumed as one file."""

    def __init__(
        self, config: Mapping[str, Any], library: Library, teacher: NDArray[np.float32], work: Path, seed: int
    ) -> None:
        torch.manual_seed(seed)
        self.config, self.plan, self.library, self.work, self.seed = config, config["train"], library, work, seed
        self.parts: dict[str, Part] = {p.name: p for p in read_parts(config)}
        self.clip = build_clip(config)
        write_open_clip(config, work / "model")
        self.tokenizer = build_tokenizer(config, work / "model")
        copy = self.parts["copy"]
        self.teacher = torch.from_numpy(compress(teacher, copy.stop - copy.start))
        self.teacher_full = torch.from_numpy(teacher)
        self.step = 0

    def start(self, trunk: Mapping[str, Tensor] | None) -> None:
        """Begin from published trunk weights (None: random), with heads fitted in closed form, and zero text rows in
        the copy slots.
        """
        if trunk is not None:
            fit_trunk(self._trunk(), trunk)
        self._mask_text()
        self.clip.eval()
        plan = Plan(**{**self.plan["batch"], "names": 1})
        maker = BatchMaker(self.library, plan, self.plan["phases"][0]["side"], self.seed + 1)
        fit_heads(self._trunk(), maker, self.teacher, self.parts, self._normalise)
        self._prepare()

    def resume(self, checkpoint: Path) -> None:
        """Go on from a file that `save` wrote."""
        held = torch.load(checkpoint, weights_only=True)
        self.clip.load_state_dict(held["model"])
        self._prepare()
        self.average = held["average"]
        self.optimiser.load_state_dict(held["optimiser"])
        self.step = held["step"]

    def save(self, path: Path) -> None:
        """Write the run's state (tensors and numbers only), replacing the file in one step."""
        state = {
            "model": self.clip.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        torch.save(state, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def averaged(self) -> dict[str, Tensor]:
        """The moving average of the weights, which is what is exported."""
        return {**self.clip.state_dict(), **self.average}

    def run(
        self, *, until: int | None = None, workers: int = 1, checkpoint: Path | None = None
    ) -> Iterator[dict[str, float]]:
        """Train to the plan's end (or step `until`), yielding each step's losses."""
        total = sum(phase["steps"] for phase in self.plan["phases"])
        first = 0
        for phase in self.plan["phases"]:
            last = first + phase["steps"]
            stop = min(last, until if until is not None else last)
            if self.step < stop:
                maker = BatchMaker(self.library, Plan(**self.plan["batch"]), phase["side"], self.seed)
                loader = DataLoader(
                    _Steps(maker, stop),
                    batch_size=None,
                    sampler=range(self.step, stop),
                    num_workers=workers,
                    prefetch_factor=4 if workers else None,
                )
                for batch in loader:
                    begun = time.perf_counter()
                    losses = self._train_step(batch, total)
                    self.step += 1
                    if checkpoint is not None and (self.step % self.plan["save_every"] == 0 or self.step == stop):
                        self.save(checkpoint)
                    yield {"step": self.step, "seconds": time.perf_counter() - begun, **losses}
            first = last

    def _train_step(self, batch: Batch, total: int) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = group["full_lr"] * self._rate(total)
        losses = self.losses(batch)
        loss = torch.stack([self.plan["weights"][name] * value for name, value in losses.items()]).sum()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.clip.parameters(), 5.0)
        self.optimiser.step()
        with torch.no_grad():
            self._mask_text()
            keep = min(self.plan["ema"], (1 + self.step) / (10 + self.step))
            for name, value in self.clip.named_parameters():
                self.average[name].lerp_(value, 1 - keep)
        return {"loss": float(loss.detach()), **{name: float(value.detach()) for name, value in losses.items()}}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The named terms of one batch, unweighted."""
        trunk = self._trunk()
        features = self.stem(self._normalise(batch.pixels))
        for stage in list(trunk.blocks)[self.plan["frozen_stages"] :]:
            features = stage(features)
        vectors = trunk.forward_head(trunk.bn2(trunk.conv_head(features)))
        meaning = F.normalize(self._slice(vectors, "semantic"), dim=-1)
        copied = F.normalize(self._slice(vectors, "copy"), dim=-1)
        base, label = torch.from_numpy(batch.base), torch.from_numpy(batch.label)
        from_base = base >= 0
        mine, origin = copied[from_base], base[from_base]
        terms = {
            "teacher": distillation(mine, self.teacher[origin]),
            "copy": _contrast(mine, origin, self.plan["copy_temperature"]),
            "spread": spread(mine, origin),
            "relation": relation(meaning[from_base], self.teacher_full[origin]),
        }
        named = label >= 0
        terms["same"] = _contrast(meaning[named], label[named], self.plan["temperature"])
        terms.update(self._text_losses(batch, meaning, label))
        return terms

    def _text_losses(self, batch: Batch, meaning: Tensor, label: Tensor) -> dict[str, Tensor]:
        sayings = [text for _, text in batch.texts] + [text for pair in batch.spellings for text in pair]
        words = F.normalize(self._slice(self._encode_texts(self.tokenizer(sayings)), "semantic"), dim=-1)
        rows = torch.tensor([row for row, _ in batch.texts], dtype=torch.long)
        said, told = words[: len(rows)], label[rows]
        scale = self.clip.logit_scale.exp().clamp(max=50.0)
        picture_to_text = _pairs(meaning[rows], said, told, 1 / scale)
        text_to_picture = _pairs(said, meaning[rows], told, 1 / scale)
        spelled = words[len(rows) :]
        twin = torch.arange(len(batch.spellings)).repeat_interleave(2)
        spelling = _contrast(spelled, twin, self.plan["temperature"])
        return {"text": (picture_to_text + text_to_picture) / 2, "spelling": spelling}

    def _encode_texts(self, tokens: Tensor) -> Tensor:
        """Text vectors in the tokens' order, rows of like length together and cut to it: most names are short, the
        context is long.
        """
        lengths = tokens.argmax(dim=1) + 1
        edges = [0, 12, 20, 36, tokens.shape[1]]
        rows, vectors = [], []
        for low, high in pairwise(edges):
            chosen = ((lengths > low) & (lengths <= high)).nonzero()[:, 0]
            if len(chosen):
                rows.append(chosen)
                vectors.append(text_features(self.clip, tokens[chosen, : int(lengths[chosen].max())]))
        return torch.cat(vectors)[torch.cat(rows).argsort()]

    def _prepare(self) -> None:
        trunk = self._trunk()
        frozen = [trunk.conv_stem, trunk.bn1, *list(trunk.blocks)[: self.plan["frozen_stages"]]]
        for module in frozen:
            module.requires_grad_(False)
        self.stem = FrozenStem(trunk, self.plan["frozen_stages"])
        # Batch statistics stay ImageNet's: a batch of four very different kinds of pictures has none worth learning
        self.clip.eval()
        rate = self.plan["lr"]
        groups: dict[str, list[Tensor]] = {"trunk": [], "heads": [], "text": []}
        for name, value in self.clip.named_parameters():
            if value.requires_grad:
                groups["heads" if "classifier" in name else "trunk" if name.startswith("visual.") else "text"].append(
                    value
                )
        settings = [{"params": values, "lr": rate[name], "full_lr": rate[name]} for name, values in groups.items()]
        self.optimiser = torch.optim.AdamW(settings, weight_decay=self.plan["weight_decay"], betas=(0.9, 0.98))
        self.average = {name: value.detach().clone() for name, value in self.clip.named_parameters()}
        self.clip.visual.to(memory_format=torch.channels_last)

    def _mask_text(self) -> None:
        for part in self.parts.values():
            if "text" not in part.uses:
                self.clip.text_projection.data[:, part.start : part.stop] = 0

    def _slice(self, vectors: Tensor, name: str) -> Tensor:
        return vectors[:, self.parts[name].start : self.parts[name].stop]

    def _normalise(self, pixels: NDArray[np.uint8]) -> Tensor:
        mean = torch.tensor(self.config["preprocess"]["mean"]).view(1, 3, 1, 1)
        std = torch.tensor(self.config["preprocess"]["std"]).view(1, 3, 1, 1)
        image = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        return ((image - mean) / std).contiguous(memory_format=torch.channels_last)

    def _rate(self, total: int) -> float:
        warm = min(1.0, (self.step + 1) / self.plan["warmup"])
        return float(warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, self.step / total)))))

    def _trunk(self) -> Any:
        return self.clip.visual.trunk


class _Steps(Dataset[Batch]):
    def __init__(self, maker: BatchMaker, length: int) -> None:
        self.maker, self.length = maker, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, step: int) -> Batch:
        return self.maker.make(step)


def write_log(path: Path, row: Mapping[str, float]) -> None:
    """Append one step's losses as a JSON line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({k: round(v, 5) for k, v in row.items()}) + "\n")


def _contrast(rows: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """InfoNCE of the batch against itself; a row is never compared with itself."""
    others = ~torch.eye(len(rows), dtype=torch.bool)
    return many_positive_info_nce(rows, rows, same_label(labels, labels), others, temperature)


def _pairs(rows: Tensor, columns: Tensor, labels: Tensor, temperature: Tensor) -> Tensor:
    """InfoNCE across the two towers, row i belonging to column i and to all of its label."""
    positive = same_label(labels, labels)
    return many_positive_info_nce(rows, columns, positive, torch.ones_like(positive), temperature)
