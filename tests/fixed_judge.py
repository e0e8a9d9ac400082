"""A judge with weights set by hand and a policy for it, so that tests of the flow do not depend on what was trained."""

from pathlib import Path

import numpy as np

from screener.judging.features import FEATURES
from training.judge_fit import Additive, Shape
from training.judge_write import write_judge

BIAS = -2.5
SHAPES: dict[str, tuple[list[float], list[float]]] = {
    "fake_copy": ([0, 0.5, 1], [0, 5, 5]),
    "fake_look": ([0, 1], [0, 2.2]),
    "official_copy": ([0, 1], [0, 0.4]),
    "negative_look": ([0, 1], [0, -1.5]),
    "brand_evidence": ([0, 0.4, 1], [-0.5, 0, 0]),
    "authorised_seller": ([0, 1], [0, -3.5]),
    "price_ratio": ([-6, -0.7, 3], [4, 0, 0]),
    "replica_words": ([0, 0.5, 2], [0, 1, 3]),
    "name_disguised": ([0, 1], [0, 2.4]),
    "brands_disagree": ([0, 1], [0, 0.8]),
    "declared_disagrees": ([0, 1], [0, 0.5]),
    "mark_covered": ([0, 1], [0, 1]),
    "seller_age": ([0, 3, 4], [0.75, 0, -0.25]),
    "upheld_reports": ([0, 6], [0, 4]),
    "known_fake_listings": ([0, 6], [0, 6]),
    "linked_known_fakes": ([0, 6], [0, 4]),
    "complaints": ([0, 6], [0, 4]),
    "photo_reuse": ([0, 1], [0, 0.3]),
}
POLICY = """\
format = 1
name = "fixed"
judge = "{judge}"
[target]
prompt_precision = 0.9
review_precision = 0.95
confidence = 0.95
false_prompts = 20.0
[floor]
known_fake = "review"
[default]
prompt = 0.5
review = 0.8
hold = 0.97
[category.watches]
prompt = 0.3
[exposure]
undecided = 1000000
"""


def make_fixed_judge(folder: Path, *, bias: float = BIAS, name: str = "fixed") -> Path:
    """Writes `judge/` and `policy.toml` into `folder`; gives `folder`."""
    shapes = []
    for feature in FEATURES:
        knots, values = SHAPES.get(feature.name, ([feature.low, feature.high], [0.0, 0.0]))
        shapes.append(Shape(np.array(knots, dtype=float), np.array(values, dtype=float)))
    judge = write_judge(
        folder / "judge",
        Additive(bias, tuple(shapes)),
        name=name,
        calibrated_on="simulation",
        prevalence=0.05,
        metrics={},
        source={},
        card="# Fixed\n",
    )
    (folder / "policy.toml").write_text(POLICY.format(judge=judge), encoding="utf-8")
    return folder
