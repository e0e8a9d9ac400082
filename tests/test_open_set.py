"""The level from which a brand counts as shown: what pictures of nothing registered reach, in this registry."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from tiny_bundle import make_tiny_bundle

from index.snapshot import build_snapshot, load_snapshot
from screener.bundle import Bundle, OperatingPoint, load_bundle
from screener.directory import Directory, Entry
from screener.open_set import LEEWAY, STRANGERS, shown_from

LIMITS = {"copy": 0.8, "product": 0.6, "logo": 0.7}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    loaded = load_bundle(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"))
    points = {use: OperatingPoint(score, 1e-3) for use, score in LIMITS.items()}
    generator = np.random.default_rng(0)
    background = generator.standard_normal((400, loaded.dim)).astype(np.float32)
    background[:, 0] += 2.0
    return replace(loaded, operating_points=points, background=background)


def levels(folder: Path, bundle: Bundle, references: int, marks: int = 0) -> dict[str, float]:
    generator = np.random.default_rng(1)
    rows = generator.standard_normal((references, bundle.dim)).astype(np.float32)
    rows[:, 0] += 2.0
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ids = [f"ref_{n:04d}" for n in range(references)]
    made = build_snapshot(folder, encoder_id=bundle.id, dim=bundle.dim, ids=ids, vectors=rows, registry_version=1)
    snapshot = load_snapshot(folder / made.id, encoder_id=bundle.id)
    entries = {name: Entry(name, name, "b", "authentic", name, None, n < marks) for n, name in enumerate(ids)}
    directory = cast(Directory, SimpleNamespace(entries=entries))
    return dict(shown_from(bundle, snapshot, directory, LIMITS))


def test_the_level_is_what_one_stranger_in_a_hundred_reaches(tmp_path: Path, bundle: Bundle) -> None:
    part = bundle.part_for("product")
    assert part is not None and bundle.background is not None
    generator = np.random.default_rng(1)
    rows = generator.standard_normal((60, bundle.dim))
    rows[:, 0] += 2.0
    reached = []
    for stranger in bundle.background.astype(float):
        a = stranger[part.start : part.stop]
        scores = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in (row[part.start : part.stop] for row in rows)]
        reached.append(max(scores))
    expected = max(float(np.quantile(reached, 1 - STRANGERS)), LIMITS["product"] - LEEWAY)
    assert levels(tmp_path, bundle, 60)["product"] == pytest.approx(expected, abs=2e-3)


def test_more_references_need_more_likeness(tmp_path: Path, bundle: Bundle) -> None:
    few, many = levels(tmp_path / "few", bundle, 3), levels(tmp_path / "many", bundle, 300)
    assert few["product"] <= many["product"]
    assert few["copy"] == many["copy"] == LIMITS["copy"]


def test_marks_are_held_against_marks(tmp_path: Path, bundle: Bundle) -> None:
    none, some = levels(tmp_path / "a", bundle, 60), levels(tmp_path / "b", bundle, 60, marks=30)
    assert none["logo"] == LIMITS["logo"]
    assert some["logo"] != LIMITS["logo"]


def test_without_a_background_the_level_is_the_threshold(tmp_path: Path, bundle: Bundle) -> None:
    assert levels(tmp_path, replace(bundle, background=None), 20) == LIMITS
