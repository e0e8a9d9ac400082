"""The registered names, indexed: by key in an automaton, by sound and by one letter left out in sorted hashes."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import ahocorasick
import numpy as np

from screener.words.hashes import Hashes, HashesUnderWay
from screener.words.letters import fold
from screener.words.sounds import EARS, KEYS, Ear, romanised
from screener.words.spelling import Spelling, keys_of, spell_name
from screener.words.tables import word_set

_PINYIN: Final = re.compile(
    r"(?:(?:[bpmfdtnlgkhjqxrzcsyw]|zh|ch|sh)?"
    r"(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uai|uan|ai|an|ao|ei|en|er|ia|ie|in|iu|ou|ua|ue|ui|un|uo|a|e|i|o|u|v))+"
)
LEAST: Final[dict[Ear, int]] = {"sound": 4, "kana": 3, "arabic": 3}
"""Fewest letters of a key by sound; shorter ones are everyday syllables."""
_PINYIN_LETTERS: Final = 5
_LEFT_OUT: Final = range(4, 41)
"""Elements of a key that is also found with one letter left out or misread."""
_BATCH: Final = 10_000


class Entry(NamedTuple):
    """One spelling of a registered name that texts are searched for."""

    brand_id: str
    name: str
    spelling: str
    roman: bool = False
    """Whether `spelling` is the name in Latin letters, not as it was registered."""
    stem: bool = False
    """Whether it is a Russian stem that needs a case ending."""


class Keyed:
    """Entries by key in an automaton that finds all keys of a string in one pass."""

    def __init__(self, by_key: dict[str, list[int]]):
        """`by_key` has entry numbers by key; it is used up."""
        self.automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        self._more: dict[int, tuple[int, ...]] = {}
        self._lengths = list(map(len, by_key))
        firsts = np.zeros(len(by_key), np.int32)
        for value, (key, numbers) in enumerate(by_key.items()):
            self.automaton.add_word(key, value)
            firsts[value] = numbers[0]
            if len(numbers) > 1:
                self._more[value] = tuple(numbers)
        self._firsts = firsts
        by_key.clear()
        if len(firsts):
            self.automaton.make_automaton()

    def __len__(self) -> int:
        return len(self._firsts)

    def iter(self, key: str) -> Iterator[tuple[int, int, int]]:
        """Every key in a string: its first and last place and its value."""
        if len(self._firsts):
            for last, value in self.automaton.iter(key):
                yield last + 1 - self._lengths[value], last, value

    def numbers(self, value: int) -> Sequence[int]:
        """The entries of a key."""
        return self._more.get(value) or (int(self._firsts[value]),)


class Hearing(NamedTuple):
    """Entries by their key for one ear; `beginnings` are hashes of the first words' keys of names of several words."""

    names: Hashes
    beginnings: frozenset[int]


class _HearingUnderWay:
    """A hearing as it is gathered."""

    def __init__(self) -> None:
        self._names = HashesUnderWay()
        self._beginnings: set[int] = set()

    def add(self, ear: Ear, key: str, name: str, number: int) -> None:
        self._names.add(key, number)
        first, _, more = name.partition(" ")
        if more:
            self._beginnings.add(hash(KEYS[ear](romanised(first if first.isascii() else fold(first)))))

    def done(self) -> Hearing:
        return Hearing(self._names.done(), frozenset(self._beginnings))


class Registered:
    """All registered names, immutable once built."""

    def __init__(self, names: Iterable[tuple[str, str]]):
        self.entries: list[Entry] = []
        self.scripts: frozenset[str] = frozenset()
        by_key: dict[str, list[int]] = {}
        by_pinyin: dict[str, list[int]] = {}
        latin = {ear: _HearingUnderWay() for ear in EARS}
        foreign = {ear: _HearingUnderWay() for ear in EARS}
        left_out = HashesUnderWay()
        scripts: set[str] = set()
        by_brand: dict[str, set[str]] = {}
        for entry, key, script in _keyed(names):
            number = len(self.entries)
            self.entries.append(entry)
            by_key.setdefault(key, []).append(number)
            if entry.stem or entry.roman:
                continue
            scripts.add(script)
            by_brand.setdefault(entry.brand_id, set()).add(script)
            for ear, heard in heard_keys(entry.spelling, script).items():
                (latin if script == "l" else foreign)[ear].add(ear, heard, entry.spelling, number)
            syllables = _pinyin_of(entry.spelling, key, script)
            if syllables:
                by_pinyin.setdefault(syllables, []).append(number)
            if len(key) in _LEFT_OUT:
                for short in shortened(key):
                    left_out.add(short, number)
        self.scripts = frozenset(scripts)
        shared = {"".join(sorted(found)): "".join(sorted(found)) for found in by_brand.values()}
        self._scripts_of = {brand_id: shared["".join(sorted(found))] for brand_id, found in by_brand.items()}
        self.by_key = Keyed(by_key)
        self.by_pinyin = Keyed(by_pinyin)
        self.heard_latin = {ear: hearing.done() for ear, hearing in latin.items()}
        self.heard_foreign = {ear: hearing.done() for ear, hearing in foreign.items()}
        self.left_out = left_out.done()

    def is_registered_in(self, number: int, script: str) -> bool:
        """Whether the entry's brand has a name in this script as well."""
        return script in self._scripts_of.get(self.entries[number].brand_id, "")


def shortened(key: str) -> set[str]:
    """A key with each of its letters left out."""
    return {key[:at] + key[at + 1 :] for at in range(len(key))}


@lru_cache(1 << 12)
def spelled(name: str) -> Spelling:
    """A registered spelling, spelled out; made again when needed rather than kept for every name."""
    return spell_name(name)


@lru_cache(1 << 12)
def script_of(name: str) -> str:
    """The script of a name: the first that is not Latin and no digit, else Latin."""
    return _script(spelled(name).scripts)


def heard_keys(name: str, script: str) -> dict[Ear, str]:
    """The keys under which a name is heard in another script; Chinese ones are found by pinyin instead."""
    if script in "ht":
        return {}
    latin = romanised(name if name.isascii() else fold(name))
    keys = {ear: KEYS[ear](latin) for ear in EARS}
    return {ear: key for ear, key in keys.items() if len(key) >= LEAST[ear]}


def _script(scripts: str) -> str:
    return next((script for script in scripts if script not in "lds"), "l")


def _keyed(names: Iterable[tuple[str, str]]) -> Iterator[tuple[Entry, str, str]]:
    """Every entry with its key and script, spelled many at a time; those without letters are left out."""
    waiting: list[Entry] = []
    for brand_id, name in dict.fromkeys(names):
        waiting.append(Entry(brand_id, name, " ".join(name.split())))
        if len(waiting) == _BATCH:
            yield from _spelled_out(waiting)
            waiting = []
    yield from _spelled_out(waiting)


def _spelled_out(entries: list[Entry]) -> Iterator[tuple[Entry, str, str]]:
    variants: list[Entry] = []
    for entry, (key, scripts) in zip(entries, keys_of([entry.spelling for entry in entries]), strict=True):
        if key:
            script = _script(scripts)
            yield entry, key, script
            variants += _variants(entry, script)
    if variants:
        for entry, (key, scripts) in zip(variants, keys_of([entry.spelling for entry in variants]), strict=True):
            if key:
                yield entry, key, _script(scripts)


def _variants(entry: Entry, script: str) -> Iterator[Entry]:
    """Other spellings of a name: "&" in words, Latin letters, a Russian stem."""
    brand_id, name, spelling = entry[:3]
    if "&" in spelling:
        yield Entry(brand_id, name, spelling.replace("&", " and "))
        if len(spelling) >= 8:
            yield Entry(brand_id, name, " ".join(spelling.replace("&", " ").split()))
    if script in "hkycgr":
        folded = fold(spelling)
        latin = " ".join(map(romanised, folded)) if script == "h" else romanised(folded)
        if len(latin.replace(" ", "")) >= _PINYIN_LETTERS:
            yield Entry(brand_id, name, latin, roman=True)
    if script == "c" and len(spelling) >= 5 and fold(spelling[-1]) in word_set("affixes", "cyrillic_giving_way"):
        yield Entry(brand_id, name, spelling[:-1], stem=True)


def _pinyin_of(name: str, key: str, script: str) -> str:
    """The syllables of a Chinese name, or of a Latin one that can be pinyin; empty if it is neither."""
    if script == "h":
        return "".join(map(romanised, key)) if len(key) >= 2 and not key.isascii() else ""
    if script == "l" and name.isascii():
        joined = name.lower().replace(" ", "")
        return joined if len(joined) >= _PINYIN_LETTERS and _PINYIN.fullmatch(joined) else ""
    return ""
