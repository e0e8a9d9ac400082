"""Finds names written in another script than they were registered in: by sound, and Chinese ones by pinyin."""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from screener.words.letters import fold
from screener.words.registered import Hearing, Registered, heard_keys, script_of, spelled
from screener.words.sounds import EARS, KEYS, Ear, reads_as_arabic, romanised
from screener.words.tables import word_set

_WORD: Final = re.compile(
    "(?P<l>[A-Za-z\u00c0-\u024f]{4,})|(?P<c>[\u0400-\u052f]{3,})|(?P<g>[\u0370-\u03ff]{3,})|(?P<r>[\uac00-\ud7a3]{2,})"
    "|(?P<k>[\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9f]{3,})|(?P<y>[\u3041-\u3096\u30fc]{3,})"
    "|(?P<a>[\u0621-\u065f\u0670-\u06d3\ufb50-\ufdff\ufe70-\ufefc]{3,})"
)
_HAN: Final = re.compile("[\u3400-\u9fff]{2,}")
_BETWEEN: Final = frozenset([" ", "-", "\u3000", "・", "'", " - "])
_LONGEST: Final = 3
"""Words of a name that are heard together."""
_KANA_LETTERS: Final = 4
"""Fewest letters of a key of kana beside another script; hiragana beside katakana needs less."""
_CONSONANTS: Final = 4
"""Consonants from which an Arabic name is heard; one with three needs two long vowels to go with them."""
_SMALL_LETTERS: Final = 5
"""Letters of a key from which a word is heard that is not written with a capital."""
_MOST_BRANDS: Final = 2
_IN_LATIN: Final[dict[Ear, int]] = {"sound": 5, "kana": 5, "arabic": 4}
"""Fewest letters of a key that a Latin word is heard by; its language has many short words."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An entry heard at `text[start:stop]`; `disguised` for a Chinese name in other signs of the same sound."""

    entry: int
    start: int
    stop: int
    how: Literal["disguised", "transliterated"]
    mention: bool = False


@dataclass(frozen=True, slots=True)
class _Form:
    """A word as it may be heard: in Latin letters, with so many letters cut off its front, whether that said "for".

    `found` are the entries that the word alone is; `begins` the ears for which a name of several words begins so.
    """

    letters: str
    cut: int
    mention: bool
    found: tuple[int, ...]
    begins: tuple[Ear, ...]


class _Word(NamedTuple):
    script: str
    start: int
    stop: int


class Listener:
    """Hears registered names written in other scripts; what a word is heard as is remembered, as words come again."""

    def __init__(self, registered: Registered):
        self._registered = registered
        self._latin = not registered.scripts <= {"l", "h", "t"}
        self._forms = lru_cache(1 << 15)(self._heard_word)

    def hear(self, text: str) -> Iterator[Heard]:
        """Every name that a text writes in another script."""
        if self._latin or not text.isascii():
            words = [_Word(str(found.lastgroup), *found.span()) for found in _WORD.finditer(text)]
            for index, (script, start, stop) in enumerate(words):
                for form in self._forms(text[start:stop], script) if self._latin or script != "l" else ():
                    for number in form.found:
                        yield Heard(number, start + form.cut, stop, "transliterated", form.mention)
                    for ear in form.begins:
                        yield from self._hear_more(ear, form, words[index : index + _LONGEST], text)
        if not text.isascii():
            yield from _by_pinyin(text, self._registered)

    def _heard_word(self, word: str, script: str) -> tuple[_Form, ...]:
        """The forms in which a word is a name, or the beginning of one; for most words none."""
        ears = _ears(script, self._registered.scripts)
        made: list[_Form] = []
        for letters, cut, mention in _forms(word, script):
            keys = [(ear, KEYS[ear](letters)) for ear in EARS if ear in ears]
            large = word[0].isupper() or script not in "cg"
            heard = {number for ear, key in keys for number in self._named(ear, key, script, letters, 1, large)}
            found = tuple(sorted(heard)) if self._is_clear(heard) else ()
            begins = tuple(
                ear
                for ear, key in keys
                if len(key) > 2 and any(hash(key) in h.beginnings for h in self._hearings(ear, script))
            )
            if found or begins:
                made.append(_Form(letters, cut, mention, found, begins))
        return tuple(made)

    def _hear_more(self, ear: Ear, form: _Form, words: Sequence[_Word], text: str) -> Iterator[Heard]:
        """Names of two or three words that begin with this one."""
        first = words[0]
        letters, stop = form.letters, first.stop
        for count, other in enumerate(words[1:], 2):
            if other.script != first.script or text[stop : other.start] not in _BETWEEN:
                return
            forms = _forms(text[other.start : other.stop], other.script)
            for more, cut, _ in forms:
                if not cut:
                    whole = f"{letters} {more}"
                    heard = set(self._named(ear, KEYS[ear](whole), first.script, whole, count, True))
                    for number in sorted(heard) if self._is_clear(heard) else ():
                        yield Heard(number, first.start + form.cut, other.stop, "transliterated", form.mention)
            letters, stop = f"{letters} {forms[0][0]}", other.stop

    def _hearings(self, ear: Ear, script: str) -> Sequence[Hearing]:
        """The names that a word of this script may be: not Latin ones if it is Latin itself."""
        foreign = self._registered.heard_foreign[ear]
        return (foreign,) if script == "l" else (foreign, self._registered.heard_latin[ear])

    def _is_clear(self, heard: Set[int]) -> bool:
        """Whether few enough brands sound so; a word that sounds like many names says none of them."""
        return len({self._registered.entries[number].brand_id for number in heard}) <= _MOST_BRANDS

    def _named(self, ear: Ear, key: str, script: str, letters: str, count: int, large: bool) -> Iterator[int]:
        if len(key) < _SMALL_LETTERS and not large:
            return
        for hearing in self._hearings(ear, script):
            for number in hearing.names.numbers(key):
                # A brand registered in this script is looked for as it is written there; sounds would only add words
                # that are like it ("channel").
                if self._registered.is_registered_in(number, script):
                    continue
                if _is_heard(ear, key, script, letters, count, self._registered.entries[number].spelling):
                    yield number


def _is_heard(ear: Ear, key: str, asked: str, letters: str, count: int, name: str) -> bool:
    """Whether a name that is found under a word's key is the same by sound, and not by accident of a poor key."""
    script = script_of(name)
    if script == asked or ear != _ear(asked, script) or key != heard_keys(name, script).get(ear):
        return False
    if count > len(name.split()):
        return False
    if asked == "l" and len(key) < _IN_LATIN[ear]:
        return False
    if ear == "kana" and len(key) < _KANA_LETTERS:
        return {script, asked} <= {"k", "y"}
    if ear == "arabic":
        latin = romanised(fold(name))
        written = letters if asked == "a" else latin
        if len(key) < _CONSONANTS and sum(letter in "aiywu" for letter in written) < 2:
            return False
        return reads_as_arabic(letters, latin) if asked == "a" else reads_as_arabic(latin, letters)
    return True


@lru_cache(1 << 13)
def _forms(word: str, script: str) -> tuple[tuple[str, int, bool], ...]:
    """A word in Latin letters with and without what clings to it: letters, how many cut off, if that says "for"."""
    forms = {(_roman(word), 0, False): None}
    if script == "c":
        for length in (1, 2, 3):
            if len(word) - length >= 3 and word[-length:].lower() in word_set("affixes", "cyrillic_endings"):
                forms |= {(_roman(word[:-length]), 0, False): None, (_roman(word[:-length] + "а"), 0, False): None}
    elif script == "a":
        folded = fold(word)
        for clitic in sorted(word_set("affixes", "arabic_clitics")):
            if folded.startswith(clitic) and len(folded) - len(clitic) >= 3 and len(folded) == len(word):
                mention = clitic in word_set("affixes", "arabic_mention_clitics")
                forms[_roman(word[len(clitic) :]), len(clitic), mention] = None
    return tuple(forms)


def _roman(word: str) -> str:
    return romanised(word if word.isascii() else fold(word))


def _ear(one: str, other: str) -> Ear:
    pair = {one, other}
    return "arabic" if "a" in pair else "kana" if pair & {"k", "y"} else "sound"


@lru_cache(256)
def _ears(script: str, scripts: frozenset[str]) -> frozenset[Ear]:
    """The keys under which names of the registered scripts are asked for from a word of this script."""
    return frozenset(_ear(script, other) for other in scripts if other != script)


def _by_pinyin(text: str, registered: Registered) -> Iterator[Heard]:
    if not len(registered.by_pinyin):
        return
    for run in _HAN.finditer(text):
        chars = run.group()
        ends: dict[int, int] = {0: 0}
        pieces: list[str] = []
        length = 0
        for index, char in enumerate(chars, 1):
            piece = romanised(fold(char))
            pieces.append(piece)
            length += len(piece)
            ends[length] = index
        for begin, last, value in registered.by_pinyin.iter("".join(pieces)):
            first, stop = ends.get(begin), ends.get(last + 1)
            if first is None or stop is None:
                continue
            here = fold(chars[first:stop])
            for number in registered.by_pinyin.numbers(value):
                whole = first == 0 and stop == len(chars)
                how = _homophone(here, registered.entries[number].spelling, whole)
                if how is not None:
                    yield Heard(number, run.start() + first, run.start() + stop, how)


def _homophone(here: str, name: str, whole: bool) -> Literal["disguised", "transliterated"] | None:
    """How Chinese signs write a name of the same sound: another script, or other signs for the same syllables."""
    if script_of(name) != "h":
        return "transliterated" if len(here) >= 2 else None
    own = spelled(name).honest
    if own == here or len(own) != len(here):
        return None
    same = sum(a == b for a, b in zip(own, here, strict=True))
    # Two or three syllables are other words' too: the more signs differ, the more it must stand alone.
    enough = same >= 1 if whole else same >= 2 and len(own) >= 4
    return "disguised" if enough else None
