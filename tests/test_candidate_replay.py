"""Rows screened again by the serving code: the same features as served, other references, both models side by side."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frozen_kit import add_appraisal
from service_kit import ACTOR, encoded, open_tiny_service, picture
from tiny_bundle import make_tiny_bundle

from brands.model import AuthorisedSeller, BrandDetails
from screener.judging.features import NAMES
from screener.judging.model import load_judge
from screener.listing import Listing, SellerFacts
from screener.releases.report import GATES
from screener.screening import Submission
from training.candidate.evaluate import evaluate_candidate
from training.candidate.judge import fitting_rows
from training.candidate.open_set import open_suite, suite_id
from training.candidate.replay import history_of, items_of, open_stage, replay
from training.candidate.screened import Side, measure
from training.errors import TrainingError
from training.frozen import Frozen, FrozenRefused, freeze

pytestmark = pytest.mark.train
LISTINGS = 36


@dataclass(frozen=True, slots=True)
class Scene:
    """A data set of real screenings by the tiny service, and the models that served it."""

    frozen: Frozen
    side: Side
    folder: Path
    fake: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A brand with an official photo and a known fake; a third of the listings copies the fake."""
    folder = tmp_path_factory.mktemp("scene")
    with open_tiny_service(folder, keep_images="all") as service:
        registry = service.truth.registry
        details = BrandDetails(name="Acme", authorised_sellers=(AuthorisedSeller("shop-1"),))
        brand = registry.add_brand(actor=ACTOR, details=details)
        known = {}
        for kind, seed in (("authentic", 1), ("known_fake", 2)):
            image = picture(seed)
            known[kind] = registry.add_reference(
                actor=ACTOR, brand_id=brand.id, kind=kind, data=encoded(image), width=image.width, height=image.height
            )  # fmt: skip
        service.refresher.refresh()
        ids = []
        for n in range(LISTINGS):
            images = [encoded(picture(2), "JPEG", quality=60 + n) if n % 3 == 0 else encoded(picture(100 + n))]
            started = time.monotonic()
            registered = None if n % 4 else datetime.now(UTC).date() - timedelta(days=40)
            seller = SellerFacts(registered_on=registered, sales=n)
            listing = Listing(f"L-{n}", "Acme runner" if n % 2 else "a thing", f"shop-{n}", seller=seller)
            answer = service.screener.screen(Submission(listing, tuple(images), ACTOR, started + 60, started))
            ids.append(answer["id"])
        with service.truth.database.write() as conn:
            for n, identifier in enumerate(ids):
                add_appraisal(conn, identifier, counterfeit=n % 3 == 0, appraiser=f"lab-{n % 2}")
        frozen = freeze(service.truth, folder / "sets")
        yield Scene(
            frozen, Side(folder / "bundle", folder / "judge", folder / "policy.toml"), folder, known["known_fake"].id
        )


def test_rows_screened_again_have_the_features_that_were_served(scene: Scene) -> None:
    frozen, side = scene.frozen, scene.side
    assert not frozen.manifest["content"]["pictures"]["missing"]
    found = replay(
        frozen, bundle=side.bundle, judge=side.judge, policy=side.policy, rows=frozen.rows, scratch=scene.folder / "s",
        reading_ms=0,
    )  # fmt: skip
    assert found.x == pytest.approx(frozen.x, abs=1e-3, nan_ok=True)
    assert found.probability == pytest.approx([row.probability for row in frozen.rows], abs=1e-3)
    assert list(found.verdicts) == [row.verdict for row in frozen.rows]
    assert found.known_fake.tolist() == [row.known_fake for row in frozen.rows]
    # Evidence names the references of the real registry.
    named = {entry["reference_id"] for answer in found.answers for entry in answer["evidence"]}
    assert scene.fake in named <= {reference.id for reference in frozen.references}
    authorised = found.x[:, NAMES.index("authorised_seller")]
    assert np.nansum(authorised) == 1.0


def test_without_a_reference_nothing_is_compared_with_it(scene: Scene) -> None:
    frozen, side = scene.frozen, scene.side
    rows = [row for row in frozen.rows if row.label == "counterfeit"][:4]
    found = replay(
        frozen, bundle=side.bundle, judge=side.judge, policy=side.policy, rows=rows, exclude_references=[scene.fake],
        reading_ms=0,
    )  # fmt: skip
    assert not found.known_fake.any()
    assert (found.x[:, NAMES.index("fake_copy")] == 0).all()
    assert all(entry["reference_id"] != scene.fake for answer in found.answers for entry in answer["evidence"])


def test_a_scratch_takes_the_registry_of_the_next_data_set(scene: Scene, tmp_path: Path) -> None:
    """Brands that were registered anew under the same names, and brands that were changed."""
    frozen, side = scene.frozen, scene.side
    rows = frozen.rows[:2]

    def screened(data: Frozen) -> Mapping[str, Any]:
        with open_stage(data, bundle=side.bundle, scratch=tmp_path, reading_ms=0) as stage:
            answers = stage.screen(stage.serving(side.judge, side.policy), items_of(data, rows)).answers
        return next(answer for answer in answers if answer["evidence"])

    (brand,) = frozen.brands
    assert screened(frozen)["brand"]["name"] == "Acme"
    other = replace(brand, id="brd_" + "3" * 32)
    references = tuple(replace(one, brand_id=other.id) for one in frozen.references)
    found = screened(replace(frozen, brands=(other,), references=references))
    assert found["brand"]["id"] == other.id
    renamed = replace(brand, details=replace(brand.details, name="Acme Works"))
    assert screened(replace(frozen, brands=(renamed,)))["brand"]["name"] == "Acme Works"


def test_pictures_are_embedded_once_and_timed_as_new(scene: Scene) -> None:
    frozen, side = scene.frozen, scene.side
    items = items_of(frozen, frozen.rows[:3])
    with open_stage(frozen, bundle=side.bundle, scratch=scene.folder / "s", reading_ms=0) as stage:
        serving = stage.serving(side.judge, side.policy)
        stage.screen(serving, items)
        answers = stage.screen(serving, items).answers
        assert all(answer["timings_ms"]["encode"] == 0 for answer in answers)
        assert stage.fresh(serving, items[0]) > 0
    assert not (scene.folder / "s" / "registry.sqlite3").exists()  # each encoder has a scratch of its own


def test_history_is_what_was_known_then() -> None:
    values = np.full(len(NAMES), np.nan)
    values[[NAMES.index(name) for name in ("known_fake_listings", "linked_known_fakes", "photo_reuse")]] = [2, 1, 0.5]
    found = history_of(values)
    assert (found.known_fake_listings, found.linked_known_fakes, found.photo_reuse) == (3, 1, 0.5)


def test_a_row_without_its_pictures_cannot_be_screened_again(scene: Scene) -> None:
    lost = replace(scene.frozen, kept=frozenset())
    with pytest.raises(FrozenRefused, match="does not have the bytes"):
        items_of(lost, lost.rows[:1])
    # Both judges may still see what was served, if the encoder did not change.
    measured = measure(lost, scene.side, scene.side, [], scratch=scene.folder / "lost", reading_ms=0)
    assert not measured.answered.any() and measured.replayed == 0.0 and measured.timing is None
    assert measured.probability[0] == pytest.approx([row.probability for row in measured.rows], abs=1e-3)
    # Another encoder has nothing to look at.
    other = make_tiny_bundle(scene.folder / "other", seed=5)
    with pytest.raises(TrainingError, match="cannot screen them again"):
        fitting_rows(lost, other)


def test_another_encoder_screens_the_rows_again_without_what_tells_their_labels(scene: Scene) -> None:
    other = make_tiny_bundle(scene.folder / "other", seed=5)
    found = fitting_rows(scene.frozen, other, scratch=scene.folder / "s")
    assert found.how == "screened again" and len(found.rows) == len(found.x)
    served = fitting_rows(scene.frozen, scene.side.bundle)
    assert served.how == "as served" and [row.screening_id for row in served.rows] == [
        r.screening_id for r in found.rows
    ]


def test_the_suite_is_drawn_once_and_checked(tmp_path: Path) -> None:
    items = open_suite(tmp_path / "suite", size=8, workers=1)
    assert len(items) == 8 and suite_id(items) == suite_id(open_suite(tmp_path / "suite", size=8))
    with pytest.raises(TrainingError, match="another open-set suite"):
        open_suite(tmp_path / "suite", size=12)
    next((tmp_path / "suite" / "pictures").iterdir()).write_bytes(b"other")
    with pytest.raises(TrainingError, match="was changed"):
        open_suite(tmp_path / "suite", size=8)


def test_a_candidate_is_held_against_what_serves_by_the_serving_code(scene: Scene, tmp_path: Path) -> None:
    open_suite(tmp_path / "suite", size=8, workers=1)
    report = evaluate_candidate(
        scene.frozen, candidate=scene.side, serving=scene.side, suite=tmp_path / "suite", suite_size=8,
        scratch=tmp_path / "scratch", reading_ms=0, draws=100,
    )  # fmt: skip
    assert [gate.name for gate in report.gates] == list(GATES)
    by_name = {gate.name: gate for gate in report.gates}
    # The same models: nothing can be worse. There are too few fakes among the test rows to be evidence.
    for name in ("leakage", "parity", "slices", "open_set", "leave_one_out"):
        assert by_name[name].passed, by_name[name].detail
    assert not by_name["evidence"].passed and "are needed" in by_name["evidence"].detail
    assert report.figures["test"]["screened again"] == report.figures["test"]["rows"]
    assert report.figures["latency"]["serving"][0] > 0
    assert report.candidate.judge == load_judge(scene.side.judge).id


def test_another_encoder_is_compared_on_the_rows_that_it_was_not_trained_on(scene: Scene, tmp_path: Path) -> None:
    open_suite(tmp_path / "suite", size=8, workers=1)
    other = replace(scene.side, bundle=make_tiny_bundle(tmp_path / "other", seed=5))
    report = evaluate_candidate(
        scene.frozen, candidate=other, serving=scene.side, suite=tmp_path / "suite", suite_size=8,
        scratch=tmp_path / "scratch", reading_ms=0, draws=100,
    )  # fmt: skip
    assert len(scene.frozen.places("train")) and len(scene.frozen.places("calibrate"))
    assert report.figures["test"]["held out of the fit"] == len(scene.frozen.places("calibrate"))
