"""Intervals of weighted shares: Clopper and Pearson's for equal weights, wide where nothing was found, and held."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.spot_checks.intervals import Weighed, beta_cdf, beta_quantile, one_more, share_interval, weighed

EVERYWHERE = 1e9
"""A weight of picks from a population without end."""


def interval(found: int, looked_at: int, weight: float = EVERYWHERE) -> tuple[float, float]:
    weights, ones = np.full(looked_at, weight), np.ones(looked_at)
    one = one_more(weights, ones)
    parts = (weighed(weights[:found], ones[:found]), weighed(weights[found:], ones[found:]))
    return share_interval(*parts, more_success=one, more_failure=one)


def binomial_tail(found: int, looked_at: int, share: float) -> float:
    """The chance of `found` or more, summed up term by term."""
    return sum(math.comb(looked_at, k) * share**k * (1 - share) ** (looked_at - k) for k in range(found, looked_at + 1))


@given(st.integers(1, 60), st.data())
def test_equal_weights_give_clopper_and_pearson(looked_at: int, data: st.DataObject) -> None:
    """Whose limits are the shares for which the chance of so many, or so few, is 2.5 %."""
    found = data.draw(st.integers(0, looked_at))
    low, high = interval(found, looked_at)
    assert low == 0 if found == 0 else binomial_tail(found, looked_at, low) == pytest.approx(0.025, rel=1e-5)
    assert (
        high == 1
        if found == looked_at
        else 1 - binomial_tail(found + 1, looked_at, high) == pytest.approx(0.025, rel=1e-5)
    )


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
def test_the_beta_function_is_the_sum_of_binomial_chances(a: int, b: int, x: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(binomial_tail(a, a + b - 1, x), abs=1e-9)


@given(st.floats(0.5, 1e5), st.floats(0.5, 1e5), st.sampled_from([0.025, 0.5, 0.975]))
def test_a_quantile_has_its_probability(a: float, b: float, probability: float) -> None:
    x = beta_quantile(probability, a, b)
    assert 0 <= x <= 1
    assert beta_cdf(x, a, b) == pytest.approx(probability, abs=1e-6)


def test_what_is_certain_has_no_doubt() -> None:
    low, high = interval(7, 20, weight=1.0)
    assert low == pytest.approx(7 / 20, abs=0.005) and high == pytest.approx(7 / 20, abs=0.005)


def test_nothing_found_is_no_proof_that_there_is_nothing() -> None:
    assert interval(0, 50)[1] == pytest.approx(1 - 0.025 ** (1 / 50), rel=1e-6)
    assert share_interval(Weighed(), Weighed(), more_success=1, more_failure=1) == (0.0, 1.0)


def test_a_missed_heavy_find_stays_possible() -> None:
    """Forty counterfeits among 50 likely listings, none among 50 that stand for 100 each: one would count 100."""
    weights, ones = np.concatenate([np.ones(50), np.full(50, 100.0)]), np.ones(100)
    found = np.arange(100) < 40
    one = one_more(weights, ones)
    assert 95 < one <= 100
    low, high = share_interval(
        weighed(weights[found], ones[found]),
        weighed(weights[~found], ones[~found]),
        more_success=one,
        more_failure=one,
    )
    assert low <= 40 / 5050 <= high
    assert 0.05 < high < 0.12  # 3 in 50 of the heavy ones, and the 40


def test_finds_of_unequal_size_count_by_it() -> None:
    assert weighed(np.array([2.0, 4.0]), np.array([10.0, 1.0])) == Weighed(24.0, 20**2 / 2 + 4**2 * 3 / 4)
    assert one_more(np.array([1.0, 1.0]), np.array([5.0, 9.0])) == 0.0


def test_intervals_of_rare_weighted_finds_hold_the_truth() -> None:
    """Two kinds of items, drawn with very different chances; the truth is held in 93 of 100, whatever its size."""
    rng = np.random.default_rng(0)
    for likely, unlikely in ((0.9, 0.05), (0.6, 0.01), (0.9, 0.0), (0.2, 0.002)):
        truth = (100 * likely + 4900 * unlikely) / 5000
        held = 0
        for _ in range(400):
            counts = rng.binomial([50, 50], [likely, unlikely])
            found = np.concatenate([np.arange(50) < counts[0], np.arange(50) < counts[1]])
            weights, ones = np.repeat([2.0, 98.0], 50), np.ones(100)
            one = one_more(weights, ones)
            low, high = share_interval(
                weighed(weights[found], ones[found]),
                weighed(weights[~found], ones[~found]),
                more_success=one,
                more_failure=one,
            )
            held += low <= truth <= high
        assert held >= 0.93 * 400
