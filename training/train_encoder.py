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
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import training.torch_setup  # noqa: F401  (before open_clip)
from screener.bundle import Part
from screener.pooling import pooling_weights
from screener.preprocess import WHOLE, Box
from training.batches import Batch, BatchMaker, Plan
from training.heads import fit_heads, turn_copy_head
from training.library import Library
from training.losses import distillation, many_positive_info_nce, nearest_window, relation, same_label, spread
from training.parted import build_clip, build_tokenizer, read_parts, write_open_clip
from training.teacher import compress
from training.towers import text_features
from training.trunk import FrozenStem, fit_trunk


class EncoderTrainer:
    """State of a run: model, its moving average, optimiser and the step reached; saved and resumed as one file.

    Every picture is looked at whole and through the plan's windows, all pooled from one feature map.
    A batch holds pairs: the reference is taken whole, the query by whichever of its windows is nearest, as in serving.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        library: Library,
        teacher: NDArray[np.float32],
        work: Path,
        seed: int,
        device: str = "cpu",
    ) -> None:
        torch.manual_seed(seed)
        self.config, self.plan, self.library, self.work, self.seed = config, config["train"], library, work, seed
        self.device = torch.device(device)
        # bf16 needs no loss scaling
        self.bf16 = self.device.type == "cuda"
        self.parts: dict[str, Part] = {p.name: p for p in read_parts(config)}
        self.boxes: list[Box] = [WHOLE, *map(tuple, self.plan["windows"])]
        self.clip = build_clip(config).to(self.device)
        write_open_clip(config, work / "model")
        self.tokenizer = build_tokenizer(config, work / "model")
        copy = self.parts["copy"]
        self.teacher = torch.from_numpy(compress(teacher, copy.stop - copy.start)).to(self.device)
        self.teacher_full = torch.from_numpy(teacher).to(self.device)
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
        maker = BatchMaker(self.library, plan, self.plan["phases"][0]["sides"], self.seed + 1)
        fit_heads(self._trunk(), maker, self.teacher, self.parts, self._normalise)
        self._prepare()

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Begin from all weights of an earlier run of the same model, such as a bundle's `model.safetensors`."""
        self.clip.load_state_dict({name: v.float() if v.is_floating_point() else v for name, v in weights.items()})
        self._mask_text()
        self.clip.eval()
        turn_copy_head(self._trunk(), self.library, self.teacher, self.parts["copy"], self._normalise)
        self._prepare()

    def resume(self, checkpoint: Path) -> None:
        """Go on from a file that `save` wrote."""
        held = torch.load(checkpoint, weights_only=True, map_location=self.device)
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

    def snapshot(self, path: Path) -> None:
        """Write the averaged weights alone, as float16: a small file to measure, or to begin another run from."""
        save_file(
            {n: (v.half() if v.is_floating_point() else v).cpu().contiguous() for n, v in self.averaged().items()}, path
        )

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
                maker = BatchMaker(self.library, Plan(**self.plan["batch"]), phase["sides"], self.seed)
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
                    if checkpoint is not None and self.step % self.plan["snapshot_every"] == 0:
                        self.snapshot(self.work / f"weights-{self.step:06}.safetensors")
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
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            windows = self._windows(self._normalise(batch.pixels)).float()
            sayings = [text for _, text in batch.texts] + [text for pair in batch.spellings for text in pair]
            words = self._encode_texts(self.tokenizer(sayings).to(self.device)).float()
        meanings, copies = (F.normalize(self._slice(windows, name), dim=-1) for name in ("semantic", "copy"))
        base, label = (torch.from_numpy(rows).to(self.device) for rows in (batch.base, batch.label))
        taught = base[::2] >= 0  # a pair has one origin
        teacher = self.teacher[base[::2][taught]]
        # The reference has to lie where the teacher sees it; of the query, one window has to
        seen = nearest_window(copies[1::2][taught], teacher)[0].diagonal()
        from_base = base >= 0
        terms = {
            "teacher": (distillation(copies[::2, 0][taught], teacher) + (1 - seen).mean()) / 2,
            "copy": self._match(copies, label, self.plan["copy_temperature"], taught),
            "spread": spread(copies[::2, 0], label[::2]),
            "relation": relation(meanings[from_base, 0], self.teacher_full[base[from_base]]),
            "same": self._match(meanings, label, self.plan["temperature"], torch.ones_like(taught)),
        }
        words = F.normalize(self._slice(words, "semantic"), dim=-1)
        terms.update(self._text_losses(batch, meanings, label, words))
        return terms

    def _windows(self, image: Tensor) -> Tensor:
        """(n, 3, s, s) to the vectors (n, windows, d) before any normalisation, the whole picture first."""
        trunk = self._trunk()
        features = self.stem(image)
        for stage in list(trunk.blocks)[self.plan["frozen_stages"] :]:
            features = stage(features)
        features = trunk.bn2(trunk.conv_head(features))
        side = features.shape[-1]
        weights = torch.from_numpy(pooling_weights(self.boxes, side)).flatten(1).to(features)
        pooled = torch.einsum("ncp,kp->nkc", features.flatten(2), weights)
        return torch.as_tensor(trunk.classifier(pooled))

    def _match(self, vectors: Tensor, label: Tensor, temperature: float, counted: Tensor) -> Tensor:
        """InfoNCE both ways between queries, by their nearest window, and references, taken whole.

        A query is also held against the other queries' whole pictures, a reference against every query, which is how
        a picture of nothing registered is learned. `counted` (pairs,) names the pairs that are positives.
        """
        cosines = nearest_window(vectors[1::2], vectors[:, 0])[0]
        pairs = torch.arange(len(cosines), device=cosines.device)
        ours, all_counted = label[1::2], counted.repeat_interleave(2)
        same = same_label(ours, label)
        positive = same & counted[:, None] & all_counted[None, :]
        allowed = positive | ~same
        allowed[pairs, 2 * pairs + 1] = False
        forth = many_positive_info_nce(cosines, positive, allowed, temperature)
        back = many_positive_info_nce(cosines[:, ::2].T, positive[:, ::2].T, allowed[:, ::2].T, temperature)
        return (forth + back) / 2

    def _text_losses(self, batch: Batch, meanings: Tensor, label: Tensor, words: Tensor) -> dict[str, Tensor]:
        rows = torch.tensor([row for row, _ in batch.texts], dtype=torch.long, device=self.device)
        said, told = words[: len(rows)], label[rows]
        # Words belong to that part of a query's picture where its reference is found
        place = nearest_window(meanings[1::2], meanings[::2, 0])[1].diagonal().repeat_interleave(2)
        place = torch.where(torch.arange(len(place), device=self.device) % 2 == 1, place, 0)
        shown = meanings[rows, place[rows]]
        scale = self.clip.logit_scale.exp().clamp(max=50.0)
        positive = same_label(told, told)
        everything = torch.ones_like(positive)
        table = shown @ said.T
        text = [many_positive_info_nce(t, positive, everything, 1 / scale) for t in (table, table.T)]
        spelled = words[len(rows) :]
        twin = torch.arange(len(batch.spellings), device=self.device).repeat_interleave(2)
        others = ~torch.eye(len(twin), dtype=torch.bool, device=self.device)
        spelling = many_positive_info_nce(spelled @ spelled.T, same_label(twin, twin), others, self.plan["temperature"])
        return {"text": (text[0] + text[1]) / 2, "spelling": spelling}

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
        # Batch norms keep ImageNet's statistics: with their own, and ten times the rate, the losses fell faster and
        # photos nobody trained on were told apart worse (docs/training.md)
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
        return vectors[..., self.parts[name].start : self.parts[name].stop]

    def _normalise(self, pixels: NDArray[np.uint8]) -> Tensor:
        mean = torch.tensor(self.config["preprocess"]["mean"], device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(self.config["preprocess"]["std"], device=self.device).view(1, 3, 1, 1)
        image = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float() / 255
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
