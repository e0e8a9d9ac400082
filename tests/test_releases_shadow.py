"""A candidate in the shadow: it judges its share as it would if it were served, and leaves no trace but its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from release_kit import ONE, TWO, Candidate, make_candidate, propose, register
from service_kit import Kit, encoded, picture, running

from brands import schema
from brands.errors import Conflict, Invalid
from brands.ids import utc_now
from screener.release import SHADOW, read_pointer
from screener.releases import shadow as shadow_module
from screener.releases.shadow import Shadow
from screener.releases.shadow_report import read_report

TRACES = ("reviews", "screenings", "screening_matches", "screening_images", "daily_counts", "notices", "outbox")
"""Tables on which a judgement in the shadow must leave nothing."""


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judging in the shadow happens when a test says so, not in its thread."""
    monkeypatch.setattr(Shadow, "run", lambda self: None)


@pytest.fixture
def kit(tmp_path: Path, empty_database_url: str, by_hand: None) -> Iterator[Kit]:
    with running(tmp_path, refresh_seconds=60, database_url=empty_database_url) as kit:
        register(kit, range(3))
        yield kit


@pytest.fixture
def sqlite_kit(tmp_path: Path, by_hand: None) -> Iterator[Kit]:
    with running(tmp_path, refresh_seconds=60) as kit:
        register(kit, range(3))
        yield kit


def counted(kit: Kit) -> dict[str, int]:
    with kit.service.truth.database.read() as connection:
        tables = schema.metadata.tables
        return {
            name: connection.execute(sa.select(sa.func.count()).select_from(tables[name])).scalar_one()
            for name in TRACES
            if name in tables
        }


def judgements(kit: Kit) -> dict[str, sa.Row[tuple[object, ...]]]:
    with kit.service.truth.database.read() as connection:
        return {row.screening_id: row for row in connection.execute(sa.select(schema.shadow_judgements))}


def begin(kit: Kit, candidate: Candidate, share: float = 1.0) -> str:
    """A proposed candidate, opened in the shadow."""
    release = propose(kit, candidate)
    kit.service.truth.models.shadow(release.id, share=share, actor=ONE)
    kit.service.shadow.follow()
    return release.id


def publish(kit: Kit, count: int, **fields: object) -> list[dict[str, object]]:
    return [
        kit.screen([encoded(picture(n % 5))], listing_id=f"L-{n}", seller={"id": f"shop-{n}"}, **fields).json()
        for n in range(count)
    ]


@pytest.mark.parametrize("encoder", [False, True], ids=["same encoder", "own encoder"])
def test_it_judges_as_if_it_were_served_and_leaves_no_trace(kit: Kit, tmp_path: Path, encoder: bool) -> None:
    candidate = make_candidate(tmp_path / "new", encoder=encoder)
    release_id = begin(kit, candidate)
    answers = publish(kit, 6, price={"amount": 40, "currency": "EUR"})
    before = counted(kit)
    assert kit.service.shadow.judge_waiting() == 6
    assert counted(kit) == before
    found = judgements(kit)
    assert found.keys() == {answer["id"] for answer in answers}
    assert {row.release_id for row in found.values()} == {release_id}
    pointer = read_pointer(kit.service.truth.settings.data_dir, SHADOW)
    assert (pointer is not None) == encoder
    # The oracle: the same listings, screened by the candidate when it is served.
    kit.service.releases.approve(release_id, actor=TWO)
    kit.service.releases.promote(release_id, actor=TWO, reason="better")
    for number, answer in enumerate(answers):
        again = kit.screen(
            [encoded(picture(number % 5))],
            listing_id=f"M-{number}",
            seller={"id": f"other-{number}"},
            price={"amount": 40, "currency": "EUR"},
        ).json()
        row = found[str(answer["id"])]
        assert row.brand_id == again["brand"]["id"]
        assert row.verdict == again["verdict"]
        # What the first round taught (photo_reuse) is known to the second.
        assert row.probability == pytest.approx(again["probability"], abs=0.1)
        assert row.milliseconds > 0
    assert kit.service.truth.models.get(release_id).shadow_share == 0
    kit.service.shadow.follow()
    assert kit.service.shadow.release_id is None
    assert read_pointer(kit.service.truth.settings.data_dir, SHADOW) is None


def test_features_are_reused_with_the_served_encoder(sqlite_kit: Kit, tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path / "new", encoder=False)
    begin(sqlite_kit, candidate)
    (answer,) = publish(sqlite_kit, 1)
    sqlite_kit.service.shadow.judge_waiting()
    with sqlite_kit.service.truth.database.read() as connection:
        stored = connection.execute(sa.select(schema.screenings.c.features)).scalar_one()
    values = np.array([np.nan if v is None else v for v in stored["values"]], dtype=np.float32)
    from screener.judging.model import load_judge

    expected = load_judge(candidate.paths.judge).judge(values).probability
    assert judgements(sqlite_kit)[str(answer["id"])].probability == pytest.approx(expected, abs=1e-5)


def test_the_share_is_chosen_by_the_listing_and_again_the_same(sqlite_kit: Kit, tmp_path: Path) -> None:
    kit = sqlite_kit
    release_id = begin(kit, make_candidate(tmp_path / "new", encoder=False), share=0.5)
    answers = publish(kit, 40)
    kit.service.shadow.judge_waiting()
    candidate = kit.service.shadow._candidate
    assert candidate is not None
    chosen = {str(answer["id"]) for answer in answers if candidate.takes(str(answer["id"]))}
    assert judgements(kit).keys() == chosen
    many = sum(candidate.takes(f"scr_{number:032x}") for number in range(20_000)) / 20_000
    assert many == pytest.approx(0.5, abs=0.02)
    kit.service.truth.models.shadow(release_id, share=0.1, actor=ONE)
    kit.service.shadow.follow()
    fewer = kit.service.shadow._candidate
    assert fewer is not None
    assert all(candidate.takes(name) for number in range(2_000) if fewer.takes(name := f"scr_{number:032x}"))
    kit.service.truth.models.shadow(release_id, share=0, actor=ONE)
    kit.service.shadow.follow()
    publish(kit, 3)
    assert kit.service.shadow.judge_waiting() == 0


def test_what_does_not_fit_is_dropped_and_counted(
    sqlite_kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = sqlite_kit
    begin(kit, make_candidate(tmp_path / "new"))
    monkeypatch.setattr(shadow_module, "WAITING", 3)
    publish(kit, 5)
    assert kit.service.metrics.shadow_dropped._value.get() == 2
    assert kit.service.shadow.judge_waiting() == 3
    monkeypatch.setattr(shadow_module, "WAITING_BYTES", len(encoded(picture(0))))
    publish(kit, 2)
    assert kit.service.metrics.shadow_dropped._value.get() == 3
    assert kit.service.shadow.judge_waiting() == 1
    assert kit.service.metrics.shadow_judged._value.get() == 4


def test_an_erased_screening_gets_no_judgement(sqlite_kit: Kit, tmp_path: Path) -> None:
    kit = sqlite_kit
    begin(kit, make_candidate(tmp_path / "new", encoder=False))
    publish(kit, 2)
    kit.service.truth.eraser.erase("seller", "shop-0", confirm="shop-0", actor=ONE)
    assert kit.service.shadow.judge_waiting() == 2
    assert len(judgements(kit)) == 1


def test_a_failing_candidate_disturbs_nobody(sqlite_kit: Kit, tmp_path: Path) -> None:
    kit = sqlite_kit
    begin(kit, make_candidate(tmp_path / "new"))
    candidate = kit.service.shadow._candidate
    assert candidate is not None
    assert candidate.own is not None
    candidate.own.engine.encoder.close()
    assert [answer["verdict"] for answer in publish(kit, 2)]
    assert kit.service.shadow.judge_waiting() == 2
    assert judgements(kit) == {}
    assert kit.service.metrics.shadow_dropped._value.get() == 2


def test_one_candidate_at_a_time_and_only_one_that_is_none_yet(sqlite_kit: Kit, tmp_path: Path) -> None:
    kit, models = sqlite_kit, sqlite_kit.service.truth.models
    one, two = (
        propose(kit, make_candidate(tmp_path / name, encoder=False, bias=bias)) for name, bias in (("a", -3), ("b", -4))
    )
    models.shadow(one.id, share=0.5, actor=ONE)
    models.shadow(two.id, share=0.25, actor=ONE)
    assert {release.id: release.shadow_share for release in models.list()} == {one.id: 0.0, two.id: 0.25}
    models.refuse(two.id, actor=TWO, reason="worse")
    assert models.shadowed() is None
    with pytest.raises(Conflict):
        models.shadow(two.id, share=0.5, actor=ONE)
    with pytest.raises(Invalid):
        models.shadow(one.id, share=1.5, actor=ONE)


def test_the_thread_follows_the_registry(tmp_path: Path) -> None:
    with running(tmp_path, refresh_seconds=0.02) as kit:
        register(kit, range(2))
        release = propose(kit, make_candidate(tmp_path / "new"))
        kit.service.truth.models.shadow(release.id, share=1.0, actor=ONE)
        written = threading.Event()

        def seen() -> None:
            number = 0
            while not judgements(kit) and not written.wait(0.02):
                number += 1
                kit.screen([encoded(picture(1))], listing_id=f"L-{number}")
            written.set()

        watcher = threading.Thread(target=seen)
        watcher.start()
        assert written.wait(30), "nothing was judged in the shadow"
        watcher.join()


def test_the_report_agrees_with_what_was_written(kit: Kit) -> None:
    """Verdicts and probabilities set by hand, against figures worked out by hand."""
    answers = publish(kit, 5)
    ids = [str(answer["id"]) for answer in answers]
    served = [("clear", 0.1), ("clear", 0.2), ("prompt", 0.6), ("review", 0.9), ("clear", 0.3)]
    shadow = [("clear", 0.1), ("review", 0.9), ("prompt", 0.6), ("clear", 0.1), ("prompt", 0.5)]
    candidate = propose(kit, make_candidate(kit.service.truth.settings.data_dir.parent / "new", encoder=False))
    at = utc_now()
    with kit.service.truth.database.write() as connection:
        for number, identifier in enumerate(ids):
            verdict, probability = served[number]
            connection.execute(
                sa.update(schema.screenings)
                .where(schema.screenings.c.id == identifier)
                .values(verdict=verdict, probability=probability, brand_id=None)
            )
            verdict, probability = shadow[number]
            connection.execute(
                sa.insert(schema.shadow_judgements).values(
                    screening_id=identifier,
                    release_id=candidate.id,
                    probability=probability,
                    verdict=verdict,
                    brand_status="none",
                    brand_id=None,
                    milliseconds=float(number),
                    created_at=at + timedelta(seconds=number),
                )
            )
        report = read_report(connection, candidate.id)
    assert (report.listings, report.agreed, report.agreement) == (5, 2, 0.4)
    assert report.verdicts == {
        "clear": {"clear": 1, "prompt": 1, "review": 1},
        "prompt": {"prompt": 1},
        "review": {"clear": 1},
    }
    # Chance: clear 3/5 x 2/5, prompt 1/5 x 2/5, review 1/5 x 1/5, so 9/25.
    assert report.kappa == pytest.approx((0.4 - 0.36) / 0.64, abs=1e-4)
    assert (report.newly_flagged, report.no_longer_flagged, report.other_brand) == (2, 1, 0)
    assert [one.screening_id for one in report.disagreements] == [ids[3], ids[1], ids[4]]
    assert report.disagreements[0].difference == pytest.approx(-2 * np.log(9), abs=1e-3)
    assert report.shadow_ms is not None
    assert report.shadow_ms.mean == 2.0
    assert report.served_ms is not None
    odds = [[np.log(p / (1 - p)) for _, p in side] for side in (served, shadow)]
    assert report.correlation == pytest.approx(np.corrcoef(odds)[0, 1], abs=1e-4)
    assert report.record()["since"] is not None


def test_a_report_of_nothing(kit: Kit) -> None:
    with kit.service.truth.database.read() as connection:
        report = read_report(connection, "mod_0000000000000000")
    assert (report.listings, report.agreement, report.kappa, report.disagreements) == (0, None, None, ())
