"""Reads a judge's graph back as shapes, exact to float32, so that training can begin from what serves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from screener.judging.features import FEATURES
from screener.judging.model import GRAPH, load_judge
from training.errors import TrainingError
from training.judge_fit import Additive, Shape

_PROBES = 256
_TOLERANCE = 1e-3
"""Log-odds; what `screener.judging.model` asks of a graph too."""


def read_judge(folder: Path) -> Additive:
    """The additive model of a judge that `training.judge_write` wrote.

    Raises
    ------
    JudgeRefused
        as loading it for serving does
    TrainingError
        for a graph of another make, told by the log-odds that it gives
    """
    served = load_judge(folder)
    graph = onnx.load(str(folder / GRAPH)).graph
    kept = {one.name: numpy_helper.to_array(one).astype(np.float64) for one in graph.initializer}
    try:
        starts, widths, slopes, first = (kept[name] for name in ("starts", "widths", "slopes", "first"))
        bias = float(kept["bias"])
    except KeyError as error:
        raise TrainingError(f"judge {folder} has no shapes to begin from: it was not made by this package") from error
    shapes = []
    for row in range(len(FEATURES)):
        used = widths[row] > 0
        knots = np.append(starts[row, used], starts[row, used][-1:] + widths[row, used][-1:])
        rises = np.cumsum(widths[row, used] * slopes[row, used])
        shapes.append(Shape(knots, np.concatenate([[first[row]], first[row] + rises])))
    model = Additive(bias, tuple(shapes))
    generator = np.random.default_rng(0)
    x = np.stack([generator.uniform(feature.low, feature.high, _PROBES) for feature in FEATURES], axis=1)
    x[generator.random(x.shape) < 0.1] = np.nan
    if np.abs(served.judge_many(x.astype(np.float32))[1] - model.log_odds(x)).max() > _TOLERANCE:
        raise TrainingError(f"judge {folder} gives other log-odds than its shapes: it was not made by this package")
    return model
