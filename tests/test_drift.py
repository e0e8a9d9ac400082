"""Drift: distances against SciPy's, silence where nothing moved, and that what moved is found and told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import sqlalchemy as sa
from drift_kit import market, record
from fixed_judge import make_fixed_judge
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from prometheus_client import CollectorRegistry, generate_latest

from brands.database import Database
from brands.ids import new_id
from brands.schema import model_releases, model_switches, references, responses
from index.live import Live
from screener.drift.baseline import (
    FILE,
    FINE,
    Baseline,
    baseline_of,
    histogram,
    parse_baseline,
    read_baseline,
    write_baseline,
)
from screener.drift.distance import chi_square_tail, kolmogorov_tail, ks_of, psi, psi_of
from screener.drift.figures import acceptance, compare
from screener.drift.gauges import Gauges
from screener.drift.sample import Sample, read_sample
from screener.drift.watch import DriftWatch, compute, first_weeks, served_since
from screener.errors import JudgeRefused
from screener.judging.features import NAMES
from screener.judging.model import Judge, load_judge
from screener.records import RESCREENED_BY
from screener.release import Release

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return load_judge(make_fixed_judge(tmp_path_factory.mktemp("judge")) / "judge")


def made(x: np.ndarray, judge: Judge, **fields: object) -> Baseline:
    n = len(x)
    scores = judge.judge_many(x.astype(np.float32))[0]
    told = {"verdicts": ["clear"] * n, "brand_status": ["none"] * n, "source": "training"} | fields
    return baseline_of(x, scores, since="2026-01-01", until="2026-01-31", **told)  # type: ignore[arg-type]  # of a dict


def sample_of(x: np.ndarray, verdict: str = "clear") -> Sample:
    n = len(x)
    degraded = np.zeros(n, dtype=np.bool_)
    return Sample(NOW, NOW, n, x.astype(np.float32), (verdict,) * n, ("none",) * n, degraded)


# Distances


@given(st.integers(2, 30), st.integers(0, 2**32 - 1))
def test_psi_is_the_sum_of_the_book(bins: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    old, new = (generator.integers(100, 1000, bins).astype(float) for _ in range(2))
    p, q = (old + 0.5) / (old + 0.5).sum(), (new + 0.5) / (new + 0.5).sum()
    expected = sum((b - a) * np.log(b / a) for a, b in zip(p, q, strict=True))
    assert psi(old, new).value == pytest.approx(expected)


def test_tails_are_those_of_scipy() -> None:
    for degrees in (1, 2, 5, 9, 30):
        for chance in (0.5, 0.1, 0.01, 1e-4):
            value = scipy.stats.chi2.isf(chance, degrees)
            assert chi_square_tail(value, degrees) == pytest.approx(chance, rel=1e-9)
    for distance in (0.01, 0.03, 0.05, 0.1):
        expected = scipy.stats.kstwo.sf(distance, 1000)
        assert kolmogorov_tail(distance, 1000**0.5) == pytest.approx(expected, rel=0.05, abs=1e-12)
    assert kolmogorov_tail(1e-9, 10.0) == 1.0
    assert chi_square_tail(0.0, 3) == 1.0


@given(st.integers(0, 2**32 - 1), st.integers(2, FINE))
def test_ks_of_few_values_is_that_of_scipy(seed: int, different: int) -> None:
    generator = np.random.default_rng(seed)
    old, new = (generator.integers(0, different, size).astype(float) for size in (300, 200))
    old[:different] = np.arange(different)  # a value that only the new rows have shares the bin of the next one
    found = ks_of(histogram(old, np.ones(300)), new)
    expected = scipy.stats.ks_2samp(old, new, method="asymp")
    assert found.value == pytest.approx(expected.statistic)
    assert found.chance == pytest.approx(expected.pvalue, abs=0.02)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
def test_ks_of_many_values_is_never_larger_and_nearly_as_large(shift: float) -> None:
    generator = np.random.default_rng(3)
    old, new = generator.normal(size=5000), generator.normal(shift, size=3000)
    found = ks_of(histogram(old, np.ones(5000)), new).value
    exact = scipy.stats.ks_2samp(old, new).statistic
    assert exact - 1 / FINE <= found <= exact + 1e-9


@given(
    hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(-6, 6) | st.sampled_from([0.0, 1.0, np.nan])),
)
def test_a_histogram_counts_its_own_values_as_it_did_and_others_outside(values: np.ndarray) -> None:
    made = histogram(values, np.ones(len(values)))
    counts, missing = made.count(values)
    assert tuple(counts) == made.counts
    assert missing == made.missing == np.isnan(values).sum()
    assert len(made.counts) <= FINE + 2
    if not np.isnan(values).all():
        far, _ = made.count(np.array([-100.0, 100.0]))
        assert far[0] == far[-1] == 1
        assert made.counts[0] == made.counts[-1] == 0


def test_rows_that_were_chosen_for_a_reason_are_weighted(judge: Judge) -> None:
    """Half of the rows are prompts, which are one in ten of the market: with weights the shares are the market's."""
    generator = np.random.default_rng(4)
    x = market(generator, 4000)
    prompted = generator.random(4000) < 0.5
    x[:, 1] = np.where(prompted, 3.0, 1.0)
    weights = np.where(prompted, 1.0, 9.0)
    verdicts = ["prompt" if one else "clear" for one in prompted]
    found = made(x, judge, verdicts=verdicts, weights=weights)
    assert found.verdicts["prompt"] == pytest.approx(0.1, abs=0.01)
    assert found.rows == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    first = found.features[NAMES[1]]
    assert first.counts[-2] / first.rows == pytest.approx(0.1, abs=0.01)
    live = np.where(generator.random(5000) < 0.1, 3.0, 1.0)
    assert psi_of(first, live).value < 0.01 < psi_of(made(x, judge).features[NAMES[1]], live).value
    for wrong in (np.zeros(4000), np.full(4000, np.nan), np.ones(3)):
        with pytest.raises(ValueError, match="weights"):
            made(x, judge, weights=wrong)


# What is said to have moved


def test_nothing_is_said_to_have_moved_that_has_not(judge: Judge) -> None:
    """200 reports of samples of one market, 28 things in each: at most a few false alarms (1 % is promised)."""
    alarms = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        sizes = ((2000, 200), (1000, 1000), (3000, 500))[seed % 3]
        old, new = (market(generator, size) for size in sizes)
        brands = tuple(dict(enumerate(generator.multinomial(size, [0.9, 0.05, 0.03, 0.02]))) for size in sizes)
        named = tuple({str(name): int(number) for name, number in one.items()} for one in brands)
        shifts = compare(made(old, judge), sample_of(new), judge, (named[0], named[1]))
        assert len(shifts) == len(NAMES) + 4
        alarms += any(shift.level != "none" for shift in shifts)
    assert alarms <= 6  # of 200 at 1 %, more than 6 have a chance of 0.4 %


@pytest.mark.parametrize(
    ("column", "change"),
    [
        (1, lambda x, g: x + 0.2),  # values move
        (1, lambda x, g: np.where(g.random(len(x)) < 0.3, np.nan, x)),  # values go missing
        (0, lambda x, g: np.where(g.random(len(x)) < 0.25, 0.9, x)),  # what was rare is frequent
        (4, lambda x, g: np.where(g.random(len(x)) < 0.2, 1.0, 0.0)),  # another mixture
    ],
)
def test_what_moved_is_found_and_nothing_else(judge: Judge, column: int, change: object) -> None:
    generator = np.random.default_rng(9)
    baseline, new = made(market(generator, 5000), judge), market(generator, 3000)
    new[:, column] = change(new[:, column], generator)  # type: ignore[operator]  # one of the functions above
    shifts = {shift.name: shift for shift in compare(baseline, sample_of(new), judge, None)}
    moved = {name for name, shift in shifts.items() if shift.level != "none"}
    assert NAMES[column] in moved
    assert moved <= {NAMES[column], "score"}


def test_a_value_never_seen_before_is_a_shift_even_of_a_constant(judge: Judge) -> None:
    old, new = np.zeros((3000, len(NAMES))), np.zeros((1000, len(NAMES)))
    new[:300, 0], new[:300, 2] = 0.7, -0.5
    shifts = {shift.name: shift for shift in compare(made(old, judge), sample_of(new), judge, None)}
    assert shifts[NAMES[0]].level == shifts[NAMES[2]].level == "major"
    assert shifts[NAMES[1]].level == "none"


def test_a_tiny_shift_that_is_sure_is_no_alarm(judge: Judge) -> None:
    """Of enough rows everything is significant; what does not matter is not told."""
    generator = np.random.default_rng(11)
    old, new = market(generator, 20_000), market(generator, 20_000)
    new[:, 1] += 0.01
    shift = {one.name: one for one in compare(made(old, judge), sample_of(new), judge, None)}[NAMES[1]]
    assert shift.psi.chance < 1e-6
    assert shift.level == "none"


def test_mixes_of_verdicts_and_brands_are_compared(judge: Judge) -> None:
    x = market(np.random.default_rng(12), 1000)
    brands = ({"": 900, "brd_a": 100}, {"": 500, "brd_a": 100, "brd_b": 400})
    shifts = {one.name: one for one in compare(made(x, judge), sample_of(x, "review"), judge, brands)}
    assert shifts["verdict"].level == shifts["brand"].level == "major"
    assert shifts["brand_status"].level == shifts["score"].level == "none"
    assert shifts["brand"].ks is None


# Baselines as files


def test_a_baseline_survives_its_file_and_names_nobody(judge: Judge, tmp_path: Path) -> None:
    x = market(np.random.default_rng(13), 500)
    baseline = made(x, judge, brand_status=["recognised", "none"] * 250)
    path = write_baseline(tmp_path, baseline)
    found = read_baseline(tmp_path)
    assert found is not None
    for shift in compare(found, sample_of(x), judge, None):
        assert shift.psi.value < 0.01 or shift.name == "brand_status", shift.name
    assert (found.rows, found.since, found.brand_status) == (500, "2026-01-01", {"recognised": 0.5, "none": 0.5})
    assert "brd_" not in path.read_text() and len(path.read_bytes()) < 200_000
    with pytest.raises(FileExistsError):
        write_baseline(tmp_path, baseline)
    assert read_baseline(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda fields: fields.pop("rows"),
        lambda fields: fields.update(format=2),
        lambda fields: fields.update(features_version="features-0"),
        lambda fields: fields.update(rows=0),
        lambda fields: fields.update(source="somewhere"),
        lambda fields: fields["features"].pop(NAMES[0]),
        lambda fields: fields["score"].update(counts=[1.0]),
        lambda fields: fields["score"].update(edges=[1.0, 1.0], counts=[1, 1, 1]),
        lambda fields: fields["score"].update(edges=[1.0], counts=[1.0, -1.0]),
        lambda fields: fields["score"].update(edges=[], counts=[0.0], missing=0.0),
    ],
)
def test_a_damaged_baseline_is_refused(judge: Judge, tmp_path: Path, damage: object) -> None:
    fields = made(market(np.random.default_rng(14), 50), judge).to_json()
    assert parse_baseline(json.loads(json.dumps(fields))).rows == 50
    damage(fields)  # type: ignore[operator]  # one of the functions above
    (tmp_path / FILE).write_text(json.dumps(fields))
    with pytest.raises(JudgeRefused, match="baseline"):
        read_baseline(tmp_path)


# From the database


def test_a_sample_is_spread_as_the_traffic_was(database: Database) -> None:
    day = NOW - timedelta(days=2)
    busy = [day + timedelta(hours=10, seconds=3 * n) for n in range(300)]
    quiet = [day + timedelta(hours=20, minutes=n) for n in range(30)]
    record(database, busy, verdict="prompt")
    record(database, quiet)
    record(database, busy[:50], key_id=RESCREENED_BY, verdict="review")
    record(database, quiet[:10], features=None, brand_id=None)
    with database.read() as conn:
        whole = read_sample(conn, day, NOW)
        part = read_sample(conn, day, NOW, most=34)
        none = read_sample(conn, NOW, NOW + timedelta(days=1))
    assert (whole.total, whole.rows, whole.verdicts.count("prompt")) == (340, 340, 300)
    assert part.total == 340 and (part.verdicts.count("prompt"), part.verdicts.count("clear")) == (30, 4)
    assert (none.total, none.features.shape) == (0, (0, len(NAMES)))


def test_a_judges_first_weeks_become_its_baseline_when_they_are_over(database: Database, judge: Judge) -> None:
    begun = NOW - timedelta(days=40)
    record(database, [begun + timedelta(minutes=4 * n) for n in range(3000)])  # a little over eight days
    with database.read() as conn:
        assert first_weeks(conn, judge, begun + timedelta(days=6)) is None
        found = first_weeks(conn, judge, NOW)
    assert found is not None
    assert (found.source, found.since, found.rows) == ("screenings", begun.date().isoformat(), 2520)


def test_a_judge_is_served_since_the_last_switch_to_it(database: Database) -> None:
    with database.write() as conn:
        for n, name in enumerate("abc"):
            conn.execute(
                sa.insert(model_releases).values(
                    id=f"mod_{n:016x}", encoder="enc", judge="jdg_old" if name == "a" else "jdg_new", policy=name,
                    state="retired", shadow_share=0.0, note="", proposed_at=NOW, proposed_by="x",
                )
            )  # fmt: skip
        for hours, which in enumerate((0, 1, 2)):
            at = NOW + timedelta(hours=hours)
            conn.execute(
                sa.insert(model_switches).values(
                    id=new_id("swi", at), release_id=f"mod_{which:016x}", kind="promote", reason="", created_at=at,
                    created_by="x",
                )
            )  # fmt: skip
    with database.read() as conn:
        assert served_since(conn, "jdg_new") == NOW + timedelta(hours=1)
        assert served_since(conn, "jdg_old").year == 1970


def test_sellers_last_answers_count(database: Database) -> None:
    prompted = record(database, [NOW - timedelta(hours=n) for n in range(1, 6)], verdict="prompt")
    earlier = record(database, [NOW - timedelta(days=30)], verdict="prompt")
    told = [(0, "proof"), (0, "withdrawn"), (1, "edited"), (2, "edited"), (2, "published_anyway")]
    with database.write() as conn:
        for n, (which, kind) in enumerate([*told, (None, "edited")]):
            at = NOW + timedelta(minutes=n)
            conn.execute(
                sa.insert(responses).values(
                    id=new_id("rsp", at), screening_id=earlier[0] if which is None else prompted[which], kind=kind,
                    text="", created_at=at, created_by="key_0",
                )
            )  # fmt: skip
    with database.read() as conn:
        answered, accepted = acceptance(conn, NOW - timedelta(days=7), NOW)
    assert (answered.number, answered.of) == (3, 5)
    assert (accepted.number, accepted.of) == (2, 3)
    assert accepted.low < 2 / 3 < accepted.high


def test_a_report_says_what_it_could_not_compare(database: Database, judge: Judge) -> None:
    found = compute(database, judge, None, NOW - timedelta(days=7), NOW)
    assert (found.lacking, found.shifts, found.prompted.value) == ("no_baseline", (), None)
    few = compute(database, judge, made(market(np.random.default_rng(1), 900), judge), NOW - timedelta(days=7), NOW)
    assert (few.lacking, few.references.median_days) == ("few_screenings", None)


class Served:
    """As much of what is served as drift looks at."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.release = Release("enc_0", "snp_0", judge.id, "pol_0")


def test_the_keeper_looks_now_and_then_and_shows_it_in_the_metrics(
    database: Database, judge: Judge, tmp_path: Path
) -> None:
    generator = np.random.default_rng(21)
    shifted = market(generator, 600)
    shifted[:, 1] += 0.3
    record(database, [NOW - timedelta(minutes=10 * n + 5) for n in range(600)], shifted, verdict="prompt")
    with database.write() as conn:
        conn.execute(sa.text("INSERT INTO brands (id, name, name_key, state, revision, created_at, updated_at) VALUES"
                             " ('brd_a', 'A', 'a', 'active', 1, '2025-01-01 00:00:00+00:00',"
                             " '2025-01-01 00:00:00+00:00')"))  # fmt: skip
        for n, age in enumerate((10, 100, 400)):
            at = NOW - timedelta(days=age)
            conn.execute(
                sa.insert(references).values(
                    id=new_id("ref", at), brand_id="brd_a", kind="logo", state="active", state_reason="",
                    image_sha256=f"{n:064x}", box=None, width=9, height=9, source="", notes="", created_at=at,
                    created_by="x", updated_at=at,
                )
            )  # fmt: skip
    (folder := tmp_path / "trained").mkdir()
    write_baseline(folder, made(market(generator, 3000), judge))
    live: Live[Served] = Live(clock=lambda: 0.0)
    metrics, clock = CollectorRegistry(), [NOW]
    watch = DriftWatch(
        database=database,
        folder=tmp_path / "drift",
        judges=lambda release: folder if release.judge == judge.id else None,
        live=live,  # type: ignore[arg-type]  # a judge is all that is read of it
        gauges=Gauges(metrics),
        days=7,
        every=timedelta(hours=1),
        now=lambda: clock[0],
    )
    assert watch.step() is False and watch.latest() is None
    assert b"screener_prompt_rate NaN" in generate_latest(metrics)
    live.swap(Served(judge))
    assert watch.step() is True
    assert watch.step() is False
    clock[0] += timedelta(hours=1)
    assert watch.step() is True
    found = watch.latest()
    assert found is not None and found.lacking is None
    assert NAMES[1] in {shift.name for shift in found.drifted}
    assert {"verdict"} <= {shift.name for shift in found.drifted}
    text = generate_latest(metrics).decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines[f'screener_drift_psi{{feature="{NAMES[1]}"}}']) > 0.25
    assert float(lines[f'screener_drift_drifted{{feature="{NAMES[1]}"}}']) == 1
    assert float(lines['screener_drift_drifted{feature="' + NAMES[5] + '"}']) == 0
    assert 0 <= float(lines[f'screener_drift_ks{{feature="{NAMES[5]}"}}']) < 0.1
    assert float(lines["screener_prompt_rate"]) == 1
    assert float(lines["screener_reference_age_days"]) == pytest.approx(100, abs=1)
    assert float(lines["screener_references_over_a_year_share"]) == pytest.approx(1 / 3)
    assert float(lines["screener_drift_screenings"]) == 600


def test_without_a_judges_own_baseline_its_first_weeks_are_kept(
    database: Database, judge: Judge, tmp_path: Path
) -> None:
    begun = NOW - timedelta(days=20)
    record(database, [begun + timedelta(minutes=4 * n) for n in range(2600)])
    later = market(np.random.default_rng(5), 400)
    later[:, 1] += 0.3
    record(database, [NOW - timedelta(minutes=n + 1) for n in range(400)], later)
    live: Live[Served] = Live(clock=lambda: 0.0)
    live.swap(Served(judge))
    watch = DriftWatch(
        database=database, folder=tmp_path, judges=lambda _: None, live=live,  # type: ignore[arg-type]  # as above
        gauges=Gauges(CollectorRegistry()), days=7, every=timedelta(hours=1), now=lambda: NOW,
    )  # fmt: skip
    found = watch.latest()
    assert found is not None and found.baseline is not None
    assert found.baseline.source == "screenings"
    assert NAMES[1] in {shift.name for shift in found.drifted}
    kept = read_baseline(tmp_path / judge.id)
    assert kept is not None and kept.rows == found.baseline.rows
