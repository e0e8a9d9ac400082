"""The second half of the day: a better model through the gates into service, a bad one refused, and back."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from screener.errors import ReleaseRefused, ReportRefused
from screener.releases.report import Report
from screener.releases.shadow_report import read_report as read_shadow
from screener.service import Service
from training.candidate.evaluate import evaluate_candidate
from training.candidate.fit import NoChange
from training.candidate.judge import train_judge
from training.candidate.report import write_candidate
from training.candidate.screened import Side
from training.day.bad import with_outcomes_swapped
from training.day.compare import Judged, gain, line_of
from training.day.marketplace import COLLEAGUE, ENGINEER, screen_rows
from training.day.record import Day
from training.finetune.data import NothingGained
from training.finetune.run import finetune
from training.frozen.freeze import freeze
from training.frozen.model import SPLITS, Frozen
from training.judge_fit import Noise

Rows = Sequence[Mapping[str, Any]]
PRECISION = 0.95
COMMAND = shlex.join(["listing-screener-train", "day"])


def freeze_and_train(day: Day, service: Service, *, fine_tune: bool) -> tuple[Frozen, list[Side]]:
    """A frozen data set and candidates made from it, the most ambitious first."""
    frozen = freeze(service.truth, day.work / "datasets")
    counts = {split: len(frozen.places(split)) for split in SPLITS}
    day.step("The data set is frozen", f"{frozen.id}: {counts}")
    served = side_of(service)
    bundles = [served.bundle]
    if fine_tune:
        out = day.work / "models" / "encoder"
        try:
            bundles.insert(
                0, finetune(frozen, served.bundle, day.work / "encoder", out, steps=day.size.steps, seed=day.seed)
            )
            day.step("The encoder is fine-tuned", f"{day.size.steps} steps")
        except NothingGained as error:
            day.step("The encoder is fine-tuned", str(error))
    return frozen, [_candidate(day, frozen, served, bundle) for bundle in bundles]


def side_of(service: Service) -> Side:
    """What a service serves."""
    paths = service.truth.models.served_paths()
    return Side(paths.bundle, paths.judge, paths.policy)


def _candidate(day: Day, frozen: Frozen, served: Side, bundle: Path) -> Side:
    same = bundle == served.bundle
    name = "same-encoder" if same else "new-encoder"
    rates = day.market.raw["appraisal"]
    try:
        made = train_judge(
            frozen,
            out=day.work / "models" / f"judge-{name}",
            policy_out=day.work / "models" / f"policy-{name}.toml",
            name="the day's judge",
            start=served.judge,
            start_policy=served.policy,
            bundle=bundle,
            noise=Noise(rates["authentic_as_counterfeit"], rates["counterfeit_as_authentic"]),
            scratch=day.work / "scratch",
            reading_ms=0,
            command=COMMAND,
        )
    except NoChange as error:
        day.step(f"A judge for the {name.replace('-', ' ')}", str(error))
        return Side(bundle, served.judge, served.policy)
    day.step(f"A judge for the {name.replace('-', ' ')}", made.judge_id)
    return Side(bundle, made.judge, made.policy)


def evaluated(day: Day, frozen: Frozen, served: Side, candidate: Side, name: str) -> Report:
    """The report of a candidate, written where people find it."""
    report = evaluate_candidate(
        frozen,
        candidate=candidate,
        serving=served,
        suite=day.work / "open-set",
        scratch=day.work / "scratch",
        reading_ms=0,
        command=COMMAND,
    )
    write_candidate(report, day.work / "reports" / name)
    failed = "; ".join(f"{gate.name}: {gate.detail}" for gate in report.failed)
    day.step(f"{name} is held against what serves", failed or "every gate is passed")
    return report


def promote_the_better(
    day: Day, service: Service, frozen: Frozen, candidates: Sequence[Side], market: Path, last_days: Rows
) -> None:
    """The first candidate that passes every gate judges in the shadow, and is promoted by two people."""
    served, releases = side_of(service), service.releases
    changed = [side for side in candidates if side != served]
    for number, side in enumerate(changed, start=1):
        report = evaluated(day, frozen, served, side, f"Candidate {number}")
        if report.passed:
            break
    else:
        day.check("a candidate passes every gate", False, f"none of {len(changed)}")
        return
    day.check("a candidate passes every gate", True, ", ".join(gate.name for gate in report.gates))
    release = releases.propose(bundle=side.bundle, judge=side.judge, policy=side.policy, report=report, actor=ENGINEER)
    service.truth.models.shadow(release.id, share=1.0, actor=ENGINEER)
    service.shadow.follow()
    screen_rows(service, market, last_days)
    service.shadow.judge_waiting()
    with service.truth.database.read() as connection:
        seen = read_shadow(connection, release.id)
    day.step("It judges in the shadow", f"{seen.listings} listings, {len(seen.disagreements)} other verdicts")
    day.check(
        "it saw live listings", seen.listings > 0, f"agreement {seen.agreement}, {service.shadow.dropped} dropped"
    )
    try:
        releases.approve(release.id, actor=ENGINEER)
        day.check("whoever proposed it cannot approve it", False, "approved alone")
    except ReleaseRefused as error:
        day.check("whoever proposed it cannot approve it", True, error.message)
    releases.approve(release.id, actor=COLLEAGUE)
    releases.promote(release.id, actor=COLLEAGUE, reason="better on every count")
    day.step(
        "It is promoted",
        f"{release.id}: {service.live.current.directory.references if service.live.current else 0} references",
    )
    day.check("it serves", releases.served_id == release.id, releases.served_id)


def compare(day: Day, next_month: Rows, before: Judged, after: Judged) -> None:
    """The table before and after, and whether recall has measurably grown."""
    day.lines = [line_of(next_month, one, day.market.prevalence) for one in (before, after)]
    day.gained = gain(next_month, before, after, day.market.prevalence, PRECISION)
    day.step("The next month is screened")
    day.check(
        "recall@P95 on the next month is measurably higher",
        day.gained[1] > 0,
        f"{day.gained[0]:+.3f} ({day.gained[1]:+.3f} to {day.gained[2]:+.3f})",
    )


def refuse_a_bad_one(day: Day, service: Service, frozen: Frozen) -> None:
    """A judge that learned the opposite does not pass, and cannot even be proposed."""
    served = side_of(service)
    bad = with_outcomes_swapped(frozen, served, day.work / "models" / "bad", scratch=day.work / "scratch")
    report = evaluated(day, frozen, served, bad, "A bad candidate")
    try:
        service.releases.propose(bundle=bad.bundle, judge=bad.judge, policy=bad.policy, report=report, actor=ENGINEER)
        day.check("a bad candidate is refused", False, "proposed")
    except ReportRefused:
        failed = ", ".join(gate.name for gate in report.failed)
        day.check("a bad candidate is refused", True, f"not passed: {failed}")


def go_back(day: Day, service: Service, market: Path, last_days: Rows) -> None:
    """One command restores the whole previous release."""
    switches = service.truth.models.switches()
    if not switches:
        day.check("a rollback restores the previous release", False, "nothing was promoted")
        return
    first = switches[0].previous_id
    service.releases.rollback(actor=ENGINEER, reason="to show that it works")
    day.check(
        "a rollback restores the previous release", service.releases.served_id == first, service.releases.served_id
    )
    answers = screen_rows(service, market, last_days[:20])
    served = service.live.current.release.id if service.live.current else ""
    day.check("and it answers", all(answer["release"] == served for answer in answers), f"{len(answers)} by {served}")
    day.step("Back")
