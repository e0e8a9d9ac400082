"""The retrieval figures against slow definitions, and thresholds that keep their false match rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.protocols import auroc, average_precision, recall_at_precision, threshold_at_false_match_rate, top_k

Ranked = list[tuple[int, bool]]
RANKING = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=12)
"""Few distinct scores, so that ties are common."""


def worst_order(ranking: list[tuple[int, bool]]) -> list[bool]:
    return [right for _, right in sorted(ranking, key=lambda row: (-row[0], row[1]))]


@given(RANKING, st.integers(0, 3))
def test_average_precision_equals_the_sum_over_hits(ranking: list[tuple[int, bool]], missed: int) -> None:
    order = worst_order(ranking)
    positives = max(1, sum(order) + missed)
    slow = sum(sum(order[: n + 1]) / (n + 1) for n, right in enumerate(order) if right) / positives
    scores, correct = zip(*ranking, strict=True)
    assert average_precision(scores, correct, positives) == pytest.approx(slow)


@given(RANKING, st.integers(0, 3), st.sampled_from([0.5, 0.75, 0.9, 1.0]))
def test_recall_at_precision_tries_every_threshold(
    ranking: list[tuple[int, bool]], missed: int, precision: float
) -> None:
    positives = max(1, sum(right for _, right in ranking) + missed)
    best = 0.0
    for threshold in {score for score, _ in ranking}:
        taken = [right for score, right in ranking if score >= threshold]
        if sum(taken) / len(taken) >= precision:
            best = max(best, sum(taken) / positives)
    scores, correct = zip(*ranking, strict=True)
    assert recall_at_precision(scores, correct, positives, precision) == pytest.approx(best)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_auroc_counts_pairs_and_ties_against(high: list[int], low: list[int]) -> None:
    slow = np.mean([a > b for a in high for b in low])
    assert auroc(high, low) == pytest.approx(slow)


@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 10_000))
def test_top_k_ranks_ties_against_the_true_class(rows: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, (rows, classes)).astype(np.float64)
    truth = rng.integers(0, classes, rows)
    for k in (1, 2, classes):
        slow = np.mean([sum(row >= row[t]) <= k for row, t in zip(scores, truth, strict=True)])
        assert top_k(scores, truth, k) == pytest.approx(slow)


@given(st.lists(st.integers(0, 4), min_size=10, max_size=60), st.sampled_from([0.1, 0.25, 0.5]))
def test_threshold_keeps_the_false_match_rate(negatives: list[int], rate: float) -> None:
    threshold = threshold_at_false_match_rate(negatives, rate)
    assert np.mean(np.array(negatives) >= threshold) <= rate


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="false match rate"):
        threshold_at_false_match_rate([0.1] * 99, 0.01)
    with pytest.raises(ValueError, match="at least one"):
        auroc([], [0.2])
    with pytest.raises(ValueError, match="something to find"):
        average_precision([0.1], [True], 0)
    assert recall_at_precision([], [], 3) == 0.0
