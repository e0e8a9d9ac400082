"""Features, judge and policy: every value in bounds, every contribution exact, no direction broken, nothing guessed."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixed_judge import make_fixed_judge
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from brands.model import AuthorisedSeller, Brand, Price, ReferenceKind
from screener.errors import JudgeRefused, PolicyRefused
from screener.judging.evidence import CopyWords, Evidence, copies_known_fake, feature_values
from screener.judging.features import FEATURES, NAMES, STAGES
from screener.judging.history import History
from screener.judging.model import Judge, Judgement, load_judge
from screener.judging.policy import Policy, load_policy, parse_policy
from screener.judging.reasons import OTHER, reasons_of
from screener.listing import Listing, ListingPrice, SellerFacts
from screener.match import Match, Matches, Sighting
from screener.picture_facts import PictureFacts
from screener.preprocess import WHOLE
from screener.prompts import reason_codes
from screener.recognise import Recognition
from screener.settings import Settings

TODAY = date(2026, 11, 22)
AT = datetime(2026, 11, 22, tzinfo=UTC)
BRAND = Brand(
    id="brd_1",
    name="Norvell",
    aliases=(),
    wordmarks=(),
    categories=("shoes",),
    reference_price=Price(Decimal(100), "EUR"),
    authorised_sellers=(AuthorisedSeller("official"), AuthorisedSeller("former", valid_until=date(2026, 1, 1))),
    state="active",
    revision=1,
    created_at=AT,
    updated_at=AT,
)
RECOGNISED = Recognition("recognised", BRAND.id, ("words", "pictures"), confidence=0.9)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return load_judge(make_fixed_judge(tmp_path_factory.mktemp("judge")) / "judge")


@pytest.fixture(scope="module")
def served() -> Judge:
    return load_judge(Settings().judge_path)


def match(kind: ReferenceKind, use: str, margin: float, *, image: int = 0, score: float | None = None) -> Match:
    return Match(image, 0, WHOLE, f"ref_{kind}", BRAND.id, kind, use, margin if score is None else score, margin)


def facts(covered: float = 0.0, sharpness: float = 0.5) -> PictureFacts:
    return PictureFacts(100, 100, np.zeros((8, 32), dtype=np.uint8), 90, sharpness, 0.1, covered, None)


def evidence(**changes: Any) -> Evidence:
    found = Evidence(
        listing=Listing("L", "Norvell shoe", "shop", category="shoes", price=ListingPrice(Decimal(50), "EUR")),
        recognition=RECOGNISED,
        brand=BRAND,
        matches=Matches(),
        facts={0: facts()},
        copy_words=(),
        history=History(),
        today=TODAY,
    )
    return replace(found, **changes)


def values(**changes: Any) -> Mapping[str, float]:
    return dict(zip(NAMES, feature_values(evidence(**changes)).tolist(), strict=True))


def listing(**changes: Any) -> Listing:
    return replace(evidence().listing, **changes)


def test_features_have_distinct_names_known_reasons_and_sound_bounds() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {feature.stage for feature in FEATURES} == set(STAGES)
    for feature in FEATURES:
        assert feature.low < feature.high
        assert feature.optional if feature.anchor is None else feature.low <= feature.anchor <= feature.high
        assert {feature.against, feature.in_favour} <= set(reason_codes())


@pytest.mark.parametrize(
    ("seller", "expected"), [("official", 1.0), ("former", 0.0), ("shop", 0.0)], ids=["now", "formerly", "never"]
)
def test_who_is_authorised_today(seller: str, expected: float) -> None:
    assert values(listing=listing(seller_id=seller))["authorised_seller"] == expected


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (ListingPrice(Decimal(50), "EUR"), -1.0),
        (ListingPrice(Decimal(0), "EUR"), -6.0),
        (ListingPrice(Decimal("0.000001"), "EUR"), -6.0),
        (ListingPrice(Decimal(10**9), "EUR"), 3.0),
        (ListingPrice(Decimal(50), "XXX"), math.nan),
        (None, math.nan),
    ],
    ids=str,
)
def test_any_price_gives_a_ratio_in_bounds_or_none(price: ListingPrice | None, expected: float) -> None:
    assert values(listing=listing(price=price))["price_ratio"] == pytest.approx(expected, nan_ok=True)


def test_looks_alone_and_no_brand_have_no_price_ratio() -> None:
    assert math.isnan(values(recognition=replace(RECOGNISED, by_looks_only=True))["price_ratio"])
    unknown = values(recognition=Recognition("unknown"), brand=None)
    assert math.isnan(unknown["price_ratio"]) and math.isnan(unknown["authorised_seller"])
    assert unknown["brand_evidence"] == 0.0


def test_replica_words_count_half_without_a_brand() -> None:
    words = (CopyWords("1:1", 0, 3, 1), CopyWords("fake", 4, 8, 2))
    assert values(copy_words=words)["replica_words"] == 2.0
    assert values(copy_words=words, recognition=Recognition("unknown"), brand=None)["replica_words"] == 1.0


def test_a_copy_of_a_known_fake_counts_by_the_nearest_of_its_own_picture() -> None:
    fake, official = match("known_fake", "copy", 0.8), match("authentic", "copy", 0.9)
    assert values(matches=Matches((fake,)))["fake_copy"] == pytest.approx(0.8)
    assert copies_known_fake(Matches((fake,)))
    beside = Matches((replace(official, image=1), fake))
    assert values(matches=beside)["fake_copy"] == pytest.approx(0.8)
    assert values(matches=beside)["official_copy"] == pytest.approx(0.9)
    same = Matches((official, fake))
    assert values(matches=same)["fake_copy"] == 0.0
    assert not copies_known_fake(same)


def test_the_look_of_a_fake_counts_where_it_is_clearly_nearer_than_the_original() -> None:
    fake = match("known_fake", "product", 0.6, score=0.8)
    near = Matches((fake, match("authentic", "product", 0.5, score=0.77)))
    far = Matches((fake, match("authentic", "product", 0.4, score=0.7)))
    assert values(matches=near)["fake_look"] == 0.0
    assert values(matches=far)["fake_look"] == pytest.approx(0.8)


def test_a_negative_clears_its_picture_but_not_a_fake_beside_it() -> None:
    negative, fake = match("negative", "product", 0.9), match("known_fake", "copy", 0.8, image=1)
    assert values(matches=Matches((negative,)))["negative_look"] == pytest.approx(0.9)
    assert values(matches=Matches((negative, fake)))["negative_look"] == 0.0


def test_a_covered_patch_counts_where_the_item_is_seen_and_its_mark_is_not() -> None:
    pictures = {0: facts(covered=0.9), 1: facts(covered=0.3)}
    seen = [Sighting(match("authentic", "product", 0.2, image=n), 0.2) for n in (0, 1)]
    marked = Sighting(match("logo", "logo", 0.2, image=0), 0.2)
    assert values(facts=pictures, matches=Matches((), tuple(seen)))["mark_covered"] == pytest.approx(0.9)
    assert values(facts=pictures, matches=Matches((), (*seen, marked)))["mark_covered"] == pytest.approx(0.3)
    assert values(facts=pictures, brand=None, recognition=Recognition("unknown"))["mark_covered"] == 0.0


def test_what_the_marketplace_does_not_say_is_missing() -> None:
    told = values(
        listing=listing(complaints=3, seller=SellerFacts(date(2026, 11, 13), sales=999, upheld_reports=1)),
        history=History(known_fake_listings=1, linked_known_fakes=3, photo_reuse=0.5),
    )
    expected = {"seller_age": 1, "seller_sales": 3, "upheld_reports": 1, "complaints": 2, "photo_reuse": 0.5}
    expected |= {"known_fake_listings": 1, "linked_known_fakes": 2}
    assert {name: told[name] for name in expected} == pytest.approx(expected)
    untold = values()
    assert all(math.isnan(untold[name]) for name in ("seller_age", "seller_sales", "upheld_reports", "complaints"))
    assert values(listing=listing(seller=SellerFacts(date(2030, 1, 1))))["seller_age"] == 0.0


def rows() -> st.SearchStrategy[NDArray[np.float32]]:
    columns = [
        st.floats(feature.low, feature.high, width=32) | (st.just(math.nan) if feature.optional else st.nothing())
        for feature in FEATURES
    ]
    return st.tuples(*columns).map(lambda row: np.array(row, dtype=np.float32))


@settings(max_examples=50)
@given(row=rows(), column=st.integers(0, len(FEATURES) - 1), share=st.floats(0, 1))
def test_no_feature_moves_the_probability_against_its_direction(
    served: Judge, judge: Judge, row: NDArray[np.float32], column: int, share: float
) -> None:
    feature = FEATURES[column]
    higher = row.copy()
    start = feature.low if math.isnan(row[column]) else row[column]
    row[column], higher[column] = start, start + share * (feature.high - start)
    for own in (served, judge):
        before, after = own.judge(row), own.judge(higher)
        moved = after.log_odds - before.log_odds
        assert moved * feature.direction >= -1e-4
        others = [n for n in range(len(FEATURES)) if n != column]
        assert np.array(before.contributions)[others] == pytest.approx(np.array(after.contributions)[others], abs=1e-6)


@settings(max_examples=50)
@given(row=rows())
def test_bias_and_reasons_add_up_to_the_log_odds(served: Judge, row: NDArray[np.float32]) -> None:
    judgement = served.judge(row)
    assert judgement.probability == pytest.approx(1 / (1 + math.exp(-judgement.log_odds)), abs=1e-5)
    reasons = reasons_of(judgement)
    assert served.bias + sum(reason.contribution for reason in reasons) == pytest.approx(judgement.log_odds, abs=0.02)
    assert len({reason.code for reason in reasons}) == len(reasons)


def test_small_contributions_are_one_reason() -> None:
    parts = [0.0] * len(FEATURES)
    parts[0], parts[-1], parts[-2] = 2.0, 0.03, 0.02
    reasons = reasons_of(Judgement(0.5, 0.0, tuple(parts)))
    assert [(reason.code, reason.contribution) for reason in reasons] == [
        (FEATURES[0].against, 2.0),
        (OTHER, pytest.approx(0.05)),
    ]


def test_the_served_judge_says_what_it_was_calibrated_on_and_has_its_policy(served: Judge) -> None:
    assert served.calibrated_on == "simulation"
    assert load_policy(Settings().policy_path).judge == served.id


@pytest.mark.parametrize(
    "damage",
    [
        lambda m: m | {"features": m["features"][::-1]},
        lambda m: m | {"features_version": "features-0"},
        lambda m: m | {"sha256": "0" * 64},
        lambda m: m | {"calibrated_on": "hope"},
        lambda m: m | {"bias": m["bias"] + 1},
        lambda m: m | {"more": 1},
        lambda m: {k: v for k, v in m.items() if k != "prevalence"},
        lambda m: [],
    ],
)
def test_a_damaged_judge_is_refused(tmp_path: Path, damage: Any) -> None:
    folder = make_fixed_judge(tmp_path) / "judge"
    file = folder / "manifest.json"
    file.write_text(json.dumps(damage(json.loads(file.read_text()))))
    with pytest.raises(JudgeRefused):
        load_judge(folder)


def test_a_missing_judge_or_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JudgeRefused):
        load_judge(tmp_path)
    folder = make_fixed_judge(tmp_path) / "judge"
    (folder / "judge.onnx").write_bytes(b"no graph")
    with pytest.raises(JudgeRefused):
        load_judge(folder)


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return load_policy(make_fixed_judge(tmp_path) / "policy.toml")


@pytest.mark.parametrize(
    ("probability", "category", "screened", "verdict", "hint"),
    [
        (0.2, None, True, "clear", "publish"),
        (0.2, None, False, "unscreenable", "publish"),
        (0.4, None, True, "clear", "publish"),
        (0.4, "Watches", True, "prompt", "publish"),
        (0.4, " watches ", True, "prompt", "publish"),
        (0.5, "shoes", False, "prompt", "publish"),
        (0.8, None, True, "review", "publish"),
        (0.98, None, True, "review", "hold"),
    ],
)
def test_bands(
    policy: Policy, probability: float, category: str | None, screened: bool, verdict: str, hint: str
) -> None:
    assert policy.verdict(probability, category, known_fake=False, everything_screened=screened) == verdict
    assert policy.hint(probability, category) == hint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("format = 1", "format = 2"),
        ("prompt = 0.5", "prompt = 0.9"),
        ("prompt = 0.5", 'prompt = "0.5"'),
        ("prompt = 0.5", "prompt = nan"),
        ("hold = 0.97", ""),
        ("[category.watches]\nprompt", "[category.watches]\nalarm"),
        ("confidence = 0.95\n", ""),
        ('known_fake = "review"', 'known_fake = "jail"'),
        ('known_fake = "review"', ""),
        ('name = "fixed"', 'name = "fixed'),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(tmp_path: Path, old: str, new: str) -> None:
    file = make_fixed_judge(tmp_path) / "policy.toml"
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(PolicyRefused):
        load_policy(file)


@pytest.mark.parametrize("screened", [True, False])
def test_a_certain_copy_of_a_known_fake_is_reviewed_whatever_the_probability(policy: Policy, screened: bool) -> None:
    assert policy.verdict(0.01, None, known_fake=True, everything_screened=screened) == "review"


def test_another_policy_has_another_id(tmp_path: Path) -> None:
    data = (make_fixed_judge(tmp_path) / "policy.toml").read_bytes()
    assert parse_policy(data).id != parse_policy(data.replace(b"0.8", b"0.81")).id
    with pytest.raises(PolicyRefused):
        load_policy(tmp_path / "none.toml")
