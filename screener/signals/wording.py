"""Folds a buyer's text as the classifier reads it: stand-in letters, letters set apart and stretched words undone."""

import re
from typing import Final

from screener.signals.lexicon import nearly
from screener.words import clean
from screener.words.letters import glyph_of

MOST: Final = 2000
"""Code points of a text that are read: a suspicion stands in the first lines or nowhere."""
_APOSTROPHES: Final = str.maketrans(dict.fromkeys("’‘ʼ`´′", "'"))
_APART: Final = re.compile(r"(?<![^\W\d_])((?:a )?)([b-z][ .\-_*](?:[a-z][ .\-_*]){2,}[a-z])(?![^\W\d_])")
_WORD: Final = re.compile(r"[^\W\d_]{7,}")
_STRETCHED: Final = re.compile(r"([b-z])\1{2,}|(?<=[a-z])(a)\2{2,}")
_TWISTED: Final = re.compile(r"(?<!\S)[\w@$!|€£¥¢§]*[^\W\d_][\w@$!|€£¥¢§]*(?!\w)")
_STAND_INS: Final = re.compile(r"[013457@$!|€£¥¢§]")
_LATIN: Final = re.compile("[a-z]")
_MIXED: Final = re.compile("[a-z].*[\u0370-\u052f]|[\u0370-\u052f].*[a-z]")


def reading_of(text: str) -> str:
    """The folded text: NFKC, case, accents, invisible characters, look-alikes, misspellings
    ("fаke", "f4ke", "f a k e", "faaake", "conterfeit")."""
    text = clean(text[:MOST].translate(_APOSTROPHES))
    text = _APART.sub(lambda found: found[1] + re.sub(r"[ .\-_*]", "", found[2]), text)
    text = _STRETCHED.sub(lambda found: found[1] or found[2], text)
    text = _TWISTED.sub(_untwisted, text)
    return _WORD.sub(lambda found: nearly(found.group()) or found.group(), text)


def _untwisted(found: re.Match[str]) -> str:
    """A word whose letters are partly stand-ins, in plain letters; any other as it is."""
    word = found.group()
    if not (word.isascii() or _MIXED.search(word)):
        return word
    body = word.rstrip("!|")
    if not (_STAND_INS.search(body) or _MIXED.search(body)):
        return word
    plain = "".join(c if _LATIN.match(c) else _latin(c) for c in body)
    # A number with a unit or a model's name ("128gb", "a7") is no twisted word: most of it must be letters.
    mostly = sum(map(str.isdecimal, body)) * 2 < len(body) and not body[0].isdecimal()
    return plain + word[len(body) :] if plain.isalpha() and len(plain) >= 3 and mostly else word


def _latin(char: str) -> str:
    latin = glyph_of(char).latin
    return "i" if latin == "1" else latin or char
