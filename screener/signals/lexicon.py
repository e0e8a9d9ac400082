"""Finds the words of `lexicon.toml` in a folded text: all languages in one pass, the longest phrase at a place."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from itertools import groupby
from typing import Final, NamedTuple

import ahocorasick

from screener.words import clean

ABSORBING: Final = frozenset(
    {"fake", "genuine", "innocent", "neutral", "disowned", "fails", "fits", "service", "others", "mark", "trait"}
)
"""Kinds inside whose phrases no other word says anything: "not the real thing" holds no denial and no claim."""
_SILENT: Final = ("innocent", "neutral")
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ARABIC: Final = re.compile("[\u0600-\u06ff]")
_BEFORE_ARABIC: Final = frozenset({"ال", "و", "وال", "ب", "بال", "ف", "فال", "لل", "ل", "ك", "كال", "ه"})
_BEHIND_ARABIC: Final = frozenset({"ا", "ه", "ها", "ات", "ين", "ي"})


class Hit(NamedTuple):
    """Words of one kind at `text[start:stop]`."""

    start: int
    stop: int
    kind: str


def find(text: str) -> list[Hit]:
    """The phrases in a text that `screener.words.clean` has folded, in its order.

    What lies inside a longer phrase of an absorbing kind is left out.
    """
    hits = sorted(set(_hits(text)), key=lambda hit: (hit.start, -hit.stop, hit.kind))
    kept: list[Hit] = []
    widest: Hit | None = None  # the absorbing phrase that ends last, of those met so far
    silent = 0  # where the innocent words met so far end
    for place, group in groupby(hits, key=lambda hit: hit.start):
        here = list(group)
        for hit in here:
            if hit.kind in ABSORBING and (widest is None or hit.stop > widest.stop):
                widest = hit
        # "长假的" is no "假的": what an innocent phrase has begun says nothing either.
        kept += [
            hit
            for hit in here
            if place >= silent and (widest is None or hit.stop > widest.stop or hit[:2] == widest[:2])
        ]
        silent = max([silent, *(hit.stop for hit in here if hit.kind in _SILENT and place >= silent)])
    return kept


@cache
def fingerprint() -> str:
    """The words as one text: what a model was trained on, and must be served with."""
    return resources.files("screener.signals").joinpath("lexicon.toml").read_text("utf-8")


def _hits(text: str) -> Iterator[Hit]:
    for last, phrases in _automaton().iter(text):
        for length, kind, ending, free in phrases:
            start, stop = last + 1 - length, last + 1
            open_end = ending == "*"
            if ending == "|" and text[stop:].lstrip(" ")[:1].isalpha():
                continue
            if free or _is_word(text, start, stop, open_end):
                yield Hit(start, _word_end(text, stop) if open_end and not free else stop, kind)


def _is_word(text: str, start: int, stop: int, open_end: bool) -> bool:
    begins = start == 0 or not _goes_on(text[start - 1])
    ends = open_end or stop == len(text) or not _goes_on(text[stop])
    if begins and ends:
        return True
    if not _ARABIC.match(text[start]):
        return False
    first = start
    while first and text[first - 1].isalnum():
        first -= 1
    behind = text[stop : _word_end(text, stop)]
    return (begins or text[first:start] in _BEFORE_ARABIC) and (ends or behind in _BEHIND_ARABIC)


def _goes_on(letter: str) -> bool:
    """Whether a letter beside a word belongs to it: in "完全是fake" none does."""
    return letter.isalnum() and not _UNSPACED.match(letter)


def _word_end(text: str, stop: int) -> int:
    while stop < len(text) and _goes_on(text[stop]):
        stop += 1
    return stop


def nearly(word: str) -> str | None:
    """The long cue word that a word of a text misspells by one letter (left out, added, another, two changed round)."""
    if len(word) < _LONG:
        return None
    known = _misspelt()
    if word in known.whole:
        return None
    for form in (word, *(word[:at] + word[at + 1 :] for at in range(1, len(word)))):
        if (meant := known.forms.get(form)) is not None and meant[0] == word[0]:
            return meant
    return None


_LONG: Final = 7
"""Fewest letters of a cue word that is also known misspelt; shorter ones lie too near to others."""


class _Misspelt(NamedTuple):
    whole: frozenset[str]
    forms: dict[str, str]


@cache
def _misspelt() -> _Misspelt:
    words: dict[str, bool] = {}
    for kind, languages in tomllib.loads(fingerprint()).items():
        for phrases in languages.values():
            for phrase in phrases:
                for word in clean(phrase.rstrip("*|")).split():
                    whole = phrase.rstrip("*|") and word.isalpha() and not _UNSPACED.search(word)
                    if whole and len(word) >= _LONG:
                        words[word] = words.get(word, False) or (kind in ("fake", "genuine") and " " not in phrase)
    forms: dict[str, str] = {}
    for word in sorted(word for word, cue in words.items() if cue):
        for at in range(1, len(word)):
            forms.setdefault(word[:at] + word[at + 1 :], word)
        forms.setdefault(word, word)
    return _Misspelt(frozenset(words), forms)


@cache
def _automaton() -> "ahocorasick.Automaton":
    """Every phrase with its length, kind, how it may end, and whether it may stand inside a word."""
    phrases: dict[str, set[tuple[int, str, str, bool]]] = {}
    for kind, languages in tomllib.loads(fingerprint()).items():
        for words in languages.values():
            for word in words:
                ending = word[-1] if word[-1] in "*|" else ""
                phrase = clean(word.removesuffix(ending))
                free = bool(_UNSPACED.search(phrase))
                phrases.setdefault(phrase, set()).add((len(phrase), kind, ending, free))
    automaton = ahocorasick.Automaton(ahocorasick.STORE_ANY)
    for phrase, found in phrases.items():
        automaton.add_word(phrase, tuple(sorted(found)))
    automaton.make_automaton()
    return automaton
