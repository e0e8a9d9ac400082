"""Writes the title, the description and the brand field of a listing from `words.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from training.market.goods import MarketBrand
from training.market.model import WordModel

WORDS_FILE = Path(__file__).with_name("words.toml")
LANGUAGES = ("en", "de", "fr", "es", "it", "ru", "zh", "ja")
_LEET = str.maketrans("aeiostAEIOST", "4310574310$7")
_CYRILLIC = str.maketrans("aeopcxyABEKMHOPCTX", "аеорсхуАВЕКМНОРСТХ")
_ENVELOPE = {"named": "titles", "plain": "plain", "accessory": "accessory", "evasive": "evasive"}


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a listing; `brand` is the brand field, None where it is left empty."""

    title: str
    description: str
    brand: str | None


def write_words(
    rng: np.random.Generator,
    language: str,
    noun: str,
    model: WordModel,
    *,
    brand: MarketBrand | None,
    style: str,
    rates: Mapping[str, Any],
) -> Wording:
    """The words of one listing about a `noun`, of or for a `brand` (None: of nobody).

    `style` is the name of the word model in `market.toml`: it chooses the templates where the brand is not named;
    `rates` is the table `words_all`.
    """
    words = phrases(language)
    thing = _one(rng, words["nouns"][noun])
    fields = {"noun": thing, "state": _one(rng, words["state"]), "name": ""}
    hides = rng.random() < model.disguised
    templates = _ENVELOPE["plain"]
    if brand is not None:
        fields["name"] = spelled(rng, brand, language, disguise=hides, rates=rates)
        if style == "accessory":
            templates = _ENVELOPE["accessory"]
        elif hides or rng.random() < model.named:
            templates = _ENVELOPE["named"]
        elif rng.random() < rates["evasive_honest" if style == "honest" else "evasive_other"]:
            templates = _ENVELOPE["evasive"]
    title = _one(rng, words[templates]).format(**fields)
    if rng.random() < rates["styled"]:
        title = title.upper() if rng.random() < 0.5 else f"{title} {_one(rng, ('🔥', '⭐', '!!!', '✨', '💯'))}"
    extra = [
        _one(rng, words[name])
        for name, chance in (
            ("assures", model.assures), ("denies", model.denies), ("replica", model.replica), ("weak", model.weak)
        )
        if rng.random() < chance
    ]  # fmt: skip
    if style == "unrelated" and rng.random() < model.replica:
        extra.append(_one(rng, words["innocent"]))
    sentences = [] if rng.random() < rates["title_only"] else _some(rng, words["fillers"], int(rng.integers(1, 4)))
    if extra and not sentences and rng.random() < 0.5:
        title = f"{title}, {extra.pop(0).rstrip('.。')}"
    sentences += extra
    rng.shuffle(sentences)
    joint = "" if language in ("zh", "ja") else " "
    return Wording(title[:300], joint.join(sentences), _declared(rng, words, model, brand, style))


def spelled(
    rng: np.random.Generator, brand: MarketBrand, language: str, *, disguise: bool, rates: Mapping[str, Any]
) -> str:
    """How a seller writes a brand's name: a registered spelling of the language, with a typo, or disguised."""
    if disguise:
        latin = [alias for alias in brand.aliases if alias.isascii() and " " not in alias]
        return disguised(rng, latin[0] if latin and " " in brand.name else brand.name, rates["disguises"])
    script = {"ru": "Ѐ", "ja": "\u3040", "zh": "\u3040"}.get(language)
    local = [alias for alias in brand.aliases if script and alias[0] >= script and (language != "ru" or alias[0] < "ӿ")]
    if local and rng.random() < rates["local_name"]:
        return _one(rng, local)
    name = brand.name
    if rng.random() < rates["typo"]:
        place = int(rng.integers(1, max(2, len(name) - 1)))
        return name[:place] + name[place + 1 :]
    return str(rng.choice([name, name, name, name.upper(), name.lower()]))


def disguised(rng: np.random.Generator, name: str, shares: Sequence[float]) -> str:
    """A name as somebody writes it who hopes that no machine reads it and every buyer does; `shares` of each way."""
    ways: Sequence[Callable[[str], str]] = (
        lambda text: text.translate(_LEET),
        lambda text: " ".join(text.replace(" ", "")),
        lambda text: ".".join(text.replace(" ", "")),
        lambda text: text.translate(_CYRILLIC),
        lambda text: text[:3] + "\u200b" + text[3:],
        lambda text: text[:2] + text[1:-1] + text[-2:],
        lambda text: "".join(chr(ord(letter) + 0xFEE0) if letter.isascii() and letter.isalpha() else letter
                             for letter in text),
        lambda text: "*".join((text[:2], text[3:])),
    )  # fmt: skip
    return ways[int(rng.choice(len(ways), p=shares))](name)


@cache
def phrases(language: str) -> Mapping[str, Any]:
    """The components of one language."""
    with WORDS_FILE.open("rb") as stream:
        found: Mapping[str, Any] = tomllib.load(stream)[language]
    return found


def _declared(
    rng: np.random.Generator, words: Mapping[str, Any], model: WordModel, brand: MarketBrand | None, style: str
) -> str | None:
    chance = rng.random()
    if chance < model.unbranded:
        return _one(rng, words["unbranded"])
    if chance < model.unbranded + model.declared:
        if brand is not None:
            return brand.name
        return "Private" if style == "unrelated" else None
    return None


def _one(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(0, len(items)))]


def _some(rng: np.random.Generator, items: Sequence[str], count: int) -> list[str]:
    return [items[n] for n in rng.choice(len(items), min(count, len(items)), replace=False)]
