"""Fitting a judge: monotone, calibrated, exact in ONNX, honest under wrong labels; bands that keep their target."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from screener.judging.features import FEATURES, NAMES, VERSION
from screener.judging.model import load_judge
from screener.judging.policy import parse_policy
from training.errors import TrainingError
from training.judge_fit import Additive, Noise, Shape, calibrate, choose_ridge, fit, log_loss
from training.judge_graph import graph_of
from training.judge_train import print_trained, train, write
from training.market.dataset import Dataset
from training.market.metrics import Scored
from training.policy_fit import LEAST_CASES, OUT_OF_REACH, Target, fit_bands, precision_bound

Floats = NDArray[np.float64]
COPY, PRICE = NAMES.index("fake_copy"), NAMES.index("price_ratio")
BANDS = Target(prompt_precision=0.8, review_precision=0.9, confidence=0.9, false_prompts=400)


def drawn(n: int, seed: int) -> tuple[Floats, Floats]:
    """Features (n, F), and the true log-odds (n,) by a copied fake (up) and the price (down, missing: nothing)."""
    generator = np.random.default_rng(seed)
    x = np.stack([generator.uniform(f.low, f.high, n) for f in FEATURES], axis=1)
    for column, feature in enumerate(FEATURES):
        if feature.optional:
            x[generator.random(n) < 0.2, column] = np.nan
    z = -2.0 + 4.0 * x[:, COPY] ** 2 - 0.8 * np.nan_to_num(x[:, PRICE])
    return x, z


def happened(z: Floats, seed: int) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(len(z)) < 1 / (1 + np.exp(-z))


@pytest.fixture(scope="module")
def fitted() -> Additive:
    x, z = drawn(4000, 0)
    return fit(x, happened(z, 1), np.ones(len(z)), ridge=1e-3)


def test_a_fit_finds_the_shapes_that_made_the_data(fitted: Additive) -> None:
    x, z = drawn(4000, 2)
    assert np.corrcoef(fitted.log_odds(x), z)[0, 1] > 0.97
    y = happened(z, 3)
    truth = log_loss(1 / (1 + np.exp(-z)), y, np.ones(len(z)))
    assert log_loss(fitted.probability(x), y, np.ones(len(z))) < truth + 0.02
    assert np.ptp(fitted.shapes[COPY].values) > 3.0


def test_shapes_keep_their_direction_and_add_nothing_where_nothing_is_known(fitted: Additive) -> None:
    for feature, shape in zip(FEATURES, fitted.shapes, strict=True):
        assert (np.diff(shape.values) * feature.direction >= 0).all() or feature.direction == 0
        assert shape.knots[0] == feature.low and shape.knots[-1] == feature.high
        if feature.anchor is not None:
            assert shape.at(np.array([feature.anchor]))[0] == pytest.approx(0.0, abs=1e-9)
        assert shape.at(np.array([np.nan]))[0] == 0.0


def test_labels_against_the_direction_flatten_a_shape_and_never_turn_it() -> None:
    x, z = drawn(1500, 4)
    model = fit(x, happened(-z, 5), np.ones(len(z)), ridge=1e-3)
    assert np.ptp(model.shapes[COPY].values) < 0.1
    assert np.ptp(model.shapes[PRICE].values) < 0.1


def test_the_same_data_give_the_same_judge() -> None:
    x, z = drawn(800, 6)
    y = happened(z, 7)
    first, second = (graph_of(fit(x, y, np.ones(len(z)), ridge=1e-2)) for _ in range(2))
    assert first == second


def test_labels_that_are_sometimes_wrong_do_not_shift_the_probability() -> None:
    x, z = drawn(6000, 8)
    y = happened(z, 9)
    generator = np.random.default_rng(10)
    wrong = np.where(y, generator.random(len(y)) < 0.2, generator.random(len(y)) < 0.1)
    noise = Noise(authentic_as_counterfeit=0.1, counterfeit_as_authentic=0.2)
    weights = np.ones(len(y))
    ignored = fit(x, y ^ wrong, weights, ridge=1e-3).probability(x).mean()
    corrected = fit(x, y ^ wrong, weights, ridge=1e-3, noise=noise).probability(x).mean()
    assert corrected == pytest.approx(y.mean(), abs=0.02)
    assert abs(ignored - y.mean()) > 0.03


def test_calibration_mends_a_judge_that_is_too_sure(fitted: Additive) -> None:
    x, z = drawn(3000, 11)
    y, weights = happened(z, 12), np.ones(3000)
    sure = fitted.rescaled(3.0, 1.0)
    mended = calibrate(sure, x, y, weights, Noise())
    assert log_loss(mended.probability(x), y, weights) < log_loss(sure.probability(x), y, weights) - 0.05
    assert mended.probability(x).mean() == pytest.approx(y.mean(), abs=0.01)


def test_the_ridge_is_chosen_on_groups_that_were_held_out() -> None:
    x, z = drawn(600, 13)
    groups = np.array([f"g{n % 60}" for n in range(600)])
    ridge, losses = choose_ridge(x, happened(z, 14), np.ones(600), groups, noise=Noise())
    assert losses[ridge] == min(losses.values())
    assert len(set(losses.values())) > 1


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_graph_computes_what_the_shapes_say(seed: int) -> None:
    generator = np.random.default_rng(seed)
    shapes = []
    for feature in FEATURES:
        inner = np.sort(generator.uniform(feature.low, feature.high, int(generator.integers(0, 5))))
        knots = np.unique(np.array([feature.low, *inner, feature.high]))
        shapes.append(Shape(knots, generator.standard_normal(len(knots))))
    model = Additive(float(generator.standard_normal()), tuple(shapes))
    x, _ = drawn(50, seed % 1000)
    x += generator.standard_normal(x.shape)  # also beyond the bounds, where shapes are flat
    session = ort.InferenceSession(graph_of(model), providers=["CPUExecutionProvider"])
    probability, log_odds, contributions = session.run(None, {"features": x.astype(np.float32)})
    narrow = x.astype(np.float32).astype(np.float64)
    assert contributions == pytest.approx(model.contributions(narrow), abs=1e-3)
    assert log_odds == pytest.approx(model.log_odds(narrow), abs=1e-3)
    assert probability == pytest.approx(model.probability(narrow), abs=1e-3)


@given(hits=st.integers(1, 200), misses=st.integers(0, 60), confidence=st.sampled_from([0.8, 0.9, 0.95]))
def test_the_bound_is_clopper_and_pearson(hits: int, misses: int, confidence: float) -> None:
    n = hits + misses
    bound = precision_bound(hits, misses, n, confidence)
    assert 0 <= bound <= hits / n
    # At the bound, as many hits or more happen with the probability that is left.
    assert binom.sf(hits - 1, n, bound) == pytest.approx(1 - confidence, abs=1e-6)


def scored(n: int, seed: int) -> Scored:
    generator = np.random.default_rng(seed)
    z = generator.normal(-1.5, 2.5, n)
    probability = 1 / (1 + np.exp(-z))
    y = generator.random(n) < probability
    return Scored(probability, y, np.ones(n), np.arange(n).astype(str), float(y.mean()))


def test_bands_keep_their_target_on_other_listings() -> None:
    fitted = fit_bands(scored(6000, 0), np.full(6000, "shoes"), BANDS)
    other = scored(60_000, 1)
    for bands in fitted.values():
        assert bands.prompt <= bands.review <= bands.hold
        above = other.score >= bands.prompt
        assert other.y[above].mean() >= BANDS.prompt_precision
        assert 10_000 * (above & ~other.y).sum() / (~other.y).sum() <= 1.3 * BANDS.false_prompts
        assert above.any()


def test_few_cases_have_no_band_of_their_own_and_a_target_out_of_reach_prompts_nobody() -> None:
    few = scored(600, 2)
    category = np.where(np.arange(600) < 40, "rare", "common")
    assert set(fit_bands(few, category, BANDS)) == {"", "common"}
    noise = Scored(few.score, few.y[::-1].copy(), few.weight, few.group, few.prevalence)
    assert few.y.sum() > LEAST_CASES
    assert fit_bands(noise, category, Target(0.99, 0.995, 0.99, 1))[""].prompt == OUT_OF_REACH


def test_a_category_that_speaks_against_the_common_bands_gets_stricter_ones() -> None:
    usual, odd = scored(6000, 3), scored(600, 4)
    both = Scored(
        np.concatenate([usual.score, odd.score]),
        np.concatenate([usual.y, ~odd.y]),  # here what looks counterfeit is honest
        np.ones(6600),
        np.arange(6600).astype(str),
        usual.prevalence,
    )
    bands = fit_bands(both, np.repeat(["usual", "odd"], [6000, 600]), BANDS)
    assert bands[""].prompt < OUT_OF_REACH
    assert bands["odd"].prompt >= bands[""].hold
    assert bands["odd"].prompt <= bands["odd"].review <= bands["odd"].hold
    assert "usual" in bands  # its own listings prove the target


def dataset(n: int, seed: int) -> Dataset:
    x, z = drawn(n, seed)
    y = happened(z, seed + 1)
    split = np.array(["train", "calibrate", "test"])[np.arange(n) % 3]
    texts = np.array([f"g{k}" for k in range(n)])
    return Dataset(
        ids=texts, x=x, names=NAMES, features_version=VERSION, y=y,
        appraised=np.where(np.arange(n) % 17 == 0, -1, y.astype(np.int64)), weight=np.ones(n), split=split, group=texts,
        kind=texts, category=np.full(n, "shoes"), language=texts, truth_brand=texts, prevalence=float(y.mean()),
        rows=[{}] * n, answers=[{}] * n,
    )  # fmt: skip


def test_a_trained_judge_can_be_served_and_its_card_and_policy_belong_to_it(tmp_path: Path) -> None:
    data = {"one": dataset(900, 20), "two": dataset(600, 30)}
    trained = train(data, noise=Noise(), target=BANDS, draws=20)
    print_trained(trained)
    rows = {row["name"]: row for row in trained.figures["test"]["one"]}
    assert {"this judge", "logistic regression", "gradient boosting", "gradient boosting, monotone"} == set(rows)
    assert rows["this judge"]["ece"] < 0.15
    identifier, text = write(
        trained, folder=tmp_path / "judge", policy=tmp_path / "policy.toml", name="try", prevalence=0.3, noise=Noise(),
        source={"command": "try"},
    )  # fmt: skip
    judge = load_judge(tmp_path / "judge")
    assert judge.id == identifier == parse_policy(text.encode()).judge
    x = data["one"].x
    assert judge.judge_many(x.astype(np.float32))[0] == pytest.approx(trained.model.probability(x), abs=1e-3)
    card = (tmp_path / "judge" / "CARD.md").read_text(encoding="utf-8")
    assert "simulated market" in card and all(name in card for name in NAMES)


def test_features_of_another_version_are_refused() -> None:
    from dataclasses import replace

    with pytest.raises(TrainingError):
        train({"old": replace(dataset(90, 1), features_version="features-0")}, noise=Noise(), target=BANDS)
