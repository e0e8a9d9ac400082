"""The measuring of encoders on a few drawn pictures: schemes, breakdowns, intervals, text measures, report, anchors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from PIL import ImageFont
from tiny_bundle import DIM, WINDOWS, make_tiny_bundle
from training_library import drawn
from typer.testing import CliRunner

from screener.bundle import Part, load_bundle
from screener.encoder import Encoder
from screener.preprocess import WHOLE, prepare
from screener.regions import LISTING
from screener.score_norm import background_level
from training.bootstrap import intervals, rank_intervals, resampled
from training.cli import app
from training.cost import measure_cost
from training.embedders import BundleEmbedder, OnnxEmbedder, open_anchor, read_rgb
from training.errors import TrainingError
from training.evaluate import Normalisation, best_scores, evaluate_bundle, measure_model
from training.names import invent_name, odd_spelling
from training.protocols import recall_at_precision
from training.scores import Outcome, breakdown, figures_of
from training.text_measures import Retrieval, disguise_of, held_out_fonts, measure_spellings, measure_wordmarks


def measuring_sets(folder: Path) -> Path:
    """One small set of each protocol; queries are the references themselves, bordered in the copy set."""
    for name, key in (("grocery", "product"), ("logos", "brand"), ("copies", "id")):
        rows: list[dict[str, Any]] = []
        (folder / name).mkdir(parents=True)
        for kind, count in (("reference", 4), ("query", 4), ("none", 5)):
            for number in range(count):
                image = f"{kind}-{number}.png"
                drawn(number if kind != "none" else 700 + number).save(folder / name / image)
                row: dict[str, Any] = {"kind": kind, "image": image, key: f"{key}-{number}"}
                if name == "grocery":
                    row["brand"] = ("Alfa", "Beta")[number % 2]
                if name == "logos" and kind == "reference":
                    row["boxes"] = [[10, 10, 20, 20], [0, 0, 96, 72]]
                if name == "copies" and kind != "reference":
                    row["edits"] = ["crop", "blur"] if number % 2 else ["crop"]
                rows.append(row if kind != "none" else row | {key: None, "brand": None})
        (folder / name / "manifest.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measuring_sets(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def model(bundle: Path) -> Iterator[BundleEmbedder]:
    encoder = Encoder(load_bundle(bundle), workers=1)
    yield BundleEmbedder(encoder)
    encoder.close()


def save_anchor(file: Path, side: int | None = 16) -> Path:
    """An ONNX file whose vector of a picture is its pixels' means over cells of 4 x 4, as float."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["nchw"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["cells"], ["embedding"], axis=1),
    ]
    shape = ["n", side or "height", side or "width", 3]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", None])]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)]
    graph = helper.make_graph(nodes, "anchor", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(file))
    return file


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """Few distinct scores, so that ties are common."""
    rng = np.random.default_rng(draw(st.integers(0, 100_000)))
    queries, nothing, classes = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(2, 4))
    scores = rng.integers(0, 5, (queries + nothing, classes)).astype(np.float32) / 4
    names = [(str(n % 3),) for n in range(queries + nothing)]
    use = draw(st.sampled_from(["product", "logo", "copy"]))
    return Outcome(use, scores, rng.integers(0, classes, queries), {"third": names})


@given(outcomes(), st.integers(0, 1000))
def test_a_draw_gives_the_figures_of_the_pictures_drawn(outcome: Outcome, seed: int) -> None:
    rng, queries, total = np.random.default_rng(seed), len(outcome.truth), len(outcome.scores)
    picks = np.concatenate(
        [rng.integers(0, queries, (5, queries)), rng.integers(queries, total, (5, total - queries))], 1
    )
    found = resampled(outcome, picks)
    for number, rows in enumerate(picks):
        again = Outcome(outcome.use, outcome.scores[rows], outcome.truth[rows[:queries]], {})
        assert {name: values[number] for name, values in found.items()} == pytest.approx(figures_of(again), abs=1e-6)


@given(outcomes())
def test_a_breakdown_adds_up_to_the_figures(outcome: Outcome) -> None:
    table = breakdown(outcome)["third"].values()
    queries = len(outcome.truth)
    assert sum(row["queries"] for row in table) == queries
    assert sum(row["none"] for row in table) == len(outcome.scores) - queries
    found = sum(row["queries"] * row.get("found", 0) for row in table) / queries
    assert found == pytest.approx(recall_at_precision(outcome.best, outcome.right, queries))
    first = sum(row["queries"] * row.get("top-1", 0) for row in table) / queries
    assert first == pytest.approx(outcome.right[:queries].mean())


def test_a_tie_of_the_true_class_with_another_is_no_right_answer() -> None:
    scores = np.array([[0.5, 0.5], [0.2, 0.9], [0.1, 0.1]], dtype=np.float32)
    outcome = Outcome("product", scores, np.array([0, 1]), {})
    assert outcome.right.tolist() == [False, True, False]
    assert figures_of(outcome)["top-1"] == 0.5


def test_an_interval_is_that_of_the_known_distribution() -> None:
    rng = np.random.default_rng(3)
    right = rng.random(400) < 0.8
    scores = np.stack([right, ~right], axis=1).astype(np.float32)
    known = np.concatenate([scores, np.zeros((50, 2), dtype=np.float32)])
    outcome = Outcome("logo", known, np.zeros(400, dtype=np.int64), {})
    low, high = intervals(outcome, draws=2000, seed=1)["acc"]
    share = right.mean()
    half = 1.96 * np.sqrt(share * (1 - share) / 400)
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.006)
    assert intervals(outcome, draws=50, seed=1) == intervals(outcome, draws=50, seed=1)
    assert rank_intervals(np.array([1, 1, 1]), (1, 5), draws=20)["top-5"] == (1.0, 1.0)


def test_every_scheme_is_measured_and_the_whole_is_its_first_region(model: BundleEmbedder, data: Path) -> None:
    found = measure_model(model, data)
    assert list(found) == ["product", "product/whole", "logo", "logo/whole", "logo/14-crops", "copy", "copy/whole"]
    assert evaluate_bundle(model.encoder, data)["product"]["top-1"] == 1.0
    for use in ("product", "logo", "copy"):
        # a region more can only raise the best cosine
        assert (found[use].scores >= found[f"{use}/whole"].scores - 1e-6).all()
    pictures = [data / "grocery" / "query-1.png"]
    regions = model.encode_pictures(pictures)
    crops = model.encode_crops([(pictures[0], box) for box in LISTING])
    np.testing.assert_allclose(regions, crops[None], atol=1e-6)
    assert list(measure_model(model, data, only=["copy"])) == ["copy", "copy/whole"]


def test_regions_count_only_for_their_uses(model: BundleEmbedder, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uses = [("product", "logo", "copy"), ("logo",), ("logo",), ("logo",)]
    monkeypatch.setattr(BundleEmbedder, "uses", uses)
    found = measure_model(model, data)
    np.testing.assert_array_equal(found["product"].scores, found["product/whole"].scores)
    assert (found["logo"].scores > found["logo/whole"].scores + 1e-4).any()


def test_a_dense_bundle_is_measured_with_its_windows(data: Path, tmp_path: Path) -> None:
    encoder = Encoder(load_bundle(make_tiny_bundle(tmp_path / "dense", dense=WINDOWS)), workers=1)
    dense = BundleEmbedder(encoder)
    assert list(dense.regions) == [WHOLE, *(window.box for window in WINDOWS.windows)]
    assert list(dense.uses)[1:] == [window.uses for window in WINDOWS.windows]
    path = data / "grocery" / "query-1.png"
    spec = encoder.bundle.preprocess
    large = prepare(read_rgb(path), WHOLE, WINDOWS.preprocess(spec))
    vectors = dense.encode_pictures([path])[0]
    np.testing.assert_allclose(vectors[1:], encoder.encode_windows(large[None])[0], atol=1e-6)
    np.testing.assert_allclose(vectors[:1], dense.encode_crops([(path, WHOLE)]), atol=1e-6)
    figures = evaluate_bundle(encoder, data)
    assert figures["product/whole"]["top-1"] == figures["logo/14-crops"]["acc"] == 1.0
    assert {row["pass"] for row in measure_cost([encoder], rounds=1)} == {"whole", "regions"}
    encoder.close()


def test_copies_are_broken_down_by_edit_and_products_by_brand(model: BundleEmbedder, data: Path) -> None:
    found = measure_model(model, data)
    edits = breakdown(found["copy"])["edits"]
    assert {name: (row["queries"], row["none"]) for name, row in edits.items()} == {"crop": (4, 5), "blur": (2, 2)}
    brands = breakdown(found["product"])["brand"]
    assert {name: row["queries"] for name, row in brands.items()} == {"Alfa": 2, "Beta": 2}
    assert set(breakdown(found["logo"])["brand"]) == {f"brand-{n}" for n in range(4)}


def test_the_level_is_the_mean_of_the_nearest_background_cosines() -> None:
    rng = np.random.default_rng(0)
    vectors, background = (rng.normal(size=(n, 12)).astype(np.float32) for n in (5, 30))
    part = Part("b", 4, 12, ("copy",))
    slow = []
    for vector in vectors[:, 4:]:
        cosines = [float(vector @ b / np.linalg.norm(vector) / np.linalg.norm(b)) for b in background[:, 4:]]
        slow.append(np.mean(sorted(cosines)[-3:]))
    np.testing.assert_allclose(background_level(part, vectors, background, 3), slow, rtol=1e-5)
    everything = background_level(part, vectors, background, 100)
    np.testing.assert_allclose(everything, background_level(part, vectors, background, 30), rtol=1e-5)
    vectors[0, 4:] = 0
    assert background_level(part, vectors, background, 3)[0] == 0
    with pytest.raises(ValueError, match="at least one"):
        background_level(part, vectors, background[:0], 3)
    with pytest.raises(ValueError, match="at least 1"):
        background_level(part, vectors, background, 0)


def test_normalised_scores_lose_the_level_of_either_side() -> None:
    rng = np.random.default_rng(1)
    views, wanted, background = (rng.normal(size=shape).astype(np.float32) for shape in ((3, 2, 8), (4, 8), (20, 8)))
    part = Part("all", 0, 8, ("copy",))
    region, reference = (background_level(part, rows, background, 2) for rows in (views.reshape(-1, 8), wanted))
    cosine = Normalisation("query", 0.0, 2)
    plain = np.stack([best_scores(part, views[:, n : n + 1], wanted, cosine, background) for n in range(2)], axis=1)
    queries, references = 0.5 * region.reshape(3, 2, 1), 0.5 * reference
    assert min(queries.min(), references.min()) > 0
    query = (plain - queries) / (1 - queries)
    for side, want in (
        ("query", query),
        ("reference", (plain - references) / (1 - references)),
        ("both", (query - references) / (1 - references)),
    ):
        got = best_scores(part, views, wanted, Normalisation(side, 0.5, 2), background)
        np.testing.assert_allclose(got, want.max(axis=1), atol=1e-6)


def test_a_model_without_background_cannot_be_normalised(model: BundleEmbedder, data: Path) -> None:
    with pytest.raises(TrainingError, match="background"):
        measure_model(model, data, normalise=[Normalisation("query", 0.5, 10)])
    with pytest.raises(TrainingError, match="holds none of logos"):
        measure_model(model, data / "grocery", only=["logo"])


def test_an_anchor_goes_through_the_same_pipeline(data: Path, tmp_path: Path) -> None:
    anchor = open_anchor(str(save_anchor(tmp_path / "means.onnx")), 224)
    assert (anchor.name, anchor.dim) == ("means", 48)
    found = measure_model(anchor, data)
    assert figures_of(found["product"])["top-1"] == figures_of(found["logo/14-crops"])["acc"] == 1.0
    free = OnnxEmbedder(save_anchor(tmp_path / "free.onnx", None), 32)
    crop = free.encode_crops([(data / "grocery" / "query-0.png", WHOLE)])
    assert crop.shape == (1, 192)
    assert np.linalg.norm(crop) == pytest.approx(1.0)
    with pytest.raises(TrainingError, match="neither a file"):
        open_anchor("nothing", 224)
    (tmp_path / "bad.onnx").write_bytes(b"no")
    with pytest.raises(TrainingError, match="does not load"):
        open_anchor(str(tmp_path / "bad.onnx"), 224)


@pytest.mark.parametrize(
    ("name", "spelling", "kind"),
    [
        ("nike", "NIKE", "letter case"),
        ("nike", "n.i.k.e", "separators"),
        ("tea shop", "t e a s h o p", "separators"),
        ("nike", "n1k3", "digits and signs"),
        ("nike", "nіke", "look-alike letters"),
        ("nike", "nikke", "doubled letter"),
        ("nikes", "nkes", "lost letter"),
        ("nike", "nkie", "swapped letters"),
        ("nike", "n1kе", "several"),
    ],
)
def test_the_kind_of_a_disguise_is_told(name: str, spelling: str, kind: str) -> None:
    assert disguise_of(name, spelling) == kind


def test_every_disguise_that_is_made_is_told() -> None:
    rng = np.random.default_rng(0)
    names = [invent_name(rng) for _ in range(400)]
    kinds = [disguise_of(name, odd_spelling(name, rng)) for name in names]
    assert set(kinds) == {
        "letter case", "separators", "digits and signs", "look-alike letters", "doubled letter", "lost letter",
        "swapped letters", "several",
    }  # fmt: skip
    assert kinds.count("several") < 200


def test_spellings_alike_in_bytes_find_their_name(model: BundleEmbedder) -> None:
    found = measure_spellings(model, names=60)
    assert found.choices == len(found.ranks) == 60
    assert found.breakdown["disguise"]["letter case"]["top-1"] == 1.0
    assert sum(row["queries"] for row in found.breakdown["disguise"].values()) == 60
    chance = Retrieval(np.arange(1, 61), 60, (1, 10), {})
    assert found.figures["MRR"] > 2 * chance.figures["MRR"]
    assert chance.figures == pytest.approx(
        {"top-1": 1 / 60, "top-10": 1 / 6, "MRR": 0.078, "median rank": 30.5}, abs=1e-3
    )


def test_wordmarks_are_drawn_with_the_fonts_given(model: BundleEmbedder, data: Path, tmp_path: Path) -> None:
    assert measure_wordmarks(model, tmp_path) is None
    font = ImageFont.load_default(20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    (tmp_path / "letters.ttf").write_bytes(font.font_bytes)
    for sets in (None, data):
        found = measure_wordmarks(model, tmp_path, sets, names=30, pictures=8)
        assert found is not None
        assert len(found.ranks) == 8
        assert found.ranks.min() >= 1
        assert found.ranks.max() <= found.choices == 30
        assert {name: row["queries"] for name, row in found.breakdown["layout"].items()} == {
            "close": 4,
            "in a scene": 4,
        }
    files = [Path(str(n)) for n in range(30)]
    assert held_out_fonts(files) == [files[11], files[23]]
    assert held_out_fonts(files[:5]) == files[:5]


def test_the_command_writes_json_plots_and_a_page(bundle: Path, data: Path, tmp_path: Path) -> None:
    anchor = save_anchor(tmp_path / "means.onnx")
    asked = ["--bundle", str(bundle), "--data", str(data), "--anchor", str(anchor), "--draws", "50"]
    result = CliRunner().invoke(app, ["evaluate", "encoder", *asked, "--report", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report == json.loads(result.stdout)
    assert set(report) == {
        "format", "made", "command", "machine", "seed", "draws", "level", "data", "models", "skipped",
    }  # fmt: skip
    assert report["data"]["copies"] == {"reference": 4, "query": 4, "none": 5}
    tiny, means = report["models"]
    assert (tiny["kind"], tiny["id"], means["kind"], means["id"]) == ("bundle", load_bundle(bundle).id, "anchor", None)
    assert tiny["dim"] == DIM
    assert set(tiny["protocols"]) == set(means["protocols"])
    for row in [*tiny["protocols"].values(), *tiny["texts"].values()]:
        assert set(row["figures"]) == set(row["intervals"])
        assert all(low <= high for low, high in row["intervals"].values())
    assert set(tiny["texts"]) == {"title/product", "title/logo", "spelling"}
    assert means["texts"] == {}
    assert len(report["skipped"]) == 2
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    plots = sorted((tmp_path / "out").glob("*.svg"))
    assert len(plots) == 3 + 3 * 2
    for plot in plots:
        assert f'src="{plot.name}"' in page
        assert "<svg" in plot.read_text(encoding="utf-8")
    assert "http" not in page
    assert report["models"][0]["id"] in page


def test_the_command_prints_tables(bundle: Path, data: Path) -> None:
    asked = ["--bundle", str(bundle), "--data", str(data), "--draws", "20"]
    result = CliRunner().invoke(app, ["evaluate", "encoder", *asked, "--only", "copy", "--normalise", "query"])
    assert result.exit_code == 0, result.output
    assert "copy/whole" in result.stdout
    assert "uAP" in result.stdout
    assert "tiny: copy, by edits" in result.stdout
    assert "product" not in result.stdout
    assert "no background vectors" in result.stdout
    refused = CliRunner().invoke(app, ["evaluate", "encoder", "--data", str(data)])
    assert isinstance(refused.exception, TrainingError)


def test_costs_are_told_for_every_pass_and_batch(bundle: Path) -> None:
    asked = ["--bundle", str(bundle), "--peer", str(bundle), "--rounds", "2", "--json"]
    result = CliRunner().invoke(app, ["evaluate", "cost", *asked])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert [(row["pass"], row["batch"]) for row in rows[:4]] == [
        ("whole", 1),
        ("whole", 8),
        ("regions", 1),
        ("regions", 8),
    ]
    assert len(rows) == 8
    assert all(row["low"] <= row["ms"] <= row["high"] and row["of_peer"] > 0 for row in rows)
    assert [row["of_peer"] for row in rows[4:6]] == [1.0, 1.0]
    plain = CliRunner().invoke(app, ["evaluate", "cost", "--bundle", str(bundle), "--no-peer", "--rounds", "1"])
    assert plain.exit_code == 0, plain.output
    assert "regions" in plain.stdout
