"""Fine-tuning: what is read, what belongs together, mining, freezing, LoRA, resuming, the bundle, tracking."""

import json
import shutil
import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finetune_kit import SIDE, Market, Ref, Row, market, shot, tiny_vit, write_start

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from safetensors.torch import load, save_file  # noqa: E402  # after the skip above

import training.torch_setup  # noqa: E402, F401  # before open_clip, after the skip above
from screener.bundle import load_bundle, write_manifest  # noqa: E402  # after the skip above
from screener.encoder import Encoder  # noqa: E402  # after the skip above
from screener.errors import BundleRefused  # noqa: E402  # after the skip above
from training.errors import TrainingError  # noqa: E402  # after the skip above
from training.finetune.batches import BatchMaker, Plan  # noqa: E402  # after the skip above
from training.finetune.data import FineTuningRefused, NothingGained, gather  # noqa: E402  # after the skip above
from training.finetune.mining import hard_negatives  # noqa: E402  # after the skip above
from training.finetune.objective import WEIGHTS  # noqa: E402  # after the skip above
from training.finetune.relations import (  # noqa: E402  # after the skip above
    FAKE,
    GENERIC,
    GENUINE,
    MARK,
    NEGATIVE,
    UNCLEAR,
    Relations,
    relate,
)
from training.finetune.run import Options, Run, finetune, prepare  # noqa: E402  # after the skip above
from training.finetune.start import Start, start_from_bundle, start_from_model, towers_of  # noqa: E402  # after the skip above
from training.finetune.student import Student  # noqa: E402  # after the skip above
from training.finetune.thresholds import Encoded, Pairs, moved_background, moved_points  # noqa: E402  # after the skip above
from training.finetune.trainer import Schedule  # noqa: E402  # after the skip above

PLAN = Plan(copies=5, items=5, hard=5, generic=2, variety=2)
SCHEDULE = Schedule(
    steps=6, lr_trunk=3e-4, lr_heads=6e-4, lr_text=3e-4, warmup=1, ema=0.5, mine_every=2, mined=3, measure_every=3,
    save_every=1,
)  # fmt: skip
OPTIONS = Options(
    plan=PLAN, schedule=SCHEDULE, generic=5, weights={**WEIGHTS, "keep": 1.0}
)  # a random start is not worth keeping


@pytest.fixture(scope="module")
def start_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_start(tmp_path_factory.mktemp("start") / "bundle")


@pytest.fixture(scope="module")
def start(start_folder: Path) -> Start:
    return start_from_bundle(start_folder)


@pytest.fixture
def vit(tmp_path: Path) -> Start:
    return start_from_model("tiny_vit", config=tiny_vit(tmp_path), seed=0)


def prepared(start: Start, options: Options = OPTIONS, source: Market | None = None) -> Run:
    return prepare(source or market(), start, options, seed=1, device="cpu", workers=0)


# What is read


def test_only_the_train_split_is_read() -> None:
    source = market()
    corpus = gather(source, [], seed=1)
    assert {p.row for p in corpus.pictures if p.row} == {r.screening_id for r in source.rows if r.split == "train"}
    for number in range(len(corpus)):
        corpus.image(number)  # Market.picture raises for any other
    assert source.forbidden


def test_a_reference_that_a_measured_row_gave_is_not_learned_from() -> None:
    source = market()
    leaked = source.rows[-1].pictures[0]
    source.references += [
        Ref("ref_leak_1", "brd_1", "known_fake", leaked, evidence="scr_29"),
        Ref("ref_leak_2", "brd_1", "known_fake", leaked, evidence="appraisals: app_29, app_3."),
    ]
    assert not {"ref_leak_1", "ref_leak_2"} & {p.reference for p in gather(source, [], seed=1).pictures}


def test_groups_are_held_out_whole_and_with_the_references_that_they_gave() -> None:
    source = market()
    source.references += [
        Ref(f"ref_of_{row.screening_id}", "brd_0", "known_fake", row.pictures[0], evidence=row.screening_id)
        for row in source.rows
        if row.split == "train"
    ]
    corpus = gather(source, [], seed=1)
    held: dict[str, set[bool]] = {}
    for picture in corpus.pictures:
        if picture.group:
            held.setdefault(picture.group, set()).add(picture.held_out)
    assert all(len(values) == 1 for values in held.values())
    assert {True, False} == {value for values in held.values() for value in values}


def test_a_market_without_references_or_with_few_pictures_is_refused() -> None:
    with pytest.raises(FineTuningRefused, match="no references"):
        gather(replace(market(), references=[]), [], seed=1)
    source = market()
    with pytest.raises(FineTuningRefused, match="pictures to learn from"):
        gather(replace(source, rows=[], references=source.references[:3]), [], seed=1)


# What belongs together


def test_what_may_be_the_same_thing_is_neither_together_nor_apart() -> None:
    #                 official, official, own, fake, fake of another, mark, negative, no brand, its group, generic
    relations = Relations(
        origin=np.arange(10),
        item=np.array([0, 1, 0, 3, 4, 5, 6, 7, 8, 9]),
        brand=np.array([0, 0, 0, 0, 1, 0, 0, -1, -1, -1]),
        side=np.array([GENUINE, GENUINE, GENUINE, FAKE, FAKE, MARK, NEGATIVE, GENUINE, GENUINE, GENERIC]),
        row=np.array([-1, -1, 2, 3, 4, -1, -1, 7, 8, -1]),
        group=np.array([-1, -1, 2, 3, 4, -1, -1, 7, 7, -1]),
    )
    everything = np.arange(10)
    same, other = relations.same_item(everything, everything), relations.other_item(everything, everything)
    assert same[0, 2]
    assert not (same & other).any()
    assert (other == other.T).all()
    assert not other[0, 1]  # two official pictures of one brand: perhaps one product
    assert not other[0, 5]  # the brand's mark may be on it
    assert not other[7, 8]  # two listings of one group without a brand
    for one, two in ((0, 3), (2, 3), (0, 4), (3, 4), (0, 6), (3, 6), (0, 7), (7, 9), (9, 0)):
        assert other[one, two]


def test_copies_own_photos_and_known_fakes_join_what_they_are_of() -> None:
    source = market()
    source.rows, source.references, source.forbidden = [], source.references[:14], set()
    official, fake = source.references[0], source.references[4]
    assert (official.kind, fake.kind) == ("authentic", "known_fake")

    def row(name: str, label: str, *pictures: str, group: str = "") -> None:
        given = {"screening_id": name, "listing": {"title": ""}, "group": group or name, "split": "train"}
        source.rows.append(Row(**given, label=label, brand_id="brd_0", pictures=pictures))

    own = [source.add(shot(0, 300 + n)) for n in range(4)]
    row("stolen", "counterfeit", official.sha256, own[0])
    row("honest", "authentic", own[1], own[2])
    row("copied", "authentic", fake.sha256)
    row("again", "counterfeit", own[3], group="stolen")
    corpus = gather(source, [], seed=1)
    place = {(p.reference or p.row, p.sha256): n for n, p in enumerate(corpus.pictures)}
    axes = np.eye(8, dtype=np.float32)
    looks = np.tile(axes[7], (len(corpus), 1, 1))
    for key, axis in (
        ((official.id, official.sha256), 0), (("stolen", official.sha256), 0), (("honest", own[1]), 0),
        ((fake.id, fake.sha256), 1), (("stolen", own[0]), 1), (("copied", fake.sha256), 1), (("honest", own[2]), 2),
        (("again", own[3]), 1),
    ):  # fmt: skip
        looks[place[key], 0] = axes[axis]
    copies = np.zeros((len(corpus), 1, 8), dtype=np.float32)  # copies are told by their files here
    relations = relate(corpus, copies, looks, copy_score=0.9, look_score=0.6)
    item = {key: int(relations.item[n]) for key, n in place.items()}
    origin = {key: int(relations.origin[n]) for key, n in place.items()}
    reference, known = (official.id, official.sha256), (fake.id, fake.sha256)
    assert origin["stolen", official.sha256] == origin[reference]
    assert item["stolen", official.sha256] == item[reference]  # it shows the real thing
    assert item["stolen", own[0]] == item[known] == item["again", own[3]]  # and is a fake
    assert item["honest", own[1]] == item["honest", own[2]] == item[reference]
    assert item["copied", fake.sha256] != item[known]
    assert relations.side[place["copied", fake.sha256]] == UNCLEAR
    assert origin["copied", fake.sha256] == origin[known]


# Mining


def test_mined_negatives_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    for size, groups in ((60, 3), (90, 60), (40, 1)):
        vectors = rng.normal(size=(size, 16)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        group = rng.integers(0, groups, size)

        def apart(one: Any, two: Any, group: Any = group) -> Any:
            return group[one][:, None] != group[two][None, :]

        queries, candidates = np.arange(0, size, 3), np.arange(1, size, 2)
        found = hard_negatives(vectors, queries, candidates, apart, count=4, name="drawn")
        for row, query in zip(found, queries, strict=True):
            wrong = [n for n in candidates if group[n] != group[query]]
            best = sorted(wrong, key=lambda n: (-float(vectors[n] @ vectors[query]), n))[:4]
            assert row.tolist() == best + [-1] * (4 - len(best))


def test_an_overturned_prompt_is_held_against_the_known_fake_it_was_taken_for(start: Start) -> None:
    run = prepared(start)
    mined = run.trainer._mine()
    pictures = run.corpus.pictures
    overturned = [n for n, p in enumerate(pictures) if p.overturned and not p.held_out]
    assert overturned
    for number in overturned:
        first = pictures[mined["product"][number, 0]]
        assert (first.side, bool(first.reference)) == ("fake", True)
    for use, rule in (("product", run.relations.other_item), ("copy", run.relations.other_picture)):
        for number, row in enumerate(mined[use]):
            near = row[row >= 0]
            assert rule(np.array([number]), near).all()
            assert not any(pictures[n].held_out for n in near)


def test_batches_hold_pairs_and_mined_negatives_and_nothing_held_out(start: Start) -> None:
    run = prepared(start)
    maker = BatchMaker(run.corpus, run.relations, PLAN, seed=3)
    mined = run.trainer._mine()
    hard = 0
    for step in range(8):
        batch = maker.make(step, mined)
        assert batch == maker.make(step, mined)
        assert not any(run.corpus.pictures[n].held_out for n in batch.pictures)
        ours, theirs = batch.pictures[: 2 * batch.pairs : 2], batch.pictures[1 : 2 * batch.pairs : 2]
        assert np.diag(run.relations.same_item(ours, theirs)).all()
        assert (ours[: batch.copies] == theirs[: batch.copies]).all()
        hard += sum(run.corpus.pictures[n].side != "generic" for n in batch.pictures[2 * batch.pairs :])
    assert hard > 8


# The student


def test_the_frozen_part_and_the_rest_are_the_whole_model(start: Start) -> None:
    student = Student(start, method="last-blocks", blocks=2, rank=0, seed=0, device=torch.device("cpu"))
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    with torch.no_grad():
        whole = student.windows(student.frozen(pixels))[:, 0]
        wanted = start.model.encode_image(student._image(torch.from_numpy(pixels)))
    torch.testing.assert_close(whole, wanted, atol=2e-3, rtol=2e-2)  # kept as float16 in between
    names = student.trainable()
    assert {name.split(".")[3] for name in names if ".blocks." in name} == {"3", "4"}
    assert not any(".bn" in name for name in names)
    texts = ["Norvakka", "a much longer title of a listing, with words", "阿拉"]
    with torch.no_grad():
        torch.testing.assert_close(student.words(texts), start.model.encode_text(start.tokenizer(texts)))


def test_lora_trains_only_adapters_and_merges_into_the_plain_model(vit: Start) -> None:
    student = Student(vit, method="lora", blocks=0, rank=4, seed=0, device=torch.device("cpu"))
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    with torch.no_grad():
        before = student.windows(student.frozen(pixels))
        torch.testing.assert_close(before[:, 0], vit.model.encode_image(student._image(torch.from_numpy(pixels))))
        names = student.trainable()
        assert all("parametrizations" in name for name in names)
        assert any("in_proj_weight" in name for name in names)
        assert any("mlp" in name and not name.startswith("visual") for name in names)
        for value in names.values():
            value.add_(0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
        after, words = student.windows(student.frozen(pixels)), student.words(["a shoe"])
    assert (after - before).abs().max() > 1e-3
    merged = student.merged()
    assert merged.keys() == vit.model.state_dict().keys()
    plain = start_twin(vit)
    plain.model.load_state_dict(merged)
    with torch.no_grad():
        image = student._image(torch.from_numpy(pixels))
        torch.testing.assert_close(towers_of(plain, plain.model).encode_image(image), after[:, 0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(plain.model.encode_text(plain.tokenizer(["a shoe"])), words, atol=1e-5, rtol=1e-4)


def start_twin(start: Start) -> Start:
    from copy import deepcopy

    return replace(start, model=deepcopy(start.model))


def test_methods_that_do_not_fit_a_tower_are_refused(start: Start) -> None:
    for options, message in (({"method": "last-blocks", "blocks": 9}, "--blocks must be 1 to 5"),):
        with pytest.raises(FineTuningRefused, match=message):
            Student(start, **options, rank=4, seed=0, device=torch.device("cpu"))


# The run


def test_the_loss_falls(start: Start) -> None:
    run = prepared(start, replace(OPTIONS, schedule=replace(SCHEDULE, steps=12, measure_every=12)))
    losses = [row for row in run.trainer.run() if "held_out_loss" in row]
    assert [row["step"] for row in losses] == [0, 12]
    assert losses[1]["held_out_loss"] < losses[0]["held_out_loss"]
    assert losses[0]["held_out_keep"] == pytest.approx(0, abs=1e-3)
    assert run.trainer.best_step == 12


def test_what_is_not_trained_stays_as_it_was(start: Start) -> None:
    run = prepared(start)
    list(run.trainer.run(until=2))
    trained = set(run.trainer.trained)
    for name, value in run.trainer.student.model.state_dict().items():
        same = torch.equal(value, start.model.state_dict()[name])
        assert same if name not in trained else True, name
    assert not torch.equal(
        run.trainer.student.model.visual.trunk.classifier.weight, start.model.visual.trunk.classifier.weight
    )
    part = next(part for part in start.parts if "text" not in part.uses)
    assert run.trainer.student.model.text_projection[:, part.start : part.stop].abs().max() == 0


def test_a_stopped_run_goes_on_to_the_same_weights(start: Start, tmp_path: Path) -> None:
    straight, stopped = prepared(start), prepared(start)
    rows = list(straight.trainer.run(state=tmp_path / "straight.pt"))
    list(stopped.trainer.run(until=3, state=tmp_path / "stopped.pt"))
    resumed = prepared(start)
    resumed.trainer.load(tmp_path / "stopped.pt")
    assert resumed.trainer.step == 3
    again = list(resumed.trainer.run(state=tmp_path / "stopped.pt"))
    assert [row["step"] for row in again] == [4, 5, 6]
    assert again[-1]["loss"] == pytest.approx(rows[-1]["loss"], rel=1e-5)
    for kind in ("trained", "average", "best"):
        for name, value in getattr(straight.trainer, kind).items():
            torch.testing.assert_close(getattr(resumed.trainer, kind)[name], value, msg=name)
    assert not list(tmp_path.glob("*.tmp"))


def test_a_step_in_bf16_loses_about_the_same(start: Start) -> None:
    run = prepared(start)
    batch = run.trainer.maker.make(0, {})
    fed = run.views.fed(batch.views)
    found = []
    for bf16 in (False, True):
        run.trainer.student.bf16 = bf16
        terms = run.trainer.objective.terms(run.trainer.student, batch, *fed)
        found.append({name: float(value.detach()) for name, value in terms.items()})
    for name, value in found[0].items():
        assert found[1][name] == pytest.approx(value, rel=0.1, abs=0.05), name


def test_a_run_stops_when_nothing_gets_better(start: Start) -> None:
    still = replace(SCHEDULE, steps=50, lr_trunk=0.0, lr_heads=0.0, lr_text=0.0, measure_every=1, patience=2)
    run = prepared(start, replace(OPTIONS, schedule=still))
    assert len(list(run.trainer.run())) == 3
    assert (run.trainer.best_step, run.trainer.done) == (0, True)


def test_weights_are_taken_back_towards_the_start(start: Start, vit: Start) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    for begun, options in ((start, OPTIONS), (vit, replace(OPTIONS, method="lora", rank=2))):
        trainer = prepared(begun, options).trainer
        generator = torch.Generator().manual_seed(0)
        trainer.best = {n: v + 0.1 * torch.randn(v.shape, generator=generator) for n, v in trainer.best.items()}
        held = trainer.student.frozen(pixels)
        found = {}
        for share in (0.0, 0.5, 1.0):
            trainer.use(trainer.blended(share))
            with torch.no_grad():
                found[share] = trainer.student.windows(held), trainer.student.merged()
        torch.testing.assert_close(found[0.0][0], trainer.views.teacher.windows(held))
        for name, value in found[1.0][1].items():
            if value.is_floating_point():
                torch.testing.assert_close((value + found[0.0][1][name]) / 2, found[0.5][1][name], msg=name)
        assert not torch.equal(found[1.0][0], found[0.0][0])


# The bundle


def test_a_run_becomes_a_bundle_that_is_served_and_begun_from_again(
    start: Start, start_folder: Path, tmp_path: Path
) -> None:
    heard: list[float] = []
    source, out = market(), tmp_path / "bundle"
    for until in (4, None):
        finetune(
            source, start, tmp_path / "work", out, options=OPTIONS, precision="fp32", until=until,
            tell=lambda row: heard.append(row["step"]),
        )  # fmt: skip
        assert out.exists() == (until is None)
    assert heard == [0, 1, 2, 3, 4, 5, 6]
    assert [json.loads(line)["step"] for line in (tmp_path / "work" / "log.jsonl").read_text().splitlines()] == heard
    bundle = load_bundle(out)
    assert bundle.id != start.identity
    assert bundle.manifest["source"]["started_from"] == f"tiny-lite {start.identity}"
    card = (out / "CARD.md").read_text("utf-8")
    assert "dst_tiny" in card
    assert start.identity in card
    assert bundle.background is not None
    assert start.bundle is not None
    assert bundle.background.shape == start.bundle.background.shape  # type: ignore[union-attr]  # it has one
    assert set(bundle.operating_points) == {"copy", "product", "logo", "text"}
    encoder = Encoder(bundle, workers=1)
    encoder.check_golden()
    encoder.close()
    again = start_from_bundle(out)
    assert (again.parts, again.dense, again.identity) == (start.parts, start.dense, bundle.id)
    assert not list(tmp_path.glob(".*.making"))
    with pytest.raises(FineTuningRefused, match="never overwritten"):
        finetune(source, start, tmp_path / "work", out, options=OPTIONS)
    with pytest.raises(FineTuningRefused, match=r"another run, which differs in .*seed"):
        finetune(source, start, tmp_path / "work", tmp_path / "other", options=OPTIONS, seed=2)


def test_a_transformer_tuned_with_lora_becomes_a_plain_bundle(vit: Start, tmp_path: Path) -> None:
    options = replace(OPTIONS, method="lora", rank=2, schedule=replace(SCHEDULE, steps=4, measure_every=4))
    out = finetune(market(), vit, tmp_path / "work", tmp_path / "bundle", options=options, precision="fp32")
    bundle = load_bundle(out)
    assert bundle.background is None
    again = start_from_bundle(out)
    assert again.model.state_dict().keys() == vit.model.state_dict().keys()
    differs = [
        n for n, v in again.model.state_dict().items() if not torch.allclose(v, vit.model.state_dict()[n], atol=1e-3)
    ]
    assert differs
    assert all("resblocks" in name for name in differs)
    encoder = Encoder(bundle, workers=1)
    encoder.check_golden()
    encoder.close()


def test_nothing_is_written_when_nothing_is_gained(start: Start, tmp_path: Path) -> None:
    still = replace(SCHEDULE, steps=2, lr_trunk=0.0, lr_heads=0.0, lr_text=0.0)
    with pytest.raises(NothingGained, match="keep the encoder"):
        finetune(market(), start, tmp_path / "w", tmp_path / "out", options=replace(OPTIONS, schedule=still))
    assert not (tmp_path / "out").exists()


def test_a_bundle_without_its_weights_is_no_start(start_folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(start_folder, bare)
    (bare / "model.safetensors").unlink()
    write_manifest_again(bare, start_folder)  # names what is there
    with pytest.raises(FineTuningRefused, match="does not carry the weights"):
        start_from_bundle(bare)


def test_damaged_or_foreign_weights_are_refused(start_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(start_folder, broken)
    weights = load((broken / "model.safetensors").read_bytes())
    (broken / "model.safetensors").write_bytes(b"not the weights")
    with pytest.raises(BundleRefused, match="hash"):
        start_from_bundle(broken)
    weights["visual.trunk.classifier.weight"] = weights["visual.trunk.classifier.weight"][:10].contiguous()
    save_file(weights, broken / "model.safetensors")
    write_manifest_again(broken, start_folder)
    with pytest.raises(FineTuningRefused, match="do not fit its model"):
        start_from_bundle(broken)


def write_manifest_again(folder: Path, whole: Path) -> None:
    bundle = load_bundle(whole)
    write_manifest(
        folder, name=bundle.name, dim=bundle.dim, precision=bundle.manifest["precision"], parts=bundle.parts,
        operating_points=bundle.operating_points, golden_tolerance=bundle.golden_tolerance, metrics={}, source={},
    )  # fmt: skip


# Thresholds


def test_thresholds_and_background_move_with_the_vectors() -> None:
    bundle, rng = types.SimpleNamespace(), np.random.default_rng(0)
    from screener.bundle import OperatingPoint, Part

    dim, part = 24, Part("all", 0, 24, ("copy", "product"))
    bundle.part_for = lambda use: part if use in part.uses else None
    bundle.parts, bundle.dense = (part,), None
    bundle.operating_points = {"product": OperatingPoint(0.5, 1e-3), "copy": OperatingPoint(0.6, 1e-3)}

    def unit(rows: Any) -> Any:
        return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)

    references, queries = unit(rng.normal(size=(400, dim))), unit(rng.normal(size=(60, dim)))
    queries[:30] = unit(references[:30] + 0.1 * rng.normal(size=(30, dim)))
    bundle.background = unit(rng.normal(size=(50, dim)))
    map_ = np.eye(dim) + 0.15 * rng.normal(size=(dim, dim))
    words = np.zeros((0, dim), np.float32)
    before = Encoded(bundle, references, np.repeat(queries[:, None], 4, 1), words)  # type: ignore[arg-type]  # a stand-in
    after = Encoded(bundle, unit(references @ map_), np.repeat(unit(queries @ map_)[:, None], 4, 1), words)  # type: ignore[arg-type]
    genuine = np.zeros((60, 400), bool)
    genuine[np.arange(30), np.arange(30)] = True
    pairs = Pairs(
        before, after, dict.fromkeys(("copy", "product"), genuine), dict.fromkeys(("copy", "product"), ~genuine)
    )
    points, recalls = moved_points(pairs)
    wrong = (unit(queries @ map_) @ unit(references @ map_).T)[~genuine]
    started = float(np.mean((queries @ references.T)[~genuine] >= 0.5))
    assert np.mean(wrong >= points["product"].score) == pytest.approx(started, rel=0.1)
    assert points["product"].false_match_rate == pytest.approx(started)
    assert recalls["product_recall_before"] == 1.0
    moved, nearness = moved_background(pairs)
    assert moved is not None
    assert nearness is not None
    assert np.mean(np.sum(moved * unit(bundle.background @ map_), axis=1)) == pytest.approx(nearness, abs=0.03)
    assert nearness > 0.97


# Tracking


class _Client:
    """Remembers what MLflow's client would be told."""

    def __init__(self, tracking_uri: str) -> None:
        self.told = _TOLD
        self.told.append(("uri", tracking_uri))

    def get_experiment_by_name(self, name: str) -> None:
        return None

    def create_experiment(self, name: str) -> str:
        return "7"

    def create_run(self, experiment_id: str, run_name: str) -> Any:
        self.told.append(("run", run_name))
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id="r1"))

    def update_run(self, run_id: str, status: str) -> None:
        self.told.append(("again", run_id))

    def log_param(self, run_id: str, name: str, value: str) -> None:
        self.told.append(("param", name))

    def log_metric(self, run_id: str, name: str, value: float, step: int = 0) -> None:
        self.told.append(("metric", name, step))

    def log_artifact(self, run_id: str, path: str) -> None:
        assert Path(path).is_file()
        self.told.append(("artifact", Path(path).name))

    def set_terminated(self, run_id: str, status: str) -> None:
        self.told.append(("end", status))


_TOLD: list[Any] = []


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    _TOLD.clear()
    monkeypatch.setitem(sys.modules, "mlflow", types.SimpleNamespace(MlflowClient=_Client))  # type: ignore[arg-type]  # a stand-in
    yield _TOLD


def test_a_run_is_tracked_in_mlflow_and_gone_on_with_there(vit: Start, tmp_path: Path, told: list[Any]) -> None:
    options = replace(OPTIONS, schedule=replace(SCHEDULE, steps=3))
    for until in (2, None):
        finetune(
            market(), vit, tmp_path / "work", tmp_path / "out", options=options, precision="fp32", until=until,
            mlflow="sqlite:///runs.db",
        )  # fmt: skip
    assert told[0] == ("uri", "sqlite:///runs.db")
    assert [entry for entry in told if entry[0] in ("run", "again", "end")] == [
        ("run", f"{vit.identity} on dst_tiny"), ("end", "FINISHED"), ("again", "r1"), ("end", "FINISHED"),
    ]  # fmt: skip
    assert {("param", "seed"), ("param", "schedule.steps"), ("metric", "loss", 3), ("artifact", "CARD.md")} <= set(told)


def test_tracking_without_mlflow_says_what_to_install(
    vit: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)  # type: ignore[arg-type]  # None: not there
    with pytest.raises(TrainingError, match=r"listing-screener\[mlflow\]"):
        finetune(market(), vit, tmp_path / "work", tmp_path / "out", options=OPTIONS, mlflow="sqlite://")


# The command


def test_the_command_begins_stops_and_refuses(
    start_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    import training.finetune.run
    import training.frozen
    from training.cli import app

    source = market()
    monkeypatch.setattr(training.frozen, "open_dataset", lambda folder: source)
    monkeypatch.setattr(
        training.finetune.run, "generic_pictures", lambda count, *, seed: [shot(700, n) for n in range(5)]
    )
    command = ["encoder", "finetune", "--dataset", "d", "--work", str(tmp_path / "w"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*command, "--bundle", str(start_folder), "--steps", "2", "--until", "1"])
    assert done.exit_code == 0, done.output
    assert "stopped at step 1" in done.output
    assert json.loads((tmp_path / "w" / "run.json").read_text())["start"] == load_bundle(start_folder).id
    unknown = CliRunner().invoke(app, [*command, "--bundle", str(start_folder), "--method", "magic"])
    assert unknown.exit_code == 2
    without = CliRunner().invoke(app, [*command, "--model", "ViT-B-32"])
    assert isinstance(without.exception, TrainingError)
    assert "--pretrained" in str(without.exception)
