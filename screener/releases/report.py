"""What an evaluation says of a candidate: written by training, read before anything may be proposed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from screener.errors import ReportRefused
from screener.manifest import same_keys

FORMAT: Final = 1
GATES: Final = ("leakage", "parity", "latency", "evidence", "slices", "open_set", "leave_one_out")
"""Every gate that a candidate has to pass, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Models:
    """The ids of an encoder bundle, a judge and a policy."""

    encoder: str
    judge: str
    policy: str


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of a promotion, and what was measured, in words for people."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """A candidate held against what is served; `dataset` is the id of the frozen data set, `figures` are JSON."""

    made_at: str
    candidate: Models
    serving: Models
    dataset: str
    gates: tuple[Gate, ...]
    figures: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Whether every gate was."""
        return all(gate.passed for gate in self.gates)

    @property
    def failed(self) -> Sequence[Gate]:
        """The gates that were not passed."""
        return [gate for gate in self.gates if not gate.passed]

    def to_json(self) -> dict[str, Any]:
        """The JSON that `read_report` reads."""
        models = {
            name: {"encoder": own.encoder, "judge": own.judge, "policy": own.policy}
            for name, own in (("candidate", self.candidate), ("serving", self.serving))
        }
        gates = [{"name": gate.name, "passed": gate.passed, "detail": gate.detail} for gate in self.gates]
        return {
            "format": FORMAT, "made_at": self.made_at, **models, "dataset": self.dataset, "gates": gates,
            "passed": self.passed, "figures": dict(self.figures),
        }  # fmt: skip


def read_report(path: Path) -> Report:
    """Reads a report.

    Raises
    ------
    ReportRefused
        for what is no report, and for one that does not say of every gate whether it was passed
    """
    try:
        return parse_report(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ReportRefused(f"report {path}: {error}") from error


def parse_report(fields: Any) -> Report:
    """The report in JSON values. ValueError, TypeError or KeyError says what does not fit."""
    same_keys(
        "report",
        fields,
        {"format", "made_at", "candidate", "serving", "dataset", "gates", "passed", "figures"},
    )
    if fields["format"] != FORMAT:
        raise ValueError(f"unknown format, this version reads {FORMAT}")
    gates = tuple(Gate(str(gate["name"]), gate["passed"] is True, str(gate["detail"])) for gate in fields["gates"])
    if tuple(gate.name for gate in gates) != GATES:
        raise ValueError(f"the gates must be {', '.join(GATES)}")
    report = Report(
        made_at=str(fields["made_at"]),
        candidate=Models(**fields["candidate"]),
        serving=Models(**fields["serving"]),
        dataset=str(fields["dataset"]),
        gates=gates,
        figures=dict(fields["figures"]),
    )
    if report.passed != fields["passed"]:
        raise ValueError("`passed` does not follow from the gates")
    return report
