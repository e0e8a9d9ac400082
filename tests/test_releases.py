"""Promoting and rolling back: two people, whole releases only, and not one request that fails meanwhile."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from fault_kit import SLICE, launching
from release_kit import ONE, TWO, approved, evidence_of, make_candidate, make_report, propose, register
from service_kit import Kit, encoded, open_tiny_service, picture, running

from brands import audit
from brands.errors import Conflict, Invalid, NotFound
from brands.keys import Keys
from brands.model import BrandDetails
from brands.schema import audit as audit_rows
from brands.schema import embeddings
from index.snapshot import load_snapshot
from screener.errors import BundleRefused, ReleaseRefused, ReportRefused
from screener.release import read_pointer
from screener.releases.report import GATES, Models
from screener.releases.store import ids_of


@pytest.fixture
def kit(tmp_path: Path, empty_database_url: str) -> Iterator[Kit]:
    """A service that follows only when a test says so, on both databases."""
    with running(tmp_path, refresh_seconds=60, database_url=empty_database_url) as kit:
        yield kit


@pytest.fixture
def sqlite_kit(tmp_path: Path) -> Iterator[Kit]:
    with running(tmp_path, refresh_seconds=60) as kit:
        yield kit


def served(kit: Kit) -> Models:
    return kit.service.refresher.opened.ids


def test_a_promotion_switches_everything_and_a_rollback_all_of_it_back(kit: Kit, tmp_path: Path) -> None:
    _, (reference, *_) = register(kit, range(3))
    candidate, before = make_candidate(tmp_path / "new"), served(kit)
    first, found = evidence_of(kit, 0, "L-1")
    assert reference.id in found
    release = approved(kit, candidate)
    progress: list[tuple[int, int]] = []
    switch = kit.service.releases.promote(
        release.id, actor=TWO, reason="better", progress=lambda *told: progress.append(told)
    )
    assert progress[-1] == (3, 3)
    serving = kit.service.live.current
    assert serving is not None
    assert served(kit) == candidate.models == Models(serving.engine.id, serving.judge.id, serving.policy.id)
    assert serving.snapshot.manifest.encoder_id == candidate.models.encoder
    assert serving.snapshot.vectors.shape == (3, serving.engine.bundle.dim)
    data = kit.service.truth.settings.data_dir
    assert read_pointer(data) == serving.release
    second, found = evidence_of(kit, 0, "L-2")
    assert second == serving.release.id != first
    assert reference.id in found
    # Whatever looks at pictures looks with what is served.
    assert kit.service.inspector.encoder_id == kit.service.encoder.bundle.id == candidate.models.encoder
    assert kit.service.recent is serving.engine.recent
    states = {one.models: one.state for one in kit.service.truth.models.list()}
    assert states == {before: "retired", candidate.models: "active"}

    back = kit.service.releases.rollback(actor=ONE, reason="it prompts too much")
    assert (back.kind, back.previous_id, switch.kind) == ("rollback", None, "promote")
    assert served(kit) == before
    third, found = evidence_of(kit, 0, "L-3")
    assert third == first
    assert reference.id in found
    states = {one.models: one.state for one in kit.service.truth.models.list()}
    assert states == {before: "active", candidate.models: "retired"}
    with kit.service.truth.database.read() as connection:
        assert audit.verify(connection).ok
        actions = connection.execute(
            sa.select(audit_rows.c.action).where(audit_rows.c.kind == "model").order_by(audit_rows.c.sequence)
        ).scalars()
        assert list(actions) == [
            "model.propose", "model.approve", "model.first", "model.retire", "model.promote", "model.retire",
            "model.rollback",
        ]  # fmt: skip


def test_a_second_rollback_goes_back_further_and_a_third_has_nowhere_to_go(sqlite_kit: Kit, tmp_path: Path) -> None:
    kit, first = sqlite_kit, served(sqlite_kit)
    releases = kit.service.releases
    second = make_candidate(tmp_path / "second", encoder=False)
    releases.promote(approved(kit, second).id, actor=ONE, reason="better")
    third = make_candidate(tmp_path / "third", encoder=False, bias=-4.0)
    releases.promote(approved(kit, third).id, actor=ONE, reason="better still")
    assert served(kit) == third.models
    assert releases.rollback(actor=ONE, reason="worse").previous_id is not None
    assert served(kit) == second.models
    releases.rollback(actor=ONE, reason="worse too")
    assert served(kit) == first
    with pytest.raises(Conflict) as caught:
        releases.rollback(actor=ONE, reason="further")
    assert caught.value.code == "nothing_to_roll_back"
    # What was retired comes back only with a report of today.
    releases.promote(approved(kit, third).id, actor=ONE, reason="after all")
    assert served(kit) == third.models
    releases.rollback(actor=TWO, reason="no")
    assert served(kit) == first


def test_no_request_fails_while_models_are_switched(sqlite_kit: Kit, tmp_path: Path) -> None:
    kit = sqlite_kit
    brand, _ = register(kit, range(4))
    release = approved(kit, make_candidate(tmp_path / "new"))
    stop, answers, looks = threading.Event(), [], []

    def publish(worker: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            seed = number % 6 if worker else 1000 + number  # known pictures, and ones that are always new
            answers.append(kit.screen([encoded(picture(seed))], listing_id=f"L-{worker}-{number}"))

    def look() -> None:
        """What brands and reviewers ask for: previews, coverage."""
        number = 0
        while not stop.is_set():
            number += 1
            image = encoded(picture(2000 + number))
            looks.append(
                kit.client.post(
                    f"/v1/brands/{brand.id}/references/preview",
                    data={"kind": "authentic"},
                    files={"image": ("x.png", image, "image/png")},
                    headers=kit.admin,
                ).status_code
            )
            looks.append(kit.client.get(f"/v1/brands/{brand.id}/coverage", headers=kit.admin).status_code)

    threads = [threading.Thread(target=publish, args=(worker,)) for worker in range(3)]
    threads.append(threading.Thread(target=look))
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            kit.service.releases.promote(release.id, actor=TWO, reason="better")
            kit.service.releases.rollback(actor=TWO, reason="worse")
            release = approved(kit, make_candidate(tmp_path / "new"))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert set(looks) == {200}
    assert len({answer.json()["release"] for answer in answers}) == 2
    assert all(image["status"] == "screened" for answer in answers for image in answer.json()["images"])
    with kit.service.truth.database.read() as connection:
        dims = {
            (row.encoder_id, len(row.vectors) // len(row.regions)) for row in connection.execute(sa.select(embeddings))
        }
    assert len(dims) == 2, "every encoder keeps vectors of its own length"


def test_the_proposer_cannot_approve(kit: Kit, tmp_path: Path) -> None:
    keys, releases = kit.service.truth.keys, kit.service.releases
    old, _ = keys.create(actor=ONE, scope="ml")
    new, _ = keys.rotate(actor=ONE, key_id=old.id)
    candidate = make_candidate(tmp_path / "new", encoder=False)
    paths, report = candidate.paths, make_report(candidate.models, served(kit))
    release = releases.propose(
        bundle=None, judge=paths.judge, policy=paths.policy, report=report, actor=f"key:{old.id}"
    )
    assert release.models == candidate.models
    for same in (old, new):
        with pytest.raises(ReleaseRefused) as caught:
            releases.approve(release.id, actor=f"key:{same.id}")
        assert (caught.value.code, caught.value.status) == ("second_person_needed", 403)
    with pytest.raises(Conflict):
        releases.promote(release.id, actor=TWO, reason="now")
    releases.approve(release.id, actor=TWO)
    with pytest.raises(Conflict):
        releases.approve(release.id, actor=TWO)
    # Proposed anew, it has to be approved anew.
    releases.propose(bundle=None, judge=paths.judge, policy=paths.policy, report=report, actor=ONE)
    with pytest.raises(Conflict):
        releases.promote(release.id, actor=TWO, reason="now")
    assert releases.registry.refuse(release.id, actor=ONE, reason="a slice is worse").state == "refused"
    with pytest.raises(Conflict):
        releases.approve(release.id, actor=TWO)
    assert served(kit) == report.serving


def test_one_person_is_enough_where_the_settings_say_so(tmp_path: Path) -> None:
    with running(tmp_path, refresh_seconds=60, release_approvals=1) as kit:
        candidate = make_candidate(tmp_path / "new", encoder=False)
        release = propose(kit, candidate)
        kit.service.releases.approve(release.id, actor=ONE)
        kit.service.releases.promote(release.id, actor=ONE, reason="better")
        assert served(kit) == candidate.models


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_that_was_not_passed_refuses(sqlite_kit: Kit, tmp_path: Path, gate: str) -> None:
    candidate = make_candidate(tmp_path / "new", encoder=False)
    report = make_report(candidate.models, served(sqlite_kit), fails=gate)
    (tmp_path / "report.json").write_text(json.dumps(report.to_json()))
    with pytest.raises(ReportRefused) as caught:
        sqlite_kit.service.releases.propose(
            bundle=None,
            judge=candidate.paths.judge,
            policy=candidate.paths.policy,
            report=tmp_path / "report.json",
            actor=ONE,
        )
    assert caught.value.code == "gate_not_passed"
    assert gate in caught.value.message
    assert sqlite_kit.service.truth.models.list() == ()


def test_a_report_of_something_else_is_refused(sqlite_kit: Kit, tmp_path: Path) -> None:
    kit, releases = sqlite_kit, sqlite_kit.service.releases
    candidate, other = (
        make_candidate(tmp_path / name, encoder=False, bias=b) for name, b in (("a", -3.0), ("b", -4.0))
    )

    def proposed(report: object, policy: Path | None = None) -> str:
        paths = candidate.paths
        with pytest.raises((ReportRefused, ReleaseRefused, Conflict)) as caught:
            releases.propose(
                bundle=None,
                judge=paths.judge,
                policy=policy or paths.policy,
                report=report,
                actor=ONE,  # type: ignore[arg-type]  # each is a report
            )
        code: str = caught.value.code
        return code

    good = make_report(candidate.models, served(kit))
    assert proposed(make_report(other.models, served(kit))) == "report_refused"
    assert proposed(replace(good, serving=other.models)) == "report_outdated"
    assert proposed(replace(good, figures={"auc": float("nan")})) == "report_refused"
    mixed = replace(candidate.models, policy=other.models.policy)
    assert proposed(make_report(mixed, served(kit)), other.paths.policy) == "policy_of_another_judge"
    # Measured against what is served no more: refused at the promotion too.
    release = approved(kit, candidate)
    releases.promote(approved(kit, other).id, actor=TWO, reason="sooner")
    with pytest.raises(ReportRefused) as caught:
        releases.promote(release.id, actor=TWO, reason="later")
    assert (caught.value.code, caught.value.status) == ("report_outdated", 409)
    assert served(kit) == other.models
    with pytest.raises(Invalid):
        releases.rollback(actor=TWO, reason=" ")
    with pytest.raises(NotFound):
        releases.registry.get("mod_0")


def test_a_start_serves_what_was_promoted_and_the_settings_only_when_told(tmp_path: Path) -> None:
    with running(tmp_path, refresh_seconds=60) as kit:
        first = served(kit)
        register(kit, range(2))
        candidate = make_candidate(tmp_path / "new")
        kit.service.releases.promote(approved(kit, candidate).id, actor=TWO, reason="better")
    for settings, expected in (({}, candidate.models), ({"release": "settings"}, first)):
        with open_tiny_service(tmp_path, **settings) as service:
            service.refresher.refresh()
            assert service.refresher.opened.ids == expected
            serving = service.live.current
            assert serving is not None
            assert serving.snapshot.manifest.encoder_id == expected.encoder
    # The models of the settings are needed no more: what was served first is in the store.
    for name in ("bundle", "judge"):
        (tmp_path / name).rename(tmp_path / f"{name}-gone")
    with open_tiny_service(tmp_path, bundle="", judge="", policy="") as service:
        assert service.refresher.opened.ids == candidate.models
        service.releases.rollback(actor=ONE, reason="worse")
        assert service.refresher.opened.ids == first


def test_a_damaged_model_is_refused_and_what_was_served_goes_on(sqlite_kit: Kit, tmp_path: Path) -> None:
    kit, first = sqlite_kit, served(sqlite_kit)
    register(kit, range(2))
    candidate = make_candidate(tmp_path / "new")
    release = approved(kit, candidate)
    stored = kit.service.truth.settings.data_dir / "models" / candidate.models.encoder / "image.onnx"
    whole = stored.read_bytes()
    stored.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BundleRefused):
        kit.service.releases.promote(release.id, actor=TWO, reason="better")
    assert kit.service.truth.models.switches() == ()
    # Another server may promote it; this one goes on with what it has, and says so.
    kit.service.truth.models.promote(release.id, actor=TWO, reason="better")
    with pytest.raises(BundleRefused):
        kit.service.releases.follow()
    assert served(kit) == first
    assert kit.service.releases.fault is not None
    assert "screener_release_pending 1.0" in kit.client.get("/metrics").text
    evidence_of(kit, 0)
    stored.write_bytes(whole)
    assert kit.service.releases.follow()
    assert served(kit) == candidate.models
    assert "screener_release_pending 0.0" in kit.client.get("/metrics").text


def test_a_start_goes_on_with_the_last_whole_release(tmp_path: Path) -> None:
    with running(tmp_path, refresh_seconds=60) as kit:
        first = served(kit)
        candidate = make_candidate(tmp_path / "new")
        release = approved(kit, candidate)
        kit.service.truth.models.promote(release.id, actor=TWO, reason="better")  # killed before it followed
    judge = tmp_path / "var" / "judges" / candidate.models.judge / "judge.onnx"
    whole = judge.read_bytes()
    judge.write_bytes(whole[:-1])
    with open_tiny_service(tmp_path) as service:
        service.refresher.refresh()
        assert service.refresher.opened.ids == first
        service.releases.keep()
        assert service.refresher.opened.ids == first
        assert service.releases.fault is not None
    judge.write_bytes(whole)
    with open_tiny_service(tmp_path) as service:
        assert service.refresher.opened.ids == candidate.models


def test_the_keeper_follows_another_process(tmp_path: Path) -> None:
    with running(tmp_path, refresh_seconds=0.02) as kit:
        register(kit, range(2))
        candidate = make_candidate(tmp_path / "new")
        release = approved(kit, candidate)
        with open_tiny_service(tmp_path) as other:
            other.refresher.refresh()
            other.releases.promote(release.id, actor=TWO, reason="better")
        seen = threading.Event()
        for _ in range(1500):
            if served(kit) == candidate.models or seen.wait(0.02):
                break
        assert served(kit) == candidate.models
        assert evidence_of(kit, 0)[1]


def test_a_server_with_a_folder_of_its_own_needs_the_models(tmp_path: Path, empty_database_url: str) -> None:
    with running(tmp_path, refresh_seconds=60, database_url=empty_database_url) as kit:
        register(kit, range(2))
        candidate, first = make_candidate(tmp_path / "new"), served(kit)
        with open_tiny_service(tmp_path, data_dir=tmp_path / "other", database_url=empty_database_url) as other:
            other.refresher.refresh()
            kit.service.releases.promote(approved(kit, candidate).id, actor=TWO, reason="better")
            with pytest.raises(ReleaseRefused) as caught:
                other.releases.follow()
            assert caught.value.code == "model_missing"
            assert other.refresher.opened.ids == first
            other.releases.keep()  # not tried again at once
            assert other.releases.fault is not None
            other.truth.models.store.add(candidate.paths)
            assert other.releases.follow()
            assert (other.refresher.opened.ids, other.releases.fault) == (candidate.models, None)


def test_the_store_keeps_what_it_has(sqlite_kit: Kit, tmp_path: Path) -> None:
    store = sqlite_kit.service.truth.models.store
    candidate = make_candidate(tmp_path / "new")
    assert store.add(candidate.paths) == store.add(candidate.paths) == candidate.models
    assert ids_of(store.find(candidate.models)) == candidate.models
    card = candidate.paths.bundle / "manifest.json"
    fields = json.loads(card.read_text())
    card.write_text(json.dumps(fields | {"name": "another"}))
    with pytest.raises(ReleaseRefused) as caught:
        store.add(candidate.paths)
    assert caught.value.code == "model_differs"
    unknown = replace(candidate.models, judge="jdg_0")
    with pytest.raises(ReleaseRefused, match="judge"):
        store.find(unknown)
    assert not store.holds(unknown)
    assert asdict(unknown)["judge"] == "jdg_0"


def test_an_engine_is_closed_some_time_after_its_last_request(sqlite_kit: Kit, tmp_path: Path) -> None:
    kit = sqlite_kit
    now = [1000.0]
    kit.service.releases._clock = lambda: now[0]
    engine = kit.service.engine
    kit.service.releases.promote(approved(kit, make_candidate(tmp_path / "new")).id, actor=TWO, reason="better")
    kit.service.releases.keep()
    pixels = engine.pool.decode(encoded(picture(1)))
    assert engine.encoder.encode_pixels(pixels.pixels).shape == (4, 64)
    now[0] += 91
    kit.service.releases.keep()
    with pytest.raises(RuntimeError):
        engine.encoder.encode_pixels(pixels.pixels)
    kit.service.releases.rollback(actor=ONE, reason="worse")  # opens another
    assert kit.service.engine is not engine
    assert kit.service.engine.id == engine.id


@pytest.mark.faults
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_a_promotion_and_a_rollback_can_be_killed_at_any_step(tmp_path: Path) -> None:
    stride = 10 if int(os.environ.get("FAULTS_KILLS", "6")) < 50 else 1
    command = [sys.executable, "-W", "error", "tests/release_crash.py", str(tmp_path), str(stride)]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 200 // stride


@pytest.mark.faults
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
@pytest.mark.timeout(300)
def test_a_server_killed_while_it_promotes_starts_with_one_whole_release(tmp_path: Path) -> None:
    """A real server, killed at random moments between the request and the switch; its successor serves old or new."""
    chance, moments = random.Random(7), []
    with open_tiny_service(tmp_path) as service:
        service.refresher.refresh()
        first = service.truth.models.served()
        headers = bearer_of(service.truth.keys)
        registry = service.truth.registry
        brand = registry.add_brand(actor=ONE, details=BrandDetails(name="Norvell"))
        for seed in range(6):
            registry.add_reference(
                actor=ONE, brand_id=brand.id, kind="known_fake", data=encoded(picture(seed)), width=200, height=160
            )
        candidate = make_candidate(tmp_path / "new")
    paths = {"bundle": tmp_path / "bundle", "judge": tmp_path / "judge", "policy": tmp_path / "policy.toml"}
    small = {"decode_workers": 1, "encode_workers": 1, "refresh_seconds": 0.05, "reading_ms": 0, "log_level": "warning"}
    with launching(tmp_path, data_dir=tmp_path / "var", **paths, **small) as launcher:
        server = launcher.start()
        for turn in range(4):
            server.wait_ready()
            with open_tiny_service(tmp_path, decode_workers=1) as service:
                models = service.truth.models
                if models.served() != first:
                    models.rollback(actor=ONE, reason="again")
                report = make_report(candidate.models, first)
                release = models.propose(candidate.paths, report, actor=ONE)
                models.approve(release.id, actor=TWO)
                with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
                    begun = client.post(f"/v1/models/{release.id}/promote", json={"reason": "better"})
                    assert begun.status_code == 202, begun.text
                if turn % 2:  # as soon as it is committed, before it can be followed
                    while models.served() != candidate.models:
                        assert not server.ended(SLICE)
                assert not server.ended(chance.uniform(0, 0.1))
                server.kill()
                moments.append(models.served() == candidate.models)
                server = launcher.start()
                server.wait_ready()
                with httpx.Client(base_url=server.url) as client:
                    ready = client.get("/readyz").json()
                assert ready["encoder"] == models.served().encoder in (first.encoder, candidate.models.encoder)
                pointer = read_pointer(tmp_path / "var")
                assert pointer is not None
                assert pointer.id == ready["release"]
                assert (pointer.judge, pointer.policy) == (models.served().judge, models.served().policy)
                load_snapshot(tmp_path / "var" / "index" / pointer.snapshot, encoder_id=pointer.encoder)
    assert any(moments)
    print(f"killed after the commit: {sum(moments)} of {len(moments)}")


def bearer_of(keys: Keys) -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.create(actor=ONE, scope='ml')[1]}"}
