"""Releases over HTTP and from the shell: the steps of two people, the report of the shadow, and what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from release_kit import HALF, make_candidate, make_report, propose, register
from service_kit import ACTOR, Kit, encoded, open_tiny_service, picture, running
from typer.testing import CliRunner

from screener.cli import app
from screener.releases.shadow import Shadow


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    monkeypatch.setattr(Shadow, "run", lambda self: None)  # the tests say when
    with running(tmp_path, refresh_seconds=60) as kit:
        register(kit, range(3))
        yield kit


def ml(kit: Kit) -> dict[str, str]:
    return {"Authorization": f"Bearer {kit.service.truth.keys.create(actor=ACTOR, scope='ml')[1]}"}


def test_two_keys_promote_and_one_takes_back(kit: Kit, tmp_path: Path) -> None:
    client, one, two = kit.client, ml(kit), ml(kit)
    before = client.get("/v1/models", headers=one).json()
    assert (before["items"], before["switches"], before["fault"]) == ([], [], None)
    release = propose(kit, make_candidate(tmp_path / "new"))
    path = f"/v1/models/{release.id}"
    shown = client.get(path, headers=one).json()
    assert (shown["state"], shown["here"], len(shown["gates"])) == ("proposed", True, 7)
    assert shown["report"]["figures"] == {"auc": 0.9}
    refused = client.post(f"{path}/promote", json={"reason": "now"}, headers=one)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "illegal_state")
    assert client.post(f"{path}/approve", headers=two).json()["state"] == "approved"
    begun = client.post(f"{path}/promote", json={"reason": "better"}, headers=one)
    assert (begun.status_code, begun.json()["release_id"]) == (202, release.id)
    kit.service.releases.wait()
    now = client.get("/v1/models", headers=one).json()
    assert now["promotion"] == {"release_id": release.id, "state": "done", "done": 0, "total": 0, "fault": None}
    assert now["served"] == release.id != before["served"]
    assert [item["state"] for item in now["items"]] == ["retired", "active"]
    assert now["switches"][0]["previous_id"] == before["served"]
    wrong = client.post(f"/v1/models/{before['served']}/rollback", json={"reason": "worse"}, headers=two)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (409, "illegal_state")
    back = client.post(f"{path}/rollback", json={"reason": "worse"}, headers=two)
    assert (back.status_code, back.json()["release_id"]) == (200, before["served"])
    again = client.post(f"{path}/rollback", json={"reason": "worse"}, headers=two)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "illegal_state")
    last = client.post(f"/v1/models/{before['served']}/rollback", json={"reason": "worse"}, headers=two)
    assert last.json()["error"]["code"] == "nothing_to_roll_back"


def test_the_proposing_key_cannot_approve(kit: Kit, tmp_path: Path) -> None:
    key, plaintext = kit.service.truth.keys.create(actor=ACTOR, scope="admin")
    candidate = make_candidate(tmp_path / "new", encoder=False)
    report = make_report(candidate.models, kit.service.truth.models.served())
    paths = candidate.paths
    release = kit.service.releases.propose(
        bundle=None, judge=paths.judge, policy=paths.policy, report=report, actor=f"key:{key.id}"
    )
    headers = {"Authorization": f"Bearer {plaintext}"}
    refused = kit.client.post(f"/v1/models/{release.id}/approve", headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "second_person_needed")
    body = {"reason": "one slice is worse"}
    assert kit.client.post(f"/v1/models/{release.id}/refuse", json=body, headers=headers).json()["state"] == "refused"


def test_what_differs(kit: Kit, tmp_path: Path) -> None:
    one = propose(kit, make_candidate(tmp_path / "new", bias=-3.5))
    found = kit.client.get(f"/v1/models/{one.id}/diff", headers=kit.admin).json()
    encoder = {row["where"]: (row["first"], row["second"]) for row in found["encoder"]}
    assert encoder["dimensions"] == (64, 2 * HALF)
    assert encoder["windows"] == (0, 3)
    judge = {row["where"]: (row["first"], row["second"]) for row in found["judge"]}
    assert judge["bias"] == (-2.5, -3.5)
    assert "log_odds.fake_copy" not in judge, "the shapes are the same"
    policy = {row["where"] for row in found["policy"]}
    assert policy == {"judge"}
    two = propose(kit, make_candidate(tmp_path / "other", bias=-3.5, seed=9))
    found = kit.client.get(f"/v1/models/{two.id}/diff", params={"with": one.id}, headers=kit.admin).json()
    assert found["judge"] == found["policy"] == []
    assert found["first"]["encoder"] != found["second"]["encoder"]
    assert kit.client.get(f"/v1/models/{one.id}/diff?with=mod_0", headers=kit.admin).status_code == 404


def test_the_shadow_over_http(kit: Kit, tmp_path: Path) -> None:
    release = propose(kit, make_candidate(tmp_path / "new", encoder=False, bias=3.0))
    path = f"/v1/models/{release.id}/shadow"
    assert kit.client.post(path, json={"share": 2}, headers=kit.admin).status_code == 422
    assert kit.client.post(path, json={"share": 1}, headers=kit.admin).json()["shadow_share"] == 1
    kit.service.shadow.follow()
    for number in range(3):
        kit.screen([encoded(picture(50 + number))], listing_id=f"L-{number}")
    assert kit.service.shadow.judge_waiting() == 3
    report = kit.client.get(path, headers=kit.admin).json()
    assert (report["listings"], report["dropped"], report["agreed"]) == (3, 0, 0)
    assert report["newly_flagged"] == len(report["disagreements"]) == 3
    assert report["mean_difference"] == pytest.approx(5.5, abs=0.1)
    assert kit.client.get("/v1/models", headers=kit.admin).json()["shadow"] == release.id
    metrics = kit.client.get("/metrics").text
    assert "screener_shadow_judged_total 3.0" in metrics
    assert "screener_shadow_seconds_count 3.0" in metrics


def test_the_steps_from_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_tiny_service(tmp_path) as service:
        service.refresher.refresh()
        first = service.truth.models.served()
    names = {"bundle": "bundle", "judge": "judge", "policy": "policy.toml", "data_dir": "var"}
    for name, file in names.items():
        monkeypatch.setenv(f"SCREENER_{name.upper()}", str(tmp_path / file))
    monkeypatch.setenv("SCREENER_READING_MS", "0")
    monkeypatch.setenv("SCREENER_DATABASE_URL", "")

    def run(*arguments: object, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["models", *map(str, arguments)])
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return done.stdout if code == 0 else done.stderr

    candidate = make_candidate(tmp_path / "new")
    report = tmp_path / "report.json"
    report.write_text(json.dumps(make_report(candidate.models, first, fails="slices").to_json()))
    given = ["--bundle", candidate.paths.bundle, "--judge", candidate.paths.judge, "--policy", candidate.paths.policy]
    assert "slices was measured" in run("propose", "--report", report, *given, code=1)
    report.write_text(json.dumps(make_report(candidate.models, first).to_json()))
    release: dict[str, Any] = json.loads(run("propose", "--report", report, *given, "--json"))
    name = release["id"]
    assert "Another person" in run("approve", name, code=1)
    monkeypatch.setenv("SCREENER_RELEASE_APPROVALS", "1")
    assert "is approved" in run("approve", name)
    assert "dimensions" in run("diff", name)
    assert "judges 20% of live" in run("shadow", name, "--share", "0.2")
    assert "judged nothing" in run("shadow-report", name, code=1)
    assert json.loads(run("shadow-report", name, "--json"))["listings"] == 0
    assert "in the shadow" in run("status")
    assert "is served from now on (promote)" in run("promote", name, "--reason", "better")
    assert name in run("status")
    assert [row["state"] for row in json.loads(run("list", "--json")) if row["served"]] == ["active"]
    bundles = {row["id"]: row["served"] for row in json.loads(run("bundles", "--json")) if row["served"]}
    assert bundles == {candidate.models.encoder: True}
    assert candidate.models.encoder in run("verify")
    assert "is served from now on (rollback)" in run("rollback", "--reason", "worse")
    assert json.loads(run("status", "--json"))["models"]["judge"] == first.judge
    assert "Nothing was promoted" in run("rollback", "--reason", "worse", code=1)
    assert "The release is retired" in run("refuse", name, "--reason", "late", code=1)
    assert "stored" in run("add", *given)
    assert name in run("list")
