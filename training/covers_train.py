"""Trains the network that finds hidden patches (`screener.covers`) on free photos with patches hidden by drawing."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # as everybody names it

from screener.covers import DILATIONS, FEATURES
from training.covers_pictures import cut, draw_batch
from training.progress import progress
from training.sources import Source

_CHANNELS = 24
_BATCH = 64
_PEAK_RATE = 4e-3
_FALSE_ALARMS = 0.005
"""Share of held-out pictures without anything hidden that may reach a certainty of 0.5: a quarter of what is promised,
since the photos that it will meet are others."""
_HELD_OUT = 8
"""One source in so many is kept for the threshold."""
_CHECKED = 4096
"""Pictures that the threshold is set on."""

_pictures: dict[bool, list[bytes]] = {}
"""Pictures to learn from (True) and kept ones, for the processes that are forked after they are cut."""


class CoverNet(nn.Module):
    """The network of `screener.covers`, as torch trains it: features (n, 11, 48, 48) to log-odds (n, 24, 24)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(FEATURES, _CHANNELS, 3, stride=2, padding=1)
        self.look = nn.ModuleList([nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=d, dilation=d) for d in DILATIONS])
        self.whole = nn.Linear(_CHANNELS, _CHANNELS)
        self.mix = nn.Conv2d(_CHANNELS, _CHANNELS, 1)
        self.out = nn.Conv2d(_CHANNELS, 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Log-odds of every cell, smoothed."""
        layer = F.relu(self.down(features))
        for look in self.look:
            layer = layer + F.relu(look(layer))
        whole = F.relu(self.whole(layer.mean(dim=(2, 3))))[:, :, None, None]
        cells = self.out(F.relu(self.mix(layer + whole)))
        smooth: Tensor = F.avg_pool2d(cells, 3, stride=1, padding=1, count_include_pad=False)[:, 0]
        return smooth

    def arrays(self) -> dict[str, NDArray[np.float16]]:
        """The weights as `screener.covers` reads them: matrices with inputs in rows."""
        found = {}
        for name, value in self.state_dict().items():
            array = value.detach().numpy()
            if array.ndim == 4:  # (out, in, rows, columns) to (rows, columns, in, out)
                array = array.transpose(2, 3, 1, 0).reshape(-1, array.shape[0])
            elif array.ndim == 2:
                array = array.T
            found[name] = array.astype(np.float16)
        return found


def train_covers(
    sources: Sequence[Source], out: Path, *, draws: int, epochs: int, seed: int, workers: int
) -> tuple[float, float]:
    """Trains, sets the threshold on held-out sources, and writes `out`.

    `draws` pictures are drawn once by `workers` processes and learnt from `epochs` times, mirrored at random; torch's
    own threads are left to the caller. Gives the last epoch's loss, and the share found of what was hidden in pictures
    of the held-out sources, at the threshold.
    """
    torch.manual_seed(seed)
    net = CoverNet()
    for learnt in (True, False):
        own = [source for n, source in enumerate(sources) if bool(n % _HELD_OUT) == learnt]
        _pictures[learnt] = [
            picture for n, source in enumerate(progress(own, "cut")) for picture in cut(source, seed + n)
        ]
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
        features, hidden = _draw(pool, draws, seed, learnt=True)
        kept, truth = _draw(pool, _CHECKED, seed + 1, learnt=False)
    steps = epochs * (len(features) // _BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _PEAK_RATE, total_steps=steps)
    losses: list[float] = []
    for step in progress(range(steps), "train"):
        if step % (len(features) // _BATCH) == 0:
            order, losses = torch.randperm(len(features)), []
        rows = order[(step * _BATCH) % (len(features) - _BATCH + 1) :][:_BATCH]
        loss = _loss(net, features[rows].float(), hidden[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    with torch.no_grad():
        top = torch.cat([net(part.float()).amax(dim=(1, 2)) for part in torch.split(kept, _BATCH)]).numpy()
    covered = truth.amax(dim=(1, 2)).numpy() > 0
    threshold = float(np.quantile(top[~covered], 1 - _FALSE_ALARMS))
    # Half of what is found is certain to nine tenths.
    above = top[covered & (top > threshold)] - threshold
    steepness = float(np.log(9.0) / max(np.median(above) if len(above) else 1.0, 0.1))
    np.savez(out, allow_pickle=False, **net.arrays(), threshold=np.float32(threshold), steepness=np.float32(steepness))
    return float(np.mean(losses)), float((top[covered] >= threshold).mean())


def _loss(net: CoverNet, features: Tensor, hidden: Tensor) -> Tensor:
    """Every cell by itself, and the picture by its highest cell, which is what is judged in the end."""
    if torch.rand(()) < 0.5:  # steps go the same way up and down, but for a pixel that makes no difference
        features, hidden = features.flip(2), hidden.flip(1)
    cells = net(features)
    sure = (hidden > 0.6) | (hidden < 0.02)
    by_cell = F.binary_cross_entropy_with_logits(cells[sure], (hidden[sure] > 0.5).float())
    by_picture = F.binary_cross_entropy_with_logits(cells.amax(dim=(1, 2)), (hidden.amax(dim=(1, 2)) > 0).float())
    return by_cell + by_picture


def _draw(pool: ProcessPoolExecutor, count: int, seed: int, *, learnt: bool) -> tuple[Tensor, Tensor]:
    """Features (count, 11, 48, 48) float16 and hidden shares (count, 24, 24)."""
    jobs = range(max(count // _BATCH, 1))
    drawn = pool.map(_drawn, [learnt] * len(jobs), [seed * 1_000_003 + job for job in jobs])
    parts = [part for _, part in zip(progress(jobs, "draw"), drawn, strict=True)]
    features = torch.from_numpy(np.concatenate([features for features, _ in parts])).permute(0, 3, 1, 2)
    return features.contiguous(), torch.from_numpy(np.concatenate([hidden for _, hidden in parts]))


def _drawn(learnt: bool, seed: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    return draw_batch(_pictures[learnt], _BATCH, seed)
