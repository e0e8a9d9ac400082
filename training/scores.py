"""What a model made of one protocol: its scores, the figures they give, and the same by class, brand or edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.protocols import auroc, average_precision, recall_at_precision, threshold_at_precision, top_k


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Scores of one protocol under one scheme of regions.

    `scores` (q + n, classes) has the best cosine of each class, the q queries first and the n `none` pictures after
    them; `truth` (q,) the queries' columns. `groups` gives, for each way to break the figures down, the names that each
    of the q + n pictures counts for (an edited copy counts for all its edits).
    """

    use: str
    scores: NDArray[np.float32]
    truth: NDArray[np.int64]
    groups: Mapping[str, Sequence[tuple[str, ...]]]

    @property
    def best(self) -> NDArray[np.float32]:
        """The best score of each picture, (q + n,)."""
        best: NDArray[np.float32] = self.scores.max(axis=1)
        return best

    @property
    def ranks(self) -> NDArray[np.int64]:
        """The place of each query's true class, (q,), from 1; classes of equal score go before it."""
        known = self.scores[: len(self.truth)]
        ranks: NDArray[np.int64] = (known >= np.take_along_axis(known, self.truth[:, None], axis=1)).sum(axis=1)
        return ranks

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the true class alone has the best score, (q + n,): False for `none`."""
        return np.append(self.ranks == 1, np.zeros(len(self.scores) - len(self.truth), dtype=bool))


def figures_of(outcome: Outcome) -> dict[str, float]:
    """The protocol's figures: top-1, top-5 (product), acc (logo), AUROC, R@P90; uAP and R@P90 for copies."""
    known, unknown = outcome.scores[: len(outcome.truth)], outcome.scores[len(outcome.truth) :]
    found = recall_at_precision(outcome.best, outcome.right, len(outcome.truth))
    if outcome.use == "copy":
        return {"uAP": average_precision(outcome.best, outcome.right, len(outcome.truth)), "R@P90": found}
    first = {name: top_k(known, outcome.truth, k) for name, k in TOPS[outcome.use].items()}
    return {**first, "AUROC": auroc(known.max(axis=1), unknown.max(axis=1)), "R@P90": found}


TOPS: Mapping[str, Mapping[str, int]] = {"product": {"top-1": 1, "top-5": 5}, "logo": {"acc": 1}, "copy": {}}
"""The figures of a use that count how often the true class is among the first so many."""


def breakdown(outcome: Outcome) -> dict[str, dict[str, dict[str, float]]]:
    """By way and name: `queries` and `none` (counts), and shares of them.

    `top-1`: the true class is first (ties against it); `found`: rightly named at or above the threshold of R@P90 (the
    shares times the counts add up to R@P90); `false`: `none` pictures at or above it. Shares of nothing are left out.
    """
    queries = len(outcome.truth)
    threshold = threshold_at_precision(outcome.best, outcome.right, queries)
    above = outcome.best >= threshold if threshold is not None else np.zeros(len(outcome.scores), dtype=bool)
    right = outcome.right
    tables: dict[str, dict[str, dict[str, float]]] = {}
    for way, names in outcome.groups.items():
        table = tables[way] = {}
        for name in sorted({name for row in names for name in row}):
            rows = np.array([name in row for row in names])
            table[name] = {
                "queries": int(rows[:queries].sum()),
                "none": int(rows[queries:].sum()),
                **_share("top-1", right[:queries][rows[:queries]]),
                **_share("found", (above & right)[:queries][rows[:queries]]),
                **_share("false", above[queries:][rows[queries:]]),
            }
    return tables


def _share(name: str, values: NDArray[np.bool_]) -> dict[str, float]:
    return {name: float(values.mean())} if len(values) else {}
