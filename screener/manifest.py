"""Strict reading of the small JSON files that a bundle is made of; each check raises ``ValueError``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn


def strict_json(data: bytes) -> Any:
    """JSON in UTF-8 without NaN, infinities and keys given twice."""

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    def unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        pairs = list(pairs)
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key is given twice")
        return dict(pairs)

    return json.loads(data.decode("utf-8"), parse_constant=constant, object_pairs_hook=unique)


def same_keys(what: str, data: Mapping[str, Any], keys: set[str]) -> None:
    """An object with exactly these keys."""
    if not isinstance(data, dict) or set(data) != keys:
        raise ValueError(f"{what} must have exactly the keys {sorted(keys)}")


def whole(what: str, value: Any, low: int, high: int) -> int:
    """A whole number in low..high; true and false are none."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{what} must be a whole number {low}..{high}")
    return value


def number(what: str, value: Any, low: float, high: float) -> float:
    """A finite number in low..high."""
    if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{what} must be a number {low}..{high}")
    return float(value)
