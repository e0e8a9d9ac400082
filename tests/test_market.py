"""The listing benchmark: the model of the market, its splits, its figures against slow oracles, a whole small run."""

import copy
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from service_kit import picture
from tiny_bundle import make_tiny_bundle

from screener.judging.features import FEATURES, NAMES, STAGES
from training.errors import TrainingError
from training.market import metrics
from training.market.dataset import ANSWERS, LISTINGS, load, read_lines
from training.market.evaluate import Decider, without_stage
from training.market.first_rule import first_rule
from training.market.goods import Ask, Picture
from training.market.listings import plan_market
from training.market.metrics import Scored, curve, group_draws, reliability
from training.market.model import MARKET_FILE, SPLITS, Market, load_market
from training.market.photos import Photos
from training.market.prepare import prepare
from training.market.recognition import outcome
from training.market.rendered import Rendered
from training.market.report import print_market, write_market
from training.market.retouch import finished
from training.market.rows import Drawn, rows_of
from training.market.run import market_report, screened_market
from training.market.splits import Leak, check_leaks, without_alike
from training.market.wording import LANGUAGES, disguised, phrases, write_words

pytestmark = pytest.mark.train

SMALL = {"listings": 60, "seed": 3}
BRANDS = 4


@pytest.fixture(scope="module")
def market() -> Market:
    return load_market()


@pytest.fixture(scope="module")
def rows(market: Market) -> list[dict[str, Any]]:
    """Lines of listings.jsonl of a market whose pictures were not drawn: each upload has bytes of its own."""
    plan = plan_market(market, Rendered(market, 3, 8), 600, 3)
    uploads = sorted({upload for listing in plan.listings for upload in listing.uploads}, key=repr)
    drawn = {
        upload: Drawn(f"{n:064x}", 416, 520, None, (np.random.default_rng(n).bytes(32).hex(),), 100)
        for n, upload in enumerate(uploads)
    }
    return list(rows_of(plan.listings, market, drawn))


# The model and the plan


def test_model_refuses_shares_that_do_not_add_up(tmp_path: Path) -> None:
    file = tmp_path / "market.toml"
    file.write_text(MARKET_FILE.read_text(encoding="utf-8").replace("train = 0.35", "train = 0.45"), encoding="utf-8")
    with pytest.raises(TrainingError, match=r"splits add up to 1\.1"):
        load_market(file)


def test_the_same_seed_plans_the_same_market(market: Market) -> None:
    plans = [plan_market(market, Rendered(market, seed, BRANDS), 120, seed) for seed in (5, 5, 6)]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]


def test_every_kind_is_in_every_split_and_weights_give_the_prevalence(
    market: Market, rows: list[dict[str, Any]]
) -> None:
    for split in SPLITS:
        truth = [row["truth"] for row in rows if row["truth"]["split"] == split]
        assert {entry["kind"] for entry in truth} == {kind.name for kind in market.kinds}
        weight = np.array([entry["weight"] for entry in truth])
        fake = np.array([entry["counterfeit"] for entry in truth])
        assert weight.mean() == pytest.approx(1.0)
        assert weight[fake].sum() / weight.sum() == pytest.approx(market.prevalence)


def test_no_fact_alone_tells_a_counterfeit(market: Market) -> None:
    """Each sign, of either side, is found on both sides."""
    plan = plan_market(market, Rendered(market, 1, 12), 6000, 1)
    signs = {
        "cheap": lambda p: p.amount is not None and p.currency == "EUR" and p.amount < 0.3 * p.product.price,
        "full price": lambda p: p.amount is not None and p.currency == "EUR" and p.amount > 0.8 * p.product.price,
        "reported": lambda p: p.shop.reports > 0,
        "new account": lambda p: p.shop.age < 30,
        "old account": lambda p: p.shop.age > 1000,
        "linked": lambda p: bool(p.shop.linked),
        "complaints": lambda p: bool(p.complaints),
        "official picture": lambda p: any(u.origin == "official" for u in p.uploads),
        "own picture": lambda p: any(u.origin in ("own", "fake") for u in p.uploads),
        "covered": lambda p: any(edit in ("cover", "blur_patch") for u in p.uploads for edit, _ in u.steps),
        "declared": lambda p: p.words.brand is not None,
        "no pictures": lambda p: not p.uploads,
    }
    for name, sign in signs.items():
        both = {p.kind.counterfeit for p in plan.listings if sign(p)}
        assert both == {False, True}, name


def test_counterfeiters_come_back_under_new_shops(rows: list[dict[str, Any]]) -> None:
    shops: dict[str, set[str]] = {}
    for row in rows:
        if row["truth"]["counterfeit"] and "maker" in row["truth"]["owner"]:
            shops.setdefault(row["truth"]["owner"], set()).add(row["listing"]["seller_id"])
    assert max(len(own) for own in shops.values()) > 1
    assert any(row["listing"]["seller"]["linked"] for row in rows if row["truth"]["counterfeit"])


def test_borrowed_pictures_were_published_before(rows: list[dict[str, Any]]) -> None:
    days: dict[str, int] = {}
    for row in rows:
        if not row["truth"]["counterfeit"]:
            for shown in row["pictures"]:
                days[shown["sha256"]] = min(row["truth"]["day"], days.get(shown["sha256"], 10**6))
    taken = [
        (row["truth"]["day"], days[shown["sha256"]])
        for row in rows
        if row["truth"]["kind"] == "fake_borrowed_photos"
        for shown in row["pictures"]
        if shown["origin"] == "own" and shown["sha256"] in days
    ]
    assert taken
    assert all(day >= published for day, published in taken)


# Words


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_phrase(language: str, market: Market) -> None:
    assert phrases(language).keys() == phrases("en").keys()
    assert phrases(language)["nouns"].keys() == phrases("en")["nouns"].keys()
    brand = Rendered(market, 1, BRANDS).brands()[0]
    rng = np.random.default_rng(0)
    for style, model in market.words.items():
        for _ in range(20):
            made = write_words(rng, language, "watch", model, brand=brand, style=style, rates=market.raw["words_all"])
            assert 0 < len(made.title) <= 300
            assert "{" not in made.title + made.description


@settings(max_examples=50)
@given(st.integers(0, 10_000))
def test_a_disguise_changes_the_name(seed: int) -> None:
    shares = load_market().raw["words_all"]["disguises"]
    assert disguised(np.random.default_rng(seed), "Mizukazera", shares) != "Mizukazera"


# Pictures


def test_equal_asks_give_equal_pictures_and_copies_differ(market: Market) -> None:
    one, two = Rendered(market, 2, BRANDS), Rendered(market, 2, BRANDS)
    product = one.brands()[1].products[0]
    painted = [
        finished(source.paint(Ask(view, product.id, 3, line)), (("camera", 1),))  # type: ignore[arg-type]  # view is a literal
        for source in (one, two)
        for view, line in (("own", 0), ("fake", 0), ("fake", 1))
    ]
    assert painted[:3] == painted[3:]
    assert len(set(painted)) == 3
    # The same scene and light for the same number, the look of the goods is another.
    assert finished(one.paint(Ask("mark", one.brands()[0].key, 0)), ()) != finished(
        one.paint(Ask("mark", one.brands()[1].key, 0)), ()
    )


def test_covering_hides_the_mark_only() -> None:
    image = picture(1, (200, 160))
    for edit in ("cover", "blur_patch"):
        before = np.asarray(image, dtype=int)
        data = finished(Picture(image, (0.4, 0.4, 0.6, 0.6)), ((edit, 5),))  # type: ignore[arg-type]  # edit is a literal
        with Image.open(io.BytesIO(data)) as opened:
            after = np.asarray(opened.convert("RGB"), dtype=int)
        changed = np.abs(after - before).mean(axis=2)
        assert changed[64:96, 80:120].mean() > 4 * changed[:40].mean()


def _photo_sets(folder: Path) -> Path:
    """A tiny stand-in for the measuring sets: 3 groceries of one brand, 2 logos, 50 garments."""
    manifests: dict[str, list[dict[str, Any]]] = {"grocery": [], "logos": [], "copies": []}

    def add(name: str, kind: str, **fields: Any) -> None:
        number = len(manifests[name])
        file = folder / name / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(1000 * list(manifests).index(name) + number).save(file)
        manifests[name].append({"kind": kind, "image": file.name, **fields})

    for product in range(6):
        add("grocery", "reference", product=f"p{product}", brand="Bravo")
        for _ in range(8):
            add("grocery", "query", product=f"p{product}", brand="Bravo")
    for brand in ("Ford", "Nike"):
        add("logos", "reference", brand=brand, boxes=[[5, 5, 60, 60], [10, 10, 150, 140]])
        for _ in range(6):
            add("logos", "query", brand=brand)
    for number in range(50):
        add("copies", "reference", id=number)
        add("copies", "query", id=number, edits=["crop"])
    for name in manifests:
        for _ in range(36):
            add(name, "none", brand=None, product=None, id=None)
        (folder / name / "manifest.json").write_text(json.dumps(manifests[name]), encoding="utf-8")
    return folder


def test_photos_make_a_market_without_leaks(market: Market, tmp_path: Path) -> None:
    source = Photos(market, 1, _photo_sets(tmp_path / "data"))
    assert {brand.name for brand in source.brands()} >= {"Bravo", "Ford", "Nike"}
    mark = source.paint(Ask("mark", "Ford", 0)).mark
    assert mark == pytest.approx((10 / 200, 10 / 160, 150 / 200, 140 / 160))
    prepare(tmp_path / "work", market, source, listings=120, seed=1)
    rows = read_lines(tmp_path / "work" / LISTINGS)
    check_leaks(rows)
    assert {row["truth"]["kind"] for row in rows} == {kind.name for kind in market.kinds}
    with pytest.raises(TrainingError, match="holds another market"):
        prepare(tmp_path / "work", market, source, listings=121, seed=1)
    with pytest.raises(TrainingError, match=r"no manifest\.json"):
        Photos(market, 1, tmp_path / "elsewhere")


# Splits


def test_clean_splits_pass(rows: list[dict[str, Any]]) -> None:
    check_leaks(rows)


@pytest.mark.parametrize("what", ["owner", "seller", "linked", "product", "picture", "near", "time"])
def test_whatever_crosses_is_refused(rows: list[dict[str, Any]], what: str) -> None:
    rows = copy.deepcopy(rows)
    first = next(r for r in rows if r["truth"]["split"] == "train" and any(p["origin"] == "own" for p in r["pictures"]))
    other = next(r for r in rows if r["truth"]["split"] == "test" and any(p["origin"] == "own" for p in r["pictures"]))
    shown = [next(p for p in row["pictures"] if p["origin"] == "own") for row in (first, other)]
    if what in ("owner", "product"):
        other["truth"][what] = first["truth"][what]
    elif what == "seller":
        other["listing"]["seller_id"] = first["listing"]["seller_id"]
    elif what == "linked":
        other["listing"]["seller"]["linked"] = [first["listing"]["seller_id"]]
    elif what == "picture":
        shown[1]["sha256"] = shown[0]["sha256"]
    elif what == "near":
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(shown[0]["pdq"]), np.uint8))
        bits[np.random.default_rng(0).choice(256, 31, replace=False)] ^= 1
        shown[1]["pdq"] = np.packbits(bits).tobytes().hex()
    else:
        other["truth"]["day"] = first["truth"]["day"]
    with pytest.raises(Leak):
        check_leaks(rows)
    if what == "near":
        kept = without_alike(rows)
        check_leaks(kept)
        lost = [len(row["pictures"]) - len(own["pictures"]) for row, own in zip(rows, kept, strict=True)]
        assert sum(lost) == 1 and lost[rows.index(first)] == 1


# Figures against slow oracles

SCORES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5, 0.75, 1.0]), st.booleans(), st.sampled_from([0.2, 1.0, 3.0]),
        st.sampled_from("abcd"),
    ),
    min_size=2, max_size=25,
).filter(lambda rows: {row[1] for row in rows} == {False, True})  # fmt: skip


def _scored(rows: list[tuple[float, bool, float, str]], prevalence: float) -> Scored:
    score, y, weight, group = zip(*rows, strict=True)
    return Scored(np.array(score), np.array(y), np.array(weight), np.array(group), prevalence)


def _slow_points(rows: list[tuple[float, bool, float, str]], prevalence: float) -> list[tuple[float, float, float]]:
    """Threshold, recall and precision at every score, one by one."""
    points = []
    for threshold in sorted({row[0] for row in rows}, reverse=True):
        share = {
            truth: sum(w for s, y, w, _ in rows if y == truth and s >= threshold)
            / sum(w for _, y, w, _ in rows if y == truth)
            for truth in (True, False)
        }
        mass = prevalence * share[True]
        precision = mass / (mass + (1 - prevalence) * share[False]) if mass else 0.0
        points.append((threshold, share[True], precision))
    return points


@given(SCORES, st.sampled_from([0.02, 0.3, 0.7]), st.sampled_from([0.3, 0.5, 0.9, 0.95]))
def test_recall_at_precision_is_that_of_the_slow_way(
    rows: list[tuple[float, bool, float, str]], prevalence: float, precision: float
) -> None:
    scored = _scored(rows, prevalence)
    points = _slow_points(rows, prevalence)
    whole = curve(scored)
    assert whole.score.tolist() == [point[0] for point in points]
    assert whole.recall == pytest.approx([point[1] for point in points])
    assert whole.precision == pytest.approx([point[2] for point in points])
    reached = [(recall, threshold) for threshold, recall, at in points if at >= precision - 1e-12]
    if any(abs(at - precision) < 1e-9 for _, _, at in points):
        return  # rounding decides
    assert metrics.recall_at_precision(scored, precision) == pytest.approx(max(reached)[0] if reached else 0.0)
    threshold = metrics.threshold_at_precision(scored, precision)
    assert (threshold is None) == (not reached or max(reached)[0] == 0)


@given(SCORES, st.lists(st.integers(0, 3), min_size=25, max_size=25))
def test_drawing_a_listing_twice_is_having_it_twice(
    rows: list[tuple[float, bool, float, str]], counts: list[int]
) -> None:
    times = counts[: len(rows)]
    repeated = [row for row, count in zip(rows, times, strict=True) for _ in range(count)]
    if {row[1] for row in repeated} != {False, True}:
        return
    fast = curve(_scored(rows, 0.1), np.array([times], dtype=np.float64)).best(0.6)[0]
    assert fast.tolist() == pytest.approx([metrics.recall_at_precision(_scored(repeated, 0.1), 0.6)])


@given(SCORES)
def test_groups_are_drawn_whole(rows: list[tuple[float, bool, float, str]]) -> None:
    scored = _scored(rows, 0.1)
    times = group_draws(scored.group, 7, 0)
    groups = sorted(set(scored.group.tolist()))
    for draw in times:
        of_group = {name: {draw[n] for n in range(len(rows)) if scored.group[n] == name} for name in groups}
        assert all(len(values) == 1 for values in of_group.values())
        assert sum(next(iter(values)) for values in of_group.values()) == len(groups)


@given(SCORES, st.integers(1, 6))
def test_calibration_error_is_that_of_the_slow_way(rows: list[tuple[float, bool, float, str]], bins: int) -> None:
    scored = _scored(rows, 0.1)
    ordered = sorted(rows, key=lambda row: row[0])
    total = math.fsum(row[2] for row in ordered)
    inside: dict[int, list[tuple[float, bool, float, str]]] = {}
    before = 0.0
    for row in ordered:
        position = (before + row[2] / 2) / total * bins
        if abs(position - round(position)) < 1e-9:
            return  # rounding decides
        inside.setdefault(min(int(position), bins - 1), []).append(row)
        before += row[2]
    error = math.fsum(abs(math.fsum(w * (s - y) for s, y, w, _ in own)) for own in inside.values()) / total
    assert reliability(scored, bins).error == pytest.approx(error, abs=1e-9)


def test_false_prompts_have_an_interval_around_them() -> None:
    rng = np.random.default_rng(0)
    count = 400
    scored = Scored(
        rng.random(count), np.arange(count) % 4 == 0, rng.uniform(0.5, 2, count),
        np.array([f"g{n}" for n in rng.integers(0, 80, count)]), 0.05,
    )  # fmt: skip
    chosen = scored.score > 0.9
    rate = metrics.per_ten_thousand(chosen, ~scored.y, scored.weight)
    low, high = metrics.rate_interval(chosen, scored, draws=200)
    assert 0 < low < rate < high


def test_figures_need_both_sides() -> None:
    with pytest.raises(ValueError, match="counterfeits and honest"):
        curve(_scored([(0.5, True, 1.0, "a")], 0.1))
    with pytest.raises(ValueError, match="finite"):
        curve(_scored([(0.5, True, 1.0, "a"), (math.nan, False, 1.0, "a")], 0.1))


# Baselines

VALUES: dict[str, Any] = {
    "fake_copy": st.sampled_from([0.0, 0.3, 0.5, 1.0]), "fake_look": st.sampled_from([0.0, 0.6, 1.0]),
    "official_copy": st.sampled_from([0.0, 0.4]), "negative_look": st.sampled_from([0.0, 0.4]),
    "brand_evidence": st.sampled_from([0.0, 0.7]), "looks_only": st.sampled_from([0.0, 1.0]),
    "authorised_seller": st.sampled_from([0.0, 1.0, math.nan]), "price_ratio": st.sampled_from([-3.0, -0.1, math.nan]),
    "replica_words": st.sampled_from([0.0, 1.0, 2.0]), "name_disguised": st.sampled_from([0.0, 1.0]),
    "brands_disagree": st.sampled_from([0.0, 1.0]), "declared_disagrees": st.sampled_from([0.0, 1.0]),
}  # fmt: skip


def _slow_rule(f: dict[str, float]) -> float:
    """The first version's sum, a condition at a time."""
    brand, copied = f["brand_evidence"] > 0, f["fake_copy"] >= 0.5
    total = -3.0
    total += 5.0 if copied else 2.2 * f["fake_look"]
    total += 0.4 if f["official_copy"] > 0 else 0.0
    if not copied and not f["fake_look"] and f["negative_look"] > 0:
        total -= 1.5
    if f["replica_words"] > 0:
        total += 3.0 if brand else 1.0
    total += 2.4 * f["name_disguised"]
    total += 0.8 if f["brands_disagree"] or f["declared_disagrees"] else 0.0
    if brand and f["authorised_seller"] == 1.0:
        total += -1.0 if copied else -3.0
    elif brand:
        total += 0.6
        ratio = 2 ** f["price_ratio"]
        if ratio < 0.6 and not f["looks_only"]:
            total += min(1.3 * math.log2(0.6 / ratio), 3.0)
    return 1 / (1 + math.exp(-total))


@given(st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=10))
def test_first_rule_adds_up_what_it_did(listings: list[dict[str, float]]) -> None:
    found = first_rule(lambda name: np.array([listing[name] for listing in listings]))
    assert found.tolist() == pytest.approx([_slow_rule(listing) for listing in listings])


def test_a_stage_is_taken_away_whole() -> None:
    x = np.full((2, len(NAMES)), 0.7)
    for stage in STAGES:
        changed = without_stage(x, NAMES, stage)
        for column, feature in enumerate(FEATURES):
            expected = 0.7 if feature.stage != stage else (math.nan if feature.optional else feature.anchor)
            assert changed[:, column].tolist() == pytest.approx([expected] * 2, nan_ok=True)
    assert (x == 0.7).all()


@pytest.mark.parametrize(
    ("named", "truth", "expected"),
    [("A", "A", "right"), ("B", "A", "wrong"), (None, "A", "unknown"), (None, None, "right"), ("A", None, "wrong")],
)
def test_naming_nobody_is_right_where_there_is_nobody(named: str | None, truth: str | None, expected: str) -> None:
    assert outcome(named, truth) == expected


# The whole


def test_a_small_market_from_nothing_to_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENER_READING_MS", "0")  # reading has tests of its own, and takes most of the time
    work, bundle = tmp_path / "work", make_tiny_bundle(tmp_path / "bundle")
    asked: dict[str, Any] = {**SMALL, "brands": BRANDS, "bundle": str(bundle), "sample": 4}
    given = screened_market(work, **asked)
    dataset = load(work)
    assert dataset.names == NAMES and dataset.x.shape == (len(dataset), len(NAMES))
    assert set(dataset.split.tolist()) == set(SPLITS)
    assert set(dataset.appraised.tolist()) <= {-1, 0, 1}
    test = dataset.part("test")
    assert test.weight.sum() == pytest.approx(len(test))
    assert test.weight[test.y].sum() / len(test) == pytest.approx(dataset.prevalence)
    # Features tell what the listing told, so answers and listings belong together.
    told = np.array([row["listing"]["complaints"] is not None for row in dataset.rows])
    assert np.isnan(dataset.column("complaints")).tolist() == (~told).tolist()
    assert np.isnan(dataset.column("no such feature")).all()

    stamps = {name: (work / name).stat().st_mtime_ns for name in (ANSWERS, LISTINGS)}
    assert screened_market(work, **asked) == given  # nothing is made twice
    assert stamps == {name: (work / name).stat().st_mtime_ns for name in stamps}

    price = NAMES.index("price_ratio")
    decider = Decider("price alone", lambda x: 1 / (1 + np.exp2(np.nan_to_num(x[:, price]))), lambda p, c, _: p > 0.9)
    for judge in (None, decider):
        report = market_report(work, given, command="test", decider=judge, draws=20)
        write_market(report, tmp_path / "report")
        print_market(report)
        assert [row["name"] for row in report["judges"]][1:] == [
            "PDQ only", "cosine >= 0.9 only", "words only", "rule of the first version",
        ]  # fmt: skip
        assert len(report["ablation"]) == (1 + len(STAGES) if judge else 0)
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "report.json", "index.html", "precision-recall.svg", "reliability.svg", "kinds.svg",
    }  # fmt: skip
    assert "rule of the first version" in capsys.readouterr().out

    lines = (work / ANSWERS).read_text(encoding="utf-8").splitlines()
    (work / ANSWERS).write_text("\n".join(lines[1:]), encoding="utf-8")
    with pytest.raises(TrainingError, match="not of the same run"):
        load(work)
    (work / ANSWERS).unlink()
    with pytest.raises(TrainingError, match="evaluate market"):
        load(work)
