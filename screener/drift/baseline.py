"""What listings looked like when the judge was made: histograms of the score and of every feature, and shares.

A judge's folder may carry one (`FILE`): it holds counts and edges only, no listing, no seller and no brand, so that it
goes with the model wherever the model goes and nothing of it has ever to be erased.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from brands.durable import write_new
from screener.errors import JudgeRefused
from screener.judging.features import NAMES, VERSION
from screener.manifest import same_keys, strict_json

FILE: Final = "baseline.json"
FORMAT: Final = 1
FINE: Final = 100
"""Most bins for the values of a histogram; KS is read from these, and `screener.drift.figures` joins them for PSI."""
_DIGITS: Final = 6
"""Decimals of a recorded feature: values that differ by less are one."""

SCORE_DIGITS: Final = 4
"""Decimals of a score, as answers have them."""

Source = Literal["training", "screenings"]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How values are spread: bin `i` has those over `edges[i - 1]` and up to and with `edges[i]`.

    The first bin and the last are for what lies outside of all that was seen, so they are empty here. `counts` may be
    fractions, where rows have weights; `missing` of the rows had no value.
    """

    edges: tuple[float, ...]
    counts: tuple[float, ...]
    missing: float

    @property
    def rows(self) -> float:
        """Rows with and without a value."""
        return sum(self.counts) + self.missing

    def count(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """How many of other values (n,), NaN for missing, lie in each bin (bins,), and how many are missing."""
        known = np.round(values[~np.isnan(values)], _DIGITS)
        bins = np.searchsorted(np.asarray(self.edges), known, side="left")
        counts = np.bincount(bins, minlength=len(self.edges) + 1).astype(np.float64)
        return counts, float(len(values) - len(known))


@dataclass(frozen=True, slots=True)
class Baseline:
    """What listings looked like at a time. `rows` is their number; with weights, the number that is worth as much."""

    source: Source
    rows: float
    since: str
    until: str
    score: Histogram
    features: Mapping[str, Histogram]
    verdicts: Mapping[str, float]
    brand_status: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The JSON that `parse_baseline` reads."""
        return {
            "format": FORMAT,
            "features_version": VERSION,
            "source": self.source,
            "rows": self.rows,
            "since": self.since,
            "until": self.until,
            "score": _record(self.score),
            "features": {name: _record(self.features[name]) for name in NAMES},
            "verdicts": dict(sorted(self.verdicts.items())),
            "brand_status": dict(sorted(self.brand_status.items())),
        }


def baseline_of(
    features: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    *,
    verdicts: Sequence[str],
    brand_status: Sequence[str],
    source: Source,
    since: str,
    until: str,
    weights: NDArray[np.floating[Any]] | None = None,
) -> Baseline:
    """The baseline of n rows: features (n, F), NaN for missing; probabilities (n,); verdict and brand status of each.

    `since` and `until` are days (ISO 8601). `weights` (n,) say for how many listings each row stands, as rows that
    were chosen for a reason do not stand for the rest: shares are weighted, and the rows count as many as give the
    same precision without weights (Kish, Survey Sampling, 1965: the square of the sum over the sum of squares).
    ValueError for shapes that do not fit, for no rows, and for weights that are not positive.
    """
    n = len(scores)
    if n == 0 or features.shape != (n, len(NAMES)) or len(verdicts) != n or len(brand_status) != n:
        raise ValueError(f"a baseline needs n > 0 rows of {len(NAMES)} features, scores, verdicts and brands")
    if weights is not None and weights.shape != (n,):
        raise ValueError("weights must have one entry a row")
    scale = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if not np.all(np.isfinite(scale)) or scale.min() <= 0:
        raise ValueError("weights must be positive")
    rows = float(scale.sum() ** 2 / (scale**2).sum())
    scale = scale * (rows / scale.sum())
    wide = np.asarray(features, dtype=np.float64)
    return Baseline(
        source=source,
        rows=rows,
        since=since,
        until=until,
        score=histogram(np.asarray(scores, dtype=np.float64).round(SCORE_DIGITS), scale),
        features={name: histogram(wide[:, column], scale) for column, name in enumerate(NAMES)},
        verdicts=shares(verdicts, scale),
        brand_status=shares(brand_status, scale),
    )


def histogram(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Histogram:
    """The histogram of values (n,), NaN for missing, with up to `FINE` bins of about the same weight (n,).

    Where there are few different values, each has a bin; of many, one that is worth a bin by itself has one of its own:
    most features are 0 for most listings, and equal bins would lose what is left.
    """
    known = ~np.isnan(values)
    distinct, places = np.unique(np.round(values[known], _DIGITS), return_inverse=True)
    mass = np.bincount(places.ravel(), weights=weights[known], minlength=len(distinct))
    missing = float(weights[~known].sum())
    if not len(distinct):
        return Histogram((), (0.0,), missing)
    below = float(distinct[0]) - 10.0**-_DIGITS
    if len(distinct) <= FINE:
        return Histogram((below, *distinct.tolist()), (0.0, *mass.tolist(), 0.0), missing)
    alone = mass >= mass.sum() / FINE
    target = mass[~alone].sum() / (FINE - alone.sum())
    edges, counts, held = [], [], 0.0
    for n, (value, here) in enumerate(zip(distinct.tolist(), mass.tolist(), strict=True)):
        held += here
        last, next_alone = n == len(distinct) - 1, n + 1 < len(distinct) and bool(alone[n + 1])
        if last or alone[n] or next_alone or held >= target:
            edges.append(value)
            counts.append(held)
            held = 0.0
    return Histogram((below, *edges), (0.0, *counts, 0.0), missing)


def shares(words: Sequence[str], weights: NDArray[np.float64]) -> dict[str, float]:
    """The share of each word (n,) by weight (n,)."""
    found: Counter[str] = Counter()
    for word, weight in zip(words, weights.tolist(), strict=True):
        found[word] += weight
    total = sum(found.values())
    return {word: weight / total for word, weight in found.items()}


def write_baseline(folder: Path, baseline: Baseline) -> Path:
    """Writes the baseline into a new judge's folder; the file. Raises FileExistsError: judges do not change."""
    path = folder / FILE
    write_new(path, json.dumps(baseline.to_json(), indent=1).encode())
    return path


def read_baseline(folder: Path) -> Baseline | None:
    """The baseline in a judge's folder, None where there is none.

    Raises
    ------
    JudgeRefused
        for a file that is no baseline of this version's features
    """
    path = folder / FILE
    try:
        return parse_baseline(strict_json(path.read_bytes())) if path.exists() else None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise JudgeRefused(f"baseline {path}: {error}") from error


def parse_baseline(fields: Any) -> Baseline:
    """The baseline in JSON values. ValueError, TypeError or KeyError says what does not fit."""
    keys = {"format", "features_version", "source", "rows", "since", "until", "score", "features", "verdicts"}
    same_keys("baseline", fields, keys | {"brand_status"})
    if fields["format"] != FORMAT or fields["features_version"] != VERSION:
        raise ValueError(f"not of format {FORMAT} and {VERSION}")
    if fields["source"] not in ("training", "screenings"):
        raise ValueError("source must be training or screenings")
    if set(fields["features"]) != set(NAMES):
        raise ValueError("it has other features")
    return Baseline(
        source=fields["source"],
        rows=_positive(fields["rows"]),
        since=str(fields["since"]),
        until=str(fields["until"]),
        score=_parsed(fields["score"]),
        features={name: _parsed(fields["features"][name]) for name in NAMES},
        verdicts={str(name): float(share) for name, share in fields["verdicts"].items()},
        brand_status={str(name): float(share) for name, share in fields["brand_status"].items()},
    )


def _record(one: Histogram) -> dict[str, Any]:
    return {"edges": list(one.edges), "counts": [round(count, 4) for count in one.counts],
            "missing": round(one.missing, 4)}  # fmt: skip


def _parsed(fields: Any) -> Histogram:
    same_keys("histogram", fields, {"edges", "counts", "missing"})
    edges, counts = tuple(map(float, fields["edges"])), tuple(map(float, fields["counts"]))
    missing = float(fields["missing"])
    if len(counts) != len(edges) + 1 or len(counts) > FINE + 2:
        raise ValueError("a histogram has one count more than edges")
    if list(edges) != sorted(set(edges)) or not np.all(np.isfinite([*edges, *counts, missing])):
        raise ValueError("the edges of a histogram must rise")
    if min(*counts, missing) < 0 or sum(counts) + missing <= 0:
        raise ValueError("a histogram counts something, and nothing less often than never")
    return Histogram(edges, counts, missing)


def _positive(value: Any) -> float:
    if not isinstance(value, int | float) or not value > 0:
        raise ValueError("rows must be a positive number")
    return float(value)
