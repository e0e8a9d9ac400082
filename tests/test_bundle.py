"""A bundle is whole or refused: every way in which its manifest, files and outputs may not fit."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_bundle import DIM, HALF, SIZE, WINDOWS, make_tiny_bundle

from screener.bundle import MANIFEST, bundle_id, load_bundle
from screener.encoder import Encoder
from screener.errors import BundleRefused

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("made"))


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bundle"))


def edit(bundle: Path, change: Edit) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text("utf-8"))
    change(manifest)
    (bundle / MANIFEST).write_text(json.dumps(manifest), "utf-8")


def resign(bundle: Path, name: str) -> None:
    """Make the manifest agree with a changed file, as somebody would who can write the directory."""

    def change(manifest: dict[str, Any]) -> None:
        data = (bundle / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        names = ("image.onnx", "text.onnx", "tokenizer.json", "preprocess.json")
        manifest["id"] = bundle_id({name: manifest["files"][name]["sha256"] for name in names})

    edit(bundle, change)


def test_a_whole_bundle_loads(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.dim == DIM
    assert loaded.id.startswith("enc_")
    assert len(loaded.id) == 20
    copy, logo = loaded.part_for("copy"), loaded.part_for("logo")
    assert copy is not None
    assert (copy.start, copy.stop) == (HALF, DIM)
    assert logo is not None
    assert logo.name == "semantic"
    assert loaded.part_for("smell") is None
    assert loaded.background is None
    assert loaded.dense is None


def test_a_dense_bundle_has_windows_that_are_part_of_its_id(tmp_path: Path) -> None:
    ids = set()
    for name, dense in (("a", WINDOWS), ("b", replace(WINDOWS, windows=WINDOWS.windows[:2]))):
        loaded = load_bundle(make_tiny_bundle(tmp_path / name, dense=dense))
        assert loaded.dense == dense
        ids.add(loaded.id)
    assert len(ids) == 2


def test_background_vectors_are_read_as_float32(bundle: Path) -> None:
    np.savez(bundle / "background.npz", vectors=np.eye(DIM, dtype=np.float16))
    resign(bundle, "background.npz")
    background = load_bundle(bundle).background
    assert background is not None
    np.testing.assert_array_equal(background, np.eye(DIM, dtype=np.float32))


def _set(key: str, value: Any) -> Edit:
    return lambda manifest: manifest.__setitem__(key, value)


def _part(**changes: Any) -> Edit:
    return lambda manifest: manifest["parts"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("format", 2), "unknown format"),
        (_set("format", None), "unknown format"),
        (_set("id", "enc_0000000000000000"), "id does not follow"),
        (_set("extra", 1), "exactly the keys"),
        (lambda manifest: manifest.pop("source"), "exactly the keys"),
        (_set("name", ""), "name must be"),
        (_set("dim", True), "dim must be"),
        (_set("dim", 0), "dim must be"),
        (_set("dim", DIM * 2), "end to end"),
        (_set("parts", []), "end to end"),
        (_part(stop=HALF - 1), "end to end"),
        (_part(stop=0), "stop must be"),
        (_part(**{"for": ["text", "copy"]}), "each use has one part"),
        (_part(**{"for": ["smell"]}), "each use has one part"),
        (_set("precision", {"image": "fp16", "text": "fp32"}), "precision must"),
        (_set("golden_tolerance", 0.5), "golden_tolerance must be"),
        (_set("golden_tolerance", "0"), "golden_tolerance must be"),
        (_set("operating_points", {"smell": {}}), "unknown uses"),
        (_set("operating_points", {"copy": {"score": 2.0, "false_match_rate": 0.1}}), "score of copy"),
        (_set("operating_points", {"copy": {"score": 0.5}}), "false_match_rate"),
        (_set("metrics", []), "must be objects"),
        (_set("files", {}), "files lacks"),
        (lambda manifest: manifest["files"].update({"../secret": {}}), "what no bundle has"),
        (lambda manifest: manifest["files"].update({"weights.pkl": {}}), "what no bundle has"),
        (lambda manifest: manifest["files"]["golden.npz"].update(bytes=1), "does not have the hash"),
        (lambda manifest: manifest["files"].update({"NOTICE": {"sha256": "", "bytes": 0}}), "cannot be read"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(bundle: Path, change: Edit, message: str) -> None:
    edit(bundle, change)
    with pytest.raises(BundleRefused, match=message):
        load_bundle(bundle)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": NaN}', '{"format": 1, "format": 1}', "[" * 100_000, "\ufeff{}"]
)
def test_a_manifest_that_is_not_strict_json_is_refused(bundle: Path, text: str) -> None:
    (bundle / MANIFEST).write_text(text, "utf-8")
    with pytest.raises(BundleRefused):
        load_bundle(bundle)


@pytest.mark.parametrize("name", ["image.onnx", "text.onnx", "tokenizer.json", "preprocess.json", "golden.npz"])
def test_one_changed_or_missing_byte_is_refused(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    with pytest.raises(BundleRefused, match="does not have the hash"):
        load_bundle(bundle)
    (bundle / name).unlink()
    with pytest.raises(BundleRefused, match="cannot be read"):
        load_bundle(bundle)


def test_a_link_in_place_of_a_file_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "golden.npz").rename(tmp_path / "elsewhere.npz")
    (bundle / "golden.npz").symlink_to(tmp_path / "elsewhere.npz")
    with pytest.raises(BundleRefused, match="is a link"):
        load_bundle(bundle)


def test_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="cannot be read"):
        load_bundle(tmp_path / "nothing")


def test_a_file_changed_after_loading_is_refused(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    (bundle / "image.onnx").write_bytes(b"other")
    with pytest.raises(BundleRefused, match="does not have the hash"):
        Encoder(loaded)


@pytest.mark.parametrize("key", ["image_embeddings", "text_embeddings", "tokens"])
def test_golden_outputs_that_differ_are_refused(bundle: Path, key: str) -> None:
    with np.load(bundle / "golden.npz") as golden:
        arrays = dict(golden)
    arrays[key] = np.roll(arrays[key], 1, axis=1)
    np.savez(bundle / "golden.npz", **arrays)
    resign(bundle, "golden.npz")
    encoder = Encoder(load_bundle(bundle))
    with pytest.raises(BundleRefused, match="golden"):
        encoder.check_golden()
    encoder.close()


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("/tmp/unpickled-by-a-bundle"),)


@pytest.mark.parametrize("name", ["golden.npz", "background.npz"])
def test_nothing_is_unpickled(bundle: Path, name: str) -> None:
    array = np.empty(1, object)
    array[0] = _Bomb()
    np.savez(bundle / name, vectors=array, pixels=array, tokens=array, texts=array)
    resign(bundle, name)
    with pytest.raises(BundleRefused):
        encoder = Encoder(load_bundle(bundle))
        try:
            encoder.check_golden()
        finally:
            encoder.close()
    assert not Path("/tmp/unpickled-by-a-bundle").exists()
    assert pickle.dumps(_Bomb())


@pytest.mark.parametrize("name", ["image.onnx", "text.onnx", "tokenizer.json"])
def test_a_file_of_another_kind_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"not a model")
    resign(bundle, name)
    with pytest.raises(BundleRefused):
        Encoder(load_bundle(bundle))


def test_towers_that_changed_places_are_refused(bundle: Path) -> None:
    shutil.copyfile(bundle / "image.onnx", bundle / "text.onnx")
    resign(bundle, "text.onnx")
    with pytest.raises(BundleRefused, match="other inputs or outputs"):
        Encoder(load_bundle(bundle))


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("image", "size", 0),
        ("image", "resize_mode", "crop"),
        ("image", "interpolation", "nearest"),
        ("image", "mean", [0.5, 0.5]),
        ("image", "std", [0.0, 1.0, 1.0]),
        ("image", "fill_color", 256),
        ("image", "shape", 1),
        ("text", "clean", "none"),
        ("text", "context_length", 1),
        ("text", "extra", 1),
    ],
)
def test_settings_that_do_not_fit_are_refused(bundle: Path, part: str, key: str, value: Any) -> None:
    settings = json.loads((bundle / "preprocess.json").read_text("utf-8"))
    settings[part][key] = value
    (bundle / "preprocess.json").write_text(json.dumps(settings), "utf-8")
    resign(bundle, "preprocess.json")
    with pytest.raises(BundleRefused):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 2 * SIZE + 1}, "multiple of 32"),
        ({"size": 1056}, "size of dense must be"),
        ({"size": 0}, "size of dense must be"),
        ({"size": True}, "size of dense must be"),
        ({"extra": 1}, "exactly the keys"),
        ({"windows": []}, "1 to 64 windows"),
        ({"windows": [{"box": [0, 0, 1, 1], "for": ["logo"]}] * 65}, "1 to 64 windows"),
        ({"windows": [{"box": [0, 0, 1, 1], "for": ["logo"], "name": "a"}]}, "exactly the keys"),
        ({"windows": [{"box": [0, 0, 1], "for": ["logo"]}]}, "four numbers"),
        ({"windows": [{"box": [0, 0, 1, 1.1], "for": ["logo"]}]}, "side of a window"),
        ({"windows": [{"box": [0, 0, 1, "1"], "for": ["logo"]}]}, "side of a window"),
        ({"windows": [{"box": [0.5, 0, 0.5, 1], "for": ["logo"]}]}, "is empty"),
        ({"windows": [{"box": [0, 0, 1, 1], "for": []}]}, "one or more of"),
        ({"windows": [{"box": [0, 0, 1, 1], "for": ["text"]}]}, "one or more of"),
        ({"windows": [{"box": [0, 0, 1, 1], "for": ["logo", "logo"]}]}, "each once"),
    ],
)
def test_windows_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    bundle = make_tiny_bundle(tmp_path, dense=WINDOWS)
    settings = json.loads((bundle / "preprocess.json").read_text("utf-8"))
    settings["dense"] |= change
    (bundle / "preprocess.json").write_text(json.dumps(settings), "utf-8")
    resign(bundle, "preprocess.json")
    with pytest.raises(BundleRefused, match=message):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("change", "message"), [({"size": 80}, "multiples of 32"), ({"resize_mode": "shortest"}, "squash")]
)
def test_pictures_that_have_no_place_for_windows_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    bundle = make_tiny_bundle(tmp_path, dense=WINDOWS)
    settings = json.loads((bundle / "preprocess.json").read_text("utf-8"))
    settings["image"] |= change
    (bundle / "preprocess.json").write_text(json.dumps(settings), "utf-8")
    resign(bundle, "preprocess.json")
    with pytest.raises(BundleRefused, match=message):
        load_bundle(bundle)


def test_windows_without_a_graph_that_pools_are_refused(bundle: Path) -> None:
    settings = json.loads((bundle / "preprocess.json").read_text("utf-8"))
    settings["image"]["resize_mode"] = "squash"
    settings["dense"] = WINDOWS.to_json()
    (bundle / "preprocess.json").write_text(json.dumps(settings), "utf-8")
    resign(bundle, "preprocess.json")
    with pytest.raises(BundleRefused, match="other inputs or outputs"):
        Encoder(load_bundle(bundle))
