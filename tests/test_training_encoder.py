"""The whole way from a few drawn pictures to a served bundle: train, resume, load with open_clip, export, measure."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_library import drawn, make_library

import training.torch_setup  # noqa: F401  (before open_clip)
from screener.bundle import Part, load_bundle
from screener.encoder import Encoder
from training import default_bundle
from training.batches import BatchMaker, Plan
from training.default_bundle import checkpoint_weights, write_default_bundle
from training.evaluate import evaluate_bundle, logo_windows
from training.library import Library
from training.operating_points import operating_point, pair_trials
from training.parted import (
    DEFAULT_CONFIG,
    PartedTowers,
    build_clip,
    join_parts,
    read_config,
    read_parts,
    write_open_clip,
)
from training.teacher import compress
from training.train_encoder import EncoderTrainer
from training.trunk import FrozenStem, fit_trunk

Run = tuple[Library, Path, list[dict[str, float]]]
"""A library, the folder of a finished run, and each step's losses."""


def tiny_config() -> dict[str, Any]:
    """The default config with few steps, small pictures and small batches."""
    config = read_config()
    config["model"]["vision_cfg"]["image_size"] = 64
    config["dense"]["size"] = 96
    config["model"]["text_cfg"].update(width=32, heads=2, layers=1, context_length=40)
    batch = {"copies": 3, "marks": 1, "products": 1, "things": 1, "packages": 1, "names": 2}
    phases = [{"sides": [32], "steps": 2}, {"sides": [48, 64], "steps": 2}]
    config["train"].update(phases=phases, batch=batch, save_every=1, snapshot_every=2)
    return config


def teacher_of(library: Library) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(library.entries), 512)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def trainer(library: Library, work: Path) -> EncoderTrainer:
    return EncoderTrainer(tiny_config(), library, teacher_of(library), work, seed=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A library and the folder of a finished run of four steps."""
    folder = tmp_path_factory.mktemp("run")
    library = make_library(folder)
    begun = trainer(library, folder)
    begun.start(None)
    return library, folder, list(begun.run(workers=0, checkpoint=folder / "state.pt"))


def test_training_ends_with_finite_losses_and_text_only_in_its_part(
    run: Run,
) -> None:
    _, folder, losses = run
    assert [row["step"] for row in losses] == [1, 2, 3, 4]
    assert all(np.isfinite(value) for row in losses for value in row.values())
    step, weights = checkpoint_weights(folder / "state.pt")
    assert step == 4
    assert weights["text_projection"][:, 256:].abs().max() == 0
    assert weights["text_projection"][:, :256].abs().max() > 0


def test_a_stopped_run_goes_on_to_the_same_weights(run: Run, tmp_path: Path) -> None:
    library, folder, _ = run
    begun = trainer(library, tmp_path)
    begun.start(None)
    assert len(list(begun.run(until=2, workers=0, checkpoint=tmp_path / "state.pt"))) == 2
    resumed = trainer(library, tmp_path)
    resumed.resume(tmp_path / "state.pt")
    assert len(list(resumed.run(workers=0, checkpoint=tmp_path / "state.pt"))) == 2
    straight, stopped = (checkpoint_weights(path / "state.pt")[1] for path in (folder, tmp_path))
    for name, value in straight.items():
        torch.testing.assert_close(stopped[name], value, msg=name)


def test_a_step_in_bf16_gives_about_the_same_losses(run: Run, tmp_path: Path) -> None:
    library, folder, _ = run
    losses = []
    for bf16 in (False, True):
        begun = trainer(library, tmp_path)
        begun.resume(folder / "state.pt")
        begun.bf16 = bf16
        batch = BatchMaker(library, Plan(**begun.plan["batch"]), (64,), seed=5).make(0)
        losses.append({name: float(value.detach()) for name, value in begun.losses(batch).items()})
    for name, value in losses[0].items():
        assert losses[1][name] == pytest.approx(value, rel=0.1, abs=0.05), name


def test_a_config_may_hold_only_what_differs(tmp_path: Path) -> None:
    (tmp_path / "base.json").write_text('{"name": "a", "train": {"lr": {"trunk": 1, "text": 2}, "phases": [1, 2]}}')
    (tmp_path / "own.json").write_text('{"extends": "base.json", "train": {"lr": {"text": 3}, "phases": [4]}}')
    assert read_config(tmp_path / "own.json") == {
        "name": "a",
        "train": {"lr": {"trunk": 1, "text": 3}, "phases": [4]},
    }
    assert read_config(DEFAULT_CONFIG.with_name("gpu.json"))["model"] == read_config()["model"]


def test_snapshots_are_small_and_start_another_run(run: Run, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    library, folder, _ = run
    snapshot = folder / "weights-000004.safetensors"
    assert (folder / "weights-000002.safetensors").is_file()
    assert snapshot.stat().st_size < 0.25 * (folder / "state.pt").stat().st_size
    again = trainer(library, tmp_path)
    again.start_from(load_file(snapshot))
    kept = {name: value for name, value in again.clip.state_dict().items() if "classifier" not in name}
    for name, value in checkpoint_weights(folder / "state.pt")[1].items():
        if name in kept:
            torch.testing.assert_close(kept[name], value, atol=1e-3, rtol=1e-3, msg=name)
    assert next(iter(again.run(until=1, workers=0)))["loss"] > 0


def test_a_new_start_turns_the_copy_head_to_the_teacher_without_changing_cosines(run: Run, tmp_path: Path) -> None:
    library, folder, _ = run
    _, weights = checkpoint_weights(folder / "state.pt")
    again = trainer(library, tmp_path)
    copy = again.parts["copy"]
    flipped = {**weights, "visual.trunk.classifier.weight": weights["visual.trunk.classifier.weight"].clone()}
    flipped["visual.trunk.classifier.weight"][copy.start : copy.stop] *= -1
    flipped["visual.trunk.classifier.bias"] = weights["visual.trunk.classifier.bias"].clone()
    flipped["visual.trunk.classifier.bias"][copy.start : copy.stop] *= -1
    image = torch.rand(4, 3, 64, 64)
    vectors = []
    for start in (weights, flipped):
        again.start_from(start)
        with torch.no_grad():
            vectors.append(again.clip.encode_image(image)[:, copy.start : copy.stop])
    torch.testing.assert_close(vectors[0], vectors[1], atol=1e-3, rtol=1e-3)
    again.clip.load_state_dict(weights)
    with torch.no_grad():
        before = again.clip.encode_image(image)[:, copy.start : copy.stop]
    torch.testing.assert_close(vectors[0] @ vectors[0].T, before @ before.T, atol=1e-3, rtol=1e-3)


def test_open_clip_loads_the_weights_by_its_own_way(run: Run, tmp_path: Path) -> None:
    import open_clip
    from safetensors.torch import save_file

    config = tiny_config()
    _, weights = checkpoint_weights(run[1] / "state.pt")
    write_open_clip(config, tmp_path)
    save_file({name: value.contiguous() for name, value in weights.items()}, tmp_path / "open_clip_model.safetensors")
    model = open_clip.create_model(f"local-dir:{tmp_path}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tmp_path}", bpe_path=str(tmp_path / "merges.txt.gz"))
    towers = PartedTowers(build_clip(config).eval(), read_parts(config))
    towers.clip.load_state_dict(weights)
    picture = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(join_parts(model.encode_image(picture), towers.parts), towers.encode_image(picture))
        tokens = tokenizer(["Arla", "阿拉", "аrla 1:1"])
        words = torch.nn.functional.normalize(model.encode_text(tokens), dim=-1)
        torch.testing.assert_close(words, towers.encode_text(tokens[:, :20]), atol=1e-5, rtol=1e-5)


def test_parts_have_equal_shares_of_the_unit_norm() -> None:
    parts = [Part("a", 0, 3, ("text",)), Part("b", 3, 8, ("copy",))]
    joined = join_parts(torch.randn(4, 8) * torch.tensor([100.0] * 3 + [0.01] * 5), parts)
    torch.testing.assert_close(joined.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(joined[:, :3].norm(dim=1), torch.full((4,), 0.5**0.5))


def test_the_published_trunk_fits_by_order_and_the_frozen_stem_equals_it() -> None:
    import timm

    torch.manual_seed(0)
    source, trunk = (timm.create_model("efficientnet_lite0", num_classes=n).eval() for n in (1000, 4))
    fit_trunk(trunk, {f"renamed.{n}": value for n, value in enumerate(source.state_dict().values())})
    image = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(trunk.forward_features(image), source.forward_features(image))
        stem = FrozenStem(trunk, 3)(image)
        torch.testing.assert_close(stem, trunk.blocks[:3](trunk.bn1(trunk.conv_stem(image))), atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="shape"):
        fit_trunk(trunk, {name: value.flatten()[:1] for name, value in source.state_dict().items()})


def test_the_teacher_is_compressed_along_its_main_directions() -> None:
    rng = np.random.default_rng(0)
    flat = (rng.normal(size=(40, 5)) @ rng.normal(size=(5, 30))).astype(np.float32)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    flat[7] = 0
    short = compress(flat, 5)
    np.testing.assert_allclose(short @ short.T, flat @ flat.T, atol=1e-5)


def test_operating_points_are_as_fine_as_the_pairs_allow() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    trials = pair_trials(vectors, np.stack([-vectors, vectors], axis=1), np.arange(30) // 2)
    assert len(trials.genuine) == 30
    assert len(trials.other) == 30 * 28
    point = operating_point(trials, 1e-6, "drawn vectors")
    assert point.false_match_rate == pytest.approx(10 / 840)
    assert np.mean(trials.other >= point.score) <= point.false_match_rate
    assert point.recall == 1.0


def measuring_sets(folder: Path) -> Path:
    """One set of each protocol, with queries that are the references themselves."""
    for name, key in (("grocery", "product"), ("logos", "brand"), ("copies", "id")):
        rows: list[dict[str, Any]] = []
        for kind, count in (("reference", 4), ("query", 4), ("none", 3)):
            for number in range(count):
                image = f"{kind}-{number}.png"
                (folder / name).mkdir(exist_ok=True)
                drawn(number if kind != "none" else 700 + number).save(folder / name / image)
                boxes = {"boxes": [[10, 10, 20, 20], [0, 0, 96, 72]]} if name == "logos" and kind == "reference" else {}
                rows.append({"kind": kind, "image": image, key: None if kind == "none" else number, **boxes})
        (folder / name / "manifest.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


def test_a_run_becomes_a_bundle_that_is_measured_through_the_serving_code(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_bundle, "BACKGROUND", 6)
    monkeypatch.setattr(default_bundle, "TRIAL_BATCHES", 2)
    library, folder, _ = run
    step, weights = checkpoint_weights(folder / "state.pt")
    data = measuring_sets(tmp_path)
    out = tmp_path / "bundle"
    source = {"data_fingerprint": library.data_fingerprint, "steps": step}
    figures = write_default_bundle(
        tiny_config(), weights, library, out, seed=1, source=source, precision="fp32", data=data
    )
    assert figures["product"]["top-1"] == figures["logo"]["acc"] == figures["copy"]["uAP"] == 1.0
    bundle = load_bundle(out)
    assert [part.uses for part in bundle.parts] == [("text", "product", "logo"), ("copy",)]
    assert bundle.background is not None
    assert bundle.background.shape == (6, 512)
    assert {"logo", "text"} <= set(bundle.operating_points)
    assert "data_fingerprint" in (out / "CARD.md").read_text(encoding="utf-8")
    encoder = Encoder(bundle, workers=1)
    encoder.check_golden()
    assert evaluate_bundle(encoder, data) == figures
    encoder.close()


def test_logo_windows_cover_the_picture() -> None:
    boxes = logo_windows()
    assert len(boxes) == 14
    assert boxes[0] == (0.0, 0.0, 1.0, 1.0)
    assert min(b[0] for b in boxes) == 0.0
    assert max(b[2] for b in boxes) == 1.0
