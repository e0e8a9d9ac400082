"""Reads the word lists beside the code: what clings to names, what surrounds them, everyday names, copy vocabulary."""

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Any

from screener.words.letters import fold

_RUN = re.compile(r"(.)\1+")


@cache
def table(name: str) -> dict[str, Any]:
    """One TOML file of this package, by its name without ending."""
    return tomllib.loads(resources.files("screener.words").joinpath(f"{name}.toml").read_text("utf-8"))


@cache
def word_set(name: str, field: str) -> frozenset[str]:
    """A list of words of a file, folded."""
    return frozenset(fold(word) for word in table(name)[field])


@cache
def squeezed_set(name: str, field: str) -> frozenset[str]:
    """A list of words of a file, folded, runs of one letter as one."""
    return frozenset(_RUN.sub(r"\1", word) for word in word_set(name, field))
