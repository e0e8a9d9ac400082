"""Frozen data sets: labels, weights, groups, splits; immutable, and refused when tampered with or when they leak."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from frozen_kit import BEGIN, World, add_appraisal, link_sellers, make_world
from typer.testing import CliRunner

from brands.ids import new_id
from brands.model import ReferenceKind
from brands.schema import picture_facts, references, screening_images, screenings
from screener.drift.baseline import parse_baseline
from screener.listing import Listing
from screener.picture_facts import FACTS_VERSION
from training.cli import app
from training.errors import TrainingError
from training.frozen import Frozen, FrozenReference, FrozenRefused, freeze, open_dataset
from training.frozen.names import Pseudonyms, grouped
from training.frozen.population import open_population
from training.frozen.read import read_rows
from training.frozen.splits import leak_report, refuse_leaks, split_rows, telling
from training.frozen.store import dataset_id
from training.market.splits import Leak


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """400 screenings, about 120 of them appraised; read only."""
    return make_world(tmp_path_factory.mktemp("world"), n=400, budget=120, seed=4)


@pytest.fixture(scope="module")
def frozen(world: World, tmp_path_factory: pytest.TempPathFactory) -> Frozen:
    return freeze(world.truth, tmp_path_factory.mktemp("sets"))


def resigned(folder: Path, name: str, text: str) -> Path:
    """The data set with other content in a file, signed again by somebody who knows how: its new folder."""
    import hashlib

    (folder / name).write_text(text, encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    data = text.encode()
    manifest["content"]["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest["id"] = dataset_id(manifest["content"])
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_rows_have_labels_weights_and_features_as_served(world: World, frozen: Frozen) -> None:
    assert len(frozen.rows) == len(world.picked)
    place = {identifier: n for n, identifier in enumerate(world.ids)}
    for line, row in enumerate(frozen.rows):
        n = place[row.screening_id]
        assert row.label == ("counterfeit" if world.y[n] else "authentic")
        assert frozen.x[line] == pytest.approx(world.x[n], abs=1e-5)
        assert row.planned and row.weight >= 1.0
        assert row.overturned == (row.verdict in ("prompt", "review") and not world.y[n])
    # Weights are those of a sample: together they stand for about as many listings as there are.
    assert sum(row.weight for row in frozen.rows) == pytest.approx(len(world.ids), rel=0.5)
    assert frozen.prevalence == pytest.approx(world.y.mean(), abs=0.08)


def test_splits_follow_time_and_nothing_crosses(frozen: Frozen) -> None:
    newest = {}
    for split in ("train", "calibrate", "test"):
        times = [row.created_at for row in frozen.rows if row.split == split]
        assert times and all(time > limit for limit in newest.values() for time in times)
        newest[split] = max(times)
    assert not any(check.crossing for check in leak_report(frozen.rows, frozen.references, frozen.hashes))


def test_nothing_names_a_seller_or_a_listing(world: World, frozen: Frozen) -> None:
    for path in frozen.folder.iterdir():
        if path.is_file() and path.suffix in (".jsonl", ".json"):
            text = path.read_text(encoding="utf-8")
            assert '"shop-' not in text and '"L-' not in text
    secret = (world.truth.settings.data_dir / "secret").read_bytes()
    assert frozen.rows[0].listing["seller_id"] in {Pseudonyms(secret).seller(f"shop-{n}") for n in range(400)}
    assert Pseudonyms(b"x" * 32).seller("shop-1") != Pseudonyms(secret).seller("shop-1")


def test_a_row_is_a_listing_that_can_be_screened_again(frozen: Frozen) -> None:
    listing = Listing.of_record(frozen.rows[0].listing)
    assert listing.seller_id == frozen.rows[0].listing["seller_id"] and listing.title


def test_all_screenings_are_sampled_for_comparison(world: World, frozen: Frozen) -> None:
    population = open_population(frozen.folder)
    assert population.total == len(population) == 400
    baseline = parse_baseline(json.loads((frozen.folder / "baseline.json").read_text(encoding="utf-8")))
    assert baseline.rows == pytest.approx(400) and baseline.source == "training"


def test_the_same_freezes_to_the_same_and_never_over_it(world: World, frozen: Frozen, tmp_path: Path) -> None:
    assert freeze(world.truth, tmp_path).id == frozen.id == frozen.folder.name
    before = {path.name: path.read_bytes() for path in (tmp_path / frozen.id).iterdir() if path.is_file()}
    with pytest.raises(FrozenRefused, match="never overwritten"):
        freeze(world.truth, tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / frozen.id).iterdir() if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == [frozen.id]


@pytest.mark.parametrize("name", ["rows.jsonl", "features.npz", "population.npz", "pictures.jsonl", "manifest.json"])
def test_what_was_changed_is_refused(world: World, tmp_path: Path, name: str) -> None:
    found = freeze(world.truth, tmp_path)
    data = bytearray((found.folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (found.folder / name).write_bytes(bytes(data))
    with pytest.raises(FrozenRefused):
        open_dataset(found.folder)


def test_a_planted_seller_in_two_splits_is_refused(world: World, tmp_path: Path) -> None:
    found = freeze(world.truth, tmp_path)
    lines = [json.loads(line) for line in (found.folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    lines[-1]["listing"]["seller_id"] = lines[0]["listing"]["seller_id"]
    folder = resigned(found.folder, "rows.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(Leak, match="seller"):
        open_dataset(folder)


def test_a_planted_reference_that_tells_a_label_is_refused(world: World, tmp_path: Path) -> None:
    found = freeze(world.truth, tmp_path)
    row = next(row for row in found.rows if row.split == "test")
    planted = {
        "id": "ref_" + "1" * 32, "brand_id": found.brands[0].id, "kind": "known_fake", "sha256": "f" * 64,
        "box": None, "origin": "appraisal", "evidence": f"appraisal {row.appraisals[0]}", "width": 10, "height": 10,
        "created_at": BEGIN.isoformat(),
    }  # fmt: skip
    folder = resigned(found.folder, "references.jsonl", json.dumps(planted) + "\n")
    with pytest.raises(Leak, match="reference"):
        open_dataset(folder)


def reference(kind: ReferenceKind, sha256: str, days: float, evidence: str = "") -> FrozenReference:
    return FrozenReference(
        f"ref_{sha256[:32]}", "brd_" + "0" * 32, kind, sha256, None, "upload", evidence, 9, 9,
        BEGIN + timedelta(days=days),
    )  # fmt: skip


def test_linked_sellers_alike_pictures_and_revisions_are_one_group(frozen: Frozen) -> None:
    rows = list(frozen.rows[:6])
    rows[1] = replace(rows[1], sellers=(*rows[1].sellers, rows[0].sellers[0]))
    rows[2] = replace(rows[2], pictures=rows[1].pictures)
    rows[3] = replace(rows[3], listing={**rows[3].listing, "listing_id": rows[2].listing["listing_id"]})
    groups = [row.group for row in grouped(rows, (), {})]
    assert len(set(groups[:4])) == 1 and len(set(groups[3:])) == 3
    # A picture that was registered before anybody showed it joins nobody; one that was registered later does.
    shared = [replace(row, pictures=("a" * 64,)) for row in frozen.rows[4:6]]
    assert len({row.group for row in grouped(shared, [reference("authentic", "a" * 64, -1)], {})}) == 2
    assert len({row.group for row in grouped(shared, [reference("authentic", "a" * 64, 900)], {})}) == 1


def test_groups_stay_where_most_of_their_rows_are(frozen: Frozen) -> None:
    rows = [replace(row, group=f"g{n}") for n, row in enumerate(frozen.rows[:20])]
    for place in (0, 1, 19):
        rows[place] = replace(rows[place], group="early")
    for place in (2, 18):
        rows[place] = replace(rows[place], group="equal")
    kept, lost = split_rows(rows)
    assert lost == {"train": 1, "test": 1}
    assert {(row.group, row.split) for row in kept if row.group in ("early", "equal")} == {
        ("early", "train"),
        ("equal", "test"),
    }
    # Rows of one moment are never cut.
    together = [replace(row, created_at=BEGIN) for row in rows]
    assert {row.split for row in split_rows(together)[0]} == {"train"}


def test_what_is_left_out_gives_its_weight_to_its_like(frozen: Frozen) -> None:
    rows = [
        replace(row, group=f"g{n}", planned=True, weight=2.0, label="counterfeit" if n % 4 == 0 else "authentic")
        for n, row in enumerate(frozen.rows[:40])
    ]
    rows[0], rows[36] = (replace(rows[place], group="back again") for place in (0, 36))
    rows[4] = replace(rows[4], planned=False, weight=1.0)
    kept, lost = split_rows(rows)
    assert lost == {"train": 1}
    train = [row for row in kept if row.split == "train"]
    planned = [row.weight for row in train if row.label == "counterfeit" and row.planned]
    assert sum(planned) == pytest.approx(2.0 * (len(planned) + 1))
    assert [row.weight for row in train if not row.planned] == [1.0]
    assert {row.weight for row in kept if row.label == "authentic" or row.split != "train"} == {2.0}


def test_references_that_tell_a_label_are_told(frozen: Frozen) -> None:
    row = next(row for row in frozen.rows if row.split == "test")
    later, before = row.created_at + timedelta(days=1), row.created_at - timedelta(days=1)
    known = [
        replace(reference("known_fake", "b" * 64, 0, row.screening_id), created_at=before),
        replace(reference("known_fake", row.pictures[0], 0), created_at=later),
        replace(reference("authentic", row.pictures[0], 0), id="ref_" + "2" * 32, created_at=before),
    ]
    assert set(telling(frozen.rows, known, {})) == {known[0].id, known[1].id}
    train = replace(row, split="train")
    assert not telling([train], known, {})


def test_time_that_runs_back_is_a_leak(frozen: Frozen) -> None:
    rows = list(frozen.rows)
    rows[-1] = replace(rows[-1], created_at=BEGIN - timedelta(days=1))
    with pytest.raises(Leak, match="time"):
        refuse_leaks(leak_report(rows, (), {}))


def test_what_is_read_from_the_database(tmp_path: Path) -> None:
    """Conflicts, inconclusive and withdrawn results, chances of two plans, links, and likeness by PDQ."""
    world = make_world(tmp_path, n=120, budget=60, seed=9)
    one, two, three, four = (world.ids[place] for place in world.picked[:4])
    unplanned = next(identifier for n, identifier in enumerate(world.ids) if n not in set(world.picked.tolist()))
    with world.truth.database.write() as conn:
        add_appraisal(conn, one, counterfeit=not world.y[world.picked[0]], appraiser="other")
        add_appraisal(conn, unplanned, counterfeit=True, appraiser="other")
        link_sellers(conn, f"shop-{world.picked[1]}", "shop-far")
        link_sellers(conn, "shop-far", f"shop-{world.picked[2]}")
        hashes = np.zeros((8, 32), dtype=np.uint8)
        for place, bits in ((2, 0), (3, 7)):  # pictures of the third and the fourth differ in three bits
            hashes[:, 0] = bits
            facts = {"width": 9, "height": 9, "pdq_quality": 100, "sharpness": 1.0, "flatness": 0.0, "covered": 0.0}
            conn.execute(
                sa.insert(picture_facts).values(
                    image_sha256=f"{world.picked[place]:064x}", version=FACTS_VERSION, created_at=BEGIN,
                    facts={**facts, "covered_box": None}, pdq=hashes.tobytes(),
                )
            )  # fmt: skip
    found = freeze(world.truth, tmp_path / "sets")
    rows = {row.screening_id: row for row in found.rows}
    assert one not in rows and found.manifest["content"]["left_out"]["conflict"] == 1
    assert not rows[unplanned].planned and rows[unplanned].weight == 1.0
    with world.truth.database.read() as conn:
        read = read_rows(conn, Pseudonyms(b"s" * 32), None, None)
    groups = {row.screening_id: row.group for row in grouped(read.rows, (), found.hashes)}
    assert groups[two] == groups[three] == groups[four]
    world.truth.close()


def test_chances_of_two_plans_combine_as_independent(tmp_path: Path) -> None:
    from brands.schema import spot_check_plans, spot_checks

    world = make_world(tmp_path, n=80, budget=60, seed=3)
    identifier = world.ids[world.picked[0]]
    with world.truth.database.write() as conn:
        first = conn.execute(sa.select(spot_checks).where(spot_checks.c.screening_id == identifier)).one()
        plan = dict(conn.execute(sa.select(spot_check_plans)).one()._mapping) | {"id": new_id("pln", BEGIN)}
        conn.execute(sa.insert(spot_check_plans).values(plan))
        again = dict(first._mapping) | {"id": new_id("spc", BEGIN), "plan_id": plan["id"], "inclusion": 0.25}
        conn.execute(sa.insert(spot_checks).values(again))
    with world.truth.database.read() as conn:
        row = next(r for r in read_rows(conn, Pseudonyms(b"s" * 32), None, None).rows if r.screening_id == identifier)
    assert row.weight == pytest.approx(1 / (1 - (1 - first.inclusion) * 0.75))
    with world.truth.database.write() as conn:
        conn.execute(sa.update(spot_check_plans).where(spot_check_plans.c.id == plan["id"]).values(cancelled_at=BEGIN))
    with world.truth.database.read() as conn:
        row = next(r for r in read_rows(conn, Pseudonyms(b"s" * 32), None, None).rows if r.screening_id == identifier)
    assert row.weight == pytest.approx(1 / first.inclusion)
    world.truth.close()


def test_kept_pictures_are_in_the_data_set_and_lost_ones_are_counted(tmp_path: Path) -> None:
    world = make_world(tmp_path, n=80, budget=60, seed=5)
    data = b"not looked at here"
    sha256 = world.truth.blobs.put(data)
    with world.truth.database.write() as conn:
        place = world.ids[world.picked[0]]
        conn.execute(sa.update(screening_images).where(screening_images.c.screening_id == place).values(sha256=sha256))
    found = freeze(world.truth, tmp_path / "sets")
    assert found.picture(sha256) == data
    counted = found.manifest["content"]["pictures"]
    assert counted["missing"] == counted["named"] - 1 == counted["rows without all"]
    lost = next(row for row in found.rows if sha256 not in row.pictures)
    assert not found.complete(lost)
    with pytest.raises(FrozenRefused):
        found.picture(lost.pictures[0])
    (found.folder / "pictures" / sha256).write_bytes(b"something else")
    with pytest.raises(FrozenRefused, match="was changed"):
        open_dataset(found.folder)
    world.truth.close()


def test_too_few_appraisals_are_refused(tmp_path: Path) -> None:
    world = make_world(tmp_path, n=60, budget=60, seed=2)
    with pytest.raises(FrozenRefused, match="at least 20"):
        freeze(world.truth, tmp_path / "sets", until=BEGIN + timedelta(hours=1))
    with world.truth.database.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(screenings)).scalar_one() == 60
        assert conn.execute(sa.select(sa.func.count()).select_from(references)).scalar_one() == 0
    world.truth.close()


def test_commands_freeze_show_and_verify(world: World, tmp_path: Path) -> None:
    run = CliRunner().invoke
    data_dir = str(world.truth.settings.data_dir)
    made = run(app, ["dataset", "freeze", "--out", str(tmp_path), "--data-dir", data_dir, "--json"])
    assert made.exit_code == 0, made.output
    folder = json.loads(made.stdout)["folder"]
    shown = run(app, ["dataset", "show", folder])
    assert shown.exit_code == 0 and "prevalence" in shown.output and "test:" in shown.output
    assert "every hash fits" in run(app, ["dataset", "verify", folder]).output
    (Path(folder) / "rows.jsonl").write_text("", encoding="utf-8")
    assert isinstance(run(app, ["dataset", "verify", folder]).exception, TrainingError)
