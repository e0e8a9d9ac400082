"""Retrieval figures: micro average precision, recall at a precision, AUROC, accuracy, ranks; ties count against us."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def average_precision(scores: ArrayLike, correct: ArrayLike, positives: int) -> float:
    """Micro average precision (uAP) of one global ranking, as the Image Similarity Challenge 2021 (arXiv:2106.09672)
    defines it.

    `scores` and `correct` have shape (n,): each query's best score and whether the named match is right; `positives` is
    how many queries have a match to be found. Among equal scores the wrong ones rank first. Raises ValueError if
    `positives` is not positive.
    """
    precision, recall = _curve(scores, correct, positives)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def recall_at_precision(scores: ArrayLike, correct: ArrayLike, positives: int, precision: float = 0.90) -> float:
    """The highest recall of any single threshold `score >= t` whose precision is at least `precision` (0.0 if there is
    none).

    A threshold takes all queries of equal score or none of them. Arguments as for `average_precision`.
    """
    reached = _reached(scores, correct, positives, precision)
    return float(reached[1].max()) if len(reached[1]) else 0.0


def threshold_at_precision(
    scores: ArrayLike, correct: ArrayLike, positives: int, precision: float = 0.90
) -> float | None:
    """The threshold `score >= t` with the recall of `recall_at_precision`, the highest of several; None if there is
    none.
    """
    at_score, at_recall = _reached(scores, correct, positives, precision)
    return float(at_score[at_recall.argmax()]) if len(at_recall) else None


def auroc(positive: ArrayLike, negative: ArrayLike) -> float:
    """The share of (positive, negative) score pairs in which the positive is strictly higher: a tie counts as a loss.

    Shapes (p,) and (n,). Raises ValueError if either is empty.
    """
    high = np.asarray(positive, dtype=np.float64)
    low = np.sort(np.asarray(negative, dtype=np.float64))
    if not len(high) or not len(low):
        raise ValueError("auroc needs at least one positive and one negative score")
    return float(np.searchsorted(low, high, side="left").sum() / (len(high) * len(low)))


def top_k(scores: NDArray[np.floating], truth: NDArray[np.integer], k: int) -> float:
    """The share of rows whose true column is among the `k` highest; columns equal to the true one rank before it.

    `scores` has shape (n, classes), `truth` shape (n,) of column numbers.
    """
    own = np.take_along_axis(scores, truth[:, None], axis=1)
    rank = (scores >= own).sum(axis=1)
    return float(np.mean(rank <= k)) if len(rank) else 0.0


def ranks_of(scores: NDArray[np.floating], right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The place (n,) of the best right column of each row of `scores` (n, m), behind wrong ones of equal score."""
    own = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    ranks: NDArray[np.int64] = 1 + ((scores >= own) & ~right).sum(axis=1)
    return ranks


def rank_figures(ranks: NDArray[np.integer], tops: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """top-k for each of `tops`, the mean reciprocal rank and the median rank of the last axis of `ranks`."""
    figures = {f"top-{k}": np.mean(ranks <= k, axis=-1) for k in tops}
    return {**figures, "MRR": np.mean(1.0 / ranks, axis=-1), "median rank": np.median(ranks, axis=-1)}


def threshold_at_false_match_rate(negative: ArrayLike, rate: float) -> float:
    """The lowest cosine t with a share of negatives `>= t` of at most `rate`; shape (n,).

    With fewer than 1 / rate negatives no rate so small can be measured: ValueError.
    """
    ordered = np.sort(np.asarray(negative, dtype=np.float64))[::-1]
    if len(ordered) * rate < 1.0:
        raise ValueError(f"{len(ordered)} negatives cannot show a false match rate of {rate}")
    allowed = int(np.floor(len(ordered) * rate))
    return float(np.nextafter(ordered[allowed], np.inf)) if allowed < len(ordered) else float(ordered[-1])


def precision_recall(
    scores: ArrayLike, correct: ArrayLike, positives: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The curve: precision and recall (m,) at every threshold, the highest first. Arguments as for
    `average_precision`.
    """
    whole, _, at_precision, at_recall = _thresholds(scores, correct, positives)
    return at_precision[whole], at_recall[whole]


def _reached(
    scores: ArrayLike, correct: ArrayLike, positives: int, precision: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores and recalls of the thresholds that have the precision, the highest score first."""
    whole, ordered, at_precision, at_recall = _thresholds(scores, correct, positives)
    kept = whole & (at_precision >= precision)
    return ordered[kept], at_recall[kept]


def _thresholds(
    scores: ArrayLike, correct: ArrayLike, positives: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Which places of the ranking end a run of equal scores, and score, precision and recall there."""
    at_precision, at_recall = _curve(scores, correct, positives)
    ordered = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    whole = np.append(ordered[1:] != ordered[:-1], True) if len(ordered) else np.zeros(0, dtype=bool)
    return whole, ordered, at_precision, at_recall


def _curve(scores: ArrayLike, correct: ArrayLike, positives: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if positives <= 0:
        raise ValueError("there must be something to find")
    score = np.asarray(scores, dtype=np.float64)
    right = np.asarray(correct, dtype=bool)
    order = np.lexsort((right, -score))
    hits = np.cumsum(right[order])
    return hits / np.arange(1, len(order) + 1), hits / positives
