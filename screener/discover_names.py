"""Which brand an unknown listing claims to be of: what its seller declares, else a declared name in its title."""

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from screener.discover_read import Unknown
from screener.words import NameFinder, clean, is_unbranded

LONGEST: Final = 60
"""Code points of a declared brand; what is longer is a sentence."""
MOST_WORDS: Final = 4
MOST_LETTERS: Final = 10
"""Longest names that are looked for in titles, in words, and in letters of scripts that do not set words apart."""
DECLARED_SHARE: Final = 0.2
"""Of the listings that use a name, so many must declare it; else it is an everyday word that somebody declares
("vintage"), and in a title it claims nothing."""

_SIGNS = re.compile("[™®©℠]|\\((?:tm|r|c)\\)", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""Scripts whose words are not set apart by spaces: Thai, Lao, kana, Han."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The name of each listing as a key, empty for none, in the order of the listings; and how each key is spelled."""

    keys: tuple[str, ...]
    spellings: Mapping[str, str]


def claim_key(declared: str) -> str:
    """A declared brand as it is compared: cleaned, without signs, spaces and punctuation; empty if it names none."""
    text = _SIGNS.sub(" ", declared).strip()
    if not text or len(text) > LONGEST or is_unbranded(text):
        return ""
    key = "".join(_WORD.findall(clean(text)))
    return key if len(key) >= 2 and any(letter.isalpha() for letter in key) else ""


def claims(listings: Sequence[Unknown]) -> Claims:
    """The name that each listing declares, or else claims in its title as far as others declare it."""
    declared = [claim_key(listing.declared) for listing in listings]
    written: dict[str, Counter[str]] = {}
    for key, listing in zip(declared, listings, strict=True):
        if key:
            written.setdefault(key, Counter())[" ".join(_SIGNS.sub(" ", listing.declared).split())] += 1
    spellings = {key: max(sorted(forms), key=lambda form: forms[form]) for key, forms in written.items()}
    claimed = _claimed([listing.title for listing in listings], declared, spellings)
    said, only_claimed = Counter(declared), Counter(claimed)
    usual = {key for key in spellings if said[key] < DECLARED_SHARE * (said[key] + only_claimed[key])}
    keys = tuple(key or (other if other not in usual else "") for key, other in zip(declared, claimed, strict=True))
    return Claims(keys, spellings)


def _claimed(titles: Sequence[str], declared: Sequence[str], spellings: Mapping[str, str]) -> list[str]:
    """The key that the title of each listing which declares none claims, empty for none.

    Names are looked up word by word first, and only what is found is judged by the words around it: a finder of all
    names ever declared would take minutes, for titles of which few name any.
    """
    standing = [[] if key else _standing(title, spellings) for title, key in zip(titles, declared, strict=True)]
    needed = {key for keys in standing for key in keys}
    if not needed:
        return [""] * len(titles)
    finder = NameFinder((key, spellings[key]) for key in sorted(needed))
    return [
        next((name.brand_id for name in finder.find(title) if name.context == "claim"), "") if keys else ""
        for title, keys in zip(titles, standing, strict=True)
    ]


def _standing(title: str, keys: Container[str]) -> list[str]:
    """The keys that stand in a title as whole words, or inside a run of a script without spaces."""
    words = _WORD.findall(clean(title))
    windows = [(start, stop) for start in range(len(words)) for stop in range(start + 1, start + MOST_WORDS + 1)]
    found = {"".join(words[start:stop]) for start, stop in windows if stop <= len(words)}
    for run in _UNSPACED.findall(" ".join(words)):
        found |= {run[n : n + size] for size in range(2, MOST_LETTERS + 1) for n in range(len(run) - size + 1)}
    return [key for key in found if key in keys]


def alike(one: str, other: str) -> bool:
    """Whether two keys are likely spellings of one name: a letter apart, or one with something added."""
    short, long = sorted((one, other), key=len)
    if len(short) >= 4 and (long.startswith(short) or long.endswith(short)):
        return True
    return len(short) >= 5 and _one_letter_apart(short, long)


def words_in(text: str) -> Iterator[str]:
    """The words of a text, cleaned; of scripts without spaces, every two letters that stand together."""
    for word in _WORD.findall(clean(text)):
        if _UNSPACED.search(word):
            for run in _UNSPACED.findall(word):
                yield from (run[n : n + 2] for n in range(max(len(run) - 1, 1)))
        elif len(word) >= 2 and not word.isdigit():
            yield word


def _one_letter_apart(short: str, long: str) -> bool:
    """Whether one insertion, deletion or replacement makes them equal."""
    if len(long) - len(short) > 1:
        return False
    same = next((n for n in range(len(short)) if short[n] != long[n]), len(short))
    if len(short) == len(long):
        return short[same + 1 :] == long[same + 1 :]
    return short[same:] == long[same + 1 :]
