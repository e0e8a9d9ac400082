"""What a confirmed counterfeit costs a seller, as data: `screener/policies/sellers.toml` explains the format."""

import hashlib
import itertools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from screener.errors import PolicyRefused
from screener.manifest import same_keys, whole

FORMAT: Final = 1
STEPS_MAX: Final = 20
_NAME = re.compile(r"[a-z][a-z_]{0,39}")

Source = Literal["violation", "none"]
SevereWhen = Literal["known_fake", "false_proof", "published_anyway"]
_SEVERE: Final[tuple[SevereWhen, ...]] = ("known_fake", "false_proof", "published_anyway")


@dataclass(frozen=True, slots=True)
class Step:
    """What a violation brings: `points` that count for `days`, and an `action`, which may last some days."""

    action: str
    points: int
    days: int
    lasts: int | None = None


@dataclass(frozen=True, slots=True)
class SellerPolicy:
    """A policy that was read; `id` is `spo_` and 16 hex digits of SHA-256 over its file.

    The n-th violation that counts takes the n-th step, those behind the last one take the last; a severe one takes
    `severe_step` (1, 2, ...) at least. The shop is to be closed at `closure_points` or `closure_complaints`.
    """

    id: str
    name: str
    appraisal: Source
    decision: Source
    steps: tuple[Step, ...]
    severe_step: int
    severe_when: frozenset[SevereWhen]
    complaint_points: int
    complaint_days: int
    closure: str
    closure_points: int
    closure_complaints: int

    def step(self, earlier: int, *, severe: bool) -> Step:
        """The step of a violation with so many `earlier` ones that count."""
        number = max(earlier + 1, self.severe_step if severe else 1)
        return self.steps[min(number, len(self.steps)) - 1]


def load_seller_policy(path: Path) -> SellerPolicy:
    """Reads a policy.

    Raises
    ------
    PolicyRefused
        when the file is missing, not TOML of this shape, or a later step is milder than an earlier one
    """
    try:
        return parse_seller_policy(path.read_bytes())
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PolicyRefused(f"policy of sellers {path}: {error}") from error


def parse_seller_policy(data: bytes) -> SellerPolicy:
    """The policy in the bytes of a TOML file. ValueError, TypeError or KeyError says what does not fit."""
    fields: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
    same_keys("policy", fields, {"format", "name", "sources", "violation", "severe", "complaint", "closure"})
    if fields["format"] != FORMAT:
        raise ValueError(f"unknown format, this version reads {FORMAT}")
    for part, keys in (
        ("sources", {"appraisal", "decision"}),
        ("violation", {"steps"}),
        ("severe", {"step", "when"}),
        ("complaint", {"points", "days"}),
        ("closure", {"action", "points", "complaints"}),
    ):
        same_keys(part, fields[part], keys)
    given = fields["violation"]["steps"]
    if not isinstance(given, list) or not 1 <= len(given) <= STEPS_MAX:
        raise ValueError(f"violation.steps must have 1..{STEPS_MAX} entries")
    steps = tuple(_step(f"violation.steps[{number}]", entry) for number, entry in enumerate(given))
    # Else taking a violation back could cost the seller more for a later one.
    if any(one.points > two.points or one.days > two.days for one, two in itertools.pairwise(steps)):
        raise ValueError("violation.steps: a later step must not have fewer points or days than an earlier one")
    when = fields["severe"]["when"]
    if not isinstance(when, list) or not set(when) <= set(_SEVERE):
        raise ValueError(f"severe.when must list some of {', '.join(_SEVERE)}")
    complaint, closure = fields["complaint"], fields["closure"]
    return SellerPolicy(
        id="spo_" + hashlib.sha256(data).hexdigest()[:16],
        name=str(fields["name"]),
        appraisal=_source("sources.appraisal", fields["sources"]["appraisal"]),
        decision=_source("sources.decision", fields["sources"]["decision"]),
        steps=steps,
        severe_step=whole("severe.step", fields["severe"]["step"], 1, len(steps)),
        severe_when=frozenset(when),
        complaint_points=whole("complaint.points", complaint["points"], 0, 1_000),
        complaint_days=whole("complaint.days", complaint["days"], 1, 36_500),
        closure=_name("closure.action", closure["action"]),
        closure_points=whole("closure.points", closure["points"], 1, 1_000_000),
        closure_complaints=whole("closure.complaints", closure["complaints"], 1, 1_000_000),
    )


def _step(what: str, given: Mapping[str, Any]) -> Step:
    same_keys(what, {"lasts": None, **given}, {"action", "points", "days", "lasts"})
    return Step(
        action=_name(f"{what}.action", given["action"]),
        points=whole(f"{what}.points", given["points"], 0, 1_000),
        days=whole(f"{what}.days", given["days"], 1, 36_500),
        lasts=whole(f"{what}.lasts", given["lasts"], 1, 36_500) if "lasts" in given else None,
    )


def _source(what: str, value: Any) -> Source:
    if value == "violation":
        return "violation"
    if value == "none":
        return "none"
    raise ValueError(f"{what} must be violation or none")


def _name(what: str, value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{what} must be a word of up to 40 small letters and underscores")
    return value
