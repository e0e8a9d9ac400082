"""What follows from a probability: a band per category, and whether to hold the listing; all of it data in one file.

```toml
format = 1
name = "default-2026-11"
judge = "jdg_..."                # the judge whose probabilities the thresholds were fitted to
[target]                         # what the thresholds were fitted for, for people and for fitting again
prompt_precision = 0.90
review_precision = 0.95
confidence = 0.95
false_prompts = 20.0             # of 10,000 honest listings
[default]                        # probabilities 0..1 from which a listing is in the band
prompt = 0.5
review = 0.8
hold = 0.95                      # publishing should wait for the reviewer
[floor]                          # what is certain enough to be in a band whatever the probability
known_fake = "review"            # a picture is certainly a copy of a registered known fake's
[exposure]                       # may be left out
undecided = 10                   # sellers told of an unproven brand or reference before people have decided
[category.shoes]                 # a category of the marketplace, compared without case; what it lacks is the default's
prompt = 0.6
```
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from screener.errors import PolicyRefused
from screener.manifest import number, same_keys, whole

Verdict = Literal["clear", "unscreenable", "prompt", "review"]
Hint = Literal["publish", "hold"]
FORMAT: Final = 1
UNDECIDED: Final = 10
"""Of a policy that says nothing else: half of the 20 sellers who may see a wrong prompt before a brand is stopped."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Probabilities from which a listing is prompted, reviewed, and held: prompt <= review <= hold."""

    prompt: float
    review: float
    hold: float


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that was read; `id` is `pol_` and 16 hex digits of SHA-256 over its file."""

    id: str
    name: str
    judge: str
    target: Mapping[str, float]
    known_fake: Literal["clear", "prompt", "review"]
    default: Bands
    categories: Mapping[str, Bands]
    undecided: int = UNDECIDED

    def bands(self, category: str | None) -> Bands:
        """Those of a category, or the default's."""
        return self.categories.get(_key(category or ""), self.default)

    def verdict(
        self, probability: float, category: str | None, *, known_fake: bool, everything_screened: bool
    ) -> Verdict:
        """The band of a probability, or the floor of a known fake's copy; clear only if every picture was screened."""
        bands = self.bands(category)
        floor = self.known_fake if known_fake else "clear"
        if probability >= bands.review or floor == "review":
            return "review"
        if probability >= bands.prompt or floor == "prompt":
            return "prompt"
        return "clear" if everything_screened else "unscreenable"

    def hint(self, probability: float, category: str | None) -> Hint:
        """Whether publishing should wait for a person; the marketplace decides."""
        return "hold" if probability >= self.bands(category).hold else "publish"


def load_policy(path: Path) -> Policy:
    """Reads a policy.

    Raises
    ------
    PolicyRefused
        when the file is missing, not TOML of this shape, or its bands are not in order
    """
    try:
        data = path.read_bytes()
        policy = parse_policy(data)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PolicyRefused(f"policy {path}: {error}") from error
    return policy


def parse_policy(data: bytes) -> Policy:
    """The policy in the bytes of a TOML file. ValueError, TypeError or KeyError says what does not fit."""
    fields: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
    keys = {"format", "name", "judge", "target", "floor", "default", "category", "exposure"}
    fields = {"category": {}, "exposure": {"undecided": UNDECIDED}} | fields
    same_keys("policy", fields, keys)
    same_keys("exposure", fields["exposure"], {"undecided"})
    if fields["format"] != FORMAT:
        raise ValueError(f"unknown format, this version reads {FORMAT}")
    target = fields["target"]
    same_keys("target", target, {"prompt_precision", "review_precision", "confidence", "false_prompts"})
    same_keys("floor", fields["floor"], {"known_fake"})
    known_fake = fields["floor"]["known_fake"]
    if known_fake not in ("clear", "prompt", "review"):
        raise ValueError("floor.known_fake must be clear, prompt or review")
    default = _bands("default", fields["default"], {})
    categories = {
        _key(name): _bands(f"category.{name}", given, fields["default"])
        for name, given in fields.get("category", {}).items()
    }
    return Policy(
        id="pol_" + hashlib.sha256(data).hexdigest()[:16],
        name=str(fields["name"]),
        judge=str(fields["judge"]),
        target=MappingProxyType({name: number(name, value, 0.0, 10_000.0) for name, value in target.items()}),
        known_fake=known_fake,
        default=default,
        categories=MappingProxyType(categories),
        undecided=whole("exposure.undecided", fields["exposure"]["undecided"], 1, 1_000_000),
    )


def _bands(what: str, given: Mapping[str, Any], default: Mapping[str, Any]) -> Bands:
    merged = {**default, **given}
    same_keys(what, merged, {"prompt", "review", "hold"})
    # A band may be out of reach (above 1): nothing of the category is then prompted, reviewed or held.
    prompt, review, hold = (number(f"{what}.{name}", merged[name], 0.0, 2.0) for name in ("prompt", "review", "hold"))
    if not prompt <= review <= hold:
        raise ValueError(f"{what}: prompt <= review <= hold does not hold")
    return Bands(prompt, review, hold)


def _key(category: str) -> str:
    return " ".join(category.split()).casefold()
