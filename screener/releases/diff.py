"""What differs between two releases: the models' figures and what they do, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from screener.bundle import Bundle, load_bundle
from screener.judging.features import FEATURES
from screener.judging.model import Judge, load_judge
from screener.judging.policy import Policy, load_policy
from screener.releases.report import Models
from screener.releases.store import ModelStore

_STEPS: Final = 33
"""Values of a feature at which its part of the log-odds is asked for."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that the releases do not share: where it is, and what each has (None: it has no such thing)."""

    where: str
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class Diff:
    """The ids of both, and whatever is not equal, by the kind of model."""

    first: Models
    second: Models
    encoder: tuple[Difference, ...]
    judge: tuple[Difference, ...]
    policy: tuple[Difference, ...]

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def diff(store: ModelStore, first: Models, second: Models) -> Diff:
    """Compares two releases whose models this server has.

    Raises
    ------
    ReleaseRefused
        it does not have one of them
    BundleRefused, JudgeRefused, PolicyRefused
        one of them is not whole
    """
    ours, theirs = store.find(first), store.find(second)

    return Diff(
        first,
        second,
        _compared(_of_bundle(load_bundle(ours.bundle)), _of_bundle(load_bundle(theirs.bundle))),
        _compared(_of_judge(load_judge(ours.judge)), _of_judge(load_judge(theirs.judge))),
        _compared(_of_policy(load_policy(ours.policy)), _of_policy(load_policy(theirs.policy))),
    )


def _compared(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    ours, theirs = dict(_flat("", first)), dict(_flat("", second))
    return tuple(
        Difference(where, ours.get(where), theirs.get(where))
        for where in dict.fromkeys([*ours, *theirs])
        if ours.get(where) != theirs.get(where)
    )


def _flat(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of JSON under dotted names; lists are leaves."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{where}.{name}" if where else str(name), inner)
    else:
        yield where, value


def _of_bundle(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "name": bundle.name,
        "dimensions": bundle.dim,
        "bytes": sum(file["bytes"] for file in manifest["files"].values()),
        "precision": manifest["precision"],
        "parts": {part.name: [part.start, part.stop, *part.uses] for part in bundle.parts},
        "size": bundle.preprocess.size,
        "windows": len(bundle.dense.windows) if bundle.dense else 0,
        "operating_points": {use: asdict(point) for use, point in bundle.operating_points.items()},
        "metrics": manifest["metrics"],
    }


def _of_judge(judge: Judge) -> dict[str, Any]:
    manifest = judge.manifest
    return {
        "name": manifest["name"],
        "bias": manifest["bias"],
        "calibrated_on": manifest["calibrated_on"],
        "prevalence": manifest["prevalence"],
        "log_odds": _ranges(judge),
        "metrics": manifest["metrics"],
    }


def _ranges(judge: Judge) -> dict[str, list[float]]:
    """The least and the most that each feature can add to the log-odds."""
    nothing = np.array([np.nan if f.anchor is None else f.anchor for f in FEATURES], dtype=np.float32)
    rows = np.tile(nothing, (len(FEATURES) * _STEPS, 1))
    for column, feature in enumerate(FEATURES):
        rows[column * _STEPS : (column + 1) * _STEPS, column] = np.linspace(feature.low, feature.high, _STEPS)
    parts = judge.judge_many(rows)[2]
    own = {f.name: parts[n * _STEPS : (n + 1) * _STEPS, n] for n, f in enumerate(FEATURES)}
    return {name: [round(float(part.min()), 3), round(float(part.max()), 3)] for name, part in own.items()}


def _of_policy(policy: Policy) -> dict[str, Any]:
    return {
        "name": policy.name,
        "judge": policy.judge,
        "target": dict(policy.target),
        "known_fake": policy.known_fake,
        "undecided": policy.undecided,
        "bands": {"default": asdict(policy.default)}
        | {category: asdict(bands) for category, bands in sorted(policy.categories.items())},
    }
