"""Parts of the test rows by which a candidate must not lose: category, size of brand, script, age of seller."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from screener.judging.features import NAMES
from training.candidate.figures import Paired, finite, surprise
from training.frozen.model import Frozen, FrozenRow
from training.judge_refit import gain_of, tempered

LEAST: Final = 8
"""Listings of a kind from which a slice's loss is looked at."""
CHANCE: Final = 0.05
"""That, over all slices and figures, a loss is held against a candidate that is none: small slices lose and win by luck
(Bonferroni's correction)."""
SCRIPTS: Final = ("latin", "han", "kana", "hangul", "cyrillic", "arabic", "greek", "hebrew", "thai", "devanagari")
_NAMES: Final = {"cjk": "han", "hiragana": "kana", "katakana": "kana"}


@dataclass(frozen=True, slots=True)
class Loss:
    """What a slice loses in one figure: how many rows it is of, the loss (above zero is worse), its standard error, the
    most that may be lost, and whether more than that is lost and it is no chance (`refused`)."""

    dimension: str
    slice: str
    figure: str
    rows: int
    loss: float
    error: float
    bound: float
    refused: bool = False

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "dimension": self.dimension, "slice": self.slice, "figure": self.figure, "rows": self.rows,
            "loss": round(self.loss, 4), "standard error": finite(self.error), "bound": self.bound,
            "refused": self.refused,
        }  # fmt: skip


def dimensions(frozen: Frozen, rows: Sequence[FrozenRow], x: NDArray[np.float64]) -> dict[str, NDArray[np.str_]]:
    """The slice of each row (n,) by dimension."""
    registered = Counter(reference.brand_id for reference in frozen.references)
    age = x[:, NAMES.index("seller_age")]
    return {
        "category": np.array([row.category or "none" for row in rows], dtype=np.str_),
        "brand size": np.array([_size(registered, row.brand_id) for row in rows], dtype=np.str_),
        "script": np.array([script_of(str(row.listing["title"])) for row in rows], dtype=np.str_),
        "seller age": np.array([_age(value) for value in age.tolist()], dtype=np.str_),
    }


def losses(rows: Paired, slices: Mapping[str, NDArray[np.str_]], bounds: Mapping[str, float]) -> list[Loss]:
    """What each slice loses: counterfeits caught, honest listings left alone, and log loss, by the bounds of these."""
    weight = tempered(rows.weight)
    caught = rows.serving_prompts.astype(float) - rows.candidate_prompts.astype(float)
    worse = surprise(rows.candidate, rows.y) - surprise(rows.serving, rows.y)
    found = []
    for dimension, names in slices.items():
        for name in sorted(set(names.tolist())):
            own = names == name
            for figure, values, chosen in (
                ("caught", caught, own & rows.y),
                ("false prompts", -caught, own & ~rows.y),
                ("log loss", worse, own),
            ):
                count = int(chosen.sum())
                if count >= LEAST:
                    loss, error = gain_of(values[chosen], weight[chosen], rows.group[chosen])
                    found.append(Loss(dimension, name, figure, count, loss, error, bounds[figure]))
    sure = float(norm.ppf(1 - CHANCE / max(len(found), 1)))
    return [replace(one, refused=one.loss > one.bound and one.loss > sure * one.error) for one in found]


def script_of(text: str) -> str:
    """The script of most of a text's letters; `other` for one of none of `SCRIPTS`, `none` without letters.

    Japanese is written in kana and Han together, so a text with a fifth of kana is `kana`.
    """
    counts = Counter(_scripts(text))
    if not counts:
        return "none"
    if counts["kana"] * 5 >= counts.total():
        return "kana"
    return counts.most_common(1)[0][0]


def _scripts(text: str) -> Iterator[str]:
    for letter in unicodedata.normalize("NFKC", text):
        if letter.isalpha():
            first = unicodedata.name(letter, "").partition(" ")[0].lower()
            name = _NAMES.get(first, first)
            yield name if name in SCRIPTS else "other"


def _size(registered: Mapping[str, int], brand_id: str | None) -> str:
    if brand_id is None:
        return "no brand"
    count = registered.get(brand_id, 0)
    return "up to 5 references" if count <= 5 else "6 to 30 references" if count <= 30 else "more than 30 references"


def _age(log_days: float) -> str:
    if np.isnan(log_days):
        return "not told"
    days = 10**log_days - 1
    return "up to 30 days" if days <= 30.5 else "up to a year" if days <= 365.5 else "more than a year"
