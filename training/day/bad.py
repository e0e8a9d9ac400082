"""A candidate that is worse, as a mistake in an import would make it: for its judge every outcome is the other one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from screener.judging.model import load_judge
from training.candidate.fit import fit_appraised
from training.candidate.judge import fitting_rows
from training.candidate.screened import Side
from training.frozen.model import Frozen
from training.judge_read import read_judge
from training.judge_write import write_judge

RIDGE = 0.01


def with_outcomes_swapped(frozen: Frozen, served: Side, folder: Path, *, scratch: Path) -> Side:
    """What is served, with a judge that was moved towards the opposite of the appraisals; `folder` is made."""
    known = load_judge(served.judge)
    rows = fitting_rows(frozen, served.bundle, scratch=scratch, reading_ms=0).labelled()
    fit = fit_appraised(read_judge(served.judge), replace(rows, y=~rows.y), ridge=RIDGE)
    identifier = write_judge(
        folder / "judge",
        fit.model,
        name="outcomes swapped",
        calibrated_on="appraisals",
        prevalence=float(known.manifest["prevalence"]),
        metrics={},
        source={"dataset": frozen.id},
        card="# Outcomes swapped\n\nMade to be refused.\n",
    )
    policy = served.policy.read_text(encoding="utf-8").replace(known.id, identifier)
    (folder / "policy.toml").write_text(policy, encoding="utf-8")
    return Side(served.bundle, folder / "judge", folder / "policy.toml")
