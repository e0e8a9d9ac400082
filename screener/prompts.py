"""What a seller is told, in six languages, and what each reason code means, for reviewers.

The texts are in prompts.toml. They give the reason in general terms and what the seller can do, and nothing that helps
to get the next fake through: no score, no threshold, no word or picture that was found.
"""

import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

FALLBACK = "en"
PROMPTING = ("prompt", "review")
BRAND_LIMIT = 60  # characters of a brand's name that are shown

# the first of these groups that has a reason decides the text
TOPICS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "known_fake": frozenset({"known_fake_copy", "known_fake_look"}),
        "words": frozenset({"replica_words", "disguised_brand_name"}),
        "disagreement": frozenset({"brand_disagreement", "declared_brand_differs"}),
        "price": frozenset({"price_far_below_reference"}),
        "picture": frozenset({"mark_covered", "official_photo", "photos_reused"}),
    }
)
GENERIC = "generic"


@dataclass(frozen=True, slots=True)
class SellerPrompt:
    """What the seller sees: a title, a body of a few sentences, and what can be done now."""

    language: str
    title: str
    body: str
    actions: tuple[str, ...]

    def record(self) -> dict[str, object]:
        """The prompt in the shape of the answer contract."""
        return {"language": self.language, "title": self.title, "body": self.body, "actions": list(self.actions)}


def seller_prompt(
    verdict: str, reasons: Iterable[str], brand_name: str | None, language: str | None
) -> SellerPrompt | None:
    """The text for a verdict and its reason codes; None where the seller is left in peace (clear, unscreenable).

    `language` is a BCP 47 tag such as "de-CH"; one that is not on offer falls back to English.
    """
    if verdict not in PROMPTING:
        return None
    spoken = negotiate(language)
    texts = _texts()["languages"][spoken]
    codes = set(reasons)
    topic = next((name for name, members in TOPICS.items() if members & codes), GENERIC)
    brand = _shown(brand_name) or texts["a_brand"]
    why = texts["why"][topic].replace("{brand}", brand)
    joint = "" if spoken in ("zh", "ja") else " "
    body = joint.join((texts["body"].replace("{brand}", brand), why, texts["then"][verdict]))
    return SellerPrompt(spoken, texts["title"], body, tuple(texts["actions"][name] for name in _actions(topic)))


def reason_message(code: str) -> str:
    """One English sentence about a reason code, for reviewers and publish hooks. KeyError for a code that is none."""
    message: str = _texts()["reasons"][code]
    return message


def reason_codes() -> tuple[str, ...]:
    """Every reason code that has a message."""
    return tuple(_texts()["reasons"])


def languages() -> tuple[str, ...]:
    """The languages on offer, as base language tags."""
    return tuple(_texts()["languages"])


def negotiate(language: str | None) -> str:
    """The language on offer for a BCP 47 tag: its base language (RFC 4647 lookup), or English."""
    base = (language or "").strip().replace("_", "-").split("-")[0].lower()
    return base if base in _texts()["languages"] else FALLBACK


def _actions(topic: str) -> tuple[str, ...]:
    order = {
        "picture": ("photos", "proof", "brand", "withdraw"),
        "disagreement": ("brand", "photos", "proof", "withdraw"),
    }
    return order.get(topic, ("proof", "photos", "brand", "withdraw"))


def _shown(name: str | None) -> str:
    """A brand's name as plain text of one line: no control or formatting characters, no markup, no great length."""
    visible = "".join(
        " " if letter.isspace() else letter
        for letter in name or ""
        if letter.isspace() or (unicodedata.category(letter)[0] != "C" and letter not in "<>{}")
    )
    short = " ".join(visible.split())
    return short if len(short) <= BRAND_LIMIT else short[: BRAND_LIMIT - 1].rstrip() + "…"


@cache
def _texts() -> Mapping[str, Any]:
    with (Path(__file__).parent / "prompts.toml").open("rb") as stream:
        return tomllib.load(stream)
