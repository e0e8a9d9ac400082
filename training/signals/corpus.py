"""The sentences that the classifier learns from and is measured with, and what is made of the former."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Final

from training.errors import TrainingError

BRANDS: Final = (
    "Norvell",
    "Quiron",
    "Aldeva",
    "TORVIK",
    "Lumé",
    "Brask & Sons",
    "Okami",
    "Велора",
    "诺维",
    "ヴェルナ",
    "벨로라",
)
"""Names nobody has, so that no real one is learnt as a cue."""
_AFTER: Final = {"ja": "。", "zh": "。"}
_STAND_INS: Final = str.maketrans({"a": "4", "e": "3", "o": "0", "i": "1", "s": "$"})


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text, its language, whether it suspects a counterfeit, and which pattern it was made from."""

    text: str
    language: str
    suspects: bool
    pattern: int


def held_out() -> tuple[Sentence, ...]:
    """The sentences that nothing is trained on."""
    return tuple(read(_file("held_out.txt"))[0])


def development() -> tuple[Sentence, ...]:
    """The sentences that words and corpus were improved with: nothing is trained on them, but they are not unseen."""
    return tuple(read(_file("development.txt"))[0])


def patterns() -> tuple[tuple[Sentence, ...], dict[str, tuple[str, ...]]]:
    """The patterns to learn from, with `{i}` and `{b}` for an item and a brand, and the items of each language."""
    found, items = read(_file("corpus.txt"))
    return tuple(found), items


def read(text: str) -> tuple[list[Sentence], dict[str, tuple[str, ...]]]:
    """Sentences and items of a file: `[language]`, `+ suspects`, `- does not`, `= items`. Raises TrainingError."""
    found: list[Sentence] = []
    items: dict[str, tuple[str, ...]] = {}
    language = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            language = heading[1]
        elif line.startswith("= ") and language:
            items[language] = tuple(line[2:].split("|"))
        elif line[:2] in ("+ ", "- ") and language:
            found.append(Sentence(line[2:], language, line[0] == "+", len(found)))
        else:
            raise TrainingError(f"line {number} is neither a language nor a sentence")
    return found, items


def expand(
    found: Sequence[Sentence], items: dict[str, tuple[str, ...]], plain: set[int], *, each: int, seed: int
) -> list[Sentence]:
    """`each` sentences of every pattern: slots filled, joined with another, and written as buyers write.

    `plain` are patterns that neither suspect nor vouch: joining one of them changes no label.
    """
    generator = random.Random(seed)
    tails = {
        language: [one for one in found if one.pattern in plain and one.language == language]
        for language in {one.language for one in found}
    }
    made: list[Sentence] = []
    for one in found:
        for turn in range(each):
            text = _filled(one, items, generator)
            language = one.language
            if turn % 3 == 1 and tails[language]:
                other = _filled(generator.choice(tails[language]), items, generator)
                end = _AFTER.get(language, ".") if text[-1].isalnum() else ""
                text = f"{text}{end} {other}" if generator.random() < 0.5 else f"{other} {text}"
            made.append(replace(one, text=_written(text, generator) if turn % 2 else text))
    return made


def _filled(one: Sentence, items: dict[str, tuple[str, ...]], generator: random.Random) -> str:
    text = one.text
    if "{i}" in text:
        text = text.replace("{i}", generator.choice(items.get(one.language, items["en"])))
    return text.replace("{b}", generator.choice(BRANDS))


def _written(text: str, generator: random.Random) -> str:
    """A text as it may be typed: small or capital letters, no full stop, a letter lost, doubled or stood in for."""
    ways: list[Iterator[str]] = [
        iter([text.lower()]),
        iter([text.upper()]),
        iter([text.rstrip(".。!")]),
        iter([f"{text.rstrip('.。')}!!"]),
        iter([_mistyped(text, generator)]),
        iter([_mistyped(text, generator)]),
        iter([text.translate(_STAND_INS) if text.isascii() and generator.random() < 0.3 else text]),
    ]
    return next(generator.choice(ways))


def _mistyped(text: str, generator: random.Random) -> str:
    places = [at for at in range(1, len(text) - 1) if text[at - 1 : at + 2].isalpha()]
    if not places:
        return text
    at = generator.choice(places)
    change = generator.randrange(3)
    if change == 0:
        return text[:at] + text[at + 1 :]
    if change == 1:
        return text[:at] + text[at] + text[at:]
    return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]


def _file(name: str) -> str:
    return resources.files("training.signals").joinpath(name).read_text("utf-8")
