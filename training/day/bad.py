"""A candidate that is worse, as a broken export would make it: a judge for which pictures say nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from screener.judging.features import FEATURES
from screener.judging.model import load_judge
from training.candidate.screened import Side
from training.judge_fit import Additive
from training.judge_read import read_judge
from training.judge_write import write_judge

SEEN = frozenset({"pictures", "recognition"})


def without_pictures(served: Side, folder: Path) -> Side:
    """What is served, with a judge to which pictures say nothing; `folder` is made."""
    known, judge = load_judge(served.judge), read_judge(served.judge)
    shapes = tuple(
        replace(shape, values=np.zeros_like(shape.values)) if feature.stage in SEEN else shape
        for feature, shape in zip(FEATURES, judge.shapes, strict=True)
    )
    broken = Additive(judge.bias, shapes)
    identifier = write_judge(
        folder / "judge",
        broken,
        name="a broken export",
        calibrated_on="appraisals",
        prevalence=float(known.manifest["prevalence"]),
        metrics={},
        source={},
        card="# A broken export\n\nMade to be refused.\n",
    )
    policy = served.policy.read_text(encoding="utf-8").replace(known.id, identifier)
    (folder / "policy.toml").write_text(policy, encoding="utf-8")
    return Side(served.bundle, folder / "judge", folder / "policy.toml")
