"""The random design of spot checks: its chances are exact, near-duplicates exclude each other, the picks are spread."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from spot_check_kit import population

from brands.errors import Invalid
from brands.model import STRATEGIES
from screener.spot_checks import near
from screener.spot_checks.design import PER_STRATUM, Design, draw, make_design, ordered_pivotal
from screener.spot_checks.looks import groups_of_looks
from screener.spot_checks.model import Population, Shares, Stratum
from screener.spot_checks.near import EVERYBODYS, near_duplicates
from screener.spot_checks.population import thresholds
from screener.spot_checks.reasons import reasons_of
from screener.spot_checks.scores import closeness, rarity, utilities
from screener.spot_checks.weights import LEAST_RESULTS, weights

DRAWS = 10_000
SIGMAS = 5.0
"""Of a binomial frequency: one test in a million of thousands fails by chance."""


def frequencies(design: Design, seed: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    counts = np.zeros(len(design.inclusion))
    for _ in range(DRAWS):
        counts[draw(design, rng)] += 1
    return counts / DRAWS


def within_chance(found: NDArray[np.float64], expected: NDArray[np.float64], draws: int) -> bool:
    bound = SIGMAS * np.sqrt(np.maximum(expected * (1 - expected), 0) / draws) + 1e-9
    return bool((np.abs(found - expected) <= bound).all())


@pytest.mark.parametrize(("listings", "budget", "copies"), [(60, 12, 0.3), (60, 45, 0.0), (40, 8, 0.9)])
def test_every_listing_is_picked_as_often_as_its_stored_chance_says(listings: int, budget: int, copies: float) -> None:
    design = make_design(population(listings, copies=copies), budget=budget, shares=Shares())
    assert within_chance(frequencies(design), design.inclusion, DRAWS)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30).filter(lambda values: sum(values) > 0.1),
    st.integers(0, 2**32 - 1),
)
def test_a_pivotal_draw_has_the_size_of_its_chances(values: list[float], seed: int) -> None:
    chances = np.array(values)
    size = max(math.floor(chances.sum()), 1)
    chances = chances * size / chances.sum()
    if chances.max() > 1:
        chances = np.full(len(values), size / len(values))
    drawn = ordered_pivotal(chances, np.random.default_rng(seed))
    assert len(drawn) == len(set(drawn.tolist())) == size
    assert (chances[drawn] > 0).all()
    assert set(np.flatnonzero(chances >= 1 - 1e-12).tolist()) <= set(drawn.tolist())


def test_a_pivotal_draw_keeps_to_uneven_chances() -> None:
    chances = np.array([1.0, 0.0, 0.05, 0.95, 0.5, 0.5, 0.3, 0.7, 0.999, 0.001, 0.2, 0.4, 0.4])
    rng, counts = np.random.default_rng(0), np.zeros(13)
    for _ in range(DRAWS):
        counts[ordered_pivotal(chances, rng)] += 1
    assert within_chance(counts / DRAWS, chances, DRAWS)


def test_neighbours_in_the_order_are_seldom_drawn_together() -> None:
    """Ten brands with chances that add up to 1: the draw takes about one of each, a simple random one does not."""
    chances = np.full(100, 0.1)
    rng = np.random.default_rng(0)
    missed = [10 - len(np.unique(ordered_pivotal(chances, rng) // 10)) for _ in range(500)]
    simple = [10 - len(np.unique(rng.choice(100, 10, replace=False) // 10)) for _ in range(500)]
    assert np.mean(missed) < 0.6 * np.mean(simple)


@given(
    st.integers(1, 80), st.integers(1, 60), st.integers(0, 1000), st.sampled_from([0.0, 0.3, 0.95]), st.floats(0.05, 1)
)
def test_chances_of_any_design(listings: int, budget: int, seed: int, copies: float, random: float) -> None:
    people = population(listings, seed, copies=copies)
    shares = Shares(random, (1 - random) / 2, (1 - random) / 2, 0, 0, 0).checked()
    design = make_design(people, budget=budget, shares=shares)
    clusters = int(people.cluster.max()) + 1
    assert design.size == min(budget, clusters)
    assert design.inclusion.sum() == pytest.approx(design.size)
    by_cluster = np.bincount(people.cluster, weights=design.inclusion)
    assert (design.parts >= 0).all() and (design.inclusion > 0).all() and by_cluster.max() <= 1 + 1e-9
    # The random part is the same for all, but in clusters that it fills alone.
    floor = random * design.size / listings
    open_ = (by_cluster < 1 - 1e-9)[people.cluster]
    assert (design.inclusion[open_] >= floor * (1 - 1e-6)).all()
    picks = draw(design, np.random.default_rng(seed))
    assert len(picks) == design.size
    assert len(set(people.cluster[picks].tolist())) == len(picks)
    assert sum(stratum.listings for stratum in design.strata) == listings
    assert np.bincount(design.stratum).tolist() == [stratum.listings for stratum in design.strata]


def test_the_same_seed_draws_the_same() -> None:
    design = make_design(population(300), budget=30, shares=Shares())
    first, again, other = (draw(design, np.random.default_rng(seed)).tolist() for seed in (7, 7, 8))
    assert first == again != other


def test_the_weighted_picks_are_right_on_average() -> None:
    """Horvitz and Thompson's sum of a quantity that goes with probability, and one that goes against it."""
    people = population(400, copies=0.2)
    design = make_design(people, budget=40, shares=Shares())
    rng = np.random.default_rng(3)
    for quantity in (people.probability**2, (people.probability < 0.02).astype(float)):
        sums = [
            float((quantity[picks] / design.inclusion[picks]).sum())
            for picks in (draw(design, rng) for _ in range(4000))
        ]
        error = np.std(sums) / math.sqrt(len(sums))
        assert abs(np.mean(sums) - quantity.sum()) < SIGMAS * error


def test_strata_get_about_the_picks_they_are_cut_for() -> None:
    design = make_design(population(3000, copies=0.0), budget=200, shares=Shares())
    expected = np.bincount(design.stratum, weights=design.inclusion)
    assert expected.min() >= 0.8 * PER_STRATUM
    rng = np.random.default_rng(0)
    for _ in range(20):
        found = np.bincount(design.stratum[draw(design, rng)], minlength=len(design.strata))
        assert np.abs(found - expected).max() < 2  # the order of the draw begins with the strata


def test_a_plan_finds_more_than_chance_and_looks_everywhere() -> None:
    people = population(3000, copies=0.1)
    design = make_design(people, budget=100, shares=Shares())
    found = float((people.probability * design.inclusion).sum()) / 100
    assert found > 2 * people.probability.mean()  # whose mean is an eighth: there is not much to gain
    picks = draw(design, np.random.default_rng(0))
    assert set(people.brand[picks].tolist()) == set(range(4))
    assert set(people.category[picks].tolist()) == set(range(3))
    assert np.bincount(people.seller[picks]).max() <= 4


def test_one_seller_with_all_the_suspicion_does_not_take_all_the_picks() -> None:
    people = population(2000, copies=0.0)
    people = replace(people, seller=np.where(np.arange(2000) < 200, 0, people.seller + 1))
    people.probability[:] = np.where(people.seller == 0, 0.9, 0.05)
    people.probability[1000:1050] = 0.9
    useful = utilities(people)["fakes"]
    # 200 likely ones of one seller against 50 of many: less than the four fifths that they are.
    assert useful[:200].sum() < 0.35 * useful.sum()


def test_a_strategy_without_any_reason_leaves_its_share_to_the_others() -> None:
    people = replace(population(200), complaints=np.zeros(200, dtype=np.int64))
    design = make_design(people, budget=20, shares=Shares())
    assert "complaints" not in design.strategies
    sums = dict(zip(design.strategies, design.parts.sum(axis=1).tolist(), strict=True))
    assert sums["random"] == pytest.approx(5, rel=0.02)
    assert sums["fakes"] == pytest.approx(20 * 0.35 * 0.75 / 0.7, rel=0.1)
    nothing = make_design(people, budget=20, shares=Shares(0.5, 0, 0, 0, 0, 0.5))
    assert nothing.strategies == ("random",)
    assert nothing.inclusion.sum() == pytest.approx(20)


def test_each_strategy_prefers_what_it_is_for() -> None:
    people = population(500, copies=0.0)
    useful = utilities(people)
    assert set(useful) == set(STRATEGIES)
    assert all((own >= 0).all() for own in useful.values())
    assert np.corrcoef(useful["fakes"], people.probability)[0, 1] > 0.5
    assert closeness(people).argmax() == np.abs(people.probability - 0.5).argmin()
    assert (useful["complaints"] > 0).tolist() == (people.complaints > 0).tolist()
    rare = replace(people, brand=np.where(np.arange(500) == 3, 1, 0))
    assert rarity(rare).argmax() == 3
    assert rarity(people).sum() == pytest.approx(4)


@pytest.mark.parametrize(
    "shares",
    [Shares(random=0.26), Shares(random=-0.1, fakes=0.7), Shares(0.01, 0.99, 0, 0, 0, 0), Shares(float("nan"))],
)
def test_shares_that_make_no_sense_are_refused(shares: Shares) -> None:
    with pytest.raises(Invalid):
        shares.checked()


def test_reasons_add_up_and_say_what_decided() -> None:
    people = population(300)
    design = make_design(people, budget=30, shares=Shares())
    picks = draw(design, np.random.default_rng(0))
    for row, why in zip(picks.tolist(), reasons_of(people, design, picks), strict=True):
        assert sum(why["chances"].values()) == pytest.approx(design.inclusion[row], abs=1e-6)
        assert why["facts"]["near_duplicates"] == (people.cluster == people.cluster[row]).sum()
        assert why["stratum"] == design.stratum[row]
        first = max(why["chances"], key=lambda strategy: why["chances"][strategy])
        assert (why["words"][0] == "Drawn at random, as any listing could be.") == (first == "random")


class TestWeights:
    """What each result stands for."""

    STRATA = (Stratum(True, 40), Stratum(True, 60), Stratum(False, 400), Stratum(False, 600), Stratum(False, 900))

    def test_a_stratum_stands_for_its_size(self) -> None:
        stratum = np.repeat([0, 1, 2, 3, 4], 6)
        found = weights(np.full(30, 0.05), stratum, self.STRATA)
        sums = np.bincount(stratum, weights=found)
        assert sums.tolist() == pytest.approx([40, 60, 400, 600, 900])

    def test_strata_with_few_results_join_their_neighbours_and_never_the_other_side(self) -> None:
        stratum = np.array([0, 1, 1] + [2] * 6 + [3] * 2 + [4] * 3)
        found = weights(np.full(len(stratum), 0.05), stratum, self.STRATA)
        assert LEAST_RESULTS > 3
        assert found[:3].sum() == pytest.approx(100)  # both prompted ones together
        assert found[3:9].sum() == pytest.approx(400)
        assert found[9:].sum() == pytest.approx(1500)  # the last two together

    def test_the_last_stratum_joins_the_one_before(self) -> None:
        stratum = np.array([0] * 6 + [2] * 6 + [3] * 6 + [4])
        found = weights(np.full(len(stratum), 0.05), stratum, self.STRATA)
        assert found[-7:].sum() == pytest.approx(1500)

    def test_no_result_counts_less_than_itself(self) -> None:
        assert weights(np.ones(6), np.zeros(6, dtype=np.int64), (Stratum(True, 5),)).tolist() == [1.0] * 6


class TestNearDuplicates:
    """Whose first pictures are copies."""

    def clusters(self, picture: list[int], seller: list[int], hashes: dict[int, bytes]) -> list[int]:
        matrix = np.frombuffer(b"".join(hashes.values()), dtype=np.uint8).reshape(-1, 32)
        numbers = (np.array(values, dtype=np.int64) for values in (picture, seller, list(hashes)))
        found = near_duplicates(*numbers, matrix)
        return [int(number) for number in found]

    def test_the_same_bytes_and_hashes_close_by(self) -> None:
        rng = np.random.default_rng(0)
        one, two = rng.bytes(32), rng.bytes(32)
        copy = bytes([one[0] ^ 0xFF, one[1] ^ 0xFF, one[2] ^ 0xFF, one[3] ^ 0xFE, *one[4:]])  # 31 bits
        far = bytes([one[0] ^ 0xFF, one[1] ^ 0xFF, one[2] ^ 0xFF, one[3] ^ 0xFF, *one[4:]])  # 32 bits
        assert self.clusters([0, 1, 0, 2, -1, -1], [0, 1, 2, 3, 4, 5], {0: one, 1: two, 2: copy}) == [0, 1, 0, 0, 2, 3]
        assert self.clusters([0, 1], [0, 1], {0: one, 1: far}) == [0, 1]

    def test_everybodys_picture_makes_one_sellers_listings_alike(self) -> None:
        sellers = [*range(EVERYBODYS + 1), 0, 1]
        assert len(set(self.clusters([0] * len(sellers), sellers, {}))) == EVERYBODYS + 1
        fewer = [*range(EVERYBODYS), 0]
        assert set(self.clusters([0] * len(fewer), fewer, {})) == {0}

    def test_without_any_picture_every_listing_is_on_its_own(self) -> None:
        assert self.clusters([-1, -1, -1], [0, 0, 0], {}) == [0, 1, 2]
        assert self.clusters([], [], {}) == []

    def test_of_very_many_pictures_close_copies_are_found_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(0)
        hashes = rng.integers(0, 256, (400, 32), dtype=np.uint8)
        for row in range(0, 400, 2):  # every second one a copy within 15 bits of the one before
            bits = np.unpackbits(hashes[row])
            bits[rng.choice(256, 15, replace=False)] ^= 1
            hashes[row + 1] = np.packbits(bits)
        numbers = np.arange(400)
        expected = near_duplicates(numbers, numbers, numbers, hashes)
        assert len(set(expected.tolist())) == 200
        monkeypatch.setattr(near, "MOST_PAIRED", 10)
        assert near_duplicates(numbers, numbers, numbers, hashes).tolist() == expected.tolist()


def test_looks_group_what_is_alike() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 20, (4, 6))
    kind = rng.integers(0, 4, 600)
    features = (centres[kind] + rng.normal(0, 0.5, (600, 6))).astype(np.float32)
    features[rng.random((600, 6)) < 0.01] = np.nan
    features = np.concatenate([features, np.full((600, 1), np.nan, dtype=np.float32)], axis=1)
    found = groups_of_looks(features, groups=4)
    assert found.tolist() == groups_of_looks(features, groups=4).tolist()
    same = (kind[:, None] == kind) == (found[:, None] == found)
    assert same.mean() > 0.95
    assert set(groups_of_looks(np.full((5, 3), np.nan, dtype=np.float32)).tolist()) == {0}
    assert groups_of_looks(np.zeros((0, 0), dtype=np.float32)).shape == (0,)


def test_thresholds_are_told_from_who_was_prompted() -> None:
    probability = np.array([0.1, 0.6, 0.7, 0.9, 0.2, 0.3, 0.05])
    prompted = np.array([False, False, True, True, False, False, True])  # the last by a known fake's picture
    category = np.array([0, 0, 0, 0, 1, 1, 1])
    found = thresholds(probability, prompted, category, counts=np.array([True] * 6 + [False]))
    assert found.tolist() == pytest.approx([0.65] * 7)
    nobody = thresholds(probability, np.zeros(7, dtype=bool), category, counts=np.ones(7, dtype=bool))
    assert set(nobody.tolist()) == {0.5}


def test_a_population_of_unequal_arrays_is_refused() -> None:
    with pytest.raises(ValueError, match="price"):
        replace(population(10), price=np.zeros(3))


def test_an_empty_population_has_no_design() -> None:
    empty = np.zeros(0)
    numbers = np.zeros(0, dtype=np.int64)
    nobody = Population(
        (), empty, empty.astype(bool), empty, numbers, numbers, numbers, numbers, numbers, empty, numbers
    )
    with pytest.raises(ValueError, match="listings"):
        make_design(nobody, budget=5, shares=Shares())
