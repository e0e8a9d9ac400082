"""Exports of every family of towers, with random weights: parity with torch, int8, refusals, the command."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="needs the [train] extra")

import torch
from typer.testing import CliRunner

import training.export
from screener.bundle import OperatingPoint, Part, load_bundle
from screener.dense import Dense, Window
from screener.encoder import Encoder
from screener.pooling import pooling_weights
from training.calibration import calibration_pictures
from training.cli import app
from training.errors import ExportRefused, WeightsUnavailable
from training.export import annotate_bundle, export_bundle
from training.graph import export_graph
from training.parity import Parity, faults, picture
from training.pretrained import OpenModel, open_model
from training.quantize import quantize_image
from training.torch_setup import open_clip
from training.towers import ImageTower, TwoTowers, is_dynamic, text_features

pytestmark = pytest.mark.train

MERGES = 300
CAUSAL = {
    "context_length": 16,
    "vocab_size": 512 + MERGES + 2,
    "tokenizer_kwargs": {"bpe_path": "merges.txt.gz"},
    "width": 32,
    "heads": 2,
    "layers": 1,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "vit": {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16},
        "text_cfg": CAUSAL,
    },
    "resnet": {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
        "text_cfg": CAUSAL,
    },
    "mobile": {
        "embed_dim": 32,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 64,
            "timm_model_name": "repvit_m0_9",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": None,
        },
        "text_cfg": {**CAUSAL, "no_causal_mask": True},
    },
    "siglip": {
        "embed_dim": 48,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 32,
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
        },
        "text_cfg": {
            "context_length": 12,
            "vocab_size": 400,
            "hf_tokenizer_name": "words",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "width": 48,
            "heads": 2,
            "layers": 1,
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
        },
    },
}
SQUASH = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash", "interpolation": "bilinear"}


def small_words(folder: Path) -> None:
    """A tokenizer directory of bytes, as a config beside it names it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    file = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    file.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    file.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    wrapped = PreTrainedTokenizerFast(tokenizer_object=file, pad_token="<pad>", eos_token="<eos>")
    wrapped.save_pretrained(folder)


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("configs")
    small_words(folder / "words")
    lines = gzip.decompress(Path(open_clip.tokenizer.default_bpe()).read_bytes()).decode().split("\n")
    (folder / "merges.txt.gz").write_bytes(gzip.compress("\n".join(lines[: MERGES + 1]).encode()))
    for name, config in CONFIGS.items():
        settings = {"model_cfg": config, "preprocess_cfg": SQUASH if name == "siglip" else {}}
        (folder / f"{name}.json").write_text(json.dumps(settings), "utf-8")
    return folder


@pytest.fixture(scope="module")
def calibration() -> list[NDArray[np.uint8]]:
    return [np.asarray(picture(seed, 64, 64)) for seed in range(4)]


def opened(configs: Path, name: str) -> OpenModel:
    return open_model(f"small-{name}", config=configs / f"{name}.json", seed=5)


def exported(found: OpenModel, out: Path, **options: Any) -> Path:
    return export_bundle(found.model, found.preprocess, found.tokenizer, out, name="small", **options)


@pytest.mark.parametrize("family", ["vit", "resnet", "mobile"])
def test_every_family_in_both_precisions(
    family: str, configs: Path, calibration: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    found = opened(configs, family)
    out = exported(found, tmp_path / "bundle", precision="int8", calibration=calibration, model_config=found.config)
    bundle = load_bundle(out)
    metrics = bundle.manifest["metrics"]
    assert metrics["parity_fp32"]["image_cosine_min"] >= 0.9999
    assert metrics["parity_fp32"]["text_cosine_min"] >= 0.9999
    assert metrics["parity_int8"]["image_cosine_mean"] >= 0.90
    assert metrics["parity_int8"]["text_cosine_mean"] >= 0.90
    assert bundle.text.dynamic_length == (family != "mobile")
    assert [part.name for part in bundle.parts] == ["clip"]
    kinds = {node.op_type for node in onnx.load(out / "image.onnx").graph.node}
    assert ("DynamicQuantizeLinear" in kinds) == (family == "vit")
    assert ("QuantizeLinear" in kinds) == (family != "vit")
    assert b"/" + Path(__file__).parent.parent.name.encode() + b"/" not in (out / "image.onnx").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]


def test_the_same_weights_give_the_same_graph(configs: Path, tmp_path: Path) -> None:
    for name in "ab":
        found = opened(configs, "vit")
        pixels = {"pixels": torch.zeros((2, 32, 32, 3), dtype=torch.uint8)}
        export_graph(ImageTower(found.model, found.preprocess), tmp_path / name, pixels, free={"pixels": (0,)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class _TwoParts(torch.nn.Module):
    """A model of one's own: open_clip's vector and a second one in half the length each, words in the first."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.clip = clip
        self.copy = torch.nn.Linear(32, 32)
        self.context_length = clip.context_length
        self.text_dynamic = True

    def encode_image(self, image: torch.Tensor) -> torch.Tensor:
        meaning = self.clip.encode_image(image)
        halves = (meaning, self.copy(meaning))
        return torch.cat([torch.nn.functional.normalize(half, dim=-1) for half in halves], 1)

    def encode_text(self, text: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(text_features(self.clip, text), (0, 32))


def test_a_model_of_ones_own_with_two_parts(configs: Path, tmp_path: Path) -> None:
    found = opened(configs, "vit")
    model = _TwoParts(found.model).eval()
    assert isinstance(model, TwoTowers)
    assert is_dynamic(model)
    parts = (Part("semantic", 0, 32, ("text", "product", "logo")), Part("copy", 32, 64, ("copy",)))
    out = export_bundle(
        model, found.preprocess, found.tokenizer, tmp_path / "own", name="own", parts=parts, card="# Card", notice="N"
    )
    with pytest.raises(ExportRefused, match="never overwritten"):
        exported(found, out)
    before = load_bundle(out)
    points = {"copy": OperatingPoint(0.7, 1e-4, 0.9, "held-out pairs")}
    background = np.eye(64, dtype=np.float32)
    bundle = annotate_bundle(out, operating_points=points, metrics={"uap": 0.8}, background=background, card="# New")
    assert bundle.id == before.id
    assert bundle.operating_points == points
    assert bundle.manifest["metrics"].keys() == {"uap", "parity_fp32"}
    assert (out / "CARD.md").read_text("utf-8") == "# New"
    assert bundle.background is not None
    encoder = Encoder(bundle)
    encoder.check_golden()
    vectors = encoder.encode_pixels(np.stack([np.asarray(picture(1, 32, 32))]))
    np.testing.assert_allclose(np.linalg.norm(vectors.reshape(2, 32), axis=1), 0.5**0.5, atol=1e-3)
    encoder.close()


class _Windows(torch.nn.Module):
    """A small convnet of one's own whose feature map is pooled by windows, beside open_clip's text tower."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.clip = clip
        self.trunk = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 4, 4),
            torch.nn.BatchNorm2d(16),
            torch.nn.ReLU6(),
            torch.nn.Conv2d(16, 32, 3, 2, 1),
            torch.nn.ReLU6(),
            torch.nn.Conv2d(32, 32, 4, 4),
            torch.nn.ReLU6(),
        )
        self.head = torch.nn.Linear(32, 32)
        self.context_length = clip.context_length
        self.text_dynamic = True
        self.slip = 1.0

    def encode_image(self, image: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.head(self.trunk(image).mean((2, 3))), dim=-1)

    def encode_windows(self, image: torch.Tensor, pooling: torch.Tensor) -> torch.Tensor:
        cells = self.trunk(image).flatten(2).transpose(1, 2)
        return torch.nn.functional.normalize(self.head(self.slip * pooling.flatten(1) @ cells), dim=-1)

    def encode_text(self, text: torch.Tensor) -> torch.Tensor:
        return text_features(self.clip, text)


DENSE = Dense(96, (Window((0.0, 0.0, 0.7, 0.7), ("copy", "logo")), Window((0.4, 0.5, 0.6, 1.0), ("logo",))))


@pytest.fixture
def windows(configs: Path) -> OpenModel:
    found = opened(configs, "vit")
    torch.manual_seed(0)
    spec = replace(found.preprocess, size=64, resize_mode="squash")
    return replace(found, model=_Windows(found.model).eval(), preprocess=spec)


def test_a_dense_bundle_pools_its_windows(
    windows: OpenModel, calibration: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    out = exported(windows, tmp_path / "dense", precision="int8", calibration=calibration, dense=DENSE)
    bundle = load_bundle(out)
    assert bundle.dense == DENSE
    assert bundle.manifest["metrics"]["parity_fp32"]["windows_cosine_min"] >= 0.9999
    assert bundle.manifest["metrics"]["parity_int8"]["windows_cosine_mean"] >= 0.90
    graph = onnx.load(out / "image.onnx").graph
    kinds = {node.output[0]: node.op_type for node in graph.node}
    products = [node for node in graph.node if node.op_type in ("MatMul", "Gemm")]
    assert products
    assert all(kinds.get(name) != "DequantizeLinear" for node in products for name in node.input)  # the head is float
    encoder = Encoder(bundle)
    encoder.check_golden()
    spec, large = windows.preprocess, np.array(picture(3, 128, 128))[None]  # a size that the export never saw
    found = encoder.encode_pooled(large, pooling_weights([(0.0, 0.0, 1.0, 1.0), (0.5, 0.0, 1.0, 0.5)], 4))[0]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (spec.mean, spec.std))
    image = (torch.from_numpy(large).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.inference_mode():
        # Cut off, a quarter sees other neighbours at its edges, so it is about the same and no more.
        wanted = [cast(Any, windows.model).encode_image(part)[0].numpy() for part in (image, image[..., :64, 64:])]
    cosines = [float(row @ vector) for row, vector in zip(found, wanted, strict=True)]
    assert cosines == pytest.approx([1, 1], abs=0.05)
    assert found[0] @ wanted[1] < min(cosines)
    encoder.close()


def test_a_model_that_pools_otherwise_than_it_looks_is_refused(windows: OpenModel, tmp_path: Path) -> None:
    model = cast(Any, windows.model)
    torch.nn.init.normal_(model.head.bias)
    model.slip = 3.0
    with pytest.raises(ExportRefused, match="parity of the fp32 bundle failed: image cosine"):
        exported(windows, tmp_path / "bundle", dense=DENSE)
    assert not list(tmp_path.iterdir())


def test_windows_need_a_model_and_pictures_that_have_them(configs: Path, windows: OpenModel, tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match="cannot pool windows"):
        exported(opened(configs, "vit"), tmp_path / "bundle", dense=DENSE)
    cut = replace(windows, preprocess=replace(windows.preprocess, resize_mode="shortest"))
    with pytest.raises(ExportRefused, match="squash"):
        exported(cut, tmp_path / "bundle", dense=DENSE)


def test_a_checkpoint_gives_its_weights_back(configs: Path, tmp_path: Path) -> None:
    first = opened(configs, "vit")
    checkpoint = tmp_path / "weights.pt"
    torch.save(first.model.state_dict(), checkpoint)
    second = open_model("small-vit", config=configs / "vit.json", pretrained=str(checkpoint))
    for name, value in first.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], value)
    assert len(second.source["checkpoint_sha256"]) == 64
    with pytest.raises(ExportRefused, match="does not fit"):
        open_model("small-resnet", config=configs / "resnet.json", pretrained=str(checkpoint))


def test_parity_that_fails_leaves_nothing(configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Parity(0.9, 0.9, 1.0, 1.0, pixels_equal=True, tokens_equal=True)
    monkeypatch.setattr(training.export, "measure", lambda *_: bad)
    with pytest.raises(ExportRefused, match=r"image cosine 0\.900000 is below 0\.9999"):
        exported(opened(configs, "vit"), tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_what_parity_refuses() -> None:
    good = Parity(1.0, 1.0, 1.0, 1.0, pixels_equal=True, tokens_equal=True)
    assert not faults(good, fp32=True, int8_bound=0.9)
    low = Parity(0.5, 0.92, float("nan"), float("nan"), pixels_equal=False, tokens_equal=False)
    assert len(faults(low, fp32=True, int8_bound=0.9)) == 4
    assert len(faults(low, fp32=False, int8_bound=0.9)) == 3
    windows = replace(good, windows_min=0.5, windows_mean=0.92)
    assert list(faults(windows, fp32=True, int8_bound=0.9)) == ["windows cosine 0.500000 is below 0.9999"]
    assert not faults(windows, fp32=False, int8_bound=0.9)


def test_int8_of_a_convnet_needs_pictures(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Conv", ["pixels", "weight"], ["embedding"])
    shape = onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, [1, 3, 4, 4])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [shape], [])), tmp_path / "image.onnx")
    with pytest.raises(ExportRefused, match="needs calibration pictures"):
        quantize_image(tmp_path / "image.onnx", tmp_path / "int8.onnx", None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "ViT-B-32"}, "--pretrained TAG or PATH"),
        ({"name": "ViT-B-32", "pretrained": "openai", "seed": 1}, "not both"),
        ({"name": "ViT-Z-99", "seed": 1}, "has no model"),
        ({"name": "ViT-B-32", "pretrained": "nothing"}, "neither a file nor a tag"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportRefused, match=message):
        open_model(**options)


def test_a_local_checkpoint_of_a_model_with_several_settings_needs_like(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(ExportRefused, match="--like TAG"):
        open_model("ViT-B-32", pretrained=str(tmp_path / "weights.pt"))


def test_a_hub_out_of_reach_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("open_clip.pretrained.download_pretrained", fail)
    with pytest.raises(WeightsUnavailable, match=r"timm/ViT-B-16-SigLIP2.*--pretrained PATH --like webli"):
        open_model("ViT-B-16-SigLIP2", pretrained="webli")


def test_a_tokenizer_out_of_reach_is_explained(configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", fail)
    (tmp_path / "siglip.json").write_text((configs / "siglip.json").read_text("utf-8"), "utf-8")
    with pytest.raises(WeightsUnavailable, match=r"'words'.*--tokenizer"):
        open_model("far", config=tmp_path / "siglip.json", seed=1)


def test_the_command_writes_a_bundle(configs: Path, tmp_path: Path) -> None:
    for seed in range(3):
        picture(seed, 80, 64).save(tmp_path / f"{seed}.png")
    arguments = [
        "export",
        "--model",
        "own",
        "--config",
        str(configs / "siglip.json"),
        "--random-weights",
        "--seed",
        "2",
    ]
    arguments += ["--tokenizer", str(configs / "words" / "tokenizer.json"), "--out", str(tmp_path / "bundle")]
    arguments += ["--calibration", str(tmp_path), "--precision", "int8"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "enc_" in result.output
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.name == "own"
    assert not bundle.text.dynamic_length
    assert bundle.preprocess.resize_mode == "squash"
    assert bundle.manifest["metrics"]["parity_fp32"]["text_cosine_min"] >= 0.9999
    assert bundle.manifest["metrics"]["parity_int8"]["text_cosine_mean"] >= 0.90


def test_calibration_pictures_from_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", pictures=np.zeros((5, 8, 8, 3), np.uint8))
    assert len(calibration_pictures(tmp_path / "some.npz", most=3)) == 3
    np.savez(tmp_path / "wrong.npz", pictures=np.zeros((5, 8, 8, 3), np.float32))
    for wrong in ("wrong.npz", "none.npz", "empty"):
        with pytest.raises(ExportRefused):
            calibration_pictures(tmp_path / wrong)


def test_exit_codes(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from training.cli import main; main()", "export", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    refused = run("--model", "ViT-B-32", "--out", str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr
    assert run("--model", "ViT-B-32").returncode == 2
