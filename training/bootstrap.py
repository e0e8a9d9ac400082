"""Confidence intervals by the bootstrap: the same figures on pictures drawn again with replacement.

Percentile intervals (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). Queries and `none`
pictures are drawn separately, so that every draw has as many of each. All draws are computed at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.protocols import rank_figures
from training.scores import TOPS, Outcome

DRAWS = 1000
LEVEL = 0.95
Interval = tuple[float, float]


def intervals(outcome: Outcome, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Interval]:
    """The interval of each of `figures_of(outcome)`."""
    rng = np.random.default_rng(seed)
    queries, total = len(outcome.truth), len(outcome.scores)
    picks = np.concatenate(
        [rng.integers(0, queries, (draws, queries)), rng.integers(queries, total, (draws, total - queries))]
        if total > queries
        else [rng.integers(0, queries, (draws, queries))],
        axis=1,
    )
    return {name: _interval(values) for name, values in resampled(outcome, picks).items()}


def rank_intervals(
    ranks: NDArray[np.int64], tops: Sequence[int], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Interval]:
    """The interval of each of `training.protocols.rank_figures(ranks, tops)`; `ranks` has shape (n,)."""
    drawn = ranks[np.random.default_rng(seed).integers(0, len(ranks), (draws, len(ranks)))]
    return {name: _interval(values) for name, values in rank_figures(drawn, tops).items()}


def resampled(outcome: Outcome, picks: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """The figures (draws,) on drawn pictures: `picks` (draws, q + n) has row numbers, queries in the first q."""
    queries = len(outcome.truth)
    best, right = outcome.best.astype(np.float64), outcome.right
    found: dict[str, NDArray[np.float64]] = {}
    for name, k in TOPS[outcome.use].items():
        found[name] = (outcome.ranks <= k)[picks[:, :queries]].mean(axis=1)
    # Pictures as places in the ranking (ties against the system), so that sorting a draw's places ranks it.
    order = np.lexsort((right, -best))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    ranked = order[np.sort(place[picks], axis=1)]
    hits, scores = right[ranked], best[ranked]
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    if outcome.use == "copy":
        found["uAP"] = (precision * hits).sum(axis=1) / queries
    else:
        found["AUROC"] = _auroc(best, picks, queries)
    whole = np.ones_like(hits)
    whole[:, :-1] = scores[:, 1:] != scores[:, :-1]
    found["R@P90"] = np.where(whole & (precision >= 0.90), np.cumsum(hits, axis=1), 0).max(axis=1) / queries
    return found


def _auroc(best: NDArray[np.float64], picks: NDArray[np.int64], queries: int) -> NDArray[np.float64]:
    """Won pairs of a draw: how often each picture was drawn, on both sides of the table of who beats whom."""
    draws, total = picks.shape
    cells = (np.arange(draws)[:, None] * total + picks).ravel()
    times = np.bincount(cells, minlength=draws * total).reshape(draws, total).astype(np.float32)
    wins = (best[:queries, None] > best[None, queries:]).astype(np.float32)
    won = np.einsum("dn,dn->d", times[:, :queries] @ wins, times[:, queries:], dtype=np.float64)
    shares: NDArray[np.float64] = won / (queries * (total - queries))
    return shares


def _interval(values: NDArray[np.floating]) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
