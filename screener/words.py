"""Finds registered names and replica vocabulary in a listing's words, plain or disguised.

A word is disguised when it reads as a registered name only after putting right what no honest spelling has: digits or
symbols for letters, letters of look-alike scripts among Latin ones, invisible characters inside, or letters set apart.
Accents and case never disguise: people leave them out and put them in.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from typing import TypeVar

_Item = TypeVar("_Item")

_INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)
"""Zero-width characters, bidi controls, soft hyphen, variation selectors (the common Default_Ignorable ones)."""
_TOKEN = re.compile(r"[^\W_]+(?:[@$!|€][^\W_]+)*|[@$][^\W_]+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Scripts whose words are not set apart by spaces: Thai, Lao, kana, Han; Hangul particles cling to names."""
_LOOK_ALIKES = str.maketrans("авенікмортѕсухјԁԛԝαεικνορτυχ", "abehikmoptscyxjdqwaeikvoptux")
"""Cyrillic and Greek letters that print like Latin ones (from Unicode UTS 39 confusables, after case folding)."""
_SYMBOLS: Mapping[str, str] = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "il", "|": "il", "€": "e",
}  # fmt: skip
_MAX_VARIANTS = 16
_MAX_TOKENS = 6
"""Longest name in words that is looked for."""
_MIN_DISGUISED = 4
"""Shorter names appear by accident once digits count as letters."""

REPLICA_PHRASES: tuple[str, ...] = (
    "replica", "replicas", "1:1", "aaa", "aaaa", "aaa+", "mirror quality", "super copy", "master copy", "first copy",
    "high copy", "ua quality", "knockoff", "knock off", "inspired by", "unauthorized authentic", "top quality copy",
    "réplica", "réplicas", "imitación", "copia exacta", "réplique", "contrefaçon", "imitation", "nachbildung",
    "nachgemacht", "fälschung", "imitat", "реплика", "копия люкс", "люкс копия", "高仿", "复刻", "精仿", "原单", "a货",
    "莆田", "超a", "スーパーコピー", "コピー品", "レプリカ", "n級品", "레플리카", "미러급",
)  # fmt: skip
"""What sellers of copies call them, in the languages where such listings are common."""

UNBRANDED: frozenset[str] = frozenset(
    ["unbranded", "no brand", "nobrand", "generic", "none", "n a", "without brand", "ohne marke", "markenlos",
     "sin marca", "sans marque", "без бренда", "无品牌", "無品牌", "ノーブランド"]
)  # fmt: skip
"""Declared brands that say there is none."""


MENTIONS: frozenset[str] = frozenset(
    ["for", "fits", "fit", "compatible with", "suitable for", "works with", "like", "vs", "not",
     "für", "fur", "passend für", "passend fur", "kompatibel mit", "pour", "compatible avec", "para", "compatible con",
     "для", "совместим с", "per"]
)  # fmt: skip
"""Words before a name that say the thing is made to go with it: an accessory's title, no claim to be of the brand."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name found: whose, and whether it was disguised."""

    brand_id: str
    disguised: bool


@dataclass(frozen=True, slots=True)
class _Token:
    word: str
    readings: tuple[str, ...]
    """What a disguised word may be meant to read; empty for an honest spelling."""


def clean(text: str) -> str:
    """NFKC, invisible characters out, case folded, accents off Latin letters, one space between words."""
    text = unicodedata.normalize("NFKD", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold())
    text = "".join(c for c in text if not (unicodedata.combining(c) and ord(c) < 0x370))
    return " ".join(unicodedata.normalize("NFC", text).split())


class WordMatcher:
    """The registered names, ready to be looked for; immutable, so safe to share between threads."""

    def __init__(self, names: Iterable[tuple[str, str]]):
        """`names` gives brand id and name, alias or wordmark."""
        self._spaced: dict[tuple[str, ...], set[str]] = defaultdict(set)
        self._joined: dict[str, set[str]] = defaultdict(set)
        self._unspaced: dict[str, set[str]] = defaultdict(set)
        for brand_id, name in names:
            cleaned = clean(name)
            words = tuple(_TOKEN.findall(cleaned))
            if _UNSPACED.search(cleaned):
                self._unspaced[cleaned.replace(" ", "")].add(brand_id)
            elif words:
                self._spaced[words[:_MAX_TOKENS]].add(brand_id)
                joined = "".join(words)
                if len(joined) >= _MIN_DISGUISED:
                    self._joined[joined].add(brand_id)

    def find(self, text: str) -> tuple[Name, ...]:
        """Every registered name in a text, each brand once, a plain spelling before a disguised one."""
        cleaned = clean(text)
        hidden = _words_with_invisibles(text)
        words = _TOKEN.findall(cleaned)
        plain: set[str] = set()
        for start, window in _windows(words):
            if hidden.isdisjoint(window) and not _is_only_mentioned(words[:start]):
                plain |= self._spaced.get(tuple(window), set())
        disguised: set[str] = set()
        for _, tokens in _windows(_tokens(words, hidden)):
            if any(token.readings for token in tokens):
                for reading in _readings(tokens):
                    disguised |= self._joined.get(reading, set())
        joined_text = cleaned.replace(" ", "")
        for name, brands in self._unspaced.items():
            if name in joined_text:
                plain |= brands
        found = [Name(brand_id, False) for brand_id in sorted(plain)]
        return (*found, *(Name(brand_id, True) for brand_id in sorted(disguised - plain)))


def replica_words(text: str) -> bool:
    """Whether a text uses the vocabulary of copies."""
    cleaned = clean(text)
    return _REPLICA.search(cleaned) is not None


def is_unbranded(declared: str) -> bool:
    """Whether a declared brand says that there is none."""
    return " ".join(_TOKEN.findall(clean(declared))) in _UNBRANDED


def _windows(items: Sequence[_Item]) -> Iterator[tuple[int, Sequence[_Item]]]:
    """Every run of up to `_MAX_TOKENS` items, with its start."""
    for start in range(len(items)):
        for stop in range(start + 1, min(start + _MAX_TOKENS, len(items)) + 1):
            yield start, items[start:stop]


def _is_only_mentioned(before: Sequence[str]) -> bool:
    """Whether the words before a name say that the thing goes with it and is not of it."""
    return bool(before) and (before[-1] in MENTIONS or " ".join(before[-2:]) in MENTIONS)


def _words_with_invisibles(text: str) -> frozenset[str]:
    """Latin words with an invisible character inside; other scripts need joiners to be spelled right."""
    if not _INVISIBLE.search(text):
        return frozenset()
    found = (clean(word) for word in text.split() if re.search(r"\w" + _INVISIBLE.pattern + r"+\w", word))
    return frozenset(word for cleaned in found for word in _TOKEN.findall(cleaned) if _has_latin(word))


def _tokens(words: Sequence[str], hidden: frozenset[str]) -> list[_Token]:
    """Words with what they may be meant to read; runs of single letters are one word that was set apart."""
    tokens: list[_Token] = []
    for single, group in groupby(words, key=lambda word: len(word) == 1):
        run = list(group)
        if single and len(run) >= _MIN_DISGUISED:
            tokens.append(_Token("".join(run), tuple(_latin("".join(run)))))
        else:
            tokens += [_Token(word, tuple(_latin(word)) if word in hidden or _is_odd(word) else ()) for word in run]
    return tokens


def _has_latin(word: str) -> bool:
    return any("a" <= letter <= "z" for letter in word)


def _is_odd(word: str) -> bool:
    """Whether Latin letters are mixed with digits or symbols that read as letters, or with another alphabet."""
    return _has_latin(word) and any(c in _SYMBOLS or ord(c) in _LOOK_ALIKES for c in word)


def _latin(word: str) -> list[str]:
    """The Latin readings of a word, at most 16."""
    choices = [_SYMBOLS.get(c, c) for c in word.translate(_LOOK_ALIKES)]
    variants = 1
    for position, choice in enumerate(choices):
        variants *= len(choice)
        if variants > _MAX_VARIANTS:
            choices[position] = choice[0]
            variants //= len(choice)
    return ["".join(letters) for letters in product(*choices)]


def _readings(window: Sequence[_Token]) -> list[str]:
    options = [token.readings or (token.word,) for token in window]
    size = 1
    for option in options:
        size *= len(option)
    return ["".join(parts) for parts in product(*options)] if size <= _MAX_VARIANTS else []


def _phrase_pattern(phrases: Iterable[str]) -> re.Pattern[str]:
    alternatives = []
    for phrase in sorted({clean(phrase) for phrase in phrases}, key=len, reverse=True):
        bounded = not _UNSPACED.search(phrase)
        body = re.escape(phrase).replace(r"\ ", r"[\s\-_.]*")
        alternatives.append(rf"(?<!\w){body}(?!\w)" if bounded else body)
    return re.compile("|".join(alternatives))


_REPLICA = _phrase_pattern(REPLICA_PHRASES)
_UNBRANDED = frozenset(" ".join(_TOKEN.findall(clean(words))) for words in UNBRANDED)
