"""Finds the vocabulary of copies in a listing's words, and tells a declared brand from none.

The words are in `replica.toml`; see there how to add to them.
"""

import re
from functools import cache
from typing import Final

import ahocorasick

from screener.words.found import Phrase, Strength
from screener.words.letters import fold
from screener.words.offsets import Folded, folded
from screener.words.tables import table

_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_BLANK: Final = r"[\s\-_./]*"
_BLANKS: Final = re.compile(r"[\s\-_./]+")
_MOST: Final = 100
"""Phrases of a text that are looked at; more say nothing more."""
_DENIAL: Final = 24
"""Code points before or after a phrase in which it can be denied."""


def clean(text: str) -> str:
    """A text folded (NFKC, case, accents, invisible characters, simplified Chinese), with one space between words."""
    return " ".join(folded(text).text.split())


def replica_words(text: str) -> tuple[Phrase, ...]:
    """The vocabulary of copies in a text, in the order of the text; the longest phrase at a place, the stronger first.

    Nothing is reported where the words have another sense ("AAA batteries", "1:1 scale", "wall mirror") or are denied
    ("no replicas", "not a copy").
    """
    reading = folded(text)
    if not _may_hold_any(reading.text):
        return ()
    innocent = [found.span() for found in _innocent().finditer(reading.text)]
    phrases: list[Phrase] = []
    taken: list[tuple[int, int]] = []
    strengths: tuple[tuple[re.Pattern[str], Strength], ...] = ((_pattern("outright"), 2), (_pattern("weak"), 1))
    for pattern, strength in strengths:
        for found in pattern.finditer(reading.text):
            start, stop = found.span()
            if len(taken) == _MOST or any(start < last and first < stop for first, last in taken):
                continue
            taken.append((start, stop))
            if not _is_innocent(found, innocent) and not _is_denied(reading, found):
                start, stop = reading.original(start, stop)
                phrases.append(Phrase(text[start:stop], start, stop, strength))
    return tuple(sorted(phrases, key=lambda phrase: phrase.start))


def is_unbranded(declared: str) -> bool:
    """Whether a declared brand says that there is none."""
    return _bare(declared) in _unbranded() or clean(declared) in _unbranded()


def _is_innocent(found: re.Match[str], innocent: list[tuple[int, int]]) -> bool:
    """Whether a hit lies within innocent words; a part of it outside speaks for itself."""
    start, stop = found.span()
    return any(first <= start and stop <= last for first, last in innocent)


def _is_denied(reading: Folded, found: re.Match[str]) -> bool:
    before = reading.text[max(0, found.start() - _DENIAL) : found.start()].rstrip(" \"'(-:")
    after = reading.text[found.end() : found.end() + _DENIAL].lstrip(" \"'),、，。!！")
    if after.startswith(_denials("denied_after")):
        return True
    phrase = found.group().strip()
    if phrase.startswith(_NEGATIVE):
        return False
    for words in _denials("denied_before"):
        if before.endswith(words) and (_UNSPACED.match(words) or not before[: -len(words)][-1:].isalnum()):
            return True
    return False


@cache
def _denials(field: str) -> tuple[str, ...]:
    return tuple(map(fold, table("replica")[field]))


_NEGATIVE: Final = ("not ", "non ", "no ", "kein", "keine", "pas ", "не ", "ليس", "غير", "un", "不是", "正規品", "本物")


@cache
def _pattern(field: str) -> re.Pattern[str]:
    alternatives = []
    for phrase in sorted({fold(phrase) for phrase in table("replica")[field]}, key=len, reverse=True):
        body = re.escape(phrase).replace(r"\ ", _BLANK)
        if _UNSPACED.search(phrase):
            alternatives.append(rf"(?<![a-z0-9]){body}" if phrase[0].isascii() else body)
        else:
            ending = r"(?![\w+])" if phrase.endswith("a") else r"(?!\w)"
            alternatives.append(rf"(?<![\w:]){body}{ending}")
    return re.compile("|".join(alternatives))


@cache
def _innocent() -> re.Pattern[str]:
    alternatives = []
    for phrase in table("replica")["innocent"]:
        body = phrase.replace(" ?", r"\s?").replace(" ", r"[\s\-]+")
        alternatives.append(rf"(?<!\w)(?:{body})(?!\w)" if not _UNSPACED.search(phrase) else f"(?:{body})")
    return re.compile("|".join(alternatives))


def _may_hold_any(text: str) -> bool:
    """Whether a folded text has the letters of any phrase, blanks left out; most texts have none and are done."""
    return next(_letters().iter(_BLANKS.sub("", text)), None) is not None


@cache
def _letters() -> "ahocorasick.Automaton":
    automaton = ahocorasick.Automaton(ahocorasick.STORE_LENGTH)
    for field in ("outright", "weak"):
        for phrase in table("replica")[field]:
            automaton.add_word(_BLANKS.sub("", fold(phrase)))
    automaton.make_automaton()
    return automaton


def _bare(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", clean(text)))


@cache
def _unbranded() -> frozenset[str]:
    words = table("replica")["unbranded"]
    return frozenset(_bare(word) for word in words if _bare(word)) | frozenset(map(clean, words))
