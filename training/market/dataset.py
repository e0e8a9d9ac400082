"""A screened market as arrays: what the judge is trained and measured on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError
from training.market.model import SPLITS
from training.market.splits import check_leaks

LISTINGS = "listings.jsonl"
ANSWERS = "answers.jsonl"
FEATURES = "features.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """n screened listings in the order of time, F features each.

    `x` (n, F) float64 has the features in the order of `names`, NaN where one is missing; `features_version` is that of
    `screener.features` which made them. `y` (n,) bool is the truth (counterfeit). `appraised` (n,) int64 is what an
    appraisal would say, with its errors: 1 counterfeit, 0 authentic, -1 inconclusive; a judge is trained on it, and
    measured on `y`. `weight` (n,) float64 is how many listings of the market each one stands for, so that weighted
    figures have the stated `prevalence`; the weights of each split add up to its number of listings. `split` (n,) holds
    `train`, `calibrate` or `test`. `group` (n,) names the person or company behind the shops: nobody is in two splits,
    and intervals draw groups. `kind`, `category`, `language` (n,) are texts for breakdowns; `truth_brand` (n,) is the
    key of the registered brand shown ("" where there is none). `rows` are the lines of listings.jsonl, `answers` those
    of answers.jsonl.
    """

    ids: NDArray[np.str_]
    x: NDArray[np.float64]
    names: tuple[str, ...]
    features_version: str
    y: NDArray[np.bool_]
    appraised: NDArray[np.int64]
    weight: NDArray[np.float64]
    split: NDArray[np.str_]
    group: NDArray[np.str_]
    kind: NDArray[np.str_]
    category: NDArray[np.str_]
    language: NDArray[np.str_]
    truth_brand: NDArray[np.str_]
    prevalence: float
    rows: Sequence[Mapping[str, Any]]
    answers: Sequence[Mapping[str, Any]]

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, split: str) -> Dataset:
        """The listings of one split."""
        return self.rows_where(self.split == split)

    def rows_where(self, chosen: NDArray[np.bool_]) -> Dataset:
        """The listings where `chosen` (n,) is True."""
        places: list[int] = np.flatnonzero(chosen).tolist()
        arrays = {
            name: getattr(self, name)[places]
            for name in ("ids", "x", "y", "appraised", "weight", "split", "group", "kind", "category", "language")
        }
        return replace(
            self,
            **arrays,
            truth_brand=self.truth_brand[places],
            rows=[self.rows[place] for place in places],
            answers=[self.answers[place] for place in places],
        )

    def column(self, name: str) -> NDArray[np.float64]:
        """A feature by its name, (n,); all NaN where the features do not have it."""
        if name in self.names:
            values: NDArray[np.float64] = self.x[:, self.names.index(name)]
            return values
        return np.full(len(self), np.nan)


def load(folder: Path) -> Dataset:
    """The market that `screen_market` screened into `folder`.

    Raises
    ------
    TrainingError
        when something is missing, or listings, answers and features do not belong together
    Leak
        when sellers, products or pictures are in two splits
    """
    for name in (LISTINGS, ANSWERS, FEATURES):
        if not (folder / name).is_file():
            raise TrainingError(f"{folder} has no {name}: run `listing-screener-train evaluate market` first")
    rows, answers = read_lines(folder / LISTINGS), read_lines(folder / ANSWERS)
    with np.load(folder / FEATURES, allow_pickle=False) as kept:
        ids, x, names, version = kept["ids"], kept["values"], kept["names"], str(kept["version"])
    own = [row["id"] for row in rows]
    if own != [answer["listing_id"] for answer in answers] or own != ids.tolist():
        raise TrainingError(f"{folder}: listings, answers and features are not of the same run")
    check_leaks(rows)
    prevalence = float(json.loads((folder / "market.json").read_text(encoding="utf-8"))["prevalence"])
    truth = [row["truth"] for row in rows]
    return Dataset(
        ids=ids,
        x=x.astype(np.float64),
        names=tuple(names.tolist()),
        features_version=version,
        y=np.array([entry["counterfeit"] for entry in truth], dtype=bool),
        appraised=np.array([LABELS[entry["appraised"]] for entry in truth], dtype=np.int64),
        weight=np.array([entry["weight"] for entry in truth], dtype=np.float64),
        split=_texts(truth, "split"),
        group=_texts(truth, "owner"),
        kind=_texts(truth, "kind"),
        category=np.array([row["listing"]["category"] or "" for row in rows], dtype=np.str_),
        language=np.array([row["listing"]["language"] for row in rows], dtype=np.str_),
        truth_brand=np.array([entry["brand"] if entry["brand_status"] == "registered" else "" for entry in truth]),
        prevalence=prevalence,
        rows=rows,
        answers=answers,
    )


LABELS: Mapping[str, int] = {"authentic": 0, "counterfeit": 1, "inconclusive": -1}


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a file with one JSON object on each line."""
    with file.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def _texts(entries: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.str_]:
    return np.array([entry[name] for entry in entries], dtype=np.str_)


__all__ = ["ANSWERS", "FEATURES", "LISTINGS", "SPLITS", "Dataset", "load", "read_lines"]
