"""What the tests of releases share: candidates of other models, and reports that let them through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fixed_judge import BIAS, make_fixed_judge
from service_kit import Kit, encoded, picture
from tiny_bundle import WINDOWS, make_tiny_bundle

from brands.model import Brand, Reference
from screener.releases.report import GATES, Gate, Models, Report
from screener.releases.rows import ModelRelease
from screener.releases.store import Paths, ids_of

ONE, TWO = "cli:ada", "cli:bea"
HALF = 24
"""Half the length of a candidate's vectors: another than that of what is served first."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate's models on disk."""

    paths: Paths

    @property
    def models(self) -> Models:
        return ids_of(self.paths)


def make_candidate(folder: Path, *, encoder: bool = True, bias: float = BIAS - 1.0, seed: int = 1) -> Candidate:
    """Another judge with its policy and, unless told otherwise, an encoder of other length and preparation."""
    folder.mkdir(parents=True, exist_ok=True)
    make_fixed_judge(folder, bias=bias, name="candidate")
    bundle = folder / "bundle"
    if encoder:
        make_tiny_bundle(bundle, seed=seed, dense=WINDOWS, half=HALF)
    else:
        bundle = folder.parent / "bundle"  # where `service_kit` puts the one that is served
    return Candidate(Paths(bundle, folder / "judge", folder / "policy.toml"))


def make_report(candidate: Models, serving: Models, *, fails: str | None = None) -> Report:
    """A report of a candidate that passed every gate, or all but one."""
    gates = tuple(Gate(name, name != fails, f"{name} was measured") for name in GATES)
    return Report(
        made_at="2026-01-31T00:00:00Z",
        candidate=candidate,
        serving=serving,
        dataset="dst_0123456789abcdef",
        gates=gates,
        figures={"auc": 0.9},
    )


def propose(kit: Kit, candidate: Candidate) -> ModelRelease:
    """Proposed by the first person, with a report that fits."""
    report = make_report(candidate.models, kit.service.truth.models.served())
    paths = candidate.paths
    return kit.service.releases.propose(
        bundle=paths.bundle, judge=paths.judge, policy=paths.policy, report=report, actor=ONE
    )


def approved(kit: Kit, candidate: Candidate) -> ModelRelease:
    """Proposed by the first person and approved by the second."""
    return kit.service.releases.approve(propose(kit, candidate).id, actor=TWO)


def register(kit: Kit, seeds: range, name: str = "Norvell") -> tuple[Brand, list[Reference]]:
    """A brand with a reference of each picture, served."""
    brand = kit.add_brand(name)
    references = [kit.add_reference(brand, "known_fake", picture(seed)) for seed in seeds]
    kit.refresh()
    return brand, references


def evidence_of(kit: Kit, seed: int, listing_id: str = "L-1") -> tuple[str, set[str]]:
    """The release that judged a listing with this picture, and the references it was like."""
    answer = kit.screen([encoded(picture(seed))], listing_id=listing_id).json()
    return answer["release"], {entry["reference_id"] for entry in answer["evidence"]}
